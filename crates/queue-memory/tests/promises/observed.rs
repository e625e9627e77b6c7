//! The observing decorator over this backend: every call and what came of it.

use std::sync::{Arc, Mutex};

use forebay_queue_core::{
    CallId, CancelTarget, DeadLetterFilter, Environment, Event, Headers, Observer, Observers,
    Operation, Request, Response, observed,
};
use forebay_queue_memory::MemoryBackend;
use tokio::time::timeout;

use crate::house::{AT_ONCE, House, MINUTE, NAME, SECOND, config, plain};

/// Writes down, for each event, one line and the number of its call.
#[derive(Default)]
struct Log {
    lines: Mutex<Vec<(CallId, String)>>,
    debug: Mutex<Vec<String>>,
}

impl Observer for Log {
    fn observe(&self, event: &Event<'_>) {
        self.debug.lock().unwrap().push(format!("{event:?}"));
        let (call, source, line) = match event {
            Event::Invoked {
                call,
                source,
                operation,
                request,
            } => (
                call,
                source,
                format!("{} {}", operation.as_str(), asked(request)),
            ),
            Event::Returned {
                call,
                source,
                operation,
                response,
                ..
            } => (
                call,
                source,
                format!("{} -> {}", operation.as_str(), answered(response)),
            ),
            other => panic!("not an event of a call: {other:?}"),
        };
        assert_eq!((source.backend, source.queue), ("memory", &NAME));
        self.lines.lock().unwrap().push((*call, line));
    }

    fn inject(&self, headers: &mut Headers) {
        headers
            .insert("traceparent", "00-from-the-observer")
            .unwrap();
    }
}

fn asked(request: &Request<'_>) -> String {
    match request {
        Request::Publish(messages) => format!("{} messages", messages.len()),
        Request::Receive { max, wait } => format!("up to {max} in {wait:?}"),
        Request::Receipts(receipts) => format!("{} receipts", receipts.len()),
        Request::Nacks(nacks) => format!("{} nacks", nacks.len()),
        Request::Cancel(_) => "a target".to_owned(),
        Request::Plain => "plain".to_owned(),
        _ => "?".to_owned(),
    }
}

fn answered(response: &Response<'_>) -> String {
    match response {
        Response::Published(outcomes, kinds) => {
            assert_eq!(outcomes.len(), kinds.len());
            format!("{} published", outcomes.len())
        }
        Response::Delivered(deliveries) => format!("{} delivered", deliveries.len()),
        Response::Settled(outcomes) => format!("{outcomes:?}"),
        Response::Cancelled(outcome) => format!("{outcome:?}"),
        Response::Redriven(redriven) => format!("{} redriven", redriven.redriven),
        Response::Done(count) => format!("done {count}"),
        Response::Failed(error, kinds) => format!("failed {} {error}", kinds.len()),
        Response::Dropped => "dropped".to_owned(),
        _ => "?".to_owned(),
    }
}

impl Log {
    /// The lines since the last time, with each answer under its own call.
    fn take(&self) -> Vec<String> {
        let lines = std::mem::take(&mut *self.lines.lock().unwrap());
        for pair in lines.chunks(2) {
            assert_eq!(pair[0].0, pair[1].0, "an answer belongs to its call");
        }
        lines.into_iter().map(|(_, line)| line).collect()
    }
}

async fn house(capacity: usize) -> (House, Arc<Log>) {
    let log = Arc::new(Log::default());
    let observers = Observers::none().with(Arc::clone(&log) as Arc<dyn Observer>);
    let backend = Arc::new(MemoryBackend::new(Environment::seeded(1)));
    (
        House::around(observed(backend, observers), config(capacity)).await,
        log,
    )
}

#[tokio::test(start_paused = true)]
async fn each_verb_of_a_session_is_told_with_its_outcome() {
    let (house, log) = house(10).await;
    house.publish(plain("a")).await;
    assert_eq!(log.take(), ["publish 1 messages", "publish -> 1 published"]);
    let delivery = house.take().await;
    assert_eq!(
        log.take(),
        ["receive up to 1 in 0ns", "receive -> 1 delivered"]
    );
    delivery.extend(&*house.queue).await.unwrap();
    assert_eq!(log.take(), ["extend 1 receipts", "extend -> [Done]"]);
    delivery
        .clone()
        .retry(&*house.queue, AT_ONCE, "no")
        .await
        .unwrap();
    assert_eq!(log.take(), ["nack 1 nacks", "nack -> [Done]"]);
    delivery.ack(&*house.queue).await.unwrap();
    assert_eq!(log.take(), ["ack 1 receipts", "ack -> [LeaseLost]"]);
    house.queue.close().await.unwrap();
    assert_eq!(log.take(), ["close plain", "close -> done 0"]);
}

