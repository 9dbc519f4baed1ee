//! What the documents say is what the sources say.

use support::repository::{files, folders, read, root};

#[test]
fn the_readme_lists_every_configuration_key() {
    let readme = read("README.md").unwrap();
    let expected = with_table(&readme, &tengen_settings::config::table())
        .expect("README.md has both `config` marks");
    if readme != expected && std::env::var_os("TENGEN_UPDATE").is_some() {
        std::fs::write(root().join("README.md"), expected).unwrap();
        return;
    }
    assert!(
        readme == expected,
        "the table in README.md is not `config::table()`: run `TENGEN_UPDATE=1 cargo xtask check`"
    );
}

/// The text with everything between the marks replaced.
fn with_table(text: &str, table: &str) -> Option<String> {
    let (before, rest) = text.split_once("<!-- config -->\n")?;
    let (_, after) = rest.split_once("<!-- /config -->")?;
    Some(format!("{before}<!-- config -->\n\n{}\n\n<!-- /config -->{after}", table.trim()))
}

#[test]
fn an_outdated_table_is_found() {
    let text = "a\n<!-- config -->\n\n| old |\n\n<!-- /config -->\nb";
    assert_eq!(with_table(text, "| new |\n").as_deref(), Some(&*text.replace("old", "new")));
    assert_eq!(with_table("no marks", "| new |"), None);
}

#[test]
fn the_readmes_plugin_is_the_one_that_the_sdk_compiles() {
    let readme = read("README.md").unwrap();
    let (_, rest) = readme.split_once("```rust\n").expect("a plugin");
    let (plugin, _) = rest.split_once("```").expect("the end of the plugin");
    assert!(
        plugin.lines().count() <= 15,
        "a plugin of {} lines is no hello",
        plugin.lines().count()
    );
    let documented = plugin.lines().map(|line| format!("//! {line}").trim_end().to_owned() + "\n");
    let sdk = read("plugin-sdk/src/lib.rs").unwrap();
    assert!(
        sdk.contains(&documented.collect::<String>()),
        "not in the SDK's documentation:\n{plugin}"
    );
}

#[test]
fn the_code_map_names_every_module() {
    let map = read("ARCHITECTURE.md").unwrap();
    let mut missing = Vec::new();
    for name in folders("host").unwrap() {
        let lib = read(&format!("host/{name}/src/lib.rs")).unwrap();
        let modules =
            lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
        let unnamed = modules.filter(|module| !map.contains(&format!("`{module}`")));
        missing.extend(unnamed.map(|module| format!("{name}/{module}")));
        if !map.contains(&format!("`tengen-{name}`")) && name != "cli" {
            missing.push(name);
        }
    }
    assert!(missing.is_empty(), "ARCHITECTURE.md does not name these modules: {missing:?}");
}

#[test]
fn every_dependency_has_its_reason() {
    let reasons = read("ARCHITECTURE.md").unwrap();
    let reasons = reasons.split_once("## Why each dependency").expect("the table of reasons").1;
    let manifest = read("Cargo.toml").unwrap();
    let (_, rest) = manifest.split_once("[workspace.dependencies]\n").expect("dependencies");
    let lines = rest.lines().take_while(|line| !line.starts_with('['));
    let names = lines.filter_map(|line| line.split_once(" = ").map(|(name, _)| name));
    let named = |name: &str| {
        reasons.split(|c: char| !c.is_alphanumeric() && !"-_".contains(c)).any(|word| word == name)
    };
    let missing: Vec<_> = names.filter(|name| !named(name)).collect();
    assert!(missing.is_empty(), "ARCHITECTURE.md does not say why: {missing:?}");
}

#[test]
fn paths_of_packages_in_documents_lead_to_manifests() {
    let mut broken = Vec::new();
    for path in files("", &[".md"]).unwrap() {
        let text = read(&path).unwrap();
        let words: Vec<_> = text.split_whitespace().collect();
        for named in words.windows(2).filter(|pair| pair[0] == "--path").map(|pair| pair[1]) {
            let named = named.trim_matches(|c: char| "`.,;)".contains(c));
            // One in capital letters stands for the reader's own.
            let is_ours = !named.is_empty() && named != named.to_uppercase();
            if is_ours && !root().join(named).join("Cargo.toml").is_file() {
                broken.push(format!("{path}: {named}"));
            }
        }
    }
    assert!(broken.is_empty(), "no package is there:\n{}", broken.join("\n"));
}

#[test]
fn links_in_documents_lead_to_files() {
    let mut broken = Vec::new();
    for path in files("", &[".md"]).unwrap() {
        let text = read(&path).unwrap();
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for target in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split_once(')'))
            .map(|(target, _)| target)
        {
            let target = target.split('#').next().unwrap_or_default();
            let inside = !target.is_empty() && !target.contains("://");
            if inside && !root().join(folder).join(target).exists() {
                broken.push(format!("{path}: {target}"));
            }
        }
    }
    assert!(broken.is_empty(), "links to nothing:\n{}", broken.join("\n"));
}

#[test]
fn the_tests_that_a_promise_rests_on_exist() {
    let promises = read("SECURITY.md").unwrap();
    let folders = ["host", "tests/all", "plugins", "plugin-sdk/src"];
    let files = folders.into_iter().flat_map(|folder| files(folder, &[".rs"]).unwrap());
    let sources: String = files.map(|path| read(&path).unwrap()).collect();
    let named = tests_in(&promises);
    assert!(!named.is_empty(), "SECURITY.md names no test");
    let missing: Vec<_> = named
        .into_iter()
        .filter(|path| {
            let name = path.rsplit("::").next().unwrap_or_default();
            !sources.contains(&format!("fn {name}("))
        })
        .collect();
    assert!(missing.is_empty(), "there are no such tests: {missing:?}");
}

/// The paths of tests in a document: in backquotes, the last word a sentence.
fn tests_in(text: &str) -> Vec<&str> {
    let quoted = text.split('`').skip(1).step_by(2);
    let is_test = |path: &&str| {
        path.contains("::") && path.rsplit("::").next().is_some_and(|name| name.contains('_'))
    };
    quoted.filter(is_test).collect()
}

#[test]
fn a_test_is_found_by_its_path() {
    let text = "see `all::docs::a_test`, `cargo test`, `tengen_engine::fuzzing` and `b::it_holds`";
    assert_eq!(tests_in(text), ["all::docs::a_test", "b::it_holds"]);
}

#[test]
fn every_mutant_has_its_result_written_down_once_and_in_order() {
    let mut patches = files("tests/mutants", &[".patch"]).unwrap();
    let name =
        |path: &String| path.rsplit('/').next().unwrap().strip_suffix(".patch").unwrap().to_owned();
    let number = |name: &String| name.split('-').next().unwrap().parse::<u32>().unwrap();
    patches = patches.iter().map(name).collect();
    patches.sort_by_key(number);
    let text = read("docs/mutants.md").unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    assert_eq!(rows.collect::<Vec<_>>(), patches);
}
