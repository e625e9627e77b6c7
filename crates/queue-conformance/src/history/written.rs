//! How the types of the core are written in a history: names and ids as text, times as whole nanoseconds.
//!
//! The core's types have no form of their own on purpose; this one is the history's.

use std::borrow::Cow;
use std::fmt::Display;
use std::time::Duration;

use forebay_queue_core::{MessageId, Timestamp};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A name: a queue's, a kind.
pub(crate) mod name {
    use super::{Cow, Deserialize, Deserializer, Display, Error, Serializer};

    pub(crate) fn serialize<T: Display, S: Serializer>(name: &T, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(name)
    }

    pub(crate) fn deserialize<'de, T, D>(from: D) -> Result<T, D::Error>
    where
        T: for<'a> TryFrom<&'a str, Error = forebay_queue_core::Error>,
        D: Deserializer<'de>,
    {
        let text = Cow::<'_, str>::deserialize(from)?;
        T::try_from(&text).map_err(D::Error::custom)
    }
}

struct Id(MessageId);

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = Cow::<'_, str>::deserialize(from)?;
        text.parse().map(Id).map_err(D::Error::custom)
    }
}

/// A message id.
pub(crate) mod id {
    use super::{Deserialize, Deserializer, Id, MessageId, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(id: &MessageId, to: S) -> Result<S::Ok, S::Error> {
        Id(*id).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<MessageId, D::Error> {
        Id::deserialize(from).map(|id| id.0)
    }
}

/// A message id, or none.
pub(crate) mod some_id {
    use super::{Deserialize, Deserializer, Id, MessageId, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "serde passes a reference to the field")]
    pub(crate) fn serialize<S: Serializer>(
        id: &Option<MessageId>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        id.map(Id).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<MessageId>, D::Error> {
        Ok(Option::<Id>::deserialize(from)?.map(|id| id.0))
    }
}

/// Message ids.
pub(crate) mod ids {
    use super::{Deserialize, Deserializer, Id, MessageId, Serializer};

    pub(crate) fn serialize<S: Serializer>(ids: &[MessageId], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(ids.iter().map(|id| Id(*id)))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<MessageId>, D::Error> {
        let ids = Vec::<Id>::deserialize(from)?;
        Ok(ids.into_iter().map(|id| id.0).collect())
    }
}

/// Message ids, or nothing said of them.
pub(crate) mod some_ids {
    use super::{Deserialize, Deserializer, Id, MessageId, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "serde passes a reference to the field")]
    pub(crate) fn serialize<S: Serializer>(
        ids: &Option<Vec<MessageId>>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        let ids: Option<Vec<Id>> = ids
            .as_ref()
            .map(|ids| ids.iter().map(|id| Id(*id)).collect());
        ids.serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Vec<MessageId>>, D::Error> {
        let ids = Option::<Vec<Id>>::deserialize(from)?;
        Ok(ids.map(|ids| ids.into_iter().map(|id| id.0).collect()))
    }
}

/// A time.
pub(crate) mod time {
    use super::{Deserialize, Deserializer, Serializer, Timestamp};

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde passes a reference to the field"
    )]
    pub(crate) fn serialize<S: Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(at.as_nanos())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        u64::deserialize(from).map(Timestamp::from_nanos)
    }
}

/// A time, or none.
pub(crate) mod some_time {
    use super::{Deserialize, Deserializer, Serialize, Serializer, Timestamp};

    #[expect(clippy::ref_option, reason = "serde passes a reference to the field")]
    pub(crate) fn serialize<S: Serializer>(
        at: &Option<Timestamp>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        at.map(Timestamp::as_nanos).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Timestamp>, D::Error> {
        Ok(Option::<u64>::deserialize(from)?.map(Timestamp::from_nanos))
    }
}

/// A span, at most 584 years.
pub(crate) mod span {
    use super::{Deserialize, Deserializer, Duration, Serializer};

    pub(crate) fn serialize<S: Serializer>(span: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_nanos)
    }
}
