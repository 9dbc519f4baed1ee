//! Spans by OTLP: one request at a time, of as many spans as the collector takes, tried a few times.

use crate::{
    TelemetryError,
    plan::Plan,
    sending::{self, Answer, Client, Room, Trouble},
};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    resource::v1,
    trace::v1::{ResourceSpans, ScopeSpans, Span},
};
use opentelemetry_sdk::Resource;
use prost::Message as _;
use std::time::Duration;
use tokio::time;

/// Tries of one request after the first.
const RETRIES: u32 = 3;

/// What became of spans, from the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sent {
    /// So many are done with, of which so many were refused: which, nobody says. What was said of that may be empty.
    Done { count: usize, refused: usize, said: String },
    /// The first, alone, is more than is taken.
    TooLarge(String),
    /// Nobody took any of them, after all tries.
    Unavailable(String),
}

/// Who takes spans.
pub(super) trait Export {
    /// Sends from the first on as many as go together; there is at least one.
    fn export(&self, spans: &[Span]) -> impl Future<Output = Sent> + Send;
}

pub(super) struct Exporter {
    client: Client,
    resource: v1::Resource,
    room: Room,
    /// For one request with all its tries; none: for ever.
    timeout: Option<Duration>,
}

impl Exporter {
    /// To be called inside of the runtime that will drive it.
    pub(super) fn open(plan: &Plan, resource: &Resource) -> Result<Self, TelemetryError> {
        let (client, resource) = (Client::open(&plan.collector)?, sending::resource(resource));
        Ok(Self { client, resource, room: Room::default(), timeout: plan.timeout })
    }

    /// How many of these go together.
    fn fitting(&self, spans: &[Span]) -> usize {
        let empty = self.request(&[]).encoded_len() + sending::GROWTH;
        let room = self.room.bytes().saturating_sub(empty);
        let mut bytes = 0;
        let fits = |span: &&Span| {
            bytes += sending::weight(*span);
            bytes <= room
        };
        spans.iter().take_while(fits).count().max(1).min(spans.len())
    }

    fn request(&self, spans: &[Span]) -> ExportTraceServiceRequest {
        let (scope, schema_url) = (Some(sending::scope()), String::new());
        let scope_spans = vec![ScopeSpans { scope, spans: spans.to_vec(), schema_url }];
        let (resource, schema_url) = (Some(self.resource.clone()), String::new());
        let spans = ResourceSpans { resource, scope_spans, schema_url };
        ExportTraceServiceRequest { resource_spans: vec![spans] }
    }

    async fn send(&self, spans: &[Span]) -> Sent {
        let mut tries = 0;
        loop {
            let count = self.fitting(spans);
            let (together, _) = spans.split_at_checked(count).unwrap_or((spans, &[]));
            let request = self.request(together);
            let bytes = request.encoded_len();
            let (after, trouble) = match self.client.send(request).await {
                Answer::Taken { rejected, said } => {
                    if rejected == 0 {
                        self.room.fits();
                    }
                    let refused = usize::try_from(rejected).unwrap_or(usize::MAX).min(count);
                    return Sent::Done { count, refused, said };
                }
                Answer::TooLarge(_) if count > 1 => {
                    self.room.is_too_small_for(bytes);
                    continue;
                }
                Answer::TooLarge(Trouble { why, .. }) => return Sent::TooLarge(why),
                // Of those that were sent, and of no others.
                Answer::Refused(Trouble { why, .. }) => {
                    return Sent::Done { count, refused: count, said: why };
                }
                Answer::Later { after, trouble } => (after, trouble),
            };
            if tries == RETRIES {
                return Sent::Unavailable(trouble.why);
            }
            time::sleep(after.unwrap_or_default().max(sending::pause(tries))).await;
            tries += 1;
        }
    }
}

impl Export for Exporter {
    async fn export(&self, spans: &[Span]) -> Sent {
        let Some(timeout) = self.timeout else { return self.send(spans).await };
        let late = |_| Sent::Unavailable(format!("no answer within {timeout:?}"));
        time::timeout(timeout, self.send(spans)).await.unwrap_or_else(late)
    }
}
