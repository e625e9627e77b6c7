//! How to reach the server.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use forebay_queue_core::{Durability, Error, Settings, Variable};
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo};

use crate::endpoint::Endpoint;

pub(crate) const URL: &str = "REDIS_URL";
const PREFIX: &str = "REDIS_PREFIX";
const CA: &str = "REDIS_CA";
const CONNECT_TIMEOUT: &str = "REDIS_CONNECT_TIMEOUT";
const TIMEOUT: &str = "REDIS_TIMEOUT";
const DURABILITY: &str = "QUEUE_DURABILITY";

const URLS: &str = "redis:// or rediss:// with a host, such as redis://user:password@localhost:6379; several with commas \
     between them: nodes of one cluster, of one user; redis-sentinel://user:password@host:26379,host:26379/0#name: sentinels and \
     the name of what they watch";
const PREFIXES: &str = "1 to 40 of a-z, 0-9, '.', '_' and '-', beginning with a letter or digit";
const LEVELS: &str = "memory, buffered, fsynced or replicated:n with n from 1 to 9";
/// Where sentinels listen by default.
const SENTINEL_PORT: &str = ":26379";
const MAX_PREFIX: usize = 40;
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(50);
const LONGEST_TIMEOUT: Duration = Duration::from_mins(1);

/// The variables that [`RedisOptions::from_settings`] reads; `QUEUE_DURABILITY` is read too.
pub const VARIABLES: &[Variable] = &[
    Variable {
        name: URL,
        default: "redis://127.0.0.1:6379",
        allowed: URLS,
        meaning: "the Redis or Valkey server; `rediss` is TLS",
    },
    Variable {
        name: PREFIX,
        default: "forebay",
        allowed: PREFIXES,
        meaning: "what every key begins with; two prefixes share nothing",
    },
    Variable {
        name: CA,
        default: "",
        allowed: "the path of a PEM file",
        meaning: "the only authority to trust for TLS; unset, those of the system",
    },
    Variable {
        name: CONNECT_TIMEOUT,
        default: "2s",
        allowed: "a duration from 50ms to 1m",
        meaning: "how long a call waits for a connection before it fails as certainly not done",
    },
    Variable {
        name: TIMEOUT,
        default: "5s",
        allowed: "a duration from 50ms to 1m",
        meaning: "how long a call waits for its answer before it fails as perhaps done",
    },
];

/// How to reach the server.
#[derive(Clone)]
pub struct RedisOptions {
    pub(crate) seeds: Vec<Endpoint>,
    /// The name under which the seeds, which are sentinels then, know the server.
    pub(crate) watched: Option<String>,
    pub(crate) account: Option<Account>,
    pub(crate) database: i64,
    pub(crate) is_encrypted: bool,
    pub(crate) authority: Option<PathBuf>,
    pub(crate) prefix: String,
    pub(crate) connect_timeout: Duration,
    pub(crate) response_timeout: Duration,
    pub(crate) durability: Option<Durability>,
}

/// Who we are on the server.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) user: Option<String>,
    pub(crate) password: String,
}

impl RedisOptions {
    /// Reads the settings of [`VARIABLES`].
    ///
    /// # Errors
    /// [`Error::InvalidSetting`]; it never contains the URL.
    pub fn from_settings(settings: &Settings) -> Result<Self, Error> {
        let options = settings.secret(URL, URLS, Self::read)?;
        let mut options = match options {
            Some(options) => options,
            None => Self::new("redis://127.0.0.1:6379")?,
        };
        if let Some(prefix) = settings.parse_with(PREFIX, PREFIXES, read_prefix)? {
            options.prefix = prefix;
        }
        options.authority = settings.get(CA).map(PathBuf::from);
        let span = |name| settings.duration(name, SHORTEST_TIMEOUT, LONGEST_TIMEOUT);
        options.connect_timeout = span(CONNECT_TIMEOUT)?.unwrap_or(options.connect_timeout);
        options.response_timeout = span(TIMEOUT)?.unwrap_or(options.response_timeout);
        options.durability = settings.parse(DURABILITY, LEVELS)?;
        Ok(options)
    }

    /// The server of a URL, or the nodes of a cluster with commas between their URLs.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] without the URL.
    pub fn new(url: &str) -> Result<Self, Error> {
        Self::read(url).ok_or_else(|| Error::InvalidSetting {
            name: URL.to_owned(),
            value: "(value withheld)".to_owned(),
            allowed: URLS.to_owned(),
        })
    }

    /// Another prefix of all keys than `forebay`.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] when it breaks the rule of `REDIS_PREFIX`.
    pub fn with_prefix(mut self, prefix: &str) -> Result<Self, Error> {
        self.prefix = read_prefix(prefix).ok_or_else(|| Error::InvalidSetting {
            name: PREFIX.to_owned(),
            value: "(value withheld)".to_owned(),
            allowed: PREFIXES.to_owned(),
        })?;
        Ok(self)
    }

