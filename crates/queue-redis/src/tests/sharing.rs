//! One connection for many, and one's own.

use std::time::Duration;

use forebay_queue_core::Certainty;
use futures_util::future::join_all;
use redis::Value;
use tokio::time::{Instant, timeout};

use super::*;
use crate::failure::Advice;

/// How many connections there are over the network.
pub(super) fn clients(server: &RedisServer) -> usize {
    let list = server.call(&["CLIENT", "LIST", "TYPE", "normal"]).unwrap();
    let text = list.text().unwrap_or_default();
    text.lines()
        .filter(|line| line.contains("addr=127.0.0.1:"))
        .count()
}

async fn until_clients(server: &RedisServer, wanted: usize) {
    until_ok(async || match clients(server) {
        found if found == wanted => Ok(()),
        found => Err(found),
    })
    .await;
}

#[tokio::test]
async fn many_callers_share_one_connection_and_get_their_own_answers() {
    let Some(builder) = builder() else { return };
    let server = builder.start().unwrap();
    let servers = servers(&server.url());
    let ways: Vec<_> = (0..100)
        .map(|i| Way::to(&servers, &format!("q{i}")))
        .collect();
    let ask = async |i: usize| {
        let calls = vec![
            command(&["SET", &format!("k{i}"), &i.to_string()]),
            command(&["GET", &format!("k{i}")]),
        ];
        ways[i].link.pipeline(calls).await.unwrap().pop().unwrap()
    };
    let answers = join_all((0..100).map(ask)).await;
    for (i, answer) in answers.into_iter().enumerate() {
        assert_eq!(answer.unwrap(), Value::BulkString(i.to_string().into()));
    }
    assert_eq!(clients(&server), 1);
}

#[tokio::test]
async fn answers_belong_to_calls_and_a_refused_one_spoils_no_other() {
    let Some(builder) = builder() else { return };
    let server = builder.start().unwrap();
    let servers = servers(&server.url());
    let way = Way::to(&servers, "q");
    let count = || Call::script(&COUNT, &way.keys, ["1"]);
    let calls = vec![
        count(),
        command(&["NOSUCHCOMMAND", "x"]),
        count(),
        command(&["PING"]),
    ];
    let answers = way.link.pipeline(calls).await.unwrap();
    assert_eq!(answers[0], Ok(Value::Int(1)));
    assert_eq!(answers[1].as_ref().unwrap_err().advice(), Advice::Fatal);
    assert_eq!(answers[2], Ok(Value::Int(2)));
    assert_eq!(answers[3], Ok(Value::SimpleString("PONG".to_owned())));
    assert!(way.link.pipeline(Vec::new()).await.unwrap().is_empty());
    // A server that was restarted, or told so, knows no scripts.
    server.call(&["SCRIPT", "FLUSH"]).unwrap();
    let answers = way
        .link
        .pipeline(vec![count(), command(&["PING"]), count()])
        .await
        .unwrap();
    assert_eq!(answers[0], Ok(Value::Int(3)));
    assert_eq!(answers[2], Ok(Value::Int(4)));
    server.call(&["SCRIPT", "FLUSH"]).unwrap();
    let mut own = way.link.dedicated().await.unwrap();
    assert_eq!(own.one(count(), PATIENCE).await, Ok(Value::Int(5)));
}

#[tokio::test]
async fn a_dropped_call_disturbs_nobody() {
    let Some(builder) = builder() else { return };
    let server = builder.start().unwrap();
    let servers = servers(&server.url());
    let way = Way::to(&servers, "q");
    way.count().await.unwrap();
    for i in 0..200 {
        let dropped = timeout(Duration::from_micros(i), way.count());
        let (_, answer) = tokio::join!(dropped, way.link.one(command(&["ECHO", &i.to_string()])));
        assert_eq!(answer, Ok(Value::BulkString(i.to_string().into())));
    }
    assert_eq!(clients(&server), 1);
}

#[tokio::test]
async fn a_blocking_read_outlasts_the_limit_of_other_calls_and_has_its_own() {
    let Some(builder) = builder() else { return };
    let server = builder.start().unwrap();
    let options = options(&server.url()).with_response_timeout(Duration::from_millis(100));
    let servers = Servers::new(options).unwrap();
    let way = Way::to(&servers, "q");
    let mut own = way.link.dedicated().await.unwrap();
    let read = |millis: &str| command(&["XREAD", "BLOCK", millis, "STREAMS", "s", "$"]);
    let start = Instant::now();
    let answer = own.one(read("400"), PATIENCE).await;
    assert_eq!(answer, Ok(Value::Nil));
    assert!(start.elapsed() >= Duration::from_millis(400));
    let patience = Duration::from_millis(100);
    let failure = own.one(read("60000"), patience).await.unwrap_err();
    assert_eq!(failure.certainty(), Certainty::Unknown);
    assert_eq!(failure.advice(), Advice::Reconnect);
    assert_eq!(clients(&server), 2);
    // The server is still at it; the connection is closed all the same.
    drop(own);
    until_clients(&server, 1).await;
}

#[tokio::test]
async fn dropping_a_read_under_way_with_its_connection_closes_it() {
    let Some(builder) = builder() else { return };
    let server = builder.start().unwrap();
    let servers = servers(&server.url());
    let way = Way::to(&servers, "q");
    let mut own = way.link.dedicated().await.unwrap();
    let read = command(&["XREAD", "BLOCK", "60000", "STREAMS", "s", "$"]);
    timeout(Duration::from_millis(50), own.one(read, PATIENCE))
        .await
        .unwrap_err();
    drop(own);
    until_clients(&server, 1).await;
    way.count().await.unwrap();
}
