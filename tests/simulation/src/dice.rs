use std::time::Duration;

/// One of some things, by weight.
#[derive(Clone, Debug)]
pub(crate) struct Mix<T>(Vec<(T, u32)>);

impl<T: Copy> Mix<T> {
    pub(crate) fn new(parts: impl IntoIterator<Item = (T, u32)>) -> Self {
        Self(parts.into_iter().filter(|(_, w)| *w > 0).collect())
    }

    /// These and one more.
    pub(crate) fn and(mut self, thing: T, weight: u32) -> Self {
        self.0.push((thing, weight));
        self
    }

    /// None when it is empty.
    pub(crate) fn pick(&self, dice: &mut Dice) -> Option<T> {
        let total: u32 = self.0.iter().map(|(_, weight)| weight).sum();
        let mut left = dice.0.u32(0..total.max(1));
        for (thing, weight) in &self.0 {
            match left.checked_sub(*weight) {
                Some(rest) => left = rest,
                None => return Some(*thing),
            }
        }
        None
    }
}

/// Everything random of one part of the world. Each part has its own, all from one seed.
#[derive(Clone, Debug)]
pub(crate) struct Dice(fastrand::Rng);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    /// Dice of another part.
    pub(crate) fn fork(&mut self) -> Self {
        Self(self.0.fork())
    }

    pub(crate) fn seed(&mut self) -> u64 {
        self.0.u64(..)
    }

    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.0.f64() < probability
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0.usize(0..end.max(1))
    }

    pub(crate) fn between(&mut self, least: usize, most: usize) -> usize {
        self.0.usize(least..=most)
    }

    pub(crate) fn rate(&mut self, least: f64, most: f64) -> f64 {
        least + (most - least) * self.0.f64()
    }

    /// Short spans are as likely as long ones: each doubling has its share. In whole microseconds, and without
    /// floating point, which other machines may round differently.
    pub(crate) fn span(&mut self, least: Duration, most: Duration) -> Duration {
        let micros = |span: Duration| u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        let (least, most) = (micros(least).max(1), micros(most).max(1));
        let doublings = (most / least).max(1).ilog2();
        let low = least << self.0.u32(0..=doublings);
        Duration::from_micros(self.0.u64(low..=low.saturating_mul(2)).min(most))
    }

    pub(crate) fn one<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        of.get(self.below(of.len()))
    }
}
