//! A chat: rooms, names, who is here, and the last messages for newcomers.
//!
//! | a client sends | with | and is answered |
//! |---|---|---|
//! | `chat/join` | `{room, name}` | `{room, you, members, recent, seq, greeting, version}` |
//! | `chat/say` | `{text, n?}` | `{room, seq, greeting, version}` |
//! | `chat/who` | – | `{room, members}` |
//! | `chat/leave` | – | `{room}` |
//!
//! Everybody in the room then gets `chat/said`, `chat/joined` or `chat/left`. Messages are numbered per room, without
//! gaps, so every client can see that it missed none. A reload keeps rooms and names: they are in the snapshot.

mod rooms;
mod talk;

use rooms::{Rooms, Said};
use talk::{Here, Joined, Left, Receipt, Welcome};
use tengen_plugin::{
    Closing, Context, Fault, Handle, Handler, Message, Part, Plugin, Result, Snapshot, StartReason,
    Target, config, debug, export, info,
    signals::{Level, timed},
};

/// What newcomers are greeted with, unless the configuration has a `greeting`. Change it, build, and watch the page.
const GREETING: &str = "Welcome";

const VERSION: &str = env!("CARGO_PKG_VERSION");

#[derive(Debug)]
struct Chat {
    greeting: String,
    rooms: Rooms,
}

impl Plugin for Chat {
    const EVENTS: &'static [&'static str] = &["chat/*"];

    fn start(reason: StartReason) -> Result<Self, String> {
        let greeting = config::get("greeting").unwrap_or_else(|| GREETING.to_owned());
        info!("chat/started", greeting = &greeting, reason = format!("{reason:?}"); "chat {VERSION} starts");
        Ok(Self { greeting, rooms: Rooms::default() })
    }
}

impl Handler for Chat {
    fn message(&mut self, ctx: &mut Context, from: Handle, message: Message) -> Result {
        match message.id.as_str() {
            "chat/say" => self.say(ctx, from, &message.json()?),
            "chat/join" => self.join(ctx, from, &message.json()?),
            "chat/who" => {
                let room = self.rooms.room_of(from)?;
                ctx.reply(&Here { room, members: self.rooms.names_in(room) })
            }
            "chat/leave" => {
                let room = self.rooms.room_of(from)?.to_owned();
                self.leave(ctx, from)?;
                ctx.unsubscribe(from, channel(&room));
                ctx.reply(&talk::InRoom { room: &room })
            }
            id => Err(Fault::new("unknown-event", format!("chat has no `{id}`"))),
        }
    }

    fn closed(&mut self, ctx: &mut Context, connection: Handle, _: Closing) -> Result {
        self.leave(ctx, connection)
    }
}

impl Chat {
    fn join(&mut self, ctx: &mut Context, from: Handle, wish: &talk::Join) -> Result {
        let wish = self.rooms.check(wish)?;
        if let Ok(before) = self.rooms.room_of(from).map(str::to_owned) {
            self.leave(ctx, from)?;
            if before != wish.room {
                ctx.unsubscribe(from, channel(&before));
            }
        }
        let you = self.rooms.enter(from, &wish)?;
        // The order matters: what is said from here on comes after the answer, and what was said before is in it.
        ctx.subscribe(from, channel(&wish.room));
        let members = self.rooms.names_in(&wish.room);
        let (seq, recent) = self.rooms.recent_in(&wish.room);
        ctx.reply(&Welcome {
            room: &wish.room,
            you: &you,
            members: &members,
            recent,
            seq,
            greeting: &self.greeting,
            version: VERSION,
        })?;
        let news = Joined { room: &wish.room, name: &you, members: &members };
        ctx.push(Target::channel(channel(&wish.room)), "chat/joined", &news)?.except(from);
        Ok(())
    }

    fn say(&mut self, ctx: &mut Context, from: Handle, wish: &talk::Say) -> Result {
        let said = self.rooms.say(from, wish, ctx.at_ms())?;
        let news = said.with(&self.greeting, VERSION);
        ctx.push(Target::channel(channel(&said.room)), "chat/said", &news)?;
        ctx.reply(&Receipt {
            room: &said.room,
            seq: said.seq,
            greeting: &self.greeting,
            version: VERSION,
        })
    }

    /// Takes a connection out of its room, if it is in one, and tells the others.
    fn leave(&mut self, ctx: &mut Context, who: Handle) -> Result {
        let Some((room, name)) = self.rooms.leave(who) else { return Ok(()) };
        debug!("chat/left", room = &room; "somebody left");
        let news = Left { room: &room, name: &name, members: &self.rooms.names_in(&room) };
        ctx.push(Target::channel(channel(&room)), "chat/left", &news)?.except(who);
        Ok(())
    }
}

impl Snapshot for Chat {
    const WRITES: &'static str = "chat/1";

    fn save(&mut self) -> Result<Vec<u8>, String> {
        Part::to_json(&self.rooms)
    }

    fn load(&mut self, parts: Vec<Part>, _: u32, of: u32) -> Result<(), String> {
        if of > 1 || parts.len() > 1 {
            return Err("chat keeps all rooms in one instance: set `instances = 1`".to_owned());
        }
        timed(Level::Debug, "chat/loaded", "rooms and names are taken over", || {
            for part in parts {
                self.rooms = part.json()?;
            }
            Ok(())
        })
    }
}

/// The channel of a room; the grant is `publish = ["room/*"]`.
fn channel(room: &str) -> String {
    format!("room/{room}")
}

export!(Chat: Plugin, Handler, Snapshot);

#[cfg(test)]
mod tests;
