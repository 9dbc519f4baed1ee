//! A moderated room in Rust: who came first may send others out. What is in the rooms is kept over reloads.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};
use tengen_plugin::{
    Closing, Context, Fault, Handle, Handler, Message, Part, Plugin, Refused, Result, Snapshot,
    StartReason, Target, export, warn,
};

/// Of each room its members, in the order in which they came: the connection's handle, and a name.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Room {
    rooms: BTreeMap<String, Vec<(Handle, String)>>,
}

impl Plugin for Room {
    const EVENTS: &'static [&'static str] = &["room/*"];

    fn start(_: StartReason) -> Result<Self, String> {
        Ok(Self::default())
    }
}

impl Handler for Room {
    fn message(&mut self, ctx: &mut Context, from: Handle, message: Message) -> Result {
        // What a client of another format sends may have no form in JSON, and then comes as it is.
        let no_form = |_| Fault::new("unsupported", "what you sent has no form in JSON");
        let data: Value = match message.id.as_str() {
            "room/show" => Value::Null,
            _ => message.json().map_err(no_form)?,
        };
        if message.id == "room/join" {
            return self.join(ctx, from, &data);
        }
        let none = || Fault::new("not-found", "you are in no room: join one first");
        let (room, name) = self.find(from).ok_or_else(none)?;
        match message.id.as_str() {
            "room/say" => {
                let said = json!({ "from": name, "text": text(&data, "text", 65_536)? });
                ctx.publish(channel(&room), "room/said", &said)?;
                ctx.reply(&true)
            }
            "room/show" => {
                // What the sender has sent, whatever it is, without a look at it.
                let shown = ctx.of_event();
                ctx.publish(channel(&room), "room/shown", shown.clone())?;
                ctx.reply(shown)
            }
            "room/who" => {
                let members: Vec<_> = self.members(&room).iter().map(|(_, name)| name).collect();
                ctx.reply(&json!({ "room": room, "members": members }))
            }
            "room/kick" => self.kick(ctx, from, (&room, &name), &data),
            "room/remind" => {
                let ms = data.get("ms").and_then(Value::as_u64).filter(|ms| *ms <= 3_600_000);
                let why = "`ms` has to be a whole number of at most an hour";
                let ms = ms.ok_or_else(|| Fault::new("malformed", why))?;
                ctx.set_timer("remind", Duration::from_millis(ms));
                ctx.reply(&true)
            }
            _ => Err(Fault::new("unknown-event", "this room knows no such event")),
        }
    }

    fn closed(&mut self, ctx: &mut Context, connection: Handle, _: Closing) -> Result {
        self.leave(ctx, connection, false)
    }

    fn timer(&mut self, ctx: &mut Context, connection: Option<Handle>, _: String) -> Result {
        let Some(connection) = connection else { return Ok(()) };
        let Some((room, _)) = self.find(connection) else { return Ok(()) };
        ctx.push(connection, "room/reminded", &json!({ "room": room })).map(drop)
    }

    fn refused(&mut self, _: &mut Context, refused: Refused) -> Result {
        warn!("room/refused", key = refused.key; "{}", refused.why.message);
        Ok(())
    }
}

impl Room {
    fn members(&self, room: &str) -> &[(Handle, String)] {
        self.rooms.get(room).map_or(&[], Vec::as_slice)
    }

    /// The room that a connection is in, and its name there.
    fn find(&self, connection: Handle) -> Option<(String, String)> {
        self.rooms.iter().find_map(|(room, members)| {
            let (_, name) = members.iter().find(|(handle, _)| *handle == connection)?;
            Some((room.clone(), name.clone()))
        })
    }

    fn join(&mut self, ctx: &mut Context, from: Handle, data: &Value) -> Result {
        let (room, name) = (text(data, "room", 64)?, text(data, "name", 64)?);
        self.leave(ctx, from, true)?;
        let members = self.rooms.entry(room.to_owned()).or_default();
        members.push((from, name.to_owned()));
        ctx.reply(&json!({ "members": members.len() }))?;
        ctx.subscribe(from, channel(room));
        ctx.publish(channel(room), "room/joined", &json!({ "name": name }))?.except(from);
        Ok(())
    }

    fn kick(&mut self, ctx: &mut Context, from: Handle, me: (&str, &str), data: &Value) -> Result {
        let (room, by) = me;
        let members = self.members(room);
        if members.first().is_none_or(|(first, _)| *first != from) {
            return Err(Fault::new("not-allowed", "only who came first may do that"));
        }
        let wanted = text(data, "name", 64)?;
        let Some(&(other, _)) = members.iter().find(|(_, name)| name == wanted) else {
            return ctx.reply_fault(Fault::new("not-found", "nobody here has that name"));
        };
        ctx.push(Target::Connection(other), "room/kicked", &json!({ "by": by }))?;
        self.leave(ctx, other, true)?;
        ctx.reply(&true)
    }

    /// Takes a connection out of its room, if it is in one.
    fn leave(&mut self, ctx: &mut Context, connection: Handle, is_open: bool) -> Result {
        let Some((room, name)) = self.find(connection) else { return Ok(()) };
        if let Some(members) = self.rooms.get_mut(&room) {
            members.retain(|(handle, _)| *handle != connection);
        }
        self.rooms.retain(|_, members| !members.is_empty());
        if is_open {
            ctx.unsubscribe(connection, channel(&room));
        }
        ctx.publish(channel(&room), "room/left", &json!({ "name": name }))?.except(connection);
        Ok(())
    }
}

/// The channel of a room; the grant is `publish = ["room/*"]`.
fn channel(room: &str) -> String {
    format!("room/{room}")
}

fn text<'a>(data: &'a Value, key: &str, most: usize) -> Result<&'a str> {
    let text = data.get(key).and_then(Value::as_str).unwrap_or_default();
    if text.is_empty() || text.chars().count() > most {
        let why = format!("`{key}` has to be a text of 1 to {most} characters");
        return Err(Fault::new("malformed", why));
    }
    Ok(text)
}

impl Snapshot for Room {
    const WRITES: &'static str = "room/1";

    fn save(&mut self) -> Result<Vec<u8>, String> {
        Part::to_json(self)
    }

    fn load(&mut self, parts: Vec<Part>, _: u32, _: u32) -> Result<(), String> {
        for part in parts {
            self.rooms.extend(part.json::<Self>()?.rooms);
        }
        Ok(())
    }
}

export!(Room: Plugin, Handler, Snapshot);
