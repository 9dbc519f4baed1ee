//! Plays a script: one step after the other, each until nothing follows from it.

use super::{
    compare::{self, At, is_break},
    read::{Expected, Line, Response, Step, bytes},
    signals::{self, Ear},
};
use crate::Io;
use serde_json::Value;
use tengen_server::tryout::{Seen, Tryout, TryoutError};
use tengen_telemetry::secrets::hide;

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
    ear: &mut Ear,
    show: bool,
    io: &mut Io,
) -> Result<(), Stopped> {
    for Line { number, step, expected } in lines {
        let stopped =
            |what: String, is_wrong| Stopped { line: *number, what: hidden(what), is_wrong };
        let seen = match take(tryout, step).await {
            Ok(()) => tryout.seen().await,
            Err(error) => Err(error),
        };
        let seen = seen.map_err(|error| {
            let is_wrong = matches!(error, TryoutError::Step(_));
            stopped(error.to_string(), is_wrong)
        })?;
        let said = ear.take();
        if show {
            tell(*number, &seen, &said, io);
        }
        if let Some(what) = unlike(expected, &seen, &said) {
            return Err(stopped(what, false));
        }
    }
    Ok(())
}

/// Without secrets. Where there were some, two lines that are shown alike may differ: that is said.
fn hidden(what: String) -> String {
    let shown = hide(&what);
    match shown == what {
        true => what,
        false => format!("{shown}\n    (secrets are shown as ***, and were compared as they are)"),
    }
}

/// Prints what a step has brought about.
fn tell(number: usize, seen: &Seen, said: &[Value], io: &mut Io) {
    io.say(format_args!("{number}:"));
    for what in seen.effects.iter().chain(said) {
        io.say(format_args!("    {}", hide(&what.to_string())));
    }
    for (name, frames) in &seen.frames {
        for frame in frames {
            io.say(format_args!("    {name} gets {}", hide(&frame.to_string())));
        }
    }
}

async fn take(tryout: &mut Tryout, step: &Step) -> Result<(), TryoutError> {
    match step {
        Step::Note => Ok(()),
        Step::Open(who) => tryout.open(who.clone()),
        Step::Upgrade(who) => tryout.knock(who.clone()).await,
        Step::Send(all) => tryout.send(all),
        Step::Answer { from, id, value } => tryout.answer(from, id, value.clone()),
        Step::Close { name, code } => tryout.close(name, *code),
        Step::Pass(time) => tryout.pass(*time).await,
        Step::Put { bucket, key, value } => tryout.put(bucket, key, value.as_ref().map(bytes)),
        Step::Fetched { name, value } => {
            tryout.fetched(name, value.as_ref().map(Response::told).map_err(Clone::clone)).await
        }
        Step::Reload(file) => tryout.reload(file.clone()).await.map(drop),
    }
}

/// What is not as expected; none: all is.
fn unlike(expected: &Expected, seen: &Seen, said: &[Value]) -> Option<String> {
    let Expected { effects, includes, frames, decided } = expected;
    let parts = |all: &[Value]| all.iter().cloned().partition(signals::is_one);
    let all: Option<(Vec<_>, Vec<_>)> = effects.as_deref().map(parts);
    let (some_said, includes): (Vec<_>, Vec<_>) = parts(includes);
    if let Some(different) =
        all.as_ref().and_then(|(_, all)| compare::difference(all, &seen.effects, At::Seen))
    {
        return Some(format!("the effects are others (- expected, + came):{different}"));
    }
    if let Some(missing) = compare::missing(&includes, &seen.effects) {
        return Some(format!("an effect is missing:{missing}"));
    }
    let all_said = all.as_ref().map_or(&[][..], |(said, _)| said);
    let unsaid = [all_said, &some_said].into_iter().find_map(|it| compare::missing(it, said));
    if let Some(unsaid) = unsaid {
        return Some(format!("something was not said:{unsaid}"));
    }
    let is_asked = effects.is_some() || compare::expects_break(&includes);
    if let Some(broke) = seen.effects.iter().find(|what| is_break(what)).filter(|_| !is_asked) {
        let why = broke.get("broke").and_then(serde_json::Value::as_str).unwrap_or_default();
        return Some(format!("a call broke: {why}"));
    }
    if *decided && seen.told == 0 {
        let what = seen.effects.iter().map(|effect| format!("\n    + {effect}"));
        return Some(format!("nothing came to the plugin:{}", what.collect::<String>()));
    }
    for (name, expected) in frames {
        let got = seen.frames.get(name).map_or(&[][..], Vec::as_slice);
        if let Some(different) = compare::difference(expected, got, At::Frame) {
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
        assert!(unlike(&Expected::default(), &seen, &[]).unwrap().contains("in divide"));
        assert!(unlike(&with(None, vec![]), &Seen::default(), &[]).is_none());
        let broke = || vec![json!({ "broke": "divide" })];
        assert_eq!(unlike(&with(None, broke()), &seen, &[]), None);
        assert_eq!(unlike(&with(Some(broke()), vec![]), &seen, &[]), None);
        assert!(unlike(&with(Some(vec![]), vec![]), &seen, &[]).is_some());
    }

    #[test]
    fn who_gets_what_is_held_against_what_is_expected() {
        let mut expected = Expected::default();
        expected.frames.insert("ann".into(), vec![json!([1])]);
        assert!(unlike(&expected, &Seen::default(), &[]).unwrap().contains("`ann` gets"));
        let mut seen = Seen::default();
        seen.frames.insert("ann".into(), vec![json!([1])]);
        seen.frames.insert("bob".into(), vec![json!([2])]);
        assert_eq!(unlike(&expected, &seen, &[]), None);
    }

    #[test]
    fn what_is_expected_to_be_said_has_to_be_said_and_more_may_be() {
        let signal =
            |id: &str| json!({ "signal": { "level": "info", "id": id, "message": "it is" } });
        let with = |effects, includes| Expected { effects, includes, ..Expected::default() };
        let said = [signal("a/b"), signal("c/d")];
        let (nothing, wanted) =
            (Seen::default(), json!({ "signal": { "id": "c/d", "message": "it" } }));
        for expected in [with(Some(vec![wanted.clone()]), vec![]), with(None, vec![wanted])] {
            assert_eq!(unlike(&expected, &nothing, &said), None);
            let unsaid = unlike(&expected, &nothing, &said[..1]).unwrap();
            assert!(unsaid.contains("not said") && unsaid.contains("a/b"), "{unsaid}");
        }
        assert_eq!(unlike(&with(Some(vec![]), vec![]), &nothing, &said), None);
        let decided = Seen { effects: vec![json!({ "reply": 1 })], ..Seen::default() };
        let only_said = with(Some(vec![signal("a/b")]), vec![]);
        assert!(unlike(&only_said, &decided, &said).unwrap().contains("the effects are others"));
    }

    #[test]
    fn what_came_to_no_plugin_is_not_decided() {
        let expected = Expected { decided: true, ..Expected::default() };
        let effects = vec![json!({ "gateway": [1, "reply"], "to": "ann" })];
        let mut seen = Seen { effects, ..Seen::default() };
        let why = unlike(&expected, &seen, &[]).unwrap();
        assert!(why.contains("nothing came to the plugin") && why.contains("gateway"), "{why}");
        seen.told = 1;
        assert_eq!(unlike(&expected, &seen, &[]), None);
    }
}
