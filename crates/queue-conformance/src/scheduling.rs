//! Rules of handing out, as the cases set them and look at what they do.
#![expect(
    clippy::missing_panics_doc,
    reason = "a case asserts by these methods: what does not hold, panics"
)]

use std::num::NonZeroU32;
use std::time::Duration;

use forebay_queue_core::{
    Capability, Delivery, Error, Explanation, KeyStats, MessageId, NewMessage, PageRequest,
    QueueConfig, Reason, Rule, Throttle, ThrottleStats, Timestamp, Weight,
};

use crate::{Case, Subject, Timing, message};

impl Case {
    /// A new queue whose fairness keys have weights; nothing where that is not declared, and refused by name.
    pub(crate) async fn fair_queue(&self) -> Option<Subject> {
        let rule = Rule::Weight(message::fairness_key("a"), Some(Weight::default()));
        let has = self.capabilities().fairness;
        self.ruled(self.holding(), has, &rule, Capability::Fairness)
            .await
    }

    /// A new queue whose fairness keys can have limits of leases; nothing where that is not declared, and refused by
    /// name.
    pub(crate) async fn limiting_queue(&self) -> Option<Subject> {
        self.limiting_queue_with(self.holding()).await
    }

    /// As [`Case::limiting_queue`], with a configuration.
    pub(crate) async fn limiting_queue_with(&self, config: QueueConfig) -> Option<Subject> {
        let rule = Rule::LeaseLimit(message::fairness_key("a"), None);
        let has = self.capabilities().lease_limits;
        self.ruled(config, has, &rule, Capability::LeaseLimits)
            .await
    }

    /// A new queue that has token buckets; nothing where that is not declared, and refused by name.
    pub(crate) async fn throttling_queue(&self) -> Option<Subject> {
        let rule = Rule::Throttle(message::throttle_key("a"), None);
        let has = self.capabilities().throttling;
        self.ruled(self.holding(), has, &rule, Capability::Throttling)
            .await
    }

    /// Whether who waits is told apart by fairness keys at all.
    pub(crate) fn tells_keys_apart(&self) -> bool {
        let can = self.capabilities();
        can.fairness || can.lease_limits
    }

    async fn ruled(
        &self,
        config: QueueConfig,
        has: bool,
        rule: &Rule,
        expected: Capability,
    ) -> Option<Subject> {
        let subject = self.queue_with(config).await;
        let answer = subject.management.set_rule(rule).await;
        if has {
            answer.expect("the backend declares that it takes such a rule");
            return Some(subject);
        }
        assert_unsupported(&subject, &answer, expected);
        None
    }
}

/// It is not declared, so it is refused by name.
pub(crate) fn assert_unsupported<T: std::fmt::Debug>(
    subject: &Subject,
    answer: &Result<T, Error>,
    expected: Capability,
) {
    assert!(
        matches!(answer, Err(Error::Unsupported { capability, backend })
            if *capability == expected && *backend == subject.queue.backend()),
        "it is not declared, so it is refused by name: {answer:?}"
    );
}

impl Subject {
    /// Sets or removes a rule.
    pub async fn set_rule(&self, rule: Rule) {
        let set = self.management.set_rule(&rule).await;
        set.expect("the rule is taken");
    }

    /// Sets the weight of a fairness key; without one removes it.
    pub async fn set_weight(&self, key: &str, weight: Option<u16>) {
        let weight = weight.map(message::weight);
        self.set_rule(Rule::Weight(message::fairness_key(key), weight))
            .await;
    }

    /// Limits the leases of a fairness key; zero removes the limit.
    pub async fn limit_leases(&self, key: &str, limit: u32) {
        let limit = NonZeroU32::new(limit);
        self.set_rule(Rule::LeaseLimit(message::fairness_key(key), limit))
            .await;
    }

    /// Sets the bucket of a throttle key; without one removes it.
    pub async fn throttle(&self, key: &str, throttle: Option<Throttle>) {
        self.set_rule(Rule::Throttle(message::throttle_key(key), throttle))
            .await;
    }

