//! What kind of file this is, told from its first bytes and its outermost sections, before anything compiles it.

use crate::error::PluginError;
use wasmparser::{
    BinaryReader, ComponentImportSectionReader, GlobalSectionReader, KnownCustom, Name,
    NameSectionReader, Operator, Parser, Payload, TypeRef, ValType, Validator, WasmFeatures,
};

/// The id of a component's section of imports.
const IMPORTS: u8 = 10;

/// `\0asm`, then the version and the layer: 1 and 0 for core modules, 13 and 1 for components.
const MAGIC: &[u8] = b"\0asm";
const MODULE: &[u8] = b"\x01\0\0\0";
const COMPONENT: &[u8] = b"\x0d\0\x01\0";

/// Err: why these bytes are no component.
pub(super) fn check(bytes: &[u8]) -> Result<(), PluginError> {
    if wasmtime::Engine::detect_precompiled(bytes).is_some() {
        return Err(PluginError::Precompiled);
    }
    let Some(rest) = bytes.strip_prefix(MAGIC) else {
        return Err(PluginError::NotWasm { found: guess(bytes) });
    };
    if rest.starts_with(MODULE) {
        return Err(PluginError::CoreModule);
    }
    match rest.strip_prefix(COMPONENT) {
        Some(sections) if is_whole(sections) => Ok(()),
        Some(_) => Err(PluginError::Incomplete),
        None if rest.len() < COMPONENT.len() => Err(PluginError::Incomplete),
        None => Err(PluginError::NotWasm { found: "a WebAssembly file of an unknown version" }),
    }
}

/// Whether a file may still be growing: it is empty, or a component that ends in the middle of a section.
pub(crate) fn is_unfinished(bytes: &[u8]) -> bool {
    match bytes.strip_prefix(MAGIC) {
        Some(rest) => match rest.strip_prefix(COMPONENT) {
            Some(sections) => !is_whole(sections),
            None => COMPONENT.starts_with(rest),
        },
        None => MAGIC.starts_with(bytes),
    }
}

fn guess(bytes: &[u8]) -> &'static str {
    let text = bytes.trim_ascii_start();
    if text.is_empty() {
        "the file is empty"
    } else if text.starts_with(b"(component") || text.starts_with(b"(module") {
        "the text format; translate it with `wasm-tools parse`"
    } else if MAGIC.starts_with(bytes) {
        "only the beginning of one"
    } else {
        "the file does not begin with `\\0asm`"
    }
}

/// The names that a component imports, as far as they can be read: what is not valid the compiler tells better.
pub(super) fn imports(bytes: &[u8]) -> Vec<&str> {
    let mut names = Vec::new();
    let sections = bytes.get(MAGIC.len() + COMPONENT.len()..).unwrap_or_default();
    for (id, content) in outermost(sections).flatten() {
        let reader = BinaryReader::new(content, 0);
        if id == IMPORTS
            && let Ok(section) = ComponentImportSectionReader::new(reader)
        {
            names.extend(section.into_iter().map_while(|import| Some(import.ok()?.name.name)));
        }
    }
    names
}

/// How many memories a core module of the component has that has most of them, those that it imports included; as far as it
/// can be read: what is not valid the compiler tells better.
pub(super) fn memories(bytes: &[u8]) -> u32 {
    let (mut open, mut most) = (Vec::new(), 0_u32);
    for payload in Parser::new(0).parse_all(bytes).map_while(Result::ok) {
        let more = match payload {
            Payload::Version { .. } => {
                open.push(0_u32);
                0
            }
            Payload::End(_) => {
                open.pop();
                0
            }
            Payload::MemorySection(section) => section.count(),
            Payload::ImportSection(section) => {
                let imports = section.into_imports().map_while(Result::ok);
                let memories = imports.filter(|import| matches!(import.ty, TypeRef::Memory(_)));
                u32::try_from(memories.count()).unwrap_or(u32::MAX)
            }
            _ => 0,
        };
        if let Some(count) = open.last_mut() {
            *count = count.saturating_add(more);
            most = most.max(*count);
        }
    }
    most
}

/// How many bytes the longest name of a function has in the component's modules, as far as they can be read: what cannot be
/// read the compiler leaves out as well.
pub(super) fn longest_name(bytes: &[u8]) -> usize {
    let sections = Parser::new(0).parse_all(bytes).map_while(Result::ok);
    let names = sections.filter_map(|section| match section {
        Payload::CustomSection(custom) => match custom.as_known() {
            KnownCustom::Name(names) => Some(longest_of(names)),
            _ => None,
        },
        _ => None,
    });
    names.max().unwrap_or(0)
}

fn longest_of(names: NameSectionReader<'_>) -> usize {
    let functions = names.map_while(Result::ok).filter_map(|names| match names {
        Name::Function(names) => Some(names.into_iter().map_while(Result::ok)),
        _ => None,
    });
    functions.flatten().map(|naming| naming.name.len()).max().unwrap_or(0)
}

/// How many bytes the largest stack of a component's modules takes: linkers put it at the beginning of the memory, and where
/// it starts (it grows downward) into the first global. None where no module looks like that.
pub(super) fn stack(bytes: &[u8]) -> Option<usize> {
    let sections = Parser::new(0).parse_all(bytes).map_while(Result::ok);
    let starts = sections.filter_map(|section| match section {
        Payload::GlobalSection(globals) => stack_pointer(globals),
        _ => None,
    });
    starts.max()
}

fn stack_pointer(globals: GlobalSectionReader<'_>) -> Option<usize> {
    let first = globals.into_iter().next()?.ok()?;
    if !first.ty.mutable || first.ty.content_type != ValType::I32 {
        return None;
    }
    match first.init_expr.get_operators_reader().read().ok()? {
        Operator::I32Const { value } => usize::try_from(value).ok(),
        _ => None,
    }
}

