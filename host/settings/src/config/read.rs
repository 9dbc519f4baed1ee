//! The sections of the file, one function each, read into settings.

use super::{document::Place, origins, table::Table, value::Value};
use crate::{
    Admin, Cache, Endpoint, Heartbeat, Limits, Otlp, Outbox, Protocol, Server, Static, Telemetry,
    Traceparent, WhenFull, instances::PLUGIN_INSTANCES_MAX,
};
use std::ops::RangeInclusive;
use tengen_wire::{
    dialect::{Dialect, Subprotocol},
    payload::Encoding,
};

pub(super) fn server(table: &Table<'_>) -> Server {
    let mut server = Server::default();
    table.set("listen", &mut server.listen, Value::address);
    table.set("port_file", &mut server.port_file, |value| value.path().map(Some));
    table.set("keep_alive", &mut server.keep_alive, Value::duration);
    table.set("cache", &mut server.cache, |value| match value.text().as_deref() {
        Some("off") => Some(Cache::Off),
        _ => value.path().map(Cache::Folder),
    });
    if let Some(table) = table.table("drain", "server.drain") {
        table.set("grace", &mut server.drain.grace, Value::pause);
        table.set("deadline", &mut server.drain.deadline, Value::duration);
        table.set("batch", &mut server.drain.batch, Value::count);
        table.set("every", &mut server.drain.every, Value::duration);
    }
    server
}

pub(super) fn admin(table: &Table<'_>) -> Option<Admin> {
    let mut admin = Some(Admin::default());
    table.set("listen", &mut admin, |value| match value.text().as_deref() {
        Some("off") => Some(None),
        _ => value.address().map(|listen| Some(Admin { listen, ..Admin::default() })),
    });
    let keys = table.get("keys").and_then(|keys| keys.list(Value::key));
    let hosts = table.get("hosts").and_then(|hosts| hosts.list(host));
    let admin =
        Admin { keys: keys.unwrap_or_default(), hosts: hosts.unwrap_or_default(), ..admin? };
    if !admin.listen.ip().is_loopback() {
        table.document.warning(
            &table.place,
            format!(
                "health and statistics are readable by everyone who can reach `{}`",
                admin.listen
            ),
        );
    }
    Some(admin)
}

/// A host as it stands in a request, with or without a port.
fn host(value: &Value<'_>) -> Option<String> {
    let text = value.filled()?;
    let authority = text.parse::<http::uri::Authority>().ok();
    if authority.is_none() || text.contains(['@', '*']) {
        value.mistake(format!("`{text}` is not a host; write a name, as in \"tengen.prod.svc\""));
        return None;
    }
    Some(text)
}

pub(super) fn heartbeat(table: &Table<'_>) -> Heartbeat {
    let mut heartbeat = Heartbeat::default();
    table.set("ping_every", &mut heartbeat.ping_every, Value::duration);
    table.set("give_up_after", &mut heartbeat.give_up_after, Value::duration);
    let Heartbeat { ping_every, give_up_after } = heartbeat;
    if give_up_after <= ping_every {
        let name =
            if table.get("give_up_after").is_some() { "give_up_after" } else { "ping_every" };
        let place = table.get(name).map_or_else(|| table.place.clone(), |value| value.place);
        table.document.mistake(
            &place,
            format!(
                "`give_up_after` ({give_up_after:?}) must be longer than `ping_every` ({ping_every:?}), or every silent peer is closed before its answer can come"
            ),
        );
    }
    heartbeat
}

pub(super) fn outbox(table: &Table<'_>) -> Outbox {
    let mut outbox = Outbox::default();
    table.set("events", &mut outbox.events, Value::count);
    table.set("bytes", &mut outbox.bytes, Value::some_size);
    table.set("write_deadline", &mut outbox.write_deadline, Value::duration);
    let words = [
        ("close", WhenFull::Close),
        ("drop-newest", WhenFull::DropNewest),
        ("drop-oldest", WhenFull::DropOldest),
        ("latest", WhenFull::Latest),
    ];
    table.set("when_full", &mut outbox.when_full, |value| value.word(&words, &[]));
    outbox
}

/// Sizes that the head of a request may be limited to.
const HEAD: RangeInclusive<usize> = 1 << 10..=1 << 20;
/// What the plugins' instances may be limited to.
const PLUGIN_INSTANCES: RangeInclusive<usize> = 1..=PLUGIN_INSTANCES_MAX;

