use super::*;

#[tokio::test]
async fn a_valid_post_is_published_and_found() {
    let rig = Rig::new(&[]).await;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let headers = [JSON, ("traceparent", trace)];
    let answer = rig.send("POST", SMS, &headers, sms().to_string()).await;
    assert_eq!(answer.status, 202);
    let accepted = answer.json();
    assert_eq!(
        (&accepted["idempotencyKey"], &accepted["duplicate"]),
        (&json!("k"), &json!(false))
    );
    let id = accepted["id"].as_str().unwrap();
    let location = answer.headers[header::LOCATION].to_str().unwrap();
    assert_eq!(location, format!("/api/messages/{id}"));
    assert_eq!(
        rig.get(location).await.json(),
        json!({"id": id, "state": "queued"})
    );
    let queued = rig.queue.management().peek(9).await.unwrap();
    assert_eq!(queued.len(), 1);
    assert_eq!(queued[0].message.kind(), &KIND);
    assert_eq!(queued[0].message.headers().get("traceparent"), Some(trace));

    let delivery = rig.queue.session().await.unwrap();
    let delivery = delivery.receive(1, Duration::from_secs(5)).await.unwrap();
    assert_eq!(delivery.len(), 1);
    assert_eq!(rig.get(location).await.json()["state"], "processing");
}

#[tokio::test]
async fn a_repeat_is_a_duplicate_and_another_payload_is_refused() {
    let rig = Rig::new(&[]).await;
    let first = rig.post(&sms()).await.json();
    let repeat = rig.post(&sms()).await.json();
    assert_eq!(repeat["id"], first["id"]);
    assert_eq!(repeat["duplicate"], true);
    let mut other = sms();
    other["body"] = json!("other");
    rig.post(&other)
        .await
        .problem(422, "idempotency-key-reused");
    assert_eq!(rig.live().await, 1);
}

#[tokio::test]
async fn what_is_refused_is_a_problem_and_publishes_nothing() {
    let rig = Rig::new(&[]).await;
    let valid = sms().to_string();
    let post = async |headers: &[(&str, &str)], body: &str| {
        rig.send("POST", SMS, headers, body.to_owned()).await
    };
    post(&[], &valid).await.problem(415, "not-json");
    post(&[("content-type", "text/plain")], &valid)
        .await
        .problem(415, "not-json");
    post(&[JSON], "{").await.problem(400, "unreadable");
    post(&[JSON], "[]").await.problem(422, "invalid-request");
    let problem = post(&[JSON], "{\"c4nary\":1}")
        .await
        .problem(422, "invalid-request");
    assert!(problem["errors"].as_array().unwrap().len() > 1);
    let large = " ".repeat(REQUEST_MAX + 1);
    post(&[JSON], &large).await.problem(413, "too-large");
    let key = |value| [JSON, ("idempotency-key", value)];
    let problem = post(&key("other"), &valid)
        .await
        .problem(422, "invalid-request");
    assert_eq!(problem["errors"][0]["pointer"], "/idempotencyKey");
    let twice = [JSON, ("idempotency-key", "k"), ("idempotency-key", "k")];
    post(&twice, &valid).await.problem(422, "invalid-request");
    let request = Request::post(SMS).header("content-type", "application/json");
    let latin = axum::http::HeaderValue::from_bytes(b"\xe9").unwrap();
    let request = request.header("idempotency-key", latin);
    let response = rig
        .router
        .clone()
        .oneshot(request.body(Body::from(valid)).unwrap());
    assert_eq!(response.await.unwrap().status(), 422);
    assert_eq!(rig.live().await, 0);
}

#[tokio::test]
async fn the_largest_valid_request_fits() {
    let rig = Rig::new(&[]).await;
    // Each byte written as six.
    let body = sms()
        .to_string()
        .replace("hello", &"\\u0041".repeat(64 * 1024));
    let answer = rig.send("POST", SMS, &[JSON], body).await;
    assert_eq!(answer.status, 202);
}

