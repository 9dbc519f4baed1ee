//! Rows of plugins without sockets in the way, and of the clock: calls, reloads, starts.

use super::{
    Sides,
    conditions::Conditions,
    contest::{Contest, Measure, Row},
};
use crate::{
    measure::{call, reload, start},
    report::Unit,
};
use anyhow::Result;
use std::cell::Cell;

pub(super) async fn call(sides: &Sides, conditions: &mut Conditions) -> Result<Vec<Row>> {
    let measures =
        call::BATCHES.map(|(_, what, _)| Measure::cpu(call::measure(what), Unit::Microseconds));
    let contest = Contest::without_bare(sides, measures.to_vec());
    let turn = async |who| {
        let bench = sides.of(who);
        call::BATCHES.iter().map(|(batch, ..)| Ok(call::take(bench, *batch)?.median)).collect()
    };
    contest.hold(conditions, turn).await
}

pub(super) async fn reload(sides: &Sides, conditions: &mut Conditions) -> Result<Vec<Row>> {
    let measures = reload::NAMES.map(|name| Measure::wait(name, Unit::Milliseconds));
    let contest = Contest::without_bare(sides, measures.to_vec());
    // Every turn brings a version that no cache has seen.
    let turns = Cell::new(0);
    let turn = async |who| {
        turns.set(turns.get() + 1);
        Ok(reload::take(sides.of(who), turns.get()).await?.to_vec())
    };
    contest.hold(conditions, turn).await
}

pub(super) async fn start(sides: &Sides, conditions: &mut Conditions) -> Result<Vec<Row>> {
    let measure = Measure::wait(start::NAME, Unit::Milliseconds);
    let contest = Contest::without_bare(sides, vec![measure]);
    // The first start of all fills the caches.
    for bench in [&sides.old, &sides.again, &sides.new] {
        start::take(bench, &start::config(bench)?)?;
    }
    let turn = async |who| {
        let bench = sides.of(who);
        Ok(vec![start::take(bench, &start::config(bench)?)?])
    };
    contest.hold(conditions, turn).await
}
