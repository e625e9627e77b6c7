use std::net::Ipv4Addr;

use forebay_fault_proxy::{Direction, Fault, FaultKind, FaultProxy};
use forebay_tests::wait;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::echo::Echo;
use crate::{
    LIMIT, SILENCE, assert_silent, assert_works, connect, proxy_to, read_to_reset, seeded_proxy_to,
    soon,
};

#[tokio::test]
async fn all_are_reset_toward_both_ends() {
    let echo = Echo::start().await;
    let proxy = proxy_to(&echo).await;
    let mut clients = [connect(&proxy).await, connect(&proxy).await];
    for client in &mut clients {
        assert_works(client).await;
    }
    assert_eq!(proxy.reset_all(), 2);
    for client in &mut clients {
        assert_eq!(read_to_reset(client).await, b"");
    }
    echo.until("they are reset", |echo| echo.reset() == 2).await;
    wait::until("gone", LIMIT, async || proxy.connections() == 0).await;
    assert_eq!(proxy.fired(FaultKind::Reset), 2);

    assert_works(&mut connect(&proxy).await).await;
}

#[tokio::test]
async fn a_reset_comes_after_exactly_so_many_bytes() {
    let echo = Echo::start().await;
    let proxy = proxy_to(&echo).await;
    let mut existing = connect(&proxy).await;
    assert_works(&mut existing).await;
    let reset = Fault::Reset {
        after: 10,
        spread: 0,
    };
    proxy.set_toward(Direction::ToClient, reset);
    for client in [&mut existing, &mut connect(&proxy).await] {
        soon(client.write_all(b"0123456789abc")).await.unwrap();
        assert_eq!(read_to_reset(client).await, b"0123456789");
    }
    assert_eq!(echo.received(), 5 + 2 * 13, "requests arrived whole");
    assert_eq!(proxy.fired(FaultKind::Reset), 2);
    proxy.clear();
    assert_works(&mut connect(&proxy).await).await;
}

#[tokio::test]
async fn the_answer_to_what_was_carried_out_can_be_lost() {
    let echo = Echo::start().await;
    let proxy = proxy_to(&echo).await;
    let reset = Fault::Reset {
        after: 0,
        spread: 0,
    };
    proxy.set_toward(Direction::ToClient, reset);
    let mut client = connect(&proxy).await;
    soon(client.write_all(b"request")).await.unwrap();
    assert_eq!(read_to_reset(&mut client).await, b"");
    assert_eq!(echo.received(), 7);
    assert_eq!(proxy.forwarded().to_client, 0);
}

#[tokio::test]
async fn where_connections_are_cut_comes_from_the_seed() {
    async fn lengths(seed: u64) -> Vec<usize> {
        let echo = Echo::start().await;
        let proxy = seeded_proxy_to(&echo, seed).await;
        let reset = Fault::Reset {
            after: 100,
            spread: 1_000,
        };
        proxy.set_toward(Direction::ToClient, reset);
        let mut lengths = Vec::new();
        for _ in 0..8 {
            let mut client = connect(&proxy).await;
            soon(client.write_all(&[9; 2_000])).await.unwrap();
            lengths.push(read_to_reset(&mut client).await.len());
        }
        lengths
    }
    let first = lengths(1).await;
    assert!(first.iter().all(|length| (100..=1_100).contains(length)));
    assert_eq!(first, lengths(1).await);
    assert_ne!(first, lengths(2).await);
}

#[tokio::test]
async fn half_open_is_silence_for_the_client_and_an_end_for_the_upstream() {
    let echo = Echo::start().await;
    let proxy = proxy_to(&echo).await;
    let mut client = connect(&proxy).await;
    assert_works(&mut client).await;
    let half_open = Fault::HalfOpen {
        after: 0,
        spread: 0,
    };
    proxy.set_toward(Direction::ToUpstream, half_open);
    soon(client.write_all(b"anybody?")).await.unwrap();
    echo.until("the upstream's end", |echo| echo.ended() == 1)
        .await;
    assert_silent(&mut client).await;
    assert_eq!(
        (proxy.fired(FaultKind::HalfOpen), proxy.connections()),
        (1, 1)
    );
    assert_eq!(echo.received(), 5);

    // It does not come back, and what it sends is swallowed, more than any buffer holds.
    proxy.clear();
    soon(client.write_all(&vec![0; 16 << 20])).await.unwrap();
    assert_silent(&mut client).await;
    assert_works(&mut connect(&proxy).await).await;

    proxy.reset_all();
    assert_eq!(read_to_reset(&mut client).await, b"");
}

