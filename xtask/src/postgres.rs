//! A private PostgreSQL cluster: its own folder, its own loopback port, its own process.

use std::fs::{self, File};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User, geteuid};
use tempfile::TempDir;

use crate::setup::Binaries;
use crate::{children, port};

/// How long a cluster may take to answer after its start.
const START_LIMIT: Duration = Duration::from_secs(30);
/// How long a cluster may take to end before it is killed.
const STOP_LIMIT: Duration = Duration::from_secs(10);
/// Between two looks at a condition.
const POLL: Duration = Duration::from_millis(20);
/// A port may be taken by somebody else between its choice and its use.
const START_TRIES: u32 = 5;

/// How a cluster is started.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Whether a commit reaches the disk before it is acknowledged. Off unless asked:
    /// only a test that pulls the plug needs it, and every other one waits for it.
    pub fsync: bool,
}

/// A running cluster. Dropping it stops the server and removes its folder.
///
/// It listens on 127.0.0.1 only and trusts whoever connects; its super-user is `postgres`,
/// its locale is C, its encoding UTF-8. A test process that is killed outright leaves its
/// cluster behind.
#[derive(Debug)]
pub struct Postgres {
    binaries: Binaries,
    folder: TempDir,
    options: Options,
    port: u16,
    server: Child,
    suspended: Vec<Pid>,
}

impl Postgres {
    /// Starts a cluster that does not wait for the disk.
    ///
    /// # Errors
    ///
    /// When PostgreSQL is not installed or does not start within 30 s.
    pub fn start() -> Result<Self> {
        Self::start_with(Options::default())
    }

    /// Starts a cluster.
    ///
    /// # Errors
    ///
    /// As [`Postgres::start`].
    pub fn start_with(options: Options) -> Result<Self> {
        let binaries = Binaries::find().context("PostgreSQL's server is not installed")?;
        let folder = create_folder()?;
        initialise(&binaries, folder.path())?;
        let mut tries = 0;
        let (port, server) = loop {
            tries += 1;
            let port = port::free().context("no free port")?;
            match launch(&binaries, folder.path(), port, options) {
                Ok(server) => break (port, server),
                Err(error) if tries == START_TRIES => return Err(error),
                Err(_) => {}
            }
        };
        Ok(Self {
            binaries,
            folder,
            options,
            port,
            server,
            suspended: Vec::new(),
        })
    }

    /// The address of a database, for any client that takes a URL.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// The loopback port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process id of the server's first process, the parent of all others.
    pub fn pid(&self) -> u32 {
        self.server.id()
    }

    /// Creates an empty database and returns its URL.
    ///
    /// # Errors
    ///
    /// When the name is not `[a-z0-9_]+`, the database exists, or the server does not answer.
    pub fn create_database(&self, name: &str) -> Result<String> {
        create_database(&self.binaries, &self.url("postgres"), name)?;
        Ok(self.url(name))
    }

    /// Stops every process of the server where it stands (SIGSTOP). Connections stay open
    /// and new ones are taken by the kernel, yet nobody answers.
    ///
    /// # Errors
    ///
    /// When the processes cannot be listed or signalled.
    pub fn suspend(&mut self) -> Result<()> {
        let first = self.first_process();
        // The parent first: from then on it has no new children.
        kill(first, Signal::SIGSTOP).context("the server is gone")?;
        self.suspended.push(first);
        for child in children::of(first)? {
            // A child may have ended by itself since.
            if kill(child, Signal::SIGSTOP).is_ok() {
                self.suspended.push(child);
            }
        }
        Ok(())
    }

    /// Lets a suspended server go on; does nothing to one that runs.
    ///
    /// # Errors
    ///
    /// When the server's first process is gone.
    pub fn resume(&mut self) -> Result<()> {
        let first = self.first_process();
        while let Some(process) = self.suspended.pop() {
            let signalled = kill(process, Signal::SIGCONT);
            if process == first {
                signalled.context("the server is gone")?;
            }
        }
        Ok(())
    }

    /// Ends every process of the server at once (SIGKILL), as a crash would.
    ///
    /// # Errors
    ///
    /// When the processes cannot be listed or waited for.
    pub fn crash(&mut self) -> Result<()> {
        let first = self.first_process();
        let its_children = children::of(first)?;
        self.server.kill().context("the server is gone")?;
        for child in its_children {
            // A child may have noticed already that its parent is gone.
            let _ = kill(child, Signal::SIGKILL);
        }
        self.server.wait()?;
        self.suspended.clear();
        Ok(())
    }

    /// Starts the server again on the same port and files, after [`Postgres::crash`].
    ///
    /// # Errors
    ///
    /// When it still runs, the port was taken meanwhile, or it does not answer within 30 s.
    pub fn restart(&mut self) -> Result<()> {
        ensure!(self.server.try_wait()?.is_some(), "the server still runs");
        let mut tries = 0;
        self.server = loop {
            tries += 1;
            let folder = self.folder.path();
            match launch(&self.binaries, folder, self.port, self.options) {
                Ok(server) => break server,
                Err(error) if tries == START_TRIES => return Err(error),
                // The killed children may still hold the shared memory for a moment.
                Err(_) => thread::sleep(POLL * 10),
            }
        };
        Ok(())
    }

    fn first_process(&self) -> Pid {
        as_pid(&self.server)
    }

