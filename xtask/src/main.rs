//! The project's own commands: `cargo xtask help` lists them.

mod guests;

use anyhow::{Result, bail};

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.split_first() {
        Some((command, rest)) if command == "guests" => guests::run(rest),
        _ => bail!("{}", guests::USAGE),
    }
}