pub(super) fn limits(table: &Table<'_>) -> Limits {
    let mut limits = Limits::default();
    table.set("message", &mut limits.message, Value::some_size);
    table.set("memory", &mut limits.memory, Value::memory);
    table.set("connections", &mut limits.connections, Value::count);
    table.set("request_head", &mut limits.request_head, |value| {
        value.some_size().and_then(|size| value.between(size, "1KiB", "1MiB", HEAD))
    });
    table.set("request_lines", &mut limits.request_lines, |value| {
        value.count().and_then(|count| value.between(count, "8", "1000", 8..=1000))
    });
    table.set("per_address", &mut limits.per_address, |value| value.count().map(Some));
    table.set("unauthenticated", &mut limits.unauthenticated, Value::duration);
    table.set("malformed", &mut limits.malformed, Value::rate);
    table.set("reply", &mut limits.reply, Value::duration);
    table.set("plugin_waiting_events", &mut limits.plugin_waiting_events, Value::count);
    table.set("plugin_instances", &mut limits.plugin_instances, |value| {
        value.count().and_then(|count| value.between(count, "1", "8192", PLUGIN_INSTANCES))
    });
    if let Some(table) = table.table("per_connection", "limits.per_connection") {
        table.set("subscriptions", &mut limits.subscriptions, Value::number);
        table.set("waiting_events", &mut limits.waiting_events, Value::small_count);
        table.set("waiting_bytes", &mut limits.waiting_bytes, |value| {
            value.some_size().map(Into::into)
        });
        table.set("wait", &mut limits.wait, Value::duration);
    }
    limits
}

/// An endpoint, and where its authenticator is named.
pub(super) fn endpoint(table: &Table<'_>) -> (Endpoint, Option<Place>) {
    let remedy = "say where clients connect, as in path = \"/ws\"";
    let path = table.require("path", remedy, url_path).unwrap_or_default();
    let words = Dialect::ALL.map(|dialect| (dialect.word(), dialect));
    let mut dialect = Dialect::Tengen;
    table.set("dialect", &mut dialect, |value| value.word(&words, &["sente-lite", "auto"]));
    let mut endpoint = Endpoint::new(path, dialect);
    formats(table, &mut endpoint);
    subprotocols(table, &mut endpoint);
    table.set("origins", &mut endpoint.origins, origins::read);
    table.set("anonymous", &mut endpoint.anonymous, Value::truth);
    let words = [("link", Traceparent::Link), ("parent", Traceparent::Parent)];
    table.set("traceparent", &mut endpoint.traceparent, |value| value.word(&words, &[]));
    table.set("csrf", &mut (), |value| value.word(&[("off", ())], &["signed", "plugin"]));
    let authenticator = table.get("authenticator");
    endpoint.authenticator = authenticator.as_ref().and_then(Value::filled).map(Into::into);
    if endpoint.authenticator.is_none() && !endpoint.anonymous && authenticator.is_none() {
        let what = "nobody can come in: without an `authenticator` everyone is anonymous, and `anonymous` is false; name an authenticator";
        table.document.mistake(&table.place, what);
    }
    (endpoint, authenticator.map(|value| value.place))
}

fn subprotocols(table: &Table<'_>, endpoint: &mut Endpoint) {
    let Some(written) = table.get("subprotocols") else { return };
    let word = |value: &Value<'_>| {
        let text = value.filled()?;
        let is_token =
            |byte: u8| byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(&byte);
        if !text.bytes().all(is_token) {
            value.mistake(format!("`{text}` is not a subprotocol; write a word, as in \"mqtt\""));
            return None;
        }
        if text.starts_with("tengen.token.") {
            value.mistake("begins like a token, which is never agreed on; write another word");
            return None;
        }
        Some(text)
    };
    let words = written.list(word).unwrap_or_default();
    let names = |dialect: Dialect| dialect.profile().subprotocol == Subprotocol::Named;
    if !names(endpoint.dialect) && !words.is_empty() {
        let named = Dialect::ALL.into_iter().filter(|dialect| names(*dialect));
        written.mistake(format!(
            "has a meaning for the {} dialect only; the others have words of their own; remove it",
            named.map(Dialect::word).collect::<Vec<_>>().join(" and ")
        ));
        return;
    }
    endpoint.subprotocols = words;
}

