//! A script's lines: what is to happen, and what is expected of it.

use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};
use std::{collections::BTreeMap, path::PathBuf, time::Duration};
use tengen_core::outgoing;
use tengen_server::tryout::{Knock, Said, Visitor};
use tengen_settings::config;
use tengen_wire::fault::{Fault, FaultId};

/// The code with which a connection closes that says no other.
const NORMAL: u16 = 1000;
/// As many events come together; a plugin takes no more in one call.
const TOGETHER: usize = 64;
/// A script lets no more time pass in one step.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// One step.
#[derive(Debug)]
pub(super) struct Line {
    /// Its line, counted from 1.
    pub(super) number: usize,
    pub(super) step: Step,
    pub(super) expected: Expected,
}

/// What happens.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    /// Nothing: what a person wrote for people.
    Note,
    Open(Visitor),
    /// Somebody asks the authenticator to be let in.
    Upgrade(Knock),
    /// One event, or several at once.
    Send(Vec<Said>),
    Answer {
        from: String,
        id: String,
        value: Result<Value, String>,
    },
    Close {
        name: String,
        code: u16,
    },
    Pass(Duration),
    Put {
        bucket: String,
        key: String,
        value: Option<Value>,
    },
    Fetched {
        name: String,
        value: Result<Response, Fault>,
    },
    /// From another file, or from the same.
    Reload(Option<PathBuf>),
}

/// What a server answers.
#[derive(Debug, PartialEq)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Value,
}

impl Response {
    /// As a plugin gets it.
    pub(super) fn told(&self) -> outgoing::Response {
        let Self { status, headers, body } = self;
        let headers =
            headers.iter().map(|(name, value)| (name.to_lowercase(), value.clone().into()));
        let body = if body.is_null() { Vec::new() } else { bytes(body) };
        outgoing::Response { status: *status, headers: headers.collect(), body: body.into() }
    }
}

/// A text as it is, all else as JSON.
pub(super) fn bytes(value: &Value) -> Vec<u8> {
    match value.as_str() {
        Some(text) => text.as_bytes().to_vec(),
        None => value.to_string().into_bytes(),
    }
}

/// What a step is to bring about.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Expected {
    /// All effects, in their order; none: any.
    pub(super) effects: Option<Vec<Value>>,
    /// Some of them, in this order.
    pub(super) includes: Vec<Value>,
    /// All that these connections are sent.
    pub(super) frames: BTreeMap<String, Vec<Value>>,
    /// The plugin is told something, and so decides about it.
    pub(super) decided: bool,
}

/// A line as it is written: which keys there are says what it is.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Written {
    note: Option<String>,
    open: Option<String>,
    user: Option<String>,
    claims: Map<String, Value>,
    endpoint: Option<String>,
    upgrade: Option<String>,
    query: String,
    token: Option<String>,
    servers: Vec<Answered>,
    #[serde(rename = "as")]
    from: Option<String>,
    send: Option<String>,
    data: Option<Box<RawValue>>,
    ask: bool,
    together: Option<Vec<Sent>>,
    answer: Option<String>,
    close: Option<String>,
    code: Option<u16>,
    pass: Option<String>,
    put: Option<String>,
    bucket: Option<String>,
    value: Option<Value>,
    fetched: Option<String>,
    status: Option<u16>,
    headers: BTreeMap<String, String>,
    body: Value,
    error: Option<String>,
    reload: Option<Again>,
    expect: Option<Vec<Value>>,
    includes: Vec<Value>,
    gets: BTreeMap<String, Vec<Value>>,
    decided: bool,
}

/// One of several events.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sent {
    #[serde(rename = "as")]
    from: String,
    #[serde(rename = "send")]
    id: String,
    data: Option<Box<RawValue>>,
    #[serde(default)]
    ask: bool,
}

/// What a server answers to an authenticator.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Answered {
    status: Option<u16>,
    headers: BTreeMap<String, String>,
    body: Value,
    error: Option<String>,
}

