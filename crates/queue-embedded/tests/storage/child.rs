//! Processes of their own: this program again, told by the environment what to do.

use std::env;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{self, ChildStdout, Command, Stdio};

use forebay_queue_core::Durability;
use forebay_queue_embedded::storage::StorageError;

use crate::model;
use crate::subject::{self, Subject};

const ROLE: &str = "FOREBAY_STORAGE_ROLE";
const DATABASE: &str = "FOREBAY_STORAGE_DATABASE";
const FOLDER: &str = "FOREBAY_STORAGE_FOLDER";

/// What the other process does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Role {
    /// Writes one batch of the model after the other, and says of each that it is written.
    WriteFsynced,
    WriteBuffered,
    /// Opens the store and says how that went.
    Open,
}

impl Role {
    const ALL: [Self; 3] = [Self::WriteFsynced, Self::WriteBuffered, Self::Open];

    fn name(self) -> String {
        format!("{self:?}")
    }
}

/// A process that is killed, by its own id, when this is dropped.
pub(crate) struct Child {
    process: process::Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Child {
    pub(crate) fn start(role: Role, subject: &Subject, folder: &Path) -> Self {
        let mut process = Command::new(env::current_exe().unwrap())
            .args(["child::role", "--exact", "--nocapture"])
            .env(ROLE, role.name())
            .env(DATABASE, subject.name)
            .env(FOLDER, folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, lines }
    }

    /// The next thing it says; `None` when it has ended.
    pub(crate) fn says(&mut self) -> Option<String> {
        loop {
            let line = self.lines.next()?.unwrap();
            if let Some((_, said)) = line.split_once("says: ") {
                return Some(said.to_owned());
            }
        }
    }

    /// The number of the next batch that it has written.
    pub(crate) fn wrote(&mut self) -> Option<u64> {
        Some(self.says()?.parse().unwrap())
    }

    /// Kills it, and answers the number of the last batch that it said it had written.
    pub(crate) fn kill(mut self) -> Option<u64> {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        let mut last = None;
        // What is still in the pipe was acknowledged.
        while let Some(number) = self.wrote() {
            last = Some(number);
        }
        last
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn say(what: impl std::fmt::Display) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "says: {what}").unwrap();
    out.flush().unwrap();
}

/// Run by other tests, in a process of its own; without a role there is nothing to do.
#[test]
fn role() {
    let (Ok(role), Ok(database), Some(folder)) =
        (env::var(ROLE), env::var(DATABASE), env::var_os(FOLDER))
    else {
        return;
    };
    let role = Role::ALL.into_iter().find(|known| known.name() == role);
    let subject = subject::named(&database).unwrap();
    let folder = Path::new(&folder);
    let durability = match role.unwrap() {
        Role::WriteFsynced => Durability::Fsynced,
        Role::WriteBuffered => Durability::Buffered,
        Role::Open => {
            return match subject.try_open(folder) {
                Ok(_) => say("opened"),
                Err(StorageError::Locked { .. }) => say("locked"),
                Err(error) => say(error),
            };
        }
    };
    let store = subject.store(folder);
    let from = model::reached(&store).unwrap() + 1;
    for number in from.. {
        store.write(&model::batch(number), durability).unwrap();
        say(number);
    }
}