fn formats(table: &Table<'_>, endpoint: &mut Endpoint) {
    let one = table.get("format");
    let many = table.get("formats");
    let Some(written) = many.as_ref().or(one.as_ref()) else { return };
    if let (Some(one), Some(_)) = (&one, &many) {
        one.mistake("stands beside `formats`; keep one of the two");
        return;
    }
    let profile = endpoint.dialect.profile();
    if !profile.is_read() {
        let word = profile.word;
        written.mistake(format!(
            "has no meaning for the {word} dialect, whose frames are not read; remove it"
        ));
        return;
    }
    let words: Vec<_> = profile.offered.iter().map(|format| (format.word(), *format)).collect();
    let later = Encoding::ALL
        .into_iter()
        .filter(|format| !format.is_opaque() && !profile.offered.contains(format));
    let later: Vec<_> = later.map(Encoding::word).collect();
    let read = |value: &Value<'_>| value.word(&words, &later);
    let formats = match &many {
        Some(many) => many.list(read),
        None => read(written).map(|format| vec![format]),
    };
    if many.as_ref().and_then(Value::items).is_some_and(|items| items.is_empty()) {
        written.mistake("is empty; name a format or remove it");
    }
    if let Some(formats) = formats {
        endpoint.formats = formats;
    }
}

/// The path of an URL: begins with `/`, no query, no fragment.
fn url_path(value: &Value<'_>) -> Option<String> {
    value.read(|text| {
        if !text.starts_with('/') {
            return Err(format!("`{text}` must begin with `/`; write `/{text}`"));
        }
        let is_odd = text.contains(['?', '#', '%', '\\']) || text.contains(char::is_whitespace);
        match is_odd || text.contains("//") {
            true => Err(format!(
                "`{text}` is not a plain path; write letters, digits, `-`, `_`, `.` and single `/`"
            )),
            false => Ok(text.to_owned()),
        }
    })
}

pub(super) fn telemetry(table: &Table<'_>) -> Telemetry {
    let mut telemetry = Telemetry::default();
    table.set("level", &mut telemetry.level, level);
    table.set("service_name", &mut telemetry.service_name, |value| value.filled().map(Some));
    telemetry.otlp = table.table("otlp", "telemetry.otlp").and_then(|table| otlp(&table));
    telemetry
}

fn otlp(table: &Table<'_>) -> Option<Otlp> {
    let remedy = "say where the collector is, as in endpoint = \"http://127.0.0.1:4317\"";
    let endpoint = table.require("endpoint", remedy, |value| value.read(collector));
    let mut otlp = Otlp::new(endpoint.unwrap_or_default());
    let words = Protocol::ALL.map(|protocol| (protocol.word(), protocol));
    table.set("protocol", &mut otlp.protocol, |value| value.word(&words, &[]).map(Some));
    table.set("sample", &mut otlp.sample, |value| value.share().map(Some));
    table.set("certificate", &mut otlp.certificate, |value| value.path().map(Some));
    (!otlp.endpoint.is_empty()).then_some(otlp)
}

/// The address of a collector.
fn collector(text: &str) -> Result<String, String> {
    let uri = text.parse::<http::Uri>().ok();
    let (_, authority) = text.split_once("://").unwrap_or_default();
    match (uri.as_ref().and_then(http::Uri::scheme_str), uri.as_ref().and_then(http::Uri::host)) {
        // Not shown, as it has a password in it.
        _ if authority.contains('@') => {
            Err("has credentials in it; send them with `OTEL_EXPORTER_OTLP_HEADERS`".into())
        }
        (Some("http" | "https"), Some(host)) if !host.is_empty() => Ok(text.to_owned()),
        _ => Err(format!("`{text}` is not an address; write it as in `http://127.0.0.1:4317`")),
    }
}

/// A level, or `target=level` pairs. `tracing` takes a mistyped level for a target; we do not.
fn level(value: &Value<'_>) -> Option<String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    value.filled()?;
    value.read(|text| {
        for part in text.split(',').map(str::trim) {
            let (target, level) = part.rsplit_once('=').unwrap_or(("", part));
            if !LEVELS.contains(&level.to_ascii_lowercase().as_str())
                || target.contains(char::is_whitespace)
            {
                let known = super::mistakes::choice(LEVELS);
                return Err(format!(
                    "`{part}` is not a level; write {known}, or pairs as in \"info,tengen::hub=debug\""
                ));
            }
        }
        Ok(text.to_owned())
    })
}

pub(super) fn folder(table: &Table<'_>) -> Option<Static> {
    let path = table.require("path", "say where the files are seen, as in path = \"/\"", url_path);
    let dir = table.require("dir", "say which folder, as in dir = \"page\"", Value::path);
    Some(Static { path: path?, dir: dir? })
}
