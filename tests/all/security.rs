//! `docs/security-tests.md` names a test for every promise, and every test that it names is there.

use support::repository::{files, read};

/// The points of the list.
const POINTS: usize = 22;
/// Promises without a test, each argued for in its row.
const EXCEPTIONS: usize = 2;

/// One row of the first table: its number and the names of tests in it.
fn rows(text: &str) -> Vec<(usize, Vec<&str>, bool)> {
    let rows = text.lines().filter_map(|line| {
        let number = line.strip_prefix("| ")?.split_once(" |")?.0.parse().ok()?;
        Some((number, tests(line), line.contains("**Exception:**")))
    });
    rows.collect()
}

/// What a text quotes that has the form of a test's path.
fn tests(text: &str) -> Vec<&str> {
    text.split('`')
        .skip(1)
        .step_by(2)
        .filter(|quoted| quoted.contains("::") && !quoted.ends_with("::"))
        .collect()
}

/// Whether one of these files, named like a module of the path, has a test of its name.
fn exists(path: &str, sources: &[(String, String)]) -> bool {
    let modules: Vec<_> = path.split("::").collect();
    let Some((name, modules)) = modules.split_last() else { return false };
    let holds = |file: &str| {
        let parts: Vec<_> = file.trim_end_matches(".rs").split('/').collect();
        let named = modules.iter().rev().find(|module| **module != "tests");
        named.is_some_and(|module| {
            parts.contains(module) || file.ends_with(&format!("{module}_tests.rs"))
        })
    };
    sources.iter().filter(|(file, _)| holds(file)).any(|(_, text)| {
        text.split(&format!("fn {name}(")).take(text.matches(&format!("fn {name}(")).count()).any(
            |before| {
                let attributes: Vec<_> = before.rsplit('\n').skip(1).take(4).collect();
                attributes.iter().any(|line| line.contains("test]") || line.contains("test("))
                    && !attributes.iter().any(|line| line.contains("#[ignore"))
            },
        )
    })
}

fn sources() -> Vec<(String, String)> {
    let all =
        ["host", "tests", "plugin-sdk", "xtask"].map(|folder| files(folder, &[".rs"]).unwrap());
    all.into_iter().flatten().map(|path| (path.clone(), read(&path).unwrap())).collect()
}

#[test]
fn every_promise_has_its_tests_and_they_exist() {
    let text = read("docs/security-tests.md").unwrap();
    let rows = rows(&text);
    assert_eq!(
        rows.iter().map(|(number, ..)| *number).collect::<Vec<_>>(),
        (1..=POINTS).collect::<Vec<_>>()
    );
    let untested = rows.iter().filter(|(_, tests, excepted)| tests.is_empty() || *excepted);
    let untested: Vec<_> = untested.map(|(number, _, excepted)| (number, excepted)).collect();
    assert!(untested.iter().all(|(_, excepted)| **excepted), "no test and no reason: {untested:?}");
    assert!(untested.len() <= EXCEPTIONS, "more than {EXCEPTIONS} exceptions: {untested:?}");
    let sources = sources();
    let missing: Vec<_> = tests(&text).into_iter().filter(|path| !exists(path, &sources)).collect();
    assert!(missing.is_empty(), "no such tests: {missing:#?}");
}

#[test]
fn a_test_that_is_not_there_is_found() {
    let source = "#[test]\nfn is_there() {}\n#[tokio::test]\nasync fn is_async() {}\nfn no_test() {}\n\
                  #[test]\n#[ignore = \"\"]\nfn is_left_out() {}";
    let sources = [("host/engine/src/tests/calls.rs".to_owned(), source.to_owned())];
    assert!(exists("plugin::tests::calls::is_there", &sources));
    assert!(exists("plugin::tests::calls::is_async", &sources));
    for missing in ["calls::is_gone", "other::is_there", "calls::is_left_out"] {
        assert!(!exists(missing, &sources), "{missing}");
    }
}
