//! Rows of memory: all gateways at once, since what a connection holds does not depend on who else computes.

use super::{
    Sides,
    conditions::Conditions,
    contest::{Contest, Measure, Row, Who},
};
use crate::{
    gateway,
    measure::idle::{self, Memory},
    report::Unit,
};
use anyhow::{Context as _, Result};
use std::{cell::RefCell, collections::VecDeque};

pub(super) async fn idle(sides: &Sides, conditions: &mut Conditions) -> Result<Vec<Row>> {
    // Three of them share what one process may open.
    let count = sides.new.plan.idle / 2;
    let measures = idle::WHEN.map(|when| Measure::cpu(idle::measure(count, when), Unit::Bytes));
    let contest = Contest::without_bare(sides, measures.to_vec());
    // The first turn of a round measures for all three.
    let taken = RefCell::new(VecDeque::new());
    let turn = async |who| {
        if taken.borrow().is_empty() {
            let all = together(sides, count).await;
            taken.borrow_mut().extend(all);
        }
        let mut taken = taken.borrow_mut();
        let place = taken.iter().position(|(whose, _)| *whose == who);
        let (_, memory): (Who, Result<Memory>) =
            place.and_then(|place| taken.remove(place)).context("nobody measured it")?;
        let memory = memory?;
        Ok(vec![memory.idle, memory.after_large])
    };
    contest.hold(conditions, turn).await
}

/// Whoever fails does so for itself alone.
async fn together(sides: &Sides, count: usize) -> [(Who, Result<Memory>); 3] {
    let one = async |who| {
        let server = sides.of(who).gateway(gateway::plain())?;
        idle::take(&server, count, !sides.new.plan.smoke).await
    };
    let (old, again, new) = tokio::join!(one(Who::Old), one(Who::Again), one(Who::New));
    [(Who::Old, old), (Who::Again, again), (Who::New, new)]
}