impl Answered {
    fn read(self) -> Result<Result<Response, Fault>, String> {
        let Self { status, headers, body, error } = self;
        Ok(match error {
            Some(word) => Err(fault(&word)?),
            None => Ok(Response { status: status.unwrap_or(200), headers, body }),
        })
    }
}

/// `true`, or a component's file.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Again {
    Same(bool),
    File(PathBuf),
}

/// Reads a script. Empty lines are left out. Err: the line, and what is wrong in it.
pub(super) fn script(text: &str) -> Result<Vec<Line>, String> {
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(number, text)| line(number, text).map_err(|why| format!("{number}: {why}")))
        .collect()
}

fn line(number: usize, text: &str) -> Result<Line, String> {
    let mut written: Written =
        serde_json::from_str(text).map_err(|error| match error.is_data() {
            true => error.to_string(),
            false => format!("this is no JSON object: {error}"),
        })?;
    let expected = Expected {
        effects: written.expect.take(),
        includes: std::mem::take(&mut written.includes),
        frames: std::mem::take(&mut written.gets),
        decided: written.decided,
    };
    Ok(Line { number, step: written.step()?, expected })
}

impl Written {
    fn step(self) -> Result<Step, String> {
        let said = [
            ("open", self.open.is_some()),
            ("upgrade", self.upgrade.is_some()),
            ("send", self.send.is_some()),
            ("together", self.together.is_some()),
            ("answer", self.answer.is_some()),
            ("close", self.close.is_some()),
            ("pass", self.pass.is_some()),
            ("put", self.put.is_some()),
            ("fetched", self.fetched.is_some()),
            ("reload", self.reload.is_some()),
        ];
        let words: Vec<_> = said.iter().map(|(word, _)| *word).collect();
        let there: Vec<_> =
            said.iter().filter(|(_, there)| *there).map(|(word, _)| *word).collect();
        match there.as_slice() {
            [] if self.note.is_some() => Ok(Step::Note),
            [] => Err(format!("this is no step; say one of {}", words.join(", "))),
            [_] => self.only(),
            several => Err(format!("one step a line, and these are {}", several.join(" and "))),
        }
    }

    /// The one step that is there.
    fn only(self) -> Result<Step, String> {
        let Self { user, claims, endpoint, from, data, ask, code, bucket, value, .. } = self;
        let from = from.ok_or("say `as` which connection");
        if let Some(name) = self.open {
            let claims = claims.into_iter().map(|(name, value)| (name, plain(value))).collect();
            return Ok(Step::Open(Visitor { name, user, claims, endpoint }));
        }
        if let Some(name) = self.upgrade {
            let servers = self.servers.into_iter().map(Answered::read);
            let servers = servers.map(|value| Ok(value?.map(|value| value.told())));
            let servers = servers.collect::<Result<_, String>>()?;
            let headers = self.headers.into_iter();
            let headers = headers.map(|(name, value)| (name.to_lowercase(), value)).collect();
            let (query, token) = (self.query, self.token);
            return Ok(Step::Upgrade(Knock { name, endpoint, query, headers, token, servers }));
        }
        if let Some(id) = self.send {
            let data = data.map(|data| data.get().to_owned());
            return Ok(Step::Send(vec![Said { from: from?, id, data, asks: ask }]));
        }
        if let Some(all) = self.together {
            return together(all);
        }
        if let Some(id) = self.answer {
            let value = self.error.map_or_else(|| Ok(value.unwrap_or_default()), Err);
            return Ok(Step::Answer { from: from?, id, value });
        }
        if let Some(name) = self.close {
            return Ok(Step::Close { name, code: code.unwrap_or(NORMAL) });
        }
        if let Some(time) = self.pass {
            let time = config::duration(&time)?;
            return match time <= LONGEST {
                true => Ok(Step::Pass(time)),
                false => Err("at most 24h pass in one step".into()),
            };
        }
        if let Some(key) = self.put {
            let bucket = bucket.ok_or("say into which `bucket`")?;
            return Ok(Step::Put { bucket, key, value });
        }
        if let Some(name) = self.fetched {
            let Self { status, headers, body, error, .. } = self;
            let value = Answered { status, headers, body, error }.read()?;
            return Ok(Step::Fetched { name, value });
        }
        match self.reload {
            Some(Again::File(file)) => Ok(Step::Reload(Some(file))),
            Some(Again::Same(true)) => Ok(Step::Reload(None)),
            _ => Err("write `\"reload\": true`, or the file".into()),
        }
    }
}

