//! What was found in a frame, and what comes of it.

use super::super::{Arrived, Callback, Inbound, Malformed};
use crate::{
    fault::{Fault, FaultId},
    format::{Format, error::ReadError},
    id::{EVENT_ID_MAX, EventId},
    payload::Payload,
};
use bytes::Bytes;
use std::{borrow::Cow, ops::Range};

/// What was found in a frame so far.
#[derive(Debug, Default)]
pub(in super::super) struct Found<'a> {
    pub(in super::super) id: Option<Cow<'a, str>>,
    pub(in super::super) payload: Option<Range<usize>>,
    /// The payload as it means the same outside of the frame, where it does not as it stands.
    pub(in super::super) apart: Option<Vec<u8>>,
    pub(in super::super) callback: Option<Callback>,
    pub(in super::super) traceparent: Option<String>,
    pub(in super::super) tracestate: Option<String>,
    /// The first thing that is wrong with a frame whose grammar is right: read on, for the callback comes later.
    complaint: Option<Fault>,
    /// The first mistake in its grammar that was passed over, for the same reason.
    pub(in super::super) mistake: Option<ReadError>,
    /// Half of a surrogate pair stands in some string.
    pub(in super::super) halved: bool,
}

impl Found<'_> {
    pub(in super::super) fn inbound<F: Format>(
        mut self,
        body: &Bytes,
    ) -> Result<Inbound, Box<Malformed>> {
        if let Some(complaint) = self.complaint.take() {
            return Err(self.malformed(complaint));
        }
        let id = self.id.as_deref().unwrap_or_default();
        match id {
            "chsk/ws-ping" => return Ok(Inbound::Ping(self.callback)),
            "chsk/ws-pong" => return Ok(Inbound::Pong),
            _ if id.starts_with("chsk/") => {
                let why = format!(
                    "`{}` is the gateway's own: name the event in a namespace of yours",
                    short(id)
                );
                return Err(self.malformed(Fault::new(FaultId::NotAllowed, why)));
            }
            _ => {}
        }
        let payload = match self.payload {
            Some(span) => {
                let value = self.apart.map_or_else(|| body.slice(span), Bytes::from);
                let value = if self.halved { F::whole(&value) } else { value };
                Payload::checked(F::ENCODING, value)
            }
            None => Payload::nil(F::ENCODING),
        };
        Ok(Inbound::Event(Arrived {
            id: EventId::new(id),
            payload,
            callback: self.callback,
            traceparent: self.traceparent,
            tracestate: self.tracestate,
        }))
    }

    pub(in super::super) fn malformed(self, why: Fault) -> Box<Malformed> {
        let event = self.id.map(|id| short(&id).to_owned());
        Box::new(Malformed { why, event, callback: self.callback })
    }

    pub(in super::super) fn complain(&mut self, at: usize, why: &str) {
        let fault = || Fault::new(FaultId::Malformed, format!("byte {at}: {why}"));
        self.complaint.get_or_insert_with(fault);
    }
}

/// As much of a name as is fit to be shown.
fn short(name: &str) -> &str {
    let end = (0..=name.len().min(EVENT_ID_MAX)).rev().find(|&end| name.is_char_boundary(end));
    end.and_then(|end| name.get(..end)).unwrap_or_default()
}
