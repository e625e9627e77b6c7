//! The scripts that run on the server.

use std::sync::LazyLock;

/// What every script of a queue begins with.
const BASE: &str = include_str!("lua/base.lua");
/// What most of them share.
const LIB: &str = include_str!("lua/lib.lua");
/// Where a script that often ends early wants it.
const HERE: &str = "-- lib.lua\n";

/// A script that runs on the server.
#[derive(Debug)]
pub(crate) struct Script {
    name: &'static str,
    code: String,
    sha: String,
}

impl Script {
    /// A script of that name.
    pub(crate) fn new(name: &'static str, code: impl Into<String>) -> Self {
        let code = code.into();
        let sha = redis::Script::new(&code).get_hash().to_owned();
        Self { name, code, sha }
    }

    /// A script that begins with what all of them share, behind the line that says how it is to be run.
    fn of_queue(name: &'static str, code: &str) -> Self {
        let (shebang, body) = Self::split(code);
        let (early, late) = body.split_once(HERE).unwrap_or(("", body));
        Self::new(name, format!("{shebang}\n{BASE}{early}{LIB}{late}"))
    }

    /// One that needs no more than what all of them begin with.
    fn brief(name: &'static str, code: &str) -> Self {
        let (shebang, body) = Self::split(code);
        Self::new(name, format!("{shebang}\n{BASE}{body}"))
    }

    fn split(code: &str) -> (&str, &str) {
        match code.split_once('\n') {
            Some((first, rest)) if first.starts_with("#!") => (first, rest),
            _ => ("#!lua", code),
        }
    }

    /// Its name, for an error.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// All of it.
    pub(crate) fn code(&self) -> &str {
        &self.code
    }

    /// The digest under which the server knows it.
    pub(crate) fn sha(&self) -> &str {
        &self.sha
    }
}

/// The version of the layout on the server: the first argument of every script.
pub(crate) const LAYOUT: &str = "1";

macro_rules! scripts {
    ($($(#[$doc:meta])* $constant:ident $file:literal $made:ident)*) => {
        $($(#[$doc])*
        pub(crate) static $constant: LazyLock<Script> =
            LazyLock::new(|| Script::$made($file, include_str!(concat!("lua/", $file, ".lua"))));)*

        /// All of them, for a test that loads each.
        #[cfg(test)]
        pub(crate) const ALL: &[&LazyLock<Script>] = &[$(&$constant),*];
    };
}

// `of_queue` begins with what all scripts share, `brief` with the least of it, `new` with nothing.
scripts! {
    /// Takes batches of messages.
    PUBLISH "publish" of_queue
    /// Lets time pass before a read.
    GATE "gate" of_queue
    /// Notices before the first read that the server was started again.
    GREET "greet" of_queue
    /// Takes out what half a script has left.
    VOUCH "vouch" of_queue
    /// Ends deliveries.
    ACK "ack" of_queue
    /// Gives messages back.
    NACK "nack" of_queue
    /// Lets leases last from now.
    EXTEND "extend" brief
    /// Puts back what was handed to nobody.
    RELEASE "release" of_queue
    /// Puts aside what cannot be read.
    SPOIL "spoil" of_queue
    /// Makes a queue.
    CREATE "create" new
    /// How a queue was made.
    CONFIG "config" of_queue
    /// Changes a queue.
    UPDATE "update" of_queue
    /// Removes a queue.
    DELETE "delete" of_queue
    /// Counts by state.
    STATS "stats" of_queue
    /// Messages by id.
    GET "get" of_queue
    /// What would be received next.
    PEEK "peek" of_queue
    /// Which messages are in a state.
    LIST "list" of_queue
    /// Takes a message back.
    CANCEL "cancel" of_queue
    /// Stops hand-outs.
    PAUSE "pause" of_queue
    /// Lets hand-outs go on.
    RESUME "resume" of_queue
    /// Removes what is scheduled and ready.
    PURGE "purge" of_queue
    /// Dead letters.
    DEAD "dead" of_queue
    /// Makes dead letters ready again.
    REDRIVE "redrive" of_queue
    /// Deletes dead letters.
    DELDEAD "deldead" of_queue
    /// Makes groups again.
    MEND "mend" of_queue
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_script_keeps_its_first_line_first() {
        for script in ALL {
            assert!(script.code().starts_with("#!lua"), "{}", script.name());
            assert_eq!(script.code().matches("#!").count(), 1, "{}", script.name());
            assert_eq!(script.sha().len(), 40);
        }
    }
}
