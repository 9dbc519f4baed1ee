//! Questions to clients, and their answers.

use super::{
    super::{Answer, Asked, Inbound, Question, Request, ask, decode, request},
    *,
};
use crate::{
    fault::{Fault, FaultId},
    id::EventId,
    payload::{Payload, transcode},
    trace::TraceContext,
};
use std::time::Duration;

fn asked(wire: Wire, content: &Payload) -> Result<Frame, Fault> {
    let id = EventId::from("a/b");
    let what = Question { key: 7, id: &id, content, timeout: Duration::from_millis(1500) };
    let context = TraceContext { trace_id: 1, span_id: 2, sampled: true, state: None };
    ask(wire, &what, Some(&context))
}

#[test]
fn a_question_is_an_event_in_the_words_of_each_dialect() {
    let content = Payload::new(Encoding::Edn, "{:c 1}");
    let meta = "00-00000000000000000000000000000001-0000000000000002-01";
    let edn = r#"[:tengen/ask {:key "7" :event [:a/b {:c 1}] :timeout-ms 1500}]"#;
    let json = r#"["tengen/ask",{"key":"7","event":["a/b",{"c":1}],"timeout-ms":1500}]"#;
    let transit = r#"["~:tengen/ask",["^ ","~:key","7","~:event",["~:a/b",["^ ","~:c",1]],"~:timeout-ms",1500]]"#;
    for (wire, said) in [
        (EDN, format!("[[{edn}] nil {{:traceparent \"{meta}\"}}]")),
        (SENTE, format!("[[{edn}] nil]")),
        (SENTE_LITE, edn.to_owned()),
        (JSON, format!("[[{json}],null,{{\"traceparent\":\"{meta}\"}}]")),
        (SENTE_JSON, format!("[[{json}],null]")),
        (SENTE_TRANSIT, format!("[[{transit}],null]")),
    ] {
        let frame = asked(wire, &content).unwrap();
        assert_eq!(std::str::from_utf8(&frame.body), Ok(&*said), "{wire:?}");
    }
    let raw = asked(RAW, &Payload::new(Encoding::Text, "c"));
    assert_eq!(raw.unwrap_err().id, FaultId::Unsupported, "who answers what there?");
    let unfit = Payload::new(Encoding::Edn, "{[1] 2}");
    assert_eq!(asked(JSON, &unfit).unwrap_err().id, FaultId::Unsupported);
}

/// What an answer says whose data is written in JSON here, in each format.
fn answers(data: &str) -> Vec<Result<Answer, FaultId>> {
    let read = |wire: Wire| {
        let data = transcode(&Payload::new(Encoding::Json, data.to_owned()), wire.format).unwrap();
        let frame = match wire.format {
            Encoding::Json => [b"[[\"tengen/answer\",", &*data.body, b"]]"].concat(),
            Encoding::Edn => [b"[[:tengen/answer ", &*data.body, b"]]"].concat(),
            Encoding::Transit => [b"[[\"~:tengen/answer\",", &*data.body, b"]]"].concat(),
            _ => [b"\x91\x92\xadtengen/answer", &*data.body].concat(),
        };
        let frame = Frame { text: wire.format.is_text(), body: frame.into() };
        let Ok(Inbound::Event(arrived)) = decode(wire, &frame) else { panic!("{frame:?}") };
        match request(wire, Asked::Answer, &arrived) {
            Ok(Request::Answer(Answer { key, value })) => {
                let in_json = |value| transcode(&value, Encoding::Json).unwrap();
                Ok(Answer { key, value: value.map(in_json) })
            }
            Ok(other) => panic!("{other:?}"),
            Err(why) => Err(why.id),
        }
    };
    [JSON, EDN, TRANSIT, MSGPACK].map(read).into()
}

#[track_caller]
fn says(data: &str, value: Result<&str, (Option<&str>, &str)>) {
    let value = match value {
        Ok(json) => Ok(Payload::new(Encoding::Json, json.to_owned())),
        Err((Some(code), why)) => Err(Fault::application(code, why)),
        Err((None, why)) => Err(Fault::new(FaultId::Application, why)),
    };
    for answer in answers(data) {
        assert_eq!(answer, Ok(Answer { key: 7, value: value.clone() }), "{data}");
    }
}

#[test]
fn an_answer_is_a_value_or_a_fault_of_the_clients_own() {
    says(r#"{"key":"7","value":{"a":[1]}}"#, Ok(r#"{"a":[1]}"#));
    says(r#"{"key":"7","value":null}"#, Ok("null"));
    says(r#"{"more":1,"key":"7"}"#, Ok("null"));
    says(r#"{"key":"7","value":null,"error":"no"}"#, Err((None, "no")));
    let error = |map: &str| format!(r#"{{"key":"7","error":{map}}}"#);
    says(&error(r#"{"id":"busy","message":"no"}"#), Err((Some("busy"), "no")));
    says(&error(r#"{"message":"no"}"#), Err((None, "no")));
    for words in ["timeout", "closed", "application", " b", ""] {
        let map = format!(r#"{{"id":"{words}","message":"no"}}"#);
        says(&error(&map), Err((None, "no")));
    }
    let long = "\u{e9}".repeat(600);
    says(&error(&format!("\"{long}\"")), Err((None, &"\u{e9}".repeat(512))));
}

#[test]
fn an_answer_that_names_no_question_or_says_two_things_is_malformed() {
    for data in [
        "1",
        "{}",
        r#"{"key":7}"#,
        r#"{"key":"07"}"#,
        r#"{"key":"+7"}"#,
        r#"{"key":"-7"}"#,
        r#"{"key":"seven"}"#,
        r#"{"key":"18446744073709551616"}"#,
        r#"{"key":"7","value":1,"error":"no"}"#,
        r#"{"key":"7","error":1}"#,
        r#"{"key":"7","error":{"id":"busy"}}"#,
    ] {
        for answer in answers(data) {
            assert_eq!(answer, Err(FaultId::Malformed), "{data}");
        }
    }
}
