//! The table of variables.

use forebay::Variable;

pub(super) const TOKEN: &str = "at least 16 visible ASCII characters";
pub(super) const DATABASE_URL: &str =
    "sqlite://path-of-a-file or postgres://user:password@host/database";
pub(super) const RUST_LOG: &str = "a level (error, warn, info, debug, trace, off) or comma-separated target=level pairs, such as info,forebay=debug";

/// The variables of this program alone, in the order of the documentation.
const OWN: &[Variable] = &[
    Variable {
        name: "HTTP_ADDR",
        default: "127.0.0.1:8080",
        allowed: "an IP address with a port; another than loopback needs API_TOKEN or INSECURE_PUBLIC=true",
        meaning: "where to listen; port 0 picks one, and the log says which",
    },
    Variable {
        name: "INSECURE_PUBLIC",
        default: "false",
        allowed: "true or false",
        meaning: "listen on a public address without a token",
    },
    Variable {
        name: "API_TOKEN",
        default: "",
        allowed: TOKEN,
        meaning: "bearer token of /api, apart from the dead letters",
    },
    Variable {
        name: "ADMIN_TOKEN",
        default: "",
        allowed: TOKEN,
        meaning: "bearer token of /api/dead-letters, which is not served without it",
    },
    Variable {
        name: "QUEUE_NAME",
        default: "outbound-messages",
        allowed: "1 to 100 of a-z, 0-9, '.', '_' and '-', beginning with a letter or digit",
        meaning: "the queue's name",
    },
    Variable {
        name: "DATABASE_URL",
        default: "sqlite://data/messages.db",
        allowed: DATABASE_URL,
        meaning: "where messages are persisted; a SQLite file is made if absent",
    },
    Variable {
        name: "WORKER_ENABLED",
        default: "true",
        allowed: "true or false",
        meaning: "whether this process works too; if not, the `worker` binary does",
    },
    Variable {
        name: "WORKER_CONCURRENCY",
        default: "16",
        allowed: "a whole number from 1 to 10000",
        meaning: "how many messages are worked on at once",
    },
    Variable {
        name: "RETRY_MAX_ATTEMPTS",
        default: "10",
        allowed: "a whole number from 1 to 1000",
        meaning: "failed attempts until a message is a dead letter",
    },
    Variable {
        name: "RETRY_MAX_AGE",
        default: "72h",
        allowed: "a duration from 1s to 365days",
        meaning: "age from which a message that fails is a dead letter",
    },
    Variable {
        name: "RETRY_BACKOFF_BASE",
        default: "1s",
        allowed: "a duration from 1ms to 1h",
        meaning: "the most that passes before the second attempt; doubles with each further one",
    },
    Variable {
        name: "RETRY_BACKOFF_CAP",
        default: "15m",
        allowed: "a duration from RETRY_BACKOFF_BASE to 1day",
        meaning: "the most that passes between two attempts",
    },
    Variable {
        name: "SHUTDOWN_TIMEOUT",
        default: "30s",
        allowed: "a duration from 100ms to 1h",
        meaning: "how long SIGTERM lets requests and messages finish",
    },
    Variable {
        name: "RUST_LOG",
        default: "info",
        allowed: RUST_LOG,
        meaning: "what is logged; SQL statements only where it names sqlx",
    },
    Variable {
        name: "LOG_FORMAT",
        default: "pretty",
        allowed: "pretty or json",
        meaning: "how log lines are written",
    },
];

/// Every variable that the server and the worker read, those of the queue ([`forebay::VARIABLES`]) included.
pub const VARIABLES: &[Variable] = &{
    let queue = forebay::VARIABLES;
    let mut all = [OWN[0]; OWN.len() + forebay::VARIABLES.len()];
    let mut i = 0;
    while i < all.len() {
        all[i] = if i < OWN.len() {
            OWN[i]
        } else {
            queue[i - OWN.len()]
        };
        i += 1;
    }
    all
};
