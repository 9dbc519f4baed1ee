//! From what an authenticator said to a verdict: checked, bounded; nothing in it is trusted.
//!
//! A connection carries what it came in with for as long as it lives, so every part of it has a bound. What is over it is
//! not cut: a shortened claim could mean something else.

use super::effects::fault;
use crate::{
    guest::bindings::{authenticator as wit, types},
    text::plain,
};
use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tengen_core::{
    authenticator::{Admission, Mistake, Verdict, Wrong},
    event::User,
};
use tengen_settings::Grants;
use tengen_wire::{
    id::{Channel, NAME_MAX, NAME_RULE, UserId, is_name},
    payload::Payload,
};

/// Channels that a connection may begin with.
const CHANNELS_MAX: usize = 128;
/// Bytes of all claims and of `more`, names and values.
const CLAIMS_BYTES_MAX: usize = 16 << 10;
/// How many claims and entries of `more` there may be: those without bytes take room too.
const CLAIMS_MAX: usize = 1024;
/// Bytes of `welcome`, before it is converted.
const WELCOME_MAX: usize = 64 << 10;

/// The mistakes of one version that the log has: the first of a kind is said, the others are counted.
#[derive(Debug, Default)]
pub(crate) struct Said(Mutex<BTreeSet<Mistake>>);

impl Said {
    pub(crate) fn is_first(&self, mistake: Mistake) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(mistake)
    }

    /// Another version: its first mistakes are its own.
    pub(crate) fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// What an authenticator said, unless it cannot be used. `grants`: what the plugin may do.
pub(crate) fn verdict(said: wit::Verdict, grants: &Grants) -> Result<Verdict, Wrong> {
    match said {
        wit::Verdict::Allow(said) => admission(said, grants).map(Verdict::Allow),
        wit::Verdict::Deny(wit::Denial { status, why, more }) => {
            known(&more)?;
            Ok(Verdict::Deny { status, why: fault(&why.id, &why.message, why.retry_after_ms) })
        }
    }
}

fn admission(said: wit::Admission, grants: &Grants) -> Result<Admission, Wrong> {
    let claims = said.user.as_ref().map_or(&[][..], |user| &user.claims);
    check_claims(claims.iter().chain(&said.more))?;
    let welcome = said.welcome.map(welcome);
    if let Some(welcome) = &welcome
        && welcome.body.len() > WELCOME_MAX
    {
        let size = welcome.body.len();
        let why = format!(
            "`welcome` has {size} bytes, and may have {WELCOME_MAX}: send what is large as an event"
        );
        return Err(Wrong::new(Mistake::Welcome, why));
    }
    Ok(Admission {
        user: said.user.map(user).transpose()?,
        welcome,
        channels: channels(said.channels, grants)?,
        more: pairs(said.more),
    })
}

fn welcome(said: types::Payload) -> Payload {
    let encoding = said.encoding.into();
    match said.body {
        types::Body::Text(text) => Payload::new(encoding, text),
        types::Body::Bytes(bytes) => Payload::new(encoding, bytes),
    }
}

/// What an authenticator counts on and this version does not know is not let pass.
fn known(more: &[types::Attribute]) -> Result<(), Wrong> {
    let Some(first) = more.first() else { return Ok(()) };
    let word = plain(&first.key, NAME_MAX);
    Err(Wrong::new(Mistake::Unknown, format!("this version of the gateway does not know `{word}`")))
}

fn check_claims<'a>(all: impl Iterator<Item = &'a types::Attribute>) -> Result<(), Wrong> {
    let (mut count, mut bytes) = (0_usize, 0_usize);
    for attribute in all {
        count += 1;
        bytes = bytes.saturating_add(attribute.key.len()).saturating_add(attribute.value.len());
    }
    if count <= CLAIMS_MAX && bytes <= CLAIMS_BYTES_MAX {
        return Ok(());
    }
    let why = format!(
        "claims and `more` are {count} and have {bytes} bytes; {CLAIMS_MAX} and {CLAIMS_BYTES_MAX} bytes are what a \
         connection may carry: leave out what no handler asks for"
    );
    Err(Wrong::new(Mistake::Claims, why))
}

fn channels(said: Vec<String>, grants: &Grants) -> Result<Vec<Channel>, Wrong> {
    if said.len() > CHANNELS_MAX {
        let why = format!(
            "a connection begins with {CHANNELS_MAX} channels at most, not with {}: let a handler subscribe it to others",
            said.len()
        );
        return Err(Wrong::new(Mistake::Channels, why));
    }
    said.into_iter().map(|name| channel(name, grants)).collect()
}

fn channel(name: String, grants: &Grants) -> Result<Channel, Wrong> {
    if !is_name(&name) {
        return Err(Wrong::new(Mistake::ChannelName, no_name("channel", &name)));
    }
    let channel = Channel::new(name);
    if grants.may_publish(&channel) {
        return Ok(channel);
    }
    let why = format!(
        "subscribing a connection to `{}` needs that channel in the plugin's `grant.publish`",
        plain(&channel, NAME_MAX)
    );
    Err(Wrong::new(Mistake::Grant, why))
}

fn user(said: types::User) -> Result<User, Wrong> {
    if !is_name(&said.id) {
        return Err(Wrong::new(Mistake::UserId, no_name("user", &said.id)));
    }
    known(&said.more)?;
    Ok(User {
        expires_at: said.expires_at_ms.map(end).transpose()?.flatten(),
        id: UserId::new(said.id),
        claims: pairs(said.claims),
    })
}

