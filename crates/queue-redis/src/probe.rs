//! What the servers really give.

use std::time::Duration;

use forebay_queue_core::{Durability, Error, Guarantees, Health};
use futures_util::future::try_join_all;
use redis::Value;
use tokio::time::timeout;

use crate::answer::{line, text};
use crate::call::Call;
use crate::cluster::Servers;
use crate::failure::{Advice, Failure};
use crate::node::Node;
use crate::options;

/// The oldest version that has everything the scripts use.
const FLOOR: (u32, u32) = (7, 0);
const HEALTH_PATIENCE: Duration = Duration::from_millis(900);
const UNKNOWN: &str = "unknown";

/// Looks at every server, refuses those that cannot hold a queue, and lets changes wait for the disk where that is what
/// makes them last as demanded. To be called before the first change.
///
/// # Errors
/// [`Error::InvalidSetting`] for a server that is too old, evicts keys or does not let us in, [`Error::Unavailable`].
pub(crate) async fn admit(servers: &Servers) -> Result<Guarantees, Error> {
    let all = facts(servers).await.map_err(not_let_in)?;
    for facts in &all {
        facts.refuse()?;
    }
    let wants_disk = servers.options().durability == Some(Durability::Fsynced);
    if wants_disk && all.iter().any(Facts::can_confirm_disk) {
        servers.wait_for_disk();
    }
    Ok(guarantees(&all, servers.options().durability))
}

/// At the start a refusal that waiting does not cure is a wrong setting.
fn not_let_in(failure: Failure) -> Error {
    if failure.advice() != Advice::Fatal {
        return failure.into_backend_error();
    }
    Error::InvalidSetting {
        name: options::URL.to_owned(),
        value: "(value withheld)".to_owned(),
        allowed: format!(
            "a server and a user that may use it; now {}",
            failure.text()
        ),
    }
}

/// What holds now, at the weakest of the servers.
///
/// # Errors
/// [`Error::Unavailable`].
pub(crate) async fn probe(servers: &Servers) -> Result<Guarantees, Error> {
    let all = facts(servers).await.map_err(Failure::into_backend_error)?;
    Ok(guarantees(&all, servers.options().durability))
}

/// Whether every server takes changes. Answers within a second.
pub(crate) async fn health(servers: &Servers) -> Health {
    let found = timeout(HEALTH_PATIENCE, facts(servers)).await;
    match found {
        Err(_) => Health::Down("the server did not answer in time".to_owned()),
        Ok(Err(failure)) => Health::Down(failure.text().to_owned()),
        Ok(Ok(all)) => match all.iter().find_map(Facts::trouble) {
            Some(trouble) => Health::Down(trouble.to_owned()),
            None => Health::Up,
        },
    }
}

/// What one server says of itself.
#[derive(Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a line of what the server says, none excludes another"
)]
struct Facts {
    version: (u32, u32),
    shown_version: String,
    is_replica: bool,
    is_loading: bool,
    policy: String,
    is_append_only: bool,
    append_failed: bool,
    /// `always`, `everysec`, `no`, or that it may not be asked.
    fsync: String,
    /// The file is not flushed while it is rewritten.
    pauses_fsync: bool,
    knows_waitaof: bool,
    /// What scripts have written is loaded again at a start.
    loads_scripts: bool,
    /// Replicas that follow.
    replicas: u8,
}

async fn facts(servers: &Servers) -> Result<Vec<Facts>, Failure> {
    let nodes = servers.primaries().await?;
    let key = format!("{}:probe", servers.options().prefix());
    let facts = nodes.iter().map(|node| Facts::of(node, &key));
    let facts = try_join_all(facts).await;
    facts.inspect_err(|failure| servers.note(0, failure))
}

fn guarantees(all: &[Facts], demand: Option<Durability>) -> Guarantees {
    let levels = all.iter().map(|facts| facts.durability(demand));
    let rank = |level: &Durability| match level {
        Durability::Fsynced => 2,
        Durability::Buffered => 1,
        Durability::Memory | Durability::Replicated(_) => 0,
    };
    let confirmed = all.iter().map(|facts| match demand {
        // More may follow, but a change waits for no more than were asked for.
        Some(Durability::Replicated(wanted)) => facts.replicas.min(wanted),
        _ => 0,
    });
    let servers = all.len();
    let said = all.first().map(Facts::said).unwrap_or_default();
    let which = match servers {
        1 => "one server".to_owned(),
        servers => format!("{servers} nodes of a cluster, of which the first is told"),
    };
    Guarantees {
        durability: levels.min_by_key(rank).unwrap_or(Durability::Memory),
        replicas: confirmed.min().unwrap_or(0),
        detail: format!("{which}: {said}"),
    }
}

