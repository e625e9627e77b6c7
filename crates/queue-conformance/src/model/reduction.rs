use std::time::{Duration, Instant};

use crate::model::operation::Operation;
use crate::model::player::Player;
use crate::model::reference::Reference;

/// A sequence that shows a difference.
pub(crate) struct Failing {
    pub(crate) operations: Vec<Operation>,
    pub(crate) difference: String,
}

impl Failing {
    /// Leaves out one operation after the other, then two at a time, until none can be left out any more.
    ///
    /// The runner tries that once for each, before it makes those that stay simpler; what has become simpler needs less
    /// before it. Two belong together where one makes room and the other takes it. `differs` plays a sequence and says
    /// what differs.
    pub(crate) fn reduced(
        mut self,
        begin: &Player<Reference>,
        longest: Duration,
        differs: impl Fn(&[Operation]) -> Option<String>,
    ) -> Self {
        let end = Instant::now() + longest;
        let shorter = |operations: &[Operation], left_out: &[usize]| {
            let kept = operations.iter().enumerate();
            let kept = kept.filter(|(place, _)| !left_out.contains(place));
            let operations: Vec<Operation> = kept.map(|(_, kept)| kept.clone()).collect();
            if Instant::now() > end || !is_playable(begin.clone(), &operations) {
                return None;
            }
            let difference = differs(&operations)?;
            Some(Self {
                operations,
                difference,
            })
        };
        loop {
            let places = (0..self.operations.len()).rev();
            let pairs = places
                .clone()
                .flat_map(|b| (0..b).rev().map(move |a| vec![a, b]));
            let mut tries = places.map(|place| vec![place]).chain(pairs);
            match tries.find_map(|left_out| shorter(&self.operations, &left_out)) {
                Some(found) => self = found,
                None => return self,
            }
        }
    }
}

fn is_playable(mut player: Player<Reference>, operations: &[Operation]) -> bool {
    operations.iter().all(|operation| {
        let can = player.can(operation);
        player.play(operation);
        can
    })
}