    /// Trusts the authorities of this PEM file and no others.
    #[must_use]
    pub fn with_authority(mut self, file: &Path) -> Self {
        self.authority = Some(file.to_owned());
        self
    }

    /// How long a call waits for a connection.
    #[must_use]
    pub fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long a call waits for its answer.
    #[must_use]
    pub fn with_response_timeout(mut self, timeout: Duration) -> Self {
        self.response_timeout = timeout;
        self
    }

    /// What an accepted message has to survive. With `replicated:n` every change waits for so many replicas, with
    /// `fsynced` for the disk where the server does not do that by itself.
    #[must_use]
    pub fn with_durability(mut self, durability: Durability) -> Self {
        self.durability = Some(durability);
        self
    }

    /// What every key begins with.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    fn read(urls: &str) -> Option<Self> {
        for (scheme, of_nodes) in [("redis-sentinel", "redis"), ("rediss-sentinel", "rediss")] {
            let rest = urls.trim().strip_prefix(scheme);
            if let Some(rest) = rest.and_then(|rest| rest.strip_prefix("://")) {
                return Self::read_sentinels(of_nodes, rest);
            }
        }
        let mut urls = urls.split(',').map(str::trim);
        let mut options = Self::read_one(urls.next()?)?;
        for url in urls {
            let mut node = Self::read_one(url)?;
            let is_alike =
                node.account == options.account && node.is_encrypted == options.is_encrypted;
            // A cluster has one database.
            if !is_alike || node.database != 0 || options.database != 0 {
                return None;
            }
            options.seeds.append(&mut node.seeds);
        }
        Some(options)
    }

    /// `user:password@host:port,host:port/database#name`, as Lettuce and others write it.
    fn read_sentinels(scheme: &str, rest: &str) -> Option<Self> {
        let (rest, name) = rest.split_once('#')?;
        let (authority, database) = match rest.split_once('/') {
            Some((authority, database)) => (authority, format!("/{database}")),
            None => (rest, String::new()),
        };
        let (account, hosts) = match authority.rsplit_once('@') {
            Some((account, hosts)) => (format!("{account}@"), hosts),
            None => (String::new(), authority),
        };
        let mut found: Option<Self> = None;
        for host in hosts.split(',').map(str::trim) {
            let has_port = host.rsplit_once(':').is_some_and(|(_, p)| !p.contains(']'));
            let port = if has_port { "" } else { SENTINEL_PORT };
            let mut one = Self::read_one(&format!("{scheme}://{account}{host}{port}{database}"))?;
            match &mut found {
                None => found = Some(one),
                Some(found) => found.seeds.append(&mut one.seeds),
            }
        }
        let name = (!name.is_empty() && !name.contains(['#', '?'])).then(|| name.to_owned())?;
        found.map(|found| Self {
            watched: Some(name),
            ..found
        })
    }

    fn read_one(url: &str) -> Option<Self> {
        // TLS is ours, the crate's parser only knows it as a feature of its own.
        let (scheme, rest) = url.split_once("://")?;
        let is_encrypted = match scheme {
            "redis" | "valkey" => false,
            "rediss" | "valkeys" => true,
            _ => return None,
        };
        if rest.contains(['?', '#']) {
            return None;
        }
        let info: ConnectionInfo = format!("redis://{rest}").into_connection_info().ok()?;
        let ConnectionAddr::Tcp(host, port) = info.addr() else {
            return None;
        };
        let account = info.redis_settings();
        let user = account.username().map(str::to_owned);
        if user.is_some() && account.password().is_none() {
            return None;
        }
        Some(Self {
            seeds: vec![Endpoint {
                host: host.clone(),
                port: *port,
            }],
            watched: None,
            account: account.password().map(|password| Account {
                user,
                password: password.to_owned(),
            }),
            database: account.db(),
            is_encrypted,
            authority: None,
            prefix: "forebay".to_owned(),
            connect_timeout: Duration::from_secs(2),
            response_timeout: Duration::from_secs(5),
            durability: None,
        })
    }
}

/// Without hosts, users and passwords.
impl fmt::Debug for RedisOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisOptions")
            .field("servers", &self.seeds.len())
            .field("is_watched", &self.watched.is_some())
            .field("has_account", &self.account.is_some())
            .field("is_encrypted", &self.is_encrypted)
            .field("prefix", &self.prefix)
            .field("connect_timeout", &self.connect_timeout)
            .field("response_timeout", &self.response_timeout)
            .field("durability", &self.durability)
            .finish_non_exhaustive()
    }
}

