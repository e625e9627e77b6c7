//! The contract of forebay: what every queue promises, and the words for it.
//!
//! A [`Backend`] holds named queues. Opening one gives a [`Queue`]: a consumer session with five verbs
//! (publish, receive, ack, nack, extend). [`Management`] looks at a queue and steers it. What a backend can
//! and cannot do is plain data ([`Capabilities`]); [`guarded`] wraps any backend so that what it lacks
//! is refused before anything has happened, and [`observed`] so that every call and outcome reaches the
//! [`Observer`]s.
//!
//! The crate has no clock of its own, no randomness of its own and reads no environment variable: they
//! come in through [`Environment`] and [`Settings`].

mod backend;
mod capabilities;
mod checked;
mod clock;
mod config;
mod dead_letters;
mod delivery;
mod durability;
mod environment;
mod error;
pub mod failpoints;
mod headers;
mod id;
mod instrumented;
mod limits;
mod management;
mod message;
mod name;
mod new_message;
mod observer;
mod outcome;
mod page;
mod queue;
mod random;
mod receipt;
mod registry;
mod scheduling;
mod settings;
mod stored_message;
mod timestamp;

pub use backend::{Backend, Health};
pub use capabilities::{Capabilities, Capability};
pub use checked::guarded;
pub use clock::{Clock, SystemClock};
pub use config::QueueConfig;
pub use dead_letters::{DeadLetterFilter, Redriven};
pub use delivery::{Delivery, ErrorRecord};
pub use durability::{Durability, Guarantees};
pub use environment::Environment;
pub use error::{BoxError, Certainty, Error};
pub use headers::Headers;
pub use id::{IdGenerator, MessageId};
pub use instrumented::observed;
pub use limits::Limits;
pub use management::{CancelTarget, Management, Stats};
pub use message::{Fingerprint, Message};
pub use name::{FairnessKey, IdempotencyKey, Kind, QueueName, ThrottleKey, Weight};
pub use new_message::{Moment, NewMessage};
pub use observer::{
    CallId, Event, Observer, Observers, Operation, ProcessOutcome, Request, Response, Source,
};
pub use outcome::{CancelOutcome, Nack, NackAction, PublishOutcome, SettleOutcome};
pub use page::{Cursor, Page, PageRequest};
pub use queue::Queue;
pub use random::{Random, SeededRandom, SystemRandom};
pub use receipt::Receipt;
pub use registry::{Connect, Registry};
pub use scheduling::{Explanation, KeyStats, Reason, Rule, Throttle, ThrottleStats};
pub use settings::{Settings, Variable};
pub use stored_message::{State, StoredMessage};
pub use timestamp::Timestamp;
