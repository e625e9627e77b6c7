use std::sync::Arc;
use std::time::Duration;

use forebay_queue_core::{
    Backend, Delivery, Error, Nack, NackAction, Queue, Receipt, SettleOutcome,
};

use crate::Occurrence;
use crate::dice::Dice;
use crate::wire::Wire;
use crate::world::World;

/// A process that receives and settles by hand, not always as it should.
pub(crate) struct Consumer {
    world: Arc<World>,
    number: u32,
    backend: Arc<dyn Backend>,
    dice: Dice,
    session: Option<Arc<dyn Queue>>,
    /// Receipts that it has used before.
    used: Vec<Receipt>,
}

const MS: Duration = Duration::from_millis(1);
const REMEMBERED: usize = 20;

impl Consumer {
    pub(crate) fn new(world: &Arc<World>, number: u32, dice: Dice) -> Self {
        let wire = Wire::new(world, number, false);
        Self {
            backend: world.backend(number, &wire),
            world: Arc::clone(world),
            number,
            dice,
            session: None,
            used: Vec::new(),
        }
    }

    pub(crate) async fn run(mut self) {
        while !self.world.is_calm() {
            let pause = self.dice.span(MS, 2_000 * MS);
            self.world.pass(pause).await;
            match self.work().await {
                Ok(()) | Err(Error::Unavailable { .. } | Error::Interrupted { .. }) => {}
                Err(Error::Closed { .. }) => self.session = None,
                Err(error) => {
                    let number = self.number;
                    self.world.fail(format!("consumer {number}: {error}"));
                }
            }
        }
    }

    async fn session(&mut self) -> Result<Arc<dyn Queue>, Error> {
        if let Some(session) = &self.session {
            return Ok(Arc::clone(session));
        }
        let place = self.dice.below(self.world.names.len());
        let session = self.backend.open(&self.world.names[place], None).await?;
        self.session = Some(Arc::clone(&session));
        Ok(session)
    }

    async fn work(&mut self) -> Result<(), Error> {
        let session = self.session().await?;
        let (max, wait) = (self.dice.between(1, 4), self.dice.span(MS, 5_000 * MS));
        let deliveries = tokio::select! {
            biased;
            () = self.world.calm.cancelled() => return Ok(()),
            deliveries = session.receive(max, wait) => deliveries?,
        };
        for delivery in deliveries {
            self.world.saw(Occurrence::ByHand);
            self.settle(&*session, delivery).await?;
        }
        Ok(())
    }

    async fn settle(&mut self, session: &dyn Queue, delivery: Delivery) -> Result<(), Error> {
        let habit = self.world.swarm.habits.pick(&mut self.dice);
        let receipt = delivery.receipt.clone();
        match habit {
            Some(Occurrence::Forgotten) => {
                self.world.saw(Occurrence::Forgotten);
                return Ok(());
            }
            Some(Occurrence::LateSettle) => {
                self.world.pass(delivery.lease + 100 * MS).await;
            }
            _ => {
                let work = self.dice.span(MS, delivery.lease);
                self.world.pass(work).await;
            }
        }
        let outcome = self.answer(session, &receipt).await?;
        if outcome == Some(SettleOutcome::LeaseLost) {
            self.world.saw(Occurrence::LateSettle);
        }
        if habit == Some(Occurrence::SettledTwice) {
            self.world.saw(Occurrence::SettledTwice);
            self.answer(session, &receipt).await?;
            if let Some(old) = self.dice.one(&self.used).cloned() {
                self.answer(session, &old).await?;
            }
        }
        if self.used.len() == REMEMBERED {
            self.used.remove(0);
        }
        self.used.push(receipt);
        Ok(())
    }

    async fn answer(
        &mut self,
        session: &dyn Queue,
        receipt: &Receipt,
    ) -> Result<Option<SettleOutcome>, Error> {
        let receipts = std::slice::from_ref(receipt);
        let after = match self.dice.below(2) {
            0 => Duration::ZERO,
            _ => self.dice.span(MS, 10_000 * MS),
        };
        let action = match self.dice.below(8) {
            0..4 => return Ok(session.ack(receipts).await?.first().copied()),
            4 => return Ok(session.extend(receipts).await?.first().copied()),
            5 => NackAction::Retry { after },
            6 => NackAction::Release { after },
            _ => NackAction::DeadLetter,
        };
        let nack = Nack {
            receipt: receipt.clone(),
            action,
            cause: Some("by hand".into()),
        };
        Ok(session.nack(vec![nack]).await?.first().copied())
    }
}
