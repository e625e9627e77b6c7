//! What waits for its time costs nothing until then, however much it is.

#![allow(clippy::unwrap_used, reason = "in a test it is the assertion")]

mod server;

use std::sync::Arc;
use std::time::{Duration, Instant};

use forebay_queue_conformance::{Harness, Timing};
use forebay_queue_core::{Backend, Kind, NewMessage, Queue, QueueConfig, QueueName, SettleOutcome};

use server::{LIMIT, Private};

const NAME: QueueName = QueueName::from_static("q");
const FEW: u64 = 1_000;
const MANY: u64 = 1_000_000;
/// How many messages one call of the filling script makes.
const PART: u64 = 20_000;
const ROUNDS: u32 = 100;

/// Puts messages into the documented places of what is scheduled; the first is due in an hour. ARGV: how many there are
/// already, how many to add.
const FILL: &str = "
local time = redis.call('TIME')
local due = (time[1] + 3600) * 1000000
for n = ARGV[1] + 1, ARGV[1] + ARGV[2] do
  local id = struct.pack('>I8I8', 7, n)
  local entry = struct.pack('>BBI4', 1, 0, 0) .. id .. struct.pack('>I8I8I8I8I8I4', n, due, due + n, 0, 0, 0)
    .. struct.pack('>BBc1I4', 0, 1, 'k', 0)
  redis.call('HSET', KEYS[2], id, 's')
  redis.call('ZADD', KEYS[3], string.format('%.0f', due + n), id)
  redis.call('HSET', KEYS[4], id, entry)
  redis.call('ZADD', KEYS[5], string.format('%.0f', n), id)
end
local next = tonumber(redis.call('HGET', KEYS[1], 'next'))
redis.call('HSET', KEYS[1], 'next', string.format('%.0f', math.min(next, due + 1)))
return redis.call('ZCARD', KEYS[3])";

struct Stand {
    server: Private,
    backend: Arc<dyn Backend>,
    queue: Arc<dyn Queue>,
}

impl Stand {
    async fn new() -> Option<Self> {
        let server = Private::forgetful(Timing::NETWORK)?;
        let backend = server.connect().await;
        let config = QueueConfig {
            capacity: 2 * usize::try_from(MANY).unwrap(),
            ..QueueConfig::default()
        };
        backend.create(&NAME, &config).await.unwrap();
        let queue = backend.open(&NAME, None).await.unwrap();
        Some(Self {
            server,
            backend,
            queue,
        })
    }

    fn fill(&self, from: u64, til: u64) {
        let mut there = from;
        while there < til {
            let count = PART.min(til - there);
            let (begin, count) = (there.to_string(), count.to_string());
            let mut command: Vec<&[u8]> = vec![b"EVAL", FILL.as_bytes(), b"5"];
            command.extend([
                &b"forebay:{q}:meta"[..],
                b"forebay:{q}:index",
                b"forebay:{q}:due",
                b"forebay:{q}:waiting",
                b"forebay:{q}:order",
            ]);
            command.extend([begin.as_bytes(), count.as_bytes()]);
            let filled = self.server.call(&command).integer().unwrap();
            there = u64::try_from(filled).unwrap();
        }
    }

    /// The server's time for the scripts of a delayed message from its publish to its ack, on average.
    async fn cost(&self) -> Duration {
        let before = self.server.statistics()["evalsha"].micros;
        for _ in 0..ROUNDS {
            let message = NewMessage::new(Kind::from_static("k"), "");
            let message = message.with_delay(Duration::from_millis(5));
            self.queue.publish(vec![message], LIMIT).await.unwrap();
            let received = self.queue.receive(9, LIMIT).await.unwrap();
            assert_eq!(received.len(), 1);
            let outcomes = self.queue.ack(&[received[0].receipt.clone()]).await;
            assert_eq!(outcomes.unwrap(), [SettleOutcome::Done]);
        }
        let micros = self.server.statistics()["evalsha"].micros - before;
        Duration::from_micros(micros) / ROUNDS
    }

    async fn scheduled(&self) -> u64 {
        let management = self.backend.manage(&NAME).await.unwrap();
        management.stats().await.unwrap().scheduled
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_million_scheduled_messages_cost_promotion_no_more_than_a_thousand() {
    let Some(stand) = Stand::new().await else {
        return;
    };
    stand.fill(0, FEW);
    assert_eq!(stand.scheduled().await, FEW);
    // The first rounds load the scripts.
    stand.cost().await;
    let few = stand.cost().await;
    let began = Instant::now();
    stand.fill(FEW, MANY);
    println!("filled in {:?}", began.elapsed());
    let many = stand.cost().await;
    assert_eq!(stand.scheduled().await, MANY);
    println!("{few:?} of the server a message among {FEW}, {many:?} among {MANY}");
    // What a deeper tree and a colder memory cost, and far below the thousandfold.
    assert!(many <= few * 4, "{few:?}, then {many:?}");
}
