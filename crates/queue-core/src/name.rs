use std::fmt;

use smol_str::SmolStr;

use crate::Error;

const NAME_RULE: &str = "1 to 100 of a-z, 0-9, '.', '_' and '-', beginning with a letter or digit";
const KEY_RULE: &str = "1 to 256 bytes of UTF-8 without control characters";
const MAX_NAME: usize = 100;
const MAX_KEY: usize = 256;

/// `[a-z0-9][a-z0-9._-]{0,99}`, checked at compile time where the text is a literal.
pub(crate) const fn is_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.is_empty() || bytes.len() > MAX_NAME {
        return false;
    }
    let mut i = 0;
    while i < bytes.len() {
        let ok = match bytes[i] {
            b'a'..=b'z' | b'0'..=b'9' => true,
            b'.' | b'_' | b'-' => i > 0,
            _ => false,
        };
        if !ok {
            return false;
        }
        i += 1;
    }
    true
}

pub(crate) fn check_name(what: &'static str, text: &str) -> Result<(), Error> {
    if is_name(text) {
        return Ok(());
    }
    // A name is no secret, but a long or odd one is cut: it may be a payload put in the wrong place.
    let shown: String = text.chars().take(40).filter(|c| !c.is_control()).collect();
    Err(Error::Invalid {
        what,
        problem: format!("{shown:?} is not a name"),
        allowed: NAME_RULE,
    })
}

fn check_key(what: &'static str, text: &str) -> Result<(), Error> {
    let problem = if text.is_empty() {
        "it is empty".to_owned()
    } else if text.len() > MAX_KEY {
        format!("it has {} bytes", text.len())
    } else if text.chars().any(char::is_control) {
        "it contains a control character".to_owned()
    } else {
        return Ok(());
    };
    Err(Error::Invalid {
        what,
        problem,
        allowed: KEY_RULE,
    })
}

macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident, $what:literal, $check:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(SmolStr);

        impl $name {
            #[doc = concat!("A ", $what, " from text.")]
            ///
            /// # Errors
            /// [`Error::Invalid`] when the text breaks the rule above.
            pub fn new(text: impl AsRef<str>) -> Result<Self, Error> {
                let text = text.as_ref();
                $check($what, text)?;
                Ok(Self(SmolStr::new(text)))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<&str> for $name {
            type Error = Error;

            fn try_from(text: &str) -> Result<Self, Error> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = Error;

            fn try_from(text: String) -> Result<Self, Error> {
                Self::new(text)
            }
        }
    };
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        text_type!($(#[$doc])* $name, $what, check_name);

        impl $name {
            /// The same from a literal, without allocation.
            ///
            /// # Panics
            /// When the literal breaks the rule; in a `const` that is an error of the compiler.
            pub const fn from_static(text: &'static str) -> Self {
                assert!(
                    is_name(text),
                    "a name is 1 to 100 of a-z, 0-9, '.', '_' and '-', beginning with a letter or digit"
                );
                Self(SmolStr::new_static(text))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}

macro_rules! key_type {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        text_type!($(#[$doc])* $name, $what, check_key);

        impl fmt::Debug for $name {
            /// Prints the length only: a key may name a person.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({} bytes)"), self.0.len())
            }
        }
    };
}

name_type!(
    /// The name of a queue: `[a-z0-9][a-z0-9._-]{0,99}`.
    QueueName,
    "queue name"
);
name_type!(
    /// What sort of message it is, and so which handler takes it: `[a-z0-9][a-z0-9._-]{0,99}`.
    Kind,
    "kind"
);
key_type!(
    /// Two publishes with the same key within the window are one message. 1 to 256 bytes of UTF-8 without
    /// control characters; kept hashed; never printed.
    IdempotencyKey,
    "idempotency key"
);
key_type!(
    /// Whose turn it is: deliveries are shared out among fairness keys. 1 to 256 bytes of UTF-8 without
    /// control characters; never printed. Left out, it is `"default"`.
    FairnessKey,
    "fairness key"
);
key_type!(
    /// Names a token bucket that a delivery has to take a token from. 1 to 256 bytes of UTF-8 without control
    /// characters; never printed.
    ThrottleKey,
    "throttle key"
);

impl FairnessKey {
    /// The key of every message that names none.
    pub const DEFAULT: Self = Self(SmolStr::new_static("default"));
}

impl Default for FairnessKey {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The share of a fairness key among the others: 1 to 1000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Weight(u16);

impl Weight {
    /// A weight.
    ///
    /// # Errors
    /// [`Error::Invalid`] outside 1 to 1000.
    pub fn new(weight: u16) -> Result<Self, Error> {
        if (1..=1000).contains(&weight) {
            return Ok(Self(weight));
        }
        Err(Error::Invalid {
            what: "weight",
            problem: format!("{weight} is out of range"),
            allowed: "1 to 1000",
        })
    }

    /// The number.
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl Default for Weight {
    fn default() -> Self {
        Self(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rule() {
        let longest = "a".repeat(100);
        for good in [
            "a",
            "0",
            "emails",
            "send-email",
            "a.b_c-d",
            longest.as_str(),
        ] {
            assert!(QueueName::new(good).is_ok(), "{good}");
        }
        let too_long = "a".repeat(101);
        for bad in [
            "",
            "-a",
            ".a",
            "_a",
            "A",
            "a b",
            "a{b}",
            "ä",
            "a\0",
            too_long.as_str(),
        ] {
            let error = QueueName::new(bad).unwrap_err().to_string();
            assert!(error.contains("queue name"), "{error}");
            assert!(error.contains("allowed: 1 to 100"), "{error}");
        }
    }

    #[test]
    fn keys_follow_the_rule_and_are_never_printed() {
        let key = IdempotencyKey::new("user-4711:welcome").unwrap();
        assert_eq!(format!("{key:?}"), "IdempotencyKey(17 bytes)");
        for bad in [String::new(), "a\0b".into(), "a\nb".into(), "x".repeat(257)] {
            let error = ThrottleKey::new(&bad).unwrap_err().to_string();
            assert!(bad.is_empty() || !error.contains(&bad), "{error}");
        }
        assert!(FairnessKey::new("x".repeat(256)).is_ok());
    }

    #[test]
    fn weights_have_bounds() {
        assert!(Weight::new(0).is_err());
        assert!(Weight::new(1001).is_err());
        assert_eq!(Weight::new(1000).unwrap().get(), 1000);
    }
}
