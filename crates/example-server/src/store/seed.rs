//! Demonstration rows.

use serde_json::Map;
use sha2::{Digest, Sha256};
use time::macros::datetime;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::channel::Channel;
use crate::event::{Event, SCHEMA_VERSION};

const START: OffsetDateTime = datetime!(2026-01-05 09:00 UTC);
const CUSTOMER: Uuid = Uuid::from_u128(0x0195_c7a0_0000_7000_8000_0000_0000_0001);

// Numbers reserved for fiction and domains reserved for documentation.
const SHOP: &str = "+12025550100";
const ANN: &str = "+12025550101";
const DESK: &str = "desk@example.com";
const BOB: &str = "bob@example.org";

const MESSAGES: [(Channel, &str, &str, &str); 6] = [
    (
        Channel::Sms,
        SHOP,
        ANN,
        "Your order is ready to be picked up.",
    ),
    (Channel::Sms, ANN, SHOP, "Thank you, I will come at five."),
    (Channel::Sms, SHOP, ANN, "See you then \u{1f44b}"),
    (
        Channel::Email,
        DESK,
        BOB,
        "Dear Bob,\n\nplease find your invoice online.\n",
    ),
    (Channel::Email, BOB, DESK, "Received, thank you."),
    (
        Channel::Email,
        DESK,
        "eve@example.net",
        "Welcome! Reply to this message if anything is unclear.",
    ),
];

/// The demonstration events with their ids; the same each time.
pub(super) fn events() -> impl Iterator<Item = (Event, Uuid)> {
    (0_u32..)
        .zip(MESSAGES)
        .map(|(index, (channel, from, to, body))| {
            let event = Event {
                schema_version: SCHEMA_VERSION,
                channel,
                customer_id: CUSTOMER,
                from: from.to_owned(),
                to: to.to_owned(),
                subject: (channel == Channel::Email).then(|| "Demonstration".to_owned()),
                body: body.to_owned(),
                body_hash: hex::encode(Sha256::digest(body)),
                sent_at: START + Duration::minutes(10) * index,
                idempotency_key: format!("demonstration-{index}"),
                metadata: None,
                unknown: Map::new(),
            };
            (
                event,
                Uuid::from_u128(CUSTOMER.as_u128() + 0x1_0000 + u128::from(index)),
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_events_are_valid() {
        for (event, _) in events() {
            assert_eq!(Event::decode(&event.encode()).unwrap(), event);
        }
    }
}
