//! What a server answers, in the second version of its protocol.

use std::io::{BufRead, Read};

use anyhow::{Context, Result, bail, ensure};

/// An answer.
///
/// The well-kept parsers come with a whole client, which only the Redis backend may import;
/// these few lines are for starting and steering private servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// A word such as `OK`.
    Status(String),
    /// A refusal.
    Error(String),
    /// A number.
    Integer(i64),
    /// Bytes.
    Bulk(Vec<u8>),
    /// A list.
    Array(Vec<Reply>),
    /// Nothing there.
    Nil,
}

impl Reply {
    /// A word or bytes as text; `None` for anything else.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Status(word) => Some(word),
            Self::Bulk(bytes) => str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// A number; `None` for anything else.
    pub fn integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            _ => None,
        }
    }

    /// Reads one answer.
    pub(super) fn read(from: &mut dyn BufRead) -> Result<Self> {
        let line = read_line(from)?;
        let (kind, rest) = line.split_at_checked(1).context("an empty answer")?;
        Ok(match kind {
            "+" => Self::Status(rest.to_owned()),
            "-" => Self::Error(rest.to_owned()),
            ":" => Self::Integer(rest.parse()?),
            "$" => match length(rest)? {
                Some(length) => Self::Bulk(read_bytes(from, length)?),
                None => Self::Nil,
            },
            "*" => match length(rest)? {
                Some(length) => {
                    let items = (0..length).map(|_| Self::read(from));
                    Self::Array(items.collect::<Result<_>>()?)
                }
                None => Self::Nil,
            },
            _ => bail!("an answer of an unknown kind"),
        })
    }
}

fn read_line(from: &mut dyn BufRead) -> Result<String> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    let line = line.strip_suffix("\r\n").context("an answer cut short")?;
    Ok(line.to_owned())
}

/// `None` for the -1 that stands for nothing.
fn length(text: &str) -> Result<Option<usize>> {
    Ok((text != "-1").then(|| text.parse()).transpose()?)
}

fn read_bytes(from: &mut dyn BufRead, length: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(u64::try_from(length)? + 2)
        .read_to_end(&mut bytes)?;
    ensure!(bytes.ends_with(b"\r\n"), "an answer cut short");
    bytes.truncate(length);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(mut bytes: &[u8]) -> Result<Reply> {
        Reply::read(&mut bytes)
    }

    #[test]
    fn every_kind_of_answer_is_read() {
        assert_eq!(read(b"+OK\r\n").unwrap(), Reply::Status("OK".to_owned()));
        assert_eq!(
            read(b"-ERR no\r\n").unwrap(),
            Reply::Error("ERR no".to_owned())
        );
        let array = Reply::Array(vec![
            Reply::Integer(-7),
            Reply::Bulk(b"a\r\nb".to_vec()),
            Reply::Nil,
            Reply::Array(Vec::new()),
        ]);
        let bytes = b"*4\r\n:-7\r\n$4\r\na\r\nb\r\n$-1\r\n*0\r\n";
        assert_eq!(read(bytes).unwrap(), array);
        assert_eq!(read(b"*-1\r\n").unwrap(), Reply::Nil);
    }

    #[test]
    fn what_is_cut_short_or_unknown_is_an_error() {
        for bytes in [
            "",
            "\r\n",
            "+OK",
            "$4\r\nab",
            "*2\r\n:1\r\n",
            "$x\r\n",
            "?\r\n",
        ] {
            assert!(read(bytes.as_bytes()).is_err(), "{bytes:?}");
        }
    }
}
