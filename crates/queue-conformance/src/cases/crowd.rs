//! Many at once: each message is done exactly once, and nobody waits for ever.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use forebay_queue_core::{CancelOutcome, CancelTarget, MessageId, QueueConfig, SettleOutcome};
use tokio::task::JoinSet;

use crate::{Case, Subject, message};

/// How many messages one producer brings.
const SHARE: usize = 200;
const PRODUCERS: usize = 4;
const ALL: usize = SHARE * PRODUCERS;

/// Publishes a share of the numbers in batches, with patience.
async fn produce(subject: Subject, producer: usize, patience: Duration) {
    let numbers: Vec<usize> = (producer * SHARE..(producer + 1) * SHARE).collect();
    for part in numbers.chunks(10) {
        let batch = part
            .iter()
            .map(|number| message::numbered(*number))
            .collect();
        let outcomes = subject.queue.publish(batch, patience).await;
        assert_eq!(outcomes.expect("there will be room").len(), part.len());
    }
}

/// Receives and acks until everything was acked by someone; answers what was acked here, in its order.
async fn consume(subject: Subject, done: Arc<AtomicUsize>, wait: Duration) -> Vec<usize> {
    let mut acked = Vec::new();
    while done.load(Ordering::SeqCst) < ALL {
        let deliveries = subject.queue.receive(16, wait).await;
        let deliveries = deliveries.expect("the session is open");
        assert!(deliveries.iter().all(|d| d.attempt == 1), "each comes once");
        subject.ack_all(&deliveries).await;
        acked.extend(message::numbers(&deliveries));
        done.fetch_add(deliveries.len(), Ordering::SeqCst);
    }
    acked
}

async fn all_of<T: 'static>(mut tasks: JoinSet<T>) -> Vec<T> {
    let mut answers = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        answers.push(ended.expect("a task does not panic"));
    }
    answers
}

fn assert_each_once(mut numbers: Vec<usize>, count: usize) {
    numbers.sort_unstable();
    let expected: Vec<usize> = (0..count).collect();
    assert_eq!(numbers, expected, "each message is done exactly once");
}

/// Has producers and consumers work on a small queue, each with the session that it is given.
async fn work(case: &Case, producers: Vec<Subject>, consumers: Vec<Subject>) {
    let done = Arc::new(AtomicUsize::new(0));
    let moment = case.timing().moment();
    let mut consuming = JoinSet::new();
    for subject in consumers {
        consuming.spawn(consume(subject, Arc::clone(&done), moment));
    }
    let mut producing = JoinSet::new();
    for (producer, subject) in producers.into_iter().enumerate() {
        producing.spawn(produce(subject, producer, case.timing().limit));
    }
    all_of(producing).await;
    let acked = all_of(consuming).await;
    if case.capabilities().ordering {
        for of_one in &acked {
            for producer in 0..PRODUCERS {
                let share = of_one.iter().filter(|number| *number / SHARE == producer);
                assert!(share.is_sorted(), "the order of acceptance is kept");
            }
        }
    }
    assert_each_once(acked.concat(), ALL);
}

fn small(case: &Case) -> QueueConfig {
    QueueConfig {
        capacity: 50,
        ..case.holding()
    }
}

pub(crate) async fn many_producers_and_consumers_do_each_message_exactly_once(case: Case) {
    let subject = case.queue_with(small(&case)).await;
    let producers = vec![subject.clone(); PRODUCERS];
    work(&case, producers, vec![subject.clone(); 4]).await;
    assert_eq!(subject.stats().await.live(), 0);
}

pub(crate) async fn several_sessions_and_processes_share_one_queue(case: Case) {
    let subject = case.queue_with(small(&case)).await;
    let (one, two) = (case.another_process().await, case.another_process().await);
    let mut producers = Vec::new();
    let mut consumers = Vec::new();
    for process in [&case, &one, &two, &case] {
        producers.push(process.open(&subject.name).await);
        consumers.push(process.open(&subject.name).await);
    }
    work(&case, producers, consumers).await;
    assert_eq!(subject.stats().await.live(), 0);
}

