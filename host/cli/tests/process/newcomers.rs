//! What `tengen new` makes in C and in Go is built by the commands that it names, and plays its own script.
//!
//! Two of those tools are programs around libraries that this repository has: here the libraries do what they do. The compilers
//! are those that the rooms are built with; the tests of the languages say how they are brought in where they are missing.

use super::{guest, tengen, text, watch};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wit_bindgen_core::{Files, WorldGenerator, wit_parser::Resolve};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};

const WORLD: &str = "handler-plugin";

#[track_caller]
fn ended(output: &Output, code: i32) -> String {
    let said = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    said
}

/// A folder of `tengen new tea-room`, inside of this one.
fn new(folder: &Path, language: &str) -> PathBuf {
    let mut made = tengen(&["new", "tea-room", "--lang", language]);
    ended(&made.current_dir(folder).output().unwrap(), 0);
    folder.join("tea-room")
}

/// Plays scripts in that folder; without any, its own.
fn plays(dir: &Path, scripts: &[&str]) {
    let child = tengen(&[&["test", "."], scripts].concat()).current_dir(dir).spawn().unwrap();
    let _watch = watch(&child);
    let said = ended(&child.wait_with_output().unwrap(), 0);
    assert!(said.contains("ok "), "{said}");
}

/// What `wit-bindgen` does.
fn bindings(dir: &Path, mut generator: Box<dyn WorldGenerator>, into: &Path) {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(dir.join("wit")).unwrap();
    let world = resolve.select_world(&[package], Some(WORLD)).unwrap();
    let mut files = Files::default();
    generator.generate(&mut resolve, world, &mut files).unwrap();
    for (name, content) in files.iter() {
        let path = into.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}

/// What a line of the folder's README says that has this in it: variables, a program and its arguments.
fn command(dir: &Path, part: &str) -> Command {
    let readme = fs::read_to_string(dir.join("README.md")).unwrap();
    let line = readme.lines().find(|line| line.contains(part)).unwrap();
    let mut words = line.split(' ').peekable();
    let mut variables = Vec::new();
    while let Some((name, value)) = words.peek().and_then(|word| word.split_once('=')) {
        variables.push((name, value));
        words.next();
    }
    let mut command = Command::new(words.next().unwrap());
    command.args(words).envs(variables).current_dir(dir);
    command
}

fn tools() -> PathBuf {
    guest("chat.wasm").with_file_name("../tools")
}

const ESCAPES: &str = r#"{"open":"ann"}
{"as":"ann","send":"tea-room/say","data":{"more":[1,{"text":"no"}],"text":"a\"b\\c\u0001\n\u00e9\ud83d\ude00","x":null},"ask":true,"expect":[{"reply":{"number":1}},{"publish":"tea-room/said","channel":"tea-room/room","data":{"number":1,"text":"a\"b\\c\u0001\n\u00e9\ud83d\ude00"},"except":"ann"}]}
{"as":"ann","send":"tea-room/say","data":{"text":7},"ask":true,"includes":[{"failed":{"id":"malformed"}}]}
{"as":"ann","send":"tea-room/say","data":[],"ask":true,"includes":[{"failed":{"id":"malformed"}}]}
{"as":"ann","send":"tea-room/say","ask":true,"includes":[{"failed":{"id":"malformed"}}]}"#;

#[test]
fn a_new_plugin_in_c_plays_its_own_script_and_reads_what_is_escaped() {
    let packages = tools().join("ziglang==0.15.2");
    if !packages.exists() {
        println!("there is no {}: run `cargo xtask guests`", packages.display());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let dir = new(folder.path(), "c");
    bindings(&dir, wit_bindgen_c::Opts::default().build(), &dir.join("bindings"));
    let mut compiler = command(&dir, "ziglang cc");
    compiler.arg("-Werror").env("PYTHONPATH", &packages);
    compiler.env("ZIG_GLOBAL_CACHE_DIR", tools().join("zig-cache"));
    compiler.env("ZIG_LOCAL_CACHE_DIR", folder.path().join("cache"));
    ended(&compiler.output().unwrap(), 0);
    let module = fs::read(dir.join("tea-room.core.wasm")).unwrap();
    let mut encoder = ComponentEncoder::default();
    let component = encoder.validate(true).module(&module).unwrap().encode().unwrap();
    fs::write(dir.join("tea-room.wasm"), component).unwrap();
    plays(&dir, &[]);
    fs::write(dir.join("escapes.jsonl"), ESCAPES).unwrap();
    plays(&dir, &["escapes.jsonl"]);
}

/// Where the bindings' own package of Go is: their crate has it.
fn runtime() -> PathBuf {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let metadata = ["metadata", "--offline", "--format-version", "1"];
    let metadata =
        Command::new(cargo).args(metadata).current_dir(env!("CARGO_MANIFEST_DIR")).output();
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.unwrap().stdout).unwrap();
    let packages = metadata.get("packages").and_then(|all| all.as_array()).unwrap();
    let is_it = |package: &&serde_json::Value| {
        package.get("name").is_some_and(|name| name == "wit-bindgen-go")
    };
    let found = packages.iter().find(is_it).and_then(|it| it.get("manifest_path")?.as_str());
    let manifest = Path::new(found.unwrap());
    manifest.with_file_name("src").join("pkg")
}

#[test]
fn a_new_plugin_in_go_plays_its_own_script() {
    if !guest("chat.wasm").with_file_name("room_go.wasm").is_file() {
        println!("there is no room in Go: install Go 1.26 or newer, then run `cargo xtask guests`");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let dir = new(folder.path(), "go");
    bindings(&dir, wit_bindgen_go::Opts::default().build(), &dir);
    // No registry is asked.
    let replaced = format!("-replace=go.bytecodealliance.org/pkg={}", runtime().display());
    let edited = Command::new("go").args(["mod", "edit", &replaced]).current_dir(&dir).output();
    ended(&edited.unwrap(), 0);
    let mut compiler = command(&dir, "go build");
    compiler.env("GOPROXY", "off").env("GOSUMDB", "off").env("GOTOOLCHAIN", "local");
    ended(&compiler.output().unwrap(), 0);
    let mut module = fs::read(dir.join("tea-room.core.wasm")).unwrap();
    let mut resolve = wit_parser::Resolve::default();
    let (package, _) = resolve.push_dir(dir.join("wit")).unwrap();
    let world = resolve.select_world(&[package], Some(WORLD)).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false).unwrap();
    let mut encoder = ComponentEncoder::default();
    let component = encoder.validate(true).module(&module).unwrap();
    let (name, adapter) =
        (WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER);
    let component = component.adapter(name, adapter).unwrap().encode().unwrap();
    fs::write(dir.join("tea-room.wasm"), component).unwrap();
    plays(&dir, &[]);
    fs::write(dir.join("escapes.jsonl"), ESCAPES).unwrap();
    plays(&dir, &["escapes.jsonl"]);
}
