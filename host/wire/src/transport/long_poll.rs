//! Long polls, as Sente's clients know them: each answer to a request is one frame.
//!
//! What a client hears unasked waits for its next poll, and several such frames are one there ([`together`]). A reply goes to
//! the request that its event came by. That has a number, which its event is given for a callback ([`callback`]); a frame for it
//! has the number as its header ([`addressee`]), and nil where the callback was, since a request has one answer.

use super::{Framed, Framing, Profile};
use crate::{
    close::Reason,
    dialect::Callback,
    format::{Encoding, in_format, writer::framed},
    frame::Frame,
};
use bytes::Bytes;

pub(crate) struct LongPoll;

impl Framing for LongPoll {
    const PROFILE: Profile = Profile {
        word: "long-poll",
        protocol: "http",
        answers: false,
        binary: false,
        greets: true,
        polls: true,
    };

    fn frame(frame: Frame) -> Framed {
        match addressed(&frame.body) {
            Some((number, body)) => Framed::headed(body, |head| head.put(&number.to_be_bytes())),
            None => Framed::whole(frame.body),
        }
    }

    /// Nothing: nobody can be asked, and who polls is there.
    fn ping() -> Framed {
        Framed::whole(Bytes::new())
    }

    /// Its client polls again, and is greeted anew.
    fn goodbye(format: Encoding, _: &Reason) -> Framed {
        Framed::whole(said(format, Word::Nothing))
    }
}

/// What the answer to a request says where it is no frame of anybody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// There is nothing to hear, or nobody has replied in time.
    Nothing,
    /// What was sent is taken, and there is no reply to it.
    Taken,
    /// There will be no reply.
    Failed,
}

/// The bytes of such an answer; none in formats that no frames are in.
pub fn said(format: Encoding, word: Word) -> Bytes {
    let name = match word {
        Word::Nothing => "chsk/timeout",
        Word::Taken => "chsk/dummy-cb-200",
        Word::Failed => "chsk/error",
    };
    in_format!(format, F => framed::<F>(|frame| {
        frame.vector(2, |frame| {
            frame.name(name);
            frame.nil();
        });
    }).body, _ => Bytes::new())
}

/// The callback of an event that came by the request of this number.
pub fn callback(number: u32) -> Callback {
    Callback(format!("\"{number}\"").into_bytes().into())
}

/// The number of the request that a frame is for; none: it waits for a poll.
pub fn addressee(frame: &Framed) -> Option<u32> {
    frame.head().try_into().ok().map(u32::from_be_bytes)
}

/// The number that stands in the place of the callback, and the frame with nil there.
fn addressed(body: &[u8]) -> Option<(u32, Bytes)> {
    let inside = body.strip_suffix(b"\"]")?;
    let digits = inside.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let (before, number) = inside.split_at_checked(inside.len() - digits)?;
    let before = before.strip_suffix(b"\"")?;
    let nil: &[u8] = match before.last()? {
        b' ' => b"nil]",
        b',' => b"null]",
        _ => return None,
    };
    let number = std::str::from_utf8(number).ok()?.parse().ok()?;
    Some((number, [before, nil].concat().into()))
}

/// What stands before the events of a push, between two of them and behind them.
const EDN: [&[u8]; 3] = [b"[[", b" ", b"] nil]"];
const JSON: [&[u8]; 3] = [b"[[", b",", b"],null]"];

/// The same; none where pushes cannot be put together: what is said in Transit depends on what was said before.
fn seams(format: Encoding) -> Option<[&'static [u8]; 3]> {
    match format {
        Encoding::Edn => Some(EDN),
        Encoding::Json => Some(JSON),
        _ => None,
    }
}

/// One answer of the first of these frames, and how many of them it has: those that can be one frame are.
pub fn together(format: Encoding, frames: &[Bytes]) -> (Bytes, usize) {
    let first = frames.first().cloned().unwrap_or_default();
    let Some([begin, between, end]) = seams(format) else { return (first, 1) };
    let events: Vec<_> = frames.iter().map_while(|frame| event(frame, begin, end)).collect();
    if events.len() < 2 {
        return (first, 1);
    }
    ([begin, &events.join(between), end].concat().into(), events.len())
}

