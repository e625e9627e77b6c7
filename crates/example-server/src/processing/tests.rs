use forebay::{Connector, IdempotencyKey, NewMessage, Settings};
use tempfile::TempDir;

use super::*;
use crate::channel::Channel;
use crate::request::Request;

const LIMIT: Duration = Duration::from_secs(10);

struct Rig {
    queue: Connection,
    database: Database,
    processing: Processing,
    status: WorkerStatus,
    stop: CancellationToken,
    running: tokio::task::JoinHandle<Result<forebay::Report, forebay::WorkerError>>,
    _folder: TempDir,
}

impl Rig {
    async fn start(capacity: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/messages.db", folder.path().display());
        let database = Database::open(&url).unwrap();
        let settings = Settings::from_iter([("QUEUE_CAPACITY", capacity)]);
        let queue = Connector::new(settings.clone()).connect("q").await.unwrap();
        let settings = ServerSettings::from_settings(&settings).unwrap();
        let processing = Processing::new(database.clone());
        let worker = processing.worker(&queue, &settings, Duration::from_secs(2));
        let (status, stop) = (WorkerStatus::default(), CancellationToken::new());
        let running = tokio::spawn(run(worker, status.clone(), stop.clone()));
        Self {
            queue,
            database,
            processing,
            status,
            stop,
            running,
            _folder: folder,
        }
    }

    async fn publish(&self, payload: impl Into<Bytes>, key: &str) -> forebay::MessageId {
        let message =
            NewMessage::new(KIND, payload).with_idempotency_key(IdempotencyKey::new(key).unwrap());
        let outcomes = self.queue.queue().publish(vec![message], LIMIT).await;
        outcomes.unwrap()[0].id()
    }

    async fn until(&self, what: &str, holds: impl Fn(forebay::Stats) -> bool) {
        let poll = async {
            while !holds(self.queue.management().stats().await.unwrap()) {
                // tidy: sleep — a step of polling with a limit
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(LIMIT, poll).await.expect(what);
    }
}

fn event() -> Event {
    let body = br#"{"customerId":"00000000-0000-0000-0000-000000000001","from":"+12025550100","to":"+12025550101","body":"hello"}"#;
    let request = Request::parse(Channel::Sms, body, None).unwrap();
    Event::accept(request, time::OffsetDateTime::now_utc())
}

#[tokio::test]
async fn what_cannot_be_read_is_a_dead_letter_with_a_reason_without_content() {
    let rig = Rig::start("100").await;
    rig.database.prepare(false, false).await.unwrap();
    let unknown = String::from_utf8(event().encode())
        .unwrap()
        .replace("\"schema_version\":1", "\"schema_version\":7");
    let mut ids = Vec::new();
    for (key, payload) in [("a", "{\"c4nary\"".to_owned()), ("b", unknown)] {
        ids.push(rig.publish(payload, key).await);
    }
    rig.until("both are dead", |stats| stats.dead == 2).await;
    let mut reasons = Vec::new();
    for id in ids {
        let dead = rig.queue.management().get(id).await.unwrap().unwrap();
        assert_eq!(dead.attempt, 1);
        reasons.push(dead.errors[0].error.to_string());
    }
    assert!(reasons[0].contains("not a message event"), "{reasons:?}");
    assert!(reasons[1].contains("schema_version 7"), "{reasons:?}");
    assert!(
        reasons
            .iter()
            .all(|reason| !reason.contains("c4nary") && !reason.contains("hello"))
    );
}

#[tokio::test]
async fn an_event_waits_for_the_database_without_spending_attempts() {
    let rig = Rig::start("100").await;
    let id = rig.publish(event().encode(), "k").await;
    // Long enough for more tries than attempts are allowed, if each counted.
    rig.until("it was tried", |stats| stats.scheduled + stats.ready == 1)
        .await;
    rig.database.prepare(false, false).await.unwrap();
    rig.until("it is done", |stats| stats.live() == 0).await;
    let store = rig.database.store().unwrap();
    assert!(store.has_message(*id.as_uuid()).await.unwrap());
    assert_eq!(
        (rig.processing.persisted(), rig.processing.repeated()),
        (1, 0)
    );
    // The same event under another message is one row.
    rig.publish(event().encode(), "l").await;
    assert!(rig.status.is_running());
    rig.stop.cancel();
    rig.running.await.unwrap().unwrap();
    assert!(!rig.status.is_running());
}
