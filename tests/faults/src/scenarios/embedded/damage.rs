//! R17: bits flip in the files of a store, and files are cut short; each time on a fresh copy of a store that was closed,
//! or that was left as a kill leaves it.
//!
//! It may be refused when it is opened, noticed when it is read, or all is right because the damage hit nothing that is
//! in use. Never may there be a panic, a call that does not end, or a message that is not as it was published. Seldom, and
//! counted, messages may be missing without a word: neither database guards the structure of its files completely.

use std::fs;
use std::panic;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use forebay::core::{Error, PageRequest};
use forebay::{Connection, Connector, DeadLetterFilter, Environment, Settings};
use tokio::time::{Instant, sleep, timeout};

use super::stock::{Inventory, Stock};
use crate::ground::Ground;
use crate::process::sabotage;
use crate::store::{self, QUEUE, Store};
use crate::verdict::{Bound, Verdict};

const LEASE: Duration = Duration::from_millis(500);
/// How long one call may take.
const CALL_LIMIT: Duration = Duration::from_secs(20);
/// How long nothing may be handed out although something is live.
const STILL_LIMIT: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(5);
/// Of so many damaged stores one may lose something without a word.
const SILENT: u64 = 100;

/// How a damaged store fared.
enum Fate {
    Whole,
    /// Not opened, with a typed error that names the directory.
    Refused,
    /// Opened, and the loss was told: by an error, or by dead letters.
    Noticed,
    /// Something is missing, or back after its end, and nobody has said so.
    Silent,
}

#[derive(Default)]
struct Tally {
    whole: u64,
    refused: u64,
    noticed: u64,
    /// Dead letters shown without their payload.
    hollow: u64,
    silent: Vec<String>,
    /// What may never happen.
    broken: Vec<String>,
}

/// Files of a store and what they hold.
struct Original {
    folder: PathBuf,
    files: Vec<(PathBuf, usize)>,
}

/// What is done to a file.
#[derive(Clone, Copy)]
enum Harm {
    Flip,
    Cut,
}

pub(crate) async fn run(ground: &Ground) -> Result<Verdict> {
    let (flips, cuts) = ground.pick((20, 10), (200, 100));
    let count = ground.pick(120, 400);
    let mut verdict = Verdict::default();
    let panics = Arc::new(AtomicU64::new(0));
    let before = panic::take_hook();
    let counted = Arc::clone(&panics);
    panic::set_hook(Box::new(move |panicked| {
        counted.fetch_add(1, Ordering::Relaxed);
        eprintln!("{panicked}");
    }));
    let mut found = Ok(());
    for store in Store::ALL {
        found = one(&mut verdict, ground, *store, count, (flips, cuts)).await;
        if found.is_err() {
            break;
        }
    }
    drop(panic::take_hook());
    panic::set_hook(before);
    found?;
    let count = panics.load(Ordering::Relaxed);
    verdict.expect("panics", count, Bound::exactly(0));
    Ok(verdict)
}

async fn one(
    verdict: &mut Verdict,
    ground: &Ground,
    store: Store,
    count: usize,
    (flips, cuts): (u64, u64),
) -> Result<()> {
    let folder = ground.folder().join(store.name());
    fs::create_dir(&folder)?;
    let (stock, originals) = originals(store, &folder, count).await?;
    // As they are, undamaged.
    for original in &originals {
        let copy = folder.join("undamaged");
        copy_files(&original.folder, &copy)?;
        let (fate, inventory) = trial(store, &copy, &stock).await?;
        ensure!(
            matches!(fate, Fate::Whole),
            "an undamaged copy is not whole: {inventory:?}"
        );
        fs::remove_dir_all(&copy)?;
    }
    let mut dice = ground.dice();
    let mut tally = Tally::default();
    for round in 0..flips + cuts {
        let original = &originals[usize::from(dice.bool())];
        let copy = folder.join("damaged");
        copy_files(&original.folder, &copy)?;
        let harm = if round < flips { Harm::Flip } else { Harm::Cut };
        let what = original.harm(&copy, harm, &mut dice)?;
        match timeout(6 * CALL_LIMIT, trial(store, &copy, &stock)).await {
            Err(_) => tally.broken.push(format!("{what}: it does not end")),
            Ok(Err(error)) => tally.broken.push(format!("{what}: {error:#}")),
            Ok(Ok((fate, inventory))) => tally.count(&fate, &inventory, &what),
        }
        fs::remove_dir_all(&copy)?;
    }
    tally.tell(verdict, store, flips + cuts);
    Ok(())
}