#[tokio::test]
async fn all_can_be_left_half_open_and_newcomers_work() {
    let echo = Echo::start().await;
    let proxy = proxy_to(&echo).await;
    let mut idle = connect(&proxy).await;
    assert_works(&mut idle).await;
    assert_eq!(proxy.half_open_all(), 1);
    echo.until("the upstream's end", |echo| echo.ended() == 1)
        .await;
    assert_silent(&mut idle).await;
    assert_works(&mut connect(&proxy).await).await;
    drop(idle);
    wait::until("gone", LIMIT, async || proxy.connections() == 0).await;
    assert_eq!(proxy.fired(FaultKind::HalfOpen), 1);
}

#[tokio::test]
async fn a_reset_of_either_end_is_passed_on() {
    let echo = Echo::start().await;
    let proxy = proxy_to(&echo).await;
    let mut client = connect(&proxy).await;
    assert_works(&mut client).await;
    client.set_zero_linger().unwrap();
    drop(client);
    echo.until("the client's reset", |echo| echo.reset() == 1)
        .await;

    // A second proxy is the upstream that resets.
    let second = proxy_to(&echo).await;
    proxy.set_upstream(second.address()).unwrap();
    let mut client = connect(&proxy).await;
    assert_works(&mut client).await;
    second.reset_all();
    assert_eq!(read_to_reset(&mut client).await, b"");
    assert_eq!(proxy.fired(FaultKind::Reset), 0);
}

/// The two ends of a connection over the proxy, whose upstream is the test itself.
async fn ends() -> (FaultProxy, TcpStream, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
    let listener = listener.expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    let proxy = FaultProxy::start(address).await.expect("a port is free");
    let client = connect(&proxy).await;
    let accepted = soon(listener.accept()).await;
    let (upstream, _) = accepted.expect("it is reached");
    (proxy, client, upstream)
}

#[tokio::test]
async fn a_reset_after_an_end_shows_when_one_writes() {
    let (proxy, mut client, mut upstream) = ends().await;
    soon(upstream.shutdown()).await.unwrap();
    assert_eq!(soon(client.read(&mut [0])).await.unwrap(), 0);
    upstream.set_zero_linger().unwrap();
    drop(upstream);
    soon(client.write_all(b"late")).await.unwrap();
    wait::until("gone", LIMIT, async || proxy.connections() == 0).await;
    let again = soon(client.write_all(b"too late")).await;
    assert!(again.is_err(), "it was reset");
}

#[tokio::test]
async fn a_reset_that_a_write_has_met_is_one_for_the_reader_too() {
    let (proxy, mut client, mut upstream) = ends().await;
    proxy.set_toward(Direction::ToClient, Fault::BlackHole);
    // As much as the proxy reads at most, so that it does not see the reset by reading.
    let flood = vec![1; 64 << 20];
    let flooding = timeout(SILENCE, upstream.write_all(&flood)).await;
    assert!(flooding.is_err(), "it is held back");
    upstream.set_zero_linger().unwrap();
    drop(upstream);
    let sent = proxy.forwarded().to_upstream;
    soon(client.write_all(b"request")).await.unwrap();
    assert_silent(&mut client).await;
    assert_eq!(proxy.forwarded().to_upstream, sent);
    // Slowly enough for the client to keep up, as a reset drops what it has not taken.
    let bandwidth = Fault::Bandwidth {
        bytes_per_second: 16 << 20,
    };
    proxy.set_toward(Direction::ToClient, bandwidth);
    proxy.lift(FaultKind::BlackHole);
    read_to_reset(&mut client).await;
}

#[tokio::test]
async fn a_client_is_reset_when_nobody_listens_upstream() {
    let nobody = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let proxy = FaultProxy::start(address).await.unwrap();
    assert_eq!(read_to_reset(&mut connect(&proxy).await).await, b"");
    assert_eq!(proxy.unreachable(), 1);
    let echo = Echo::start().await;
    proxy.set_upstream(echo.address()).unwrap();
    assert_works(&mut connect(&proxy).await).await;
}
