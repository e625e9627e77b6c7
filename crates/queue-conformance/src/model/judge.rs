use std::collections::{HashMap, HashSet};

use forebay_queue_core::{FairnessKey, MessageId, State, StoredMessage};

use crate::model::answer::{Answer, Received, Stored};
use crate::model::bounds::Bounds;
use crate::model::operation::Operation;
use crate::model::player::Player;
use crate::model::reference::Reference;
use crate::model::side::Side;
use crate::model::store::Store;

/// Has both sides do one operation, and compares what they answer and what there is to see afterwards.
///
/// # Errors
/// What differs.
pub(crate) fn step(
    reference: &mut Player<Reference>,
    store: &mut Player<Store>,
    bounds: &mut Bounds,
    operation: &Operation,
) -> Result<(), String> {
    let actual = store.play(operation);
    match operation {
        _ if reference.rules().exact => {
            bounds.before(reference, operation);
            equal(&reference.play(operation), &actual)?;
            bounds.after(reference, operation, &actual)?;
        }
        Operation::Receive { max, .. } => {
            if let Answer::Received(received) = &actual {
                follow(reference, received, *max)?;
            }
            equal(&reference.play(operation), &actual)?;
        }
        Operation::Peek(limit) => {
            peeked(&reference.play(&Operation::Peek(1_000)), &actual, *limit)?;
        }
        Operation::List(state, _) => listed(reference, *state, operation, &actual)?,
        _ => equal(&reference.play(operation), &actual)?,
    }
    survey(reference, store)
}

/// Everything that can be seen without changing anything.
///
/// # Errors
/// What differs.
pub(crate) fn survey(
    reference: &mut Player<Reference>,
    store: &mut Player<Store>,
) -> Result<(), String> {
    let expected = reference.survey();
    for ((what, expected), (_, actual)) in expected.into_iter().zip(store.survey()) {
        let state = what.parse::<State>().ok();
        let same = match state.filter(|_| !reference.rules().exact) {
            Some(state) => same_messages(reference, state, &expected, &actual),
            None => equal(&expected, &actual),
        };
        same.map_err(|difference| format!("afterwards {what}: {difference}"))?;
    }
    Ok(())
}

fn equal(expected: &Answer, actual: &Answer) -> Result<(), String> {
    if expected == actual {
        return Ok(());
    }
    if let (Answer::Messages(expected), Answer::Messages(actual)) = (expected, actual)
        && let Some((expected, actual)) = expected.iter().zip(actual).find(|(e, a)| e != a)
    {
        return Err(format!("expected {expected:?}\n   found {actual:?}"));
    }
    Err(format!("expected {expected:?}\n   found {actual:?}"))
}

/// Whether the store had the choice to hand out these; then the engine does the same.
fn follow(
    reference: &mut Player<Reference>,
    received: &[Received],
    max: usize,
) -> Result<(), String> {
    let ready = reference.side.ready();
    let mut ids = Vec::new();
    for delivery in received {
        let id = reference.names().id(delivery.message.number);
        ids.push(id.ok_or("a message was handed out that was never accepted")?);
    }
    if reference.side.paused {
        return if ids.is_empty() {
            Ok(())
        } else {
            Err("a delivery came although hand-outs are stopped".to_owned())
        };
    }
    if ids.len() > max {
        return Err(format!("{} deliveries came, not at most {max}", ids.len()));
    }
    let room = within_limits(reference, &ready, &ids)?;
    if ids.is_empty() && room > 0 {
        return Err(format!("nothing came, but {room} are ready"));
    }
    if reference.rules().ordering {
        in_order(&ready, &reference.side.handed_out, &ids)?;
    }
    reference.side.follow(ids);
    Ok(())
}