    fn stop(&mut self) -> Result<()> {
        if self.server.try_wait()?.is_some() {
            return Ok(());
        }
        self.resume()?;
        // SIGINT is PostgreSQL's fast shutdown: open transactions are rolled back.
        kill(self.first_process(), Signal::SIGINT)?;
        let limit = Instant::now() + STOP_LIMIT;
        while self.server.try_wait()?.is_none() {
            if Instant::now() > limit {
                return self.crash();
            }
            thread::sleep(POLL);
        }
        Ok(())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            eprintln!("the private PostgreSQL cluster did not stop: {error:#}");
        }
    }
}

/// Creates an empty database on the server behind `url`.
///
/// # Errors
///
/// When the name is not `[a-z0-9_]+`, the database exists, or the server does not answer.
pub fn create_database(binaries: &Binaries, url: &str, name: &str) -> Result<()> {
    ensure!(is_plain(name), "not a plain database name: {name:?}");
    run_sql(binaries, url, &format!("CREATE DATABASE {name}"))
}

/// Removes a database from the server behind `url`, whoever is connected to it.
///
/// # Errors
///
/// When the name is not `[a-z0-9_]+` or the server does not answer.
pub fn drop_database(binaries: &Binaries, url: &str, name: &str) -> Result<()> {
    ensure!(is_plain(name), "not a plain database name: {name:?}");
    run_sql(
        binaries,
        url,
        &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
    )
}

fn run_sql(binaries: &Binaries, url: &str, sql: &str) -> Result<()> {
    let output = command(&binaries.path("psql"))
        .args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1"])
        .args(["--command", sql, url])
        .env("PGCONNECT_TIMEOUT", "10")
        .output()
        .context("psql cannot be run")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("psql failed: {}", said.trim());
    }
    Ok(())
}

fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// The server refuses to run as root, so root hands it to another user.
fn server_user() -> Result<Option<User>> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    for name in ["postgres", "nobody"] {
        if let Some(user) = User::from_name(name)? {
            return Ok(Some(user));
        }
    }
    bail!("PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody")
}

fn create_folder() -> Result<TempDir> {
    let folder = tempfile::Builder::new()
        .prefix("forebay-postgres-")
        .tempdir()
        .context("no temporary folder")?;
    fs::create_dir(folder.path().join("socket"))?;
    if let Some(user) = server_user()? {
        let (uid, gid) = (Some(user.uid.as_raw()), Some(user.gid.as_raw()));
        chown(folder.path(), uid, gid)?;
        chown(folder.path().join("socket"), uid, gid)?;
    }
    Ok(folder)
}

fn initialise(binaries: &Binaries, folder: &Path) -> Result<()> {
    let output = server_command(&binaries.path("initdb"), folder)?
        .args(["--username=postgres", "--auth=trust", "--no-sync"])
        .args(["--locale=C", "--encoding=UTF8"])
        .arg("--pgdata")
        .arg(data(folder))
        .output()
        .context("initdb cannot be run")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("initdb failed: {}", said.trim());
    }
    Ok(())
}

/// Starts the server and waits until it takes connections.
fn launch(binaries: &Binaries, folder: &Path, port: u16, options: Options) -> Result<Child> {
    let log = folder.join("log");
    let mut postgres = server_command(&binaries.path("postgres"), folder)?;
    postgres
        .arg("-D")
        .arg(data(folder))
        .args(["-c", "listen_addresses=127.0.0.1"])
        .args(["-c", &format!("port={port}")])
        .arg("-c")
        .arg(format!(
            "unix_socket_directories={}",
            folder.join("socket").display()
        ))
        .args(["-c", "max_connections=200"])
        .args(["-c", "shared_buffers=64MB"]);
    if !options.fsync {
        postgres
            .args(["-c", "fsync=off"])
            .args(["-c", "synchronous_commit=off"])
            .args(["-c", "full_page_writes=off"]);
    }
    // Its own group: a Ctrl-C at the terminal is for the test run, which then stops it.
    let said = File::create(&log)?;
    let mut server = postgres
        .process_group(0)
        .stdout(said.try_clone()?)
        .stderr(said)
        .spawn()
        .context("postgres cannot be run")?;
    let limit = Instant::now() + START_LIMIT;
    while !is_ready(folder, server.id()) {
        if let Some(status) = server.try_wait()? {
            bail!("postgres ended at its start ({status}): {}", tail(&log));
        }
        if Instant::now() > limit {
            server.kill()?;
            server.wait()?;
            bail!(
                "postgres did not start within {START_LIMIT:?}: {}",
                tail(&log)
            );
        }
        thread::sleep(POLL);
    }
    Ok(server)
}

/// The server writes its process id in the first line of this file and its state in the
/// eighth, which is also where `pg_ctl` looks.
fn is_ready(folder: &Path, pid: u32) -> bool {
    let Ok(state) = fs::read_to_string(data(folder).join("postmaster.pid")) else {
        return false;
    };
    let mut lines = state.lines();
    lines.next() == Some(pid.to_string().as_str())
        && lines.nth(6).is_some_and(|line| line.trim() == "ready")
}

fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(5)..].join(" / ")
}

fn data(folder: &Path) -> PathBuf {
    folder.join("data")
}

fn server_command(program: &Path, folder: &Path) -> Result<Command> {
    let mut command = command(program);
    // The caller's folder may be closed to the server's user.
    command.current_dir(folder);
    if let Some(user) = server_user()? {
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    Ok(command)
}

/// Without standard input and without the caller's own PostgreSQL settings.
fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).env("LC_ALL", "C");
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PG") {
            command.env_remove(name);
        }
    }
    command
}

fn as_pid(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).expect("a process id fits, the system made it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_reach_the_server() {
        assert!(is_plain("orders_2"));
        for name in ["", "a b", "a;b", "A", "a\"b", "ä"] {
            assert!(!is_plain(name), "{name:?}");
        }
    }
}
