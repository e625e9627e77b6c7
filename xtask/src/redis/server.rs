//! A running server, to be stopped, killed, restarted and suspended at will.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::accounts::Accounts;
use super::certificate::Certificate;
use super::{Binary, Client, RedisBuilder, Reply};
use crate::poll::{self, Outcome};
use crate::{children, port};

/// How long a server may take to answer after its start.
const START_LIMIT: Duration = Duration::from_secs(30);
/// How long a server may take to end before it is killed.
const STOP_LIMIT: Duration = Duration::from_secs(10);
/// A port may be taken by somebody else between its choice and its use.
const START_TRIES: u32 = 5;

/// A running server, or one that was ended and can be started again on the same port with
/// the same files. Dropping it kills the server and removes its folder.
///
/// It listens on 127.0.0.1, and on a socket in its folder over which it is steered, whatever
/// the port demands. A test process that is killed outright leaves its server behind.
#[derive(Debug)]
pub struct RedisServer {
    binary: Binary,
    home: Home,
    accounts: Option<Accounts>,
    ports: Ports,
    process: Child,
    is_paused: bool,
}

/// The files of a server.
#[derive(Debug)]
pub(super) struct Home {
    pub(super) folder: TempDir,
    pub(super) data: PathBuf,
    pub(super) certificate: Option<Certificate>,
    pub(super) is_sentinel: bool,
}

/// Where a server listens.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ports {
    pub(super) clients: u16,
    /// For the other nodes of a cluster.
    pub(super) bus: Option<u16>,
}

impl RedisServer {
    /// A server of the Redis that is installed; `None` where none is.
    pub fn builder() -> Option<RedisBuilder> {
        Binary::redis().map(RedisBuilder::new)
    }

    /// The address of the server, for any client that takes a URL; with the queue's own user
    /// where there are accounts.
    pub fn url(&self) -> String {
        self.url_with(self.accounts.as_ref().map(Accounts::prefix))
    }

    /// The address for somebody who may do everything.
    pub fn admin_url(&self) -> String {
        self.url_with(self.accounts.as_ref().map(Accounts::admin_prefix))
    }

    /// The loopback port it listens on.
    pub fn port(&self) -> u16 {
        self.ports.clients
    }

    /// The port for the other nodes of its cluster; `None` when it is in none.
    pub fn bus_port(&self) -> Option<u16> {
        self.ports.bus
    }

    /// The process id of the server; after a restart it is another one.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Its folder, with its configuration, its log and, in `data`, its files.
    pub fn folder(&self) -> &Path {
        self.home.folder.path()
    }

    /// The certificate of the authority that signed the server's, as a PEM file; `None` when
    /// it is not encrypted.
    pub fn authority(&self) -> Option<&Path> {
        let certificate = self.home.certificate.as_ref();
        certificate.map(|certificate| certificate.authority.as_path())
    }

    /// All it has said so far, over all its starts.
    pub fn log(&self) -> String {
        self.home.log_text()
    }

    /// A connection of the administrator, over the socket in its folder.
    ///
    /// # Errors
    ///
    /// When the server does not answer within 5 s.
    pub fn client(&self) -> Result<Client> {
        self.home.client(self.accounts.as_ref())
    }

    /// Sends one command as the administrator.
    ///
    /// # Errors
    ///
    /// When the server does not answer within 5 s or refuses; the error has its words.
    pub fn call<T: AsRef<[u8]>>(&self, command: &[T]) -> Result<Reply> {
        self.client()?.call(command)
    }

    /// One line of what the server's INFO says; `None` when it has no such line.
    ///
    /// # Errors
    ///
    /// As [`RedisServer::call`].
    pub fn info(&self, section: &str, name: &str) -> Result<Option<String>> {
        let reply = self.call(&["INFO", section])?;
        Ok(reply.text().and_then(|text| line_of(text, name)))
    }

    /// Makes a replica a server of its own right.
    ///
    /// # Errors
    ///
    /// As [`RedisServer::call`].
    pub fn promote(&self) -> Result<()> {
        self.call(&["REPLICAOF", "NO", "ONE"]).map(drop)
    }

    /// Makes it a replica of the server on that port, whose data it then takes over.
    ///
    /// # Errors
    ///
    /// As [`RedisServer::call`].
    pub fn follow(&self, port: u16) -> Result<()> {
        self.call(&["REPLICAOF", "127.0.0.1", &port.to_string()])
            .map(drop)
    }

