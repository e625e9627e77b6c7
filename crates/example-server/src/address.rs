//! One address of a message: a telephone number or a mailbox.

use std::fmt;

use email_address::{EmailAddress, Options};
use serde::Serialize;

use crate::channel::Channel;

/// Digits of a telephone number after the `+`, at least. E.164 names no lower limit; below this there is no
/// number that could receive a text message.
pub const PHONE_DIGITS_MIN: usize = 8;
/// Digits of a telephone number after the `+`, at most (E.164, country code included).
pub const PHONE_DIGITS_MAX: usize = 15;
/// Length of a telephone number as it is typed, separators included, in bytes.
pub const PHONE_INPUT_MAX: usize = 64;
/// Length of an e-mail address in bytes (RFC 5321: a path of 256 with its angle brackets).
pub const EMAIL_MAX: usize = 254;

/// A valid address, in the form that is stored and sent to.
///
/// * `sms`: `+` and 8 to 15 digits, the first of them 1 to 9. Space, dot, hyphen and parentheses are accepted
///   in the input and removed.
/// * `email`: exactly one address without a display name, its domain of at least two labels and in lower case. The
///   local part is kept as written, since only its own server knows whether case matters there.
///
/// `Debug` prints the channel and the length, never the address.
#[derive(Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Address {
    text: String,
    #[serde(skip)]
    channel: Channel,
}

/// The text is not an address of its channel. The message says what is expected and repeats nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not a telephone number.
    #[error("must be an E.164 telephone number: `+`, then 8 to 15 digits, the first not 0")]
    Phone,
    /// Not one e-mail address.
    #[error(
        "must be exactly one e-mail address without a display name, at most 254 bytes, its domain with a dot"
    )]
    Email,
}

impl Address {
    /// Reads an address of this channel.
    ///
    /// # Errors
    ///
    /// [`AddressError`] if the text is not exactly one valid address.
    pub fn parse(channel: Channel, text: &str) -> Result<Self, AddressError> {
        let text = match channel {
            Channel::Sms => phone(text).ok_or(AddressError::Phone)?,
            Channel::Email => email(text).ok_or(AddressError::Email)?,
        };
        Ok(Self { text, channel })
    }

    /// The address as it is stored and sent to.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The channel that it belongs to.
    pub const fn channel(&self) -> Channel {
        self.channel
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({}, {} bytes)", self.channel, self.text.len())
    }
}

fn phone(text: &str) -> Option<String> {
    if text.len() > PHONE_INPUT_MAX {
        return None;
    }
    let number: String = text
        .chars()
        .filter(|c| !matches!(c, ' ' | '.' | '-' | '(' | ')'))
        .collect();
    let digits = number.strip_prefix('+')?;
    let valid = (PHONE_DIGITS_MIN..=PHONE_DIGITS_MAX).contains(&digits.len())
        && digits.bytes().all(|b| b.is_ascii_digit())
        && !digits.starts_with('0');
    valid.then_some(number)
}

fn email(text: &str) -> Option<String> {
    if text.len() > EMAIL_MAX || text.chars().any(char::is_control) {
        return None;
    }
    let options = Options::default()
        .with_required_tld()
        .without_domain_literal()
        .without_display_text();
    let parsed = EmailAddress::parse_with_options(text, options).ok()?;
    // The crate follows RFC 5322, where a domain is a list of atoms. One that mail can be sent to is a host
    // name, whose labels neither start nor end with a hyphen; letters beyond ASCII stay, for IDN.
    let host = parsed.domain().split('.').all(|label| {
        !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .chars()
                .all(|c| c.is_alphanumeric() || c == '-' || !c.is_ascii())
    });
    let spaced = text.chars().any(char::is_whitespace) && !parsed.local_part().starts_with('"');
    let lowered = format!("{}@{}", parsed.local_part(), parsed.domain().to_lowercase());
    (host && !spaced && lowered.len() <= EMAIL_MAX).then_some(lowered)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phones() {
        let ok = |text, number: &str| {
            assert_eq!(
                Address::parse(Channel::Sms, text).unwrap().as_str(),
                number,
                "{text}"
            );
        };
        ok("+12345678", "+12345678");
        ok("+1 (202) 555-01.23", "+12025550123");
        ok("(+49) 30 1234567", "+49301234567");
        ok("+123456789012345", "+123456789012345");
        for bad in [
            "",
            "+",
            "12025550123",
            "0012025550123",
            "+02025550123",
            "+1234567",
            "+1234567890123456",
            "+1202555012a",
            "+1\t2025550123",
            "++12025550123",
            "+1+2025550123",
            "+1202555\u{0660}123",
            "+1/202/5550123",
            "tel:+12025550123",
            "+1202\u{a0}5550123",
            "+1202555012\n",
        ] {
            assert_eq!(
                Address::parse(Channel::Sms, bad),
                Err(AddressError::Phone),
                "{bad:?}"
            );
        }
        let padded = format!("+12025550123{}", " ".repeat(60));
        assert!(Address::parse(Channel::Sms, &padded).is_err());
    }

    #[test]
    fn emails() {
        let ok = |text, address: &str| {
            assert_eq!(
                Address::parse(Channel::Email, text).unwrap().as_str(),
                address,
                "{text}"
            );
        };
        ok("ann@example.com", "ann@example.com");
        ok("Ann.Lee+News@Example.COM", "Ann.Lee+News@example.com");
        ok("o'hara@example.co.uk", "o'hara@example.co.uk");
        ok("\"a b\"@example.com", "\"a b\"@example.com");
        ok(
            "jos\u{e9}@b\u{fc}cher.example",
            "jos\u{e9}@b\u{fc}cher.example",
        );
        let long_local = format!("{}@example.com", "a".repeat(65));
        let long = format!("a@{}com", "abcdefgh.".repeat(30));
        for bad in [
            "",
            "ann",
            "@example.com",
            "ann@",
            "ann@localhost",
            "ann@@example.com",
            "a@b@example.com",
            "Ann <ann@example.com>",
            "<ann@example.com>",
            "ann@example.com, bob@example.com",
            "ann@example.com;bob@example.com",
            "ann@[127.0.0.1]",
            "ann@-example.com",
            "ann@example-.com",
            "ann@exa_mple.com",
            "ann@example..com",
            "ann@.example.com",
            "ann@example.com.",
            " ann@example.com",
            "ann@example.com ",
            "an n@example.com",
            ".ann@example.com",
            "ann.@example.com",
            "a..b@example.com",
            "ann@example.com\r\nBcc: bob@example.com",
            "ann\u{0}@example.com",
            "ann@exam ple.com",
            &long_local,
            &long,
        ] {
            assert_eq!(
                Address::parse(Channel::Email, bad),
                Err(AddressError::Email),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn debug_is_quiet() {
        let address = Address::parse(Channel::Email, "ann@example.com").unwrap();
        assert_eq!(format!("{address:?}"), "Address(email, 15 bytes)");
    }
}
