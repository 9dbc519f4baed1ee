//! A record for people: `time LEVEL target: spans: message field=value`.

use super::{
    Escaped, FmtContext, FormatEvent, FormatFields, LookupSpan, Subscriber, Visible, format::Writer,
};
use crate::redact;
use base64::prelude::{BASE64_STANDARD as BASE64, Engine as _};
use std::{
    error::Error,
    fmt::{self, Debug, Write},
};
use tengen_core::sink::{Facts, Signal, Value};
use tracing::{
    Event, Level,
    field::{Field, Visit},
};
use tracing_subscriber::{
    field::RecordFields,
    fmt::{
        FormattedFields,
        time::{FormatTime, SystemTime},
    },
};

#[derive(Debug)]
pub(super) struct Human;

impl<S: Subscriber + for<'a> LookupSpan<'a>> FormatEvent<S, Escaped> for Human {
    fn format_event(
        &self,
        context: &FmtContext<'_, S, Escaped>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        let (dim, plain) =
            if writer.has_ansi_escapes() { ("\x1b[2m", "\x1b[0m") } else { ("", "") };
        writer.write_str(dim)?;
        SystemTime.format_time(&mut writer)?;
        write!(
            writer,
            "{plain} {}{:>5}{plain} ",
            color(&writer, *metadata.level()),
            metadata.level().as_str()
        )?;
        write!(writer, "{dim}{}:{plain} ", metadata.target())?;
        for span in context.event_scope().into_iter().flat_map(|scope| scope.from_root()) {
            write!(writer, "{}", span.name())?;
            if let Some(fields) = span.extensions().get::<FormattedFields<Escaped>>()
                && !fields.is_empty()
            {
                write!(writer, "{{{fields}}}")?;
            }
            writer.write_str(": ")?;
        }
        context.field_format().format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}

fn color(writer: &Writer<'_>, level: Level) -> &'static str {
    if !writer.has_ansi_escapes() {
        return "";
    }
    match level {
        Level::ERROR => "\x1b[31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        Level::DEBUG => "\x1b[34m",
        Level::TRACE => "\x1b[35m",
    }
}

/// A record of now that did not come by the log, with the line's end.
pub(super) fn line(signal: &Signal) -> Result<String, fmt::Error> {
    let mut line = String::new();
    SystemTime.format_time(&mut Writer::new(&mut line))?;
    let level = signal.level.word().to_ascii_uppercase();
    write!(line, " {level:>5} {}: {}", signal.namespace, signal.message)?;
    for (name, value) in &signal.data {
        write!(line, " {name}={value}")?;
    }
    line.push('\n');
    Ok(line)
}

/// The message first as it is, then `name=value`.
pub(super) fn write_fields(writer: Writer<'_>, fields: impl RecordFields) -> fmt::Result {
    let mut line = Line { writer, is_empty: true, result: Ok(()) };
    fields.record(&mut line);
    line.result
}

struct Line<'w> {
    writer: Writer<'w>,
    is_empty: bool,
    result: fmt::Result,
}

impl Line<'_> {
    fn write(&mut self, field: &Field, value: &dyn Debug) -> fmt::Result {
        if !std::mem::take(&mut self.is_empty) {
            self.writer.write_char(' ')?;
        }
        let name = field.name();
        if name == "message" {
            return write!(Visible(&mut self.writer), "{value:?}");
        }
        self.write_named(name.strip_prefix("r#").unwrap_or(name), format_args!("{value:?}"))
    }

    fn write_named(&mut self, name: &str, value: fmt::Arguments<'_>) -> fmt::Result {
        write!(Visible(&mut self.writer), "{name}=")?;
        if redact::is_secret(name) {
            return self.writer.write_str(redact::MASK);
        }
        write!(Visible(&mut self.writer), "{value}")
    }

    fn write_facts(&mut self, facts: &Facts) -> fmt::Result {
        for (name, value) in &facts.0 {
            if !std::mem::take(&mut self.is_empty) {
                self.writer.write_char(' ')?;
            }
            match value {
                Value::Bytes(bytes) => {
                    self.write_named(name, format_args!("{}", BASE64.encode(bytes)))?;
                }
                other => self.write_named(name, format_args!("{other}"))?,
            }
        }
        Ok(())
    }
}

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if self.result.is_ok() {
            self.result = self.write(field, value);
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        match value.downcast_ref::<Facts>() {
            Some(facts) if self.result.is_ok() => self.result = self.write_facts(facts),
            Some(_) => {}
            None => self.record_debug(field, &format_args!("{value}")),
        }
    }
}
