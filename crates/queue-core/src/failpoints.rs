//! Names of the fail points: places where a test makes a step fail, panic or stop. They do nothing unless the
//! feature `failpoints` is on, which no release of a service has.

/// In a backend, before a publish changes anything.
pub const BEFORE_PUBLISH: &str = "before-publish";
/// In a backend, after a publish took effect and before it is answered.
pub const AFTER_PUBLISH: &str = "after-publish";
/// In a backend, after a message was leased and before it is handed out.
pub const AFTER_LEASE: &str = "after-lease";
/// In a backend, before an ack takes effect.
pub const BEFORE_ACK: &str = "before-ack";
/// In a backend, after an ack took effect and before it is answered.
pub const AFTER_ACK: &str = "after-ack";
/// In a backend, before a nack takes effect.
pub const BEFORE_NACK: &str = "before-nack";
/// In a backend, after a nack took effect and before it is answered.
pub const AFTER_NACK: &str = "after-nack";
/// In a backend, before an extension takes effect.
pub const BEFORE_EXTEND: &str = "before-extend";
/// In the worker, between receiving a message and starting its handler.
pub const BEFORE_HANDLER: &str = "before-handler";
/// In the worker, between the end of a handler and its settlement.
pub const AFTER_HANDLER: &str = "after-handler";
/// In the worker, before a batch of settlements is sent.
pub const BEFORE_SETTLE: &str = "before-settle";
/// In the worker, when it begins to shut down.
pub const SHUTDOWN: &str = "shutdown";

/// All names, for the test that walks through them.
pub const ALL: [&str; 12] = [
    BEFORE_PUBLISH,
    AFTER_PUBLISH,
    AFTER_LEASE,
    BEFORE_ACK,
    AFTER_ACK,
    BEFORE_NACK,
    AFTER_NACK,
    BEFORE_EXTEND,
    BEFORE_HANDLER,
    AFTER_HANDLER,
    BEFORE_SETTLE,
    SHUTDOWN,
];

/// Passes a fail point of a backend. A test that sets it to `return` makes the step fail here.
///
/// Costs nothing without the feature `failpoints`.
///
/// # Errors
/// [`Error::Interrupted`](crate::Error::Interrupted) when the point is set to `return`, and
/// [`Error::Unavailable`](crate::Error::Unavailable) when it is set to `return(unavailable)`.
///
/// # Panics
/// When the point is set to `panic`.
#[inline]
pub fn pass(name: &'static str, backend: &'static str) -> Result<(), crate::Error> {
    let _ = (name, backend);
    fail::fail_point!(name, |argument: Option<String>| {
        let source = Some("a fail point".into());
        match argument.as_deref() {
            Some("unavailable") => Err(crate::Error::Unavailable { backend, source }),
            _ => Err(crate::Error::Interrupted { backend, source }),
        }
    });
    Ok(())
}
