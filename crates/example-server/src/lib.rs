//! An outbound-messaging service built on forebay.
//!
//! The handler validates, publishes and answers 202; a worker in the same process persists.
//!
//! The parts that know nothing of the queue: the domain types, the [`request`] and its validation, the stored
//! [`event`], the [`problem`] type of every error answer and the [`store`]. The parts around it: [`settings`],
//! [`http`], [`processing`] and the [`process`] that ties them together.

pub mod address;
pub mod canonical;
pub mod channel;
pub mod conversation;
pub mod cursor;
pub mod database;
pub mod direction;
pub mod event;
pub mod field_error;
pub mod http;
pub mod idempotency_key;
pub mod logging;
pub mod message;
pub mod page;
pub mod participants;
pub mod problem;
pub mod process;
pub mod processing;
pub mod request;
pub mod settings;
pub mod snippet;
pub mod start_error;
pub mod store;
pub mod strict_json;
pub mod timestamp;
pub mod token;
