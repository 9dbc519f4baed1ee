//! What a decision by a plugin costs: the gateway measured against bare servers, in the same run.
//!
//! `cargo xtask bench` builds and calls this. The load runs in this process, each server in its own.

mod against;
mod args;
mod bare;
mod bench;
mod collector;
mod cores;
mod gateway;
mod hostile;
mod load;
mod measure;
mod plan;
mod process;
mod report;
mod statistics;
mod verdict;

use against::Sides;
use anyhow::{Context as _, Result};
use args::{Arguments, Command, Hostile, Load, Name, Run};
use bench::{Bench, say};
use clap::Parser;
use load::{
    Burst,
    closed::{self, Closed, Window},
};
use plan::Plan;
use process::Server;
use report::Report;
use std::{path::Path, process::ExitCode, sync::Arc, time::Duration};

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Bare { role, workers, port_file } => {
            bare::run(role, workers, &port_file).map(|()| ExitCode::SUCCESS)
        }
        Command::Calibrate => {
            print(&format!("{}\n", against::calibrate()));
            Ok(ExitCode::SUCCESS)
        }
        Command::Hostile(wish) => hostile(&wish),
        Command::Load(load) => load_only(&load),
        Command::Run(run) => measure(&run),
    };
    result.unwrap_or_else(|error| {
        say(format_args!("{error:#}"));
        ExitCode::FAILURE
    })
}

fn measure(run: &Run) -> Result<ExitCode> {
    let bench = surroundings(run)?;
    cores::take_load_core()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if let (Some(name), Some(folder)) = (&run.against, &run.against_folder) {
        let sides = sides(bench, name, folder, run.against_guests.as_deref())?;
        return runtime.block_on(compare(run, &sides, &names(run)));
    }
    let mut report = Report::new(!run.smoke);
    for name in names(run) {
        let result = runtime.block_on(measure::run(name, &bench, &mut report));
        if let Err(error) = result {
            // The others may still be measured; a report with a gap passes no gate.
            let (name, why) = (format!("{name:?}").to_lowercase(), format!("{error:#}"));
            say(format_args!("{name}: {why}"));
            report.gap(&name, why.lines().next().unwrap_or_default());
        }
    }
    print(&report.markdown(&command_line()));
    let misses = report.misses();
    let not_measured = report.has_gaps();
    if (run.gate && !misses.is_empty()) || not_measured {
        say(format_args!("missed or not measured: {}", misses.join("; ")));
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

async fn compare(run: &Run, sides: &Sides, names: &[Name]) -> Result<ExitCode> {
    let found = against::run(names, sides, run.quiet.as_deref(), &command_line()).await?;
    print(&found.report);
    say(&found.summary);
    // A smoke judges nothing; what it must do is come to an end.
    Ok(if run.smoke { ExitCode::SUCCESS } else { found.code })
}

/// The other revision's programs and guests; the load, the bare servers and the configuration are ours for both.
fn sides(new: Bench, name: &str, folder: &Path, guests: Option<&Path>) -> Result<Sides> {
    let found = |folder: &Path| {
        folder.canonicalize().with_context(|| format!("there is no folder `{}`", folder.display()))
    };
    let folder = found(folder)?;
    let guests = found(guests.unwrap_or(&folder.join("guests")))?;
    let old = || -> Result<Bench> {
        Ok(Bench {
            plan: new.plan,
            own: new.own.clone(),
            gateway: folder.join("tengen"),
            call: folder.join("tengen-bench-call"),
            signals: new.signals.clone(),
            guests: guests.clone(),
            cache: tempfile::tempdir()?,
        })
    };
    Ok(Sides { name: name.to_owned(), old: old()?, again: old()?, new })
}

fn hostile(wish: &Hostile) -> Result<ExitCode> {
    if wish.list {
        print(&hostile::list());
        return Ok(ExitCode::SUCCESS);
    }
    let (table, code) = hostile::run(wish)?;
    print(&table);
    // A smoke decides nothing; what it must do is come to an end.
    Ok(if wish.smoke { ExitCode::SUCCESS } else { code })
}

fn load_only(wish: &Load) -> Result<ExitCode> {
    cores::take_load_core()?;
    let server = Server::of(wish.pid, wish.address);
    let load = Closed {
        connections: wish.connections,
        burst: Arc::new(Burst::echo(wish.size, wish.depth)),
    };
    let measured = Duration::from_secs(wish.seconds);
    let window = Window { warm_up: Duration::from_millis(300), measured, round_trips: 0 };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let sample = runtime.block_on(closed::run(&server, &load, window))?;
    print(&format!(
        "{:.3} µs of CPU per message, {:.0} messages/s\n",
        sample.cpu, sample.per_second
    ));
    Ok(ExitCode::SUCCESS)
}

fn surroundings(run: &Run) -> Result<Bench> {
    let own = std::env::current_exe()?;
    let folder = own.parent().context("this program has no folder")?;
    let gateway = run.gateway.clone().unwrap_or_else(|| folder.join("tengen"));
    let guests = run.guests.clone().unwrap_or_else(|| folder.join("../guests"));
    let mut plan = match (run.smoke, run.against.is_some()) {
        (true, _) => Plan::smoke(),
        (false, true) => Plan::against(),
        (false, false) => Plan::full(run.slopes),
    };
    if let Some(rounds) = run.rounds {
        plan.rounds = rounds;
    }
    let gateway = gateway
        .canonicalize()
        .with_context(|| format!("there is no gateway at `{}`", gateway.display()))?;
    let guests = guests
        .canonicalize()
        .with_context(|| format!("there is no folder `{}`", guests.display()))?;
    let cache = tempfile::tempdir().context("cannot make a folder for the cache")?;
    let call = folder.join("tengen-bench-call");
    let signals = folder.join("tengen-bench-signals");
    Ok(Bench { plan, own, gateway, call, signals, guests, cache })
}

fn names(run: &Run) -> Vec<Name> {
    match run.names.is_empty() || run.names.contains(&Name::All) {
        true => Name::EACH.to_vec(),
        false => run.names.clone(),
    }
}

/// The command as it was given to xtask.
fn command_line() -> String {
    let arguments: Vec<String> = std::env::args().skip(2).collect();
    // Where the binaries were is nobody's business.
    let places = ["--gateway", "--guests", "--against-folder", "--against-guests", "--quiet"];
    let mut shown = vec!["cargo xtask bench".to_owned()];
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        match places.contains(&argument.as_str()) {
            true => drop(arguments.next()),
            false => shown.push(argument),
        }
    }
    shown.join(" ")
}

#[expect(clippy::print_stdout, reason = "the report is what this program is for")]
fn print(text: &str) {
    print!("{text}");
}
