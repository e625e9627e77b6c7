use forebay_queue_core::Variable;

/// The variables that [`connect_from_env`](crate::connect_from_env) reads, those of the backends of this build included.
pub const VARIABLES: &[Variable] = &joined::<{ count() }>();

/// Those of this crate, then those of each backend of this build.
const PARTS: &[&[Variable]] = &[
    OWN,
    #[cfg(any(feature = "sqlite", feature = "rocksdb"))]
    forebay_queue_embedded::VARIABLES,
    #[cfg(feature = "redis")]
    forebay_queue_redis::VARIABLES,
];

const fn count() -> usize {
    let (mut part, mut count) = (0, 0);
    while part < PARTS.len() {
        count += PARTS[part].len();
        part += 1;
    }
    count
}

const fn joined<const COUNT: usize>() -> [Variable; COUNT] {
    let mut all = [OWN[0]; COUNT];
    let (mut part, mut first) = (0, 0);
    while part < PARTS.len() {
        let mut place = 0;
        while place < PARTS[part].len() {
            all[first + place] = PARTS[part][place];
            place += 1;
        }
        first += place;
        part += 1;
    }
    all
}

/// Those that mean the same for every backend.
const OWN: &[Variable] = &[
    Variable {
        name: "QUEUE_BACKEND",
        default: "memory",
        allowed: "a backend of this build",
        meaning: "where messages are kept",
    },
    Variable {
        name: "QUEUE_DURABILITY",
        default: "",
        allowed: "memory, buffered, fsynced or replicated:n with n from 1 to 9",
        meaning: "the durability demanded; a backend that gives less stops the start",
    },
    Variable {
        name: "QUEUE_CAPACITY",
        default: "10000",
        allowed: "a whole number from 1 to 2147483648",
        meaning: "messages scheduled, ready and leased together",
    },
    Variable {
        name: "QUEUE_PUBLISH_WAIT",
        default: "100ms",
        allowed: "a duration from 0s to 1h",
        meaning: "how long a publish waits while the queue is full",
    },
    Variable {
        name: "QUEUE_LEASE",
        default: "30s",
        allowed: "a duration from 10ms to 12h",
        meaning: "how long a delivery belongs to its worker unless it is extended",
    },
    Variable {
        name: "IDEMPOTENCY_WINDOW",
        default: "24h",
        allowed: "a duration from 0s to 365days",
        meaning: "how long an idempotency key is remembered",
    },
    Variable {
        name: "DLQ_RETENTION",
        default: "30d",
        allowed: "a duration from 0s to 3650days",
        meaning: "how long a dead letter is kept",
    },
];
