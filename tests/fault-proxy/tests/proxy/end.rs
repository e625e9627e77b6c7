use std::io::ErrorKind;

use forebay_fault_proxy::{Fault, FaultKind};
use forebay_tests::wait;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::echo::Echo;
use crate::{LIMIT, assert_works, connect, proxy_to, soon};

/// The end of a connection, whichever way.
async fn assert_ends(client: &mut TcpStream) {
    let end = soon(client.read_to_end(&mut Vec::new())).await;
    let kind = end.map_err(|error| error.kind());
    assert!(
        matches!(kind, Ok(0) | Err(ErrorKind::ConnectionReset)),
        "{kind:?}"
    );
}

#[tokio::test]
async fn a_dropped_proxy_closes_everything() {
    let echo = Echo::start().await;
    let proxy = proxy_to(&echo).await;
    let mut half_open = connect(&proxy).await;
    assert_works(&mut half_open).await;
    proxy.half_open_all();
    echo.until("half-open", |echo| echo.ended() == 1).await;
    let mut idle = connect(&proxy).await;
    assert_works(&mut idle).await;
    proxy.set(Fault::BlackHole);
    let mut in_hole = connect(&proxy).await;
    soon(in_hole.write_all(b"request")).await.unwrap();
    let held = async || proxy.fired(FaultKind::BlackHole) == 1;
    wait::until("it is held back", LIMIT, held).await;
    assert_eq!(proxy.connections(), 3);

    let address = proxy.address();
    drop(proxy);
    for client in [&mut half_open, &mut idle, &mut in_hole] {
        assert_ends(client).await;
    }
    echo.until("its ends", |echo| echo.ended() == 2).await;
    let refused = async || {
        let connected = TcpStream::connect(address).await;
        connected.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
    };
    wait::until("the port is closed", LIMIT, refused).await;
}

#[tokio::test]
async fn its_debug_names_no_address() {
    let echo = Echo::start().await;
    let proxy = proxy_to(&echo).await;
    let shown = format!("{proxy:?}");
    for port in [proxy.port(), echo.address().port()] {
        assert!(!shown.contains(&port.to_string()), "{shown}");
    }
}
