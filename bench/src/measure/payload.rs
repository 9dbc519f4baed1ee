//! What a message costs by its size: in JSON, in EDN and raw, echoed by the gateway itself and by a plugin.
//!
//! The data is a list of small objects, which is what costs most for each byte. The baseline sends back the same bytes and
//! reads nothing of them. The echo plugin takes JSON, so EDN is converted for it, there and back.

use crate::{
    bare::Role,
    bench::{Bench, say, take_turns},
    gateway,
    load::{
        Burst, Dialect,
        closed::{self, Closed},
    },
    process::Server,
    report::{Report, Unit},
    statistics::{compare, median},
    verdict::{Limits, Verdict},
};
use anyhow::{Context as _, Result};
use std::{fmt::Write as _, path::Path, sync::Arc};

/// Enough to have the server work, and few enough that a quarter of a megabyte for each is not the memory that is measured.
const CONNECTIONS: usize = 8;
/// Bytes of data, about: whole objects.
const SIZES: [usize; 4] = [64, 1 << 10, 16 << 10, 256 << 10];
/// The size that has limits, with a plugin: raw, and JSON that is checked once.
const JUDGED: usize = 16 << 10;
const RAW: Limits = Limits::new(2.0, 1.5);
const JSON: Limits = Limits::new(4.0, 3.0);

/// A format, and the servers that echo it.
struct Format {
    name: &'static str,
    dialect: Dialect,
    limits: Option<Limits>,
    servers: [Server; 4],
}

pub(super) async fn run(bench: &Bench, report: &mut Report) -> Result<()> {
    for (name, dialect, limits) in [
        ("JSON", Dialect::Tengen, Some(JSON)),
        ("EDN", Dialect::Edn, None),
        ("raw", Dialect::Raw, Some(RAW)),
    ] {
        let format = Format { name, dialect, limits, servers: servers(bench, dialect)? };
        measure(bench, report, &format).await?;
    }
    Ok(())
}

/// Bare, bare again, the built-in echo, and the plugin's.
fn servers(bench: &Bench, dialect: Dialect) -> Result<[Server; 4]> {
    let plugins: [(&str, &Path); 1] = [("echo", &bench.guest("echo")?)];
    let configs = match dialect {
        Dialect::Raw => [gateway::raw(&[]), gateway::raw(&plugins)],
        Dialect::Tengen | Dialect::Edn => [gateway::plain(), gateway::with_plugins(&plugins)],
    };
    let [builtin, plugin] = configs;
    Ok([
        bench.bare(Role::Raw)?,
        bench.bare(Role::Raw)?,
        bench.gateway(builtin)?,
        bench.gateway(plugin)?,
    ])
}

async fn measure(bench: &Bench, report: &mut Report, format: &Format) -> Result<()> {
    let Format { name, dialect, limits, servers } = format;
    let mut table = format!(
        "| {name}, bytes of data | bare | built-in echo | × bare | echo plugin | × bare | plugin, more for each byte |\n\
         |---|---|---|---|---|---|---|\n"
    );
    // A program without optimisation does not get through a large one in a smoke's time.
    let sizes = SIZES.into_iter().filter(|size| !bench.plan.smoke || *size <= JUDGED);
    for size in sizes {
        say(format_args!("payload: {name}, {size} bytes"));
        let data = data(*dialect, size);
        let samples = take_turns(bench.plan.rounds, servers.len(), async |who| {
            let server = servers.get(who).context("no such server")?;
            // The bare servers greet nobody and send back what comes.
            let of_bare =
                if who < 2 { Burst::framed(*dialect, &data) } else { Burst::one(*dialect, &data) };
            let load = Closed { connections: CONNECTIONS, burst: Arc::new(of_bare) };
            Ok(closed::run(server, &load, bench.plan.window()).await?.cpu)
        });
        let samples = samples.await?;
        let [bare, again, builtin, plugin] = samples.as_slice() else { continue };
        let of = |samples: &[f64]| median(samples).unwrap_or(f64::NAN);
        let more = (of(plugin) - of(bare)) * 1000.0 / data.len() as f64;
        let (builtin, bare_cpu) = (of(builtin), of(bare));
        table += &format!(
            "| {} | {bare_cpu:.2} µs | {builtin:.2} µs | {:.2} | {:.2} µs | {:.2} | {more:.2} ns |\n",
            data.len(),
            builtin / bare_cpu,
            of(plugin),
            of(plugin) / bare_cpu
        );
        if let Some(compared) = compare(bare, again, plugin).filter(|_| size == JUDGED) {
            let what = format!("payload, {name}, {size} B by a plugin: CPU");
            let how = format!("{:.2} µs, bare {bare_cpu:.2} µs", of(plugin));
            match limits {
                Some(limits) => report.judge(&what, compared.ratio, Unit::Ratio, *limits, how),
                None => report.add(&what, compared.ratio, Unit::Ratio, Verdict::Reported, how),
            }
        }
    }
    report.note(table);
    Ok(())
}

/// As many small objects as fit into so many bytes.
fn data(dialect: Dialect, size: usize) -> String {
    let mut data = String::from("[");
    for number in 0.. {
        let mut object = String::new();
        let written = match dialect {
            Dialect::Edn => write!(
                object,
                r#"{{:id {number} :name "user {number}" :tags ["a" "bc"] :at 1732600000.25 :ok true}}"#
            ),
            Dialect::Tengen | Dialect::Raw => write!(
                object,
                r#"{{"id":{number},"name":"user {number}","tags":["a","bc"],"at":1732600000.25,"ok":true}}"#
            ),
        };
        if written.is_err() || data.len() > 1 && data.len() + object.len() + 2 > size {
            break;
        }
        if data.len() > 1 {
            data.push(if dialect == Dialect::Edn { ' ' } else { ',' });
        }
        data += &object;
    }
    data.push(']');
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_has_whole_objects_and_about_its_size() {
        for dialect in [Dialect::Tengen, Dialect::Edn, Dialect::Raw] {
            for size in SIZES {
                let data = data(dialect, size);
                assert!(data.starts_with("[{") && data.ends_with("}]"), "{data}");
                assert!(
                    data.len() <= size.max(100) && data.len() + 100 > size,
                    "{size}: {}",
                    data.len()
                );
            }
        }
    }
}
