//! What a plugin keeps with a connection.

use super::{Context, Sent};
use crate::{Action, Attribute, Handle, effects::DataChange};

impl Context {
    /// Keeps a text with a connection, by name. It is among the `attributes` of the connection whenever the plugin hears of it
    /// anew, after a trap or a reload too, and ends with the connection. No other plugin sees it. At most 64 of a connection,
    /// and 4,096 bytes of them; more is refused with `limit-reached`.
    pub fn set_attribute(
        &mut self,
        connection: Handle,
        name: impl Into<String>,
        value: impl Into<String>,
    ) -> Sent<'_> {
        let attribute = Attribute { key: name.into(), value: value.into() };
        self.set_data(DataChange { set: vec![attribute], ..change(connection) })
    }

    /// Takes away what is kept with a connection by this name; that nothing is, is no fault.
    pub fn remove_attribute(&mut self, connection: Handle, name: impl Into<String>) -> Sent<'_> {
        self.set_data(DataChange { unset: vec![name.into()], ..change(connection) })
    }

    /// Gives a connection a tag, by which [`Target::Tagged`](crate::Target::Tagged) reaches it from then on, together with all others that this plugin
    /// has given it: over traps and reloads, until the connection ends. At most 16 of a connection; more are refused with
    /// `limit-reached`.
    ///
    /// ```
    /// use tengen_plugin::{Connection, Context, Result, Target};
    ///
    /// fn opened(ctx: &mut Context, connection: Connection) -> Result {
    ///     ctx.tag(connection.handle, "waiting");
    ///     ctx.push(Target::Tagged("waiting".into()), "game/one-more", "")?;
    ///     Ok(())
    /// }
    /// ```
    pub fn tag(&mut self, connection: Handle, tag: impl Into<String>) -> Sent<'_> {
        self.set_data(DataChange { tag: vec![tag.into()], ..change(connection) })
    }

    /// Takes a tag away from a connection; one that it does not have is no fault.
    pub fn untag(&mut self, connection: Handle, tag: impl Into<String>) -> Sent<'_> {
        self.set_data(DataChange { untag: vec![tag.into()], ..change(connection) })
    }

    /// Changes several attributes and tags at once: all of it is done, or nothing.
    pub fn set_data(&mut self, change: DataChange) -> Sent<'_> {
        self.effect(Action::SetData(change))
    }
}

/// A change of nothing.
fn change(connection: Handle) -> DataChange {
    let (unset, tag, untag) = Default::default();
    DataChange { connection, set: Vec::new(), unset, tag, untag }
}
