//! Answers every event with its own data; an event that waits for no answer is pushed back to its sender.
//!
//! The payload is never read, and never copied: the gateway sends on the bytes that it already has.

use tengen_plugin::{Context, Handle, Handler, Message, Result, export};

#[derive(Debug, Default)]
struct Echo;

impl Handler for Echo {
    fn message(&mut self, ctx: &mut Context, from: Handle, message: Message) -> Result {
        if ctx.is_awaited() {
            return ctx.reply(ctx.of_event());
        }
        ctx.push(from, message.id, ctx.of_event())?;
        Ok(())
    }
}

export!(Echo: Handler);

#[cfg(test)]
mod tests {
    use super::*;
    use tengen_plugin::{Action, Content, Target, testing};

    #[test]
    fn a_request_is_answered_and_anything_else_comes_back() {
        let events = vec![
            testing::request(7, 1, "any/thing", &[1, 2]),
            testing::message(7, "other/thing", "data"),
        ];
        let outcome = testing::handle(&mut testing::start::<Echo>(), events);
        assert_eq!(outcome.failures().count(), 0);
        assert_eq!(outcome.reply(1), Some(Ok(&Content::OfEvent(0))));
        let actions: Vec<_> = outcome.actions().collect();
        let [Action::Push(push)] = actions.as_slice() else { panic!("{outcome:?}") };
        assert_eq!((&push.to, push.id.as_str()), (&Target::Connection(7), "other/thing"));
        assert_eq!(push.content, Content::OfEvent(1));
    }
}
