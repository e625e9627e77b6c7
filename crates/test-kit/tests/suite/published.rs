use std::time::{Duration, SystemTime};

use forebay_queue_core::{CancelTarget, IdempotencyKey, Kind, NewMessage};
use forebay_test_kit::TestKit;

use crate::app::{Mailer, Resize, SendEmail, email, sign_up, worker};

const MINUTE: Duration = Duration::from_mins(1);

#[tokio::test(start_paused = true)]
async fn a_task_is_seen_as_it_was_published() {
    let kit = TestKit::new();
    let now = kit.now();
    let id = sign_up(&kit.producer(), "ann").await.unwrap().id();
    let welcome = kit.published::<SendEmail>().one();
    assert_eq!(welcome.id(), id);
    assert_eq!(welcome.task(), &email("ann"));
    assert_eq!(welcome.published_at(), now);
    assert_eq!(welcome.idempotency_key(), Some("welcome:ann"));
    assert_eq!(welcome.headers().get("tenant"), Some("acme"));
    assert_eq!(
        (welcome.weight(), welcome.fairness_key()),
        (None, "default")
    );
    assert_eq!(welcome.throttle_keys().count(), 0);
    assert_eq!(welcome.expires_in(), None);
    welcome
        .assert_task(&email("ann"))
        .assert_delay(MINUTE)
        .assert_idempotency_key("welcome:ann")
        .assert_fairness_key("default")
        .assert_header("tenant", "acme")
        .assert_queue("test")
        .assert_duplicates(0)
        .assert_waiting()
        .assert_waiting_until(now.after(MINUTE))
        .assert_attempts(0);
    assert_eq!(welcome.into_task(), email("ann"));
}

#[tokio::test(start_paused = true)]
async fn absolute_times_are_told_from_acceptance_on() {
    let kit = TestKit::new();
    let at = SystemTime::from(kit.now().after(MINUTE));
    let publish = kit.producer();
    publish
        .publish(email("ann"))
        .deliver_at(at)
        .expires_at(at + MINUTE)
        .fairness_key("acme")
        .await
        .unwrap();
    let task = kit.published::<SendEmail>().one();
    task.assert_delay(MINUTE)
        .assert_expires_in(2 * MINUTE)
        .assert_fairness_key("acme");
}

#[tokio::test(start_paused = true)]
async fn tasks_come_in_order_and_can_be_chosen_from() {
    let kit = TestKit::new();
    let producer = kit.producer();
    for to in ["ann", "bob", "cid"] {
        producer.publish(email(to)).await.unwrap();
        producer.publish(Resize { width: 1 }).await.unwrap();
    }
    let emails = kit.published::<SendEmail>();
    let to: Vec<_> = emails.iter().map(|e| e.task().to.as_str()).collect();
    assert_eq!(to, ["ann", "bob", "cid"]);
    emails.assert_len(3);
    assert!(!emails.is_empty() && emails.len() == 3);
    assert_eq!((&emails).into_iter().count(), 3);
    assert_eq!(emails.nth(1).task().to, "bob");
    assert_eq!(kit.published::<SendEmail>().first().task().to, "ann");
    assert_eq!(kit.published::<SendEmail>().last().task().to, "cid");
    let one = kit
        .published::<SendEmail>()
        .matching(|e| e.to.starts_with('c'));
    assert_eq!(one.one().task().to, "cid");
    let widths = kit
        .published::<Resize>()
        .into_iter()
        .map(|r| r.into_task().width);
    assert_eq!(widths.sum::<u32>(), 3);
    kit.published::<SendEmail>()
        .matching(|email| email.to == "dora")
        .assert_none();
}

#[tokio::test(start_paused = true)]
async fn a_batch_counts_as_its_messages_and_payloads_can_be_looked_at_raw() {
    let kit = TestKit::new();
    let producer = kit.producer();
    let kind = Kind::from_static("raw");
    let messages = vec![
        producer.prepare(email("ann")).unwrap(),
        NewMessage::new(kind, "\u{1}\u{2}"),
    ];
    producer.publish_all(messages).await.unwrap();
    kit.published::<SendEmail>().one();
    assert_eq!(&kit.published_raw("raw").one().task()[..], [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_is_counted_with_the_first() {
    let kit = TestKit::new();
    for _ in 0..3 {
        sign_up(&kit.producer(), "ann").await.unwrap();
    }
    kit.published::<SendEmail>().one().assert_duplicates(2);
}

#[tokio::test(start_paused = true)]
async fn what_was_refused_was_not_published() {
    let kit = TestKit::builder().capacity(1).build();
    let producer = kit.producer();
    producer.publish(email("ann")).await.unwrap();
    let refused = producer.publish(email("bob")).await.unwrap_err();
    assert!(refused.is_full());
    kit.published::<SendEmail>().one();
}

#[tokio::test(start_paused = true)]
async fn nothing_published_is_nothing_published() {
    let kit = TestKit::new();
    kit.assert_nothing_published();
    kit.published::<SendEmail>().assert_none();
    assert!(kit.published::<SendEmail>().is_empty());
    kit.drain().await;
}

#[tokio::test(start_paused = true)]
async fn lists_can_be_narrowed_by_state() {
    let kit = TestKit::new();
    let (producer, mailer) = (kit.producer(), Mailer::default());
    kit.run(worker(&mailer));
    for to in ["ann", "slow", "nobody"] {
        producer.publish(email(to)).await.unwrap();
    }
    sign_up(&producer, "bob").await.unwrap();
    sign_up(&producer, "cid").await.unwrap();
    let expires = producer.publish(email("dora")).delay(MINUTE);
    expires.expires_in(Duration::from_millis(1)).await.unwrap();
    let key = IdempotencyKey::new("welcome:cid").unwrap();
    let connection = kit.connection();
    let cancel = connection.management().cancel(CancelTarget::Key(key));
    cancel.await.unwrap();
    kit.settle().await;

    let emails = || kit.published::<SendEmail>();
    emails()
        .done()
        .one()
        .assert_task(&email("ann"))
        .assert_done();
    emails()
        .running()
        .one()
        .assert_task(&email("slow"))
        .assert_running();
    emails().dead().one().assert_dead("no such address");
    emails().waiting().one().assert_task(&email("bob"));
    emails()
        .cancelled()
        .one()
        .assert_task(&email("cid"))
        .assert_cancelled();
    emails()
        .expired()
        .one()
        .assert_task(&email("dora"))
        .assert_expired();
    kit.drain().await;
    emails().done().assert_len(3).assert_all_done();
}