/// No fairness key has more leases than it may; answers how many of those that are ready have a key with room.
fn within_limits(
    reference: &mut Player<Reference>,
    ready: &[StoredMessage],
    ids: &[MessageId],
) -> Result<usize, String> {
    if !reference.rules().lease_limits {
        return Ok(ready.len());
    }
    let keys = reference.side.key_stats(1_000).unwrap_or_default();
    let full = keys.into_iter().filter_map(|key| {
        let room = u64::from(key.lease_limit?.get()).saturating_sub(key.leased);
        Some((key.key, room))
    });
    let mut left: HashMap<FairnessKey, u64> = full.collect();
    let has_room = |stored: &&StoredMessage| left.get(stored.message.fairness_key()) != Some(&0);
    let room = ready.iter().filter(has_room).count();
    for id in ids {
        let handed_out = ready.iter().find(|stored| stored.message.id() == *id);
        let key = handed_out.map(|stored| stored.message.fairness_key());
        if let Some(left) = key.and_then(|key| left.get_mut(key)) {
            let one_less = left.checked_sub(1);
            *left = one_less.ok_or("a fairness key has more leases than it may")?;
        }
    }
    Ok(room)
}

/// First deliveries within one fairness key come in the order of acceptance; what was parked by a delay may be overtaken.
fn in_order(
    ready: &[StoredMessage],
    handed_out: &HashSet<MessageId>,
    ids: &[MessageId],
) -> Result<(), String> {
    let mut waiting: Vec<&StoredMessage> = ready.iter().collect();
    waiting.retain(|stored| !handed_out.contains(&stored.message.id()));
    for id in ids {
        let Some(place) = waiting.iter().position(|s| s.message.id() == *id) else {
            continue;
        };
        let message = waiting.remove(place).message.clone();
        let overtaken = waiting[..place].iter().any(|earlier| {
            let parked = earlier
                .message
                .deliver_at()
                .is_some_and(|at| at > earlier.message.published_at());
            !parked && earlier.message.fairness_key() == message.fairness_key()
        });
        if overtaken {
            return Err("a first delivery came before one of the same fairness key that was accepted earlier".to_owned());
        }
    }
    Ok(())
}

/// Some of those that are ready, and some if there are any. While hand-outs are stopped it may be nobody.
fn peeked(ready: &Answer, actual: &Answer, limit: usize) -> Result<(), String> {
    let (Answer::Messages(ready), Answer::Messages(found)) = (ready, actual) else {
        return equal(ready, actual);
    };
    if found.len() > limit {
        return Err(format!("{} messages, not at most {limit}", found.len()));
    }
    let mut left = ready.clone();
    for message in found {
        let place = left.iter().position(|other| other == message);
        let place = place.ok_or_else(|| format!("{message:?} is not ready, or came twice"))?;
        left.swap_remove(place);
    }
    Ok(())
}

/// A listing by itself, in pages of its own.
fn listed(
    reference: &mut Player<Reference>,
    state: State,
    operation: &Operation,
    actual: &Answer,
) -> Result<(), String> {
    let expected = reference.play(operation);
    same_messages(reference, state, &expected, actual)
}

/// Live messages are listed in the order of acceptance, where nothing says how a redriven one stands in it; dead letters in
/// that of death; of the others no order is promised.
fn same_messages(
    reference: &Player<Reference>,
    state: State,
    expected: &Answer,
    actual: &Answer,
) -> Result<(), String> {
    let (Answer::Messages(all), Answer::Messages(found)) = (expected, actual) else {
        return equal(expected, actual);
    };
    if state == State::Dead {
        return equal(expected, actual);
    }
    let sorted = |messages: &[Stored]| {
        let mut messages = messages.to_vec();
        messages.sort_by_key(|stored| stored.message.number);
        Answer::Messages(messages)
    };
    equal(&sorted(all), &sorted(found))?;
    let redriven = |number| {
        let id = reference.names().id(number);
        id.is_some_and(|id| reference.side.redriven.contains(&id))
    };
    let live = matches!(state, State::Scheduled | State::Ready | State::Leased);
    let mut numbers = found.iter().map(|stored| stored.message.number);
    let in_order = numbers.by_ref().filter(|n| !redriven(*n)).is_sorted();
    if live && !in_order {
        return Err("the listing is not in the order of acceptance".to_owned());
    }
    Ok(())
}
