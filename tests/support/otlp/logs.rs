//! Log records as they arrived.

use super::{Collector, Grpc, PATIENCE, Refused, Value, attributes};
use anyhow::{Context, Result};
use data_encoding::HEXLOWER;
use opentelemetry_proto::tonic::{
    collector::logs::v1::{
        ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
        logs_service_server::LogsService,
    },
    common::v1::any_value,
    logs::v1 as wire,
};
use prost::Message as _;
use std::{
    collections::BTreeMap,
    sync::{PoisonError, atomic::Ordering},
};
use tokio::time;
use tonic::Status;

#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Nanoseconds since 1970.
    pub time: u64,
    pub observed: u64,
    pub severity: i32,
    pub severity_text: String,
    /// Empty: it has none, or none that is a text.
    pub body: String,
    pub event_name: String,
    pub attributes: BTreeMap<String, Value>,
    /// Texts of attributes that are lists.
    pub lists: BTreeMap<String, Vec<String>>,
    /// Hex; empty: none.
    pub trace_id: String,
    pub span_id: String,
    pub flags: u32,
    /// Who sent it.
    pub resource: BTreeMap<String, Value>,
}

impl Record {
    /// A text attribute.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.attributes.get(key) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }
}

impl Collector {
    /// All records so far, in the order of their arrival.
    pub fn records(&self) -> Vec<Record> {
        self.inbox.records.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// All records so far, which are then forgotten.
    pub fn take_records(&self) -> Vec<Record> {
        std::mem::take(&mut *self.inbox.records.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Requests with records so far, refused ones too.
    pub fn log_requests(&self) -> u64 {
        self.inbox.log_requests.load(Ordering::SeqCst)
    }

    /// Takes requests with records but for the first so many of them, all together.
    pub fn reject_records(&self, records: u64) {
        self.inbox.rejected_records.store(records, Ordering::SeqCst);
    }

    /// Waits until the records are as wanted, and hands them out; an error after a while.
    pub async fn wait_for_records(
        &self,
        wanted: impl Fn(&[Record]) -> bool,
    ) -> Result<Vec<Record>> {
        let mut arrivals = self.inbox.arrivals.subscribe();
        let waiting = async {
            loop {
                let records = self.records();
                if wanted(&records) || arrivals.changed().await.is_err() {
                    return records;
                }
            }
        };
        let waited = time::timeout(PATIENCE, waiting).await;
        waited.with_context(|| format!("not the wanted records; there are {:?}", self.records()))
    }
}

pub(super) fn records_of(request: ExportLogsServiceRequest) -> Vec<Record> {
    let mut records = Vec::new();
    for group in request.resource_logs {
        let resource =
            attributes(group.resource.map(|resource| resource.attributes).unwrap_or_default());
        for record in group.scope_logs.into_iter().flat_map(|scope| scope.log_records) {
            records.push(record_of(record, resource.clone()));
        }
    }
    records
}

fn record_of(record: wire::LogRecord, resource: BTreeMap<String, Value>) -> Record {
    let text = |value: Option<any_value::Value>| match value {
        Some(any_value::Value::StringValue(text)) => text,
        _ => String::new(),
    };
    let list = |value: any_value::Value| match value {
        any_value::Value::ArrayValue(list) => {
            Some(list.values.into_iter().map(|one| text(one.value)).collect())
        }
        _ => None,
    };
    let lists = record.attributes.iter().filter_map(|pair| {
        let value = pair.value.clone().and_then(|value| value.value)?;
        Some((pair.key.clone(), list(value)?))
    });
    Record {
        time: record.time_unix_nano,
        observed: record.observed_time_unix_nano,
        severity: record.severity_number,
        severity_text: record.severity_text,
        body: text(record.body.and_then(|body| body.value)),
        event_name: record.event_name,
        lists: lists.collect(),
        attributes: attributes(record.attributes),
        trace_id: HEXLOWER.encode(&record.trace_id),
        span_id: HEXLOWER.encode(&record.span_id),
        flags: record.flags,
        resource,
    }
}

impl super::Inbox {
    pub(super) async fn receive_logs(
        &self,
        headers: http::HeaderMap,
        request: ExportLogsServiceRequest,
    ) -> Result<ExportLogsServiceResponse, Refused> {
        self.log_requests.fetch_add(1, Ordering::SeqCst);
        self.admit(headers, request.encoded_len()).await?;
        let mut records = records_of(request);
        let of_these = |left: u64| Some(left - left.min(records.len() as u64));
        let rejected = &self.rejected_records;
        let left = rejected.fetch_update(Ordering::SeqCst, Ordering::SeqCst, of_these);
        let rejected = left.unwrap_or_default().min(records.len() as u64);
        let kept = records.split_off(usize::try_from(rejected).unwrap_or_default());
        self.records.lock().unwrap_or_else(PoisonError::into_inner).extend(kept);
        self.arrivals.send_replace(());
        let partial = ExportLogsPartialSuccess {
            rejected_log_records: i64::try_from(rejected).unwrap_or(i64::MAX),
            error_message: "too old".into(),
        };
        Ok(ExportLogsServiceResponse { partial_success: (rejected > 0).then_some(partial) })
    }
}

#[tonic::async_trait]
impl LogsService for Grpc {
    async fn export(
        &self,
        request: tonic::Request<ExportLogsServiceRequest>,
    ) -> Result<tonic::Response<ExportLogsServiceResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        match self.0.receive_logs(metadata.into_headers(), request).await {
            Ok(response) => Ok(tonic::Response::new(response)),
            Err(refused) => Err(refused.into()),
        }
    }
}
