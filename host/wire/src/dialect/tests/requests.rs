//! What clients ask of the gateway itself, in each format.

use super::{
    super::{Asked, Inbound, Publish, Request, asked, decode, request},
    *,
};
use crate::{
    fault::{Fault, FaultId},
    payload::{Payload, transcode},
};

/// A frame in this format that is written in JSON here: its event's id is a keyword where there are some.
fn written(json: &str, format: Encoding) -> Bytes {
    let body = transcode(&Payload::new(Encoding::Json, json.to_owned()), format).unwrap().body;
    let id = json.split('"').nth(1).unwrap();
    let (string, keyword) = match format {
        Encoding::Edn => (format!("\"{id}\""), format!(":{id}")),
        Encoding::Transit => (format!("\"{id}\""), format!("\"~:{id}\"")),
        _ => return body,
    };
    String::from_utf8(body.to_vec()).unwrap().replacen(&string, &keyword, 1).into()
}

/// What a frame of our dialect asks that is written in JSON here.
#[track_caller]
fn asks(wire: Wire, json: &str) -> Result<Request, Fault> {
    let body = written(json, wire.format);
    let arrived = decode(wire, &Frame { text: wire.format.is_text(), body }).unwrap();
    let Inbound::Event(arrived) = arrived else { panic!("{json}: {arrived:?}") };
    let asked = asked(wire.dialect, &arrived.id).unwrap_or_else(|| panic!("{json}"));
    request(wire, asked, &arrived)
}

const OURS: [Wire; 4] = [JSON, EDN, TRANSIT, MSGPACK];

