//! Looking again and again, with a limit, for what has no event.

use std::thread;
use std::time::{Duration, Instant};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(5);

/// What one look has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome<T> {
    /// That was it.
    Done(T),
    /// Not yet.
    Again,
}

/// Looks until `look` is done, at least once and at most for `limit`; `None` at the limit.
pub fn until<T>(limit: Duration, mut look: impl FnMut() -> Outcome<T>) -> Option<T> {
    let end = Instant::now() + limit;
    loop {
        if let Outcome::Done(value) = look() {
            return Some(value);
        }
        if Instant::now() > end {
            return None;
        }
        thread::sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_looks_until_it_is_done() {
        let mut looks = 0;
        let done = until(Duration::from_mins(1), || {
            looks += 1;
            match looks {
                3 => Outcome::Done("seen"),
                _ => Outcome::Again,
            }
        });
        assert_eq!((done, looks), (Some("seen"), 3));
    }

    #[test]
    fn it_gives_up_at_the_limit() {
        assert_eq!(until(Duration::ZERO, || Outcome::<()>::Again), None);
    }
}
