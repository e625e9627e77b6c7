//! Free ports on the loopback interface.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::RangeInclusive;

/// Where a server's own ports are looked for, unless the system takes some of them for
/// outgoing connections.
const STEADY: RangeInclusive<u16> = 10_240..=32_767;
/// How often a port is drawn before one of any kind is taken.
const DRAWS: u32 = 100;

/// A TCP port on 127.0.0.1 that nobody was using a moment ago.
///
/// The port is not reserved: whoever uses it must try again with another one if somebody
/// else was quicker. A server that can bind port 0 itself should do that instead.
///
/// # Errors
///
/// When the system has no free port or no loopback interface.
pub fn free() -> io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}

/// As [`free`], and outside the range from which the system takes ports for outgoing
/// connections, so a server that is down for a while finds it free again. Without that, a
/// client that keeps trying to reach the server may be given the very port it tries to reach.
///
/// # Errors
///
/// As [`free`].
pub fn steady() -> io::Result<u16> {
    let outgoing = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range");
    let Some(range) = below(outgoing.ok().as_deref()) else {
        return free();
    };
    for _ in 0..DRAWS {
        let port = fastrand::u16(range.clone());
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    free()
}

/// The part of [`STEADY`] below the outgoing ports, given the first and the last of those;
/// `None` when little is left. Systems that do not tell take theirs from above it.
fn below(outgoing: Option<&str>) -> Option<RangeInclusive<u16>> {
    let first = outgoing.and_then(|range| range.split_whitespace().next()?.parse::<u16>().ok());
    let last = first.map_or(*STEADY.end(), |first| first.saturating_sub(1));
    let range = *STEADY.start()..=last.min(*STEADY.end());
    (range.len() > 1_000).then_some(range)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_port_is_none_that_the_system_gives_away() {
        assert_eq!(below(Some("32768\t60999\n")), Some(10_240..=32_767));
        assert_eq!(below(Some("20000 60999")), Some(10_240..=19_999));
        assert_eq!(below(Some("1024 65535")), None);
        assert_eq!(below(None), Some(STEADY));
        let port = steady().unwrap();
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
    }

    #[test]
    fn a_free_port_can_be_bound() {
        let port = free().unwrap();
        assert_ne!(port, 0);
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
    }
}