impl Tally {
    fn count(&mut self, fate: &Fate, inventory: &Inventory, what: &str) {
        self.hollow += inventory.hollow;
        for wrong in &inventory.wrong {
            self.broken.push(format!("{what}: {wrong}"));
        }
        match fate {
            Fate::Whole => self.whole += 1,
            Fate::Refused => self.refused += 1,
            Fate::Noticed => self.noticed += 1,
            Fate::Silent => {
                let (found, back) = (inventory.found.len(), inventory.back);
                self.silent
                    .push(format!("{what}: {found} found, {back} back after the end"));
            }
        }
    }

    fn tell(self, verdict: &mut Verdict, store: Store, trials: u64) {
        verdict.tell(format!("{store}: nothing was hit"), self.whole);
        verdict.tell(format!("{store}: refused to open"), self.refused);
        verdict.tell(format!("{store}: noticed"), self.noticed);
        verdict.tell(
            format!("{store}: dead letters shown without their payload"),
            self.hollow,
        );
        // The harness damages what matters.
        verdict.expect(
            format!("{store}: refused or noticed"),
            self.refused + self.noticed,
            Bound::at_least(trials / 5),
        );
        verdict.expect(
            format!("{store}: lost without a word"),
            self.silent.len() as u64,
            Bound::at_most(trials.div_ceil(SILENT)),
        );
        verdict.expect(
            format!("{store}: altered, without a type, or without an end"),
            self.broken.len() as u64,
            Bound::exactly(0),
        );
        for silent in self.silent {
            println!("{store}: {silent}");
        }
        for broken in self.broken {
            verdict.complain(format!("{store}: {broken}"));
        }
    }
}

/// A store as a kill leaves it, and the same one closed.
async fn originals(store: Store, folder: &Path, count: usize) -> Result<(Stock, [Original; 2])> {
    let path = folder.join("queue");
    let connection = connect(store, &path, "always").await??;
    let stock = Stock::lay_in(&connection, count).await?;
    let killed = folder.join("killed");
    // Nothing is under way: what the system has is what it would keep.
    copy_files(&path, &killed)?;
    connection.backend().close().await?;
    let closed = folder.join("closed");
    copy_files(&path, &closed)?;
    // tidy: sleep — until every lease and every delay is over: the trials shall not wait for them
    sleep(Stock::ripe(LEASE)).await;
    Ok((stock, [Original::of(killed)?, Original::of(closed)?]))
}

async fn connect(store: Store, path: &Path, sync: &str) -> Result<Result<Connection, Error>> {
    let more = [
        ("QUEUE_SYNC", sync),
        ("QUEUE_LEASE", "500ms"),
        ("QUEUE_CAPACITY", "10000"),
    ];
    let settings: Settings = store
        .variables(path, &more)
        .chain(sabotage::variable())
        .collect();
    let connector = Connector::new(settings)
        .registry(sabotage::registry())
        .environment(Environment::system());
    let connection = timeout(CALL_LIMIT, connector.connect(QUEUE)).await;
    connection.context("it is not opened, and no error either")
}

/// Opens a store and drains it.
async fn trial(store: Store, path: &Path, stock: &Stock) -> Result<(Fate, Inventory)> {
    let mut inventory = Inventory::default();
    let connection = match connect(store, path, "never").await? {
        Ok(connection) => connection,
        Err(error) => {
            names(&error, path)?;
            return Ok((Fate::Refused, inventory));
        }
    };
    let drained = drain(&connection, stock, &mut inventory).await?;
    let closed = timeout(CALL_LIMIT, connection.backend().close()).await;
    let closed = closed.context("it is not closed")?;
    let is_told = drained.is_err() || closed.is_err() || inventory.fallen + inventory.hollow > 0;
    for error in [drained.err(), closed.err()].into_iter().flatten() {
        ensure!(
            matches!(error, Error::Unavailable { .. } | Error::Interrupted { .. }),
            "another error: {error}"
        );
    }
    let fate = if is_told {
        Fate::Noticed
    } else if inventory.found.len() == stock.expected() && inventory.back == 0 {
        Fate::Whole
    } else {
        Fate::Silent
    };
    Ok((fate, inventory))
}

