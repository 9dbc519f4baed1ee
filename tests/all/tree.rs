//! House rules about files: none too long, none unused, none that knows the machine it was written on.

use support::repository::{files, folders, read};

/// A file that needs more lines has a second subject in it.
const LONGEST: usize = 500;

const TEXT: [&str; 12] =
    [".rs", ".wit", ".toml", ".lock", ".md", ".js", ".ts", ".html", ".css", ".py", ".sh", ".yml"];

#[test]
fn no_source_file_is_longer_than_its_subject() {
    let lengths = files("", &[".rs"]).unwrap().into_iter().map(|path| {
        let lines = read(&path).unwrap().lines().count();
        (path, lines)
    });
    let long: Vec<_> = lengths.filter(|(_, lines)| *lines > LONGEST).collect();
    assert!(long.is_empty(), "over {LONGEST} lines: {long:?}");
}

#[test]
fn every_source_file_says_first_what_it_is() {
    let silent = |path: &String| !read(path).unwrap().starts_with("//! ");
    let silent: Vec<_> = files("", &[".rs"]).unwrap().into_iter().filter(silent).collect();
    assert!(silent.is_empty(), "the first line is not `//! One sentence.`: {silent:?}");
}

#[test]
fn every_fixture_is_used_by_a_test_or_an_attack() {
    let tests = files("tests", &[".rs"])
        .unwrap()
        .into_iter()
        .filter(|path| !path.starts_with("tests/fixtures/"));
    let host = files("host", &[".rs"]).unwrap();
    let attacks = files("bench", &[".rs"]).unwrap();
    let text: String = tests.chain(host).chain(attacks).map(|path| read(&path).unwrap()).collect();
    let unused = |name: &String| {
        !text.contains(&format!("\"{name}\"")) && !text.contains(&format!("{name}.wasm"))
    };
    let unused: Vec<_> = folders("tests/fixtures").unwrap().into_iter().filter(unused).collect();
    assert!(unused.is_empty(), "no test and no attack names these fixtures: {unused:?}");
}

#[test]
fn every_example_says_how_it_is_run() {
    let mut silent = Vec::new();
    for example in folders("examples").unwrap() {
        let readme = read(&format!("examples/{example}/README.md")).unwrap_or_default();
        if !readme.contains("```sh\n") {
            silent.push(example);
        }
    }
    assert!(silent.is_empty(), "no README.md with a command to run (a ```sh block): {silent:?}");
}

#[test]
fn no_file_knows_the_machine_it_was_written_on() {
    let mut places = Vec::new();
    for path in files("", &TEXT).unwrap().into_iter().chain(files(".ci", &[""]).unwrap()) {
        places.extend(
            machine_paths(&read(&path).unwrap()).into_iter().map(|line| format!("{path}: {line}")),
        );
    }
    assert!(places.is_empty(), "absolute paths of a machine:\n{}", places.join("\n"));
}

#[test]
fn a_planted_machine_path_is_found() {
    for folder in MACHINE_FOLDERS {
        assert_eq!(machine_paths(&format!("let at = \"/{folder}/tengen\";")).len(), 1);
        assert_eq!(machine_paths(&format!("see file:///{folder}/x")).len(), 1);
        assert_eq!(machine_paths(&format!("tests/{folder}/x and ./{folder}/x")).len(), 0);
    }
}

#[test]
fn what_the_sources_cite_is_in_the_tree() {
    let documents: Vec<_> = files("", &[".md"]).unwrap();
    let is_there = |name: &str| documents.iter().any(|path| path.rsplit('/').next() == Some(name));
    let mut missing = Vec::new();
    // But for this file, which plants some.
    let sources = files("", &[".rs", ".wit"]).unwrap().into_iter();
    for path in sources.filter(|path| path != "tests/all/tree.rs") {
        let text = read(&path).unwrap();
        let cited = cited(&text).into_iter().filter(|name| !is_there(name));
        missing.extend(cited.map(|name| format!("{path}: {name}")));
    }
    assert!(missing.is_empty(), "cited, and not in the tree:\n{}", missing.join("\n"));
}

#[test]
fn a_citation_is_found_in_comments_only() {
    let text = "//! As wire.md says (\"docs/there.md\").\nlet name = \"here.md\"; // see ONE.md, requirement R2\n";
    assert_eq!(cited(text), ["wire.md", "there.md", "ONE.md", "requirement R2"]);
}

/// The documents that comments name, and requirements, which stand in none.
fn cited(text: &str) -> Vec<String> {
    let comments = text.lines().filter_map(|line| Some(line.split_once("//")?.1));
    let mut found = Vec::new();
    for comment in comments {
        let part_of_a_name = |c: char| c.is_alphanumeric() || "._-".contains(c);
        let words = comment.split(|c| !part_of_a_name(c)).map(|word| word.trim_matches('.'));
        let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
        found
            .extend(words.iter().filter(|word| word.ends_with(".md")).map(|&word| word.to_owned()));
        let pairs = words
            .windows(2)
            .filter(|pair| pair[0] == "requirement" && pair[1].starts_with(char::is_uppercase));
        found.extend(pairs.map(|pair| pair.join(" ")));
    }
    found
}

/// Folders in which people and build machines keep their checkouts.
const MACHINE_FOLDERS: [&str; 5] = ["root", "home", "Users", "work", "builds"];

/// The lines with a path that starts in one of [`MACHINE_FOLDERS`].
fn machine_paths(text: &str) -> Vec<String> {
    let starts_there = |line: &&str| {
        MACHINE_FOLDERS.iter().any(|folder| {
            let folder = format!("/{folder}/");
            line.match_indices(&folder).any(|(at, _)| {
                let before = line[..at].chars().next_back();
                before.is_none_or(|c| !c.is_alphanumeric() && !"._-}".contains(c))
            })
        })
    };
    text.lines().filter(starts_there).map(|line| line.trim().to_owned()).collect()
}
