//! {{name}}: who says something is told its number, and everybody else hears it.

use serde::Deserialize;
use tengen_plugin::{Connection, Context, Fault, Handle, Handler, Message, Result, export, json};

/// The channel that everybody is in; the grant is `publish` in tengen.toml.
const ROOM: &str = "{{name}}/room";

#[derive(Default)]
struct Room(u32);

#[derive(Deserialize)]
struct Say {
    text: String,
}

impl Handler for Room {
    fn opened(&mut self, ctx: &mut Context, connection: Connection) -> Result {
        ctx.subscribe(connection.handle, ROOM);
        Ok(())
    }

    fn message(&mut self, ctx: &mut Context, from: Handle, message: Message) -> Result {
        if message.id != "{{name}}/say" {
            return Err(Fault::new("unknown-event", "say something by `{{name}}/say`"));
        }
        let Say { text } = message.json()?;
        if text.is_empty() {
            return Err(Fault::new("malformed", "say a word at least"));
        }
        self.0 += 1;
        ctx.reply(&json!({ "number": self.0 }))?;
        let said = json!({ "number": self.0, "text": text });
        ctx.publish(ROOM, "{{name}}/said", &said)?.except(from);
        Ok(())
    }
}

export!(Room: Handler);
