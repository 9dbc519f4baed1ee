//! Names of things: connections, users, plugins, channels, events.

use std::{fmt, ops::Deref, sync::Arc};

/// One WebSocket connection, named once and never again (UUIDv7, RFC 9562 section 5.7).
///
/// Minted by the gateway, never taken from a client, never restored after a reconnect.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId([u8; 16]);

impl ConnectionId {
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, byte) in self.0.iter().enumerate() {
            if matches!(place, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A connection as plugins name it: short, and stable over reloads.
///
/// Not used again while a plugin may still hold it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Handle(pub u32);

/// Where an endpoint stands in the configuration: cheap to compare, meaningless to users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EndpointIndex(pub u16);

/// Makes a name type: text that is shared by reference count, so that a clone copies no bytes.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Eq, Hash, PartialOrd, Ord)]
        #[expect(clippy::derived_hash_with_manual_eq, reason = "equal as derived, only sooner")]
        pub struct $name(Arc<str>);

        impl PartialEq for $name {
            #[inline]
            fn eq(&self, other: &Self) -> bool {
                Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
            }
        }

        impl $name {
            pub fn new(text: impl Into<Arc<str>>) -> Self {
                Self(text.into())
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Deref for $name {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }
    };
}

name! {
    /// A user as the authenticator names it. One user may have many connections.
    UserId
}
name! {
    /// A plugin as the configuration names it (`[plugin.NAME]`).
    PluginName
}
name! {
    /// A named set of subscribers.
    Channel
}
name! {
    /// What a plugin has given connections, to find them by. Each plugin has its own.
    Tag
}
name! {
    /// What an event is: `ns/name`, without the colon that EDN writes before a keyword.
    ///
    /// Text that came from outside passes [`EventId::parse`] first.
    EventId
}

/// The longest event id, in bytes.
pub const EVENT_ID_MAX: usize = 128;

impl EventId {
    /// Checks text that came from a peer or a plugin: `ns/name`, 1 to 128 bytes, no white space, no control or invisible
    /// characters.
    pub fn parse(text: &str) -> Option<Self> {
        is_event_id(text).then(|| Self::new(text))
    }

    /// Whether the id lies in a namespace that only the gateway may send: `chsk` and `tengen`.
    pub fn is_reserved(&self) -> bool {
        is_reserved(self)
    }
}

/// Whether an event id lies in the gateway's own namespaces, `chsk` and `tengen`.
pub fn is_reserved(id: &str) -> bool {
    matches!(id.split_once('/'), Some(("chsk" | "tengen", _)))
}

/// Whether text has the form of an event id.
pub fn is_event_id(text: &str) -> bool {
    let plain = |part: &str| !part.is_empty() && !part.contains(char::is_whitespace);
    text.len() <= EVENT_ID_MAX
        && matches!(text.split_once('/'), Some((ns, name)) if plain(ns) && plain(name))
        && is_seen(text)
}

/// The longest name of a channel, a user or a key, in bytes.
pub const NAME_MAX: usize = 256;

/// What a name is, for those whose was none.
pub const NAME_RULE: &str =
    "1 to 256 bytes, no control, invisible or blank characters, no space at its beginning or end";

/// Whether text may name a channel, a user or a key: 1 to 256 bytes; no control characters, and nothing that does not show;
/// of all that is blank only spaces (U+0020), and none of them at an end. What does not show by itself may stand where
/// scripts from Arabic on and pictures are written with it, and nowhere else. Names that look alike are another thing: those
/// of other letters, or of the same ones composed in another way.
pub fn is_name(text: &str) -> bool {
    let ends = text.starts_with(' ') || text.ends_with(' ');
    !text.is_empty() && text.len() <= NAME_MAX && !ends && is_seen(text)
}

fn is_seen(text: &str) -> bool {
    seen(text).all(|(c, shows)| shows && (c == ' ' || !is_blank(c)))
}

/// The characters of a text, and whether each of them shows where it stands.
pub fn seen(text: &str) -> impl Iterator<Item = (char, bool)> {
    let mut before = END;
    let mut rest = text.chars().peekable();
    std::iter::from_fn(move || {
        let c = rest.next()?;
        let after = rest.peek().copied().unwrap_or(END);
        Some((c, shows(std::mem::replace(&mut before, c), c, after)))
    })
}

/// What stands before a text and behind it.
const END: char = '\0';

/// Whether a character shows between these two. Two that do not show by themselves may stand where scripts and pictures are
/// written with them: a joiner between two that are joined, and the selector of a picture behind one.
fn shows(before: char, c: char, after: char) -> bool {
    match c {
        '\u{200c}' | '\u{200d}' => (is_joined(before) || before == PICTURE) && is_joined(after),
        PICTURE => is_picture(before),
        _ => !is_unseen(c),
    }
}

/// The selector that makes a picture of a sign: variation selector 16.
const PICTURE: char = '\u{fe0f}';

/// Whether joiners change how a character is shown: those of scripts from Arabic on do, and pictures.
fn is_joined(c: char) -> bool {
    c >= '\u{600}' && !is_unseen(c)
}

/// Whether a character may be shown as a picture: a sign, or one of the few letters that are.
fn is_picture(c: char) -> bool {
    let sign =
        matches!(c, '©' | '®' | '\u{2010}'..=char::MAX) && !c.is_alphabetic() && !is_unseen(c);
    sign || matches!(c, 'ℹ' | 'Ⓜ' | '🅰' | '🅱' | '🅾' | '🅿')
}

/// Whether a character takes room and leaves it empty: white space, and what looks like it.
fn is_blank(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{2800}' | '\u{16fe4}' | '\u{1d159}')
}

/// Whether a character shows nothing, or changes how others around it are shown: control characters, ends of lines, those
/// that Unicode calls ignorable by default (invisible letters, joiners, turns of direction), and notes between lines.
pub fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_id_has_a_namespace_and_a_name_and_no_white_space() {
        for good in ["a/b", "chat.room/say!", "raw/text", &format!("a/{}", "b".repeat(126))] {
            assert!(is_event_id(good), "{good}");
        }
        for bad in [
            "",
            "a",
            "/",
            "a/",
            "/b",
            "a b/c",
            "a/b\n",
            "a/\u{85}",
            "a/b\u{200b}",
            "\u{feff}a/b",
            "a/\u{202e}b",
            &format!("a/{}", "b".repeat(127)),
        ] {
            assert!(!is_event_id(bad), "{bad:?}");
        }
    }

    #[test]
    fn a_name_is_short_and_nothing_in_it_is_unseen() {
        for good in [
            "a",
            "room/Grüße",
            "room/👩\u{200d}💻",
            "❤\u{fe0f}",
            "👩\u{200d}❤\u{fe0f}\u{200d}👨",
            "☕\u{fe0f} und ©\u{fe0f}",
            "می\u{200c}خواهم",
            "two  words",
            &"b".repeat(256),
        ] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "a\u{1b}[31m", "a\n", "\u{9b}", &"b".repeat(257), &"b".repeat(100_000)] {
            assert!(!is_name(bad), "{bad:?}");
        }
        // Each of these looks like `ann`, or like another name.
        for unseen in [
            "\u{200b}",
            "\u{200d}",
            "\u{ad}",
            "\u{2060}",
            "\u{feff}",
            "\u{202e}",
            "\u{3164}",
            "\u{e0061}",
        ] {
            assert!(!is_name(&format!("an{unseen}n")), "{unseen:?}");
        }
        assert!(NAME_RULE.contains(&NAME_MAX.to_string()));
    }

    #[test]
    fn nothing_that_nobody_sees_makes_another_name_of_a_name() {
        const UNSEEN: [&str; 16] = [
            "\u{200c}",
            "\u{200d}",
            "\u{200d}\u{200d}",
            "\u{fe00}",
            "\u{fe0e}",
            "\u{fe0f}",
            "\u{fe0f}\u{fe0f}",
            "\u{fe0f}\u{200c}",
            "\u{200d}\u{fe0f}",
            "\u{115f}",
            "\u{1160}",
            "\u{3164}",
            "\u{ffa0}",
            "\u{2800}",
            "\u{e0100}",
            "\u{1d159}",
        ];
        for (before, after) in
            [("zoë", ""), ("zo", "ë"), ("", "zoë"), ("zoe\u{308}", ""), ("碁", "")]
        {
            assert!(is_name(&[before, after].concat()));
            for unseen in UNSEEN {
                let name = [before, unseen, after].concat();
                assert!(!is_name(&name) && !is_event_id(&format!("a/{name}")), "{name:?}");
            }
        }
        // Where joiners and selectors may stand, there is one of them, and there is something to join.
        for name in [
            "👩\u{200d}",
            "👩\u{200d}\u{200d}💻",
            "👩\u{200d}\u{fe0f}💻",
            "👩\u{200d} 💻",
            "❤\u{fe0f}\u{fe0f}",
            "\u{200c}می",
            "می\u{200c}",
        ] {
            assert!(!is_name(name), "{name:?}");
        }
        for blank in ["\u{a0}", "\u{2003}", "\u{3000}", "\u{202f}", "\u{1680}", "\u{2800}", "\t"] {
            assert!(!is_name(&format!("a{blank}b")) && !is_name(blank), "{blank:?}");
        }
        for name in ["ann ", " ann", " ", "  "] {
            assert!(!is_name(name), "{name:?}");
        }
    }

    #[test]
    fn chsk_and_tengen_are_the_gateways() {
        assert!(EventId::from("chsk/handshake").is_reserved());
        assert!(EventId::from("tengen/reconnect").is_reserved());
        assert!(!EventId::from("tengenish/x").is_reserved());
    }

    #[test]
    fn a_connection_id_prints_as_a_uuid() {
        let id = ConnectionId::from_bytes(*b"0123456789abcdef");
        assert_eq!(id.to_string(), "30313233-3435-3637-3839-616263646566");
    }
}
