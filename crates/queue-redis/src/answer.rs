//! What a script answers, read item by item.

use bytes::Bytes;
use forebay_queue_core::{Error, MessageId};
use redis::Value;

/// The items of a list that a script has answered with, in their order.
///
/// Every method takes the next item, and fails where there is none or it is of another kind: script and reader are
/// of one build, so that is a bug.
pub(crate) struct Items(std::vec::IntoIter<Value>);

const OTHER: Error = Error::Contract {
    problem: "a script answered in another form than it is read in",
};

impl Items {
    pub(crate) fn of(value: Value) -> Result<Self, Error> {
        match value {
            Value::Array(items) => Ok(Self(items.into_iter())),
            _ => Err(OTHER),
        }
    }

    /// Whether all have been taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.as_slice().is_empty()
    }

    /// A list, or nothing where the script answered false.
    pub(crate) fn optional_list(&mut self) -> Result<Option<Self>, Error> {
        match self.next()? {
            Value::Nil => Ok(None),
            list => Self::of(list).map(Some),
        }
    }

    /// A whole number, as such or in digits.
    pub(crate) fn number(&mut self) -> Result<u64, Error> {
        let number = match self.next()? {
            Value::Int(number) => u64::try_from(number).ok(),
            Value::BulkString(digits) => std::str::from_utf8(&digits)
                .ok()
                .and_then(|digits| digits.parse().ok()),
            _ => None,
        };
        number.ok_or(OTHER)
    }

    /// A number, or nothing where the script answered false.
    pub(crate) fn optional_number(&mut self) -> Result<Option<u64>, Error> {
        match self.0.as_slice().first() {
            Some(Value::Nil) => self.next().map(|_| None),
            _ => self.number().map(Some),
        }
    }

    /// All that are left, as numbers.
    pub(crate) fn numbers(&mut self) -> Result<Vec<u64>, Error> {
        let mut numbers = Vec::new();
        while !self.is_empty() {
            numbers.push(self.number()?);
        }
        Ok(numbers)
    }

    pub(crate) fn bytes(&mut self) -> Result<Bytes, Error> {
        match self.next()? {
            Value::BulkString(bytes) => Ok(Bytes::from(bytes)),
            _ => Err(OTHER),
        }
    }

    /// Bytes to be sent back as they are.
    pub(crate) fn text(&mut self) -> Result<Vec<u8>, Error> {
        match self.next()? {
            Value::BulkString(bytes) => Ok(bytes),
            _ => Err(OTHER),
        }
    }

    pub(crate) fn id(&mut self) -> Result<MessageId, Error> {
        let bytes = self.bytes()?;
        let id = <[u8; 16]>::try_from(&bytes[..]).map_err(|_| OTHER)?;
        Ok(MessageId::from_bytes(id))
    }

    fn next(&mut self) -> Result<Value, Error> {
        self.0.next().ok_or(OTHER)
    }
}

/// A text in whichever form a server sends it; empty where it is none.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => text.clone(),
        _ => String::new(),
    }
}

/// The value behind `name:` in what INFO says.
pub(crate) fn line<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = info.lines();
    lines.find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_read_in_their_order_and_what_does_not_fit_is_refused() {
        let mut items = Items::of(Value::Array(vec![
            Value::Int(7),
            Value::BulkString(b"18446744073709551615".to_vec()),
            Value::BulkString(vec![9; 16]),
            Value::Nil,
            Value::Array(vec![]),
            Value::Int(-1),
        ]))
        .unwrap();
        assert_eq!(items.number().unwrap(), 7);
        assert_eq!(items.number().unwrap(), u64::MAX);
        assert_eq!(items.id().unwrap(), MessageId::from_bytes([9; 16]));
        assert!(items.optional_list().unwrap().is_none());
        assert!(items.optional_list().unwrap().unwrap().is_empty());
        assert!(!items.is_empty());
        assert!(items.number().is_err(), "no count is below zero");
        assert!(items.bytes().is_err(), "there is nothing left");
        assert!(Items::of(Value::Int(1)).is_err());
    }
}
