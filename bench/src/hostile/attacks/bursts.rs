//! A thousand questions in one write to a plugin that has nothing else to do.

use super::{Done, breathe};
use crate::{
    hostile::arena::{Arena, answers},
    load::{Peer, frame_of},
};
use anyhow::Result;

const BURST: usize = 1000;

pub(super) async fn run(arena: &Arena<'_>) -> Result<Done> {
    let mut peer = Peer::open(arena.address()).await?;
    let (mut bursts, mut refused, mut disordered) = (0, 0, 0);
    while !arena.is_over() {
        let asks = (0..BURST).map(|n| frame_of(&format!(r#"[["hostile/well",1],"{n}"]"#)));
        peer.send(&asks.collect::<Vec<_>>().concat()).await?;
        let said = answers(&mut peer, BURST).await?;
        refused += said.iter().filter(|said| !said.starts_with(br#"["well""#)).count();
        let right =
            |(number, said): (usize, &Vec<u8>)| said.ends_with(format!("\"{number}\"]").as_bytes());
        disordered += usize::from(!said.iter().enumerate().all(right));
        bursts += 1;
        breathe().await;
    }
    Ok(Done::new(format!("{bursts} bursts of {BURST}"))
        .wrong_if(refused > 0, format!("{refused} questions were refused"))
        .wrong_if(disordered > 0, format!("{disordered} bursts were answered out of order")))
}
