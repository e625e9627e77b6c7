//! Where a server listens.

use std::fmt;

/// A host and a port. It never shows itself: where the servers are is nobody's business who reads a log.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Endpoint {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Endpoint {
    /// Reads `host:port` as a server writes it: no brackets around IPv6. A server that does not know its own host
    /// leaves it out and means the one that was asked.
    pub(crate) fn read(text: &str, asked: &Self) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        Some(Self::named(host, port.parse().ok()?, asked))
    }

    /// As [`Endpoint::read`], with host and port apart.
    pub(crate) fn named(host: &str, port: u16, asked: &Self) -> Self {
        let host = match host {
            "" | "?" => &asked.host,
            host => host,
        };
        Self {
            host: host.to_owned(),
            port,
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Endpoint(withheld)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_servers_write_is_read() {
        let asked = Endpoint {
            host: "localhost".to_owned(),
            port: 1,
        };
        let read = |text| Endpoint::read(text, &asked).map(|found| (found.host, found.port));
        assert_eq!(read("127.0.0.1:7000"), Some(("127.0.0.1".to_owned(), 7000)));
        assert_eq!(read("::1:7000"), Some(("::1".to_owned(), 7000)));
        assert_eq!(read(":7000"), Some(("localhost".to_owned(), 7000)));
        assert_eq!(read("?:7000"), Some(("localhost".to_owned(), 7000)));
        assert_eq!(read("127.0.0.1"), None);
        assert_eq!(read("localhost:many"), None);
        assert!(!format!("{asked:?}").contains("localhost"));
    }
}
