//! How a server is to be started.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::accounts::Accounts;
use super::certificate::Certificate;
use super::server::{Home, Ports, RedisServer};
use super::{Binary, RULES};

/// What a server is to be like. Unless told otherwise it keeps nothing on disk, speaks
/// without encryption, and lets everybody on this machine in.
#[derive(Clone)]
pub struct RedisBuilder {
    binary: Binary,
    lines: Vec<(String, String)>,
    port: Option<u16>,
    data: Option<PathBuf>,
    accounts: Option<Accounts>,
    is_encrypted: bool,
    is_node: bool,
    is_sentinel: bool,
}

impl RedisBuilder {
    /// A server of this program.
    pub fn new(binary: Binary) -> Self {
        Self {
            binary,
            lines: Vec::new(),
            port: None,
            data: None,
            accounts: None,
            is_encrypted: false,
            is_node: false,
            is_sentinel: false,
        }
    }

    /// Adds a line to the configuration, after those that every server here has: a directive
    /// and its values as they stand in a configuration file. `requirepass` would lock the
    /// builder out; use [`RedisBuilder::accounts`].
    pub fn line(mut self, directive: &str, values: &str) -> Self {
        self.lines.push((directive.to_owned(), values.to_owned()));
        self
    }

    /// Every write is on disk before it is acknowledged.
    pub fn append_only(self) -> Self {
        self.line("appendonly", "yes").line("appendfsync", "always")
    }

    /// It copies the server on that port of this machine.
    pub fn replica_of(self, port: u16) -> Self {
        self.line("replicaof", &format!("127.0.0.1 {port}"))
    }

    /// It takes encrypted connections only, with a certificate made for it
    /// ([`RedisServer::authority`]).
    pub fn encrypted(mut self) -> Self {
        self.is_encrypted = true;
        self
    }

    /// Its default user is off. There is the queue's own user, with no more than [`RULES`],
    /// and an administrator.
    pub fn accounts(self) -> Self {
        self.accounts_with(RULES)
    }

    /// As [`RedisBuilder::accounts`], with other rules for the queue's user.
    pub fn accounts_with(mut self, rules: &str) -> Self {
        self.accounts = Some(Accounts::new(rules));
        self
    }

    /// It is a node of a cluster, so far without slots and without others
    /// ([`super::RedisCluster`] has both).
    pub fn node(mut self) -> Self {
        self.is_node = true;
        self
    }

    /// It watches other servers and keeps no data ([`RedisServer::watch`]).
    pub fn sentinel(mut self) -> Self {
        self.is_sentinel = true;
        self
    }

    /// It listens on this port of 127.0.0.1, else on a free one that no outgoing connection
    /// takes while the server is down.
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// It keeps its files in this folder, for a test that fills the disk or pulls the plug.
    /// The folder has to be there and to be empty, and is not removed. Otherwise they are in
    /// a temporary folder of the server's own.
    pub fn data(mut self, folder: &Path) -> Self {
        self.data = Some(folder.to_owned());
        self
    }

    /// Starts the server and waits until it answers.
    ///
    /// # Errors
    ///
    /// When the server ends at its start or does not answer within 30 s; the error has the
    /// last lines of its log.
    pub fn start(self) -> Result<RedisServer> {
        let folder = tempfile::Builder::new()
            .prefix("forebay-redis-")
            .tempdir()
            .context("no temporary folder")?;
        let certificate = self
            .is_encrypted
            .then(|| Certificate::create(folder.path()))
            .transpose()?;
        let data = match &self.data {
            Some(data) => data.clone(),
            None => folder.path().join("data"),
        };
        if self.data.is_none() {
            fs::create_dir(&data)?;
        }
        let home = Home {
            folder,
            data,
            certificate,
            is_sentinel: self.is_sentinel,
        };
        let fixed_port = self.port;
        let is_node = self.is_node;
        let lines = self.own_lines();
        RedisServer::launch(
            self.binary,
            home,
            self.accounts,
            |home, ports| fs::write(home.config(), config(home, ports, &lines)),
            || Ports::choose(fixed_port, is_node),
        )
    }

    fn own_lines(&self) -> String {
        let mut text = String::new();
        if let Some(accounts) = &self.accounts {
            text += &accounts.lines();
        }
        for (directive, values) in &self.lines {
            let _ = writeln!(text, "{directive} {values}");
        }
        text
    }
}

/// Without the values, which may be secrets.
impl std::fmt::Debug for RedisBuilder {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let directives: Vec<_> = self.lines.iter().map(|(name, _)| name).collect();
        formatter
            .debug_struct("RedisBuilder")
            .field("binary", &self.binary)
            .field("port", &self.port)
            .field("directives", &directives)
            .finish_non_exhaustive()
    }
}

/// The configuration file. It is a file, and not arguments, so that no password is in the list
/// of processes.
fn config(home: &Home, ports: Ports, lines: &str) -> String {
    let Ports { clients, bus } = ports;
    // Without the delay a first replica would wait 5 s for a second one.
    let mut text = format!(
        "bind 127.0.0.1\n\
         dir {data}\n\
         unixsocket {socket}\n\
         unixsocketperm 700\n\
         daemonize no\n\
         save \"\"\n\
         appendonly no\n\
         repl-diskless-sync-delay 0\n",
        data = quoted(&home.data),
        socket = quoted(&home.socket()),
    );
    let _ = match &home.certificate {
        None => writeln!(text, "port {clients}"),
        Some(certificate) => writeln!(
            text,
            "port 0\n\
             tls-port {clients}\n\
             tls-ca-cert-file {authority}\n\
             tls-cert-file {chain}\n\
             tls-key-file {key}\n\
             tls-auth-clients no",
            authority = quoted(&certificate.authority),
            chain = quoted(&certificate.chain),
            key = quoted(&certificate.key),
        ),
    };
    if let Some(bus) = bus {
        let _ = writeln!(
            text,
            "cluster-enabled yes\n\
             cluster-config-file nodes.conf\n\
             cluster-announce-ip 127.0.0.1\n\
             cluster-port {bus}"
        );
    }
    text + lines
}

/// In the quotes of a configuration file.
fn quoted(path: &Path) -> String {
    let path = path.to_string_lossy();
    format!("\"{}\"", path.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_keeps_its_spaces_and_quotes() {
        assert_eq!(quoted(Path::new("/a b/\"c\"")), r#""/a b/\"c\"""#);
    }
}
