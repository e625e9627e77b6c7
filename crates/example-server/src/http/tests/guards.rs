use super::*;

const TOKEN: &str = "0123456789abcdef";
const BEARER: &str = "Bearer 0123456789abcdef";
const LIST: &str = "/api/dead-letters";

#[tokio::test]
async fn the_api_token_guards_the_api_only() {
    let rig = Rig::new(&[("API_TOKEN", TOKEN)]).await;
    rig.database.prepare(false, false).await.unwrap();
    let answer = rig.post(&sms()).await;
    answer.problem(401, "unauthorized");
    assert_eq!(answer.headers["www-authenticate"], "Bearer");
    rig.get("/api/conversations")
        .await
        .problem(401, "unauthorized");
    assert_eq!(rig.live().await, 0);
    let bearer = ("authorization", BEARER);
    let answer = rig
        .send("POST", SMS, &[JSON, bearer], sms().to_string())
        .await;
    assert_eq!(answer.status, 202);
    let twice = [JSON, bearer, bearer];
    let answer = rig.send("POST", SMS, &twice, sms().to_string()).await;
    answer.problem(401, "unauthorized");
    for open in ["/healthz", "/readyz", "/metrics", "/openapi.json"] {
        assert_eq!(rig.get(open).await.status, 200, "{open}");
    }
    rig.send("GET", LIST, &[bearer], "")
        .await
        .problem(404, "not-found");
}

#[tokio::test]
async fn dead_letters_are_listed_brought_back_and_deleted() {
    let rig = Rig::new(&[("ADMIN_TOKEN", TOKEN)]).await;
    let bearer = ("authorization", BEARER);
    rig.get(LIST).await.problem(401, "unauthorized");
    let mut ids = Vec::new();
    let session = rig.queue.session().await.unwrap();
    for key in ["a", "b", "c"] {
        let mut body = sms();
        body["idempotencyKey"] = json!(key);
        ids.push(rig.post(&body).await.json()["id"].clone());
        for delivery in session.receive(1, Duration::from_secs(5)).await.unwrap() {
            delivery.dead_letter(&*session, "the reason").await.unwrap();
        }
    }
    let first = rig
        .send("GET", &format!("{LIST}?limit=2"), &[bearer], "")
        .await;
    let first = first.json();
    assert_eq!(first["items"].as_array().unwrap().len(), 2);
    let item = &first["items"][0];
    assert!(ids.contains(&item["id"]));
    assert_eq!(
        (&item["reason"], &item["attempts"]),
        (&json!("the reason"), &json!(1))
    );
    assert_eq!(item["errors"][0]["error"], "the reason");
    let cursor = first["nextCursor"].as_str().unwrap();
    let path = format!("{LIST}?limit=2&cursor={cursor}");
    let second = rig.send("GET", &path, &[bearer], "").await.json();
    assert_eq!(second["items"].as_array().unwrap().len(), 1);
    assert_eq!(second["nextCursor"], Value::Null);
    for bad in ["!", "AAAA"] {
        let path = format!("{LIST}?cursor={bad}");
        rig.send("GET", &path, &[bearer], "")
            .await
            .problem(400, "invalid-page");
    }

    let one = format!("{LIST}/{}", ids[0].as_str().unwrap());
    assert_eq!(rig.send("DELETE", &one, &[bearer], "").await.status, 204);
    rig.send("DELETE", &one, &[bearer], "")
        .await
        .problem(404, "not-found");
    let redrive = async |body: String| {
        let path = format!("{LIST}/redrive");
        rig.send("POST", &path, &[bearer, JSON], body).await
    };
    redrive("{".into()).await.problem(400, "unreadable");
    for bad in [
        r#"{"all":true}"#,
        r#"{"limit":0}"#,
        r#"{"ids":["x"]}"#,
        "[]7",
    ] {
        let status = redrive(bad.into()).await.status;
        assert!(matches!(status, 400 | 422), "{bad}");
    }
    let answer = redrive(json!({"ids": [ids[1]]}).to_string()).await;
    assert_eq!(answer.json(), json!({"redriven": 1, "full": false}));
    let answer = rig
        .send("POST", &format!("{LIST}/redrive"), &[bearer], "")
        .await;
    assert_eq!(answer.json(), json!({"redriven": 1, "full": false}));
    assert_eq!(rig.live().await, 2);
}

#[tokio::test]
async fn without_a_token_there_are_no_dead_letters() {
    let rig = Rig::new(&[]).await;
    for (method, path) in [
        ("GET", LIST),
        ("POST", "/api/dead-letters/redrive"),
        (
            "DELETE",
            "/api/dead-letters/00000000-0000-0000-0000-000000000001",
        ),
    ] {
        let bearer = [("authorization", BEARER)];
        rig.send(method, path, &bearer, "")
            .await
            .problem(404, "not-found");
    }
}
