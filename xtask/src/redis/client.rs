//! A connection over which one command after the other is sent.

use std::io::{BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};

use super::Reply;

/// How long an answer may take. A suspended server takes commands and never answers.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// Bytes both ways: a socket, or an encrypted stream on one.
pub trait Connection: Read + Write + Send {}

impl<T: Read + Write + Send> Connection for T {}

/// A connection for starting, steering and looking into a server: plain and blocking.
pub struct Client {
    connection: BufReader<Box<dyn Connection>>,
}

impl Client {
    /// Speaks over a stream that somebody else has opened.
    pub fn over(connection: impl Connection + 'static) -> Self {
        let connection: Box<dyn Connection> = Box::new(connection);
        Self {
            connection: BufReader::new(connection),
        }
    }

    /// Connects to a port on 127.0.0.1. An answer may take 5 s.
    ///
    /// # Errors
    ///
    /// When nobody listens there.
    pub fn tcp(port: u16) -> Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(ANSWER_LIMIT))?;
        stream.set_write_timeout(Some(ANSWER_LIMIT))?;
        stream.set_nodelay(true)?;
        Ok(Self::over(stream))
    }

    /// Connects to a socket in the file system. An answer may take 5 s.
    ///
    /// # Errors
    ///
    /// When nobody listens there.
    pub fn unix(socket: &Path) -> Result<Self> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(ANSWER_LIMIT))?;
        stream.set_write_timeout(Some(ANSWER_LIMIT))?;
        Ok(Self::over(stream))
    }

    /// Sends a command and waits for its answer.
    ///
    /// # Errors
    ///
    /// When the connection fails, and with the server's own words when it refuses.
    pub fn call<T: AsRef<[u8]>>(&mut self, command: &[T]) -> Result<Reply> {
        let mut bytes = format!("*{}\r\n", command.len()).into_bytes();
        for part in command {
            let part = part.as_ref();
            bytes.extend_from_slice(format!("${}\r\n", part.len()).as_bytes());
            bytes.extend_from_slice(part);
            bytes.extend_from_slice(b"\r\n");
        }
        let stream = self.connection.get_mut();
        stream.write_all(&bytes)?;
        stream.flush()?;
        match Reply::read(&mut self.connection)? {
            Reply::Error(refusal) => bail!(refusal),
            reply => Ok(reply),
        }
    }
}
