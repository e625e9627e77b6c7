//! Looks at a write-ahead log before SQLite does.
//!
//! SQLite takes the first frame that does not match its checksum for the end of the log, drops what follows without a word
//! and removes the log when it closes. After a crash that is right: what follows was never acknowledged. After damage it
//! is the silent loss of everything behind it. So the log is read first: when fsynced batches follow a bad frame that were
//! certainly acknowledged, it is damage, and nothing is opened.
//!
//! An fsynced batch was certainly acknowledged when another one follows: the next began only after its sync. Buffered
//! batches after a bad frame prove nothing, since a power cut may leave them in any order. Fsynced ones are told by the
//! page of the family `default`, which each of them changes and no other does.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
/// The low bit says in which order the checksums take bytes.
const MAGIC: u32 = 0x377f_0682;
const VERSION: u32 = 3_007_000;

/// What a log looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Log {
    /// Whole, or with an end that was never acknowledged, or not there.
    Sound,
    /// Acknowledged batches follow this frame, counted from 0, which cannot be read.
    Damaged { frame: u64 },
}

/// Looks at the log. `page_size` is the database's, `marker` the page that every fsynced batch changes.
pub(super) fn inspect(path: &Path, page_size: u32, marker: u32) -> io::Result<Log> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Log::Sound),
        Err(error) => return Err(error),
    };
    let mut file = BufReader::with_capacity(1 << 18, file);
    let mut header = [0; HEADER];
    if !fill(&mut file, &mut header)? {
        return Ok(Log::Sound);
    }
    let mut chain = Chain::new(&header, page_size);
    let mut salts = chain.is_whole.then(|| number_pair(&header[16..24]));
    let mut bad = (!chain.is_whole).then_some(0);
    let mut fsynced = Fsynced::default();
    let mut frame = vec![0; FRAME_HEADER + page_size as usize];
    for index in 0.. {
        if !fill(&mut file, &mut frame)? {
            break;
        }
        let found = number_pair(&frame[8..16]);
        // With a damaged header the first frame says which cycle of the log this is.
        let salts = *salts.get_or_insert(found);
        if bad.is_none() && !(found == salts && chain.takes(&frame)) {
            bad = Some(index);
        }
        // Frames of an earlier cycle were all in the database before this one began. They share no salt with it; a
        // damaged one of this cycle still has the other.
        if found.0 != salts.0 && found.1 != salts.1 {
            continue;
        }
        let follows = fsynced.sees(&frame, marker, bad.is_some());
        if let (true, Some(frame)) = (follows, bad) {
            return Ok(Log::Damaged { frame });
        }
    }
    Ok(Log::Sound)
}

/// Which fsynced batches were seen after the bad frame.
#[derive(Default)]
struct Fsynced {
    /// The batch being read is one.
    this: bool,
    /// One has ended after the bad frame.
    one: bool,
}

impl Fsynced {
    /// Whether one was acknowledged: another batch ended after it.
    fn sees(&mut self, frame: &[u8], marker: u32, is_behind: bool) -> bool {
        self.this |= number(&frame[..4]) == marker;
        let ends = number(&frame[4..8]) != 0;
        let acknowledged = is_behind && ends && self.one;
        if ends {
            self.one |= is_behind && self.this;
            self.this = false;
        }
        acknowledged
    }
}

/// The checksums of a log, each over all before it.
struct Chain {
    is_whole: bool,
    is_big_endian: bool,
    sum: (u32, u32),
}

impl Chain {
    fn new(header: &[u8; HEADER], page_size: u32) -> Self {
        let magic = number(&header[..4]);
        let mut chain = Self {
            is_whole: magic & !1 == MAGIC
                && number(&header[4..8]) == VERSION
                && number(&header[8..12]) == page_size,
            is_big_endian: magic & 1 == 1,
            sum: (0, 0),
        };
        chain.sum = chain.after(chain.sum, &header[..24]);
        chain.is_whole &= chain.sum == number_pair(&header[24..]);
        chain
    }

    /// Whether a frame is the next of the chain.
    fn takes(&mut self, frame: &[u8]) -> bool {
        let sum = self.after(self.sum, &frame[..8]);
        let sum = self.after(sum, &frame[FRAME_HEADER..]);
        let is_next = sum == number_pair(&frame[16..FRAME_HEADER]) && number(&frame[..4]) != 0;
        if is_next {
            self.sum = sum;
        }
        is_next
    }

    fn after(&self, (mut first, mut second): (u32, u32), bytes: &[u8]) -> (u32, u32) {
        let order = if self.is_big_endian {
            u32::from_be_bytes
        } else {
            u32::from_le_bytes
        };
        for pair in bytes.as_chunks::<4>().0.as_chunks::<2>().0 {
            first = first.wrapping_add(order(pair[0])).wrapping_add(second);
            second = second.wrapping_add(order(pair[1])).wrapping_add(first);
        }
        (first, second)
    }
}

/// Reads as much as the buffer holds; not, when the file ends before.
fn fill(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// # Panics
/// For other than four bytes: the places are constants.
fn number(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes.try_into().expect("a number has four bytes"))
}

