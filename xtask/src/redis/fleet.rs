//! Several kinds of server at once.

use std::thread;

use anyhow::{Context, Result, anyhow};

use super::{Kind, Started};

/// The servers of a whole run, until dropped.
#[derive(Debug)]
pub struct Fleet {
    started: Vec<Started>,
}

impl Fleet {
    /// Starts these kinds, all at the same time.
    ///
    /// # Errors
    ///
    /// When one of them does not start; those that did are ended.
    pub fn start(kinds: &[Kind]) -> Result<Self> {
        let started = all(kinds, |kind| {
            kind.start().with_context(|| format!("no {kind:?} server"))
        })?;
        Ok(Self { started })
    }

    /// The variables that tell where the servers are, and what they are to be set to.
    pub fn values(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let started = self.started.iter().flat_map(Started::values);
        started.map(|(variable, value)| (*variable, value.as_str()))
    }

    /// The servers themselves.
    pub fn servers(&self) -> impl Iterator<Item = &super::RedisServer> {
        self.started.iter().flat_map(Started::servers)
    }
}

/// Starts one thing for each item, all at the same time. When one fails, the others are
/// waited for and dropped.
pub(super) fn all<I: Copy + Send, T: Send>(
    items: &[I],
    start: impl Fn(I) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let start = &start;
    thread::scope(|scope| {
        let threads: Vec<_> = items
            .iter()
            .map(|item| {
                let item = *item;
                scope.spawn(move || start(item))
            })
            .collect();
        let results: Vec<_> = threads
            .into_iter()
            .map(|thread| thread.join().map_err(|_| anyhow!("the start panicked"))?)
            .collect();
        results.into_iter().collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failure_is_the_failure_of_all() {
        assert_eq!(all(&[1, 2], |item| Ok(item * 2)).unwrap(), [2, 4]);
        let failed = all(&[1, 2], |item| match item {
            1 => Ok(item),
            _ => Err(anyhow!("no")),
        });
        assert_eq!(failed.unwrap_err().to_string(), "no");
    }
}
