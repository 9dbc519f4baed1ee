//! What a client calls things, in names that mean nothing else, and texts without secrets.

use crate::redact;
use tengen_core::sink::Level;

/// Where clients' names are.
const BELOW: &str = "browser.";
/// Bytes of a name at most.
const NAME: usize = 128;

/// Of what kind a signal is; what is not known is `other`.
const KINDS: [&str; 6] = ["error", "warning", "action", "performance", "console", "network"];

pub(super) fn kind(said: Option<&str>) -> &'static str {
    let Some(said) = said else { return "other" };
    KINDS.into_iter().find(|known| *known == said).unwrap_or("other")
}

/// A level by its word, in whatever case; `warning`, and `log` and `report`, as consoles and Telemere have them.
pub(super) fn level(said: &str) -> Option<Level> {
    let known = Level::ALL.into_iter().find(|level| level.word().eq_ignore_ascii_case(said));
    known.or(match said {
        "warning" => Some(Level::Warn),
        "log" | "report" => Some(Level::Info),
        _ => None,
    })
}

/// Below `browser.`, whatever it is: a client cannot speak for a part of the gateway.
pub(super) fn namespace(said: Option<&str>) -> String {
    let said = said.unwrap_or("page");
    let own = said.strip_prefix(BELOW).unwrap_or(said);
    format!("{BELOW}{}", name(if own.is_empty() { "page" } else { own }))
}

/// As it was said, or, where it is one of the gateway's own, below `browser.`; without any, the kind's.
pub(super) fn id(said: Option<&str>, kind: &str) -> String {
    let Some(said) = said.filter(|said| !said.is_empty()) else {
        return format!("browser/{kind}");
    };
    let plain = name(said);
    match ["tengen", "chsk"].iter().any(|own| plain.starts_with(own)) {
        true => format!("{BELOW}{plain}"),
        false => plain,
    }
}

/// Letters, digits and some signs: what is none of them becomes `_`.
pub(super) fn name(said: &str) -> String {
    let sign = |letter: char| matches!(letter, '.' | '_' | '-' | '/' | '$' | '!' | '?' | '*');
    let plain = |letter: char| letter.is_alphanumeric() || sign(letter);
    let cut = redact::cut(said, NAME);
    cut.chars().map(|letter| if plain(letter) { letter } else { '_' }).collect()
}

/// The text in so many bytes, without the values of secrets in the queries of addresses.
pub(super) fn text(said: &str, most: usize) -> String {
    let cut = redact::cut(said, most);
    let mut out = String::with_capacity(cut.len());
    let mut rest = &*cut;
    while let Some((before, sign, after)) = split_at_query(rest) {
        out.push_str(before);
        out.push(sign);
        rest = after;
        let Some((name, value)) = rest.split_once('=') else { continue };
        if redact::is_secret(name) {
            out.push_str(name);
            out.push('=');
            out.push_str(redact::MASK);
            let end = value.find(is_end).unwrap_or(value.len());
            rest = value.get(end..).unwrap_or_default();
        }
    }
    out.push_str(rest);
    out
}

/// Where a parameter of a query, or of a fragment, may begin.
fn split_at_query(text: &str) -> Option<(&str, char, &str)> {
    let at = text.find(['?', '&', '#'])?;
    let (before, from) = text.split_at_checked(at)?;
    let sign = from.chars().next()?;
    Some((before, sign, from.get(sign.len_utf8()..)?))
}

fn is_end(sign: char) -> bool {
    matches!(sign, '&' | '#' | '"' | '\'' | '<' | '>' | ')' | ']' | '}' | ',' | ';')
        || sign.is_whitespace()
}
