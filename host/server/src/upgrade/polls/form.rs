//! What clients of Sente's post: a form with the message in one of its fields.

use super::super::checks::Refusal;
use bytes::Bytes;
use http::{
    StatusCode, Uri,
    uri::{InvalidUri, PathAndQuery},
};
use percent_encoding::percent_decode;
use std::borrow::Cow;

/// Most bytes of all fields beside the message, as they may stand in a query.
pub(super) const FIELDS_MAX: usize = 8 << 10;
/// As they come they have no more than so many times that: escapes that need not be are undone.
const NEEDLESS: usize = 3;
/// A byte of a message is so many of a form, at most.
const ESCAPED: usize = 3;

/// The field that has the message.
const MESSAGE: &[u8] = b"ppstr";

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
        let (mut message, mut others) = (None, 0);
        for field in body.split(|byte| *byte == b'&') {
            match of_message(field) {
                Some(_) if message.is_some() => return Err(wrong("`ppstr` is there twice")),
                Some(escaped) => message = Some(plain(escaped)?),
                None => {
                    others += field.len();
                    // Each of them may become nine times as long.
                    if others > FIELDS_MAX * NEEDLESS {
                        return Err(too_many());
                    }
                    fields.extend_pairs(form_urlencoded::parse(field));
                }
            }
        }
        let fields = fields.finish();
        if fields.len() > FIELDS_MAX {
            return Err(too_many());
        }
        let message = message.ok_or_else(|| wrong("there is no `ppstr`, the message"))?;
        Ok(Self { message, fields })
    }

    /// What clients put into the form stands in the query where they poll: whoever looks there finds it in either case.
    pub(super) fn behind(&self, uri: &Uri) -> Result<Uri, InvalidUri> {
        let between = if uri.query().is_some_and(|query| !query.is_empty()) { "&" } else { "" };
        let query = uri.query().unwrap_or_default();
        let path = format!("{}?{query}{between}{}", uri.path(), self.fields);
        Ok(Uri::from(path.parse::<PathAndQuery>()?))
    }
}

/// The value of a field that has the message, however its name is written.
fn of_message(field: &[u8]) -> Option<&[u8]> {
    let end = field.iter().position(|byte| *byte == b'=').unwrap_or(field.len());
    let (name, value) = field.split_at_checked(end)?;
    let is_it = name == MESSAGE || percent_decode(name).eq(MESSAGE.iter().copied());
    is_it.then(|| value.get(1..).unwrap_or_default())
}

fn too_many() -> Refusal {
    wrong("the fields beside `ppstr` have too many bytes")
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
        check("a=1&ppstr", "", "a=1");
        check("%70pst%72=%31&a=1", "1", "a=1");
    }

    #[test]
    fn fields_stand_behind_the_query() {
        let joined = |uri: &str, fields: &str| {
            let form = Form { message: Bytes::new(), fields: fields.to_owned() };
            form.behind(&uri.parse().unwrap()).unwrap().to_string()
        };
        assert_eq!(joined("/chsk", "udt=1&client-id=c"), "/chsk?udt=1&client-id=c");
        assert_eq!(joined("/chsk?", "udt=1"), "/chsk?udt=1");
        assert_eq!(joined("/chsk?token=t", "udt=1"), "/chsk?token=t&udt=1");
        assert_eq!(joined("http://a.example/chsk?token=t", "udt=1"), "/chsk?token=t&udt=1");
    }

    #[test]
    fn what_is_no_form_with_one_message_is_told_so() {
        let label = |body: &[u8]| Form::read(body).unwrap_err().label;
        for body in [
            "",
            "client-id=a",
            "ppstr=1&ppstr=2",
            "ppstr=1&%70pstr=2",
            "ppstr&ppstr",
            "[[:a/b] nil]",
        ] {
            assert_eq!(label(body.as_bytes()), "form", "{body}");
        }
        assert_eq!(label(b"ppstr=%ff"), "not-utf8");
        assert_eq!(label(b"ppstr=\xff"), "not-utf8");
        let long = format!("ppstr=1&x={}", "y".repeat(FIELDS_MAX));
        assert_eq!(label(long.as_bytes()), "form");
        let most = format!("ppstr=1&x={}", "y".repeat(FIELDS_MAX - 2));
        assert!(Form::read(most.as_bytes()).is_ok());
        // Looked at as they come, so that nothing is made of them.
        let escaped = |count: usize| format!("ppstr=1&x={}", "%79".repeat(count));
        assert!(Form::read(escaped(FIELDS_MAX - 2).as_bytes()).is_ok());
        assert_eq!(label(escaped(FIELDS_MAX).as_bytes()), "form");
    }

    #[test]
    fn a_message_of_escapes_alone_fits() {
        assert_eq!(most(100), 300 + FIELDS_MAX);
        assert_eq!(most(usize::MAX), usize::MAX);
    }
}
