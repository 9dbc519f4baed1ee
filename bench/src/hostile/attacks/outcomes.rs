//! A plugin whose decisions have very many further facts beside very many effects.

use super::Done;
use crate::{
    hostile::arena::{Arena, Grounds, Part, answers, handler},
    load::{Peer, frame_of},
};
use anyhow::Result;
use std::{
    path::Path,
    time::{Duration, Instant},
};

const BURST: usize = 64;
/// Building and carrying out one outcome; far more than it should take.
const OUTCOME: Duration = Duration::from_secs(5);
const MEGABYTES: usize = 64;

pub(super) fn config(grounds: &Grounds, folder: &Path) -> Result<Part> {
    handler(grounds, folder, ("outcomes", "handler_outcomes"), MEGABYTES)
}

pub(super) async fn run(arena: &Arena<'_>) -> Result<Done> {
    let mut peer = Peer::open(arena.address()).await?;
    let (mut bursts, mut failed, mut longest) = (0, 0, Duration::ZERO);
    while !arena.is_over() {
        let asks = (0..BURST).map(|n| frame_of(&format!(r#"[["outcomes/x",1],"{n}"]"#)));
        let began = Instant::now();
        peer.send(&asks.collect::<Vec<_>>().concat()).await?;
        let said = answers(&mut peer, BURST).await?;
        longest = longest.max(began.elapsed());
        let is_error = |said: &&Vec<u8>| said.starts_with(br#"[{"tengen/error""#);
        failed += said.iter().filter(is_error).count();
        bursts += 1;
    }
    let what = format!(
        "{bursts} times {BURST} events, {failed} of them failed, after {longest:.1?} at most"
    );
    Ok(Done::new(what).wrong_if(longest > OUTCOME, "an outcome took too long"))
}
