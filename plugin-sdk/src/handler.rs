//! The role that decides about events.

use crate::{
    Answered, Closing, Connection, Context, Decision, Event, Fault, Fetched, Handle, Message,
    Occurrence, Plugin, Refused, Result, signals,
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

    /// A connection is subscribed to these channels of [`Plugin::SUBSCRIPTIONS`], whoever has subscribed it. This and
    /// [`Handler::unsubscribed`] come in turn for each channel of a connection.
    fn subscribed(
        &mut self,
        ctx: &mut Context,
        connection: Handle,
        channels: Vec<String>,
    ) -> Result {
        Ok(())
    }

    /// A connection is subscribed to these channels no more: for one that ends, all that the plugin was told of, before
    /// [`Handler::closed`].
    fn unsubscribed(
        &mut self,
        ctx: &mut Context,
        connection: Handle,
        channels: Vec<String>,
    ) -> Result {
        Ok(())
    }

    /// With [`Plugin::USERS`]: a user has a first connection of those of the plugin's endpoints. This and
    /// [`Handler::user_offline`] come in turn for each user.
    fn user_online(&mut self, ctx: &mut Context, user: String) -> Result {
        Ok(())
    }

    /// With [`Plugin::USERS`]: a user has none of these connections any more.
    fn user_offline(&mut self, ctx: &mut Context, user: String) -> Result {
        Ok(())
    }

    /// With [`Plugin::MISSED`]: so many messages were left out of what a connection gets since the plugin was told last, because its client
    /// reads too slowly.
    fn missed(&mut self, ctx: &mut Context, connection: Handle, count: u32) -> Result {
        Ok(())
    }

    /// A request of [`Context::fetch`] has ended. The connection is that of the event that caused it, if it is still open.
    fn fetched(
        &mut self,
        ctx: &mut Context,
        connection: Option<Handle>,
        fetched: Fetched,
    ) -> Result {
        Ok(())
    }

    /// A question of [`Context::ask`] is over. Comes once for each that was not refused, with the connection that was asked and before its
    /// [`Handler::closed`]; without one if that ended while the plugin did not run.
    fn answered(
        &mut self,
        ctx: &mut Context,
        connection: Option<Handle>,
        answered: Answered,
    ) -> Result {
        Ok(())
    }

    /// An effect that had a key was not carried out, or not to all of its receivers. Subscriptions have the name of their
    /// channel as their key, timers their own.
    fn refused(&mut self, ctx: &mut Context, refused: Refused) -> Result {
        Ok(())
    }
}

/// Deals a batch out to the methods and collects what they decided, one for each event.
pub fn dispatch<H: Handler>(handler: &mut H, events: Vec<Event>) -> Vec<Decision> {
    let decided = (0..).zip(events).map(|(by, event)| {
        let mut ctx = Context::new(by, event.connection, event.seq, event.at_ms);
        let decided =
            signals::about(by, || decide(handler, &mut ctx, event.connection, event.what));
        ctx.decision(decided)
    });
    decided.collect()
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
        Occurrence::Timer(key) => handler.timer(ctx, connection, key),
        Occurrence::ChannelOccupied(channel) => handler.channel_occupied(ctx, channel),
        Occurrence::ChannelVacated(channel) => handler.channel_vacated(ctx, channel),
        Occurrence::Fetched(fetched) => handler.fetched(ctx, connection, fetched),
        Occurrence::Subscribed(channels) => handler.subscribed(ctx, of()?, channels),
        Occurrence::Unsubscribed(channels) => handler.unsubscribed(ctx, of()?, channels),
        Occurrence::UserOnline(user) => handler.user_online(ctx, user),
        Occurrence::UserOffline(user) => handler.user_offline(ctx, user),
        Occurrence::Missed(count) => handler.missed(ctx, of()?, count),
        Occurrence::Answered(answered) => handler.answered(ctx, connection, answered),
        Occurrence::Refused(refused) => handler.refused(ctx, refused),
        // Not asked for in `describe`, so never sent.
        Occurrence::Other(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests;