impl Facts {
    /// `key` is one that the scripts may write.
    async fn of(node: &Node, key: &str) -> Result<Self, Failure> {
        let command = |words: &[&str]| {
            let mut words = words.iter();
            let mut command = redis::cmd(words.next().copied().unwrap_or_default());
            for word in words {
                command.arg(word);
            }
            Call::command(command)
        };
        let calls = [
            command(&["INFO", "server", "memory", "persistence", "replication"]),
            command(&["CONFIG", "GET", "appendfsync", "no-appendfsync-on-rewrite"]),
            command(&["COMMAND", "INFO", "waitaof"]),
            // A server reads its append-only file as this user. Many versions, 7.0 among them, silently leave out
            // several changes of one script that it may not make.
            command(&["ACL", "DRYRUN", "default", "XADD", key, "*", "m", "x"]),
        ];
        let calls: Vec<&Call> = calls.iter().collect();
        let mut answers = node.look(&calls).await?.into_iter();
        let mut next = || answers.next().unwrap_or(Ok(Value::Nil));
        let info = next()?;
        let mut facts = Self::read(&text(&info));
        // Who looks after the server may keep these two to himself.
        facts.configured(&next().unwrap_or(Value::Nil));
        facts.knows_waitaof = match next() {
            Ok(Value::Array(commands)) => matches!(commands.first(), Some(Value::Array(_))),
            _ => false,
        };
        // A denial is an answer too, in words.
        facts.loads_scripts = matches!(next(), Ok(Value::Okay));
        Ok(facts)
    }

    fn read(info: &str) -> Self {
        let line = |name| line(info, name);
        let is_set = |name| line(name) == Some("1");
        // Valkey says in the other line which Redis it can stand in for.
        let version = line("redis_version").unwrap_or_default();
        let shown = line("valkey_version").map(|v| format!("Valkey {v}"));
        let follows = info.lines().filter(|line| {
            let is_replica = line.starts_with("slave") && line.contains(":ip=");
            is_replica && line.contains(",state=online")
        });
        Self {
            version: numbers(version),
            shown_version: shown.unwrap_or_else(|| format!("Redis {version}")),
            is_replica: line("role").is_some_and(|role| role != "master"),
            is_loading: is_set("loading"),
            policy: line("maxmemory_policy").unwrap_or(UNKNOWN).to_owned(),
            is_append_only: is_set("aof_enabled"),
            append_failed: line("aof_last_write_status").is_some_and(|status| status != "ok"),
            fsync: UNKNOWN.to_owned(),
            pauses_fsync: true,
            knows_waitaof: false,
            loads_scripts: false,
            replicas: u8::try_from(follows.count()).unwrap_or(u8::MAX),
        }
    }

    /// Takes the answer of CONFIG GET: name, value, name, value.
    fn configured(&mut self, answer: &Value) {
        let Value::Array(pairs) = answer else {
            return;
        };
        for pair in pairs.chunks_exact(2) {
            match text(&pair[0]).as_str() {
                "appendfsync" => self.fsync = text(&pair[1]),
                "no-appendfsync-on-rewrite" => self.pauses_fsync = text(&pair[1]) != "no",
                _ => {}
            }
        }
    }

    /// A server that would lose messages whatever the demand, or on which the scripts do not run.
    fn refuse(&self) -> Result<(), Error> {
        let refusal = |name: &str, value: &str, allowed: &str| Error::InvalidSetting {
            name: name.to_owned(),
            value: value.to_owned(),
            allowed: allowed.to_owned(),
        };
        if self.version < FLOOR {
            let allowed = "Redis from 7.0, Valkey from 7.2";
            return Err(refusal(
                "the server's version",
                &self.shown_version,
                allowed,
            ));
        }
        if self.policy != "noeviction" && self.policy != UNKNOWN {
            let name = "the server's maxmemory-policy";
            let allowed = "noeviction: any other drops messages when the memory is full";
            return Err(refusal(name, &self.policy, allowed));
        }
        if self.is_replica {
            let failure = Failure::not_done(Advice::Reconnect, "the server is a replica");
            return Err(failure.into_backend_error());
        }
        Ok(())
    }

    /// What an accepted change survives here.
    fn durability(&self, demand: Option<Durability>) -> Durability {
        if !self.is_append_only || !self.loads_scripts {
            return Durability::Memory;
        }
        let waits = demand == Some(Durability::Fsynced) && self.can_confirm_disk();
        match self.fsync.as_str() {
            _ if waits => Durability::Fsynced,
            "always" if !self.pauses_fsync => Durability::Fsynced,
            // Each change has been written to the file before it is answered.
            "always" | "no" => Durability::Buffered,
            // With `everysec` a write is put off while the disk is busy, so a crash of the process alone loses some.
            _ => Durability::Memory,
        }
    }

    /// It can be asked to wait until its file is on the disk, and does not do so by itself.
    fn can_confirm_disk(&self) -> bool {
        let by_itself = self.fsync == "always" && !self.pauses_fsync;
        // Nobody would flush the file with `no`, so the answer would never come.
        let flushes = matches!(self.fsync.as_str(), "always" | "everysec");
        self.is_append_only && self.knows_waitaof && flushes && !by_itself
    }