fn number_pair(bytes: &[u8]) -> (u32, u32) {
    (number(&bytes[..4]), number(&bytes[4..8]))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use forebay_queue_core::Durability::{self, Buffered, Fsynced};
    use tempfile::TempDir;

    use super::*;
    use crate::storage::{Batch, Family, SqliteStorage, Storage};

    const PAGE: usize = 8192;
    const FRAME: usize = FRAME_HEADER + PAGE;

    /// A store with these batches in its log, as a crash leaves it, and where each batch ends in the log.
    struct Crashed {
        _folder: TempDir,
        log: PathBuf,
        bytes: Vec<u8>,
        ends: Vec<usize>,
    }

    impl Crashed {
        fn after(batches: &[Durability]) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let storage = SqliteStorage::open(folder.path()).unwrap();
            let log = folder.path().join("queue.db-wal");
            let mut ends = Vec::new();
            for (key, durability) in (0_u8..).zip(batches) {
                let mut batch = Batch::new();
                batch.put(Family::Payloads, vec![key], vec![key; 20_000]);
                storage.write(&batch, *durability).unwrap();
                ends.push(usize::try_from(fs::metadata(&log).unwrap().len()).unwrap());
            }
            let bytes = fs::read(&log).unwrap();
            let copy = folder.path().join("copy");
            Self {
                _folder: folder,
                log: copy,
                bytes,
                ends,
            }
        }

        fn inspect(&self, bytes: &[u8]) -> Log {
            fs::write(&self.log, bytes).unwrap();
            inspect(&self.log, 8192, 2).unwrap()
        }

        fn with_flip(&self, at: usize) -> Log {
            let mut bytes = self.bytes.clone();
            bytes[at] ^= 0x10;
            self.inspect(&bytes)
        }
    }

    #[test]
    fn a_whole_log_is_sound() {
        let crashed = Crashed::after(&[Fsynced; 6]);
        assert!(crashed.ends.is_sorted() && crashed.bytes.len() > 6 * FRAME);
        assert_eq!(crashed.inspect(&crashed.bytes), Log::Sound);
        assert_eq!(crashed.inspect(&[]), Log::Sound);
        let missing = crashed.log.with_file_name("missing");
        assert_eq!(inspect(&missing, 8192, 2).unwrap(), Log::Sound);
    }

    #[test]
    fn damage_before_the_last_batch_is_found() {
        let crashed = Crashed::after(&[Fsynced; 6]);
        let last_begins = crashed.ends[4];
        for frame in 0..(crashed.bytes.len() - HEADER) / FRAME {
            let start = HEADER + frame * FRAME;
            // Page number, size after the commit, salts, checksums, content.
            for field in [3, 7, 9, 14, 17, 22, 24, 4_000, FRAME - 1] {
                let found = crashed.with_flip(start + field);
                let is_marker = number(&crashed.bytes[start..start + 4]) == 2;
                // Of the last but one, the page that tells that it was synced; of the last, an end that is none. Both
                // are left to the high-water mark.
                if field == 3 && is_marker || field == 7 && start >= last_begins {
                    continue;
                }
                let expected = if start < last_begins {
                    Log::Damaged {
                        frame: frame as u64,
                    }
                } else {
                    Log::Sound
                };
                assert_eq!(found, expected, "frame {frame}, byte {field}");
            }
        }
        for byte in 0..HEADER {
            let found = crashed.with_flip(byte);
            // The number of the checkpoint and both salts are in the checksum too.
            assert_eq!(found, Log::Damaged { frame: 0 }, "header, byte {byte}");
        }
    }

    #[test]
    fn a_torn_end_is_sound() {
        let crashed = Crashed::after(&[Fsynced; 6]);
        let last_begins = crashed.ends[4];
        for start in (last_begins..crashed.bytes.len()).step_by(4096) {
            let end = (start + 4096).min(crashed.bytes.len());
            let mut torn = crashed.bytes.clone();
            torn[start..end].fill(0);
            assert_eq!(crashed.inspect(&torn), Log::Sound, "a page at {start}");
            torn[start..].fill(0);
            assert_eq!(crashed.inspect(&torn), Log::Sound, "all from {start}");
        }
        for end in (0..crashed.bytes.len()).step_by(1_001) {
            // That something is missing at the end is for the high-water mark to see.
            assert_eq!(crashed.inspect(&crashed.bytes[..end]), Log::Sound);
        }
    }

    #[test]
    fn what_a_power_cut_does_to_buffered_batches_is_no_damage() {
        let crashed = Crashed::after(&[Fsynced, Fsynced, Buffered, Buffered, Buffered, Buffered]);
        let buffered_begins = crashed.ends[1];
        for start in (buffered_begins..crashed.bytes.len()).step_by(4096) {
            let end = (start + 4096).min(crashed.bytes.len());
            let mut torn = crashed.bytes.clone();
            torn[start..end].fill(0);
            assert_eq!(crashed.inspect(&torn), Log::Sound, "a page at {start}");
        }
        // But what was synced before them was acknowledged.
        let damaged = crashed.with_flip(buffered_begins - 10);
        assert!(matches!(damaged, Log::Damaged { .. }));
    }

    #[test]
    fn frames_of_an_earlier_cycle_are_no_damage() {
        let folder = tempfile::tempdir().unwrap();
        let storage = SqliteStorage::open(folder.path()).unwrap();
        // Past the checkpoint, so that the log begins again, and not as far as before.
        for key in 0..15 {
            let mut batch = Batch::new();
            batch.put(Family::Payloads, vec![key], vec![key; 400_000]);
            storage.write(&batch, Fsynced).unwrap();
        }
        let log = folder.path().join("queue.db-wal");
        let bytes = fs::read(&log).unwrap();
        let last = &bytes[bytes.len() - FRAME..];
        assert_ne!(last[8..16], bytes[16..24], "the log has begun again");
        assert_eq!(inspect(&log, 8192, 2).unwrap(), Log::Sound);
    }
}
