use std::collections::HashMap;
use std::time::Duration;

use forebay_queue_core::{KeyStats, Reason, Throttle};

use crate::model::answer::{Answer, Received};
use crate::model::operation::{Operation, Ruling};
use crate::model::player::{Player, throttle_key};
use crate::model::reference::Reference;
use crate::model::side::Side;

/// What holds whatever is decided about turns and tokens, for both sides alike: no key has more leases than it may, no window
/// of time sees more than the rate times its length and the burst, and nothing stays that could go.
///
/// Looked at where the moments are compared: what both sides do wrongly in the same way would not differ.
#[derive(Default)]
pub(crate) struct Bounds {
    /// By the text of their key.
    buckets: HashMap<String, Bucket>,
    /// As they were before the operation.
    keys: Vec<KeyStats>,
}

struct Bucket {
    throttle: Throttle,
    /// When a token was taken since the bucket was set.
    taken: Vec<Duration>,
}

impl Bounds {
    /// Before an operation.
    pub(crate) fn before(&mut self, reference: &mut Player<Reference>, operation: &Operation) {
        if matches!(operation, Operation::Receive { .. }) {
            self.keys = reference.side.key_stats(1_000).unwrap_or_default();
        }
    }

    /// After it.
    ///
    /// # Errors
    /// What does not hold.
    pub(crate) fn after(
        &mut self,
        reference: &mut Player<Reference>,
        operation: &Operation,
        answer: &Answer,
    ) -> Result<(), String> {
        match (operation, answer) {
            (Operation::Rule(Ruling::Throttle(key, rate)), Answer::Done) => {
                let key = throttle_key(*key).as_str().to_owned();
                let throttle = rate.and_then(|rate| reference.rules().throttle(rate));
                let taken = Vec::new();
                match throttle {
                    Some(throttle) => self.buckets.insert(key, Bucket { throttle, taken }),
                    None => self.buckets.remove(&key),
                };
                Ok(())
            }
            (Operation::Receive { max, .. }, Answer::Received(received)) => {
                self.leases(received)?;
                self.tokens(received)?;
                if received.len() < *max {
                    nothing_could_go(reference)?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn leases(&mut self, received: &[Received]) -> Result<(), String> {
        for delivery in received {
            let text = &delivery.message.fairness_key;
            let key = self.keys.iter_mut().find(|key| key.key.as_str() == text);
            let key = key.ok_or("a message came whose fairness key was not listed")?;
            key.leased += 1;
            if key
                .lease_limit
                .is_some_and(|limit| key.leased > limit.get().into())
            {
                return Err("a fairness key has more leases than it may".to_owned());
            }
        }
        Ok(())
    }

    fn tokens(&mut self, received: &[Received]) -> Result<(), String> {
        for delivery in received {
            let mut keys = delivery.message.throttle_keys.clone();
            keys.sort_unstable();
            keys.dedup();
            for key in keys {
                if let Some(bucket) = self.buckets.get_mut(&key) {
                    bucket.taken.push(delivery.delivered_at);
                    bucket.check()?;
                }
            }
        }
        Ok(())
    }
}

impl Bucket {
    /// Every window that ends with the latest delivery.
    fn check(&self) -> Result<(), String> {
        let Some(end) = self.taken.last() else {
            return Ok(());
        };
        for (count, begin) in (1..).zip(self.taken.iter().rev()) {
            let window = end.saturating_sub(*begin);
            let gained = window.as_nanos() * u128::from(self.throttle.tokens());
            let gained = gained / self.throttle.per().as_nanos();
            if count > gained + u128::from(self.throttle.burst()) {
                let throttle = self.throttle;
                return Err(format!(
                    "{count} deliveries within {window:?} for {throttle:?}"
                ));
            }
        }
        Ok(())
    }
}

/// Whatever is ready lacks a token, or its key has as many leases as it may, or hand-outs are stopped.
fn nothing_could_go(reference: &mut Player<Reference>) -> Result<(), String> {
    for stored in reference.side.ready() {
        let id = stored.message.id();
        let explained = reference.side.explain(id).ok().flatten();
        let reasons = explained.map(|explained| explained.reasons);
        let is_held = |reason: &Reason| {
            matches!(
                reason,
                Reason::Throttled { .. } | Reason::LeaseLimit { .. } | Reason::Paused
            )
        };
        if !reasons.is_some_and(|reasons| reasons.iter().any(is_held)) {
            return Err("a message stays that nothing holds, where more were asked for".to_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(taken: &[u64]) -> Bucket {
        let throttle = Throttle::new(2, Duration::from_secs(1)).unwrap();
        Bucket {
            throttle: throttle.with_burst(3).unwrap(),
            taken: taken.iter().map(|at| Duration::from_millis(*at)).collect(),
        }
    }

    #[test]
    fn a_window_holds_the_burst_and_what_was_gained() {
        assert!(bucket(&[0, 0, 0]).check().is_ok());
        assert!(bucket(&[0, 0, 0, 0]).check().is_err());
        assert!(bucket(&[0, 0, 0, 499]).check().is_err());
        assert!(bucket(&[0, 0, 0, 500, 1_000]).check().is_ok());
        assert!(bucket(&[0, 0, 0, 500, 999]).check().is_err());
        assert!(bucket(&[0, 9_000, 9_000, 9_000, 9_000]).check().is_err());
    }
}