/// Takes everything out. The inner error is the queue's.
async fn drain(
    connection: &Connection,
    stock: &Stock,
    inventory: &mut Inventory,
) -> Result<Result<(), Error>> {
    macro_rules! call {
        ($call:expr) => {
            match timeout(CALL_LIMIT, $call)
                .await
                .context("a call does not end")?
            {
                Ok(answer) => answer,
                Err(error) => return Ok(Err(error)),
            }
        };
    }
    let session = call!(connection.session());
    let mut still = Instant::now();
    loop {
        let deliveries = call!(session.receive(64, Duration::ZERO));
        if deliveries.is_empty() {
            if call!(connection.management().stats()).live() == 0 {
                break;
            }
            ensure!(
                still.elapsed() < STILL_LIMIT,
                "something is live and not handed out"
            );
            // tidy: sleep — between two looks, under the limit above
            sleep(POLL).await;
            continue;
        }
        still = Instant::now();
        for delivery in &deliveries {
            stock.handed(inventory, &delivery.message);
        }
        let receipts: Vec<_> = deliveries.into_iter().map(|one| one.receipt).collect();
        call!(session.ack(&receipts));
    }
    let mut request = PageRequest::first(PageRequest::MAX_LIMIT);
    loop {
        let all = DeadLetterFilter::all();
        let page = call!(connection.management().dead_letters(&all, request));
        for dead in &page.items {
            stock.dead(inventory, &dead.message);
        }
        match page.next {
            Some(next) => request = PageRequest::after(PageRequest::MAX_LIMIT, next),
            None => return Ok(Ok(())),
        }
    }
}

/// A refusal has its type and names the directory.
pub(super) fn names(error: &Error, path: &Path) -> Result<()> {
    let Some(cause) = store::cause(error) else {
        bail!("refused without a type: {error:?}");
    };
    let text = cause.to_string();
    let path = path.to_string_lossy();
    ensure!(text.contains(&*path), "it does not name {path}: {text}");
    Ok(())
}

impl Original {
    fn of(folder: PathBuf) -> Result<Self> {
        let mut files = Vec::new();
        list(&folder, &folder, &mut files)?;
        files.sort();
        Ok(Self { folder, files })
    }

    /// Harms a file of a copy, and says how.
    fn harm(&self, copy: &Path, harm: Harm, dice: &mut fastrand::Rng) -> Result<String> {
        // Half of them where the bytes are, half in any file: the small ones matter too.
        let file = if dice.bool() {
            self.by_size(dice)
        } else {
            &self.files[dice.usize(0..self.files.len())].0
        };
        let path = copy.join(file);
        let mut bytes = fs::read(&path)?;
        let place = dice.usize(0..bytes.len());
        let what = match harm {
            Harm::Flip => {
                bytes[place] ^= 1 << dice.u32(0..8);
                "a bit flipped"
            }
            Harm::Cut => {
                bytes.truncate(place);
                "cut short"
            }
        };
        fs::write(&path, bytes)?;
        let of = self.folder.file_name().unwrap_or_default().display();
        Ok(format!("{of}, {}: {what} at {place}", file.display()))
    }

    fn by_size(&self, dice: &mut fastrand::Rng) -> &Path {
        let mut place = dice.usize(0..self.files.iter().map(|(_, bytes)| bytes).sum());
        let file = self.files.iter().find(|(_, bytes)| {
            let is_here = place < *bytes;
            place = place.saturating_sub(*bytes);
            is_here
        });
        file.map_or(Path::new(""), |(path, _)| path)
    }
}

/// All files below a folder that hold something, with their sizes.
fn list(root: &Path, folder: &Path, files: &mut Vec<(PathBuf, usize)>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            list(root, &path, files)?;
            continue;
        }
        let bytes = usize::try_from(fs::metadata(&path)?.len())?;
        if bytes > 0 {
            files.push((path.strip_prefix(root)?.to_owned(), bytes));
        }
    }
    Ok(())
}

/// Copies a store; without its reserve, which is made anew and holds nothing.
fn copy_files(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_files(&entry.path(), &target)?;
        } else if entry.file_name() != "reserve" {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
