use std::sync::Arc;
use std::time::Duration;

use forebay_queue_core::{
    Backend, CancelTarget, Clock, DeadLetterFilter, Error, Fingerprint, IdempotencyKey, Kind,
    Management, MessageId, NewMessage, PageRequest, Queue, State,
};
use forebay_worker::Task;
use parking_lot::Mutex;

use crate::Occurrence;
use crate::chore::{Chore, Errand, Nature, UNKNOWN_KIND};
use crate::dice::Dice;
use crate::wire::Wire;
use crate::world::World;

/// What clients know of each other's messages.
#[derive(Default)]
pub(crate) struct Known {
    recent: Mutex<Vec<MessageId>>,
    numbers: Mutex<u64>,
}

/// A process that publishes and steers.
pub(crate) struct Client {
    world: Arc<World>,
    number: u32,
    backend: Arc<dyn Backend>,
    known: Arc<Known>,
    dice: Dice,
    sessions: Vec<Option<Arc<dyn Queue>>>,
}

const MS: Duration = Duration::from_millis(1);
/// So many ids are remembered.
const RECENT: usize = 100;
/// So few keys that they meet again.
const KEYS: usize = 12;

impl Known {
    fn next(&self) -> u64 {
        let mut numbers = self.numbers.lock();
        *numbers += 1;
        *numbers
    }

    fn add(&self, id: MessageId) {
        let mut recent = self.recent.lock();
        if recent.len() == RECENT {
            recent.remove(0);
        }
        recent.push(id);
    }

    fn one(&self, dice: &mut Dice) -> Option<MessageId> {
        dice.one(&self.recent.lock()).copied()
    }
}

impl Client {
    pub(crate) fn new(world: &Arc<World>, number: u32, known: &Arc<Known>, dice: Dice) -> Self {
        let wire = Wire::new(world, number, false);
        Self {
            backend: world.backend(number, &wire),
            sessions: vec![None; world.names.len()],
            world: Arc::clone(world),
            number,
            known: Arc::clone(known),
            dice,
        }
    }

    /// Does what comes to its mind until the trouble is over.
    pub(crate) async fn run(mut self) {
        while !self.world.is_calm() {
            let pause = self.dice.span(MS, self.world.swarm.pace);
            self.world.pass(pause).await;
            let Some(operation) = self.world.swarm.operations.pick(&mut self.dice) else {
                return;
            };
            if operation == Occurrence::DroppedCall {
                let patience = self.dice.span(MS, 5_000 * MS);
                let publish = self.operate(Occurrence::PublishBatch);
                if tokio::time::timeout(patience, publish).await.is_err() {
                    self.world.saw(Occurrence::DroppedCall);
                }
            } else {
                self.operate(operation).await;
            }
        }
    }

    async fn operate(&mut self, operation: Occurrence) {
        let place = self.dice.below(self.world.names.len());
        let done = match operation {
            Occurrence::Publish => self.publish(place, 1).await,
            Occurrence::PublishBatch => {
                let size = self.dice.between(2, 20);
                self.publish(place, size).await
            }
            Occurrence::Reopen => self.reopen(place).await,
            _ => self.steer(operation, place).await,
        };
        match done {
            Ok(()) => self.world.saw(operation),
            Err(Error::Full { .. }) => self.world.saw(Occurrence::Full),
            Err(Error::Closed { .. }) => self.sessions[place] = None,
            Err(Error::Unavailable { .. } | Error::Interrupted { .. } | Error::TooLarge { .. }) => {
            }
            Err(error) => {
                let number = self.number;
                let what = operation.as_str();
                self.world.fail(format!("{what} of {number}: {error}"));
            }
        }
    }

    async fn session(&mut self, place: usize) -> Result<Arc<dyn Queue>, Error> {
        if let Some(session) = &self.sessions[place] {
            return Ok(Arc::clone(session));
        }
        let name = &self.world.names[place];
        let session = self.backend.open(name, None).await?;
        self.sessions[place] = Some(Arc::clone(&session));
        Ok(session)
    }

    async fn reopen(&mut self, place: usize) -> Result<(), Error> {
        let session = self.session(place).await?;
        self.sessions[place] = None;
        session.close().await
    }

    async fn publish(&mut self, place: usize, count: usize) -> Result<(), Error> {
        let messages: Vec<_> = (0..count).map(|_| self.message()).collect();
        let patience = match self.dice.below(3) {
            0 => Duration::ZERO,
            _ => self.dice.span(MS, 3_000 * MS),
        };
        let session = self.session(place).await?;
        for outcome in session.publish(messages, patience).await? {
            if outcome.is_duplicate() {
                self.world.saw(Occurrence::RepeatedKey);
            }
            self.known.add(outcome.id());
        }
        Ok(())
    }

