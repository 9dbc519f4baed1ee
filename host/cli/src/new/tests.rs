//! What `tengen new` writes, and what it refuses.

use super::*;
use std::collections::BTreeSet;
use tengen_settings::config;

fn new(name: &str, lang: Language, dir: &Path) -> Result<PathBuf, NewError> {
    let dir = Some(dir.to_owned());
    make(&New { name: name.to_owned(), lang, role: Role::Handler, dir })
}

const LANGUAGES: [Language; 3] = [Language::Rust, Language::JavaScript, Language::Python];

#[test]
fn every_word_in_braces_is_filled_in() {
    for language in LANGUAGES {
        let files = files::of("tea-room", language).into_iter();
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
    assert!(Language::parse("go").unwrap_err().contains("no template for `go` yet"));
    assert!(Role::parse("sink").unwrap_err().contains("no template for the role `sink` yet"));
    assert_eq!(Language::parse("cobol").unwrap_err(), "write rust, js or python");
}

#[test]
fn a_plugin_of_a_template_is_short() {
    for (language, most) in
        [(Language::Rust, 39), (Language::JavaScript, 39), (Language::Python, 59)]
    {
        let files = files::of("tea", language);
        let (_, source) = files.iter().find(|(path, _)| *path == language.source()).unwrap();
        assert!(source.lines().count() <= most, "{language:?}: {}", source.lines().count());
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
    let files = files::of("tea", Language::Rust);
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
}
