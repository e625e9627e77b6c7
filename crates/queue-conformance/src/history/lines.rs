use std::io::{self, BufRead, Write};

use crate::history::{History, Record};

/// Why a history could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The file or pipe gave out.
    #[error("the history cannot be read; see the cause")]
    Io(#[source] io::Error),
    /// A line is no record.
    #[error("line {number} is no record of a history; see the cause")]
    Line {
        /// Which line, from 1.
        number: u64,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

impl History {
    /// Writes the records kept in memory, each as one line of JSON.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write(&self, mut to: impl Write) -> io::Result<()> {
        for record in self.records() {
            writeln!(to, "{record}")?;
        }
        to.flush()
    }

    /// The same as text. Two runs of one seed give the same text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for record in self.records() {
            text.push_str(&record.to_line());
            text.push('\n');
        }
        text
    }

    /// Reads a history back. A last line without an end is left out: its writer was killed in the middle of it.
    ///
    /// # Errors
    /// [`ReadError`] where a line is no record or the reader fails.
    pub fn read(from: impl BufRead) -> Result<Vec<Record>, ReadError> {
        Self::lines(from).collect()
    }

    /// Reads one record after the other, for a history that does not fit into memory. As [`History::read`].
    pub fn lines(from: impl BufRead) -> impl Iterator<Item = Result<Record, ReadError>> {
        let mut from = from;
        let mut number = 0;
        let mut line = String::new();
        std::iter::from_fn(move || {
            line.clear();
            match from.read_line(&mut line) {
                Err(error) => Some(Err(ReadError::Io(error))),
                Ok(_) if !line.ends_with('\n') => None,
                Ok(_) => {
                    number += 1;
                    let record = serde_json::from_str(&line);
                    Some(record.map_err(|source| ReadError::Line { number, source }))
                }
            }
        })
    }

    /// The logs of several processes as one history: by time, then process, then sequence. The process numbers have to
    /// differ from log to log.
    pub fn merge(logs: Vec<Vec<Record>>) -> Vec<Record> {
        let mut records: Vec<Record> = logs.into_iter().flatten().collect();
        records.sort_by_key(|record| (record.at, record.process, record.sequence));
        records
    }
}
