//! docs/errors.md has every error, close code and refusal, and nothing else.

use std::collections::BTreeSet;
use support::{
    pages::{quoted, rows, section},
    repository::{files, read},
};
use tengen_wire::{
    close::{Reason, plugin_may_close_with},
    fault::FaultId,
};

fn part(heading: &str) -> String {
    let part = section(&read("docs/errors.md").unwrap(), heading);
    assert!(!part.is_empty(), "docs/errors.md has no `{heading}`");
    part
}

/// The rows of a part's tables, whose cells all say something.
#[track_caller]
fn table(part: &str, cells: usize) -> Vec<Vec<&str>> {
    let rows = rows(part);
    for row in &rows {
        let whole = row.len() == cells && row.iter().all(|cell| !cell.is_empty());
        assert!(whole, "not {cells} cells: {row:?}");
    }
    rows
}

fn again(row: &[&str]) -> &'static str {
    let words = ["yes", "no", "later", "ask"];
    let last = row.last().copied().unwrap_or_default();
    words.into_iter().find(|word| *word == last).unwrap_or_else(|| panic!("again? {row:?}"))
}

#[test]
fn every_error_is_told_and_no_other() {
    let part = part("## Errors");
    let rows = table(&part, 4);
    let told: Vec<_> = rows.iter().map(|row| quoted(row[0]).expect("an id")).collect();
    let known: Vec<_> = FaultId::ALL.iter().map(|id| id.word()).collect();
    assert_eq!(told, known);
    for row in rows {
        assert_ne!(again(&row), "yes", "an error says `later` or `ask`: {row:?}");
    }
}

/// Why connections end that neither a peer nor a plugin ended.
const OURS: [Reason; 14] = [
    Reason::Protocol,
    Reason::NotUtf8,
    Reason::TooLarge,
    Reason::HeartbeatMissed,
    Reason::SlowConsumer,
    Reason::Replaced,
    Reason::Memory,
    Reason::Unfinished,
    Reason::Unpolled,
    Reason::TokenEnded,
    Reason::Violation,
    Reason::Drained,
    Reason::Overloaded,
    Reason::Internal,
];

#[test]
fn every_close_code_is_told_with_its_word_and_no_other() {
    let plugins = Reason::Plugin { code: 3000, reason: "theirs".into() };
    let all = OURS.into_iter().chain([Reason::Peer(1000), Reason::Lost, plugins]);
    let kinds: BTreeSet<_> = all.map(|reason| reason.kind()).collect();
    assert_eq!(kinds, (0..Reason::KINDS.len()).collect(), "each kind of reason is in the list");

    let part = part("## Close codes");
    let rows = table(&part, 5);
    let told: BTreeSet<_> = rows
        .iter()
        .filter_map(|row| Some((row[0].parse::<u16>().ok()?, quoted(row[1])?.to_owned())))
        .collect();
    let ours = OURS.iter().map(|reason| (reason.code(), reason.word().to_owned()));
    assert_eq!(told, ours.collect());
    for row in &rows {
        match row[0].parse::<u16>() {
            Ok(1000 | 4500..) => assert_eq!(again(row), "no", "{row:?}"),
            Ok(4000..) => assert_eq!(again(row), "yes", "{row:?}"),
            _ => assert!(["yes", "no"].contains(&again(row)), "{row:?}"),
        }
    }
    let others = rows.iter().filter(|row| quoted(row[1]).is_none()).map(|row| row[0]);
    assert_eq!(others.collect::<Vec<_>>(), ["1000", "1005, 1006", "3000–4999"]);
    let plugins = (0..=u16::MAX).filter(|code| plugin_may_close_with(*code));
    assert_eq!(plugins.collect::<Vec<_>>(), [vec![1000], (3000..=4999).collect()].concat());
}

