//! docs/configuration.md: its pieces are files that a gateway takes, and what it says of changes is what happens. Those of the
//! guide are files as well.

use std::path::Path;
use support::repository::read;
use tengen_settings::config;

const PAGE: &str = "docs/configuration.md";

fn environment(name: &str) -> Option<String> {
    matches!(name, "CSRF_KEY" | "TENGEN_API_KEY" | "TOKEN_SECRET")
        .then(|| "0123456789abcdef".repeat(2))
}

/// The pieces of a page, each with what is wrong with it.
fn mistakes(page: &str) -> Vec<(String, Vec<String>)> {
    let pieces = page.split("```toml\n").skip(1);
    let pieces = pieces.map(|piece| piece.split("```").next().unwrap_or_default());
    let examined = pieces.map(|piece| {
        let examined = config::examine(piece, &environment, Path::new("etc"));
        let found = examined.mistakes.iter().chain(&examined.warnings);
        (piece.to_owned(), found.map(ToString::to_string).collect())
    });
    examined.collect()
}

#[test]
fn every_piece_of_the_pages_is_a_file_without_a_mistake() {
    let mut pieces = mistakes(&read(PAGE).unwrap());
    assert!(pieces.len() > 10, "{} pieces", pieces.len());
    pieces.extend(mistakes(&read("docs/guide.md").unwrap()));
    for (piece, found) in pieces {
        assert_eq!(found, Vec::<String>::new(), "{piece}");
    }
}

#[test]
fn a_planted_mistake_is_found() {
    let [(_, found)] = &mistakes("text\n```toml\n[limits]\nmesage = \"1MiB\"\n```\n")[..] else {
        panic!("one piece");
    };
    assert!(found[0].contains("did you mean `message`"), "{found:?}");
}

/// The keys in the first column of a table's rows, each with the first word of another column.
fn rows(table: &str, column: usize) -> Vec<(String, String)> {
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.map(|row| row.split('|').map(str::trim).collect::<Vec<_>>());
    let of = cells.flat_map(|cells| {
        let need = cells[column].split([' ', ':']).next().unwrap_or_default().to_owned();
        let names: Vec<_> = cells[1].split('`').skip(1).step_by(2).map(str::to_owned).collect();
        names.into_iter().map(move |name| (name, need.clone()))
    });
    of.collect()
}

#[test]
fn what_a_change_needs_is_told_as_it_is() {
    let page = read(PAGE).unwrap();
    let (_, part) = page.split_once("## What a change needs\n").unwrap();
    let told = rows(part.split("\n## ").next().unwrap(), 2);
    let keys = rows(&config::table(), 3);
    assert!(keys.len() > 100 && told.len() > 10, "{} keys, {} told", keys.len(), told.len());
    for (key, need) in &keys {
        let path = key.replace("[]", "");
        let is_of = |name: &str| {
            path.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let its = told.iter().filter(|(name, _)| is_of(name)).max_by_key(|(name, _)| name.len());
        assert_eq!(its.map(|(_, need)| need), Some(need), "{key}");
    }
    for (name, _) in &told {
        let is_key = |key: &str| key.replace("[]", "").starts_with(name.as_str());
        assert!(keys.iter().any(|(key, _)| is_key(key)), "there is no `{name}`");
    }
}

#[test]
fn every_key_that_the_page_names_is_one() {
    let (page, keys) = (read(PAGE).unwrap(), rows(&config::table(), 3));
    let outside = page.split("```").step_by(2).flat_map(|text| text.split('`').skip(1).step_by(2));
    for name in outside.filter(|word| word.starts_with("plugin.NAME.")) {
        assert!(keys.iter().any(|(key, _)| key == name), "there is no `{name}`");
    }
}
