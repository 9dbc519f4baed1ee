//! How many events go into one call after calls broke: whoever breaks them is to be found, and what breaks only together
//! is not to be put together again and again.
//!
//! After a call for several events has broken, they go one by one, which finds the one that breaks alone. When none does,
//! or when all of them failed and none may be run again, calls get smaller by half, until they are for one event each: the
//! next one that breaks has one sender. Calls that go well make them larger again, later each time.

/// Calls that have to go well before calls get larger again, at first.
const WELL: u32 = 64;
/// The most of them.
const WELL_MAX: u32 = 1 << 16;
/// Halved so often, a call of the most events is for one.
const HALVED_MAX: u32 = 10;

#[derive(Debug)]
pub(super) struct Caution<T> {
    /// How often the most events of a call are halved.
    halved: u32,
    /// Calls that went well since the last that did not.
    well: u32,
    /// So many have to.
    needed: u32,
    /// A broken call's events that are run alone now.
    alone: Option<Alone<T>>,
}

#[derive(Debug)]
struct Alone<T> {
    left: usize,
    /// Who is suspected, if none of them breaks alone.
    suspect: Option<T>,
    found: bool,
}

impl<T> Default for Caution<T> {
    fn default() -> Self {
        Self { halved: 0, well: 0, needed: 0, alone: None }
    }
}

impl<T> Caution<T> {
    /// The most events of one call, where `most` are allowed.
    pub(super) fn most(&self, most: usize) -> usize {
        (most >> self.halved).max(1)
    }

    /// A call for so many events broke; they are run again, one by one.
    pub(super) fn broke(&mut self, events: usize, suspect: Option<T>) {
        self.alone = Some(Alone { left: events, suspect, found: false });
    }

    /// A call for several events failed for all of them.
    pub(super) fn failed(&mut self) {
        self.halve();
    }

    /// An event went well or badly that was run alone because its call broke. The last of them, if none broke anything,
    /// returns who is suspected then.
    pub(super) fn ran_alone(&mut self, broke: bool) -> Option<T> {
        let alone = self.alone.as_mut()?;
        alone.left = alone.left.saturating_sub(1);
        alone.found |= broke;
        if alone.left > 0 {
            return None;
        }
        let alone = self.alone.take()?;
        if alone.found {
            return None;
        }
        self.halve();
        alone.suspect
    }

    /// A call went well.
    pub(super) fn went_well(&mut self) {
        if self.halved == 0 {
            return;
        }
        self.well += 1;
        if self.well >= self.needed {
            self.well = 0;
            self.halved -= 1;
        }
    }

    /// What is run alone has been given up.
    pub(super) fn give_up(&mut self) {
        self.alone = None;
    }

    fn halve(&mut self) {
        self.needed = (self.needed * 2).clamp(WELL, WELL_MAX);
        self.well = 0;
        self.halved = HALVED_MAX.min(self.halved + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_breaks_only_together_goes_in_smaller_calls_until_each_goes_alone() {
        let mut caution = Caution::default();
        for most in [32, 16, 8, 4, 2, 1, 1] {
            caution.broke(3, Some("heaviest"));
            assert_eq!(caution.ran_alone(false), None);
            assert_eq!(caution.ran_alone(false), None);
            assert_eq!(caution.ran_alone(false), Some("heaviest"));
            assert_eq!(caution.most(64), most);
        }
    }

    #[test]
    fn one_that_breaks_alone_is_the_one_and_the_calls_stay_as_large_as_they_were() {
        let mut caution = Caution::default();
        caution.broke(2, Some("heaviest"));
        assert_eq!(caution.ran_alone(true), None);
        assert_eq!(caution.ran_alone(false), None);
        assert_eq!(caution.most(64), 64);
    }

    #[test]
    fn calls_that_go_well_make_them_larger_again_later_each_time() {
        let mut caution = Caution::<()>::default();
        let mut needed = Vec::new();
        for _ in 0..4 {
            caution.failed();
            let mut well = 0;
            while caution.most(64) < 64 {
                caution.went_well();
                well += 1;
            }
            needed.push(well);
        }
        assert_eq!(needed, [64, 128, 256, 512]);
    }
}
