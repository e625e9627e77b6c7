use std::sync::Arc;
use std::time::Duration;

use forebay_fault_proxy::{Fault, FaultKind};
use forebay_tests::wait;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::echo::Echo;
use crate::{LIMIT, connect, proxy_to, round_trip, seeded_proxy_to, soon};

const CROWD: usize = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_connections_at_once_keep_their_bytes_apart() {
    let echo = Echo::start().await;
    let proxy = Arc::new(seeded_proxy_to(&echo, 3).await);
    proxy.set(Fault::Latency {
        delay: Duration::from_millis(1),
        jitter: Duration::from_millis(10),
    });
    proxy.set(Fault::Slices {
        bytes: 333,
        pause: Duration::ZERO,
    });
    let all_are_in = Arc::new(Barrier::new(CROWD + 1));
    let mut clients = JoinSet::new();
    for number in 0..CROWD {
        let (proxy, all_are_in) = (Arc::clone(&proxy), Arc::clone(&all_are_in));
        clients.spawn(async move {
            let bytes = vec![u8::try_from(number).unwrap(); 2_000 + number];
            let mut client = connect(&proxy).await;
            for _ in 0..3 {
                assert_eq!(round_trip(&mut client, &bytes).await.unwrap(), bytes);
            }
            // Twice: once to be counted, once to go.
            all_are_in.wait().await;
            all_are_in.wait().await;
        });
    }
    soon(all_are_in.wait()).await;
    assert_eq!((proxy.connections(), proxy.accepted()), (CROWD, 100));
    let bytes = echo.received();
    let all_are_counted = async || {
        let forwarded = proxy.forwarded();
        (forwarded.to_upstream, forwarded.to_client) == (bytes, bytes)
    };
    wait::until("all are counted", LIMIT, all_are_counted).await;
    assert!(proxy.fired(FaultKind::Latency) >= 600);
    assert!(proxy.fired(FaultKind::Slices) >= 100);
    soon(all_are_in.wait()).await;
    while let Some(client) = soon(clients.join_next()).await {
        client.unwrap();
    }
    wait::until("all have gone", LIMIT, async || proxy.connections() == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_is_reset_to_the_last_one() {
    let echo = Echo::start().await;
    let proxy = proxy_to(&echo).await;
    let mut clients = Vec::new();
    for _ in 0..CROWD {
        clients.push(connect(&proxy).await);
    }
    wait::until("all are in", LIMIT, async || proxy.connections() == CROWD).await;
    assert_eq!(proxy.reset_all(), CROWD);
    for client in &mut clients {
        crate::read_to_reset(client).await;
    }
    assert_eq!(proxy.fired(FaultKind::Reset), 100);
}
