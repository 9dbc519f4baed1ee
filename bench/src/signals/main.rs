//! What it costs to say something, without a gateway: call sites, queues and files.
//!
//! A program of its own, because it holds the signals' code and none of the engine's. Each case is a process of its own, for
//! there is one log in a process. Prints what it found as `name value`, one a line.

mod appender;
mod calls;
mod file;
mod flow;
mod rig;
mod say;

use anyhow::{Context as _, Result, bail};
use std::path::Path;

/// The gateway's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `tengen-bench-signals CASE COUNT FOLDER`: so many signals; files are in the folder.
fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [case, count, folder] = arguments.as_slice() else {
        bail!("CASE, COUNT and FOLDER are needed")
    };
    let (count, folder) = (count.parse().context("COUNT is no number")?, Path::new(folder));
    let found = match case.as_str() {
        "filtered" => calls::filtered(count)?,
        "sampled-out" => calls::sampled_out(count)?,
        "recorded" => calls::recorded(count)?,
        "accepted" => calls::accepted(count)?,
        "flow" => flow::capacity(count)?,
        "half" => flow::half(count)?,
        "file" => file::run(count, folder)?,
        "appender" => appender::run(count, folder)?,
        "off" => calls::mode(count, folder, calls::Mode::Off)?,
        "async" => calls::mode(count, folder, calls::Mode::Asynchronous)?,
        "sync" => calls::mode(count, folder, calls::Mode::Synchronous)?,
        other => bail!("`{other}` is no case"),
    };
    print(&found);
    Ok(())
}

/// Figures by name.
type Found = Vec<(&'static str, f64)>;

#[expect(clippy::print_stdout, reason = "its figures are what this program is for")]
fn print(found: &Found) {
    for (name, value) in found {
        println!("{name} {value}");
    }
}
