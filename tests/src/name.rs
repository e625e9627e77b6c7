//! Names that no other test has, so that tests can share a server.

use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// A name that is unique among all that run now and ran before: the process, the time, and a
/// count. It is fit for a queue and for a database: `[a-z0-9_]+`, less than 60 characters.
pub fn unique() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let nanos = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos());
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("test_{}_{nanos}_{count}", process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_names_are_the_same() {
        let name = unique();
        assert_ne!(name, unique());
        assert!(name.len() < 60);
    }
}