#[tokio::test(start_paused = true)]
async fn each_verb_that_steers_is_told_with_its_outcome() {
    let (house, log) = house(10).await;
    let all = DeadLetterFilter::all();
    house.publish(plain("dead")).await;
    let delivery = house.take().await;
    delivery.dead_letter(&*house.queue, "no").await.unwrap();
    log.take();
    house.desk.redrive(&all, 9).await.unwrap();
    assert_eq!(log.take(), ["redrive plain", "redrive -> 1 redriven"]);
    house.desk.delete_dead_letters(&all, 9).await.unwrap();
    assert_eq!(
        log.take(),
        ["delete_dead_letters plain", "delete_dead_letters -> done 0"]
    );
    house.desk.pause().await.unwrap();
    assert_eq!(log.take(), ["pause plain", "pause -> done 0"]);
    house.desk.resume().await.unwrap();
    assert_eq!(log.take(), ["resume plain", "resume -> done 0"]);
    house.desk.purge().await.unwrap();
    assert_eq!(log.take(), ["purge plain", "purge -> done 1"]);
    let id = house.publish(plain("a")).await;
    log.take();
    house.desk.cancel(CancelTarget::Id(id)).await.unwrap();
    assert_eq!(log.take(), ["cancel a target", "cancel -> Cancelled"]);
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_told_with_the_kinds_it_was_about() {
    let (house, log) = house(1).await;
    house.publish(plain("a")).await;
    log.take();
    let answer = house.queue.publish(vec![plain("b")], AT_ONCE).await;
    assert!(answer.is_err());
    let lines = log.take();
    assert_eq!(lines[0], "publish 1 messages");
    assert!(lines[1].starts_with("publish -> failed 1 the queue jobs is full"));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_is_told_as_dropped() {
    let (house, log) = house(1).await;
    let receive = house.queue.receive(1, MINUTE);
    assert!(timeout(SECOND, receive).await.is_err());
    assert_eq!(log.take(), ["receive up to 1 in 60s", "receive -> dropped"]);
    house.publish(plain("a")).await;
    log.take();
    let publish = house.queue.publish(vec![plain("b")], MINUTE);
    assert!(timeout(SECOND, publish).await.is_err());
    assert_eq!(log.take(), ["publish 1 messages", "publish -> dropped"]);
}

#[tokio::test(start_paused = true)]
async fn headers_that_an_observer_adds_travel_with_the_message() {
    let (house, _log) = house(1).await;
    house.publish(plain("a")).await;
    let delivery = house.take().await;
    let header = delivery.message.headers().get("traceparent");
    assert_eq!(header, Some("00-from-the-observer"));
}

#[tokio::test(start_paused = true)]
async fn without_observers_the_backend_itself_is_given_back() {
    let backend: Arc<dyn forebay_queue_core::Backend> =
        Arc::new(MemoryBackend::new(Environment::seeded(1)));
    let same = observed(Arc::clone(&backend), Observers::none());
    assert!(Arc::ptr_eq(&backend, &same));
}

#[tokio::test(start_paused = true)]
async fn no_event_prints_content() {
    let (house, log) = house(1).await;
    let mut message = crate::house::keyed("canary-key");
    message
        .headers_mut()
        .insert("authorization", "canary-header")
        .unwrap();
    let mut message =
        message.with_fairness_key(forebay_queue_core::FairnessKey::new("canary-fairness").unwrap());
    house.publish(message.clone()).await;
    message = message.with_throttle_key(forebay_queue_core::ThrottleKey::new("canary-t").unwrap());
    let full = house
        .queue
        .publish(vec![plain("canary-payload"), message], AT_ONCE)
        .await;
    assert!(full.is_err());
    let delivery = house.take().await;
    delivery
        .dead_letter(&*house.queue, "canary-cause")
        .await
        .unwrap();
    let key = forebay_queue_core::IdempotencyKey::new("canary-key").unwrap();
    house.desk.cancel(CancelTarget::Key(key)).await.unwrap();
    let debug = log.debug.lock().unwrap().concat();
    assert!(!debug.contains("canary"), "{debug}");
    let operations = [Operation::Publish, Operation::Nack, Operation::Cancel];
    assert!(operations.iter().all(|o| debug.contains(&format!("{o:?}"))));
}
