//! Frames for peers: put together once, in a buffer of exactly their length.

use super::{Callback, Dialect, Handshake, Publication, Wire};
use crate::{
    format::{self, edn},
    fault::{Fault, FaultId},
    id::EventId,
    payload::{Encoding, Frame, Payload},
    trace::TraceContext,
};
use bytes::Bytes;
use std::{borrow::Cow, fmt::Write};

/// How a format writes what every frame has.
#[derive(Debug, Clone, Copy)]
struct Marks {
    json: bool,
    /// Between two elements.
    comma: &'static str,
    /// `nil` as a frame's last element.
    nil: &'static str,
}

const JSON: Marks = Marks { json: true, comma: ",", nil: ",null" };
const EDN: Marks = Marks { json: false, comma: " ", nil: " nil" };

impl Marks {
    fn of(wire: Wire) -> Option<Self> {
        match wire.format {
            Encoding::Json => Some(JSON),
            Encoding::Edn => Some(EDN),
            _ => None,
        }
    }

    fn required(wire: Wire) -> Result<Self, Fault> {
        Self::of(wire).ok_or_else(|| format::no_codec(wire.format))
    }

    /// An event id or a key; none where EDN has no keyword for it.
    fn name(self, text: &str) -> Option<Name<'_>> {
        if !self.json {
            return edn::is_readable_name(text).then_some(Name {
                open: ":",
                text: Cow::Borrowed(text),
                close: "",
            });
        }
        let plain = text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\');
        Some(match plain {
            true => Name { open: "\"", text: Cow::Borrowed(text), close: "\"" },
            false => Name { open: "", text: Cow::Owned(format::quoted(text)), close: "" },
        })
    }

    /// `meta` with the comma before it; nothing when there is nothing to say.
    fn meta(self, wire: Wire, context: Option<&TraceContext>) -> String {
        let Some(context) = context.filter(|_| wire.dialect == Dialect::Tengen) else {
            return String::new();
        };
        let mut fields = Fields::new(self);
        fields.text("traceparent", &context.traceparent());
        if let Some(state) = &context.state {
            fields.text("tracestate", state);
        }
        format!("{}{}", self.comma, fields.finish())
    }
}

/// A name in its format's clothes.
struct Name<'a> {
    open: &'static str,
    text: Cow<'a, str>,
    close: &'static str,
}

/// A map that is being written.
struct Fields {
    marks: Marks,
    out: String,
}

impl Fields {
    fn new(marks: Marks) -> Self {
        Self { marks, out: "{".to_owned() }
    }

    /// The keys are the gateway's own: plain names.
    fn key(&mut self, key: &str) {
        if self.out.len() > 1 {
            self.out.push_str(self.marks.comma);
        }
        match self.marks.json {
            true => self.push(format_args!("\"{key}\":")),
            false => self.push(format_args!(":{key} ")),
        }
    }

    fn push(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a `String` cannot fail.
        let _ok = self.out.write_fmt(text);
    }

    fn text(&mut self, key: &str, text: &str) {
        self.key(key);
        self.push(format_args!("{}", format::quoted(text)));
    }

    fn number(&mut self, key: &str, number: u128) {
        self.key(key);
        self.push(format_args!("{number}"));
    }

    /// An event id: a keyword where the format has it, and a string when it is not fit to be one.
    fn id(&mut self, key: &str, id: &str) {
        match self.marks.name(id) {
            None => self.text(key, id),
            Some(name) => {
                self.key(key);
                self.push(format_args!("{}{}{}", name.open, name.text, name.close));
            }
        }
    }

    /// A value that is written already.
    fn embed(&mut self, key: &str, value: &[u8]) {
        self.key(key);
        self.out.push_str(&String::from_utf8_lossy(value));
    }

    fn finish(mut self) -> String {
        self.out.push('}');
        self.out
    }
}

/// Text of exactly its pieces' length.
fn text(pieces: &[&[u8]]) -> Frame {
    Frame { text: true, body: Bytes::from(pieces.concat()) }
}

