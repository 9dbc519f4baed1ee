//! Over HTTP, with protobuf or JSON.

use super::{
    AGENT, ASK_IT, Answer, LESS, LONGEST_PAUSE, NOT_LET_IN, NOT_THERE, Request, Trouble, taken,
};
use crate::{TelemetryError, exporter, exporter::Pem, plan::Collector, with_causes};
use ::http::{HeaderMap, HeaderValue, StatusCode, header};
use flate2::{Compression, write::GzEncoder};
use prost::Message;
use serde::de::DeserializeOwned;
use std::{io::Write, time::Duration};

/// Bytes of an answer that are read: what is said in more is not worth knowing.
const ANSWER_LIMIT: usize = 64 << 10;

/// What is said of an answer whose status was good and which is none of OTLP: that of a page in between, perhaps.
const UNREADABLE: &str = "its answer could not be read: is it a collector?";

pub(crate) struct Http {
    client: reqwest::Client,
    url: String,
    headers: HeaderMap,
    is_json: bool,
    gzip: bool,
}

impl Http {
    pub(super) fn open(
        collector: &Collector,
        pem: &Pem,
        is_json: bool,
    ) -> Result<Self, TelemetryError> {
        let mut headers = collector.headers.clone();
        let kind = if is_json { "application/json" } else { "application/x-protobuf" };
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.entry(header::USER_AGENT).or_insert(HeaderValue::from_static(AGENT));
        if collector.gzip {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        Ok(Self {
            // Whoever sends gives up in time.
            client: pem.http_client(collector.endpoint.is_secure(), exporter::FOR_EVER)?,
            url: collector.endpoint.full(),
            headers,
            is_json,
            gzip: collector.gzip,
        })
    }

    pub(super) async fn send<R: Request>(&self, request: R) -> Answer {
        let body = match self.body(&request) {
            Ok(body) => body,
            Err(why) => return Answer::Refused(Trouble { why, remedy: ASK_IT }),
        };
        let request = self.client.post(&self.url).headers(self.headers.clone()).body(body);
        match request.send().await {
            Ok(response) if response.status().is_success() => match read(response).await {
                Some(nothing) if nothing.is_empty() => taken(None),
                Some(answer) => match self.answer::<R>(&answer) {
                    Some(answer) => taken(R::rejected(answer)),
                    None => taken(Some((0, UNREADABLE.to_owned()))),
                },
                None => taken(Some((0, UNREADABLE.to_owned()))),
            },
            Ok(response) => {
                let (status, after) = (response.status(), after(response.headers()));
                of_answer(status, after, R::NO_PIPELINE)
            }
            // Without its address, whose query may be a secret.
            Err(error) => {
                let why = with_causes(&error.without_url());
                Answer::Later { after: None, trouble: Trouble { why, remedy: NOT_THERE } }
            }
        }
    }

    fn body(&self, request: &impl Request) -> Result<Vec<u8>, String> {
        let plain = match self.is_json {
            true => json(request).map_err(|error| error.to_string())?,
            false => request.encode_to_vec(),
        };
        if !self.gzip {
            return Ok(plain);
        }
        let mut packed = GzEncoder::new(Vec::new(), Compression::default());
        let packed = packed.write_all(&plain).and_then(|()| packed.finish());
        packed.map_err(|error| error.to_string())
    }

    /// None: it cannot be read.
    fn answer<R: Request>(&self, answer: &[u8]) -> Option<R::Answer> {
        match self.is_json {
            true => serde_json::from_slice(answer).ok().and_then(read_json),
            false => R::Answer::decode(answer).ok(),
        }
    }
}

/// Without what is not there: collectors refuse `null` where a number could be.
pub(super) fn json(request: &impl Request) -> serde_json::Result<Vec<u8>> {
    let mut value = serde_json::to_value(request)?;
    request.write_odd_floats(&mut value);
    drop_nulls(&mut value);
    serde_json::to_vec(&value)
}

/// JSON of protobuf writes numbers of 64 bits as texts, or as numbers: ours are read from numbers.
fn read_json<A: DeserializeOwned>(mut answer: serde_json::Value) -> Option<A> {
    if let Some(partial) = answer.get_mut("partialSuccess").and_then(|it| it.as_object_mut()) {
        for (key, value) in partial {
            if let Some(number) = value.as_str().and_then(|text| text.parse::<i64>().ok())
                && key.starts_with("rejected")
            {
                *value = number.into();
            }
        }
    }
    serde_json::from_value(answer).ok()
}

fn drop_nulls(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(drop_nulls);
        }
        serde_json::Value::Array(members) => members.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// The whole body; none where there is too much of it, or it ends too soon.
async fn read(mut response: reqwest::Response) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await.ok()? {
        body.extend_from_slice(&part);
        if body.len() > ANSWER_LIMIT {
            return None;
        }
    }
    Some(body)
}