/// Acks most, gives some back in every way, and forgets some; answers what was acked.
async fn consume_badly(
    subject: Subject,
    done: Arc<AtomicUsize>,
    count: usize,
    wait: Duration,
    seed: u64,
) -> Vec<usize> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut acked = Vec::new();
    while done.load(Ordering::SeqCst) < count {
        let deliveries = subject.queue.receive(4, wait).await;
        for delivery in deliveries.expect("the session is open") {
            let number = message::number(&delivery);
            match random.u8(0..10) {
                0 => subject.retry(&delivery, Duration::ZERO, "no").await,
                1 => subject.release(&delivery, Duration::ZERO).await,
                // Once each at most, so that no message needs many leases.
                2 if delivery.attempt == 1 && number.is_multiple_of(5) => {}
                _ => {
                    if subject.ack_outcome(&delivery).await == SettleOutcome::Done {
                        acked.push(number);
                        done.fetch_add(1, Ordering::SeqCst);
                    }
                }
            }
        }
    }
    acked
}

pub(crate) async fn with_failures_and_forgetting_each_message_is_still_acked_once(case: Case) {
    const COUNT: usize = 200;
    let config = QueueConfig {
        lease: 2 * case.timing().lease,
        ..case.config()
    };
    let subject = case.queue_with(config).await;
    subject.publish_all(message::many(COUNT)).await;
    let done = Arc::new(AtomicUsize::new(0));
    let mut consuming = JoinSet::new();
    for seed in 0..4 {
        let session = case.open(&subject.name).await;
        let moment = case.timing().moment();
        consuming.spawn(consume_badly(
            session,
            Arc::clone(&done),
            COUNT,
            moment,
            seed,
        ));
    }
    assert_each_once(all_of(consuming).await.concat(), COUNT);
    let stats = subject.stats().await;
    assert_eq!((stats.live(), stats.dead), (0, 0));
}

pub(crate) async fn every_waiting_receiver_gets_one_of_a_batch(case: Case) {
    let subject = case.queue_with(case.holding()).await;
    let mut waiting = Vec::new();
    for _ in 0..8 {
        waiting.push(subject.receiving(1, case.timing().limit).await);
    }
    subject.publish_all(message::many(8)).await;
    let mut numbers = Vec::new();
    for waiting in waiting {
        let answer = tokio::time::timeout(case.timing().tolerance(), waiting.answer()).await;
        let answer = answer.expect("each of them is woken at once");
        numbers.extend(message::numbers(&answer.expect("it is open")));
    }
    assert_each_once(numbers, 8);
}

pub(crate) async fn messages_one_by_one_reach_every_waiting_receiver(case: Case) {
    let subject = case.queue_with(case.holding()).await;
    let mut waiting = Vec::new();
    for _ in 0..3 {
        waiting.push(subject.receiving(1, case.timing().limit).await);
    }
    let other = case.open(&subject.name).await;
    for _ in 0..3 {
        waiting.push(other.receiving(1, case.timing().limit).await);
    }
    for number in 0..6 {
        subject.publish(message::numbered(number)).await;
        case.pass(case.timing().moment()).await;
    }
    let mut numbers = Vec::new();
    for waiting in waiting {
        let answer = tokio::time::timeout(case.timing().tolerance(), waiting.answer()).await;
        let answer = answer.expect("nobody is passed over for ever");
        numbers.extend(message::numbers(&answer.expect("it is open")));
    }
    assert_each_once(numbers, 6);
}

pub(crate) async fn every_waiting_publisher_gets_through_a_small_queue(case: Case) {
    let config = QueueConfig {
        capacity: 2,
        ..case.holding()
    };
    let subject = case.queue_with(config).await;
    let mut publishing = JoinSet::new();
    for number in 0..20 {
        let (queue, patience) = (Arc::clone(&subject.queue), case.timing().limit);
        publishing.spawn(async move {
            let outcomes = queue
                .publish(vec![message::numbered(number)], patience)
                .await;
            outcomes.expect("there will be room");
        });
    }
    let mut numbers = Vec::new();
    while numbers.len() < 20 {
        let held = subject.take().await;
        subject.ack(&held).await;
        numbers.push(message::number(&held));
    }
    all_of(publishing).await;
    assert_each_once(numbers, 20);
}

