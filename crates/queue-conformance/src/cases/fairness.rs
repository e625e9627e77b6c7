//! Fair: deliveries follow the weights of the fairness keys, and nobody waits for longer than a round.

use std::time::Duration;

use forebay_queue_core::{Delivery, MessageId, NackAction, NewMessage, SettleOutcome};

use crate::{Case, Subject, message};

const AT_ONCE: Duration = Duration::ZERO;

/// The numbers of one key's messages begin with its own number.
const EACH: usize = 10_000;

fn name(key: usize) -> String {
    format!("key-{key}")
}

fn of_key(key: usize, number: usize) -> NewMessage {
    let name = message::fairness_key(&name(key));
    message::numbered(key * EACH + number).with_fairness_key(name)
}

fn backlog(key: usize, count: usize) -> Vec<NewMessage> {
    (0..count).map(|number| of_key(key, number)).collect()
}

/// By what was put into it: a store that mixes up the keys is not to be believed about them.
fn whose(delivery: &Delivery) -> usize {
    message::number(delivery) / EACH
}

/// How many of the next deliveries are of each key.
async fn shares<const KEYS: usize>(subject: &Subject, count: usize) -> [usize; KEYS] {
    let mut shares = [0; KEYS];
    for delivery in subject.take_many(count).await {
        shares[whose(&delivery)] += 1;
    }
    shares
}

/// How many others come before the next message of a key.
async fn others_before(subject: &Subject, key: usize) -> usize {
    let mut others = 0;
    while whose(&subject.take().await) != key {
        others += 1;
    }
    others
}

pub(crate) async fn keys_share_as_their_weights_say(case: Case) {
    let Some(subject) = case.fair_queue().await else {
        return;
    };
    for key in 1..=5_u16 {
        let mut messages = backlog(key.into(), 120 * usize::from(key));
        messages[0] = of_key(key.into(), 0).with_weight(message::weight(key));
        subject.publish_many(messages).await;
    }
    let [_, shares @ ..] = shares::<6>(&subject, 1_500).await;
    for (weight, share) in (1..).zip(shares) {
        let expected: usize = 100 * weight;
        assert!(
            share.abs_diff(expected) * 50 <= expected,
            "within 2 % of 100 for each weight: {shares:?}"
        );
    }
}

pub(crate) async fn keys_without_weights_share_alike(case: Case) {
    let Some(subject) = case.fair_queue().await else {
        return;
    };
    for (key, count) in [200, 20, 70, 30].into_iter().enumerate() {
        subject.publish_many(backlog(key, count)).await;
    }
    let shares = shares::<4>(&subject, 40).await;
    assert!(
        shares.iter().all(|share| (9..=11).contains(share)),
        "alike, however long the backlogs are: {shares:?}"
    );
}

pub(crate) async fn a_quiet_key_waits_for_a_round_at_most(case: Case) {
    const BUSY: usize = 40;
    let Some(subject) = case.fair_queue().await else {
        return;
    };
    for key in 0..BUSY {
        subject.publish_many(backlog(key, 6)).await;
    }
    subject.take_many(BUSY / 2).await;
    for quiet in BUSY..BUSY + 2 {
        subject.publish(of_key(quiet, 0)).await;
        let others = others_before(&subject, quiet).await;
        assert!(
            others <= BUSY,
            "{others} messages of {BUSY} other keys came before that of a quiet one"
        );
    }
}

pub(crate) async fn a_key_that_comes_back_waits_for_a_round_of_weights_at_most(case: Case) {
    for busy in [&[1][..], &[2], &[3, 3], &[7, 7], &[3, 5, 7]] {
        let Some(subject) = case.fair_queue().await else {
            return;
        };
        subject.publish(of_key(0, 0)).await;
        for (key, weight) in (1..).zip(busy) {
            subject.set_weight(&name(key), Some(*weight)).await;
            subject.publish_many(backlog(key, 150)).await;
        }
        let round: u16 = busy.iter().sum();
        // Each time it has just become active.
        for number in 1..8 {
            let others = others_before(&subject, 0).await;
            assert!(
                others <= usize::from(round),
                "{others} others came first, where their weights are {round} together"
            );
            subject.publish(of_key(0, number)).await;
        }
    }
}

pub(crate) async fn a_key_that_comes_back_does_not_jump_the_queue(case: Case) {
    let Some(subject) = case.fair_queue().await else {
        return;
    };
    subject.publish_many(backlog(0, 60)).await;
    let mut shares = [0, 0];
    subject.publish(of_key(1, 0)).await;
    for number in 1..=30 {
        let delivery = subject.take().await;
        shares[whose(&delivery)] += 1;
        if whose(&delivery) == 1 {
            subject.publish(of_key(1, number)).await;
        }
    }
    assert!(
        shares[1] <= 16,
        "who leaves and comes back has half of the turns, not more: {shares:?}"
    );
    assert!(shares[1] >= 14, "and not less: {shares:?}");
}

