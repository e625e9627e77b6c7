use std::time::{Duration, Instant};

use forebay_fault_proxy::{Direction, Fault, FaultKind};
use forebay_tests::wait;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::echo::Echo;
use crate::{LIMIT, assert_works, connect, proxy_to, round_trip, soon};

const MS: Duration = Duration::from_millis(1);

fn latency(delay: Duration) -> Fault {
    let jitter = Duration::ZERO;
    Fault::Latency { delay, jitter }
}

#[tokio::test]
async fn latency_is_paid_each_way() {
    let echo = Echo::start().await;
    let proxy = proxy_to(&echo).await;
    let mut client = connect(&proxy).await;
    assert_works(&mut client).await;
    assert_eq!(proxy.fired(FaultKind::Latency), 0);

    proxy.set(latency(MS * 100));
    let start = Instant::now();
    assert_works(&mut client).await;
    assert!(start.elapsed() >= MS * 200);
    assert_eq!(proxy.fired(FaultKind::Latency), 2);

    proxy.clear();
    proxy.set_toward(Direction::ToClient, latency(MS * 100));
    let start = Instant::now();
    assert_works(&mut client).await;
    assert!(start.elapsed() >= MS * 100);
    assert_eq!(proxy.fired(FaultKind::Latency), 3);
}

#[tokio::test]
async fn latency_costs_no_throughput() {
    const RUNS: u64 = 20;
    let echo = Echo::start().await;
    let proxy = proxy_to(&echo).await;
    proxy.set_toward(Direction::ToUpstream, latency(MS * 500));
    let mut client = connect(&proxy).await;
    let start = Instant::now();
    for run in 1..=RUNS {
        soon(client.write_all(&[0; 100])).await.unwrap();
        // Each is taken before the next is sent, so that it is under way on its own.
        let taken = async || proxy.fired(FaultKind::Latency) >= run || echo.received() > 0;
        wait::until("it is under way", LIMIT, taken).await;
    }
    echo.until("all arrive", |echo| echo.received() == RUNS * 100)
        .await;
    // One after the other they would take ten seconds.
    assert!(start.elapsed() < MS * 500 * 10, "{:?}", start.elapsed());
}

#[tokio::test]
async fn lifted_faults_hold_nothing_back_any_longer() {
    let hour = Duration::from_hours(1);
    for fault in [
        latency(hour),
        Fault::Bandwidth {
            bytes_per_second: 1,
        },
        Fault::SlowClose { delay: hour },
    ] {
        let echo = Echo::start().await;
        let proxy = proxy_to(&echo).await;
        proxy.set_toward(Direction::ToUpstream, fault);
        let mut client = connect(&proxy).await;
        soon(client.write_all(&[1; 5000])).await.unwrap();
        soon(client.shutdown()).await.unwrap();
        let fired = async || proxy.fired(fault.kind()) > 0;
        wait::until("it is held back", LIMIT, fired).await;
        assert_eq!(echo.ended(), 0, "{fault:?}");
        proxy.lift(fault.kind());
        let mut received = Vec::new();
        soon(client.read_to_end(&mut received)).await.unwrap();
        assert_eq!(received, [1; 5000], "{fault:?}");
    }
}

#[tokio::test]
async fn a_slice_comes_alone_and_its_pause_is_kept() {
    let echo = Echo::start().await;
    let proxy = proxy_to(&echo).await;
    let slices = Fault::Slices {
        bytes: 4,
        pause: MS * 500,
    };
    proxy.set_toward(Direction::ToClient, slices);
    let mut client = connect(&proxy).await;
    let start = Instant::now();
    soon(client.write_all(b"0123456789")).await.unwrap();
    let mut pieces: Vec<Vec<u8>> = Vec::new();
    while pieces.concat().len() < 10 {
        let mut piece = [0; 100];
        let length = soon(client.read(&mut piece)).await.unwrap();
        pieces.push(piece[..length].to_vec());
    }
    assert_eq!(pieces, [&b"0123"[..], b"4567", b"89"]);
    assert!(start.elapsed() >= MS * 1000);
    assert_eq!(proxy.fired(FaultKind::Slices), 2);
}

#[tokio::test]
async fn a_bandwidth_is_kept_by_each_connection() {
    let echo = Echo::start().await;
    let proxy = proxy_to(&echo).await;
    let bandwidth = Fault::Bandwidth {
        bytes_per_second: 8 * 1024,
    };
    proxy.set_toward(Direction::ToClient, bandwidth);
    let transfer = async || {
        let mut client = connect(&proxy).await;
        let start = Instant::now();
        assert_eq!(
            round_trip(&mut client, &[3; 8192]).await.unwrap(),
            [3; 8192]
        );
        start.elapsed()
    };
    let (first, second) = tokio::join!(transfer(), transfer());
    for took in [first, second] {
        assert!(took >= MS * 1000, "{took:?}");
        assert!(took < MS * 5000, "{took:?}");
    }
}

#[tokio::test]
async fn a_slow_close_delays_the_end_and_nothing_else() {
    let echo = Echo::start().await;
    let proxy = proxy_to(&echo).await;
    let delay = MS * 500;
    proxy.set_toward(Direction::ToUpstream, Fault::SlowClose { delay });
    let mut client = connect(&proxy).await;
    assert_works(&mut client).await;
    let start = Instant::now();
    soon(client.write_all(b"bye")).await.unwrap();
    soon(client.shutdown()).await.unwrap();
    let mut answer = [0; 3];
    soon(client.read_exact(&mut answer)).await.unwrap();
    assert_eq!((&answer, echo.ended()), (b"bye", 0));
    echo.until("the end", |echo| echo.ended() == 1).await;
    assert!(start.elapsed() >= delay);
    assert_eq!(proxy.fired(FaultKind::SlowClose), 1);
}
