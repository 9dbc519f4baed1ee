//! From an event that broke a plugin, as its quarantine keeps it, to a script.

use serde::Deserialize;
use serde_json::{Value, json};
use std::{fs, path::Path};
use tengen_wire::{
    id::is_event_id,
    payload::{Encoding, Payload, transcode},
};

/// What is read of a file of the quarantine.
#[derive(Debug, Deserialize)]
struct Broken {
    plugin: String,
    version: String,
    revision: String,
    why: String,
    event: String,
    user: Option<String>,
    /// None in files of earlier versions.
    endpoint: Option<String>,
    encoding: Option<String>,
    text: Option<String>,
    base64: Option<String>,
    checkpoint: Option<Value>,
}

/// The script that tells the plugin the same event. Err: why it cannot be told.
pub(super) fn script(file: &Path) -> Result<String, String> {
    let text = fs::read_to_string(file)
        .map_err(|why| format!("cannot read `{}`: {why}", file.display()))?;
    let broken = serde_json::from_str(&text)
        .map_err(|why| format!("`{}` is no file of a quarantine: {why}", file.display()))?;
    of(&broken).map_err(|why| format!("`{}`: {why}", file.display()))
}

fn of(broken: &Broken) -> Result<String, String> {
    let Broken { plugin, version, revision, why, event, user, endpoint, checkpoint, .. } = broken;
    let mut lines = vec![json!({
        "note": format!("what broke `{plugin}` {version} ({revision}): {why}"),
    })];
    if checkpoint.is_some() {
        let note = "the state that it happened to is not part of this: put what led to it before";
        lines.push(json!({ "note": note }));
    }
    let mut open = json!({ "open": "peer" });
    for (key, text) in [("user", user), ("endpoint", endpoint)] {
        if let (Some(open), Some(text)) = (open.as_object_mut(), text) {
            open.insert(key.into(), json!(text));
        }
    }
    lines.push(open);
    match event.as_str() {
        "opened" => {}
        "closed" => lines.push(json!({ "close": "peer" })),
        id if is_event_id(id) => {
            lines.push(json!({ "as": "peer", "send": id, "data": data(broken)?, "ask": true }));
        }
        other => {
            return Err(format!(
                "it broke at `{other}`, of which the file does not say enough to tell it again"
            ));
        }
    }
    // What comes to no plugin shows nothing.
    if let Some(last) = lines.last_mut().and_then(Value::as_object_mut) {
        last.insert("decided".into(), json!(true));
    }
    Ok(lines.iter().map(|line| format!("{line}\n")).collect())
}

/// The event's data as JSON.
fn data(broken: &Broken) -> Result<Value, String> {
    let Broken { encoding, text, base64, .. } = broken;
    let word = encoding.as_deref().unwrap_or_default();
    let known = Encoding::ALL.into_iter().find(|encoding| encoding.word() == word);
    let encoding = known.ok_or_else(|| format!("its data are `{word}`, which is no format"))?;
    let Some(text) = text else {
        let what = if base64.is_some() { "bytes" } else { "nothing" };
        return Err(format!("its data are {what} in `{word}`, which scripts cannot say yet"));
    };
    let payload = Payload::new(encoding, text.clone().into_bytes());
    let json = transcode(&payload, Encoding::Json).map_err(|why| {
        format!("its data in `{word}` have no form in JSON, in which scripts are: {}", why.message)
    })?;
    serde_json::from_slice(&json.body).map_err(|why| format!("its data cannot be read: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(event: &str, encoding: &str, text: &str) -> Broken {
        Broken {
            plugin: "chat".into(),
            version: "1.0.0".into(),
            revision: "abc".into(),
            why: "unreachable; `handle` failed, in divide (src/lib.rs:18)".into(),
            event: event.into(),
            user: Some("ann".into()),
            endpoint: Some("/chsk".into()),
            encoding: Some(encoding.into()),
            text: Some(text.into()),
            base64: None,
            checkpoint: None,
        }
    }

    #[test]
    fn the_same_event_is_sent_by_the_same_user() {
        let script = of(&broken("chat/say", "edn", "{:text \"hi\"}")).unwrap();
        let lines: Vec<Value> =
            script.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(lines[0]["note"].as_str().unwrap().contains("in divide (src/lib.rs:18)"));
        assert_eq!(lines[1], json!({ "open": "peer", "user": "ann", "endpoint": "/chsk" }));
        let sent = json!({
            "as": "peer", "send": "chat/say", "data": { "text": "hi" }, "ask": true, "decided": true,
        });
        assert_eq!(lines[2], sent);
        assert_eq!(super::super::read::script(&script).unwrap().len(), 3);
    }

    #[test]
    fn what_cannot_be_told_again_says_why() {
        let why = of(&broken("timer", "json", "1")).unwrap_err();
        assert!(why.contains("`timer`"), "{why}");
        let why = of(&broken("a/b", "smoke", "1")).unwrap_err();
        assert!(why.contains("`smoke`, which is no format"), "{why}");
        let bytes = Broken { text: None, base64: Some("/w==".into()), ..broken("a/b", "json", "") };
        assert!(of(&bytes).unwrap_err().contains("cannot say yet"));
    }
}
