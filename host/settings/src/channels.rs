//! What clients may do by themselves on channels.

use crate::schema::{
    Kind,
    kind::{quoted, truth, words},
    settings,
    table::Table,
    value::Value,
};
use std::fmt;
use tengen_wire::id::{NAME_RULE, is_name};

settings! {
    /// What clients may do by themselves on the channels of a name; the first table that matches decides, and without one nobody
    /// may do anything. What plugins do is theirs to say, by `grant.publish`.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct ChannelRule {
        /// a channel, or a beginning and `*`; `{user}` stands for a user's name, as in `user/{user}`
        name: ChannelName = Kind::new(channel_name, |it| quoted(it))
            .required(ChannelName::default(), "\"room/*\"", "say which channels, as in name = \"room/*\"");
        /// who may subscribe: `nobody`, `any`, `users` (who is not anonymous) or `owner` (whom the channel is named after)
        subscribe: Who = who().or(Who::Nobody);
        /// who may publish: the same words
        publish: Who = who().or(Who::Nobody);
        /// whether connections of a user are subscribed to the channel that is named after it, from their beginning
        personal: bool = truth().or(false);
    }
    later ["policy", "history", "presence"]
    then ChannelRule::complete;
}

/// Who may do something on a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Who {
    #[default]
    Nobody,
    /// Everybody, anonymous clients as well.
    Any,
    /// Clients with a user.
    Users,
    /// The user that the channel is named after.
    Owner,
}

/// Names of channels: a text, or a beginning that a `*` ends; in it may stand `{user}`, once, for a user's name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChannelName {
    /// Up to the user's name, if there is one.
    before: String,
    /// What follows the user's name, up to the star.
    after: Option<String>,
    is_open: bool,
}

/// Whether a channel is one of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named<'c> {
    No,
    Yes,
    /// It is, and is this user's.
    After(&'c str),
}

const USER: &str = "{user}";

impl ChannelName {
    /// Reads what stands in a configuration.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (rest, is_open) = match text.strip_suffix('*') {
            Some(rest) => (rest, true),
            None => (text, false),
        };
        if rest.contains('*') {
            return Err(format!(
                "`{text}` has a `*` in a place where it has no meaning; write it once, at the end"
            ));
        }
        let (before, after) = match rest.split_once(USER) {
            Some((before, after)) => (before, Some(after)),
            None => (rest, None),
        };
        if [Some(before), after].into_iter().flatten().any(|part| part.contains(['{', '}'])) {
            return Err(format!(
                "`{text}` has a place for something else than a user; write `{USER}`, once"
            ));
        }
        // Where one name ends has to be seen, or one channel would be two users'.
        if is_open && after == Some("") {
            return Err(format!(
                "`{text}` does not say where the user's name ends; write something between `{USER}` and `*`, as in `user/{USER}/*`"
            ));
        }
        let sample = [
            before,
            after.map_or("", |_| "u"),
            after.unwrap_or(""),
            if is_open { "x" } else { "" },
        ];
        if !is_name(&sample.concat()) {
            return Err(format!("`{text}` is no name of a channel; write {NAME_RULE}"));
        }
        Ok(Self { before: before.to_owned(), after: after.map(str::to_owned), is_open })
    }

    /// Whether this channel is one of these, and whose: of one user at most, whatever users are called. Where more may follow
    /// a user's name, it ends where what follows it here begins for the first time.
    pub fn names<'c>(&self, channel: &'c str) -> Named<'c> {
        let Some(rest) = channel.strip_prefix(self.before.as_str()) else { return Named::No };
        let user = match (&self.after, self.is_open) {
            (None, true) => return Named::Yes,
            (None, false) => return if rest.is_empty() { Named::Yes } else { Named::No },
            (Some(after), false) => rest.strip_suffix(after.as_str()),
            (Some(after), true) => rest.split_once(after.as_str()).map(|(user, _)| user),
        };
        user.filter(|user| !user.is_empty()).map_or(Named::No, Named::After)
    }

    /// What all channels of it begin with, and whether more follows.
    pub fn beginning(&self) -> (&str, bool) {
        (&self.before, self.is_open || self.after.is_some())
    }

    /// The one channel that is named after this user; none where there may be several, or none is named after anybody.
    pub fn of(&self, user: &str) -> Option<String> {
        let after = self.after.as_ref().filter(|_| !self.is_open)?;
        Some([&self.before, user, after].concat())
    }

    /// Whether channels of it are named after users.
    pub fn is_owned(&self) -> bool {
        self.after.is_some()
    }
}

