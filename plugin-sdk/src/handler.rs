//! The role that decides about events.

use crate::{
    Answer, Closing, Connection, Context, Event, Fault, Fetched, Handle, Message, Occurrence,
    Outcome, Plugin, Refused, Result, signals,
};

/// Decides about events: one method per kind, each empty unless written.
///
/// An `Err` fails that event alone: its effects are discarded and its sender gets the fault. What the method did to
/// `self` stays, so check before changing.
#[expect(unused_variables, reason = "the names are the documentation")]
pub trait Handler: Plugin {
    /// A connection was opened. Comes before its other events.
    fn opened(&mut self, ctx: &mut Context, connection: Connection) -> Result {
        Ok(())
    }

    /// A connection that was open before this instance began. Comes before its other events.
    fn adopted(&mut self, ctx: &mut Context, connection: Connection) -> Result {
        Ok(())
    }

    /// A client sent an event.
    fn message(&mut self, ctx: &mut Context, from: Handle, message: Message) -> Result {
        Ok(())
    }

    /// A connection is gone. Its last event; its handle means nothing from here on.
    fn closed(&mut self, ctx: &mut Context, connection: Handle, closing: Closing) -> Result {
        Ok(())
    }

    /// The connection is subscribed to a channel (not told by this version of the gateway).
    fn subscribed(&mut self, ctx: &mut Context, connection: Handle, channel: String) -> Result {
        Ok(())
    }

    /// The connection is no longer subscribed to a channel (not told by this version of the gateway).
    fn unsubscribed(&mut self, ctx: &mut Context, connection: Handle, channel: String) -> Result {
        Ok(())
    }

    /// A user's first connection was opened (not told by this version of the gateway).
    fn user_online(&mut self, ctx: &mut Context, user: String) -> Result {
        Ok(())
    }

    /// A user's last connection is gone (not told by this version of the gateway).
    fn user_offline(&mut self, ctx: &mut Context, user: String) -> Result {
        Ok(())
    }

    /// A timer is due: a connection's, or the plugin's own.
    fn timer(&mut self, ctx: &mut Context, connection: Option<Handle>, key: String) -> Result {
        Ok(())
    }

    /// A channel of [`Plugin::CHANNELS`] has its first subscriber. This and [`Handler::channel_vacated`] come in turn, but for
    /// what an instance hears that begins with nothing: of all channels that are occupied.
    fn channel_occupied(&mut self, ctx: &mut Context, channel: String) -> Result {
        Ok(())
    }

    /// A channel of [`Plugin::CHANNELS`] has lost its last subscriber.
    fn channel_vacated(&mut self, ctx: &mut Context, channel: String) -> Result {
        Ok(())
    }

    /// A client answered an `ask` (not offered by this version of the gateway).
    fn answered(
        &mut self,
        ctx: &mut Context,
        connection: Option<Handle>,
        answer: Answer,
    ) -> Result {
        Ok(())
    }

    /// A `fetch` has ended (not offered by this version of the gateway).
    fn fetched(&mut self, ctx: &mut Context, fetched: Fetched) -> Result {
        Ok(())
    }

    /// An effect that had a key was not carried out, or not to all of its receivers; a subscription has the name of its
    /// channel as its key.
    fn refused(&mut self, ctx: &mut Context, refused: Refused) -> Result {
        Ok(())
    }

    /// So many of the connection's messages never reached this plugin (not told by this version of the gateway).
    fn lost(&mut self, ctx: &mut Context, connection: Handle, messages: u32) -> Result {
        Ok(())
    }
}

/// Deals a batch out to the methods and collects what they decided.
pub fn dispatch<H: Handler>(handler: &mut H, events: Vec<Event>) -> Outcome {
    let mut effects = Vec::with_capacity(events.len());
    let mut failures = Vec::new();
    for (by, event) in (0..).zip(events) {
        let since = effects.len();
        let mut ctx = Context::new(&mut effects, by, event.connection, event.seq, event.at_ms);
        let decided =
            signals::about(by, || decide(handler, &mut ctx, event.connection, event.what));
        if let Err(why) = decided {
            failures.push(ctx.fail(since, why));
        }
    }
    Outcome { effects, failures }
}

fn decide<H: Handler>(
    handler: &mut H,
    ctx: &mut Context,
    connection: Option<Handle>,
    what: Occurrence,
) -> Result {
    // The gateway always names the connection of what happens to one.
    let of = || connection.ok_or_else(|| Fault::new("plugin-failed", "an event of no connection"));
    match what {
        Occurrence::Message(message) => {
            ctx.waits_for(message.reply_to);
            handler.message(ctx, of()?, message)
        }
        Occurrence::Opened(opened) => handler.opened(ctx, opened),
        Occurrence::Adopted(adopted) => handler.adopted(ctx, adopted),
        Occurrence::Closed(closing) => handler.closed(ctx, of()?, closing),
        Occurrence::Subscribed(channel) => handler.subscribed(ctx, of()?, channel),
        Occurrence::Unsubscribed(channel) => handler.unsubscribed(ctx, of()?, channel),
        Occurrence::UserOnline(user) => handler.user_online(ctx, user),
        Occurrence::UserOffline(user) => handler.user_offline(ctx, user),
        Occurrence::Timer(key) => handler.timer(ctx, connection, key),
        Occurrence::ChannelOccupied(channel) => handler.channel_occupied(ctx, channel),
        Occurrence::ChannelVacated(channel) => handler.channel_vacated(ctx, channel),
        Occurrence::Answered(answer) => handler.answered(ctx, connection, answer),
        Occurrence::Fetched(fetched) => handler.fetched(ctx, fetched),
        Occurrence::Refused(refused) => handler.refused(ctx, refused),
        Occurrence::Lost(messages) => handler.lost(ctx, of()?, messages),
        // Not asked for in `describe`, so never sent.
        Occurrence::Other(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests;