#[tokio::test]
async fn wrong_paths_methods_and_pages_are_problems() {
    let rig = Rig::new(&[]).await;
    rig.database.prepare(false, false).await.unwrap();
    for path in [
        "/",
        "/api",
        "/api/messages",
        "/api/messages/no-uuid",
        "/api/messages/00000000-0000-0000-0000-000000000001",
        "/api/conversations/x/messages",
        "/api/conversations/00000000-0000-0000-0000-000000000001/messages",
        "/docs/nothing",
    ] {
        rig.get(path).await.problem(404, "not-found");
    }
    let answer = rig.send("PUT", SMS, &[], "").await;
    answer.problem(405, "method-not-allowed");
    assert_eq!(answer.headers["allow"], "POST");
    for query in [
        "limit=0",
        "limit=201",
        "limit=x",
        "limit=-1",
        "cursor=!",
        "limit=1&limit=2",
    ] {
        let path = format!("/api/conversations?{query}");
        rig.get(&path).await.problem(400, "invalid-page");
    }
    let empty = rig.get("/api/conversations?limit=200").await.json();
    assert_eq!(empty, json!({"items": [], "nextCursor": null}));
}

#[tokio::test]
async fn without_a_database_posts_are_accepted_and_the_rest_is_unavailable() {
    // Never prepared.
    let rig = Rig::new(&[]).await;
    let answer = rig.post(&sms()).await;
    assert_eq!(answer.status, 202);
    let location = answer.headers[header::LOCATION].to_str().unwrap();
    assert_eq!(rig.get(location).await.json()["state"], "queued");
    for path in [
        "/api/conversations",
        "/api/messages/00000000-0000-0000-0000-000000000001",
    ] {
        let answer = rig.get(path).await;
        answer.problem(503, "unavailable");
        assert!(answer.headers.contains_key("retry-after"));
    }
    assert_eq!(rig.get("/healthz").await.status, 200);
    let ready = rig.get("/readyz").await;
    assert_eq!(ready.status, 503);
    let report = ready.json();
    assert_eq!(report["ready"], false);
    assert_eq!(report["database"]["state"], "down");
    assert_eq!(
        (&report["queue"]["state"], &report["worker"]["state"]),
        (&json!("up"), &json!("off"))
    );
}

#[tokio::test]
async fn the_description_and_its_page_are_served() {
    let rig = Rig::new(&[]).await;
    let answer = rig.get("/openapi.json").await;
    assert_eq!(answer.headers["content-type"], "application/json");
    let api = answer.json();
    assert_eq!(api["openapi"], "3.1.0");
    assert!(api["paths"][SMS]["post"]["responses"]["503"].is_object());
    assert!(api["components"]["schemas"]["Problem"].is_object());
    let page = rig.get("/docs/").await;
    assert_eq!(page.status, 200);
    let script = rig.get("/docs/swagger-ui-bundle.js").await;
    assert!(script.body.len() > 100_000);
    let start = rig.get("/docs/swagger-initializer.js").await;
    assert!(
        String::from_utf8(start.body)
            .unwrap()
            .contains("/openapi.json")
    );
}

#[tokio::test]
async fn metrics_show_the_queue() {
    let rig = Rig::new(&[]).await;
    rig.post(&sms()).await;
    let answer = rig.get("/metrics").await;
    assert_eq!(
        answer.headers["content-type"],
        forebay::telemetry::CONTENT_TYPE
    );
    let text = String::from_utf8(answer.body).unwrap();
    let depth = r#"messaging_queue_depth{backend="memory",queue="q",state="ready"} 1"#;
    assert!(text.contains(depth), "{text}");
}

#[tokio::test]
async fn a_panic_is_a_problem() {
    let response = panicked(Box::new("c4nary"));
    assert_eq!(response.status(), 500);
    assert_eq!(
        response.headers()["content-type"],
        "application/problem+json"
    );
}