pub(crate) async fn of_a_cancel_and_a_receive_exactly_one_wins(case: Case) {
    const COUNT: usize = 60;
    let subject = case.queue_with(case.holding()).await;
    let ids = subject.publish_all(message::many(COUNT)).await;
    let cancelling = {
        let (subject, ids) = (subject.clone(), ids.clone());
        tokio::spawn(async move {
            let mut cancelled: Vec<MessageId> = Vec::new();
            for id in ids.into_iter().rev() {
                match subject.cancel(CancelTarget::Id(id)).await {
                    CancelOutcome::Cancelled => cancelled.push(id),
                    CancelOutcome::AlreadyRunning => {}
                    other => panic!("it is waiting or running, not {other:?}"),
                }
                tokio::task::yield_now().await;
            }
            cancelled
        })
    };
    let mut received = Vec::new();
    while !cancelling.is_finished() {
        let deliveries = subject.receive_now(1).await;
        received.extend(deliveries.iter().map(|d| d.message.id()));
        tokio::task::yield_now().await;
    }
    received.extend(
        subject
            .receive_now(COUNT)
            .await
            .iter()
            .map(|d| d.message.id()),
    );
    let cancelled = cancelling.await.expect("cancelling does not panic");
    let mut both = [received, cancelled].concat();
    both.sort_unstable();
    let mut expected = ids;
    expected.sort_unstable();
    assert_eq!(
        both, expected,
        "each is received or cancelled, and none both"
    );
}

pub(crate) async fn one_key_published_by_many_at_once_is_one_message(case: Case) {
    let subject = case.queue().await;
    let elsewhere = case.another_process().await.open(&subject.name).await;
    for round in 0..10 {
        let mut publishing = JoinSet::new();
        for n in 0..8 {
            let from = if n % 2 == 0 { &subject } else { &elsewhere };
            let queue = Arc::clone(&from.queue);
            let message = message::keyed(&format!("round {round}"));
            publishing.spawn(async move {
                let outcomes = queue.publish(vec![message], Duration::ZERO).await;
                outcomes.expect("there is room")[0]
            });
        }
        let outcomes = all_of(publishing).await;
        let accepted = outcomes.iter().filter(|o| !o.is_duplicate()).count();
        assert_eq!(accepted, 1, "one of them is the first");
        assert!(
            outcomes.iter().all(|o| o.id() == outcomes[0].id()),
            "and all the others are told its id"
        );
    }
    assert_eq!(subject.stats().await.ready, 10);
}

pub(crate) async fn sessions_that_come_and_go_lose_nothing(case: Case) {
    const COUNT: usize = 60;
    let subject = case.queue().await;
    subject.publish_all(message::many(COUNT)).await;
    let mut working = JoinSet::new();
    for worker in 0..4 {
        let case = case.clone();
        let name = subject.name.clone();
        working.spawn(async move {
            let mut acked = Vec::new();
            for round in 0..4 {
                let session = case.open(&name).await;
                let deliveries = session.receive_now(3).await;
                // One is done, the others go down with the session.
                if let Some(first) = deliveries.first() {
                    session.ack(first).await;
                    acked.push(message::number(first));
                }
                if (worker + round) % 2 == 0 {
                    let closed = session.queue.close().await;
                    closed.expect("the session closes");
                }
            }
            acked
        });
    }
    let mut numbers = all_of(working).await.concat();
    let span = case.timing().lease + case.timing().tolerance();
    let rest = tokio::time::timeout(span, subject.finish_many(COUNT - numbers.len())).await;
    numbers.extend(rest.expect("what went down with its session is back after a lease"));
    assert_each_once(numbers, COUNT);
}

pub(crate) async fn a_pause_under_load_holds_everyone(case: Case) {
    const COUNT: usize = 200;
    let subject = case.queue_with(case.holding()).await;
    subject.publish_all(message::many(COUNT)).await;
    let received = Arc::new(AtomicUsize::new(0));
    let mut consuming = JoinSet::new();
    for _ in 0..4 {
        let session = case.open(&subject.name).await;
        let (received, moment) = (Arc::clone(&received), case.timing().moment());
        consuming.spawn(async move {
            while received.load(Ordering::SeqCst) < COUNT {
                let deliveries = session.queue.receive(1, moment).await;
                let deliveries = deliveries.expect("the session is open");
                received.fetch_add(deliveries.len(), Ordering::SeqCst);
                session.ack_all(&deliveries).await;
                // Slow enough for the pause to come in between.
                tokio::time::sleep(moment / 10).await;
            }
        });
    }
    subject.pause().await;
    let before = received.load(Ordering::SeqCst);
    case.pass(case.timing().delay).await;
    let after = received.load(Ordering::SeqCst);
    assert_eq!(before, after, "a second after the pause nothing more comes");
    subject.resume().await;
    all_of(consuming).await;
    assert_eq!(subject.stats().await.live(), 0);
}
