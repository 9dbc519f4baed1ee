//! A signal for people: `time LEVEL namespace: spans: message name=value`.

use super::time::{Moment, millis};
use crate::redact::Visible;
use base64::prelude::{BASE64_STANDARD as BASE64, Engine as _};
use std::{fmt, fmt::Write as _, io};
use tengen_core::sink::{Level, Signal, Value};

pub(super) fn write(signal: &Signal, colors: bool, to: &mut Vec<u8>) {
    let line = Line { signal, colors };
    // Writing to a vector does not fail.
    let _written = io::Write::write_fmt(to, format_args!("{line}\n"));
}

struct Line<'a> {
    signal: &'a Signal,
    colors: bool,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signal = self.signal;
        let (dim, color, plain) = match self.colors {
            true => ("\x1b[2m", color(signal.level), "\x1b[0m"),
            false => ("", "", ""),
        };
        let level = Upper(signal.level.word());
        write!(f, "{dim}{}{plain} {color}{level}{plain} {dim}", Moment(signal.at))?;
        write!(Visible(&mut *f), "{}:", signal.namespace)?;
        write!(f, "{plain} ")?;
        let mut out = Visible(f);
        write!(out, "{}{}", signal.within, signal.message)?;
        if !signal.id.is_empty() {
            write!(out, " id={}", Text(&signal.id))?;
        }
        for (name, value) in &signal.data {
            write!(out, " {name}=")?;
            match value {
                Value::Text(text) => write!(out, "{}", Text(text))?,
                Value::Bytes(bytes) => write!(out, "{}", BASE64.encode(bytes))?,
                other => write!(out, "{other}")?,
            }
        }
        if let Some(error) = &signal.error {
            write!(out, " error={}", Text(&error.to_string()))?;
        }
        for (name, text) in [
            ("connection", &signal.connection),
            ("user", &signal.user),
            ("trace_id", &signal.trace_id),
            ("parent", &signal.parent),
        ] {
            if !text.is_empty() {
                write!(out, " {name}={}", Text(text))?;
            }
        }
        if let Some(took) = signal.took {
            write!(out, " took_ms={}", millis(took))?;
        }
        // Of the gateway's own lines the namespace says it well enough.
        if let tengen_core::sink::Location::Named(place) = &signal.location {
            write!(out, " location={}", Text(place))?;
        }
        Ok(())
    }
}

/// In quotes where it could be taken for more than one word.
struct Text<'a>(&'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_word = |text: &str| {
            let plain = |letter: char| letter.is_alphanumeric() || "-_.:/@+*".contains(letter);
            !text.is_empty() && text.chars().all(plain)
        };
        match is_word(self.0) {
            true => f.write_str(self.0),
            false => write!(f, "{:?}", self.0),
        }
    }
}

struct Upper(&'static str);

impl fmt::Display for Upper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (self.0.len()..5).try_for_each(|_| f.write_char(' '))?;
        self.0.chars().try_for_each(|letter| f.write_char(letter.to_ascii_uppercase()))
    }
}

fn color(level: Level) -> &'static str {
    match level {
        Level::Fatal | Level::Error => "\x1b[31m",
        Level::Warn => "\x1b[33m",
        Level::Info => "\x1b[32m",
        Level::Debug => "\x1b[34m",
        Level::Trace => "\x1b[35m",
    }
}
