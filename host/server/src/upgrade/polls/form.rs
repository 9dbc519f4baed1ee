//! What clients of Sente's post: a form with the message in one of its fields.

use super::super::checks::Refusal;
use bytes::Bytes;
use http::StatusCode;
use percent_encoding::percent_decode;
use std::borrow::Cow;

/// Most bytes of all fields beside the message.
pub(super) const FIELDS_MAX: usize = 8 << 10;
/// A byte of a message is so many of a form, at most.
const ESCAPED: usize = 3;

/// The field that has the message.
const MESSAGE: &[u8] = b"ppstr=";

/// A form that was posted.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Form {
    /// UTF-8.
    pub(super) message: Bytes,
    /// The other fields, as they may stand in a query.
    pub(super) fields: String,
}

/// Most bytes of a form whose message may have so many.
pub(super) fn most(message: usize) -> usize {
    message.saturating_mul(ESCAPED).saturating_add(FIELDS_MAX)
}

impl Form {
    /// Reads application/x-www-form-urlencoded.
    pub(super) fn read(body: &[u8]) -> Result<Self, Refusal> {
        let mut fields = form_urlencoded::Serializer::new(String::new());
        let mut message = None;
        for field in body.split(|byte| *byte == b'&') {
            match field.strip_prefix(MESSAGE) {
                Some(_) if message.is_some() => return Err(wrong("`ppstr` is there twice")),
                Some(escaped) => message = Some(plain(escaped)?),
                None => _ = fields.extend_pairs(form_urlencoded::parse(field)),
            }
        }
        let fields = fields.finish();
        if fields.len() > FIELDS_MAX {
            return Err(wrong("the fields beside `ppstr` have too many bytes"));
        }
        let message = message.ok_or_else(|| wrong("there is no `ppstr`, the message"))?;
        Ok(Self { message, fields })
    }
}

/// A field's value without its escapes.
fn plain(escaped: &[u8]) -> Result<Bytes, Refusal> {
    let spaced: Cow<'_, [u8]> = match escaped.contains(&b'+') {
        true => escaped.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect(),
        false => escaped.into(),
    };
    let plain = String::from_utf8(percent_decode(&spaced).collect());
    plain.map(Bytes::from).map_err(|_| {
        let reason = "a message is text in UTF-8";
        Refusal::new(StatusCode::BAD_REQUEST, "not-utf8", reason)
    })
}

fn wrong(what: &str) -> Refusal {
    let reason = format!("a message is posted as Sente's clients do, in a form: {what}");
    Refusal::new(StatusCode::BAD_REQUEST, "form", reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(body: &str, message: &str, fields: &str) {
        let form = Form::read(body.as_bytes()).unwrap();
        assert_eq!((&form.message[..], &*form.fields), (message.as_bytes(), fields));
    }

    // Bodies of an unmodified client, 1.22-RC1.
    #[test]
    fn what_a_client_of_sentes_posts_is_read() {
        check(
            "udt=1795639950783&client-id=cljs-1&ppstr=%5B%5B%3Amy%2Fnoreply%20%7B%3Ax%20%23%7B1%20%3Ak%20%22%C3%A9%F0%9F%98%80%22%7D%2C%20%3Ar%201.5%7D%5D%20nil%5D",
            "[[:my/noreply {:x #{1 :k \"é😀\"}, :r 1.5}] nil]",
            "udt=1795639950783&client-id=cljs-1",
        );
        check(
            "udt=1795639950792&client-id=cljs-1&ppstr=%5B%5B%3Amy%2Fask%20%7B%3Aq%20%5B1%202.5%20%3Ak%20nil%20true%5D%7D%5D%20%3Aajax%5D",
            "[[:my/ask {:q [1 2.5 :k nil true]}] :ajax]",
            "udt=1795639950792&client-id=cljs-1",
        );
    }

    #[test]
    fn fields_come_in_any_order_and_leave_as_they_may_stand_in_a_query() {
        check(
            "ppstr=%5B%5B%3Aa/b%5D+%3Aajax%5D&client-id=a%26b",
            "[[:a/b] :ajax]",
            "client-id=a%26b",
        );
        check("ppstr=1&token=a b\u{7f}é", "1", "token=a+b%7F%C3%A9");
        check("ppstr=a%2Bb%zz&&x", "a+b%zz", "x=");
        check("ppstr=", "", "");
    }

    #[test]
    fn what_is_no_form_with_one_message_is_told_so() {
        let label = |body: &[u8]| Form::read(body).unwrap_err().label;
        for body in ["", "client-id=a", "ppstr=1&ppstr=2", "[[:a/b] nil]"] {
            assert_eq!(label(body.as_bytes()), "form", "{body}");
        }
        assert_eq!(label(b"ppstr=%ff"), "not-utf8");
        assert_eq!(label(b"ppstr=\xff"), "not-utf8");
        let long = format!("ppstr=1&x={}", "y".repeat(FIELDS_MAX));
        assert_eq!(label(long.as_bytes()), "form");
        let most = format!("ppstr=1&x={}", "y".repeat(FIELDS_MAX - 2));
        assert!(Form::read(most.as_bytes()).is_ok());
    }

    #[test]
    fn a_message_of_escapes_alone_fits() {
        assert_eq!(most(100), 300 + FIELDS_MAX);
        assert_eq!(most(usize::MAX), usize::MAX);
    }
}
