//! A plugin that logs megabytes.

use super::Done;
use crate::{
    hostile::arena::{Arena, answers},
    load::{Peer, frame_of},
};
use anyhow::Result;

const SIZE: usize = 5_000_000;
const BURST: usize = 6;

pub(super) async fn run(arena: &Arena<'_>) -> Result<Done> {
    let size = arena.count(SIZE);
    let mut peer = Peer::open(arena.address()).await?;
    let mut signals = 0;
    while !arena.is_over() {
        let asks = (0..BURST).map(|n| frame_of(&format!(r#"[["hostile/signal",{size}],"{n}"]"#)));
        peer.send(&asks.collect::<Vec<_>>().concat()).await?;
        answers(&mut peer, BURST).await?;
        signals += BURST;
    }
    Ok(Done::new(format!("{signals} signals of {size} bytes asked for")))
}
