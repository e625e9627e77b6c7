use serde::Serialize;
use serde::de::DeserializeOwned;

/// A piece of work as a type: what a producer publishes and a handler takes.
///
/// The payload is its JSON. What is published today is read by a worker of tomorrow: give new fields a
/// `#[serde(default)]`, and make another kind where the meaning changes.
///
/// ```
/// use forebay_worker::Task;
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct SendEmail {
///     to: String,
///     subject: String,
/// }
///
/// impl Task for SendEmail {
///     const KIND: &'static str = "send-email";
/// }
/// ```
pub trait Task: Serialize + DeserializeOwned + Send + 'static {
    /// The kind that its messages carry: `[a-z0-9][a-z0-9._-]{0,99}`, one per type of task. A bad one is an error
    /// of the publish, and of the worker's start.
    const KIND: &'static str;
}