    /// Has a sentinel watch the server on that port under that name. Alone it decides that the server is down, when
    /// it has not answered for half a second, and promotes a replica.
    ///
    /// # Errors
    ///
    /// As [`RedisServer::call`], and when it is no sentinel.
    pub fn watch(&self, name: &str, port: u16) -> Result<()> {
        let port = port.to_string();
        self.call(&["SENTINEL", "MONITOR", name, "127.0.0.1", &port, "1"])?;
        for (what, millis) in [
            ("down-after-milliseconds", "500"),
            ("failover-timeout", "5000"),
        ] {
            self.call(&["SENTINEL", "SET", name, what, millis])?;
        }
        Ok(())
    }

    /// Ends it at once, with every child (SIGKILL), as a crash would. Does nothing when it
    /// has ended.
    ///
    /// # Errors
    ///
    /// When the processes cannot be listed or waited for.
    pub fn kill(&mut self) -> Result<()> {
        if !self.is_running()? {
            return Ok(());
        }
        // It forks to rewrite its files; nobody else would end that child.
        let its_children = children::of(self.process_id());
        self.process.kill().context("the server is gone")?;
        self.process.wait()?;
        self.is_paused = false;
        for child in its_children? {
            // It may have noticed already that its parent is gone.
            let _ = kill(child, Signal::SIGKILL);
        }
        Ok(())
    }

    /// Ends it as an operator would (SIGTERM), and waits for that; kills it when it still
    /// runs after 10 s. Does nothing when it has ended.
    ///
    /// # Errors
    ///
    /// When it cannot be signalled or waited for.
    pub fn stop(&mut self) -> Result<()> {
        if !self.is_running()? {
            return Ok(());
        }
        self.resume()?;
        kill(self.process_id(), Signal::SIGTERM)?;
        let process = &mut self.process;
        let ended = poll::until(STOP_LIMIT, || match process.try_wait() {
            Ok(None) => Outcome::Again,
            ended => Outcome::Done(ended),
        });
        match ended {
            Some(ended) => ended.map(drop).context("the server cannot be waited for"),
            None => self.kill(),
        }
    }

    /// Starts it again on the same port and files, and waits until it answers.
    ///
    /// # Errors
    ///
    /// When it still runs, the port was taken meanwhile, or it does not answer within 30 s.
    pub fn restart(&mut self) -> Result<()> {
        ensure!(!self.is_running()?, "the server still runs");
        let mut tries = 0;
        self.process = loop {
            tries += 1;
            match spawn(&self.binary, &self.home, self.accounts.as_ref()) {
                Ok(process) => break process,
                Err(error) if tries == START_TRIES => return Err(error),
                Err(_) => {}
            }
        };
        Ok(())
    }

    /// Stops it where it stands (SIGSTOP). Connections stay open and new ones are taken by
    /// the kernel, yet nobody answers.
    ///
    /// # Errors
    ///
    /// When it has ended.
    pub fn pause(&mut self) -> Result<()> {
        ensure!(self.is_running()?, "the server has ended");
        kill(self.process_id(), Signal::SIGSTOP)?;
        self.is_paused = true;
        Ok(())
    }

    /// Lets a paused server go on; does nothing to one that is not.
    ///
    /// # Errors
    ///
    /// When it cannot be signalled.
    pub fn resume(&mut self) -> Result<()> {
        if self.is_paused {
            kill(self.process_id(), Signal::SIGCONT)?;
            self.is_paused = false;
        }
        Ok(())
    }

    /// Whether its process is there, paused or not.
    ///
    /// # Errors
    ///
    /// When the system does not tell.
    pub fn is_running(&mut self) -> Result<bool> {
        Ok(self.process.try_wait()?.is_none())
    }

    /// Starts a server on ports that `choose` gives and with the configuration that `write`
    /// writes for them; with others when those were taken meanwhile.
    pub(super) fn launch(
        binary: Binary,
        home: Home,
        accounts: Option<Accounts>,
        write: impl Fn(&Home, Ports) -> io::Result<()>,
        choose: impl Fn() -> io::Result<Ports>,
    ) -> Result<Self> {
        let mut tries = 0;
        let (ports, process) = loop {
            tries += 1;
            let ports = choose().context("no free port")?;
            write(&home, ports).context("the configuration cannot be written")?;
            match spawn(&binary, &home, accounts.as_ref()) {
                Ok(process) => break (ports, process),
                Err(error) if tries == START_TRIES => return Err(error),
                Err(_) => {}
            }
        };
        Ok(Self {
            binary,
            home,
            accounts,
            ports,
            process,
            is_paused: false,
        })
    }

