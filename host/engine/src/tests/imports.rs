//! What a plugin can link that was granted nothing: the list in `docs/imports.md`, and not a function more.
//!
//! wasmtime's linker cannot be listed, so it is asked: for each function that the interfaces of this gateway and of WASI
//! (0.2 and 0.3, as wasmtime-wasi brings them along) know, whether a component that imports it alone can be linked.

use super::*;
use std::{collections::BTreeSet, fs, path::Path, process::Command};
use wasmtime::component::Component;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{Function, InterfaceId, Resolve, abi::AbiVariant};

/// The folder of a dependency's sources.
fn sources(package: &str) -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let metadata = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--offline", "--locked"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout).expect("JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let found = packages.iter().find(|found| found["name"] == package).expect("it is used");
    Path::new(found["manifest_path"].as_str().expect("a path")).with_file_name("")
}

/// `wasi:cli/environment.get-environment` for a function, without the version.
fn name(resolve: &Resolve, interface: InterfaceId, function: &Function) -> String {
    format!("{}.{}", label(resolve, interface), function.name)
}

fn label(resolve: &Resolve, interface: InterfaceId) -> String {
    let id = resolve.id_of(interface).expect("it has a name");
    id.split('@').next().unwrap_or_default().to_owned()
}

/// Whether a component links that imports this function and nothing else.
fn links(resolve: &Resolve, interface: InterfaceId, function: &Function) -> bool {
    let mut resolve = resolve.clone();
    let import = resolve.id_of(interface).expect("it has a name");
    let text = format!("package tengen:asks; world asks {{ import {import}; }}");
    let package = resolve.push_str("asks.wit", &text).expect("it parses");
    let world = resolve.select_world(&[package], None).expect("a world");
    let signature = resolve.wasm_signature(AbiVariant::GuestImport, function);
    let types = |types: &[wit_parser::abi::WasmType]| {
        types.iter().map(|ty| core(*ty)).collect::<Vec<_>>().join(" ")
    };
    let module = format!(
        r#"(module (import "{import}" "{}" (func (param {}) (result {})))
          (memory (export "memory") 1)
          (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable))"#,
        function.name,
        types(&signature.params),
        types(&signature.results),
    );
    let Ok(mut module) = wat::parse_str(&module) else { return false };
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, true)
        .expect("embedded");
    let component =
        ComponentEncoder::default().module(&module).and_then(|encoder| encoder.encode());
    let Ok(component) = component else { return false };
    Component::new(engine().wasm(), component)
        .is_ok_and(|component| engine().linker().instantiate_pre(&component).is_ok())
}

fn core(ty: wit_parser::abi::WasmType) -> &'static str {
    use wit_parser::abi::WasmType;
    match ty {
        WasmType::I64 | WasmType::PointerOrI64 => "i64",
        WasmType::F32 => "f32",
        WasmType::F64 => "f64",
        WasmType::I32 | WasmType::Pointer | WasmType::Length => "i32",
    }
}

/// Every function of these packages that can be linked.
fn linked(folders: &[PathBuf]) -> BTreeSet<String> {
    let mut resolve = Resolve::new();
    resolve.all_features = true;
    for folder in folders {
        resolve.push_path(folder).expect("the interfaces parse");
    }
    let mut found = BTreeSet::new();
    for (interface, about) in &resolve.interfaces {
        if resolve.id_of(interface).is_none() {
            continue;
        }
        let functions = about.functions.values();
        found.extend(
            functions
                .filter(|function| links(&resolve, interface, function))
                .map(|function| name(&resolve, interface, function)),
        );
    }
    found
}

/// The functions that the document lists, by interface: `| \`wasi:io/poll\` | \`poll\`, \`pollable.block\` | … |`.
fn documented() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(folder.join("../../docs/imports.md")).expect("the document");
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    rows.flat_map(|row| {
        let mut cells = row.split('|').map(str::trim).skip(1);
        let interface = cells.next().unwrap_or_default().trim_matches('`').to_owned();
        let functions = cells.next().unwrap_or_default().to_owned();
        let each = functions.split(", ").map(|name| name.trim_matches('`').to_owned());
        each.map(|name| format!("{interface}.{name}")).collect::<Vec<_>>()
    })
    .collect()
}

/// As people write it: `pollable.block` for `[method]pollable.block`.
fn plain(name: &str) -> String {
    name.replace("[method]", "").replace("[static]", "").replace("[constructor]", "new ")
}

#[test]
fn a_plugin_without_grants_links_what_the_document_lists_and_nothing_else() {
    let wasi = sources("wasmtime-wasi").join("src");
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
    let mut found = linked(&[ours]);
    found.extend(linked(&[wasi.join("p2/wit")]));
    found.extend(linked(&[wasi.join("p3/wit")]).into_iter().map(|name| format!("0.3 {name}")));
    let found = found.iter().map(|name| plain(name)).collect::<BTreeSet<_>>();
    let documented = documented();
    let missing = found.difference(&documented).collect::<Vec<_>>();
    let extra = documented.difference(&found).collect::<Vec<_>>();
    assert!(
        missing.is_empty() && extra.is_empty(),
        "not in docs/imports.md: {missing:#?}; only there: {extra:#?}"
    );
}