    /// All fairness keys, page by page.
    pub async fn key_stats(&self, limit: usize) -> Vec<KeyStats> {
        let mut all = Vec::new();
        let mut request = PageRequest::first(limit);
        loop {
            let page = self.management.key_stats(request).await;
            let page = page.expect("the fairness keys are listed");
            assert!(page.items.len() <= limit, "a page holds at most its limit");
            all.extend(page.items);
            match page.next {
                Some(cursor) => request = PageRequest::after(limit, cursor),
                None => return all,
            }
        }
    }

    /// One fairness key, where it has messages or a rule.
    pub async fn stats_of(&self, key: &str) -> Option<KeyStats> {
        let all = self.key_stats(PageRequest::MAX_LIMIT).await;
        all.into_iter().find(|stats| stats.key.as_str() == key)
    }

    /// All token buckets, page by page.
    pub async fn throttle_stats(&self, limit: usize) -> Vec<ThrottleStats> {
        let mut all = Vec::new();
        let mut request = PageRequest::first(limit);
        loop {
            let page = self.management.throttle_stats(request).await;
            let page = page.expect("the token buckets are listed");
            assert!(page.items.len() <= limit, "a page holds at most its limit");
            all.extend(page.items);
            match page.next {
                Some(cursor) => request = PageRequest::after(limit, cursor),
                None => return all,
            }
        }
    }

    /// Why a message that the queue knows is not being worked on.
    pub async fn explain(&self, id: MessageId) -> Explanation {
        let answer = self.management.explain(id).await;
        let answer = answer.expect("an explanation is answered");
        answer.expect("the queue knows the message")
    }

    /// It waits for all of this and for nothing else.
    pub async fn assert_reasons(&self, id: MessageId, expected: &[Reason]) {
        let found = self.explain(id).await.reasons;
        let same = found.len() == expected.len() && expected.iter().all(|r| found.contains(r));
        assert!(
            same,
            "it waits for {expected:?}, and what is told is {found:?}"
        );
    }

    /// Publishes more than fits into one batch.
    pub(crate) async fn publish_many(&self, messages: Vec<NewMessage>) {
        let batch = self.queue.capabilities().limits.batch;
        for part in messages.chunks(batch) {
            self.publish_all(part.to_vec()).await;
        }
    }

    /// Receives until nothing comes any more; then it is known of every message that it lacks a token, if it does.
    pub(crate) async fn take_all_now(&self) -> Vec<Delivery> {
        let batch = self.queue.capabilities().limits.batch;
        let mut all = Vec::new();
        loop {
            let deliveries = self.receive_now(batch).await;
            if deliveries.is_empty() {
                return all;
            }
            all.extend(deliveries);
        }
    }
}

/// A bucket of so many tokens that gets no other one while a case lasts.
pub(crate) fn slow(tokens: u32) -> Throttle {
    rate(1, Throttle::MAX_PERIOD)
        .with_burst(tokens)
        .expect("a case's burst is valid")
}

/// A bucket that gets so many tokens in a span and holds as many.
pub(crate) fn rate(tokens: u32, per: Duration) -> Throttle {
    Throttle::new(tokens, per).expect("a case's rate is valid")
}

/// No window of time, by the store's own clock, saw more deliveries than the rate times its length and the burst.
pub(crate) fn assert_rate(deliveries: &[Delivery], throttle: Throttle) {
    let mut times: Vec<Timestamp> = deliveries.iter().map(|d| d.delivered_at).collect();
    times.sort_unstable();
    for (first, from) in times.iter().enumerate() {
        for (last, to) in times.iter().enumerate().skip(first) {
            let window = to.since(*from) + Timing::GRAIN;
            let gained = window.as_nanos() * u128::from(throttle.tokens());
            let gained = gained / throttle.per().as_nanos();
            let (count, most) = (last - first + 1, gained + u128::from(throttle.burst()));
            assert!(
                count as u128 <= most,
                "{count} deliveries within {window:?}, where {most} are allowed"
            );
        }
    }
}