/// The first frame; raw endpoints have none.
///
/// A `welcome` that cannot be written in this format is left out.
pub fn handshake(wire: Wire, handshake: &Handshake<'_>) -> Option<Frame> {
    if wire.dialect == Dialect::Raw {
        return None;
    }
    let marks = Marks::of(wire)?;
    let user = match (handshake.user, wire.dialect, marks.json) {
        (Some(user), ..) => format::quoted(user),
        (None, Dialect::Sente, true) => "\"sente/nil-uid\"".to_owned(),
        (None, Dialect::Sente, false) => ":sente/nil-uid".to_owned(),
        (None, _, true) => "null".to_owned(),
        (None, _, false) => "nil".to_owned(),
    };
    let mut info = Fields::new(marks);
    info.text("connection", &handshake.connection.to_string());
    info.text("node", handshake.node);
    info.number("ping-ms", handshake.ping.as_millis());
    info.number("max-bytes", handshake.max_bytes as u128);
    info.text("version", handshake.version);
    if let Some(welcome) =
        handshake.welcome.and_then(|welcome| format::embeddable(welcome, wire.format).ok())
    {
        info.embed("welcome", &welcome);
    }
    let info = info.finish();
    let open = if marks.json { "[[\"chsk/handshake\",[" } else { "[[:chsk/handshake [" };
    let (comma, nil) = (marks.comma.as_bytes(), marks.nil.as_bytes());
    Some(text(&[open.as_bytes(), user.as_bytes(), nil, comma, info.as_bytes(), b"]]", nil, b"]"]))
}

/// A batch of one event. `context` travels as `meta.traceparent` in our dialect.
///
/// Err: `malformed` when the content is not what its encoding says (a plugin's mistake must not break the frame),
/// `unsupported` when the wire's format cannot hold it or has no way to write the id.
pub fn push(
    wire: Wire,
    id: &EventId,
    content: &Payload,
    context: Option<&TraceContext>,
) -> Result<Frame, Fault> {
    if wire.dialect == Dialect::Raw {
        return as_it_is(content);
    }
    let marks = Marks::required(wire)?;
    let data = format::embeddable(content, wire.format)?;
    let Some(name) = marks.name(id) else {
        let why = format!(
            "event id `{id}` is no EDN keyword: use letters, digits and `*!_?+-.`, and one `/`"
        );
        return Err(Fault::new(FaultId::Unsupported, why));
    };
    let meta = marks.meta(wire, context);
    Ok(text(&[
        b"[[[",
        name.open.as_bytes(),
        name.text.as_bytes(),
        name.close.as_bytes(),
        marks.comma.as_bytes(),
        &data,
        b"]]",
        marks.nil.as_bytes(),
        meta.as_bytes(),
        b"]",
    ]))
}

/// `tengen/publication` with its data; the content alone on raw endpoints.
pub fn publication(
    wire: Wire,
    what: &Publication<'_>,
    context: Option<&TraceContext>,
) -> Result<Frame, Fault> {
    if wire.dialect == Dialect::Raw {
        return as_it_is(what.content);
    }
    let marks = Marks::required(wire)?;
    let data = format::embeddable(what.content, wire.format)?;
    let mut fields = Fields::new(marks);
    fields.text("channel", what.channel);
    fields.id("id", what.id);
    fields.key("data");
    let after = match marks.json {
        true => format!(",\"offset\":{}}}]]", what.offset),
        false => format!(" :offset {}}}]]", what.offset),
    };
    let open = if marks.json { "[[[\"tengen/publication\"," } else { "[[[:tengen/publication " };
    let meta = marks.meta(wire, context);
    Ok(text(&[
        open.as_bytes(),
        fields.out.as_bytes(),
        &data,
        after.as_bytes(),
        marks.nil.as_bytes(),
        meta.as_bytes(),
        b"]",
    ]))
}

/// `[value callback meta]`; the content alone on raw endpoints, whose frames have no callback.
pub fn reply(
    wire: Wire,
    callback: &Callback,
    content: &Payload,
    context: Option<&TraceContext>,
) -> Result<Frame, Fault> {
    if wire.dialect == Dialect::Raw {
        return as_it_is(content);
    }
    let marks = Marks::required(wire)?;
    let data = format::embeddable(content, wire.format)?;
    let meta = marks.meta(wire, context);
    Ok(text(&[b"[", &data, marks.comma.as_bytes(), &callback.0, meta.as_bytes(), b"]"]))
}