/// The number of a status that is named in the sources.
fn number(name: &str) -> u16 {
    match name {
        "BAD_REQUEST" => 400,
        "UNAUTHORIZED" => 401,
        "FORBIDDEN" => 403,
        "NOT_FOUND" => 404,
        "METHOD_NOT_ALLOWED" => 405,
        "NOT_ACCEPTABLE" => 406,
        "REQUEST_TIMEOUT" => 408,
        "LENGTH_REQUIRED" => 411,
        "PAYLOAD_TOO_LARGE" => 413,
        "UNSUPPORTED_MEDIA_TYPE" => 415,
        "UPGRADE_REQUIRED" => 426,
        "TOO_MANY_REQUESTS" => 429,
        "REQUEST_HEADER_FIELDS_TOO_LARGE" => 431,
        "SERVICE_UNAVAILABLE" => 503,
        "HTTP_VERSION_NOT_SUPPORTED" => 505,
        other => panic!("which status is `{other}`?"),
    }
}

/// What stands behind each of these in a source, without its tests.
fn behind<'a>(source: &'a str, what: &'a str) -> impl Iterator<Item = &'a str> {
    let source = source.split("#[cfg(test)]").next().unwrap_or_default();
    source.split(what).skip(1).map(str::trim_start)
}

fn name(text: &str) -> &str {
    text.split(|c: char| !c.is_ascii_uppercase() && c != '_').next().unwrap_or_default()
}

/// The string that a text begins with.
fn literal(text: &str) -> Option<&str> {
    text.trim_start().strip_prefix('"')?.split('"').next()
}

/// Every refusal that a source makes: its status and its word.
fn refusals_in(source: &str) -> Vec<(u16, String)> {
    let mut found = Vec::new();
    for call in behind(source, "Refusal::new(") {
        let (before, rest) = call.split_once("StatusCode::").expect("a status");
        assert!(before.is_empty() || before == "status.unwrap_or(", "{before}");
        let (status, rest) = (number(name(rest)), rest.split_once(',').expect("a word").1);
        match literal(rest) {
            Some(word) => found.push((status, word.to_owned())),
            // The word comes from the callers, see below.
            None => assert_eq!(status, 503, "{rest}"),
        }
    }
    for helper in [" refusal(", "(refusal(", " busy(", "(busy("] {
        let words = behind(source, helper).filter_map(literal);
        found.extend(words.map(|word| (503, word.to_owned())));
    }
    found
}

#[test]
fn a_planted_refusal_is_found() {
    let source = "Refusal::new(StatusCode::FORBIDDEN, \"planted\", reason) \
                  Err(refusal(\n    \"helped\", reason)) Refusal::new(StatusCode::SERVICE_UNAVAILABLE, label, reason)";
    let planted = [(403, "planted".to_owned()), (503, "helped".to_owned())];
    assert_eq!(refusals_in(source), planted);
}

#[test]
fn every_refusal_is_told_with_its_word_and_no_other() {
    let sources = files("host/server/src/upgrade", &[".rs"]).unwrap();
    let made: BTreeSet<_> =
        sources.iter().flat_map(|path| refusals_in(&read(path).unwrap())).collect();
    assert!(made.len() > 20, "the sources are read: {made:?}");

    let part = part("## Refused upgrades");
    let (refused, early) = part.split_once("### Before").expect("three tables");
    let rows = table(refused, 5);
    let told: Vec<_> = rows
        .iter()
        .map(|row| (row[0].parse().unwrap(), quoted(row[1]).expect("a word").to_owned()))
        .collect();
    assert_eq!(told.iter().cloned().collect::<BTreeSet<_>>(), made);
    assert_eq!(told.len(), made.len(), "each once");
    assert!(rows.iter().all(|row| ["yes", "no"].contains(&again(row))));

    let farewell = read("host/server/src/requests/farewell.rs").unwrap();
    let said = behind(&farewell, "StatusCode::").map(name).filter(|name| !name.is_empty());
    let said: BTreeSet<u16> = said.map(number).chain([404]).collect();
    let told: BTreeSet<u16> = table(early, 3).iter().map(|row| row[0].parse().unwrap()).collect();
    assert_eq!(told, said);
}