/// The event of a push.
fn event<'a>(frame: &'a [u8], begin: &[u8], end: &[u8]) -> Option<&'a [u8]> {
    let event = frame.strip_prefix(begin)?.strip_suffix(end)?;
    event.starts_with(b"[").then_some(event)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        dialect::{self, Dialect, Wire},
        fault::{Fault, FaultId},
        id::EventId,
        payload::Payload,
        transport::Transport,
    };

    const FORMATS: [Encoding; 3] = [Encoding::Edn, Encoding::Json, Encoding::Transit];

    fn wire(format: Encoding) -> Wire {
        Wire { dialect: Dialect::Sente, format }
    }

    fn text(bytes: &[u8]) -> &str {
        std::str::from_utf8(bytes).unwrap()
    }

    fn reply(format: Encoding, number: u32, data: &'static str) -> Framed {
        let content = Payload::new(format, data);
        let frame = dialect::reply(wire(format), "my/ask", &callback(number), &content, None);
        Transport::LongPoll.frame(frame.unwrap())
    }

    fn push(format: Encoding, id: &str, data: &'static str) -> Bytes {
        let content = Payload::new(format, data);
        let frame = dialect::push(wire(format), &EventId::new(id), &content, None).unwrap();
        let framed = Transport::LongPoll.frame(frame);
        assert_eq!(addressee(&framed), None, "it waits for a poll");
        framed.body
    }

    // The frames are those that Sente's own server answers with.
    #[test]
    fn what_is_said_beside_frames_is_what_sentes_server_says() {
        for (word, edn, json) in [
            (Word::Nothing, "[:chsk/timeout nil]", r#"["chsk/timeout",null]"#),
            (Word::Taken, "[:chsk/dummy-cb-200 nil]", r#"["chsk/dummy-cb-200",null]"#),
            (Word::Failed, "[:chsk/error nil]", r#"["chsk/error",null]"#),
        ] {
            assert_eq!(said(Encoding::Edn, word), edn);
            assert_eq!(said(Encoding::Json, word), json);
            let transit = json.replacen('"', "\"~:", 1);
            assert_eq!(said(Encoding::Transit, word), transit);
        }
        let goodbye = Transport::LongPoll.goodbye(Encoding::Edn, &Reason::Drained);
        assert_eq!(goodbye.body, "[:chsk/timeout nil]");
        assert!(Transport::LongPoll.ping().is_empty());
    }

    #[test]
    fn a_reply_is_for_one_request_and_names_no_callback() {
        for (format, data, answer) in [
            (Encoding::Edn, "{:q [1 2.5 :k nil true]}", "[{:q [1 2.5 :k nil true]} nil]"),
            (Encoding::Json, r#"{"a":"7"}"#, r#"[{"a":"7"},null]"#),
            (Encoding::Transit, r#"["^ ","~:a",1]"#, r#"[["^ ","~:a",1],null]"#),
        ] {
            for number in [0, 17, u32::MAX] {
                let framed = reply(format, number, data);
                assert_eq!(addressee(&framed), Some(number));
                assert_eq!(text(&framed.body), answer);
            }
        }
        let why = Fault::new(FaultId::UnknownEvent, "no");
        let told = dialect::error(wire(Encoding::Edn), &why, Some("a/b"), Some(&callback(3)));
        let told: Vec<_> = told.into_iter().map(|frame| Transport::LongPoll.frame(frame)).collect();
        assert_eq!(told.iter().map(addressee).collect::<Vec<_>>(), [None, Some(3)]);
        assert_eq!(told[1].body, "[:chsk/error nil]");
        let pong = dialect::pong(wire(Encoding::Edn), Some(&callback(9))).unwrap();
        let pong = Transport::LongPoll.frame(pong);
        assert_eq!((addressee(&pong), text(&pong.body)), (Some(9), r#"["pong" nil]"#));
    }

    #[test]
    fn data_that_looks_like_an_address_is_none() {
        for (format, data) in [
            (Encoding::Edn, r#"["a" "17"]"#),
            (Encoding::Json, r#"["a","17"]"#),
            (Encoding::Edn, r#""17""#),
        ] {
            let pushed = push(format, "a/b", data);
            assert!(text(&pushed).contains("17"), "{pushed:?}");
        }
    }

    #[test]
    fn pushes_that_wait_are_one_answer_in_their_order() {
        let frames = [
            push(Encoding::Edn, "srv/push1", "{:a 1}"),
            push(Encoding::Edn, "srv/push2", "{:b #{2}}"),
            push(Encoding::Edn, "srv/push3", "nil"),
        ];
        let (answer, count) = together(Encoding::Edn, &frames);
        let all = "[[[:srv/push1 {:a 1}] [:srv/push2 {:b #{2}}] [:srv/push3 nil]] nil]";
        assert_eq!((text(&answer), count), (all, 3));
        let (answer, count) = together(Encoding::Edn, &frames[..1]);
        assert_eq!((text(&answer), count), ("[[[:srv/push1 {:a 1}]] nil]", 1));
        let frames = [push(Encoding::Json, "a/b", "1"), push(Encoding::Json, "a/c", "[]")];
        let (answer, count) = together(Encoding::Json, &frames);
        assert_eq!((text(&answer), count), (r#"[[["a/b",1],["a/c",[]]],null]"#, 2));
    }

    #[test]
    fn what_is_no_push_and_what_has_codes_goes_alone() {
        let push = push(Encoding::Edn, "a/b", "1");
        let other = Bytes::from_static(b"[[:chsk/handshake [\"ann\" nil {}]] nil]");
        assert_eq!(together(Encoding::Edn, &[other.clone(), push.clone()]), (other.clone(), 1));
        assert_eq!(together(Encoding::Edn, &[push.clone(), other]), (push, 1));
        let transit = [self::push(Encoding::Transit, "a/b", r#"["^ ","~:key1",1]"#)];
        let twice = [transit[0].clone(), transit[0].clone()];
        assert_eq!(together(Encoding::Transit, &twice), (transit[0].clone(), 1));
    }

    #[test]
    fn only_dialects_that_poll_are_carried() {
        for wire in Wire::ALL {
            let carries = wire.dialect == Dialect::Sente && FORMATS.contains(&wire.format);
            assert_eq!(Transport::LongPoll.carries(wire), carries, "{wire:?}");
        }
    }
}
