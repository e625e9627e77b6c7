use std::io::ErrorKind;
use std::net::Ipv4Addr;

use forebay_fault_proxy::{Direction, Fault, FaultKind, FaultProxy, PerDirection};
use forebay_tests::wait;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::echo::Echo;
use crate::{LIMIT, assert_silent, assert_works, connect, proxy_to, read_to_reset, soon};

async fn until_held(proxy: &FaultProxy, times: u64) {
    let held = async || proxy.fired(FaultKind::BlackHole) >= times;
    wait::until("it is held back", LIMIT, held).await;
}

async fn assert_answer(client: &mut TcpStream, answer: &[u8]) {
    let mut heard = vec![0; answer.len()];
    let read = soon(client.read_exact(&mut heard)).await;
    read.expect("it answers");
    assert_eq!(heard, answer);
}

#[tokio::test]
async fn a_black_hole_passes_nothing_and_recovers() {
    let echo = Echo::start().await;
    let proxy = proxy_to(&echo).await;
    let mut existing = connect(&proxy).await;
    assert_works(&mut existing).await;
    let before = proxy.forwarded();

    proxy.set(Fault::BlackHole);
    soon(existing.write_all(b"one")).await.unwrap();
    soon(existing.shutdown()).await.unwrap();
    let mut newcomer = connect(&proxy).await;
    soon(newcomer.write_all(b"two")).await.unwrap();
    until_held(&proxy, 2).await;
    assert_silent(&mut existing).await;
    assert_silent(&mut newcomer).await;
    assert_eq!((proxy.forwarded(), proxy.connections()), (before, 2));
    assert_eq!((echo.accepted(), echo.received(), echo.ended()), (1, 5, 0));

    proxy.clear();
    assert_answer(&mut existing, b"one").await;
    assert_eq!(soon(existing.read(&mut [0])).await.unwrap(), 0);
    assert_answer(&mut newcomer, b"two").await;
}

#[tokio::test]
async fn a_black_hole_can_swallow_one_direction_only() {
    let echo = Echo::start().await;
    let proxy = proxy_to(&echo).await;
    let mut client = connect(&proxy).await;
    proxy.set_toward(Direction::ToClient, Fault::BlackHole);
    soon(client.write_all(b"request")).await.unwrap();
    echo.until("the request", |echo| echo.received() == 7).await;
    until_held(&proxy, 1).await;
    assert_silent(&mut client).await;
    let forwarded = PerDirection {
        to_upstream: 7,
        to_client: 0,
    };
    assert_eq!(proxy.forwarded(), forwarded);
    proxy.lift(FaultKind::BlackHole);
    assert_answer(&mut client, b"request").await;
}

#[tokio::test]
async fn a_black_hole_slows_its_sender_down() {
    let echo = Echo::start().await;
    let proxy = proxy_to(&echo).await;
    proxy.set(Fault::BlackHole);
    let mut client = connect(&proxy).await;
    let flood = vec![5; 64 << 20];
    let writing = tokio::time::timeout(crate::SILENCE * 5, client.write_all(&flood));
    assert!(writing.await.is_err(), "64 MiB fit into a black hole");
}

#[tokio::test]
async fn who_hangs_up_in_a_black_hole_never_reaches_the_upstream() {
    let echo = Echo::start().await;
    let proxy = proxy_to(&echo).await;
    proxy.set(Fault::BlackHole);
    let mut client = connect(&proxy).await;
    soon(client.write_all(b"request")).await.unwrap();
    drop(client);
    until_held(&proxy, 1).await;
    assert_eq!(proxy.connections(), 1);
    proxy.clear();
    wait::until("forgotten", LIMIT, async || proxy.connections() == 0).await;
    assert_works(&mut connect(&proxy).await).await;
    assert_eq!((echo.accepted(), echo.received()), (1, 5));
}

#[tokio::test]
async fn orders_reach_connections_in_a_black_hole() {
    let echo = Echo::start().await;
    let proxy = proxy_to(&echo).await;
    proxy.set(Fault::BlackHole);
    let mut client = connect(&proxy).await;
    until_held(&proxy, 1).await;
    proxy.half_open_all();
    let half_open = async || proxy.fired(FaultKind::HalfOpen) == 1;
    wait::until("half-open", LIMIT, half_open).await;
    proxy.clear();
    assert_silent(&mut client).await;
    proxy.reset_all();
    assert_eq!(read_to_reset(&mut client).await, b"");
    assert_eq!(echo.accepted(), 0);
}

#[tokio::test]
async fn a_failover_leads_newcomers_elsewhere() {
    let (old, new) = (Echo::start().await, Echo::start().await);
    let proxy = proxy_to(&old).await;
    let mut existing = connect(&proxy).await;
    assert_works(&mut existing).await;
    proxy.set_upstream(new.address()).unwrap();
    assert_works(&mut existing).await;
    assert_eq!((old.received(), new.received()), (10, 0));
    proxy.reset_all();
    read_to_reset(&mut existing).await;
    assert_works(&mut connect(&proxy).await).await;
    assert_eq!((old.received(), new.received()), (10, 5));
}

#[tokio::test]
async fn no_upstream_is_beyond_this_machine() {
    // An address for documentation, which nobody has.
    let foreign = (Ipv4Addr::new(192, 0, 2, 1), 80).into();
    let error = FaultProxy::start(foreign).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let echo = Echo::start().await;
    let proxy = proxy_to(&echo).await;
    let error = proxy.set_upstream(foreign).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_works(&mut connect(&proxy).await).await;
}

#[tokio::test]
async fn faults_without_sense_are_refused() {
    let echo = Echo::start().await;
    for fault in [
        Fault::Slices {
            bytes: 0,
            pause: LIMIT,
        },
        Fault::Bandwidth {
            bytes_per_second: 0,
        },
        Fault::SlowClose {
            delay: LIMIT * 3_000,
        },
    ] {
        let proxy = proxy_to(&echo).await;
        let setting = tokio::spawn(async move { proxy.set(fault) });
        assert!(soon(setting).await.is_err(), "{fault:?}");
    }
}