    fn url_with(&self, prefix: Option<String>) -> String {
        let scheme = match self.home.certificate {
            Some(_) => "rediss",
            None => "redis",
        };
        let prefix = prefix.unwrap_or_default();
        format!("{scheme}://{prefix}127.0.0.1:{}", self.port())
    }

    fn process_id(&self) -> Pid {
        let id = i32::try_from(self.pid());
        Pid::from_raw(id.expect("a process id fits, the system made it"))
    }
}

/// It is killed and not asked: its files go with it.
impl Drop for RedisServer {
    fn drop(&mut self) {
        if let Err(error) = self.kill() {
            eprintln!("the private Redis server did not stop: {error:#}");
        }
    }
}

impl Home {
    pub(super) fn config(&self) -> PathBuf {
        self.folder.path().join("redis.conf")
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn log_text(&self) -> String {
        let bytes = fs::read(self.log()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn client(&self, accounts: Option<&Accounts>) -> Result<Client> {
        let mut client = Client::unix(&self.socket())?;
        if let Some(accounts) = accounts {
            client.call(&accounts.admin_entrance())?;
        }
        Ok(client)
    }
}

impl Ports {
    pub(super) fn choose(fixed: Option<u16>, is_node: bool) -> io::Result<Self> {
        let clients = match fixed {
            Some(port) => port,
            None => port::steady()?,
        };
        let bus = is_node.then(port::steady).transpose()?;
        Ok(Self { clients, bus })
    }
}

/// Starts the process and waits until it answers. The answer comes over the socket in the
/// folder, so it is this server's and no other's; a server that could not have its port ends.
fn spawn(binary: &Binary, home: &Home, accounts: Option<&Accounts>) -> Result<Child> {
    let said = File::options()
        .create(true)
        .append(true)
        .open(home.log())
        .context("the log cannot be opened")?;
    let mut process = Command::new(binary.path())
        .arg(home.config())
        .args(home.is_sentinel.then_some("--sentinel"))
        .current_dir(home.folder.path())
        .stdin(Stdio::null())
        .stdout(said.try_clone()?)
        .stderr(said)
        // Its own group: a Ctrl-C at the terminal is for the test run, which then ends it.
        .process_group(0)
        .spawn()
        .context("the server cannot be run")?;
    let outcome = poll::until(START_LIMIT, || match process.try_wait() {
        Ok(None) if answers(home, accounts) => Outcome::Done(Ok(None)),
        Ok(None) => Outcome::Again,
        ended => Outcome::Done(ended),
    });
    match outcome {
        Some(Ok(None)) => return Ok(process),
        Some(Ok(Some(status))) => {
            bail!("the server ended at its start ({status}): {}", tail(home))
        }
        Some(Err(_)) | None => {}
    }
    process.kill()?;
    process.wait()?;
    bail!(
        "the server did not answer within {START_LIMIT:?}: {}",
        tail(home)
    )
}

/// It does not while it still reads its files.
fn answers(home: &Home, accounts: Option<&Accounts>) -> bool {
    let reply = home
        .client(accounts)
        .and_then(|mut client| client.call(&["PING"]));
    reply.is_ok_and(|reply| reply.text() == Some("PONG"))
}

fn tail(home: &Home) -> String {
    let text = home.log_text();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(5)..].join(" / ")
}

/// The value behind `name:` in what INFO says.
pub(super) fn line_of(text: &str, name: &str) -> Option<String> {
    let mut lines = text.lines();
    lines.find_map(|line| {
        let (found, value) = line.split_once(':')?;
        (found == name).then(|| value.trim().to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_info_is_found_by_its_whole_name() {
        let text = "# Replication\r\nrole:slave\r\nrole_x:1\r\nlist:a=1,b=2:3\r\n";
        assert_eq!(line_of(text, "role").as_deref(), Some("slave"));
        assert_eq!(line_of(text, "list").as_deref(), Some("a=1,b=2:3"));
        assert_eq!(line_of(text, "rol"), None);
    }
}