fn together(all: Vec<Sent>) -> Result<Step, String> {
    if all.len() > TOGETHER {
        return Err(format!("at most {TOGETHER} events come together"));
    }
    let said = |Sent { from, id, data, ask }| {
        let data = data.map(|data: Box<RawValue>| data.get().to_owned());
        Said { from, id, data, asks: ask }
    };
    Ok(Step::Send(all.into_iter().map(said).collect()))
}

/// A claim as plugins see it: text as it is, all else as JSON.
fn plain(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

fn fault(word: &str) -> Result<Fault, String> {
    let id = FaultId::from_word(word)
        .ok_or_else(|| format!("`{word}` is not what a request ends with, as `timeout` is"))?;
    Ok(Fault::new(id, format!("the script says {word}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn step(text: &str) -> Step {
        script(text).unwrap().pop().unwrap().step
    }

    #[test]
    fn each_line_is_a_step() {
        let open = step(r#"{"open":"a","user":"ann","claims":{"role":"admin","level":3}}"#);
        let claims = vec![("level".into(), "3".into()), ("role".into(), "admin".into())];
        let (name, user, endpoint) = ("a".into(), Some("ann".into()), None);
        assert_eq!(open, Step::Open(Visitor { name, user, claims, endpoint }));
        let (from, id, data) = ("a".into(), "x/y".into(), Some("1.50".into()));
        let send = step(r#"{"as":"a","send":"x/y","data":1.50,"ask":true}"#);
        assert_eq!(
            send,
            Step::Send(vec![Said { from, id, data, asks: true }]),
            "data stays as it is written"
        );
        let two =
            step(r#"{"together":[{"as":"a","send":"x/y"},{"as":"b","send":"x/y","ask":true}]}"#);
        let said =
            |from: &str, asks| Said { from: from.into(), id: "x/y".into(), data: None, asks };
        assert_eq!(two, Step::Send(vec![said("a", false), said("b", true)]));
        assert_eq!(step(r#"{"pass":"10s"}"#), Step::Pass(Duration::from_secs(10)));
        assert_eq!(step(r#"{"close":"a"}"#), Step::Close { name: "a".into(), code: 1000 });
        assert_eq!(step(r#"{"note":"hi"}"#), Step::Note);
        assert_eq!(step(r#"{"reload":true}"#), Step::Reload(None));
        let answer = step(r#"{"as":"a","answer":"x/y","value":[1]}"#);
        let (from, id) = ("a".into(), "x/y".into());
        assert_eq!(answer, Step::Answer { from, id, value: Ok(json!([1])) });
        let Step::Fetched { value: Err(why), .. } = step(r#"{"fetched":"f","error":"timeout"}"#)
        else {
            panic!("it is a fault");
        };
        assert_eq!(why.id, FaultId::Timeout);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (text, why) in [
            ("{\"note\":\"\"}\n\n{\"opne\":\"a\"}", "3: unknown field `opne`"),
            ("[]x", "1: this is no JSON object"),
            ("{}", "1: this is no step; say one of open, upgrade, send"),
            (r#"{"open":"a","close":"a"}"#, "1: one step a line, and these are open and close"),
            (r#"{"send":"a/b"}"#, "1: say `as` which connection"),
            (r#"{"put":"k"}"#, "1: say into which `bucket`"),
            (r#"{"pass":"25h"}"#, "1: at most 24h"),
            (r#"{"reload":false}"#, "1: write `\"reload\": true`"),
            (r#"{"fetched":"f","error":"soon"}"#, "1: `soon` is not"),
        ] {
            let said = script(text).unwrap_err();
            assert!(said.starts_with(why), "{text}: {said}");
        }
    }
}
