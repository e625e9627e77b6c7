//! Requests per second of the server that publishes, beside the same server that only validates.
//!
//! Both run in this process on loopback, one after the other in each round, so that a change of the machine's speed
//! meets both. Client and server share the machine's cores: the figures compare, they are no capacity.

use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use forebay::telemetry::PrometheusObserver;
use forebay::{Connection, Connector, Settings};
use forebay_example_server::database::Database;
use forebay_example_server::http::message_request::SmsRequest;
use forebay_example_server::http::{App, Door, DoorLimits, Intake, Metrics, Readiness, router};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

// As in the server.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures what publishing costs an HTTP request.
#[derive(Clone, Debug, Parser)]
#[command(name = "bench-http", version)]
struct Arguments {
    /// Rounds that count; one more warms up.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rounds: u32,
    /// Requests of each server in a round.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    requests: u32,
    /// Keep-alive connections.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=512))]
    connections: u32,
    /// Fail if publishing reaches less than this share of the rate of validating.
    #[arg(long)]
    min_ratio: Option<f64>,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Runtime::new();
    let result = runtime
        .map_err(Failure::from)
        .and_then(|runtime| runtime.block_on(measure(&arguments)));
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(1)
        }
    }
}

/// Runs all rounds; `false` if the ratio is too small.
async fn measure(arguments: &Arguments) -> Result<bool, Failure> {
    let publishing = Server::start(Intake::Publish, arguments).await?;
    let validating = Server::start(Intake::ValidateOnly, arguments).await?;
    let (mut publish_rates, mut validate_rates) = (Vec::new(), Vec::new());
    for round in 0..=arguments.rounds {
        // Each goes first in every other round.
        let (publish, validate) = if round % 2 == 0 {
            let publish = publishing.round(round, arguments).await?;
            (publish, validating.round(round, arguments).await?)
        } else {
            let validate = validating.round(round, arguments).await?;
            (publishing.round(round, arguments).await?, validate)
        };
        if round == 0 {
            continue;
        }
        let line = json!({
            "round": round, "publish": publish.json(), "validate": validate.json(),
            "ratio": rounded(publish.rate / validate.rate),
        });
        println!("{line}");
        publish_rates.push(publish.rate);
        validate_rates.push(validate.rate);
    }
    let (publish, validate) = (median(publish_rates), median(validate_rates));
    let ratio = publish / validate;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let note = format!(
        "client and server share {cores} cores; medians of {} rounds",
        arguments.rounds
    );
    let line = json!({
        "publish_per_second": publish.round(), "validate_per_second": validate.round(),
        "ratio": rounded(ratio), "min_ratio": arguments.min_ratio, "note": note,
    });
    println!("{line}");
    Ok(arguments.min_ratio.is_none_or(|least| ratio >= least))
}

/// A server in this process.
struct Server {
    address: SocketAddr,
    queue: Connection,
}

impl Server {
    async fn start(intake: Intake, arguments: &Arguments) -> Result<Self, Failure> {
        let metrics = PrometheusObserver::new();
        let capacity = (arguments.requests + 1).to_string();
        let settings = Settings::from_iter([("QUEUE_CAPACITY", capacity.as_str())]);
        let queue = Connector::new(settings).observe(Arc::new(metrics.clone()));
        let queue = queue.connect("bench").await?;
        let app = App {
            queue: queue.clone(),
            // Never opened: nothing here asks the database.
            database: Database::open("sqlite://never-opened.db")?,
            metrics: Metrics(metrics),
            worker: None,
            api_token: None,
            admin_token: None,
            intake,
            readiness: Readiness::default(),
        };
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        let door = Door::open(loopback, DoorLimits::default()).await?;
        let address = door.address();
        let router = router(Arc::new(app));
        tokio::spawn(door.serve(router, CancellationToken::new(), Duration::ZERO));
        Ok(Self { address, queue })
    }

    /// Loads it with one round of requests, then empties its queue.
    async fn round(&self, round: u32, arguments: &Arguments) -> Result<Round, Failure> {
        // Made before the time counts.
        let shares: Vec<Vec<_>> = (0..arguments.connections)
            .map(|connection| {
                let mine = (connection..arguments.requests).step_by(arguments.connections as usize);
                mine.map(|number| request(round, number)).collect()
            })
            .collect();
        let mut clients = JoinSet::new();
        let start = Instant::now();
        for requests in shares {
            clients.spawn(client(self.address, requests));
        }
        let mut latencies = Vec::with_capacity(arguments.requests as usize);
        while let Some(client) = clients.join_next().await {
            latencies.extend(client??);
        }
        let rate = f64::from(arguments.requests) / start.elapsed().as_secs_f64();
        self.queue.management().purge().await?;
        latencies.sort_unstable();
        Ok(Round { rate, latencies })
    }
}

/// What a round has shown.
struct Round {
    rate: f64,
    /// In order.
    latencies: Vec<Duration>,
}

impl Round {
    fn json(&self) -> serde_json::Value {
        let milliseconds = |percent: usize| {
            let last = self.latencies.len() - 1;
            rounded(self.latencies[last * percent / 100].as_secs_f64() * 1_000.0)
        };
        json!({"per_second": self.rate.round(), "p50_ms": milliseconds(50), "p99_ms": milliseconds(99)})
    }
}

/// One connection: sends a request, reads its answer, sends the next. Answers how long each took.
async fn client(address: SocketAddr, requests: Vec<Vec<u8>>) -> io::Result<Vec<Duration>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut answer = Vec::with_capacity(1_024);
    let mut latencies = Vec::with_capacity(requests.len());
    for request in requests {
        let start = Instant::now();
        stream.write_all(&request).await?;
        read_answer(&mut stream, &mut answer).await?;
        latencies.push(start.elapsed());
    }
    Ok(latencies)
}

fn request(round: u32, number: u32) -> Vec<u8> {
    let body = SmsRequest {
        customer_id: Uuid::from_u128(1),
        from: "+12025550100".to_owned(),
        to: "+12025550123".to_owned(),
        body: "Your parcel is on its way. It will be with you between nine and eleven.".to_owned(),
        sent_at: None,
        idempotency_key: Some(format!("bench-{round}-{number}")),
        metadata: None,
    };
    let body = json!(body).to_string();
    let length = body.len();
    format!(
        "POST /api/messages/sms HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// Reads exactly one answer, which must be a 202.
async fn read_answer(stream: &mut TcpStream, answer: &mut Vec<u8>) -> io::Result<()> {
    answer.clear();
    loop {
        if stream.read_buf(answer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let Some((head, body)) = split_head(answer) else {
            continue;
        };
        if !head.starts_with("HTTP/1.1 202 ") {
            let status = head.lines().next().unwrap_or_default();
            return Err(io::Error::other(format!("the server answered {status}")));
        }
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        if length == Some(body.len()) {
            return Ok(());
        }
    }
}

fn split_head(answer: &[u8]) -> Option<(&str, &[u8])> {
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    Some((head, &answer[end + 4..]))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        values[middle]
    } else {
        values[middle - 1].midpoint(values[middle])
    }
}

fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}