impl fmt::Display for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.before)?;
        if let Some(after) = &self.after {
            write!(f, "{USER}{after}")?;
        }
        f.write_str(if self.is_open { "*" } else { "" })
    }
}

impl ChannelRule {
    /// An owner has to be named, and one channel to be somebody's own.
    fn complete(&mut self, table: &Table<'_>) {
        if !table.is_whole() {
            return;
        }
        let owned = self.name.is_owned();
        for (key, who) in [("subscribe", self.subscribe), ("publish", self.publish)] {
            if who == Who::Owner && !owned {
                let what = format!(
                    "nobody owns `{}`; name it after its owner, as in name = \"user/{USER}\"",
                    self.name
                );
                table.document.mistake(&table.place_of(key), what);
            }
        }
        if self.personal && (!owned || self.name.is_open) {
            let what = format!(
                "`{}` is not one channel of each user; write a name with `{USER}` and without `*`, as in name = \"user/{USER}\"",
                self.name
            );
            table.document.mistake(&table.place_of("personal"), what);
        }
    }
}

fn who() -> Kind<Who> {
    let all =
        [("nobody", Who::Nobody), ("any", Who::Any), ("users", Who::Users), ("owner", Who::Owner)];
    words(all, &[])
}

fn channel_name(value: &Value<'_>) -> Option<ChannelName> {
    value.filled()?;
    value.read(ChannelName::parse)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn names<'c>(name: &str, channel: &'c str) -> Named<'c> {
        ChannelName::parse(name).unwrap().names(channel)
    }

    #[test]
    fn a_name_is_a_text_or_a_beginning() {
        assert_eq!(names("hall", "hall"), Named::Yes);
        assert_eq!(names("hall", "halls"), Named::No);
        assert_eq!(names("room/*", "room/1"), Named::Yes);
        assert_eq!(names("room/*", "rooms"), Named::No);
        assert_eq!(names("*", "whatever"), Named::Yes);
    }

    #[test]
    fn a_channel_is_named_after_one_user() {
        assert_eq!(names("user/{user}", "user/ann"), Named::After("ann"));
        assert_eq!(names("user/{user}", "user/a/b"), Named::After("a/b"));
        assert_eq!(names("user/{user}", "user/"), Named::No);
        assert_eq!(names("user/{user}/inbox", "user/ann/inbox"), Named::After("ann"));
        assert_eq!(names("user/{user}/inbox", "user/a/inbox/inbox"), Named::After("a/inbox"));
        assert_eq!(names("user/{user}/inbox", "user/inbox"), Named::No);
        assert_eq!(names("user/{user}/*", "user/a/b/c"), Named::After("a"), "and not a/b's");
        assert_eq!(names("user/{user}/*", "user//c"), Named::No);
        assert_eq!(names("{user}", "ann"), Named::After("ann"));
    }

    #[test]
    fn what_is_no_name_is_told() {
        for (name, why) in [
            ("a*b", "has no meaning"),
            ("**", "has no meaning"),
            ("user/{name}", "write `{user}`, once"),
            ("{user}/{user}", "write `{user}`, once"),
            ("user/{user}*", "where the user's name ends"),
            (" room", "no name of a channel"),
            ("room\u{200b}", "no name of a channel"),
        ] {
            let said = ChannelName::parse(name).unwrap_err();
            assert!(said.contains(why), "{name}: {said}");
        }
        let long = "r".repeat(257);
        assert!(ChannelName::parse(&long).is_err());
    }

    proptest! {
        /// Whatever users are called and whatever follows: the channel of one is never another's.
        #[test]
        fn nobody_is_named_in_the_channel_of_another(
            name in prop_oneof![Just("user/{user}"), Just("user/{user}/inbox"), Just("{user}/x")],
            user in "[ab/x]{1,6}",
            other in "[ab/x]{1,6}",
        ) {
            let name = ChannelName::parse(name).unwrap();
            let channel = name.of(&user).unwrap();
            prop_assert_eq!(name.names(&channel), Named::After(&user));
            prop_assert_eq!(name.of(&other) == Some(channel), user == other);
        }

        #[test]
        fn a_name_is_shown_as_it_is_read(before in "[a-c/]{1,4}", after in "[a-c/]{1,4}", owned: bool, open: bool) {
            let user = if owned { "{user}" } else { "" };
            let text = [&*before, user, &*after, if open { "*" } else { "" }].concat();
            prop_assert_eq!(ChannelName::parse(&text).unwrap().to_string(), text);
        }
    }
}