/// No braces, which a cluster reads as the part of a key that decides its place; no pattern of an access list.
fn read_prefix(text: &str) -> Option<String> {
    let is_first = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_later = |c: char| is_first(c) || ".-_".contains(c);
    let is_right =
        text.starts_with(is_first) && text.chars().all(is_later) && text.len() <= MAX_PREFIX;
    is_right.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_with_what_is_in_them() {
        let options = RedisOptions::new("rediss://me:p%40ss%2C@localhost:7000/3").unwrap();
        let account = options.account.as_ref().unwrap();
        assert_eq!(account.user.as_deref(), Some("me"));
        assert_eq!(account.password, "p@ss,");
        assert_eq!((options.database, options.is_encrypted), (3, true));
        let options =
            RedisOptions::new("redis://:p@127.0.0.1:1,redis://:p@[::1], valkey://:p@localhost")
                .unwrap();
        let seeds = options.seeds.iter().map(|s| (s.host.as_str(), s.port));
        let expected = [("127.0.0.1", 1), ("::1", 6379), ("localhost", 6379)];
        assert!(seeds.eq(expected));
        assert!(options.account.unwrap().user.is_none());
    }

    #[test]
    fn sentinels_are_read_with_the_name_of_what_they_watch() {
        let url = "rediss-sentinel://me:p%2C@127.0.0.1,[::1],[::2]:5,host:7/2#main";
        let options = RedisOptions::new(url).unwrap();
        let seeds = options.seeds.iter().map(|s| (s.host.as_str(), s.port));
        assert!(seeds.eq([
            ("127.0.0.1", 26379),
            ("::1", 26379),
            ("::2", 5),
            ("host", 7)
        ]));
        assert_eq!(options.watched.as_deref(), Some("main"));
        assert_eq!((options.database, options.is_encrypted), (2, true));
        assert_eq!(options.account.unwrap().password, "p,");
        let options = RedisOptions::new("redis-sentinel://localhost#m").unwrap();
        assert!(options.account.is_none() && !options.is_encrypted);
    }

    #[test]
    fn a_url_that_cannot_be_used_is_refused_without_being_shown() {
        let refused = [
            "canary",
            "http://canary",
            "redis://canary@localhost",
            "redis://u:canary@localhost/x",
            "redis://u:canary@localhost?protocol=resp3",
            "rediss://u:canary@localhost#insecure",
            "redis://u:canary@localhost,redis://u:other@localhost",
            "redis://u:canary@localhost,rediss://u:canary@localhost",
            "redis://u:canary@localhost/1,redis://u:canary@localhost/1",
            "redis://u:canary@localhost,",
            "redis-sentinel://u:canary@localhost",
            "redis-sentinel://u:canary@localhost#",
            "redis-sentinel://u:canary@#main",
            "redis-sentinel://u:canary@localhost,#main",
            "redis-sentinel://u:canary@localhost/x#main",
            "redis-sentinel://canary@localhost#main",
            "redis://u:canary@localhost#main",
        ];
        for url in refused {
            let settings = Settings::from_iter([(URL, url)]);
            let error = RedisOptions::from_settings(&settings).unwrap_err();
            assert!(matches!(error, Error::InvalidSetting { .. }), "{url}");
            assert!(!format!("{error} {error:?}").contains("canary"));
            assert!(RedisOptions::new(url).is_err(), "{url}");
        }
    }

    #[test]
    fn settings_are_read_and_checked() {
        let settings = Settings::from_iter([
            (PREFIX, "shop-1"),
            (CA, "ca.pem"),
            (CONNECT_TIMEOUT, "1s"),
            (TIMEOUT, "3s"),
            (DURABILITY, "replicated:2"),
        ]);
        let options = RedisOptions::from_settings(&settings).unwrap();
        assert_eq!(options.prefix(), "shop-1");
        assert_eq!(options.authority.as_deref(), Some(Path::new("ca.pem")));
        assert_eq!(options.connect_timeout, Duration::from_secs(1));
        assert_eq!(options.response_timeout, Duration::from_secs(3));
        assert_eq!(options.durability, Some(Durability::Replicated(2)));
        for (name, value) in [
            (PREFIX, "a{b}"),
            (PREFIX, "a*"),
            (PREFIX, "-a"),
            (TIMEOUT, "1ms"),
            (CONNECT_TIMEOUT, "1h"),
            (DURABILITY, "much"),
        ] {
            let settings = Settings::from_iter([(name, value)]);
            let error = RedisOptions::from_settings(&settings).unwrap_err();
            assert!(error.to_string().starts_with(name), "{error}");
        }
        let options = RedisOptions::from_settings(&Settings::default()).unwrap();
        assert_eq!(options.prefix(), "forebay");
        assert!(options.with_prefix("a:b").is_err());
    }

    #[test]
    fn options_do_not_show_who_we_are_and_where_we_go() {
        let options = RedisOptions::new("redis://canary:canary@canary.example").unwrap();
        let shown = format!("{options:?} {options:#?}");
        assert!(!shown.contains("canary"), "{shown}");
    }
}
