//! What clients post that poll: a form, which gives a message and fields, or is refused with a fixed sentence.

#[path = "../../../host/server/src/upgrade/polls/form.rs"]
mod form;

use super::{agreement::parameter, checks::Refusal, is_an_answer};
use form::{FIELDS_MAX, Form};
use http::Uri;
use std::borrow::Cow;

/// A line with the request's target, `/chsk?udt=1`, and then the form.
pub fn polls(data: &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (target, rest) = data.split_at(end);
    let body = rest.get(1..).unwrap_or_default();
    let form = match Form::read(body) {
        Ok(form) => form,
        Err(refusal) => return is_refused_rightly(&refusal, body),
    };
    let (messages, others) = by_the_book(body);
    assert_eq!(messages.len(), 1, "it is there once");
    assert_eq!(messages.first().map(|message| message.as_bytes()), Some(&*form.message));
    assert_eq!(pairs(form.fields.as_bytes()), others, "{}", form.fields);
    assert!(form.message.len() <= body.len() && form.fields.len() <= FIELDS_MAX);
    let Some(uri) = Uri::try_from(target).ok().filter(|uri| uri.path().starts_with('/')) else {
        return;
    };
    let Ok(joined) = form.behind(&uri) else { return };
    assert_eq!(joined.path(), uri.path());
    let query = |uri: &Uri| uri.query().unwrap_or_default().to_owned();
    let (before, after) = (query(&uri), query(&joined));
    let expected: Vec<_> = pairs(before.as_bytes()).into_iter().chain(others).collect();
    assert_eq!(pairs(after.as_bytes()), expected, "{after}");
    let client = expected.iter().find(|(name, _)| name == "client-id");
    assert_eq!(parameter(&after, "client-id").as_deref(), client.map(|(_, value)| &**value));
}

type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

fn pairs(form: &[u8]) -> Vec<Pair<'_>> {
    form_urlencoded::parse(form).collect()
}

/// The messages, and the other fields, as another reader has them.
fn by_the_book(body: &[u8]) -> (Vec<Cow<'_, str>>, Vec<Pair<'_>>) {
    let (messages, others): (Vec<_>, Vec<_>) =
        pairs(body).into_iter().partition(|(name, _)| name == "ppstr");
    (messages.into_iter().map(|(_, message)| message).collect(), others)
}

/// Nothing is refused that the other reader finds nothing wrong with.
fn is_refused_rightly(refusal: &Refusal, body: &[u8]) {
    is_an_answer(refusal);
    let (messages, others) = by_the_book(body);
    // As they would stand in a query, where what is no text is three times as long, escaped.
    let mut query = form_urlencoded::Serializer::new(String::new());
    let written = query.extend_pairs(&others).finish().len();
    match refusal.label {
        // The other reader puts a mark where there is no text.
        "not-utf8" => assert!(messages.iter().any(|message| message.contains('\u{fffd}'))),
        "form" => assert!(messages.len() != 1 || written > FIELDS_MAX),
        other => panic!("{other}"),
    }
}
