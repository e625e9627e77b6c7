use forebay_queue_core::State;
use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::{BoxedStrategy, Just, Strategy, any, prop_oneof};
use proptest::sample::{select, subsequence};

use crate::model::answer::CAUSES;
use crate::model::operation::{
    Change, Draft, Filter, Foreign, Identity, Operation, Rate, Ruling, Taken, Verdict, When,
};
use crate::model::player::{Player, SESSIONS};
use crate::model::reference::Reference;
use crate::model::rules::{Keep, Rules};

/// How far back a sequence looks.
const RECENT: usize = 8;
/// One more than the queue remembers.
const KEYS: u8 = 6;
/// The buckets that there may be.
const THROTTLE_KEYS: u8 = 3;

/// An empty queue.
pub(crate) fn begin(rules: Rules) -> BoxedStrategy<Player<Reference>> {
    let mut keeps = vec![Keep::Nothing];
    if rules.retain_done {
        keeps.extend([Keep::Long, Keep::Short]);
    }
    select(keeps)
        .prop_map(move |keep| Player::begin(rules, keep))
        .boxed()
}

/// What may happen next. A failure is made simpler within one kind of operation, never by another kind.
pub(crate) fn operation(player: &Player<Reference>) -> BoxedStrategy<Operation> {
    let rules = player.rules();
    let mut choices = vec![
        (7, (1..4_u32).prop_map(Operation::Wait).boxed()),
        (2, (4..15_u32).prop_map(Operation::Wait).boxed()),
        (10, receive()),
        (12, publish(player, 1..=rules.batch.min(3))),
        (1, publish(player, rules.batch.min(4)..=rules.batch)),
    ];
    let recent: Vec<Taken> = player.recent_deliveries().take(RECENT).collect();
    if !recent.is_empty() {
        choices.extend(settling(rules, &player.side.held, &recent));
    }
    let recent = player.names().recent().take(RECENT);
    let mut known: Vec<Option<usize>> = recent.map(|(number, _)| Some(number)).collect();
    known.push(None);
    let resume = if player.side.paused { 15 } else { 1 };
    choices.push((resume, Just(Operation::Resume).boxed()));
    choices.extend(steering(&known));
    choices.extend(looking(&known));
    choices.extend(ruling(rules, &known));
    let total = choices.iter().map(|(weight, _)| weight).sum();
    let one = (0..total).no_shrink();
    one.prop_flat_map(move |n| nth(&choices, n)).boxed()
}

type Choices = Vec<(u32, BoxedStrategy<Operation>)>;

/// The choice that the `n`th of all weights falls to.
fn nth(choices: &Choices, mut n: u32) -> BoxedStrategy<Operation> {
    let falls = choices
        .iter()
        .find(|(weight, _)| match n.checked_sub(*weight) {
            None => true,
            Some(rest) => {
                n = rest;
                false
            }
        });
    let (_, choice) = falls.unwrap_or(&choices[0]);
    choice.clone()
}

fn receive() -> BoxedStrategy<Operation> {
    let receive = |(session, max)| Operation::Receive { session, max };
    (0..SESSIONS, 1..5_usize).prop_map(receive).boxed()
}

fn publish(
    player: &Player<Reference>,
    count: std::ops::RangeInclusive<usize>,
) -> BoxedStrategy<Operation> {
    let next = player.names().next();
    let numbered = move |mut drafts: Vec<Draft>| {
        // An id that is in use is a matter of one message: of several reasons to refuse a batch any may be named.
        let alone = drafts.len() == 1;
        for (number, draft) in (next..).zip(&mut drafts) {
            draft.number = number;
            if !alone && matches!(draft.identity, Identity::Again(_)) {
                draft.identity = Identity::Sender;
            }
        }
        Operation::Publish(drafts)
    };
    vec(draft(player), count).prop_map(numbered).boxed()
}