    fn message(&mut self) -> NewMessage {
        let number = self.known.next();
        let mix = &self.world.swarm.messages;
        let traits = [mix.pick(&mut self.dice), mix.pick(&mut self.dice)];
        let has = |what| traits.contains(&Some(what));
        let nature = if has(Occurrence::Poison) {
            self.world.saw(Occurrence::Poison);
            let natures = [Nature::Failing, Nature::Panicking, Nature::Endless];
            *self.dice.one(&natures).unwrap_or(&Nature::Failing)
        } else {
            Nature::Moody
        };
        let mut message = body(number, nature, self.dice.chance(0.5));
        if has(Occurrence::Undecodable) {
            self.world.saw(Occurrence::Undecodable);
            message = NewMessage::new(Kind::from_static(Chore::KIND), format!("{number}?"));
        }
        if has(Occurrence::UnknownKind) {
            self.world.saw(Occurrence::UnknownKind);
            message = NewMessage::new(Kind::from_static(UNKNOWN_KIND), format!("{number}"));
        }
        // Where an answer is lost, a key alone does not tell the history whose message it was.
        if has(Occurrence::RepeatedKey) || self.dice.chance(0.7) {
            let id = self.world.environment.next_id();
            self.known.add(id);
            message = message.with_id(id);
        }
        if has(Occurrence::RepeatedKey) {
            message = self.keyed(message, number);
        }
        if has(Occurrence::Delayed) {
            message = self.delayed(message);
        }
        if has(Occurrence::Expiring) {
            self.world.saw(Occurrence::Expiring);
            let span = self.dice.span(50 * MS, 60_000 * MS);
            message = message.with_time_to_live(span);
        }
        message
    }

    fn keyed(&mut self, message: NewMessage, number: u64) -> NewMessage {
        let text = if self.dice.chance(0.2) {
            format!("once-{number}")
        } else {
            format!("key-{}", self.dice.below(KEYS))
        };
        let Ok(key) = IdempotencyKey::new(text) else {
            return message;
        };
        let message = message.with_idempotency_key(key);
        if self.dice.chance(0.5) {
            let byte = u8::from(self.dice.chance(0.5));
            return message.with_fingerprint(Fingerprint([byte; 32]));
        }
        message
    }

    fn delayed(&mut self, message: NewMessage) -> NewMessage {
        self.world.saw(Occurrence::Delayed);
        let span = self.dice.span(10 * MS, 600_000 * MS);
        if self.dice.chance(0.5) {
            return message.with_delay(span);
        }
        message.with_deliver_at(self.world.clock.now().after(span))
    }

    async fn steer(&mut self, operation: Occurrence, place: usize) -> Result<(), Error> {
        let management = self.backend.manage(&self.world.names[place]).await?;
        let all = DeadLetterFilter::all();
        match operation {
            Occurrence::CancelId => {
                let Some(id) = self.known.one(&mut self.dice) else {
                    return Ok(());
                };
                management.cancel(CancelTarget::Id(id)).await?;
            }
            Occurrence::CancelKey => {
                let key = IdempotencyKey::new(format!("key-{}", self.dice.below(KEYS)))?;
                management.cancel(CancelTarget::Key(key)).await?;
            }
            Occurrence::Pause => management.pause().await?,
            Occurrence::Resume => management.resume().await?,
            Occurrence::Purge => {
                management.purge().await?;
            }
            Occurrence::Redrive => {
                let limit = self.dice.between(1, 30);
                let filter = self.some_dead();
                management.redrive(&filter, limit).await?;
            }
            Occurrence::DeleteDead => {
                let limit = self.dice.between(1, 5);
                management.delete_dead_letters(&all, limit).await?;
            }
            _ => browse(&*management, &mut self.dice, &self.known).await?,
        }
        Ok(())
    }

    fn some_dead(&mut self) -> DeadLetterFilter {
        match self.known.one(&mut self.dice) {
            Some(id) if self.dice.chance(0.3) => DeadLetterFilter::id(id),
            _ => DeadLetterFilter::all(),
        }
    }
}

fn body(number: u64, nature: Nature, limited: bool) -> NewMessage {
    let (kind, payload) = if limited {
        let chore = Chore { number, nature };
        (Chore::KIND, serde_json::to_vec(&chore))
    } else {
        let errand = Errand { number, nature };
        (Errand::KIND, serde_json::to_vec(&errand))
    };
    let payload = payload.expect("numbers and names can be written as JSON");
    NewMessage::new(Kind::from_static(kind), payload)
}

/// Looks that change nothing; what they find is held to what must always be so.
async fn browse(management: &dyn Management, dice: &mut Dice, known: &Known) -> Result<(), Error> {
    let page = PageRequest::first(dice.between(1, 50));
    let state = *dice.one(&State::ALL).unwrap_or(&State::Ready);
    management.list(state, page).await?;
    management.peek(dice.between(1, 20)).await?;
    if let Some(id) = known.one(dice) {
        management.get(id).await?;
    }
    management.stats().await?;
    Ok(())
}
