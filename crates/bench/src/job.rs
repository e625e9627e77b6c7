use std::io::Write as _;

use bytes::Bytes;
use forebay::Task;
use serde::{Deserialize, Serialize};

/// The task of every typed mode: a small job as an application would publish it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Which of the round's messages this is, from 0.
    pub number: u32,
    /// An address.
    pub to: String,
    /// A line.
    pub subject: String,
    /// Text that fills the payload up to its size.
    pub body: String,
}

impl Task for Job {
    const KIND: &'static str = "bench-job";
}

impl Job {
    /// Reads the number alone, without decoding the rest; `None` if this is no payload of a job.
    pub fn number_of(payload: &[u8]) -> Option<u32> {
        let digits = payload.strip_prefix(HEAD)?;
        let end = digits.iter().position(|byte| !byte.is_ascii_digit())?;
        std::str::from_utf8(&digits[..end]).ok()?.parse().ok()
    }
}

/// Makes jobs whose whole payload has one size.
#[derive(Clone, Debug)]
pub struct Jobs {
    payload: usize,
    /// What bodies are cut from.
    filler: String,
}

impl Jobs {
    /// The smallest payload in bytes: room for every field and some body.
    pub const MIN_PAYLOAD: usize = 128;
    /// The largest payload in bytes: the house's limit.
    pub const MAX_PAYLOAD: usize = 256 * 1024;

    /// Jobs with payloads of exactly this many bytes.
    ///
    /// # Panics
    /// When the size is not within [`Jobs::MIN_PAYLOAD`] and [`Jobs::MAX_PAYLOAD`].
    pub fn new(payload: usize) -> Self {
        assert!(
            (Self::MIN_PAYLOAD..=Self::MAX_PAYLOAD).contains(&payload),
            "a payload of {payload} bytes"
        );
        Self {
            payload,
            filler: TEXT.chars().cycle().take(payload).collect(),
        }
    }

    /// The job of this number.
    pub fn job(&self, number: u32) -> Job {
        let short = number % 1_000_000;
        let to = format!("customer{short:06}@example.com");
        let subject = format!("Your parcel {short:06} is on its way");
        let taken = HEAD.len() + digits(number) + FRAME + to.len() + subject.len();
        Job {
            number,
            to,
            subject,
            // The smallest payload has room for the longest number.
            body: self.filler[..self.payload - taken].to_owned(),
        }
    }

    /// The same as a payload.
    pub fn payload(&self, number: u32) -> Bytes {
        let Job {
            to, subject, body, ..
        } = self.job(number);
        let mut payload = Vec::with_capacity(self.payload);
        payload.extend_from_slice(HEAD);
        // Writing to memory does not fail, and nothing in the fields needs escaping.
        let _ = write!(
            payload,
            r#"{number},"to":"{to}","subject":"{subject}","body":"{body}"}}"#
        );
        payload.into()
    }
}

const HEAD: &[u8] = br#"{"number":"#;
/// The JSON of a job around its values, after the head.
const FRAME: usize = r#","to":"","subject":"","body":""}"#.len();
const TEXT: &str = "It left our house this morning and will be with you between nine and eleven. \
                    Somebody has to be at home to sign for it. ";

fn digits(number: u32) -> usize {
    number.checked_ilog10().map_or(1, |log| log as usize + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBERS: [u32; 8] = [0, 9, 10, 999, 1_000_000, 1_000_009, 99_999_999, u32::MAX];

    #[test]
    fn the_whole_payload_has_the_size_asked_for() {
        for size in [Jobs::MIN_PAYLOAD, 256, 1_000, 4_096, Jobs::MAX_PAYLOAD] {
            let jobs = Jobs::new(size);
            for number in NUMBERS {
                let job = jobs.job(number);
                let payload = serde_json::to_vec(&job).unwrap();
                assert_eq!(payload.len(), size, "number {number}");
                assert_eq!(jobs.payload(number), payload, "number {number}");
                assert_eq!(serde_json::from_slice::<Job>(&payload).unwrap(), job);
            }
        }
    }

    #[test]
    fn the_number_is_read_without_the_rest() {
        let jobs = Jobs::new(256);
        for number in NUMBERS {
            assert_eq!(Job::number_of(&jobs.payload(number)), Some(number));
        }
        assert_eq!(Job::number_of(b""), None);
        assert_eq!(Job::number_of(br#"{"number":"#), None);
        assert_eq!(Job::number_of(br#"{"number":,"to":""}"#), None);
        assert_eq!(Job::number_of(br#"{"number":4294967296,"to":""}"#), None);
    }

    #[test]
    #[should_panic(expected = "a payload of 127 bytes")]
    fn a_payload_without_room_is_refused() {
        Jobs::new(Jobs::MIN_PAYLOAD - 1);
    }
}