fn draft(player: &Player<Reference>) -> impl Strategy<Value = Draft> + use<> {
    let rules = player.rules();
    let expiring = rules.may_expire(player.config());
    let longest = rules.longest_delay;
    let longest_after = i32::try_from(longest.unwrap_or(0)).unwrap_or(i32::MAX);
    let deliver = prop_oneof![
        3 => (0..=longest.unwrap_or(0)).prop_map(When::In),
        1 => (-3..=longest_after).prop_map(When::At),
    ];
    let expires = prop_oneof![
        3 => (0..9_u32).prop_map(When::In),
        1 => (-1..9_i32).prop_map(When::At),
    ];
    // A key goes on standing for an id: what a store makes of one that is used again is not promised.
    let plain = player.names().recent().filter(|(_, keyed)| !keyed);
    let used = plain.take(3).map(|(number, _)| Identity::Again(number));
    let mut identities = vec![Identity::Store; 20];
    identities.extend([Identity::Sender; 4]);
    identities.extend(used);
    let identity = select(identities);
    (
        weighted(0.4, 0..KEYS),
        weighted(0.3, 0..2_u8),
        if_possible(longest.is_some(), 0.3, deliver),
        if_possible(expiring, 0.25, expires),
        0..2_u8,
        0..fairness_keys(rules),
        if_possible(rules.fairness, 0.2, 1..4_u16),
        if_possible(rules.throttling, 0.5, vec(0..THROTTLE_KEYS, 1..3)),
        identity,
    )
        .prop_map(|parts| {
            let (key, fingerprint, deliver, expires, kind, fairness_key, weight, throttled, id) =
                parts;
            Draft {
                number: 0,
                key,
                fingerprint: key.and(fingerprint),
                deliver,
                expires,
                kind,
                fairness_key,
                weight,
                throttle_keys: throttled.unwrap_or_default(),
                identity: id,
            }
        })
}

/// One more where it matters who has turns.
fn fairness_keys(rules: Rules) -> u8 {
    if rules.tells_keys_apart() { 3 } else { 2 }
}

/// With this probability, where it can be at all.
fn if_possible<S>(possible: bool, probability: f64, value: S) -> BoxedStrategy<Option<S::Value>>
where
    S: Strategy + 'static,
    S::Value: Clone,
{
    if possible {
        weighted(probability, value).boxed()
    } else {
        Just(None).boxed()
    }
}

fn settling(rules: Rules, held: &[Taken], recent: &[Taken]) -> Choices {
    let most = rules.batch.min(3);
    let any_of = vec(select(recent.to_vec()), 1..=most);
    // Mostly such as are held: nearly all others are too late.
    let some = match held.len().min(most) {
        0 => any_of.boxed(),
        most => prop_oneof![4 => subsequence(held.to_vec(), 1..=most), 1 => any_of].boxed(),
    };
    let longest = rules.longest_delay;
    let after = move || if_possible(longest.is_some(), 0.6, 0..=longest.unwrap_or(0).min(3));
    let cause = || {
        let causes = u8::try_from(CAUSES.len()).unwrap_or(u8::MAX);
        weighted(0.8, 0..causes)
    };
    let verdict = prop_oneof![
        2 => (after(), cause()).prop_map(|(after, cause)| Verdict::Retry(after, cause)),
        2 => after().prop_map(Verdict::Release),
        3 => cause().prop_map(Verdict::DeadLetter),
    ];
    let verdicts = vec(verdict, most);
    let nacks = (some.clone(), verdicts)
        .prop_map(|(taken, verdicts)| Operation::Nack(taken.into_iter().zip(verdicts).collect()));
    let (acks, fails, extends) = match held {
        [] => (1, 1, 1),
        _ => (6, 12, 4),
    };
    vec![
        (acks, some.clone().prop_map(Operation::Ack).boxed()),
        (fails, nacks.boxed()),
        (extends, some.prop_map(Operation::Extend).boxed()),
    ]
}

