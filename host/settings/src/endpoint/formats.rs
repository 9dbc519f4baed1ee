//! `endpoint[].formats` and `endpoint[].subprotocols`: what of them has a meaning depends on the dialect.

use super::Endpoint;
use crate::schema::{Kind, kind::words, table::Table, value::Value};
use tengen_wire::{
    dialect::{Dialect, Subprotocol},
    payload::Encoding,
};

/// A format by its word.
pub(super) fn kind() -> Kind<Encoding> {
    words(Encoding::ALL.map(|format| (format.word(), format)), &[])
}

/// Those that an endpoint of the dialect offers by itself.
pub(super) fn of(dialect: Dialect) -> Vec<Encoding> {
    dialect.profile().formats_by_default().to_vec()
}

pub(super) fn read(table: &Table<'_>, endpoint: &mut Endpoint) {
    let one = table.get("format");
    let many = table.get("formats");
    let Some(written) = many.as_ref().or(one.as_ref()) else { return };
    if let (Some(one), Some(_)) = (&one, &many) {
        one.mistake("stands beside `formats`; keep one of the two");
        return;
    }
    let profile = endpoint.dialect.profile();
    if !profile.is_read() {
        let word = profile.word;
        written.mistake(format!(
            "has no meaning for the {word} dialect, whose frames are not read; remove it"
        ));
        return;
    }
    let words: Vec<_> = profile.offered.iter().map(|format| (format.word(), *format)).collect();
    let later = Encoding::ALL
        .into_iter()
        .filter(|format| !format.is_opaque() && !profile.offered.contains(format));
    let later: Vec<_> = later.map(Encoding::word).collect();
    let one_of = |value: &Value<'_>| value.word(&words, &later);
    let formats = match &many {
        Some(many) => many.items().map(|items| {
            if items.is_empty() {
                many.mistake("is empty; name a format or remove it");
            }
            items.iter().filter_map(one_of).collect()
        }),
        None => one_of(written).map(|format| vec![format]),
    };
    let is_chosen = matches!(profile.subprotocol, Subprotocol::Format(_));
    if !is_chosen && formats.as_ref().is_some_and(|formats| formats.len() > 1) {
        written.mistake(format!(
            "clients of the {} dialect do not say which format they speak; keep one",
            profile.word
        ));
    }
    if let Some(formats) = formats {
        endpoint.formats = formats;
    }
}

pub(super) fn read_subprotocols(table: &Table<'_>, endpoint: &mut Endpoint) {
    let Some(written) = table.get("subprotocols") else { return };
    let word = |value: &Value<'_>| {
        let text = value.filled()?;
        let is_token =
            |byte: u8| byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(&byte);
        if !text.bytes().all(is_token) {
            value.mistake(format!("`{text}` is not a subprotocol; write a word, as in \"mqtt\""));
            return None;
        }
        if text.starts_with("tengen.token.") {
            value.mistake("begins like a token, which is never agreed on; write another word");
            return None;
        }
        Some(text)
    };
    let words = written.list(word).unwrap_or_default();
    let names = |dialect: Dialect| dialect.profile().subprotocol == Subprotocol::Named;
    if !names(endpoint.dialect) && !words.is_empty() {
        let named = Dialect::ALL.into_iter().filter(|dialect| names(*dialect));
        written.mistake(format!(
            "has a meaning for the {} dialect only; the others have words of their own; remove it",
            named.map(Dialect::word).collect::<Vec<_>>().join(" and ")
        ));
        return;
    }
    endpoint.subprotocols = words;
}