/// `Retry-After` in seconds. A date, which it may also be, counts as nothing said.
fn after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_PAUSE))
}

fn of_answer(status: StatusCode, after: Option<Duration>, no_pipeline: &'static str) -> Answer {
    let remedy = match status.as_u16() {
        401 | 403 => NOT_LET_IN,
        404 | 405 | 501 => no_pipeline,
        _ => ASK_IT,
    };
    let why = format!("the collector answered {status}");
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        return Answer::TooLarge(Trouble { why, remedy: LESS });
    }
    let trouble = Trouble { why, remedy };
    match status.as_u16() {
        429 | 502 | 503 | 504 => Answer::Later { after, trouble },
        _ => Answer::Refused(trouble),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_64_bits_are_read_in_either_form() {
        use opentelemetry_proto::tonic::collector::logs::v1::{
            ExportLogsServiceRequest, ExportLogsServiceResponse,
        };
        for (said, expected) in [
            (r#"{}"#, Some(None)),
            (r#"{"partialSuccess":{"rejectedLogRecords":"3","errorMessage":"no"}}"#, Some(Some(3))),
            (r#"{"partialSuccess":{"rejectedLogRecords":3,"errorMessage":"no"}}"#, Some(Some(3))),
            (r#"{"partialSuccess":{"rejectedLogRecords":"three"}}"#, None),
            (r#"[1]"#, None),
        ] {
            let read = read_json::<ExportLogsServiceResponse>(serde_json::from_str(said).unwrap());
            let rejected = read.map(ExportLogsServiceRequest::rejected);
            let count = rejected.map(|rejected| rejected.map(|(count, _)| count));
            assert_eq!(count, expected, "{said}");
        }
    }

    #[test]
    fn what_may_pass_is_tried_again_and_what_stays_is_not() {
        for (status, later) in
            [(429, true), (502, true), (503, true), (504, true), (500, false), (400, false)]
        {
            let answer = of_answer(StatusCode::from_u16(status).unwrap(), None, "");
            assert_eq!(matches!(answer, Answer::Later { .. }), later, "{status}");
        }
    }

    #[test]
    fn a_collector_without_a_pipeline_is_told_from_one_that_lets_nobody_in() {
        let remedy = |status| match of_answer(status, None, "no pipeline") {
            Answer::Refused(Trouble { remedy, .. }) => remedy,
            other => panic!("{other:?}"),
        };
        assert_eq!(remedy(StatusCode::NOT_FOUND), "no pipeline");
        assert_eq!(remedy(StatusCode::FORBIDDEN), NOT_LET_IN);
    }

    #[test]
    fn a_request_that_is_too_large_is_known() {
        let answer = of_answer(StatusCode::PAYLOAD_TOO_LARGE, None, "");
        assert!(matches!(answer, Answer::TooLarge(_)), "{answer:?}");
    }

    #[test]
    fn json_has_no_null_in_it() {
        let mut value = serde_json::json!({ "a": null, "b": [{ "min": null, "sum": 1.5 }] });
        drop_nulls(&mut value);
        assert_eq!(value, serde_json::json!({ "b": [{ "sum": 1.5 }] }));
    }

    #[test]
    fn a_collector_says_after_how_many_seconds_and_not_for_days() {
        let of = |value: &'static str| {
            after(&HeaderMap::from_iter([(header::RETRY_AFTER, HeaderValue::from_static(value))]))
        };
        assert_eq!(of("7"), Some(Duration::from_secs(7)));
        assert_eq!(of("999999999"), Some(LONGEST_PAUSE));
        assert_eq!(of("Wed, 21 Oct 2026 07:28:00 GMT"), None);
    }
}
