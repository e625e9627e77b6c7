use std::collections::BTreeSet;

use forebay_queue_core::Weight;

/// What a turn of weight 1 costs. Large, so that the shares of large weights are exact to a thousandth; small, so that the
/// virtual time does not end before 10^13 turns.
const TURN: u64 = 1 << 20;

/// A number that the user of a ring gives to its members.
pub(crate) type Member = u32;

/// Whose turn it is: start-time fair queueing (Goyal, Vin and Cheng, 1996), the virtual-time form of deficit round robin.
///
/// Each member has a tag: the virtual time at which its next turn begins. The least tag goes first, and a turn moves it on by
/// the inverse of the weight. Who joins starts at the present virtual time, or at the tag left from its turns before: so it
/// waits for at most one turn of each other member, and gains nothing by leaving and coming back.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ring {
    time: u64,
    present: BTreeSet<(u64, Member)>,
    /// Those who left with a tag that is still to come.
    resting: BTreeSet<(u64, Member)>,
}

/// What the user of a ring keeps for each member.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tag {
    at: u64,
    place: Place,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Unknown,
    Present,
    Resting,
}

impl Tag {
    /// Whether its ring still knows it.
    pub(crate) fn is_known(self) -> bool {
        self.place != Place::Unknown
    }

    /// Its ring has forgotten it.
    pub(crate) fn forgotten(&mut self) {
        self.place = Place::Unknown;
    }
}

impl Ring {
    pub(crate) fn join(&mut self, member: Member, tag: &mut Tag) {
        if tag.place == Place::Present {
            return;
        }
        if tag.place == Place::Resting {
            self.resting.remove(&(tag.at, member));
        }
        *tag = Tag {
            at: tag.at.max(self.time),
            place: Place::Present,
        };
        self.present.insert((tag.at, member));
    }

    /// The member rests: what its turns have cost stays known for as long as that means anything.
    pub(crate) fn leave(&mut self, member: Member, tag: &mut Tag) {
        if tag.place == Place::Present {
            tag.place = Place::Resting;
            self.present.remove(&(tag.at, member));
            self.resting.insert((tag.at, member));
        }
    }

    /// Who is next.
    pub(crate) fn first(&self) -> Option<Member> {
        self.present.first().map(|(_, member)| *member)
    }

    /// A member that is present has a turn.
    pub(crate) fn turn(&mut self, member: Member, tag: &mut Tag, weight: Weight) {
        self.present.remove(&(tag.at, member));
        self.time = self.time.max(tag.at);
        tag.at = after_turn(tag.at, weight);
        self.present.insert((tag.at, member));
    }

    /// A member that rests and whose turns mean nothing any more. Tell its tag.
    pub(crate) fn forget(&mut self) -> Option<Member> {
        let (at, member) = *self.resting.first()?;
        if at > self.time {
            // With nobody there no turn is owed to anybody.
            if !self.present.is_empty() {
                return None;
            }
            self.time = at;
        }
        self.resting.pop_first();
        Some(member)
    }

    /// Those present in the order of their next turns, with what tells that order.
    pub(crate) fn order(&self) -> impl Iterator<Item = (u64, Member)> {
        self.present.iter().copied()
    }
}

/// Where a turn moves a tag.
pub(crate) fn after_turn(at: u64, weight: Weight) -> u64 {
    // Rounded up: nobody has one turn more than its weight while another has one.
    at + TURN.div_ceil(weight.get().into())
}
