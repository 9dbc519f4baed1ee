//! Traps in a row of a plugin that thousands of connections belong to.

use super::{Done, breathe, crowd};
use crate::{
    hostile::arena::{Arena, ask},
    load::Peer,
};
use anyhow::Result;

const CONNECTIONS: usize = 5000;

pub(super) async fn run(arena: &Arena<'_>) -> Result<Done> {
    let open = crowd(arena, CONNECTIONS).await?;
    let mut peer = Peer::open(arena.address()).await?;
    arena.begin();
    let (mut trapped, mut put_off) = (0, 0);
    while !arena.is_over() {
        let said = ask(&mut peer, "hostile/trap", "1", "cb").await?;
        match said.windows(13).any(|window| window == b"plugin-failed") {
            true => trapped += 1,
            false => put_off += 1,
        }
        breathe().await;
    }
    Ok(Done::new(format!("{trapped} traps, {put_off} put off, {} connections open", open.len())))
}
