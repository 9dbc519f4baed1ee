//! Plays a script: one step after the other, each until nothing follows from it.

use super::{
    compare::{self, is_break},
    read::{Expected, Line, Response, Step},
};
use crate::Io;
use tengen_core::outgoing;
use tengen_server::tryout::{Seen, Tryout, TryoutError};

/// Where a script ended early, and why.
pub(super) struct Stopped {
    pub(super) line: usize,
    pub(super) what: String,
    /// The script asks for what cannot be done.
    pub(super) is_wrong: bool,
}

/// Plays all steps, or those up to the first that went differently.
pub(super) async fn script(
    tryout: &mut Tryout,
    lines: &[Line],
    show: bool,
    io: &mut Io,
) -> Result<(), Stopped> {
    for Line { number, step, expected } in lines {
        let stopped = |what: String, is_wrong| Stopped { line: *number, what, is_wrong };
        let seen = match take(tryout, step).await {
            Ok(()) => tryout.seen().await,
            Err(error) => Err(error),
        };
        let seen = seen.map_err(|error| {
            let is_wrong = matches!(error, TryoutError::Step(_));
            stopped(error.to_string(), is_wrong)
        })?;
        if show {
            io.say(format_args!("{number}:"));
            seen.effects.iter().for_each(|effect| io.say(format_args!("    {effect}")));
            for (name, frames) in &seen.frames {
                frames.iter().for_each(|frame| io.say(format_args!("    {name} gets {frame}")));
            }
        }
        if let Some(what) = unlike(expected, &seen) {
            return Err(stopped(what, false));
        }
    }
    Ok(())
}

async fn take(tryout: &mut Tryout, step: &Step) -> Result<(), TryoutError> {
    match step {
        Step::Note => Ok(()),
        Step::Open(who) => tryout.open(who.clone()),
        Step::Send(all) => tryout.send(all),
        Step::Answer { from, id, value } => tryout.answer(from, id, value.clone()),
        Step::Close { name, code } => tryout.close(name, *code),
        Step::Pass(time) => tryout.pass(*time).await,
        Step::Put { bucket, key, value } => tryout.put(bucket, key, value.as_ref().map(bytes)),
        Step::Fetched { name, value } => {
            tryout.fetched(name, value.as_ref().map(answered).map_err(Clone::clone)).await
        }
        Step::Reload(file) => tryout.reload(file.clone()).await.map(drop),
    }
}

fn answered(Response { status, headers, body }: &Response) -> outgoing::Response {
    let headers = headers.iter().map(|(name, value)| (name.to_lowercase(), value.clone().into()));
    let body = if body.is_null() { Vec::new() } else { bytes(body) };
    outgoing::Response { status: *status, headers: headers.collect(), body: body.into() }
}

/// A text as it is, all else as JSON.
fn bytes(value: &serde_json::Value) -> Vec<u8> {
    match value.as_str() {
        Some(text) => text.as_bytes().to_vec(),
        None => value.to_string().into_bytes(),
    }
}

/// What is not as expected; none: all is.
fn unlike(expected: &Expected, seen: &Seen) -> Option<String> {
    let Expected { effects, includes, frames } = expected;
    if let Some(different) =
        effects.as_ref().and_then(|all| compare::difference(all, &seen.effects))
    {
        return Some(format!("the effects are others (- expected, + came):{different}"));
    }
    if let Some(missing) = compare::missing(includes, &seen.effects) {
        return Some(format!("an effect is missing:{missing}"));
    }
    let is_asked = effects.is_some() || compare::expects_break(includes);
    if let Some(broke) = seen.effects.iter().find(|what| is_break(what)).filter(|_| !is_asked) {
        let why = broke.get("broke").and_then(serde_json::Value::as_str).unwrap_or_default();
        return Some(format!("a call broke: {why}"));
    }
    for (name, expected) in frames {
        let got = seen.frames.get(name).map_or(&[][..], Vec::as_slice);
        if let Some(different) = compare::difference(expected, got) {
            return Some(format!("`{name}` gets something else (- expected, + came):{different}"));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_call_that_breaks_and_was_not_expected_to_is_no_success() {
        let seen = Seen { effects: vec![json!({ "broke": "in divide" })], ..Seen::default() };
        let with = |effects, includes| Expected { effects, includes, ..Expected::default() };
        assert!(unlike(&Expected::default(), &seen).unwrap().contains("in divide"));
        assert!(unlike(&with(None, vec![]), &Seen::default()).is_none());
        let broke = || vec![json!({ "broke": "divide" })];
        assert_eq!(unlike(&with(None, broke()), &seen), None);
        assert_eq!(unlike(&with(Some(broke()), vec![]), &seen), None);
        assert!(unlike(&with(Some(vec![]), vec![]), &seen).is_some());
    }

    #[test]
    fn who_gets_what_is_held_against_what_is_expected() {
        let mut expected = Expected::default();
        expected.frames.insert("ann".into(), vec![json!([1])]);
        assert!(unlike(&expected, &Seen::default()).unwrap().contains("`ann` gets"));
        let mut seen = Seen::default();
        seen.frames.insert("ann".into(), vec![json!([1])]);
        seen.frames.insert("bob".into(), vec![json!([2])]);
        assert_eq!(unlike(&expected, &seen), None);
    }
}
