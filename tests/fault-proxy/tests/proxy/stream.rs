use std::time::Duration;

use forebay_fault_proxy::{Direction, Fault, FaultKind, FaultProxy, PerDirection};
use forebay_tests::wait;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::interval;

use crate::echo::Echo;
use crate::{LIMIT, assert_works, connect, proxy_to, seeded_proxy_to, soon};

const MEGABYTE: usize = 1024 * 1024;
const MS: Duration = Duration::from_millis(1);

/// Bytes without a short period, so that a lost, doubled or moved piece shows.
fn megabyte() -> Vec<u8> {
    let mut state = 1_u32;
    let bytes = (0..MEGABYTE).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    });
    bytes.collect()
}

/// Sends a megabyte and its end, and requires it back, and its end.
async fn assert_a_megabyte_survives(proxy: &FaultProxy) {
    let sent = megabyte();
    let (mut reader, mut writer) = connect(proxy).await.into_split();
    let bytes = sent.clone();
    let writing = tokio::spawn(async move {
        writer.write_all(&bytes).await?;
        writer.shutdown().await
    });
    let mut received = Vec::with_capacity(MEGABYTE);
    let read = soon(reader.read_to_end(&mut received)).await;
    read.expect("it ends orderly");
    let written = soon(writing).await.expect("it does not panic");
    written.expect("it is taken");
    assert!(
        sent == received,
        "{} bytes of {MEGABYTE} or others",
        received.len()
    );
}

async fn assert_a_megabyte_survives_under(faults: &[Fault]) {
    let echo = Echo::start().await;
    let proxy = seeded_proxy_to(&echo, 5).await;
    for fault in faults {
        proxy.set(*fault);
    }
    assert_a_megabyte_survives(&proxy).await;
    for fault in faults {
        assert!(proxy.fired(fault.kind()) > 0, "{fault:?} never fired");
    }
    let all = MEGABYTE as u64;
    let forwarded = PerDirection {
        to_upstream: all,
        to_client: all,
    };
    assert_eq!(proxy.forwarded(), forwarded);
    assert_eq!(forwarded.total(), 2 * all);
}

const LATENCY: Fault = Fault::Latency {
    delay: Duration::from_millis(5),
    jitter: Duration::from_millis(20),
};
const BANDWIDTH: Fault = Fault::Bandwidth {
    bytes_per_second: 4 * 1024 * 1024,
};

#[tokio::test]
async fn a_megabyte_survives_no_fault() {
    assert_a_megabyte_survives_under(&[]).await;
}

#[tokio::test]
async fn a_megabyte_survives_latency_with_jitter() {
    assert_a_megabyte_survives_under(&[LATENCY]).await;
}

#[tokio::test]
async fn a_megabyte_survives_slices() {
    let pause = Duration::ZERO;
    assert_a_megabyte_survives_under(&[Fault::Slices { bytes: 97, pause }]).await;
}

#[tokio::test]
async fn a_megabyte_survives_a_bandwidth() {
    assert_a_megabyte_survives_under(&[BANDWIDTH]).await;
}

#[tokio::test]
async fn a_megabyte_survives_all_of_them_at_once() {
    let slices = Fault::Slices {
        bytes: 5_003,
        pause: MS,
    };
    let slow_close = Fault::SlowClose { delay: MS * 20 };
    assert_a_megabyte_survives_under(&[LATENCY, slices, BANDWIDTH, slow_close]).await;
}

#[tokio::test]
async fn a_megabyte_survives_faults_that_come_and_go() {
    let echo = Echo::start().await;
    let proxy = proxy_to(&echo).await;
    let slices = Fault::Slices {
        bytes: 1_009,
        pause: MS,
    };
    let faults = [LATENCY, slices, Fault::BlackHole, BANDWIDTH];
    let weather = async {
        let mut clock = interval(MS * 5);
        for turn in 0.. {
            clock.tick().await;
            match turn % 6 {
                4 => proxy.lift(FaultKind::Slices),
                5 => proxy.clear(),
                fault => proxy.set_toward(Direction::ALL[turn % 5 % 2], faults[fault]),
            }
        }
    };
    let all_have_fired = || {
        let fired = |fault: &Fault| proxy.fired(fault.kind()) > 0;
        faults.iter().all(fired)
    };
    let megabytes = async {
        while !all_have_fired() {
            assert_a_megabyte_survives(&proxy).await;
        }
    };
    tokio::select! {
        () = soon(megabytes) => {}
        () = weather => unreachable!("it never ends"),
    }
}

#[tokio::test]
async fn ends_are_passed_on_one_by_one() {
    let echo = Echo::start().await;
    let proxy = proxy_to(&echo).await;
    let mut client = connect(&proxy).await;
    assert_works(&mut client).await;
    assert_eq!((proxy.connections(), proxy.accepted()), (1, 1));
    soon(client.shutdown()).await.unwrap();
    echo.until("the end arrives", |echo| echo.ended() == 1)
        .await;
    assert_eq!(soon(client.read(&mut [0])).await.unwrap(), 0);
    wait::until("it is over", LIMIT, async || proxy.connections() == 0).await;
}
