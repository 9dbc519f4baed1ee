//! One event that causes thousands of publications to thousands of subscribers.

use super::{Done, breathe, crowd};
use crate::{
    hostile::arena::{Arena, ask},
    load::Peer,
};
use anyhow::Result;

const SUBSCRIBERS: usize = 2000;
const PUBLICATIONS: usize = 4000;

pub(super) async fn run(arena: &Arena<'_>) -> Result<Done> {
    let count = arena.count(PUBLICATIONS);
    let (mut events, mut joined) = (0, 0);
    while !arena.is_over() {
        let mut subscribers = crowd(arena, SUBSCRIBERS).await?;
        for peer in &mut subscribers {
            ask(peer, "hostile/join", "1", "join").await?;
        }
        joined = subscribers.len();
        let mut publisher = Peer::open(arena.address()).await?;
        ask(&mut publisher, "hostile/publish", &format!("[{count},16]"), "cb").await?;
        events += 1;
        breathe().await;
    }
    Ok(Done::new(format!("{events} times {count} publications to {joined} subscribers")))
}
