//! The test kit for users of forebay: an application's own handlers, run in a test.
//!
//! A [`TestKit`] is a queue in memory on the paused clock of the test. The application publishes through the kit's
//! [`Producer`](forebay_worker::Producer) and its handlers run in a real [`Worker`](forebay_worker::Worker); hours of
//! delays and retries pass at once. Afterwards the kit knows what was published, how often each message was tried and
//! how it ended. It fails calls, crashes workers and loses leases when it is told to.
//!
//! ```
//! use std::time::Duration;
//! use forebay_test_kit::TestKit;
//! # use forebay_worker::{Failure, Producer, State, Task};
//!
//! #[derive(serde::Serialize, serde::Deserialize)]
//! struct SendEmail { to: String }
//! impl Task for SendEmail { const KIND: &'static str = "send-email"; }
//!
//! async fn send_email(email: SendEmail, State(sender): State<String>) -> Result<(), Failure> {
//!     assert_ne!(email.to, sender);
//!     Ok(())
//! }
//!
//! async fn sign_up(emails: &Producer, to: &str) -> Result<(), forebay_queue_core::Error> {
//!     let welcome = SendEmail { to: to.to_owned() };
//!     emails.publish(welcome).delay(Duration::from_mins(1)).await?;
//!     Ok(())
//! }
//!
//! # /*
//! #[tokio::test(start_paused = true)]
//! # */
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() { a_welcome_mail_is_sent_after_a_minute().await }
//! async fn a_welcome_mail_is_sent_after_a_minute() {
//!     let kit = TestKit::new();
//!     kit.run(|worker| worker.state(String::from("office@example.com")).handle(send_email));
//!     sign_up(&kit.producer(), "ann@example.com").await.unwrap();
//!
//!     let welcome = kit.published::<SendEmail>().one();
//!     assert_eq!(welcome.task().to, "ann@example.com");
//!     welcome.assert_delay(Duration::from_mins(1)).assert_waiting();
//!     kit.pass(Duration::from_secs(61)).await;
//!     welcome.assert_done().assert_attempts(1);
//! }
//! ```
//!
//! One call of one handler, without a queue to look after, is [`perform`].
//!
//! # Time
//! The kit needs the clock of a `current_thread` runtime paused, and says so where it is not. Tokio then moves the clock
//! whenever there is nothing else to do. A handler that waits for a real socket therefore sees its timeouts first: hand
//! it a fake. What runs on `spawn_blocking` is waited for.
//!
//! # What is shown
//! The texts of failed assertions name kinds, ids, sizes, times and causes. They show a task only where the list was
//! told to with [`Published::with_debug`], and a key or header only where the assertion is about it.

mod builder;
mod clock;
mod delivery_record;
mod describe;
mod ending;
mod faults;
mod faulty_backend;
mod faulty_management;
mod faulty_queue;
mod kit;
mod paused;
mod perform;
mod published;
mod published_task;
mod recorder;
mod running_worker;
mod stand;
mod survey;
mod test_queue;
mod waits;
mod workers;

pub use builder::TestKitBuilder;
pub use ending::{Ending, Run};
pub use faults::{Fault, Outage};
pub use kit::TestKit;
pub use perform::{Perform, PerformFuture, Performed, perform};
pub use published::Published;
pub use published_task::PublishedTask;
pub use running_worker::RunningWorker;
pub use test_queue::TestQueue;
