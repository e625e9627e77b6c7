//! One command on its way to the server.

use redis::Cmd;

use crate::keys::Keys;
use crate::script::Script;

/// One command: a script with its keys and arguments, or a plain one.
#[derive(Clone)]
pub(crate) struct Call {
    command: Cmd,
    script: Option<&'static Script>,
    is_confirmed: bool,
}

impl Call {
    /// A script that changes something. With `replicated:n` or `fsynced` demanded, its answer waits for them.
    pub(crate) fn script<A: AsRef<[u8]>>(
        script: &'static Script,
        keys: &Keys,
        arguments: impl IntoIterator<Item = A>,
    ) -> Self {
        let mut command = redis::cmd("EVALSHA");
        command.arg(script.sha()).arg(keys.all().len());
        for key in keys.all() {
            command.arg(AsRef::<[u8]>::as_ref(key));
        }
        for argument in arguments {
            command.arg(argument.as_ref());
        }
        Self {
            command,
            script: Some(script),
            is_confirmed: true,
        }
    }

    /// A plain command. Its answer waits for nothing.
    pub(crate) fn command(command: Cmd) -> Self {
        Self {
            command,
            script: None,
            is_confirmed: false,
        }
    }

    /// The answer does not wait for replicas or the disk: for what only looks, or what may be lost.
    #[must_use]
    pub(crate) fn unconfirmed(mut self) -> Self {
        self.is_confirmed = false;
        self
    }

    /// The answer waits as that of a script does.
    #[must_use]
    pub(crate) fn confirmed(mut self) -> Self {
        self.is_confirmed = true;
        self
    }

    pub(crate) fn is_confirmed(&self) -> bool {
        self.is_confirmed
    }

    pub(crate) fn as_command(&self) -> &Cmd {
        &self.command
    }

    pub(crate) fn as_script(&self) -> Option<&'static Script> {
        self.script
    }
}
