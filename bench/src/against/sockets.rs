//! Rows of messages, publications and upgrades: what goes through sockets.

use super::{
    Sides,
    conditions::Conditions,
    contest::{Contest, Measure, Row, Who},
};
use crate::{
    bare::Role,
    bench::Bench,
    gateway,
    load::{
        Burst, Dialect,
        closed::{self, Closed},
        fanout::{self, Fanout},
        handshakes::{self, Handshakes},
    },
    measure::{
        echo::{self, Kind},
        fanout as fan, handshake, tail,
    },
    process::Server,
    report::Unit,
};
use anyhow::Result;
use std::sync::Arc;

/// CPU time at one and at 64 in flight, and the tail in an open loop.
pub(super) async fn echo(
    sides: &Sides,
    conditions: &mut Conditions,
    dialect: Dialect,
) -> Result<Vec<Row>> {
    let kind = Kind::of(dialect);
    let mut rows = Vec::new();
    for depth in [1, 64] {
        let measure = Measure::cpu(kind.measure(depth, "CPU"), Unit::Microseconds);
        let burst = Arc::new(Burst::of(dialect, echo::SIZE, depth));
        let load = Closed { connections: echo::CONNECTIONS, burst };
        let contest = Contest::with_bare(sides, vec![measure]);
        let turn = async |who| {
            let server = echo_server(sides, who, kind)?;
            Ok(vec![closed::run(&server, &load, sides.of(who).plan.window()).await?.cpu])
        };
        rows.extend(contest.hold(conditions, turn).await?);
    }
    let pace = tail::pace(&sides.new, kind).await?;
    let measure = Measure::wait(kind.tail(), Unit::Microseconds);
    let contest = Contest::with_bare(sides, vec![measure]);
    let turn =
        async |who| Ok(vec![tail::run(&echo_server(sides, who, kind)?, kind, pace).await?.p99]);
    rows.extend(contest.hold(conditions, turn).await?);
    Ok(rows)
}

/// A new process for every turn: a process's luck with its addresses belongs to what rounds differ in.
fn echo_server(sides: &Sides, who: Who, kind: Kind) -> Result<Server> {
    let bench = sides.of(who);
    match who {
        Who::Bare => bench.bare(kind.role),
        Who::Old | Who::Again | Who::New => bench.gateway(kind.config(bench)?),
    }
}

pub(super) async fn fanout(sides: &Sides, conditions: &mut Conditions) -> Result<Vec<Row>> {
    let plan = sides.new.plan;
    let mut rows = Vec::new();
    for (window, role, _) in fan::WINDOWS {
        let load = Fanout { subscribers: plan.subscribers, slow: 0, window, size: fan::SIZE };
        let measure = Measure::cpu(fan::measure(plan.subscribers, window), Unit::Microseconds);
        let contest = Contest::with_bare(sides, vec![measure]);
        let turn = async |who| {
            let bench = sides.of(who);
            let server = match who {
                Who::Bare => bench.bare(role)?,
                _ => bench.gateway(bench.with_plugin(fan::GUEST)?)?,
            };
            Ok(vec![fanout::run(&server, load, plan.warm_up, plan.measured).await?.cpu])
        };
        rows.extend(contest.hold(conditions, turn).await?);
    }
    Ok(rows)
}

pub(super) async fn handshake(sides: &Sides, conditions: &mut Conditions) -> Result<Vec<Row>> {
    let bearer = handshake::bearer();
    let plain = Handshakes { count: sides.new.plan.handshakes, headers: "", greeting: false };
    let token = Handshakes { headers: &bearer, ..plain };
    let greeting = Handshakes { greeting: true, ..plain };
    let loads = [
        (handshake::PLAIN_NAME, Role::Upgrade, plain),
        (handshake::TOKEN_NAME, Role::Upgrade, token),
        (handshake::GREETING_NAME, Role::Greet, greeting),
    ];
    let mut rows = Vec::new();
    for (name, role, load) in loads {
        let contest = Contest::with_bare(sides, vec![Measure::cpu(name, Unit::Microseconds)]);
        let turn = async |who| {
            let bench = sides.of(who);
            let server = match who {
                Who::Bare => bench.bare(role)?,
                _ => bench.gateway(config(bench, !load.headers.is_empty())?)?,
            };
            Ok(vec![handshakes::run(&server, load).await?.cpu])
        };
        rows.extend(contest.hold(conditions, turn).await?);
    }
    Ok(rows)
}

fn config(bench: &Bench, guarded: bool) -> Result<String> {
    match guarded {
        true => Ok(gateway::with_token_auth(&bench.guest("token-auth")?, handshake::SECRET)),
        false => Ok(gateway::plain()),
    }
}
