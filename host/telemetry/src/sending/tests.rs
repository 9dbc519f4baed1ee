//! A way to a collector, whatever is at its other end.

use super::*;
use crate::{
    environment::Environment,
    plan::{Collector, Signal},
};
use opentelemetry_proto::tonic::{
    collector::logs::v1::ExportLogsServiceRequest,
    common::v1::{AnyValue, ArrayValue, KeyValue, any_value},
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
};
use std::{env::VarError, net::SocketAddr};
use tengen_settings::Otlp;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::mpsc,
    time,
};

const SOON: Duration = Duration::from_secs(30);

fn client(address: SocketAddr, protocol: Protocol, headers: &str) -> Client {
    let otlp = Otlp { protocol: Some(protocol), ..Otlp::new(format!("http://{address}")) };
    let lookup = |name: &str| match name {
        "OTEL_EXPORTER_OTLP_HEADERS" if !headers.is_empty() => Ok(headers.to_owned()),
        _ => Err(VarError::NotPresent),
    };
    let environment = Environment::new(&lookup);
    Client::open(&Collector::new(Signal::Logs, Some(&otlp), &environment).unwrap()).unwrap()
}

#[test]
fn what_a_collector_takes_is_said_without_more_than_it_says() {
    let nothing = Answer::Taken { rejected: 0, said: String::new() };
    assert_eq!((taken(None), taken(Some((-1, String::new())))), (nothing.clone(), nothing));
}

// A peer that vanished had every export wait its whole time for as long as TCP believes in it.
#[tokio::test]
async fn a_channel_over_which_nobody_answers_is_made_anew() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let client = client(listener.local_addr().unwrap(), Protocol::Grpc, "");
    let (told, mut connections) = mpsc::channel(8);
    let vanished = async {
        let mut open = Vec::new();
        // Takes everything and says nothing, and the connections stay.
        while let Ok((stream, _)) = listener.accept().await {
            open.push(stream);
            told.send(open.len()).await.unwrap();
        }
    };
    let exports = async {
        for count in 0..=line::UNHEARD {
            let export = client.send(ExportLogsServiceRequest::default());
            let answer = time::timeout(Duration::from_millis(200), export).await;
            assert!(answer.is_err(), "{count}: {answer:?}");
        }
        assert_eq!(connections.recv().await, Some(1));
        connections.recv().await
    };
    tokio::select! {
        () = vanished => panic!("it goes on"),
        second = time::timeout(SOON, exports) => assert_eq!(second, Ok(Some(2))),
    }
}

#[tokio::test]
async fn no_header_of_ours_comes_back_in_what_is_said_of_a_failure() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let headers = "authorization=Bearer%20k3y-of-ours,x-tenant=tenant-4711";
    let client = client(listener.local_addr().unwrap(), Protocol::HttpJson, headers);
    let proxy = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut heard = [0; 64 << 10];
        assert!(stream.read(&mut heard).await.unwrap() > 0);
        let body = r#"{"partialSuccess":{"rejectedLogRecords":1,"errorMessage":"k3y-of-ours may not write to tenant-4711"}}"#;
        let length = body.len();
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}");
        stream.write_all(answer.as_bytes()).await.unwrap();
    };
    let (answer, ()) = tokio::join!(client.send(ExportLogsServiceRequest::default()), proxy);
    let said = "*** may not write to ***".to_owned();
    assert_eq!(answer, Answer::Taken { rejected: 1, said });
}

#[test]
fn json_has_numbers_that_are_none_or_without_end_as_texts() {
    let any = |number| AnyValue { value: Some(any_value::Value::DoubleValue(number)) };
    let list = ArrayValue { values: vec![any(1.5), any(f64::NEG_INFINITY)] };
    let list = AnyValue { value: Some(any_value::Value::ArrayValue(list)) };
    let values = [any(f64::NAN), any(f64::INFINITY), list];
    let pair = |value| KeyValue { key: "k".into(), value: Some(value), ..KeyValue::default() };
    let attributes = values.map(pair).to_vec();
    let records = vec![LogRecord { attributes, ..LogRecord::default() }];
    let scope = ScopeLogs { log_records: records, ..ScopeLogs::default() };
    let logs = ResourceLogs { scope_logs: vec![scope], ..ResourceLogs::default() };
    let request = ExportLogsServiceRequest { resource_logs: vec![logs] };
    let json: serde_json::Value = serde_json::from_slice(&http::json(&request).unwrap()).unwrap();
    let record = &json["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0];
    let value = |place: usize| record["attributes"][place]["value"].clone();
    assert_eq!(value(0), serde_json::json!({ "doubleValue": "NaN" }));
    assert_eq!(value(1), serde_json::json!({ "doubleValue": "Infinity" }));
    let list = serde_json::json!([{ "doubleValue": 1.5 }, { "doubleValue": "-Infinity" }]);
    assert_eq!(value(2)["arrayValue"]["values"], list);
}