/// The answer to an event that failed: to its callback, or pushed as `tengen/error`. Raw endpoints have none.
///
/// In Sente's dialects a callback gets the one value that its clients take for a failure, which says nothing: the error
/// is pushed as well, and goes first.
pub fn error(
    wire: Wire,
    why: &Fault,
    event: Option<&str>,
    callback: Option<&Callback>,
) -> Vec<Frame> {
    let Some(marks) = Marks::of(wire).filter(|_| wire.dialect != Dialect::Raw) else {
        return Vec::new();
    };
    match (callback, wire.dialect) {
        (Some(callback), Dialect::Sente) => {
            let comma = marks.comma.as_bytes();
            let value: &[u8] = if marks.json { b"[\"chsk/error\"" } else { b"[:chsk/error" };
            let pushed = pushed_error(marks, &error_map(marks, why, event, Some(callback)));
            vec![pushed, text(&[value, comma, &callback.0, b"]"])]
        }
        (Some(callback), _) => {
            let map = error_map(marks, why, event, None);
            let map = map.as_bytes();
            vec![match marks.json {
                true => text(&[b"[{\"tengen/error\":", map, b"},", &callback.0, b"]"]),
                false => text(&[b"[{:tengen/error ", map, b"} ", &callback.0, b"]"]),
            }]
        }
        (None, _) => vec![pushed_error(marks, &error_map(marks, why, event, None))],
    }
}

fn pushed_error(marks: Marks, map: &str) -> Frame {
    match marks.json {
        true => text(&[b"[[[\"tengen/error\",", map.as_bytes(), b"]],null]"]),
        false => text(&[b"[[[:tengen/error ", map.as_bytes(), b"]] nil]"]),
    }
}

/// `callback`: whose failure it is, where the map does not go to the callback itself.
fn error_map(
    marks: Marks,
    why: &Fault,
    event: Option<&str>,
    callback: Option<&Callback>,
) -> String {
    let mut fields = Fields::new(marks);
    fields.text("id", why.id.word());
    fields.text("message", &why.message);
    if let Some(wait) = why.retry_after {
        fields.number("retry-after-ms", wait.as_millis());
    }
    if let Some(event) = event {
        fields.id("event", event);
    }
    if let Some(code) = &why.code {
        fields.text("code", code);
    }
    if let Some(callback) = callback {
        fields.embed("callback", &callback.0);
    }
    fields.finish()
}

/// The gateway's ping; raw endpoints use WebSocket's own.
pub fn ping(wire: Wire) -> Option<Frame> {
    fixed(wire, "[\"chsk/ws-ping\",null]", "[:chsk/ws-ping nil]")
}

/// The answer to a ping. Sente's clients up to 1.17 send pings without a callback and want no answer.
pub fn pong(wire: Wire, callback: Option<&Callback>) -> Option<Frame> {
    let Some(callback) = callback else {
        return match wire.dialect {
            Dialect::Tengen => fixed(wire, "[[\"chsk/ws-pong\"],null]", "[[:chsk/ws-pong] nil]"),
            Dialect::Sente | Dialect::Raw => None,
        };
    };
    let marks = Marks::of(wire).filter(|_| wire.dialect != Dialect::Raw)?;
    Some(text(&[b"[\"pong\"", marks.comma.as_bytes(), &callback.0, b"]"]))
}

fn fixed(wire: Wire, json: &'static str, edn: &'static str) -> Option<Frame> {
    let marks = Marks::of(wire).filter(|_| wire.dialect != Dialect::Raw)?;
    let body = Bytes::from_static(if marks.json { json } else { edn }.as_bytes());
    Some(Frame { text: true, body })
}

/// A payload as a raw endpoint's frame: text where its encoding is text, else binary.
fn as_it_is(content: &Payload) -> Result<Frame, Fault> {
    let text = !matches!(content.encoding, Encoding::Msgpack | Encoding::Binary);
    if text && !content.is_checked() && std::str::from_utf8(&content.body).is_err() {
        let why = format!(
            "the payload is not `{}`: not UTF-8; send bytes as `binary`",
            content.encoding.word()
        );
        return Err(Fault::new(FaultId::Malformed, why));
    }
    Ok(Frame { text, body: content.body.clone() })
}
