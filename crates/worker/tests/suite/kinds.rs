use std::sync::Arc;

use bytes::Bytes;
use forebay_queue_core::{Kind, NewMessage};
use forebay_worker::{Failure, HandlerOptions, Meta, RetryPolicy, State, Task};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::fixture::{Fixture, Number, Started};

#[derive(Serialize, Deserialize)]
struct Word {
    word: String,
}

impl Task for Word {
    const KIND: &'static str = "word";
}

type Seen = Arc<Mutex<Vec<String>>>;

async fn word(task: Word, State(seen): State<Seen>) {
    seen.lock().push(task.word);
}

async fn number(task: Number, State(seen): State<Seen>) -> Result<(), Failure> {
    seen.lock().push(task.number.to_string());
    Err("numbers always fail")?
}

async fn raw(payload: Bytes, meta: Meta, State(seen): State<Seen>) {
    seen.lock()
        .push(format!("{}:{}", meta.kind(), payload.len()));
}

#[tokio::test(start_paused = true)]
async fn each_kind_goes_to_its_handler_by_its_own_rules() {
    let fixture = Fixture::new().await;
    let producer = fixture.connection.producer();
    fixture.publish(7).await;
    let word_task = Word {
        word: "hello".into(),
    };
    producer.publish(word_task).await.unwrap();
    let blob = NewMessage::new(Kind::from_static("blob"), vec![0xff; 5]);
    producer.publish_all(vec![blob]).await.unwrap();
    let seen = Seen::default();
    let once = HandlerOptions::new().retry(RetryPolicy::never());
    let worker = fixture
        .worker()
        .state(Arc::clone(&seen))
        .handle(word)
        .handle_with(number, once)
        .handle_raw(&Kind::from_static("blob"), raw);
    let worker = Started::new(worker);
    fixture.until_empty().await;
    worker.stop().await;
    let mut seen = seen.lock().clone();
    seen.sort_unstable();
    assert_eq!(seen, ["7", "blob:5", "hello"]);
    assert_eq!(fixture.dead_letters().await.len(), 1);
}
