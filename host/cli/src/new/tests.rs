//! What `tengen new` writes, and what it refuses.

use super::*;
use std::collections::BTreeSet;
use tengen_settings::config;

fn new(name: &str, lang: Language, dir: &Path) -> Result<PathBuf, NewError> {
    new_of(Role::Handler, name, lang, dir)
}

fn new_of(role: Role, name: &str, lang: Language, dir: &Path) -> Result<PathBuf, NewError> {
    let dir = Some(dir.to_owned());
    make(&New { name: name.to_owned(), lang, role, dir })
}

const LANGUAGES: [Language; 5] =
    [Language::Rust, Language::JavaScript, Language::Python, Language::C, Language::Go];

#[test]
fn every_word_in_braces_is_filled_in() {
    let all = LANGUAGES.map(|language| files::of("tea-room", language, Role::Handler));
    let door = files::of("tea-room", Language::Rust, Role::Authenticator);
    for files in all.into_iter().chain([door]) {
        let files = files.into_iter();
        // The SDK's sources are none.
        for (path, text) in files.filter(|(path, _)| !path.starts_with("sdk/src/")) {
            assert!(!path.contains("{{") && !text.contains("{{"), "{path}: {text}");
        }
    }
}

#[test]
fn the_folder_has_a_configuration_that_names_the_component_which_is_built() {
    for language in LANGUAGES {
        let folder = tempfile::tempdir().unwrap();
        let dir = new("tea-room", language, &folder.path().join("a/b")).unwrap();
        let parsed = config::load(&dir.join("tengen.toml"), &|_| None).unwrap();
        let plugin = parsed.settings.plugins.values().next().unwrap();
        assert_eq!(plugin.file, dir.join(language.component("tea-room")), "{language:?}");
        assert!(dir.join("wit/world.wit").is_file() && dir.join(language.source()).is_file());
        assert!(dir.join("tests/tea-room.jsonl").is_file());
        let readme = fs::read_to_string(dir.join("README.md")).unwrap();
        assert!(language.build("tea-room").iter().all(|line| readme.contains(line)), "{readme}");
    }
}

#[test]
fn an_authenticator_is_made_in_rust_alone() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("door");
    let error = new_of(Role::Authenticator, "door", Language::Python, &dir).unwrap_err();
    assert!(matches!(error, NewError::Role) && !dir.exists(), "{error}");
    new_of(Role::Authenticator, "door", Language::Rust, &dir).unwrap();
    let parsed = config::load(&dir.join("tengen.toml"), &|_| None).unwrap();
    assert_eq!(parsed.settings.endpoints[0].authenticator, Some("door".into()));
    let source = fs::read_to_string(dir.join("src/lib.rs")).unwrap();
    assert!(source.contains("Authenticator") && source.lines().count() < 40, "{source}");
}

#[test]
fn what_is_there_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let error = new("tea", Language::Rust, folder.path()).unwrap_err();
    assert!(matches!(error, NewError::There(_)), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_bad_name_is_refused_before_anything_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let long = "a".repeat(NAME_MAX + 1);
    for name in ["", "Tea", "tea_room", "1tea", "-tea", "tea-", "tea/room", "..", "tée", &long] {
        let error = new(name, Language::JavaScript, &folder.path().join("made")).unwrap_err();
        assert!(matches!(error, NewError::Name(_)), "{name}: {error}");
    }
    let error = new("fn", Language::Rust, &folder.path().join("made")).unwrap_err();
    assert!(matches!(error, NewError::Word(_)), "{error}");
    assert!(!folder.path().join("made").exists());
    new("fn", Language::JavaScript, &folder.path().join("made")).unwrap();
}

#[test]
fn what_has_no_template_yet_says_so() {
    assert!(Role::parse("sink").unwrap_err().contains("no template for the role `sink` yet"));
    assert_eq!(Language::parse("cobol").unwrap_err(), "write rust, js, python, c or go");
}

#[test]
fn a_plugin_of_a_template_is_short() {
    for (language, most) in [
        (Language::Rust, 39),
        (Language::JavaScript, 39),
        (Language::Python, 59),
        (Language::C, 39),
        (Language::Go, 39),
    ] {
        let files = files::of("tea", language, Role::Handler);
        let (_, source) = files.iter().find(|(path, _)| *path == language.source()).unwrap();
        assert!(source.lines().count() <= most, "{language:?}: {}", source.lines().count());
    }
}

#[test]
fn what_hides_the_interface_from_it_is_short_as_well() {
    for (language, helpers) in [
        (Language::C, &["tengen.c", "json.c", "tengen.h"][..]),
        (Language::Go, &["tengen/tengen.go"]),
    ] {
        let files = files::of("tea", language, Role::Handler);
        for helper in helpers {
            let (_, text) = files.iter().find(|(path, _)| path == helper).unwrap();
            assert!(text.lines().count() <= 150, "{helper}: {}", text.lines().count());
        }
    }
}

#[test]
fn all_of_the_sdk_is_in_the_program() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugin-sdk/src");
    let (mut there, mut folders) = (BTreeSet::new(), vec![root.clone()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => drop(there.insert(path.strip_prefix(&root).unwrap().to_owned())),
            }
        }
    }
    there.retain(|path| !path.ends_with("tests.rs"));
    let ours: BTreeSet<_> = sdk::FILES.iter().map(|(path, _)| PathBuf::from(path)).collect();
    assert_eq!(ours, there);
}

#[test]
fn the_sdk_is_built_with_what_the_sdk_is_built_with() {
    let workspace = include_str!("../../../../Cargo.toml");
    let line = workspace.lines().find(|line| line.starts_with("wit-bindgen = ")).unwrap();
    let files = files::of("tea", Language::Rust, Role::Handler);
    let (_, manifest) = files.iter().find(|(path, _)| path == "sdk/Cargo.toml").unwrap();
    assert!(manifest.contains(line), "{manifest}");
}

#[test]
fn the_tools_of_other_languages_are_those_that_the_room_is_built_with() {
    let pins = include_str!("../../../../xtask/src/languages/pins.rs");
    let pinned = |tool: &str| {
        let (_, rest) = pins.split_once(&format!("= \"{tool}")).unwrap();
        rest.split(['"', ';']).next().unwrap().to_owned()
    };
    let manifest = include_str!("../../templates/js/package.json");
    let version = pinned("componentize-qjs@");
    assert!(manifest.contains(&format!("\"componentize-qjs\": \"{version}\"")), "{version}");
    let build = Language::Python.build("tea").join("\n");
    let version = pinned("componentize-py==");
    assert!(build.contains(&format!("componentize-py=={version}")), "{version}");
    let version = pinned("ziglang==");
    assert!(Language::C.build("tea").join("\n").contains(&format!("ziglang=={version}")));
    let lock = include_str!("../../../../Cargo.lock");
    let (_, after) = lock
        .split_once("name = \"wasi-preview1-component-adapter-provider\"\nversion = \"")
        .unwrap();
    let adapter = format!("/v{}/", after.split('"').next().unwrap());
    assert!(Language::Go.build("tea").join("\n").contains(&adapter), "{adapter}");
}
