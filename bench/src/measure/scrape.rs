//! What a scrape of `/metrics` takes with many plugins and connections, and what others notice of it.

use super::beside::Asker;
use crate::{
    bench::{Bench, say},
    load::crowd::Crowd,
    report::{Report, Unit},
    statistics::{median, quantile},
    verdict::{Limits, Verdict},
};
use anyhow::{Context as _, Result, ensure};
use std::{
    fmt::Write as _,
    net::SocketAddr,
    sync::Mutex,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::sleep,
};

const PLUGINS: usize = 50;
const SCRAPES: usize = 40;
/// More often than any scraper asks.
const APART: Duration = Duration::from_millis(100);
const LIMITS: Limits = Limits::new(20.0, 20.0);

pub(super) async fn run(bench: &Bench, report: &mut Report) -> Result<()> {
    let count = bench.plan.idle;
    say(format_args!("scrape: {PLUGINS} plugins, {count} connections"));
    let server = bench.gateway(config(bench)?)?;
    let admin = server.admin()?;
    let mut crowd = Crowd::gather(server.address(), count).await?;
    // The first one grows buffers, and shows that the names are there.
    let text = scrape(admin).await?;
    ensure!(text.contains("plugin=\"p49\""), "the last plugin is missing in the metrics");
    let asker = Asker::new(server.address());
    let alone = asker.ask(APART * u32::try_from(SCRAPES)?).await?;
    let times = Mutex::new(Vec::new());
    let scraping = async {
        for _ in 0..SCRAPES {
            let began = Instant::now();
            scrape(admin).await?;
            times.lock().map_err(|_| anyhow::anyhow!("a scrape panicked"))?.push(began.elapsed());
            sleep(APART).await;
        }
        anyhow::Ok(())
    };
    let (beside, ()) = tokio::try_join!(asker.ask(APART * u32::try_from(SCRAPES)?), scraping)?;
    crowd.stay(Duration::ZERO).await?;
    let times: Vec<f64> = times
        .into_inner()
        .map_err(|_| anyhow::anyhow!("a scrape panicked"))?
        .iter()
        .map(|time| time.as_secs_f64() * 1e3)
        .collect();
    let longest = times.iter().copied().fold(0.0, f64::max);
    let took = median(&times).context("nothing was scraped")?;
    let measure = format!("/metrics with {PLUGINS} plugins and {count} connections");
    let how = format!("longest {longest:.1} ms of {SCRAPES}; {} KB of text", text.len() / 1000);
    report.judge(&measure, took, Unit::Milliseconds, LIMITS, how);
    let p99 = |sorted: &[u32]| quantile(sorted, 0.99).map_or(f64::NAN, |ns| f64::from(ns) / 1e3);
    let how = format!("{:.0} µs, without scrapes {:.0} µs", p99(&beside), p99(&alone));
    let ratio = p99(&beside) / p99(&alone);
    let measure = "the same: p99 of another connection's echo, against without";
    report.add(measure, ratio, Unit::Ratio, Verdict::Reported, how);
    Ok(())
}

/// The same guest under many names; the first gets every event.
fn config(bench: &Bench) -> Result<String> {
    let file = bench.guest("handler_echo")?;
    let mut config = "[server]\nlisten = \"127.0.0.1:0\"\n\n[admin]\nlisten = \"127.0.0.1:0\"\n\n\
         [limits]\nconnections = 19000\n\n[[route]]\nevent = \"*\"\nplugin = \"p0\"\n"
        .to_owned();
    for number in 0..PLUGINS {
        write!(config, "\n[plugin.p{number}]\nfile = '{}'\n", file.display())?;
    }
    Ok(config)
}

async fn scrape(admin: SocketAddr) -> Result<String> {
    let mut stream = TcpStream::connect(admin).await?;
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    ensure!(answer.starts_with("HTTP/1.1 200 "), "a scrape was refused: {answer:.200}");
    Ok(answer)
}
