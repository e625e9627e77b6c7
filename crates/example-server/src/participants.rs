//! The two ends of a conversation, whichever of them sent.

use std::fmt;

use crate::channel::Channel;

/// The two participants of a conversation, normalised and ordered, so that both directions share it.
///
/// * telephone number: digits with a leading `+`;
/// * e-mail: lower case, and the local part's tag (`+` and what follows) removed. A quoted local part and
///   one that starts with `+` keep it: there it is no tag.
///
/// `Debug` prints no address.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Participants {
    channel: Channel,
    first: String,
    second: String,
    sender: Side,
}

/// Which of the two ordered participants sent a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The one that sorts first; also both of them, if somebody writes to themselves.
    First,
    /// The one that sorts second.
    Second,
}

impl Side {
    /// 0 or 1, as it is stored.
    pub const fn index(self) -> i16 {
        match self {
            Self::First => 0,
            Self::Second => 1,
        }
    }
}

impl Participants {
    /// The participants of a message from one address to another.
    pub fn new(channel: Channel, from: &str, to: &str) -> Self {
        let from = normalise(channel, from);
        let to = normalise(channel, to);
        let (first, second, sender) = if from <= to {
            (from, to, Side::First)
        } else {
            (to, from, Side::Second)
        };
        Self {
            channel,
            first,
            second,
            sender,
        }
    }

    /// The participant that sorts first.
    pub fn first(&self) -> &str {
        &self.first
    }

    /// The participant that sorts second.
    pub fn second(&self) -> &str {
        &self.second
    }

    /// Which of the two sent the message that these were made from.
    pub const fn sender(&self) -> Side {
        self.sender
    }

    /// The conversation's key: `{channel}:{first}<->{second}`.
    pub fn conversation_key(&self) -> String {
        format!("{}:{}<->{}", self.channel, self.first, self.second)
    }
}

impl fmt::Debug for Participants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Participants")
            .field("channel", &self.channel)
            .field("sender", &self.sender)
            .finish_non_exhaustive()
    }
}

/// One address as a participant is known by.
pub fn normalise(channel: Channel, address: &str) -> String {
    match channel {
        Channel::Sms => {
            let digits = address.chars().filter(char::is_ascii_digit);
            std::iter::once('+').chain(digits).collect()
        }
        Channel::Email => {
            let lower = address.to_lowercase();
            let Some((local, domain)) = lower.rsplit_once('@') else {
                return lower;
            };
            match local.split_once('+') {
                Some((name, _)) if !name.is_empty() && !local.starts_with('"') => {
                    format!("{name}@{domain}")
                }
                _ => lower,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_directions_share_a_key() {
        let there = Participants::new(Channel::Email, "Zoe+a@Example.com", "ann@example.com");
        let back = Participants::new(Channel::Email, "ann+b@example.com", "zoe@example.com");
        assert_eq!(
            there.conversation_key(),
            "email:ann@example.com<->zoe@example.com"
        );
        assert_eq!(there.conversation_key(), back.conversation_key());
        assert_eq!((there.sender(), back.sender()), (Side::Second, Side::First));
        let sms = Participants::new(Channel::Sms, "+12025550123", "+1 202 555 0100");
        assert_eq!(sms.conversation_key(), "sms:+12025550100<->+12025550123");
    }

    #[test]
    fn tags() {
        for (given, known) in [
            ("A+b+c@x.org", "a@x.org"),
            ("+a@x.org", "+a@x.org"),
            ("\"a+b\"@x.org", "\"a+b\"@x.org"),
            ("plain@x.org", "plain@x.org"),
        ] {
            assert_eq!(normalise(Channel::Email, given), known);
        }
    }

    #[test]
    fn debug_is_quiet() {
        let text = format!(
            "{:?}",
            Participants::new(Channel::Email, "ann@x.org", "bob@x.org")
        );
        assert!(!text.contains('@'), "{text}");
    }
}