#[test]
fn requests_are_read_in_every_format() {
    for wire in OURS {
        let subscribe =
            |has_position| Request::Subscribe { channel: "room/1".into(), has_position };
        for (data, has_position) in [
            (r#"{"channel":"room/1"}"#, false),
            (r#"{"params":[{"id":2}],"channel":"room/1","history":3,"presence":false}"#, false),
            (r#"{"since":null,"channel":"room/1"}"#, false),
            (r#"{"since":{"epoch":"a","offset":1},"channel":"room/1"}"#, true),
        ] {
            let said = format!(r#"[["tengen/subscribe",{data}],"1"]"#);
            assert_eq!(asks(wire, &said), Ok(subscribe(has_position)), "{wire:?}: {said}");
        }
        let said = r#"[["tengen/unsubscribe",{"channel":"room/1"}]]"#;
        assert_eq!(asks(wire, said), Ok(Request::Unsubscribe { channel: "room/1".into() }));
        assert_eq!(asks(wire, r#"[["tengen/subscriptions"],"1"]"#), Ok(Request::Subscriptions));
        assert_eq!(asks(wire, r#"[["tengen/subscriptions",7],"1"]"#), Ok(Request::Subscriptions));
    }
}

#[test]
fn what_is_published_stays_as_it_was_sent() {
    for wire in OURS {
        for (more, echo) in [("", true), (r#","echo":true"#, true), (r#","echo":false"#, false)] {
            let said = format!(
                r#"[["tengen/publish",{{"data":{{"a":[1,null]}},"id":"chat/said","channel":"r"{more}}}],"1"]"#
            );
            let data = Payload::new(Encoding::Json, r#"{"a":[1,null]}"#);
            let data = transcode(&data, wire.format).unwrap();
            let (channel, id) = ("r".into(), "chat/said".into());
            let expected = Request::Publish(Publish { channel, id, data, echo });
            assert_eq!(asks(wire, &said), Ok(expected), "{wire:?}: {said}");
        }
        let Ok(Request::Publish(nothing)) =
            asks(wire, r#"[["tengen/publish",{"id":"a/b","channel":"r"}],"1"]"#)
        else {
            panic!("{wire:?}")
        };
        assert_eq!(nothing.data, Payload::nil(wire.format));
    }
    // What only this format has, and what means something else elsewhere in the frame.
    let published = |wire, said: &str| {
        let Inbound::Event(arrived) = decode(wire, &frame(said)).unwrap() else { panic!("{said}") };
        let Ok(Request::Publish(what)) = request(wire, Asked::Publish, &arrived) else {
            panic!("{said}")
        };
        String::from_utf8(what.data.body.to_vec()).unwrap()
    };
    let edn = "[[:tengen/publish {:channel \"r\" :id :a/b :data {[1] #{:x}}}] nil]";
    assert_eq!(published(EDN, edn), "{[1] #{:x}}");
    let coded = r#"[["~:tengen/publish",["^ ","~:channel","r","~:id","~:a/name","~:data",["^2","^3"]]],null]"#;
    assert_eq!(published(TRANSIT, coded), r#"["~:id","~:a/name"]"#);
}

#[track_caller]
fn refused(json: &str, id: FaultId, why: &str) {
    for wire in OURS {
        let fault = asks(wire, json).expect_err(json);
        assert_eq!(fault.id, id, "{wire:?}: {json}");
        assert!(fault.message.contains(why), "{wire:?}: {json}: {}", fault.message);
    }
}

#[test]
fn what_cannot_be_carried_out_is_told() {
    let long = "x".repeat(257);
    for data in [
        "null",
        "7",
        "[]",
        "{}",
        r#"{"channel":7}"#,
        r#"{"channel":""}"#,
        r#"{"channel":" r"}"#,
        &format!(r#"{{"channel":"{long}"}}"#),
    ] {
        for event in ["subscribe", "unsubscribe", "publish"] {
            let said = format!(r#"[["tengen/{event}",{data}],"1"]"#);
            refused(&said, FaultId::Malformed, "a map with the text `channel`: 1 to 256 bytes");
        }
    }
    let publish = |more: &str| format!(r#"[["tengen/publish",{{"channel":"r"{more}}}],"1"]"#);
    for more in ["", r#","id":7"#, r#","id":"said""#, r#","id":"a/b c""#] {
        refused(&publish(more), FaultId::Malformed, "`id` must be the id of what is published");
    }
    for id in ["chsk/handshake", "tengen/publication"] {
        let said = publish(&format!(r#","id":"{id}""#));
        refused(&said, FaultId::NotAllowed, "is the gateway's own");
    }
    let echo = publish(r#","id":"a/b","echo":"no""#);
    refused(&echo, FaultId::Malformed, "`echo` must be true or false");
    let once = publish(r#","id":"a/b","once":"x""#);
    refused(&once, FaultId::Unsupported, "does not offer `once`");
    let who = r#"[["tengen/subscribe",{"channel":"r","presence":true}],"1"]"#;
    refused(who, FaultId::Unsupported, "does not offer `presence`");
    let twice = frame(r#"[["tengen/subscribe",{"channel":"a","channel":"b"}],"1"]"#);
    let Ok(Inbound::Event(arrived)) = decode(JSON, &twice) else { panic!() };
    assert!(request(JSON, Asked::Subscribe, &arrived).is_err(), "which of them would it be?");
}

#[test]
fn every_kind_of_request_is_known_and_no_other() {
    for kind in Asked::ALL {
        let id = format!("tengen/{}", kind.word());
        assert_eq!(asked(Dialect::Tengen, &id), Some(kind), "{id}");
    }
    assert_eq!(asked(Dialect::Sente, "tengen/surprise"), Some(Asked::Unknown));
    assert_eq!(asked(Dialect::Sente, "chsk/surprise"), Some(Asked::Unknown));
    for id in ["chat/subscribe", "tengenish/subscribe", "sente-lite/subscribe"] {
        assert_eq!(asked(Dialect::Tengen, id), None, "{id}");
    }
    assert_eq!(asked(Dialect::SenteLite, "sente-lite/subscribe"), Some(Asked::Subscribe));
    refused(r#"[["tengen/surprise",1],"1"]"#, FaultId::UnknownEvent, "no event `tengen/surprise`");
    for later in ["history", "presence", "presence-info", "refresh", "telemetry"] {
        let said = format!(r#"[["tengen/{later}",1],"1"]"#);
        refused(&said, FaultId::Unsupported, &format!("does not offer `tengen/{later}`"));
    }
}
