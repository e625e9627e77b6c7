//! Hand-outs stop and go on by a word, and a queue is emptied by another.

use std::time::Duration;

use forebay_queue_core::{DeadLetterFilter, State};

use crate::{Case, message};

pub(crate) async fn pause_stops_hand_outs_on_every_handle_of_every_session(case: Case) {
    let subject = case.queue().await;
    let second = case.open(&subject.name).await;
    let elsewhere = case.another_process().await.open(&subject.name).await;
    subject.publish_all(message::many(3)).await;
    subject.pause().await;
    for session in [&subject, &second, &elsewhere] {
        session.assert_nothing_now().await;
        assert!(session.stats().await.paused, "everyone sees the pause");
    }
    elsewhere.assert_nothing_for(case.timing().delay).await;
    assert_eq!(subject.stats().await.ready, 3, "nothing was handed out");
    elsewhere.resume().await;
    case.pass(Duration::from_secs(1)).await;
    for session in [&subject, &second, &elsewhere] {
        session.take().await;
    }
}

pub(crate) async fn a_receiver_who_waits_gets_nothing_until_the_queue_goes_on(case: Case) {
    let subject = case.queue().await;
    let other = case.open(&subject.name).await;
    let limit = case.timing().limit;
    let waiting = [
        subject.receiving(1, limit).await,
        other.receiving(1, limit).await,
    ];
    subject.pause().await;
    subject.publish_all(message::many(2)).await;
    case.pass(case.timing().moment()).await;
    for waiting in &waiting {
        assert!(!waiting.is_over(), "a paused queue hands nothing out");
    }
    subject.resume().await;
    for waiting in waiting {
        let answer = tokio::time::timeout(
            Duration::from_secs(1) + case.timing().tolerance(),
            waiting.answer(),
        );
        let deliveries = answer.await.expect("it goes on by itself");
        assert_eq!(deliveries.expect("the session is open").len(), 1);
    }
}

pub(crate) async fn publishing_goes_on_while_paused(case: Case) {
    let subject = case.queue().await;
    subject.pause().await;
    subject.publish_all(message::many(2)).await;
    subject.publish(message::keyed("k")).await;
    assert_eq!(subject.stats().await.ready, 3);
    subject.assert_nothing_now().await;
    subject.resume().await;
    assert_eq!(subject.take_many(3).await.len(), 3);
}

pub(crate) async fn running_work_goes_on_while_paused(case: Case) {
    let subject = case.queue_with(case.holding()).await;
    subject.publish_all(message::many(4)).await;
    let held = subject.take_many(4).await;
    subject.pause().await;
    let extended = subject.extend_outcome(&held[0]).await;
    assert_eq!(extended, forebay_queue_core::SettleOutcome::Done);
    subject.ack(&held[0]).await;
    subject.retry(&held[1], Duration::ZERO, "no").await;
    subject.release(&held[2], Duration::ZERO).await;
    subject.dead_letter(&held[3], "no").await;
    let all = DeadLetterFilter::all();
    assert_eq!(subject.redrive(&all, 1).await.redriven, 1);
    let stats = subject.stats().await;
    assert_eq!((stats.ready, stats.leased, stats.dead), (3, 0, 0));
    subject.assert_nothing_now().await;
    subject.resume().await;
    assert_eq!(subject.take_many(3).await.len(), 3);
}

pub(crate) async fn pause_and_resume_are_idempotent(case: Case) {
    let subject = case.queue().await;
    subject.publish(message::numbered(0)).await;
    subject.resume().await;
    subject.pause().await;
    subject.pause().await;
    subject.assert_nothing_now().await;
    subject.resume().await;
    assert!(!subject.stats().await.paused, "one resume ends every pause");
    subject.take().await;
    subject.resume().await;
    assert!(!subject.stats().await.paused);
}

pub(crate) async fn time_goes_on_while_paused(case: Case) {
    let subject = case.queue().await;
    let (delay, lease) = (case.timing().delay, case.timing().lease);
    subject.publish(message::numbered(0)).await;
    subject.take().await;
    subject
        .publish(message::numbered(1).with_delay(delay))
        .await;
    let short = message::numbered(2).with_time_to_live(delay);
    subject.publish(short).await;
    subject.pause().await;
    case.pass(delay.max(lease) + case.timing().tolerance())
        .await;
    let stats = subject.stats().await;
    assert_eq!(
        (stats.scheduled, stats.ready, stats.leased),
        (0, 2, 0),
        "delays, leases and lives end while the queue is paused"
    );
    subject.assert_nothing_now().await;
    subject.resume().await;
    let mut numbers = message::numbers(&subject.take_many(2).await);
    numbers.sort_unstable();
    assert_eq!(numbers, [0, 1]);
}

pub(crate) async fn purge_removes_scheduled_and_ready_and_says_how_many(case: Case) {
    let subject = case.queue().await;
    let delay = case.timing().delay;
    subject.publish_all(message::many(3)).await;
    let mut later = Vec::new();
    for number in 3..5 {
        later.push(message::numbered(number).with_delay(delay));
    }
    let scheduled = subject.publish_all(later).await;
    assert_eq!(subject.purge().await, 5, "three ready and two scheduled");
    assert_eq!(subject.stats().await.live(), 0);
    assert_eq!(subject.state_of(scheduled[0]).await, None);
    subject
        .assert_nothing_for(delay + case.timing().tolerance())
        .await;
    assert_eq!(subject.purge().await, 0, "there is nothing left to purge");
    subject.publish(message::numbered(5)).await;
    assert_eq!(subject.drain().await, [5], "the queue goes on");
}

pub(crate) async fn purge_leaves_running_work_and_dead_letters(case: Case) {
    let subject = case.queue_with(case.holding()).await;
    let dead = subject.publish_dead(message::numbered(0), "no").await;
    let ids = subject.publish_all(message::many(4)).await;
    let held = subject.take_many(2).await;
    assert_eq!(subject.purge().await, 2);
    assert_eq!(subject.state_of(dead).await, Some(State::Dead));
    let running = subject.state_of(ids[0]).await;
    assert_eq!(running, Some(State::Leased), "running work goes on");
    assert_eq!(subject.state_of(ids[2]).await, None);
    subject.ack(&held[0]).await;
    subject.retry(&held[1], Duration::ZERO, "no").await;
    assert_eq!(subject.take().await.message.id(), ids[1]);
}

pub(crate) async fn purged_keys_stay_known(case: Case) {
    let subject = case.queue().await;
    let id = subject.publish(message::keyed("k")).await;
    assert_eq!(subject.purge().await, 1);
    let again = subject.publish_outcome(vec![message::keyed("k")]).await;
    let again = again.expect("it is answered")[0];
    assert!(again.is_duplicate() && again.id() == id);
    assert_eq!(subject.stats().await.live(), 0);
}

pub(crate) async fn a_paused_queue_is_purged_and_stays_paused(case: Case) {
    let subject = case.queue().await;
    subject.publish_all(message::many(3)).await;
    subject.pause().await;
    assert_eq!(subject.purge().await, 3);
    subject.publish(message::numbered(3)).await;
    assert!(subject.stats().await.paused);
    subject.assert_nothing_now().await;
    subject.resume().await;
    assert_eq!(message::number(&subject.take().await), 3);
}