    /// Why it takes no changes now.
    fn trouble(&self) -> Option<&'static str> {
        if self.is_loading {
            return Some("the server is loading its data");
        }
        if self.is_replica {
            return Some("the server is a replica");
        }
        self.append_failed
            .then_some("the server cannot write its append-only file")
    }

    fn said(&self) -> String {
        let Self {
            shown_version,
            fsync,
            replicas,
            policy,
            ..
        } = self;
        let kept = match (self.is_append_only, self.pauses_fsync) {
            (false, _) => "no append-only file".to_owned(),
            (true, false) => format!("append-only file, appendfsync {fsync}"),
            (true, true) if fsync == UNKNOWN => {
                "append-only file, CONFIG GET appendfsync is not allowed".to_owned()
            }
            (true, true) => {
                format!("append-only file, appendfsync {fsync} but not during a rewrite")
            }
        };
        let unloaded = if self.is_append_only && !self.loads_scripts {
            " which a start does not load, because the user `default` may not do what is in it: leave it `off`, but with \
             `~* &* +@all`"
        } else {
            ""
        };
        format!(
            "{shown_version}, {kept}{unloaded}, {replicas} replicas follow, maxmemory-policy {policy}"
        )
    }
}

fn numbers(version: &str) -> (u32, u32) {
    let mut numbers = version.split('.').map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn append_only(fsync: &str, pauses_fsync: bool) -> Facts {
        Facts {
            is_append_only: true,
            loads_scripts: true,
            fsync: fsync.to_owned(),
            pauses_fsync,
            ..Facts::default()
        }
    }

    #[test]
    fn what_survives_is_what_the_server_does_before_it_answers() {
        use Durability::{Buffered, Fsynced, Memory};
        let of = |fsync, pauses| append_only(fsync, pauses).durability(None);
        assert_eq!(of("always", false), Fsynced);
        assert_eq!(of("always", true), Buffered);
        assert_eq!(of("no", false), Buffered);
        assert_eq!(of("everysec", false), Memory);
        assert_eq!(of(UNKNOWN, true), Memory);
        assert_eq!(Facts::default().durability(None), Memory);
        let mut unloaded = append_only("always", false);
        unloaded.loads_scripts = false;
        assert_eq!(unloaded.durability(None), Memory);
        assert_eq!(unloaded.durability(Some(Fsynced)), Memory);
    }

    #[test]
    fn waiting_for_the_disk_makes_up_for_everysec_where_the_server_can() {
        use Durability::{Fsynced, Memory};
        let demand = Some(Fsynced);
        let mut facts = append_only("everysec", false);
        assert_eq!(facts.durability(demand), Memory);
        facts.knows_waitaof = true;
        assert_eq!(facts.durability(demand), Fsynced);
        assert_eq!(facts.durability(None), Memory);
        facts.fsync = "no".to_owned();
        assert!(!facts.can_confirm_disk());
        facts.fsync = "always".to_owned();
        assert!(!facts.can_confirm_disk());
        facts.pauses_fsync = true;
        assert!(facts.can_confirm_disk());
        facts.is_append_only = false;
        assert!(!facts.can_confirm_disk());
    }

    #[test]
    fn the_weakest_server_counts_and_only_replicas_that_are_waited_for() {
        let with = |replicas, fsync| Facts {
            replicas,
            ..append_only(fsync, false)
        };
        let all = [with(2, "always"), with(1, "everysec")];
        let found = guarantees(&all, Some(Durability::Replicated(2)));
        assert_eq!((found.durability, found.replicas), (Durability::Memory, 1));
        let found = guarantees(&all[..1], Some(Durability::Replicated(1)));
        assert_eq!((found.durability, found.replicas), (Durability::Fsynced, 1));
        assert_eq!(guarantees(&all, None).replicas, 0);
    }

    #[test]
    fn a_server_that_evicts_or_is_too_old_is_refused() {
        let refused = |policy: &str, version| {
            let facts = Facts {
                policy: policy.to_owned(),
                version,
                ..Facts::default()
            };
            facts.refuse().err().map(|error| error.to_string())
        };
        assert!(refused("noeviction", (7, 0)).is_none());
        assert!(refused(UNKNOWN, (9, 1)).is_none());
        assert!(refused("noeviction", (6, 2)).unwrap().contains("version"));
        for policy in ["allkeys-lru", "volatile-ttl"] {
            assert!(refused(policy, (7, 0)).unwrap().contains(policy));
        }
    }

    #[test]
    fn what_a_server_says_is_read() {
        let facts = Facts::read(
            "# Server\r\nredis_version:7.2.4\r\nvalkey_version:9.1.0\r\n\
             loading:0\r\nmaxmemory_policy:noeviction\r\naof_enabled:1\r\naof_last_write_status:err\r\n\
             role:master\r\nslave0:ip=127.0.0.1,port=1,state=online,offset=1,lag=0\r\n\
             slave1:ip=127.0.0.1,port=2,state=wait_bgsave,offset=1,lag=0\r\n",
        );
        assert_eq!((facts.version, facts.replicas), ((7, 2), 1));
        assert!(facts.is_append_only && facts.append_failed && !facts.is_replica);
        assert!(facts.trouble().unwrap().contains("append-only"));
        assert!(
            facts
                .said()
                .starts_with("Valkey 9.1.0, append-only file, CONFIG GET")
        );
        assert!(!facts.said().contains("127.0.0.1"));
        assert!(Facts::read("role:slave").is_replica);
    }
}
