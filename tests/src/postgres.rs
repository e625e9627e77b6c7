//! A private PostgreSQL cluster: its own folder, its own loopback port, its own process.
//!
//! The code is shared with `cargo xtask test`, which starts one for the whole run.

pub use forebay_xtask::postgres::{Options, Postgres};

use anyhow::Result;
use forebay_xtask::postgres::{create_database, drop_database};
use forebay_xtask::setup::Binaries;

use crate::name;

/// An empty database for one test; it is removed when dropped.
#[derive(Debug)]
pub struct Database {
    name: String,
    url: String,
    server: Server,
}

#[derive(Debug)]
enum Server {
    /// Another process runs it: a URL of any database on it, and the clients.
    Shared { url: String, binaries: Binaries },
    /// This test's own; it is kept only to be dropped, with every database on it.
    Own { _cluster: Box<Postgres> },
}

impl Database {
    /// Creates a database on a running server.
    ///
    /// # Errors
    ///
    /// When the server does not answer or `url` names no database.
    pub fn on_server(url: &str, binaries: Binaries) -> Result<Self> {
        let name = name::unique();
        create_database(&binaries, url, &name)?;
        Ok(Self {
            url: with_database(url, &name)?,
            name,
            server: Server::Shared {
                url: url.to_owned(),
                binaries,
            },
        })
    }

    /// Creates a database on a cluster that lives as long as it.
    ///
    /// # Errors
    ///
    /// When the server does not answer.
    pub fn on_cluster(cluster: Postgres) -> Result<Self> {
        let name = name::unique();
        Ok(Self {
            url: cluster.create_database(&name)?,
            name,
            server: Server::Own {
                _cluster: Box::new(cluster),
            },
        })
    }

    /// The address of the database, for any client that takes a URL.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Server::Shared { url, binaries } = &self.server
            && let Err(error) = drop_database(binaries, url, &self.name)
        {
            eprintln!("a test's database was left behind: {error:#}");
        }
    }
}

/// The same server, another database.
fn with_database(url: &str, name: &str) -> Result<String> {
    let (address, query) = match url.split_once('?') {
        Some((address, query)) => (address, Some(query)),
        None => (url, None),
    };
    let (server, _) = address
        .rsplit_once('/')
        .filter(|(server, _)| !server.ends_with('/'))
        .ok_or_else(|| anyhow::anyhow!("the server's URL names no database"))?;
    Ok(match query {
        Some(query) => format!("{server}/{name}?{query}"),
        None => format!("{server}/{name}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_in_a_url_is_replaced() {
        let replaced = |url| with_database(url, "b").unwrap();
        assert_eq!(
            replaced("postgres://u@127.0.0.1:1/a"),
            "postgres://u@127.0.0.1:1/b"
        );
        assert_eq!(replaced("postgres://h/a?x=/1"), "postgres://h/b?x=/1");
        assert!(with_database("postgres://h", "b").is_err());
    }
}
