//! How much of an outcome is carried out before others have their turn.

use std::time::Duration;
use tokio::time::Instant;

/// Deliveries of one step, and whatever else takes as long as one.
const DELIVERIES: usize = 4096;
/// How long a step may take.
const TIME: Duration = Duration::from_millis(1);
/// The clock is looked at after so many deliveries: a small outcome ends before that, and pays for no look.
const LOOK: usize = 64;
/// Bytes that are as much work to encode as a delivery is.
const BYTES: usize = 1024;

/// The budget of one step.
#[derive(Debug)]
pub(super) struct Budget {
    left: usize,
    until_look: usize,
    /// When the clock was looked at first.
    since: Option<Instant>,
}

impl Budget {
    pub(super) fn new() -> Self {
        Self { left: DELIVERIES, until_look: LOOK, since: None }
    }

    pub(super) fn is_spent(&self) -> bool {
        self.left == 0
    }

    /// So many deliveries were made.
    pub(super) fn spend(&mut self, deliveries: usize) {
        self.left = self.left.saturating_sub(deliveries);
        if deliveries < self.until_look {
            self.until_look -= deliveries;
            return;
        }
        self.until_look = LOOK;
        let now = Instant::now();
        if now.saturating_duration_since(*self.since.get_or_insert(now)) >= TIME {
            self.left = 0;
        }
    }
}

/// How many deliveries encoding so many bytes stands for.
pub(super) fn encoding(bytes: usize) -> usize {
    bytes / BYTES
}

/// How many deliveries it stands for to find so many connections.
pub(super) fn looking_up(connections: usize) -> usize {
    connections / 4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_step_ends_after_its_deliveries_or_its_time() {
        let mut budget = Budget::new();
        for _ in 1..DELIVERIES {
            budget.spend(1);
        }
        assert!(!budget.is_spent());
        budget.spend(1);
        assert!(budget.is_spent(), "so many are enough, however fast they were");

        let mut budget = Budget::new();
        budget.spend(LOOK);
        tokio::time::advance(TIME).await;
        budget.spend(LOOK - 1);
        assert!(!budget.is_spent(), "nobody looks at the clock for a few");
        budget.spend(1);
        assert!(budget.is_spent(), "it took too long");
    }

    #[test]
    fn a_small_outcome_pays_for_no_look_at_the_clock() {
        let mut budget = Budget::new();
        (1..LOOK).for_each(|_| budget.spend(1));
        assert_eq!(budget.since, None);
    }
}
