use std::fmt;

use forebay_queue_core::State;

/// One thing that happens to the queue under test.
///
/// Messages have numbers, and a delivery is named by its message, so that a sequence keeps its meaning when others are taken
/// out of it.
#[derive(Clone, Debug)]
pub(crate) enum Operation {
    Receive {
        session: usize,
        max: usize,
    },
    Publish(Vec<Draft>),
    Ack(Vec<Taken>),
    Nack(Vec<(Taken, Verdict)>),
    Extend(Vec<Taken>),
    /// With the receipt of another queue.
    Foreign(Foreign),
    /// Without a number it is a message that nobody published.
    Cancel(Option<usize>),
    CancelKey(u8),
    Redrive(Filter, usize),
    DeleteDeadLetters(Filter, usize),
    DeadLetters(Filter, usize),
    Get(Option<usize>),
    Peek(usize),
    List(State, usize),
    Explain(Vec<Option<usize>>),
    Purge,
    Pause,
    Resume,
    Update(Change),
    Rule(Ruling),
    /// The session is closed, and another one opened.
    Reopen(usize),
    /// So many steps.
    Wait(u32),
}

/// The delivery of a message, counted from 1.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Taken {
    pub(crate) message: usize,
    pub(crate) delivery: usize,
}

impl fmt::Debug for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "message {} delivery {}", self.message, self.delivery)
    }
}

/// What becomes of a delivery that is not acked. Spans are in steps; none is at once.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Verdict {
    Retry(Option<u32>, Option<u8>),
    Release(Option<u32>),
    DeadLetter(Option<u8>),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Foreign {
    Ack,
    Nack,
    Extend,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    Lease(u32),
    Capacity(usize),
    Window(u32),
}

/// A rule of a fairness key or a throttle key.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ruling {
    Weight(u8, Option<u16>),
    LeaseLimit(u8, Option<u32>),
    Throttle(u8, Option<Rate>),
}

/// So many tokens in so many steps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    pub(crate) tokens: u32,
    pub(crate) steps: u32,
    pub(crate) burst: u32,
}

/// A moment: so many steps after acceptance, or at a time that is so many steps from now.
#[derive(Clone, Copy, Debug)]
pub(crate) enum When {
    In(u32),
    At(i32),
}

/// Who makes the id of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Identity {
    #[default]
    Store,
    Sender,
    /// The id of this earlier message.
    Again(usize),
}

/// A message to publish.
#[derive(Clone, Default)]
pub(crate) struct Draft {
    pub(crate) number: usize,
    pub(crate) key: Option<u8>,
    pub(crate) fingerprint: Option<u8>,
    pub(crate) deliver: Option<When>,
    pub(crate) expires: Option<When>,
    pub(crate) kind: u8,
    pub(crate) fairness_key: u8,
    pub(crate) weight: Option<u16>,
    pub(crate) throttle_keys: Vec<u8>,
    pub(crate) identity: Identity,
}

impl fmt::Debug for Draft {
    /// Says only what is out of the ordinary.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Message");
        shown.field("number", &self.number);
        if let Some(key) = self.key {
            shown.field("key", &key);
        }
        if let Some(fingerprint) = self.fingerprint {
            shown.field("fingerprint", &fingerprint);
        }
        if let Some(deliver) = self.deliver {
            shown.field("deliver", &deliver);
        }
        if let Some(expires) = self.expires {
            shown.field("expires", &expires);
        }
        if self.kind != 0 {
            shown.field("kind", &self.kind);
        }
        if self.fairness_key != 0 {
            shown.field("fairness_key", &self.fairness_key);
        }
        if let Some(weight) = self.weight {
            shown.field("weight", &weight);
        }
        if !self.throttle_keys.is_empty() {
            shown.field("throttle_keys", &self.throttle_keys);
        }
        if self.identity != Identity::Store {
            shown.field("id", &self.identity);
        }
        shown.finish()
    }
}

/// Some dead letters. Ages are in steps.
#[derive(Clone, Default)]
pub(crate) struct Filter {
    pub(crate) ids: Option<Vec<Option<usize>>>,
    pub(crate) kind: Option<u8>,
    pub(crate) cause: Option<u8>,
    pub(crate) older_than: Option<u32>,
    pub(crate) newer_than: Option<u32>,
    pub(crate) fairness_key: Option<u8>,
}

impl fmt::Debug for Filter {
    /// Says only what it demands.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Filter");
        if let Some(ids) = &self.ids {
            shown.field("ids", ids);
        }
        let fields = [
            ("kind", self.kind.map(u32::from)),
            ("cause", self.cause.map(u32::from)),
            ("older_than", self.older_than),
            ("newer_than", self.newer_than),
            ("fairness_key", self.fairness_key.map(u32::from)),
        ];
        for (name, value) in fields {
            if let Some(value) = value {
                shown.field(name, &value);
            }
        }
        shown.finish()
    }
}
