//! Data of a client's signal: values by name, without maps in maps, and bounded.
//!
//! What a map or list holds has the name of its way there, `cart.items.0`. What does not fit is left out, and how many values
//! that are is told.

use super::{Facts, plain, shown};
use crate::redact;
use serde_json::{Map, Value as Json};
use tengen_core::sink::{Text, Value};

/// How many maps and lists deep a value may be,
const DEPTH: usize = 4;
/// how many values there may be,
const VALUES: usize = 32;
/// how many bytes of one,
const VALUE: usize = 1 << 10;
/// of all of them with their names,
const ALL: usize = 8 << 10;
/// and how many names are looked at.
const LOOKED_AT: usize = 1000;

/// Names that say what the gateway knows: what a client calls so is `client.` and that.
const OURS: [&str; 7] =
    ["kind", "endpoint", "client_level", "client_at", "clock", "stack", "omitted"];

#[derive(Debug, Default)]
pub(super) struct Data {
    facts: Facts,
    /// Those of the client.
    values: usize,
    bytes: usize,
    looked_at: usize,
    omitted: i64,
}

impl Data {
    /// What the gateway says.
    pub(super) fn own(&mut self, name: &'static str, text: &str) {
        self.push(name, Value::Text(text.to_owned()));
    }

    pub(super) fn push(&mut self, name: &'static str, value: Value) {
        self.facts.push((Text::Borrowed(name), value));
    }

    /// What the client says.
    pub(super) fn add(&mut self, said: &Map<String, Json>) {
        for (key, value) in said {
            self.walk(String::new(), key, value, 0);
        }
    }

    fn walk(&mut self, way: String, key: &str, value: &Json, depth: usize) {
        self.looked_at += 1;
        if depth >= DEPTH || self.looked_at > LOOKED_AT {
            self.omitted += 1;
            return;
        }
        let name = match way.is_empty() {
            true => first(key),
            false => plain::name(&format!("{way}.{key}")),
        };
        match value {
            // Whatever is in it.
            Json::Object(_) | Json::Array(_) if redact::is_secret(key) => {
                self.fact(name, shown(key, "", 0))
            }
            Json::Object(map) => {
                map.iter().for_each(|(key, value)| self.walk(name.clone(), key, value, depth + 1));
            }
            Json::Array(list) => {
                for (place, value) in list.iter().enumerate() {
                    self.walk(name.clone(), &place.to_string(), value, depth + 1);
                }
            }
            Json::Null => {}
            Json::Bool(_) | Json::Number(_) | Json::String(_) if redact::is_secret(key) => {
                self.fact(name, shown(key, "", 0));
            }
            Json::Bool(truth) => self.fact(name, Value::Boolean(*truth)),
            Json::Number(number) => self.fact(name, numeric(number)),
            Json::String(text) => self.fact(name, shown(key, text, VALUE)),
        }
    }

    fn fact(&mut self, name: String, value: Value) {
        let bytes = name.len() + if let Value::Text(text) = &value { text.len() } else { 8 };
        if self.values >= VALUES || self.bytes + bytes > ALL {
            self.omitted += 1;
            return;
        }
        self.values += 1;
        self.bytes += bytes;
        self.facts.retain(|(other, _)| *other != name);
        self.facts.push((name.into(), value));
    }

    pub(super) fn into_facts(mut self) -> Facts {
        if self.omitted > 0 {
            self.push("omitted", Value::Integer(self.omitted));
        }
        self.facts
    }
}

/// The name of what stands on top. What says whom a record is about says nothing of that when a client does.
fn first(key: &str) -> String {
    let name = plain::name(key);
    match OURS.contains(&&*name) || name == "plugin" {
        true => format!("client.{name}"),
        false => name,
    }
}

fn numeric(number: &serde_json::Number) -> Value {
    match (number.as_i64(), number.as_f64()) {
        (Some(whole), _) => Value::Integer(whole),
        (None, Some(float)) => Value::Float(float),
        (None, None) => Value::Text(number.to_string()),
    }
}
