//! Good messages that are large, all at once: the plugin's memory is smaller than their sum.

use super::{Done, breathe, crowd};
use crate::{
    hostile::arena::{Arena, Grounds, PLUGIN_MEMORY, Part, answer, ask, plugin},
    load::{Peer, frame_of},
};
use anyhow::Result;
use std::path::Path;

const CONNECTIONS: usize = 24;
/// A little less than the largest message.
const SIZE: usize = 1_000_000;

pub(super) fn config(grounds: &Grounds, folder: &Path) -> Result<Part> {
    let grant = "grant = { publish = [\"room/*\"] }";
    let mut part = plugin(grounds, folder, ("chat", "chat"), grant)?;
    part.text += "\n[[route]]\nevent = \"chat/*\"\nplugin = \"chat\"\n";
    part.memory = PLUGIN_MEMORY;
    Ok(part)
}

pub(super) async fn run(arena: &Arena<'_>) -> Result<Done> {
    let mut member = Peer::open(arena.address()).await?;
    ask(&mut member, "chat/join", r#"{"room":"keep","name":"member"}"#, "join").await?;
    let size = arena.count(SIZE);
    let frame = frame_of(&format!(r#"[["chat/say",{{"text":"{}"}}],"say"]"#, "x".repeat(size)));
    let mut rounds = 0;
    while !arena.is_over() {
        let mut peers = crowd(arena, CONNECTIONS).await?;
        let sent = peers.iter().map(|peer| peer.send(&frame));
        futures_util::future::join_all(sent).await;
        for peer in &mut peers {
            // Refused and closed are as good as answered.
            answer(peer, "say").await.ok();
        }
        rounds += 1;
        breathe().await;
    }
    let who = ask(&mut member, "chat/who", "null", "who").await?;
    let who = String::from_utf8_lossy(&who).into_owned();
    Ok(Done::new(format!("{rounds} times {} messages of {size} bytes", arena.count(CONNECTIONS)))
        .wrong_if(!who.contains(r#""room":"keep""#), format!("the room is gone: {who}")))
}
