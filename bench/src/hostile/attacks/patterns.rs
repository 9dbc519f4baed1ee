//! A plugin whose description is as long as it likes, put in the place of a good one.

use super::{Done, crowd};
use crate::hostile::arena::{Arena, Grounds, Part, ask, handler};
use anyhow::Result;
use std::{fs, path::Path};

const CONNECTIONS: usize = 10;

/// The list alone takes more than the default.
const MEGABYTES: usize = 64;

pub(super) fn config(grounds: &Grounds, folder: &Path) -> Result<Part> {
    handler(grounds, folder, ("hostile", "handler_hostile"), MEGABYTES)
}

pub(super) async fn run(arena: &Arena<'_>) -> Result<Done> {
    fs::copy(arena.grounds.guest("handler_patterns")?, arena.file("hostile"))?;
    let reloaded = match arena.reload("hostile").await {
        Ok(()) => "taken".to_owned(),
        Err(error) => format!("refused: {error:#}"),
    };
    let mut peers = crowd(arena, CONNECTIONS).await?;
    arena.begin();
    let mut asked = 0;
    while !arena.is_over() {
        for peer in &mut peers {
            ask(peer, "hostile/well", "1", "cb").await?;
            asked += 1;
        }
    }
    Ok(Done::new(format!("{asked} events; the plugin was {reloaded}")))
}
