use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! occurrences {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal,)+) => {
        /// What a simulation makes happen. Each has to happen in a run of many seeds: what never happened proves nothing.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Occurrence {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Occurrence {
            /// All of them.
            pub const ALL: [Self; [$($text),+].len()] = [$(Self::$name),+];

            /// In plain words.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }
    };
}

occurrences! {
    // Calls to the store.
    /// Answered `Unavailable`; nothing happened.
    Refused = "refused call",
    /// Answered `Interrupted`; nothing happened.
    LostRequest = "lost request",
    /// It took effect and is answered `Interrupted`.
    LostAnswer = "lost answer",
    /// It takes effect late.
    LateRequest = "late request",
    /// It takes effect at once and is answered late.
    LateAnswer = "late answer",
    /// It is answered `Interrupted` first and takes effect afterwards.
    LateEffect = "effect after the answer was given up",
    /// It is never answered.
    NoAnswer = "no answer",
    /// The call panics.
    PanickingCall = "panicking call",
    /// A session cannot be opened.
    RefusedOpen = "session refused",
    /// A session is closed while someone works with it.
    ClosedSession = "session closed under its holder",
    // Processes.
    /// A worker ends at once, with everything it holds.
    Crash = "crash",
    /// A worker starts again.
    Restart = "restart",
    /// A worker is told to stop, and has time for it.
    Shutdown = "shutdown",
    /// A process neither sends nor hears anything for a while.
    Stall = "stall",
    /// Nothing in the world moves, but time does, for some leases.
    Freeze = "freeze",
    // The world.
    /// Minutes to hours pass at once.
    ClockJump = "clock jump",
    /// The store's clock is set forward.
    ClockForward = "clock set forward",
    /// The store's clock is set back.
    ClockBack = "clock set back",
    /// The store answers nobody for a while.
    Outage = "outage",
    /// Something that handlers depend on is down for a while.
    DependencyDown = "dependency down",
    // Handlers.
    /// Done.
    Done = "handler done",
    /// A failed attempt.
    Failed = "handler failed",
    /// A failed attempt that says when to try again.
    RetryAfter = "handler asked for a delay",
    /// Snoozed.
    Snoozed = "handler snoozed",
    /// Rejected.
    Rejected = "handler rejected",
    /// Something it depends on is down.
    Unavailable = "handler unavailable",
    /// Panicked.
    Panicked = "handler panicked",
    /// Ran into its time limit.
    TimedOut = "handler timed out",
    /// Ran for longer than a lease.
    Long = "handler longer than the lease",
    /// Was dropped before it ended.
    Cut = "handler dropped",
    // Clients.
    /// One message.
    Publish = "publish",
    /// Several messages.
    PublishBatch = "publish of a batch",
    /// A key that was used before.
    RepeatedKey = "repeated key",
    /// A message for later.
    Delayed = "delayed publish",
    /// A message that ends by itself.
    Expiring = "expiring publish",
    /// A payload that nobody can read.
    Undecodable = "undecodable payload",
    /// A kind that no worker knows.
    UnknownKind = "unknown kind",
    /// A message that fails each time.
    Poison = "poison",
    /// A publish that found no room.
    Full = "full queue",
    /// Cancel by id.
    CancelId = "cancel by id",
    /// Cancel by key.
    CancelKey = "cancel by key",
    /// Purge.
    Purge = "purge",
    /// Pause.
    Pause = "pause",
    /// Resume.
    Resume = "resume",
    /// Redrive.
    Redrive = "redrive",
    /// Deletion of dead letters.
    DeleteDead = "deletion of dead letters",
    /// Another configuration.
    Update = "update",
    /// A session closed by its holder, and another opened.
    Reopen = "session closed and opened again",
    /// The caller gives up before there is an answer.
    DroppedCall = "dropped call",
    /// Lists, counts and looks.
    Browse = "browse",
    // Consumers that settle by hand.
    /// Received by hand.
    ByHand = "received by hand",
    /// A receipt used when its lease was over.
    LateSettle = "settled after the lease",
    /// A receipt used twice.
    SettledTwice = "settled twice",
    /// A delivery that is never settled.
    Forgotten = "never settled",
}

/// How often each thing happened.
#[derive(Debug)]
pub struct Tally([AtomicU64; Occurrence::ALL.len()]);

impl Default for Tally {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl Tally {
    /// It happened once more.
    pub fn count(&self, occurrence: Occurrence) {
        self.0[occurrence as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How often it happened.
    pub fn of(&self, occurrence: Occurrence) -> u64 {
        self.0[occurrence as usize].load(Ordering::Relaxed)
    }

    /// Adds another tally to this one.
    pub fn add(&self, other: &Self) {
        for (mine, its) in self.0.iter().zip(&other.0) {
            mine.fetch_add(its.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }

    /// What never happened.
    pub fn missing(&self) -> Vec<Occurrence> {
        let never = |occurrence: &Occurrence| self.of(*occurrence) == 0;
        Occurrence::ALL.into_iter().filter(never).collect()
    }

    /// One line for each.
    pub fn table(&self) -> String {
        let mut text = String::new();
        for occurrence in Occurrence::ALL {
            let _ = writeln!(text, "{:>12}  {}", self.of(occurrence), occurrence.as_str());
        }
        text
    }
}
