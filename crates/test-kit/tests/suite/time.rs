use std::time::Duration;

use forebay_test_kit::TestKit;

use crate::app::{Mailer, SendEmail, email, sign_up, worker};

const MINUTE: Duration = Duration::from_mins(1);
const TICK: Duration = Duration::from_millis(1);

#[tokio::test(start_paused = true)]
async fn settling_takes_a_millisecond() {
    let kit = TestKit::new();
    kit.run(worker(&Mailer::default()));
    for _ in 0..100 {
        kit.producer().publish(email("ann")).await.unwrap();
    }
    kit.settle().await;
    kit.published::<SendEmail>().assert_all_done();
    assert!(kit.elapsed() <= TICK, "{:?}", kit.elapsed());
    assert_eq!(
        kit.now()
            .since(kit.published::<SendEmail>().first().published_at()),
        kit.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_due_at_the_end_of_a_pass_is_done_and_what_is_later_waits() {
    let kit = TestKit::new();
    kit.run(worker(&Mailer::default()));
    sign_up(&kit.producer(), "ann").await.unwrap();
    let mail = kit.published::<SendEmail>().one();
    kit.pass(MINUTE.saturating_sub(2 * TICK)).await;
    mail.assert_waiting();
    kit.pass(TICK).await;
    mail.assert_done();
    assert!(kit.elapsed() <= MINUTE + 2 * TICK);
}

#[tokio::test(start_paused = true)]
async fn everything_in_a_pass_happens_when_it_is_due() {
    let kit = TestKit::new();
    let mailer = Mailer::default();
    mailer.fail(2);
    kit.run(worker(&mailer));
    sign_up(&kit.producer(), "ann").await.unwrap();
    let start = kit.now();
    kit.pass(Duration::from_hours(1)).await;
    let mail = kit.published::<SendEmail>().one();
    let at = mail.runs()[0].at.since(start);
    assert!((MINUTE..MINUTE + 2 * TICK).contains(&at), "{at:?}");
    assert!(mail.runs()[2].at.since(start) < MINUTE + Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn the_next_event_is_a_start_or_an_end() {
    let kit = TestKit::new();
    kit.run(worker(&Mailer::default()));
    assert_eq!(kit.next_event().await, None, "there is nothing to come");
    kit.producer().publish(email("slow")).await.unwrap();
    let mail = kit.published::<SendEmail>().one();
    assert_eq!(kit.next_event().await, Some(Duration::ZERO));
    mail.assert_running();
    assert_eq!(kit.next_event().await, Some(Duration::from_secs(5)));
    mail.assert_done();
    sign_up(&kit.producer(), "ann").await.unwrap();
    let passed = kit.next_event().await.unwrap();
    assert!((MINUTE..MINUTE + 2 * TICK).contains(&passed), "{passed:?}");
}

#[tokio::test(start_paused = true)]
async fn without_a_worker_there_is_no_next_event() {
    let kit = TestKit::new();
    kit.producer().publish(email("ann")).await.unwrap();
    assert_eq!(kit.next_event().await, None);
    kit.run(worker(&Mailer::default()));
    kit.producer().publish(email("never")).await.unwrap();
    kit.settle().await;
    assert_eq!(kit.next_event().await, None, "the handler never ends");
}

#[tokio::test(start_paused = true)]
async fn draining_takes_as_long_as_it_takes_and_no_longer() {
    let kit = TestKit::new();
    kit.run(worker(&Mailer::default()));
    let producer = kit.producer();
    let week = Duration::from_hours(24 * 7);
    producer.publish(email("slow")).delay(week).await.unwrap();
    kit.drain().await;
    let passed = kit.elapsed().saturating_sub(week);
    let most = Duration::from_secs(5) + 10 * TICK;
    assert!(
        (Duration::from_secs(5)..most).contains(&passed),
        "{passed:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn draining_goes_on_while_handlers_publish() {
    let kit = TestKit::new();
    let producer = kit.producer();
    kit.run(|w| {
        w.handle(move |mail: SendEmail| {
            let producer = producer.clone();
            async move {
                if mail.to.len() < 5 {
                    let next = email(&format!("{}x", mail.to));
                    let publish = producer.publish(next).delay(MINUTE);
                    publish.await?;
                }
                Ok::<_, forebay_worker::Failure>(())
            }
        })
    });
    kit.producer().publish(email("x")).await.unwrap();
    kit.drain().await;
    kit.published::<SendEmail>().assert_len(5).assert_all_done();
}

#[tokio::test(start_paused = true)]
async fn draining_ends_when_the_rest_expires() {
    let kit = TestKit::new();
    let publish = kit.producer();
    publish
        .publish(email("ann"))
        .expires_in(MINUTE)
        .await
        .unwrap();
    kit.drain().await;
    kit.published::<SendEmail>().one().assert_expired();
    assert!(kit.elapsed() < MINUTE + 5 * TICK);
}

#[tokio::test(start_paused = true)]
async fn the_same_test_makes_the_same_steps() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let kit = TestKit::new();
        let mailer = Mailer::default();
        mailer.fail(2);
        kit.run(worker(&mailer));
        kit.producer().publish(email("ann")).await.unwrap();
        kit.drain().await;
        let mail = kit.published::<SendEmail>().one();
        let at = mail.published_at();
        let times = mail.runs().into_iter().map(|run| run.at.since(at));
        runs.push(times.collect::<Vec<_>>());
    }
    assert_eq!(runs[0], runs[1]);
}
