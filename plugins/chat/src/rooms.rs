//! Who is where, and what was said last: all of the chat's state, and the snapshot of it.

use crate::talk::{Join, Say};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use tengen_plugin::{Fault, Handle};

/// Messages kept for newcomers, in each room.
const RECENT: usize = 20;
/// Rooms, empty ones included: an empty room is forgotten when its place is needed.
const ROOMS: usize = 256;
/// Characters in the name of a room or a person.
const NAME: usize = 32;
/// Bytes in a message.
const TEXT: usize = 2000;

/// All rooms and everybody in them.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rooms {
    rooms: BTreeMap<String, Room>,
    people: BTreeMap<Handle, Person>,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Room {
    /// The number of the last message.
    seq: u64,
    recent: VecDeque<Said>,
    /// In the order in which they came.
    members: Vec<Handle>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Person {
    name: String,
    room: String,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Said {
    pub room: String,
    /// Counts the room's messages from 1.
    pub seq: u64,
    pub from: String,
    pub text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<u64>,
    /// Milliseconds since the Unix epoch.
    pub at: u64,
}

impl Rooms {
    /// The wish with its names trimmed, if it can be fulfilled: changes nothing.
    pub fn check(&self, wish: &Join) -> Result<Join, Fault> {
        let wish = Join { room: name("room", &wish.room)?, name: name("name", &wish.name)? };
        let is_full =
            self.rooms.len() >= ROOMS && self.rooms.values().all(|room| !room.members.is_empty());
        if is_full && !self.rooms.contains_key(&wish.room) {
            return Err(Fault::new(
                "limit-reached",
                "there are as many rooms as there may be: join another",
            ));
        }
        Ok(wish)
    }

    /// Puts a connection that is in no room into one; returns the name it goes by.
    pub fn enter(&mut self, who: Handle, wish: &Join) -> Result<String, Fault> {
        self.make_place_for(&wish.room);
        let name = self.free_name(&wish.room, &wish.name);
        let person = Person { name: name.clone(), room: wish.room.clone() };
        self.rooms.entry(wish.room.clone()).or_default().members.push(who);
        self.people.insert(who, person);
        Ok(name)
    }

    /// Takes a connection out of its room; returns the room and the name it had.
    pub fn leave(&mut self, who: Handle) -> Option<(String, String)> {
        let Person { name, room } = self.people.remove(&who)?;
        if let Some(left) = self.rooms.get_mut(&room) {
            left.members.retain(|&member| member != who);
            if left.members.is_empty() && left.recent.is_empty() {
                self.rooms.remove(&room);
            }
        }
        Some((room, name))
    }

    /// Numbers a message and keeps it for newcomers.
    pub fn say(&mut self, who: Handle, wish: &Say, at_ms: f64) -> Result<Said, Fault> {
        let text = wish.text.trim();
        if text.is_empty() || text.len() > TEXT {
            return Err(Fault::new("bad-text", format!("a message has 1 to {TEXT} bytes")));
        }
        let person = self.people.get(&who).ok_or_else(not_in_a_room)?;
        let room = self.rooms.get_mut(&person.room).ok_or_else(not_in_a_room)?;
        room.seq += 1;
        let said = Said {
            room: person.room.clone(),
            seq: room.seq,
            from: person.name.clone(),
            text: text.to_owned(),
            n: wish.n,
            at: at_ms as u64,
        };
        if room.recent.len() >= RECENT {
            room.recent.pop_front();
        }
        room.recent.push_back(said.clone());
        Ok(said)
    }

    /// The room that a connection is in.
    pub fn room_of(&self, who: Handle) -> Result<&str, Fault> {
        self.people.get(&who).map(|person| person.room.as_str()).ok_or_else(not_in_a_room)
    }

    /// The names of those in a room, in the order in which they came.
    pub fn names_in(&self, room: &str) -> Vec<&str> {
        let members = self.rooms.get(room).map_or(&[][..], |room| &room.members);
        members
            .iter()
            .filter_map(|who| self.people.get(who))
            .map(|person| person.name.as_str())
            .collect()
    }

    /// The number of a room's last message, and the last messages.
    pub fn recent_in(&self, room: &str) -> (u64, Vec<&Said>) {
        self.rooms
            .get(room)
            .map_or((0, Vec::new()), |room| (room.seq, room.recent.iter().collect()))
    }

    /// Forgets an empty room when there are too many for a new one.
    fn make_place_for(&mut self, room: &str) {
        if self.rooms.len() < ROOMS || self.rooms.contains_key(room) {
            return;
        }
        let quietest = self.rooms.iter().filter(|(_, room)| room.members.is_empty());
        let quietest = quietest.min_by_key(|(_, room)| room.recent.back().map(|said| said.at));
        if let Some(name) = quietest.map(|(name, _)| name.clone()) {
            self.rooms.remove(&name);
        }
    }

    /// The name itself, or with the first number that makes it one of its own.
    fn free_name(&self, room: &str, name: &str) -> String {
        let taken = self.names_in(room);
        if !taken.contains(&name) {
            return name.to_owned();
        }
        let numbered = (2..).map(|number: u32| format!("{name} {number}"));
        numbered
            .into_iter()
            .find(|name| !taken.contains(&name.as_str()))
            .unwrap_or_else(|| name.to_owned())
    }
}

fn not_in_a_room() -> Fault {
    Fault::new("not-in-a-room", "join a room first: `chat/join` with a room and a name")
}

fn name(what: &str, text: &str) -> Result<String, Fault> {
    let text = text.trim();
    let length = text.chars().count();
    if length == 0 || length > NAME || text.chars().any(char::is_control) {
        return Err(Fault::new(
            "bad-name",
            format!("a {what} has 1 to {NAME} characters on one line"),
        ));
    }
    Ok(text.to_owned())
}