pub(crate) async fn a_key_that_was_away_has_saved_no_turns(case: Case) {
    let Some(subject) = case.fair_queue().await else {
        return;
    };
    subject.publish_many(backlog(0, 100)).await;
    subject.publish(of_key(1, 0)).await;
    subject.take_many(50).await;
    subject.publish_many(backlog(1, 30)).await;
    let [busy, back] = shares(&subject, 20).await;
    assert!(
        (9..=11).contains(&back),
        "{busy} of the one that stayed, {back} of the one that was away"
    );
}

/// The next 40 deliveries, when the first of two keys has this weight and the other has none.
async fn assert_weight(subject: &Subject, weight: u16) {
    let [share, other] = shares(subject, 40).await;
    let expected = 40 * usize::from(weight) / usize::from(weight + 1);
    assert!(
        share.abs_diff(expected) <= 3,
        "{share} and {other}, where the weights are {weight} and 1"
    );
    let stats = subject.stats_of(&name(0)).await.expect("it has messages");
    assert_eq!(stats.weight.get(), weight, "the weight that is told");
}

pub(crate) async fn the_latest_weight_says(case: Case) {
    let Some(subject) = case.fair_queue().await else {
        return;
    };
    for key in 0..2 {
        subject.publish_many(backlog(key, 300)).await;
    }
    assert_weight(&subject, 1).await;
    let heavy = |number| of_key(0, number).with_weight(message::weight(3));
    subject.publish(heavy(300)).await;
    assert_weight(&subject, 3).await;
    subject.set_weight(&name(0), Some(9)).await;
    assert_weight(&subject, 9).await;
    subject.publish(of_key(0, 301)).await;
    assert_weight(&subject, 9).await;
    subject.publish(heavy(302)).await;
    assert_weight(&subject, 3).await;
    subject.set_weight(&name(0), Some(9)).await;
    subject.set_weight(&name(0), None).await;
    assert_weight(&subject, 1).await;
}

pub(crate) async fn a_weight_outlives_its_messages(case: Case) {
    let Some(subject) = case.fair_queue().await else {
        return;
    };
    let heavy = of_key(0, 0).with_weight(message::weight(4));
    subject.publish(heavy).await;
    let delivery = subject.take().await;
    subject.ack(&delivery).await;
    for key in 0..2 {
        subject.publish_many(backlog(key, 80)).await;
    }
    assert_weight(&subject, 4).await;
}

pub(crate) async fn what_is_given_back_takes_a_turn_of_its_key(case: Case) {
    let Some(subject) = case.fair_queue().await else {
        return;
    };
    subject.publish_many(backlog(0, 40)).await;
    subject.publish(of_key(1, 0)).await;
    let mut shares = [0, 0];
    for turn in 0..40 {
        let delivery = subject.take().await;
        shares[whose(&delivery)] += 1;
        if whose(&delivery) == 1 {
            let action = if turn % 4 < 2 {
                NackAction::Retry { after: AT_ONCE }
            } else {
                NackAction::Release { after: AT_ONCE }
            };
            let outcome = subject.nack_outcome(&delivery, action).await;
            assert_eq!(outcome, SettleOutcome::Done);
        }
    }
    assert!(
        (19..=21).contains(&shares[1]),
        "one that is given back again and again has half of the turns: {shares:?}"
    );
}

pub(crate) async fn peek_shows_whose_turn_it_is(case: Case) {
    let Some(subject) = case.fair_queue().await else {
        return;
    };
    for key in 1..=3_u16 {
        subject.set_weight(&name(key.into()), Some(key)).await;
        subject.publish_many(backlog(key.into(), 20)).await;
    }
    subject.take_many(5).await;
    let seen = subject.management.peek(12).await.expect("peek is answered");
    let seen: Vec<MessageId> = seen.iter().map(|stored| stored.message.id()).collect();
    let mut next = Vec::new();
    for _ in 0..12 {
        next.push(subject.take().await.message.id());
    }
    assert_eq!(seen, next, "what would be received next");
}

pub(crate) async fn every_session_and_process_takes_part_in_the_turns(case: Case) {
    let Some(subject) = case.fair_queue().await else {
        return;
    };
    let there = case.another_process().await;
    let sessions = [
        subject.clone(),
        case.open(&subject.name).await,
        there.open(&subject.name).await,
    ];
    for (key, session) in sessions.iter().enumerate() {
        session.publish_many(backlog(key, 30)).await;
    }
    let mut shares = [0; 3];
    for turn in 0..30 {
        let delivery = sessions[turn % 3].take().await;
        shares[whose(&delivery)] += 1;
    }
    assert!(
        shares.iter().all(|share| (9..=11).contains(share)),
        "the turns are the queue's, not a session's: {shares:?}"
    );
}
