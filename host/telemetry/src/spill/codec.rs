//! A signal as bytes, and back. Only the gateway that wrote it reads it: the form is of no other's concern, and may change
//! with the number in a file's head.

use std::time::{Duration, UNIX_EPOCH};
use tengen_core::sink::{Failure, Level, Location, Signal, Text, Value};

/// Adds all that a signal says.
pub(super) fn write(signal: &Signal, to: &mut Vec<u8>) {
    // Named one by one: what a signal learns to say is not to be forgotten here.
    let Signal {
        at,
        level,
        namespace,
        id,
        message,
        data,
        error,
        location,
        trace_id,
        span_id,
        sampled,
        connection,
        user,
        parent,
        took,
        within,
    } = signal;
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    to.extend(since.as_secs().to_le_bytes());
    to.extend(since.subsec_nanos().to_le_bytes());
    let level = Level::ALL.iter().position(|one| one == level).unwrap_or_default();
    to.push(u8::try_from(level).unwrap_or_default());
    [namespace, id, message].into_iter().for_each(|it| text(it, to));
    [trace_id, span_id, connection, user, parent, within].into_iter().for_each(|it| text(it, to));
    to.extend([u8::from(*sampled), u8::from(took.is_some())]);
    let took = took.unwrap_or_default();
    to.extend(took.as_secs().to_le_bytes());
    to.extend(took.subsec_nanos().to_le_bytes());
    text(&location.to_string(), to);
    count(data.len(), to);
    for (name, value) in data {
        text(name, to);
        put(value, to);
    }
    to.push(u8::from(error.is_some()));
    if let Some(error) = error {
        text(&error.message, to);
        count(error.causes.len(), to);
        error.causes.iter().for_each(|cause| text(cause, to));
    }
}

fn count(number: usize, to: &mut Vec<u8>) {
    to.extend(u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes());
}

fn bytes(it: &[u8], to: &mut Vec<u8>) {
    count(it.len(), to);
    to.extend_from_slice(it);
}

fn text(it: &str, to: &mut Vec<u8>) {
    bytes(it.as_bytes(), to);
}

fn put(value: &Value, to: &mut Vec<u8>) {
    match value {
        Value::Text(it) => {
            to.push(0);
            text(it, to);
        }
        Value::Integer(it) => {
            to.push(1);
            to.extend(it.to_le_bytes());
        }
        Value::Float(it) => {
            to.push(2);
            to.extend(it.to_le_bytes());
        }
        Value::Boolean(it) => to.extend([3, u8::from(*it)]),
        Value::Bytes(it) => {
            to.push(4);
            bytes(it, to);
        }
    }
}

/// None: this is no signal, or not all of it.
pub(super) fn read(bytes: &[u8]) -> Option<Signal> {
    whole(bytes, true)
}

/// The same of a signal as the version before this one wrote it, which did not say whether its trace was recorded.
pub(super) fn read_first(bytes: &[u8]) -> Option<Signal> {
    whole(bytes, false)
}

fn whole(bytes: &[u8], says_sampled: bool) -> Option<Signal> {
    let mut from = Reader(bytes);
    let signal = from.signal(says_sampled)?;
    from.0.is_empty().then_some(signal)
}

