use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;

fn plain() -> NewMessage {
    NewMessage::new(Kind::from_static("mail"), "hello")
}

fn rich() -> NewMessage {
    let mut headers = Headers::new();
    headers.insert("a", "1").unwrap();
    headers.insert("traceparent", "00-1-2-01").unwrap();
    plain()
        .with_headers(headers)
        .with_idempotency_key(IdempotencyKey::new("order:1").unwrap())
        .with_fingerprint(Fingerprint([0xf0; 32]))
        .with_fairness_key(FairnessKey::new("tenant").unwrap())
        .with_weight(Weight::new(7).unwrap())
        .with_throttle_key(ThrottleKey::new("smtp").unwrap())
        .with_delay(Duration::from_millis(5))
        .with_expires_at(Timestamp::from_millis(2_000_000))
}

fn id() -> MessageId {
    MessageId::from_bytes([0x11; 16])
}

/// What the publish script stores of a new message that it accepts at 1,000 s.
fn stored(new: &NewEntry, deliver: u64, expires: u64, errors: &[u8]) -> Bytes {
    let keys = new.head.as_ref().map_or(&[][..], |h| &h[h.len() - 48..]);
    let mut bytes = vec![1, if keys.is_empty() { 0 } else { 3 }];
    bytes.extend_from_slice(&2_u32.to_be_bytes());
    bytes.extend_from_slice(new.id.as_bytes());
    for number in [9, 1_000_000_000, deliver, expires, 0] {
        bytes.extend_from_slice(&u64::to_be_bytes(number));
    }
    bytes.extend_from_slice(keys);
    bytes.extend_from_slice(&u32::try_from(errors.len()).unwrap().to_be_bytes());
    bytes.extend_from_slice(errors);
    bytes.extend_from_slice(new.body());
    bytes.into()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

#[test]
fn the_bytes_of_version_one_never_change() {
    let new = NewEntry::new(&plain(), id());
    assert_eq!(new.head, None);
    assert_eq!(
        hexadecimal(&new.value),
        "010000000000".to_owned()
            + &"11".repeat(16)
            + &"00".repeat(44)
            + "00046d61696c0000000568656c6c6f"
    );
    let place = "1000000-7".parse().unwrap();
    let completed = complete(new.value.clone(), place);
    assert_eq!(
        hexadecimal(&completed[22..38]),
        "000000003b9aca07000000003b9aca00"
    );
    assert_eq!(complete(completed.clone(), StreamId::ZERO), completed);
    let entry = Entry::decode(&completed.into()).unwrap();
    assert_eq!(
        entry.message.published_at(),
        Timestamp::from_millis(1_000_000)
    );
    assert_eq!(
        hexadecimal(&stored(&new, 0, 0, b"")),
        "010000000002".to_owned()
            + &"11".repeat(16)
            + "0000000000000009000000003b9aca00"
            + &"00".repeat(24)
            + "00000000"
            + "00046d61696c0000000568656c6c6f"
    );
    let new = NewEntry::new(&rich(), id());
    assert_eq!(
        hexadecimal(&new.head.clone().unwrap()),
        "11".repeat(16)
            + "0f"
            + "020000000000001388"
            + "010000000077359400"
            + "c8bd69874287bdec71cfca9f7020bd88"
            + &"f0".repeat(32)
    );
    assert_eq!(
        hexadecimal(new.body()),
        "1f046d61696c0201610001310b7472616365706172656e74000930302d312d322d3031\
         00076f726465723a31000674656e616e740007010004736d74700000000568656c6c6f"
    );
}

#[test]
fn an_entry_says_what_was_published() {
    let new = NewEntry::new(&rich(), id());
    let mut errors = Vec::new();
    errors.extend_from_slice(&1_u32.to_be_bytes());
    errors.extend_from_slice(&1_500_000_u64.to_be_bytes());
    errors.extend_from_slice(&4_u16.to_be_bytes());
    errors.extend_from_slice(b"oops");
    let bytes = stored(&new, 1_000_005_000, 2_000_000_000, &errors);
    let entry = Entry::decode(&bytes).unwrap();
    let accepted = Message::accept(rich(), id(), Timestamp::from_millis(1_000_000));
    assert_eq!(entry.message, accepted);
    assert_eq!((entry.attempt, entry.redriven_at), (2, None));
    assert_eq!(
        entry.errors,
        [ErrorRecord::new(1, Timestamp::from_millis(1_500), "oops")]
    );
    assert_eq!(entry.age_from(), Timestamp::from_millis(1_000_005));
    let dead = [&[4][..], &77_000_u64.to_be_bytes(), &bytes].concat();
    let ended = Ended::decode(&dead.into()).unwrap();
    assert_eq!(ended.state, State::Dead);
    assert_eq!(ended.ended_at, Timestamp::from_millis(77));
    assert_eq!(ended.entry.message, accepted);
}

#[test]
fn what_cannot_be_read_is_an_error_and_no_panic() {
    let bytes = stored(&NewEntry::new(&rich(), id()), 0, 0, b"");
    for end in 0..bytes.len() {
        let error = Entry::decode(&bytes.slice(..end)).unwrap_err();
        assert_eq!(error, EntryError::Short, "{end} bytes");
    }
    let mut other = bytes.to_vec();
    other[0] = 2;
    assert_eq!(
        Entry::decode(&other.into()).unwrap_err(),
        EntryError::Version(2)
    );
    let longer = [&bytes[..], b"x"].concat();
    assert_eq!(Entry::decode(&longer.into()).unwrap_err(), EntryError::Long);
}

#[test]
fn times_are_rounded_up_and_never_is_kept() {
    assert_eq!(micros(Duration::from_nanos(1)), 1);
    assert_eq!(micros(Duration::MAX), NEVER);
    assert_eq!(timestamp(micros_of(Timestamp::MAX)), Timestamp::MAX);
    assert_eq!(timestamp(1_500), Timestamp::from_nanos(1_500_000));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(mut bytes: Vec<u8>, version: bool) {
        if version && !bytes.is_empty() {
            bytes[0] = VERSION;
        }
        let bytes = Bytes::from(bytes);
        let _ = Entry::decode(&bytes);
        let _ = Ended::decode(&bytes);
    }

    #[test]
    fn damaged_entries_are_read_or_refused(place: prop::sample::Index, value: u8) {
        let mut bytes = stored(&NewEntry::new(&rich(), id()), 0, 0, b"").to_vec();
        let place = place.index(bytes.len());
        bytes[place] = value;
        let _ = Entry::decode(&bytes.into());
    }
}