/// Whether it is the asynchronous ABI that keeps a component from being valid: with it and all else it would be.
pub(super) fn needs_async(component: &[u8]) -> bool {
    let is_valid =
        |features| Validator::new_with_features(features).validate_all(component).is_ok();
    let all = WasmFeatures::all();
    let asynchronous = WasmFeatures::CM_ASYNC
        | WasmFeatures::CM_ASYNC_STACKFUL
        | WasmFeatures::CM_MORE_ASYNC_BUILTINS
        | WasmFeatures::CM_THREADING
        | WasmFeatures::CM_ERROR_CONTEXT;
    is_valid(all) && !is_valid(all.difference(asynchronous))
}

/// Whether the outermost sections end where the bytes end.
fn is_whole(sections: &[u8]) -> bool {
    outermost(sections).all(|section| section.is_some())
}

/// The outermost sections: each is an id, its size (LEB128), and so many bytes. None, and the end: it is cut off.
fn outermost(mut sections: &[u8]) -> impl Iterator<Item = Option<(u8, &[u8])>> {
    std::iter::from_fn(move || {
        let (id, rest) = std::mem::take(&mut sections).split_first()?;
        let cut = || {
            let (size, rest) = leb128(rest)?;
            Some((rest.get(..size)?, rest.get(size..)?))
        };
        let section = cut();
        sections = section.map_or(&[], |(_, rest)| rest);
        Some(section.map(|(content, _)| (*id, content)))
    })
}

fn leb128(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0;
    for (place, byte) in bytes.iter().enumerate().take(5) {
        value |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(place + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_says(bytes: &[u8], expected: &str) {
        let said = check(bytes).expect_err("these bytes are no component").to_string();
        assert!(said.contains(expected), "{said}");
    }

    #[test]
    fn files_that_are_no_component_are_told_apart() {
        check_says(b"", "empty");
        check_says(b"\0as", "only the beginning");
        check_says(b"(component)", "text format");
        check_says(b"#!/bin/sh\n", "does not begin");
        check_says(b"\0asm\x01\0\0\0", "core WebAssembly module");
        check_says(b"\0asm\x0d\0", "ends in the middle");
        check_says(b"\0asm\x0e\0\x01\0", "unknown version");
        check_says(b"\0asm\x0d\0\x01\0\x00\x05ab", "ends in the middle");
        check_says(b"\0asm\x0d\0\x01\0\x00\x85", "ends in the middle");
    }

    #[test]
    fn the_longest_name_of_a_function_is_found_in_whatever_module_has_it() {
        for (text, expected) in [
            ("(component)", 0),
            ("(component (core module (func $short)))", 5),
            (
                "(component (core module (func $a)) (core module (func $b) (func $longest) (func $c)))",
                7,
            ),
            ("(component (component (core module (func $inner))))", 5),
            ("(component (core module $not_a_function (func (param $neither i32))))", 0),
        ] {
            let bytes = wat::parse_str(text).expect("it parses");
            assert_eq!(longest_name(&bytes), expected, "{text}");
        }
    }

    #[test]
    fn the_memories_of_each_module_are_counted_its_imported_ones_too() {
        let two = "(memory 1) (memory 1)";
        let imported = r#"(import "a" "m" (memory 1)) (memory 1)"#;
        for (text, expected) in [
            ("(component)".to_owned(), 0),
            ("(component (core module (memory 1)) (core module (memory 1)))".to_owned(), 1),
            (format!("(component (core module (memory 1)) (core module {two}))"), 2),
            (format!("(component (component (core module {imported})))"), 2),
        ] {
            let bytes = wat::parse_str(&text).expect("it is a component");
            assert_eq!(memories(&bytes), expected, "{text}");
            assert!(memories(bytes.get(..bytes.len() - 2).expect("longer")) <= expected);
        }
    }

    #[test]
    fn a_stack_is_seen_where_linkers_put_it() {
        let with = |global: &str| {
            let text =
                format!("(component (core module (memory 300) {global}) (core module (memory 1)))");
            stack(&wat::parse_str(text).expect("text"))
        };
        assert_eq!(with("(global (mut i32) (i32.const 16777216))"), Some(16 << 20));
        for other in [
            "",
            "(global i32 (i32.const 16777216))",
            "(global (mut i64) (i64.const 16777216))",
            "(global (mut i32) (i32.const -1))",
        ] {
            assert_eq!(with(other), None, "{other}");
        }
        assert_eq!(stack(b"\0asm\x0d\0\x01\0\x01\x05ab"), None);
    }

    // Wasmtime's words are not needed for it.
    #[test]
    fn the_asynchronous_abi_is_seen_in_the_component() {
        let valid = |text: &str| needs_async(&wat::parse_str(text).expect("text"));
        let module = r#"(core module $m (func (export "f") (result i32) unreachable)
            (func (export "c") (param i32 i32 i32) (result i32) unreachable)) (core instance $i (instantiate $m))"#;
        let lift = r#"(canon lift (core func $i "f") async (callback (core func $i "c")))"#;
        assert!(valid(&format!(r#"(component {module} (func (export "f") async {lift}))"#)));
        assert!(!valid(&format!(
            r#"(component {module} (func (export "async") (result u32) (canon lift (core func $i "f"))))"#
        )));
        assert!(!needs_async(b"\0asm\x0d\0\x01\0async"));
    }

    #[test]
    fn a_component_is_whole_when_its_last_section_is() {
        check(b"\0asm\x0d\0\x01\0").expect("a component without sections");
        check(b"\0asm\x0d\0\x01\0\x00\x82\x00ab\x00\x00").expect("two sections");
    }
}
