//! An authenticator that says too much.

use super::{Done, breathe};
use crate::{
    hostile::arena::{Arena, Grounds, PLUGIN_MEMORY, Part, plugin},
    load::Peer,
};
use anyhow::Result;
use std::{collections::BTreeMap, path::Path};

/// What is asked for, and whether somebody may be let in with it: channels may be left out.
const QUERIES: [(&str, bool); 6] = [
    ("claims", false),
    ("more", false),
    ("long-name", false),
    ("escapes", false),
    ("channels", true),
    ("status", false),
];
/// Held open at one time: with 4 MB each, that is much, and not more than a machine has.
const HELD: usize = 100;

pub(super) fn config(grounds: &Grounds, folder: &Path) -> Result<Part> {
    let mut part = plugin(grounds, folder, ("says", "authenticator_hostile"), "")?;
    part.text += "\n[[endpoint]]\npath = \"/guarded\"\nauthenticator = \"says\"\n";
    part.memory = PLUGIN_MEMORY;
    Ok(part)
}

pub(super) async fn run(arena: &Arena<'_>) -> Result<Done> {
    let (mut held, mut let_in, mut asked) = (Vec::new(), BTreeMap::<&str, usize>::new(), 0);
    while !arena.is_over() {
        for (query, may) in QUERIES {
            let path = format!("/guarded?{query}");
            let headers = "Sec-WebSocket-Protocol: tengen.v1.json\r\n";
            asked += 1;
            let Ok(peer) = Peer::connect(arena.address(), &path, headers).await else { continue };
            if !may {
                *let_in.entry(query).or_default() += 1;
            }
            if held.len() < arena.count(HELD) {
                held.push(peer);
            }
        }
        breathe().await;
    }
    let let_in: Vec<String> =
        let_in.iter().map(|(query, count)| format!("{query} {count} times")).collect();
    Ok(Done::new(format!("{asked} upgrades"))
        .wrong_if(!let_in.is_empty(), format!("let in: {}", let_in.join(", "))))
}
