use std::fmt;

use smol_str::SmolStr;

use crate::Error;
use crate::name::check_name;

/// String to string, in order of name. At most 32, and 8 KiB together; names are
/// `[a-z0-9][a-z0-9._-]{0,99}`. W3C `traceparent` travels here.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(SmolStr, SmolStr)>);

impl Headers {
    /// The most headers one message may have.
    pub const MAX_COUNT: usize = 32;
    /// The most bytes that all names and values may have together.
    pub const MAX_BYTES: usize = 8 * 1024;

    /// No headers. Allocates nothing.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Sets a header; an earlier value of the same name is replaced.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a bad name or a NUL in the value, [`Error::TooLarge`] over the limits; the headers are
    /// then unchanged.
    pub fn insert(&mut self, name: impl AsRef<str>, value: impl AsRef<str>) -> Result<(), Error> {
        let (name, value) = (name.as_ref(), value.as_ref());
        check_name("header name", name)?;
        if value.contains('\0') {
            return Err(Error::Invalid {
                what: "header value",
                problem: format!("the value of {name:?} contains a NUL"),
                allowed: "UTF-8 without NUL",
            });
        }
        let place = self.place(name);
        let replaced = place.map_or(0, |i| self.0[i].0.len() + self.0[i].1.len());
        let size = self.size() - replaced + name.len() + value.len();
        if size > Self::MAX_BYTES {
            return Err(Error::TooLarge {
                what: "headers in bytes",
                size,
                limit: Self::MAX_BYTES,
            });
        }
        match place {
            Ok(i) => self.0[i].1 = SmolStr::new(value),
            Err(_) if self.0.len() == Self::MAX_COUNT => {
                return Err(Error::TooLarge {
                    what: "number of headers",
                    size: self.0.len() + 1,
                    limit: Self::MAX_COUNT,
                });
            }
            Err(i) => self.0.insert(i, (SmolStr::new(name), SmolStr::new(value))),
        }
        Ok(())
    }

    /// The value of a header.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.place(name).ok().map(|i| self.0[i].1.as_str())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes of all names and values together.
    pub fn size(&self) -> usize {
        self.0.iter().map(|(n, v)| n.len() + v.len()).sum()
    }

    /// Name and value of each, in order of name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(n, v)| (n.as_str(), v.as_str()))
    }

    fn place(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(n, _)| n.as_str().cmp(name))
    }
}

impl fmt::Debug for Headers {
    /// Prints names only: a value may be a credential.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.0.iter().map(|(n, _)| n))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_sorts_and_finds() {
        let mut headers = Headers::new();
        headers.insert("b", "2").unwrap();
        headers.insert("a", "1").unwrap();
        headers.insert("b", "3").unwrap();
        assert_eq!(headers.iter().collect::<Vec<_>>(), [("a", "1"), ("b", "3")]);
        assert_eq!(headers.get("b"), Some("3"));
        assert_eq!(headers.get("c"), None);
        assert_eq!(headers.size(), 4);
    }

    #[test]
    fn limits_hold_and_leave_the_headers_as_they_were() {
        let mut headers = Headers::new();
        for i in 0..Headers::MAX_COUNT {
            headers.insert(format!("h{i}"), "v").unwrap();
        }
        let before = headers.clone();
        assert!(matches!(
            headers.insert("one-more", "v"),
            Err(Error::TooLarge { .. })
        ));
        assert!(matches!(
            headers.insert("h0", "v".repeat(9_000)),
            Err(Error::TooLarge { .. })
        ));
        assert!(matches!(
            headers.insert("Bad", "v"),
            Err(Error::Invalid { .. })
        ));
        assert!(matches!(
            headers.insert("h0", "a\0"),
            Err(Error::Invalid { .. })
        ));
        assert_eq!(headers, before);
        headers.insert("h0", "w").unwrap();
    }

    #[test]
    fn values_are_never_printed() {
        let mut headers = Headers::new();
        headers.insert("authorization", "canary").unwrap();
        assert_eq!(format!("{headers:?}"), r#"{"authorization"}"#);
    }
}