/// As the version before wrote it.
#[cfg(test)]
pub(super) fn write_first(signal: &Signal, to: &mut Vec<u8>) {
    let mut body = Vec::new();
    write(signal, &mut body);
    // Behind the time, the level and nine texts.
    let mut from = Reader(&body);
    from.duration();
    from.byte();
    (0..9).for_each(|_| drop(from.text()));
    let place = body.len() - from.0.len();
    body.remove(place);
    to.extend(body);
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn signal(&mut self, says_sampled: bool) -> Option<Signal> {
        let at = UNIX_EPOCH.checked_add(self.duration()?)?;
        let level = *Level::ALL.get(usize::from(self.byte()?))?;
        let [namespace, id, message] = [self.text()?, self.text()?, self.text()?].map(Text::Owned);
        let [trace_id, span_id, connection] = [self.text()?, self.text()?, self.text()?];
        let [user, parent, within] = [self.text()?, self.text()?, self.text()?];
        let sampled = says_sampled && self.byte()? != 0;
        let (has_taken, took) = (self.byte()? != 0, self.duration()?);
        let location = match self.text()? {
            unknown if unknown.is_empty() => Location::Unknown,
            place => Location::Named(place),
        };
        let mut data = Vec::new();
        for _ in 0..self.count()? {
            data.push((Text::Owned(self.text()?), self.value()?));
        }
        let error = match self.byte()? {
            0 => None,
            _ => Some(self.failure()?),
        };
        Some(Signal {
            at,
            level,
            namespace,
            id,
            message,
            data,
            error,
            location,
            trace_id,
            span_id,
            sampled,
            connection,
            user,
            parent,
            took: has_taken.then_some(took),
            within,
        })
    }

    fn duration(&mut self) -> Option<Duration> {
        let (secs, nanos) = (u64::from_le_bytes(self.array()?), u32::from_le_bytes(self.array()?));
        Some(Duration::new(secs, nanos.min(999_999_999)))
    }

    fn failure(&mut self) -> Option<Failure> {
        let message = self.text()?;
        let mut causes = Vec::new();
        for _ in 0..self.count()? {
            causes.push(self.text()?);
        }
        Some(Failure { message, causes })
    }

    fn value(&mut self) -> Option<Value> {
        Some(match self.byte()? {
            0 => Value::Text(self.text()?),
            1 => Value::Integer(i64::from_le_bytes(self.array()?)),
            2 => Value::Float(f64::from_le_bytes(self.array()?)),
            3 => Value::Boolean(self.byte()? != 0),
            4 => Value::Bytes(self.bytes()?.to_owned()),
            _ => return None,
        })
    }

    fn byte(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    fn count(&mut self) -> Option<usize> {
        usize::try_from(u32::from_le_bytes(self.array()?)).ok()
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    fn bytes(&mut self) -> Option<&[u8]> {
        let length = self.count()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    fn text(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?.to_owned()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(super) fn full() -> Signal {
        let text = |text: &str| text.to_owned();
        Signal {
            at: UNIX_EPOCH + Duration::new(1_700_000_000, 7),
            id: "chat/said".into(),
            data: vec![
                ("text".into(), Value::Text(text("a\n\u{1F980}"))),
                ("integer".into(), Value::Integer(i64::MIN)),
                ("float".into(), Value::Float(-0.5)),
                ("truth".into(), Value::Boolean(true)),
                ("bytes".into(), Value::Bytes(vec![0, 255])),
            ],
            error: Some(Failure { message: text("no"), causes: vec![text("a"), text("b")] }),
            location: Location::Named(text("src/lib.rs:7")),
            trace_id: text("t"),
            span_id: text("s"),
            sampled: true,
            connection: text("c"),
            user: text("u"),
            parent: text("p"),
            took: Some(Duration::new(3, 5)),
            within: text("in: "),
            ..Signal::new(Level::Fatal, "plugin.chat", "hello")
        }
    }

    #[test]
    fn a_signal_comes_back_as_it_was() {
        let mut bytes = Vec::new();
        write(&full(), &mut bytes);
        assert_eq!(read(&bytes), Some(full()));
        let ours = Signal { location: Location::Line("a.rs", 3), ..full() };
        bytes.clear();
        write(&ours, &mut bytes);
        let back = read(&bytes).unwrap();
        assert_eq!(back.location.to_string(), ours.location.to_string());
    }

    #[test]
    fn a_part_of_a_signal_is_none() {
        let mut bytes = Vec::new();
        write(&full(), &mut bytes);
        for end in 0..bytes.len() {
            assert_eq!(read(&bytes[..end]), None, "{end} of {}", bytes.len());
        }
        bytes.push(0);
        assert_eq!(read(&bytes), None, "nor is more than one");
    }

    proptest! {
        #[test]
        fn whatever_is_read_nothing_breaks(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            drop(read(&bytes));
        }
    }
}