fn no_name(what: &str, text: &str) -> String {
    let bytes = text.len();
    format!("`{}` ({bytes} bytes) names no {what}: {NAME_RULE}", plain(text, 64))
}

/// A point in time; none when it lies too far away for clocks to come to it. What lies before 1970 has passed.
fn end(ms: f64) -> Result<Option<SystemTime>, Wrong> {
    if ms.is_nan() {
        let why =
            "`expires-at-ms` is not a number; say `none` for an authentication without an end";
        return Err(Wrong::new(Mistake::End, why));
    }
    let since = Duration::try_from_secs_f64(ms.max(0.0) / 1000.0).ok();
    Ok(since.and_then(|since| UNIX_EPOCH.checked_add(since)))
}

fn pairs(attributes: Vec<types::Attribute>) -> Vec<(String, String)> {
    attributes.into_iter().map(|attribute| (attribute.key, attribute.value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tengen_settings::Pattern;

    fn attribute(key: &str, bytes: usize) -> types::Attribute {
        types::Attribute { key: key.to_owned(), value: "x".repeat(bytes) }
    }

    fn named(id: &str) -> wit::Admission {
        let user = types::User {
            id: id.to_owned(),
            claims: vec![attribute("role", 5)],
            expires_at_ms: None,
            more: Vec::new(),
        };
        wit::Admission { user: Some(user), welcome: None, channels: Vec::new(), more: Vec::new() }
    }

    /// What is wrong with the change to an admission that is good without it.
    #[track_caller]
    fn check(change: impl FnOnce(&mut wit::Admission), wrong: Option<Mistake>) -> Option<Wrong> {
        let grants = Grants { publish: vec![Pattern("room/*".into())], ..Grants::default() };
        let mut said = named("ann");
        change(&mut said);
        let found = verdict(wit::Verdict::Allow(said), &grants).err();
        assert_eq!(found.as_ref().map(|found| found.mistake), wrong, "{found:?}");
        found
    }

    fn claims(said: &mut wit::Admission) -> &mut Vec<types::Attribute> {
        &mut said.user.as_mut().expect("it is ann's").claims
    }

    // C15: channels without grants.
    #[test]
    fn an_authenticator_subscribes_to_what_it_was_granted() {
        check(|said| said.channels = vec!["room/1".into()], None);
        let wrong = check(
            |said| said.channels = vec!["room/1".into(), "secret/1".into()],
            Some(Mistake::Grant),
        );
        let why = wrong.expect("it was refused").why;
        assert!(why.contains("`secret/1`") && why.contains("`grant.publish`"), "{why}");
    }

    #[test]
    fn channels_have_names_and_are_so_many_and_no_more() {
        for bad in ["", "room/\u{1b}[2J", &format!("room/{}", "x".repeat(100_000))] {
            let wrong = check(|said| said.channels = vec![bad.into()], Some(Mistake::ChannelName));
            assert!(
                wrong.is_some_and(|wrong| wrong.why.len() < 300 && !wrong.why.contains('\u{1b}'))
            );
        }
        let many = |count: usize| (0..count).map(|number| format!("room/{number}")).collect();
        check(|said| said.channels = many(128), None);
        check(|said| said.channels = many(129), Some(Mistake::Channels));
    }

    #[test]
    fn claims_and_more_are_bounded_together() {
        // `role` and its value are 9 of the bytes.
        check(|said| claims(said).push(attribute("a", (16 << 10) - 10)), None);
        check(|said| claims(said).push(attribute("a", (16 << 10) - 9)), Some(Mistake::Claims));
        check(|said| said.more = vec![attribute("a", (16 << 10) - 9)], Some(Mistake::Claims));
        let both = |said: &mut wit::Admission| {
            claims(said).push(attribute("a", 9 << 10));
            said.more = vec![attribute("b", 9 << 10)];
        };
        check(both, Some(Mistake::Claims));
        // Nothing each, and memory all the same.
        check(|said| said.more = vec![attribute("", 0); 1023], None);
        check(|said| said.more = vec![attribute("", 0); 1024], Some(Mistake::Claims));
    }

    #[test]
    fn a_user_has_a_name() {
        for bad in ["", "ann\n", "\u{1b}]0;ann\u{7}", &"a".repeat(257)] {
            check(|said| *said = named(bad), Some(Mistake::UserId));
        }
        check(|said| *said = named(&"a".repeat(256)), None);
    }

    #[test]
    fn a_welcome_is_bounded() {
        let welcome = |bytes| {
            let body = types::Body::Bytes(vec![b' '; bytes]);
            Some(types::Payload { encoding: types::Encoding::Json, body })
        };
        check(|said| said.welcome = welcome(64 << 10), None);
        check(|said| said.welcome = welcome((64 << 10) + 1), Some(Mistake::Welcome));
    }

    #[test]
    fn the_first_mistake_of_a_kind_and_version_is_said() {
        let said = Said::default();
        assert!(said.is_first(Mistake::Grant) && said.is_first(Mistake::Claims));
        assert!((0..1000).all(|_| !said.is_first(Mistake::Grant)));
        said.forget();
        assert!(said.is_first(Mistake::Grant));
    }

    #[test]
    fn an_end_is_a_time_whatever_number_it_is() {
        assert_eq!(end(1500.0), Ok(Some(UNIX_EPOCH + Duration::from_millis(1500))));
        assert_eq!(end(-1.0), Ok(Some(UNIX_EPOCH)), "passed long ago, not without an end");
        assert_eq!((end(1e300), end(f64::INFINITY)), (Ok(None), Ok(None)));
        assert!(end(f64::NAN).is_err());
    }
}
