//! Signals that clients send: read, asked for by the filters, and only then made.
//!
//! A client says what happened and when; who it is, on which endpoint, and what time it is, the gateway knows better. What a
//! client says is bounded, plain where it names something, and below `browser.` where the gateway names things of its own.

mod clock;
mod data;
mod plain;
mod said;

use crate::{
    pipe::{Fits, Pipe},
    redact,
};
use clock::{Clock, Moment};
use data::Data;
use said::{Head, Said, Sent};
use tengen_core::{
    event::Connection,
    intake::{Batch, Intake, Taken},
    sink::{Failure, Level, Signal, Text, Value},
};
use tengen_wire::{
    fault::{Fault, FaultId},
    trace::TraceContext,
};

/// Bytes of a message at most,
const MESSAGE: usize = 2 << 10;
/// of a stack,
const STACK: usize = 8 << 10;
/// and how many causes of an error.
const CAUSES: usize = 8;

impl Intake for Pipe {
    fn take(
        &self,
        batch: &Batch<'_>,
        admit: &mut dyn FnMut(usize) -> Result<(), Fault>,
    ) -> Result<Taken, Fault> {
        let Some(sent) = Sent::read(batch.json) else {
            let why = "signals come as a list of maps, or as a map with such a list as `signals` and the time as `sent`";
            return Err(Fault::new(FaultId::Malformed, why));
        };
        admit(sent.signals.len())?;
        let clock = Clock::new(sent.at(), batch.arrived);
        let mut taken = Taken::default();
        for written in &sent.signals {
            let Some(head) = Head::read(written.get()) else {
                taken.malformed += 1;
                continue;
            };
            let name = Name::of(&head);
            let fits = self.fits(name.level, &name.namespace, &name.id);
            if fits == Fits::Not {
                taken.filtered += 1;
                continue;
            }
            match Said::read(written.get()) {
                Some(said) => {
                    self.put_of_client(signal(name, said, clock, batch));
                    taken.accepted += 1;
                }
                None => taken.malformed += 1,
            }
        }
        Ok(taken)
    }
}

/// What filters ask for: all that has to be known before a signal is made.
#[derive(Debug)]
struct Name {
    level: Level,
    /// What the client called a level that it cannot have.
    said_level: Option<Level>,
    namespace: String,
    id: String,
    kind: &'static str,
}

impl Name {
    fn of(head: &Head<'_>) -> Self {
        let kind = plain::kind(head.kind().as_deref());
        let said = head.level().as_deref().and_then(plain::level);
        let level = said.unwrap_or(match kind {
            "error" => Level::Error,
            "warning" => Level::Warn,
            _ => Level::Info,
        });
        // How bad it is for the gateway is not for a client to say.
        let most = level.min(Level::Error);
        Self {
            level: most,
            said_level: (most != level).then_some(level),
            namespace: plain::namespace(head.namespace().as_deref()),
            id: plain::id(head.id().as_deref(), kind),
            kind,
        }
    }
}

fn signal(name: Name, said: Said, clock: Clock, batch: &Batch<'_>) -> Signal {
    let Name { level, said_level, namespace, id, kind } = name;
    let mut data = Data::default();
    data.own("kind", kind);
    data.own("endpoint", &batch.from.endpoint);
    if let Some(level) = said_level {
        data.own("client_level", level.word());
    }
    let Moment { at, said: by_client, odd } = clock.of(said.at.as_ref());
    if let Some(millis) = by_client {
        data.push("client_at", Value::Integer(millis));
    }
    if let Some(odd) = odd {
        data.own("clock", odd);
    }
    let mut signal = Signal::new(level, namespace, plain::text(&said.message, MESSAGE));
    signal.id = id.into();
    signal.at = at;
    if let Some(error) = said.error {
        if !error.stack.is_empty() {
            data.push("stack", Value::Text(plain::text(&error.stack, STACK)));
        }
        let causes = error.causes.iter().take(CAUSES);
        let causes = causes.map(|cause| plain::text(cause, MESSAGE)).collect();
        signal.error = Some(Failure { message: plain::text(&error.message, MESSAGE), causes });
    }
    data.add(&said.data);
    signal.data = data.into_facts();
    stamp(&mut signal, batch.from, batch.context);
    signal
}

/// Who sent it, and the trace that its event belongs to.
fn stamp(signal: &mut Signal, from: &Connection, context: Option<&TraceContext>) {
    signal.connection = from.id.to_string();
    if let Some(user) = &from.user {
        signal.user = user.id.to_string();
    }
    if let Some(context) = context {
        signal.trace_id = format!("{:032x}", context.trace_id);
        signal.span_id = format!("{:016x}", context.span_id);
        signal.sampled = context.sampled;
    }
}

/// A text of a client's under this name, without what it must not show.
fn shown(name: &str, text: &str, most: usize) -> Value {
    Value::Text(match redact::is_secret(name) {
        true => redact::MASK.into(),
        false => plain::text(text, most),
    })
}

/// The facts that say more than the client did.
type Facts = Vec<(Text, Value)>;

#[cfg(test)]
mod tests;
