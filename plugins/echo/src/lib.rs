//! Answers every message with its own data, and pushes back those that wait for no answer; no SDK in between.

wit_bindgen::generate!({ world: "handler-plugin", path: "../../wit" });

use exports::tengen::gateway::{
    handler,
    plugin::{self, Description, Encoding, StartReason},
};
use tengen::gateway::types::{
    Caused, Content, Effect, Event, Occurrence, Outcome, Push, Reply, Target,
};

struct Echo;
export!(Echo);

impl plugin::Guest for Echo {
    fn describe() -> Description {
        Description {
            name: "echo".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            encoding: Encoding::Json,
            max_batch: 64,
            events: Vec::new(),
            others: Vec::new(),
            snapshot_writes: None,
            snapshot_reads: Vec::new(),
        }
    }

    fn start(_: StartReason) -> Result<(), String> {
        Ok(())
    }

    fn stop() {}
}

impl handler::Guest for Echo {
    fn handle(events: Vec<Event>) -> Result<Outcome, String> {
        let mut effects = Vec::with_capacity(events.len());
        for (by, event) in (0..).zip(events) {
            let (Occurrence::Message(message), Some(connection)) = (event.what, event.connection)
            else {
                continue;
            };
            let what = match message.reply_to {
                Some(reply_to) => {
                    Effect::Reply(Reply { reply_to, value: Ok(Content::OfEvent(by)) })
                }
                None => Effect::Push(Push {
                    to: Target::Connection(connection),
                    except: None,
                    id: message.id,
                    content: Content::OfEvent(by),
                    key: None,
                }),
            };
            effects.push(Caused { by, what });
        }
        Ok(Outcome { effects, failures: Vec::new() })
    }
}