fn steering(known: &[Option<usize>]) -> Choices {
    let change = prop_oneof![
        (1..4_u32).prop_map(Change::Lease),
        (2..10_usize).prop_map(Change::Capacity),
        (0..6_u32).prop_map(Change::Window),
    ];
    let foreign = select(vec![Foreign::Ack, Foreign::Nack, Foreign::Extend]);
    let redrive =
        (filter(known), 1..4_usize).prop_map(|(filter, limit)| Operation::Redrive(filter, limit));
    let delete = (filter(known), 1..3_usize)
        .prop_map(|(filter, limit)| Operation::DeleteDeadLetters(filter, limit));
    vec![
        (
            3,
            select(known.to_vec()).prop_map(Operation::Cancel).boxed(),
        ),
        (2, (0..KEYS).prop_map(Operation::CancelKey).boxed()),
        (4, redrive.boxed()),
        (1, delete.boxed()),
        (1, Just(Operation::Pause).boxed()),
        (1, Just(Operation::Purge).boxed()),
        (1, change.prop_map(Operation::Update).boxed()),
        (1, (0..SESSIONS).prop_map(Operation::Reopen).boxed()),
        (1, foreign.prop_map(Operation::Foreign).boxed()),
    ]
}

fn looking(known: &[Option<usize>]) -> Choices {
    let state = select(State::ALL.to_vec());
    let list = (state, 1..4_usize).prop_map(|(state, limit)| Operation::List(state, limit));
    let dead = (filter(known), 1..3_usize)
        .prop_map(|(filter, limit)| Operation::DeadLetters(filter, limit));
    vec![
        (1, select(known.to_vec()).prop_map(Operation::Get).boxed()),
        (1, (1..4_usize).prop_map(Operation::Peek).boxed()),
        (1, list.boxed()),
        (1, dead.boxed()),
    ]
}

/// Rules of handing out, and what comes of them; nothing where none is declared.
fn ruling(rules: Rules, known: &[Option<usize>]) -> Choices {
    let mut choices: Choices = Vec::new();
    if rules.fairness {
        let weight = (0..fairness_keys(rules), weighted(0.8, 1..6_u16));
        let weight = weight.prop_map(|(key, weight)| Ruling::Weight(key, weight));
        choices.push((2, weight.prop_map(Operation::Rule).boxed()));
    }
    if rules.lease_limits {
        let limit = (0..fairness_keys(rules), weighted(0.7, 1..4_u32));
        let limit = limit.prop_map(|(key, limit)| Ruling::LeaseLimit(key, limit));
        choices.push((3, limit.prop_map(Operation::Rule).boxed()));
    }
    if rules.throttling {
        let rate = (1..4_u32, 1..12_u32, 1..4_u32).prop_map(|(tokens, steps, burst)| Rate {
            tokens,
            steps,
            burst,
        });
        let throttle = (0..THROTTLE_KEYS, weighted(0.7, rate));
        let throttle = throttle.prop_map(|(key, rate)| Ruling::Throttle(key, rate));
        choices.push((5, throttle.prop_map(Operation::Rule).boxed()));
    }
    if !choices.is_empty() {
        let explained = Just(Operation::Explain(known.to_vec()));
        choices.push((6, explained.boxed()));
    }
    choices
}

fn filter(known: &[Option<usize>]) -> impl Strategy<Value = Filter> + use<> {
    let causes = u8::try_from(CAUSES.len()).unwrap_or(u8::MAX);
    let demands = (
        weighted(0.12, vec(select(known.to_vec()), 0..4)),
        weighted(0.12, 0..2_u8),
        weighted(0.12, 0..causes),
        weighted(0.12, 0..6_u32),
        weighted(0.12, 0..6_u32),
        weighted(0.12, 0..2_u8),
        any::<bool>(),
    );
    demands.prop_map(
        |(ids, kind, cause, older_than, newer_than, fairness_key, all)| {
            if all {
                return Filter::default();
            }
            Filter {
                ids,
                kind,
                cause,
                older_than,
                newer_than,
                fairness_key,
            }
        },
    )
}
