//! The kinds of server that tests talk to.

use anyhow::{Context, Result};

use super::{Binary, RedisBuilder, RedisCluster, RedisPair, RedisServer};

/// The environment variables in which tests find the servers of the whole run. All URLs are of
/// 127.0.0.1.
pub mod variable {
    /// A server that keeps nothing.
    pub const PLAIN: &str = "FOREBAY_TEST_REDIS_URL";
    /// A server whose writes are on disk before they are acknowledged.
    pub const APPEND_ONLY: &str = "FOREBAY_TEST_REDIS_AOF_URL";
    /// A server that takes encrypted connections only.
    pub const TLS: &str = "FOREBAY_TEST_REDIS_TLS_URL";
    /// The path of the certificate with which that server's was signed, in PEM.
    pub const TLS_AUTHORITY: &str = "FOREBAY_TEST_REDIS_TLS_CA";
    /// A server without a default user, as the queue's own user.
    pub const ACCOUNTS: &str = "FOREBAY_TEST_REDIS_ACL_URL";
    /// The same server, as its administrator.
    pub const ACCOUNTS_ADMIN: &str = "FOREBAY_TEST_REDIS_ACL_ADMIN_URL";
    /// A server with one replica.
    pub const PRIMARY: &str = "FOREBAY_TEST_REDIS_PRIMARY_URL";
    /// That replica.
    pub const REPLICA: &str = "FOREBAY_TEST_REDIS_REPLICA_URL";
    /// Three nodes of a cluster, with a comma between their URLs.
    pub const CLUSTER: &str = "FOREBAY_TEST_REDIS_CLUSTER_URL";
    /// Valkey, keeping nothing.
    pub const VALKEY: &str = "FOREBAY_TEST_VALKEY_URL";
}

/// A kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It keeps nothing.
    Plain,
    /// Every write is on disk before it is acknowledged.
    AppendOnly,
    /// It takes encrypted connections only.
    Tls,
    /// Its default user is off; there is the queue's own and an administrator.
    Accounts,
    /// A primary and its replica.
    Pair,
    /// A cluster of three nodes.
    Cluster,
    /// Valkey, keeping nothing.
    Valkey,
}

/// The servers of a kind, running until dropped.
#[derive(Debug)]
pub struct Started {
    values: Vec<(&'static str, String)>,
    servers: Vec<RedisServer>,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Plain,
        Self::AppendOnly,
        Self::Tls,
        Self::Accounts,
        Self::Pair,
        Self::Cluster,
        Self::Valkey,
    ];

    /// The variables that tell where it is, the most important one first.
    pub fn variables(self) -> &'static [&'static str] {
        match self {
            Self::Plain => &[variable::PLAIN],
            Self::AppendOnly => &[variable::APPEND_ONLY],
            Self::Tls => &[variable::TLS, variable::TLS_AUTHORITY],
            Self::Accounts => &[variable::ACCOUNTS, variable::ACCOUNTS_ADMIN],
            Self::Pair => &[variable::PRIMARY, variable::REPLICA],
            Self::Cluster => &[variable::CLUSTER],
            Self::Valkey => &[variable::VALKEY],
        }
    }

    /// The program that serves it; `None` where it is not installed.
    pub fn binary(self) -> Option<Binary> {
        match self {
            Self::Valkey => Binary::valkey(),
            _ => Binary::redis(),
        }
    }

    /// Starts it, and waits until it answers.
    ///
    /// # Errors
    ///
    /// When it is not installed or does not start within 30 s.
    pub fn start(self) -> Result<Started> {
        let binary = self.binary().context("the server is not installed")?;
        let builder = RedisBuilder::new(binary);
        let (values, servers) = match self {
            Self::Plain | Self::Valkey => one(builder)?,
            Self::AppendOnly => one(builder.append_only())?,
            Self::Tls => {
                let server = builder.encrypted().start()?;
                let authority = server.authority().context("it is encrypted")?;
                let authority = authority.to_string_lossy().into_owned();
                (vec![server.url(), authority], vec![server])
            }
            Self::Accounts => {
                let server = builder.accounts().start()?;
                (vec![server.url(), server.admin_url()], vec![server])
            }
            Self::Pair => {
                let RedisPair { primary, replica } = RedisPair::start(builder)?;
                let values = vec![primary.url(), replica.url()];
                (values, vec![primary, replica])
            }
            Self::Cluster => {
                let cluster = RedisCluster::start(&builder)?;
                (vec![cluster.url()], cluster.into_nodes())
            }
        };
        let variables = self.variables().iter().copied();
        Ok(Started {
            values: variables.zip(values).collect(),
            servers,
        })
    }
}

impl Started {
    /// The variables and what they are to be set to.
    pub fn values(&self) -> &[(&'static str, String)] {
        &self.values
    }

    /// The servers themselves.
    pub fn servers(&self) -> &[RedisServer] {
        &self.servers
    }
}

fn one(builder: RedisBuilder) -> Result<(Vec<String>, Vec<RedisServer>)> {
    let server = builder.start()?;
    Ok((vec![server.url()], vec![server]))
}
