//! No module needs another one that needs it: what two of them share is in a third, or is passed in.
//!
//! The modules of each folder are looked at, each with all that is in it. That a module uses what its own folder's `mod.rs`
//! holds is no circle: the two are one module in two files.

use super::source::{code_of, imports, is_test, module_of};
use std::collections::{BTreeMap, BTreeSet};
use support::repository::{files, read};

/// All crates of the gateway.
const CRATES: [&str; 8] =
    ["wire", "settings", "core", "engine", "store", "telemetry", "server", "cli"];

/// Which modules of a folder each of its modules imports; the folder by its path.
type Graph = BTreeMap<Vec<String>, BTreeMap<String, BTreeSet<String>>>;

#[test]
fn no_two_modules_need_each_other() {
    let mut found = Vec::new();
    for name in CRATES {
        let folder = format!("host/{name}/src/");
        let sources = files(&folder, &[".rs"]).unwrap().into_iter().map(|path| {
            let text = read(&path).unwrap();
            (path.strip_prefix(&folder).unwrap().to_owned(), text)
        });
        found
            .extend(circles(&sources.collect::<Vec<_>>()).iter().map(|at| format!("{name}: {at}")));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[track_caller]
fn check(sources: &[(&str, &str)], expected: &[&str]) {
    let sources: Vec<_> =
        sources.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).collect();
    assert_eq!(circles(&sources), expected, "{sources:?}");
}

#[test]
fn a_planted_circle_is_found() {
    check(
        &[
            ("a.rs", "use crate::b::B;"),
            ("b.rs", "use super::{c::{D, C}, d};"),
            ("c.rs", "crate::a::f()"),
        ],
        &["`a` → `b` → `c` → `a`"],
    );
    check(
        &[
            ("f/mod.rs", "mod a;"),
            ("f/a.rs", "use super::b::B;"),
            ("f/b.rs", "use crate::f::a::A;"),
        ],
        &["`f::a` → `f::b` → `f::a`"],
    );
    check(
        &[
            ("f/mod.rs", ""),
            ("f/a/deep.rs", "use super::super::super::g::G;"),
            ("g.rs", "use crate::f::a;"),
        ],
        &["`f` → `g` → `f`"],
    );
}

#[test]
fn what_goes_one_way_and_what_only_tests_need_is_no_circle() {
    check(&[("a.rs", "use crate::b::B;"), ("b.rs", "use crate::c;"), ("c.rs", "")], &[]);
    check(&[("f/mod.rs", "use a::A;"), ("f/a.rs", "use super::Shared;")], &[]);
    check(
        &[("a.rs", "use crate::b;"), ("b.rs", "// crate::a\n"), ("b_tests.rs", "use crate::a;")],
        &[],
    );
    check(
        &[("a.rs", "use crate::b;"), ("b.rs", "#[cfg(test)]\nmod tests {\n    use crate::a;\n}")],
        &[],
    );
}

/// The circles in a crate, each once, of files by their path in `src`.
fn circles(sources: &[(String, String)]) -> Vec<String> {
    let sources: Vec<_> = sources.iter().filter(|(file, _)| !is_test(file)).collect();
    let modules: BTreeSet<Vec<&str>> = sources
        .iter()
        .flat_map(|(file, _)| {
            let path = module_of(file);
            (1..=path.len()).map(move |length| path[..length].to_vec())
        })
        .collect();
    let mut graph = Graph::new();
    for (file, text) in &sources {
        let from = module_of(file);
        for import in imports(&from, &code_of(text)) {
            let to: Vec<&str> = import.iter().map(String::as_str).collect();
            let common = from.iter().zip(&to).take_while(|(from, to)| from == to).count();
            if let (Some(ours), Some(theirs)) = (from.get(common), to.get(common))
                && modules.contains(&to[..=common])
            {
                let folder = to[..common].iter().map(|part| (*part).to_owned()).collect();
                let needs: &mut BTreeMap<_, BTreeSet<_>> = graph.entry(folder).or_default();
                needs.entry((*ours).to_owned()).or_default().insert((*theirs).to_owned());
            }
        }
    }
    graph.iter().flat_map(|(folder, needs)| in_folder(folder, needs)).collect()
}

fn in_folder(folder: &[String], needs: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let mut found = Vec::new();
    let mut told = BTreeSet::new();
    for start in needs.keys().filter(|start| !told.contains(*start)).collect::<Vec<_>>() {
        if let Some(way) = way_back(start, needs)
            && way.iter().all(|module| !told.contains(module))
        {
            let names = way.iter().chain([start]).map(|module| {
                let path: Vec<_> = folder.iter().chain([module]).map(String::as_str).collect();
                format!("`{}`", path.join("::"))
            });
            found.push(names.collect::<Vec<_>>().join(" → "));
            told.extend(way);
        }
    }
    found
}

/// The shortest way from a module back to itself, if there is one; it begins with the module.
fn way_back(start: &str, needs: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    let mut ways = vec![vec![start.to_owned()]];
    let mut seen = BTreeSet::new();
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for way in ways {
            for next in way.last().and_then(|last| needs.get(last)).into_iter().flatten() {
                if next == start {
                    return Some(way);
                }
                if seen.insert(next.clone()) {
                    longer.push([way.as_slice(), std::slice::from_ref(next)].concat());
                }
            }
        }
        ways = longer;
    }
    None
}
