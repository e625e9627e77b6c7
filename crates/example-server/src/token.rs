//! A bearer token.

use std::fmt;

use subtle::ConstantTimeEq;

/// A secret that a client shows as `Authorization: Bearer …`. Compared in constant time; never printed.
#[derive(Clone)]
pub struct Token(Box<[u8]>);

impl Token {
    /// The fewest characters of a token.
    pub const MIN: usize = 16;

    /// A token of at least [`MIN`](Self::MIN) visible ASCII characters; `None` for any other text.
    pub fn new(text: &str) -> Option<Self> {
        let valid = text.len() >= Self::MIN && text.bytes().all(|byte| byte.is_ascii_graphic());
        valid.then(|| Self(text.as_bytes().into()))
    }

    /// Whether the value of an `Authorization` header shows this token.
    pub fn admits(&self, authorization: &[u8]) -> bool {
        const SCHEME: &[u8] = b"bearer ";
        let Some((scheme, shown)) = authorization.split_at_checked(SCHEME.len()) else {
            return false;
        };
        scheme.eq_ignore_ascii_case(SCHEME) && bool::from(shown.ct_eq(&self.0))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(withheld)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_token_itself_is_admitted() {
        let token = Token::new("0123456789abcdef").unwrap();
        assert!(token.admits(b"Bearer 0123456789abcdef"));
        assert!(token.admits(b"bearer 0123456789abcdef"));
        for wrong in [
            "",
            "Bearer ",
            "0123456789abcdef",
            "Basic 0123456789abcdef",
            "Bearer 0123456789abcdeg",
            "Bearer 0123456789abcde",
            "Bearer 0123456789abcdef0",
            "Bearer  0123456789abcdef",
        ] {
            assert!(!token.admits(wrong.as_bytes()), "{wrong}");
        }
        assert!(!format!("{token:?}").contains("0123"));
    }

    #[test]
    fn short_or_odd_tokens_are_refused() {
        for bad in [
            "",
            "0123456789abcde",
            "0123456789 abcdef",
            "0123456789abcd\u{e9}f",
        ] {
            assert!(Token::new(bad).is_none(), "{bad}");
        }
    }
}
