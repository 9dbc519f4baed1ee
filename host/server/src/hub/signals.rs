//! Signals that clients send: who may, and how many.

use super::{Hub, Link, link::Right};
use serde_json::json;
use std::{
    sync::Arc,
    time::{Instant, SystemTime},
};
use tengen_core::{
    intake::{Batch, Taken},
    meter::Happened,
    often::Times,
    trace::Span,
};
use tengen_wire::{
    dialect::{Arrived, Asked},
    fault::{Fault, FaultId},
    format::Encoding,
    payload::{Payload, transcode},
};

impl Hub {
    /// Takes in a batch of signals, and says what became of it. A client whose batch is refused hears why, and stays.
    pub(crate) fn take_signals(
        &self,
        link: &Arc<Link>,
        arrived: &Arrived,
        span: &mut Span,
        now: Instant,
    ) {
        let done = self.taken_of(link, arrived, span, now).and_then(|taken| {
            let Taken { accepted, filtered, malformed } = taken;
            self.count_signals("accepted", accepted);
            self.count_signals("filtered", filtered);
            self.count_signals("malformed", malformed);
            if malformed > 0 && arrived.callback.is_none() {
                return Err(some_malformed(&taken));
            }
            let told = json!({ "accepted": accepted, "filtered": filtered, "dropped": malformed });
            self.respond(link, arrived, &Payload::json(&told))
        });
        if let Err(why) = done {
            span.fail(why.id.word());
            self.count_request(Asked::Telemetry, &why);
            self.note_refused_signals(link, &why);
            self.send_fault(link, &why, Some(&arrived.id), arrived.callback.as_ref());
        }
    }

    fn taken_of(
        &self,
        link: &Link,
        arrived: &Arrived,
        span: &Span,
        now: Instant,
    ) -> Result<Taken, Fault> {
        let (Some(right), Some(intake)) = (link.may_send_signals(), &self.intake) else {
            let why = "this endpoint takes no signals of clients; its operator may allow it by `[endpoint.telemetry]`";
            return Err(Fault::new(FaultId::NotAllowed, why));
        };
        let bytes = arrived.payload.body.len();
        let most = right.limits.batch_bytes.get();
        if bytes > most {
            let why = format!(
                "a batch of signals has at most {most} bytes, and this one {bytes}: send fewer at once"
            );
            return Err(Fault::new(FaultId::TooLarge, why));
        }
        right.spent().bytes.ask(bytes, now).map_err(|wait| too_often("bytes", wait))?;
        let json = transcode(&arrived.payload, Encoding::Json)?;
        let batch = Batch {
            from: &link.facts,
            json: &json.body,
            arrived: SystemTime::now(),
            context: span.context(),
        };
        intake.take(&batch, &mut |count| self.admit(right, (count, bytes), now))
    }

    /// Whether so many signals, in so many bytes, may come now; if so, they have.
    fn admit(
        &self,
        right: &Right,
        (count, bytes): (usize, usize),
        now: Instant,
    ) -> Result<(), Fault> {
        let most = right.limits.batch.get();
        if count > most {
            self.count_signals("too-large", count);
            let why = format!(
                "a batch has at most {most} signals, and this one {count}: send fewer at once"
            );
            return Err(Fault::new(FaultId::TooLarge, why));
        }
        let mut spent = right.spent();
        spent.signals.ask(count, now).map_err(|wait| {
            self.count_signals("rate-limited", count);
            too_often("signals", wait)
        })?;
        spent.signals.take(count, now);
        spent.bytes.take(bytes, now);
        Ok(())
    }

    fn count_signals(&self, fate: &'static str, count: usize) {
        self.meter.note(Happened::ClientSignals(fate, count as u64));
    }

    fn note_refused_signals(&self, link: &Link, why: &Fault) {
        let (connection, endpoint) = (link.facts.id, &link.facts.endpoint);
        let why = &why.message;
        match self.notable.count("client-signals", Instant::now()) {
            Some(Times { untold, .. }) => {
                tracing::warn!(%connection, %endpoint, why, untold, "signals of a client were refused");
            }
            None => {
                tracing::debug!(%connection, %endpoint, why, "signals of a client were refused")
            }
        }
    }
}

fn too_often(what: &str, wait: std::time::Duration) -> Fault {
    let why = format!(
        "more {what} of signals than a connection may send in a second: keep them for a while, or send fewer"
    );
    Fault::new(FaultId::RateLimited, why).retry_after(wait)
}

fn some_malformed(taken: &Taken) -> Fault {
    let Taken { accepted, filtered, malformed } = taken;
    let all = accepted + filtered + malformed;
    let why = format!(
        "{malformed} of {all} signals could not be read: each is a map with the text `message`, or with `error`"
    );
    Fault::new(FaultId::Malformed, why)
}
