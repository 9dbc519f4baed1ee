//! Reloads in a row of a plugin with every role, while visitors use it.

use super::Done;
use crate::{
    hostile::arena::{Arena, Grounds, PLUGIN_MEMORY, Part, ask, plugin},
    load::Peer,
};
use anyhow::Result;
use std::{fs, path::Path};

/// A plugin has an instance for each role.
const ROLES: usize = 3;

pub(super) fn config(grounds: &Grounds, folder: &Path) -> Result<Part> {
    let mut part = plugin(grounds, folder, ("roles", "every_role"), "")?;
    part.text += "\n[[route]]\nevent = \"roles/*\"\nplugin = \"roles\"\n\n[[endpoint]]\npath = \"/guarded\"\n\
                  authenticator = \"roles\"\n\n[[sink]]\nkind = \"plugin\"\nplugin = \"roles\"\n";
    part.memory = PLUGIN_MEMORY * ROLES;
    Ok(part)
}

pub(super) async fn run(arena: &Arena<'_>) -> Result<Done> {
    let original = fs::read(arena.grounds.guest("every_role")?)?;
    let (mut reloads, mut refused, mut turned_away) = (0, None, 0);
    while !arena.is_over() {
        // The same code under another hash, by turns: compiled twice and never again.
        let version = with_section(&original, reloads % 2);
        let part = arena.file("part");
        fs::write(&part, version)?;
        fs::rename(part, arena.file("roles"))?;
        match arena.reload("roles").await {
            Ok(()) => reloads += 1,
            Err(error) => {
                refused.get_or_insert(format!("after {reloads} reloads: {error:#}"));
                super::breathe().await;
            }
        }
        turned_away += usize::from(visit(arena).await.is_err());
    }
    let last = visit(arena).await;
    Ok(Done::new(format!("{reloads} reloads"))
        .wrong_if(refused.is_some(), refused.unwrap_or_default())
        .wrong_if(turned_away > 0, format!("{turned_away} visitors were turned away"))
        .wrong_if(last.is_err(), "nobody is let in at the end"))
}

/// Comes in by the authenticator and asks the handler.
async fn visit(arena: &Arena<'_>) -> Result<()> {
    let headers = "Sec-WebSocket-Protocol: tengen.v1.json\r\n";
    let mut peer = Peer::connect(arena.address(), "/guarded", headers).await?;
    let said = ask(&mut peer, "roles/x", "1", "cb").await?;
    anyhow::ensure!(said.starts_with(br#"["handled""#), "{}", String::from_utf8_lossy(&said));
    Ok(())
}

/// A component with one custom section more, which changes nothing but its bytes.
fn with_section(component: &[u8], number: u8) -> Vec<u8> {
    let (name, data) = (b"turn", [number]);
    let mut bytes = component.to_vec();
    bytes.extend([0, 1 + name.len() as u8 + data.len() as u8, name.len() as u8]);
    bytes.extend(name);
    bytes.extend(data);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_turns_differ_in_their_last_byte() {
        assert_eq!(with_section(b"x", 7), *b"x\x00\x06\x04turn\x07");
    }
}
