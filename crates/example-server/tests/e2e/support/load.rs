//! Many posts at once.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::client::Connection;
use super::request::{SMS, numbered};

/// Between two tries of a post that was answered 503.
const PAUSE: Duration = Duration::from_millis(50);

/// What came of one post: its number, how long the last try took, and its status.
pub(crate) struct Post {
    pub(crate) number: usize,
    pub(crate) elapsed: Duration,
    pub(crate) status: u16,
    pub(crate) id: String,
}

/// Posts the numbers of a range, once each, over so many connections.
pub(crate) async fn post_once(
    address: SocketAddr,
    numbers: std::ops::Range<usize>,
    connections: usize,
) -> Vec<Post> {
    post(address, numbers, connections, false).await
}

/// The same; a post that is answered 503 is repeated with its key until it is accepted.
pub(crate) async fn post_until_accepted(
    address: SocketAddr,
    numbers: std::ops::Range<usize>,
    connections: usize,
) -> Vec<Post> {
    post(address, numbers, connections, true).await
}

async fn post(
    address: SocketAddr,
    numbers: std::ops::Range<usize>,
    connections: usize,
    repeat: bool,
) -> Vec<Post> {
    let next = Arc::new(AtomicUsize::new(numbers.start));
    let mut tasks = JoinSet::new();
    for _ in 0..connections {
        let next = next.clone();
        let end = numbers.end;
        tasks.spawn(async move {
            let mut connection = Connection::open(address).await.unwrap();
            let mut posts = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= end {
                    return posts;
                }
                posts.push(post_one(&mut connection, number, repeat).await);
            }
        });
    }
    tasks.join_all().await.into_iter().flatten().collect()
}

async fn post_one(connection: &mut Connection, number: usize, repeat: bool) -> Post {
    let body = numbered(number);
    loop {
        let start = Instant::now();
        let answer = connection.post(SMS, &body).await;
        let answer = answer.unwrap_or_else(|failure| panic!("post {number}: {failure}"));
        if repeat && answer.status == 503 {
            // tidy: sleep — a client's pause before it repeats; nothing is hoped for.
            tokio::time::sleep(PAUSE).await;
            continue;
        }
        let id = match answer.status {
            202 => answer.id(),
            _ => String::new(),
        };
        return Post {
            number,
            elapsed: start.elapsed(),
            status: answer.status,
            id,
        };
    }
}

/// The elapsed time that this share of the posts did not exceed.
pub(crate) fn quantile(times: impl IntoIterator<Item = Duration>, share: f64) -> Duration {
    let mut times: Vec<_> = times.into_iter().collect();
    times.sort_unstable();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a share of a small count"
    )]
    let index = (times.len() as f64 * share).ceil() as usize;
    times[index.saturating_sub(1)]
}
