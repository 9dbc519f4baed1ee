//! The WIT package parses, and everything in it says what it is.

use support::repository;
use wit_parser::{Docs, Resolve, Type, TypeDef, TypeDefKind, TypeId};

#[test]
fn every_item_of_the_package_is_documented() {
    let mut resolve = Resolve::default();
    resolve.push_dir(repository::root().join("wit")).expect("`wit` is a package");
    let missing = undocumented(&resolve);
    assert!(missing.is_empty(), "without a word of documentation:\n{}", missing.join("\n"));
}

#[test]
fn an_item_without_documentation_is_found() {
    let mut resolve = Resolve::default();
    resolve.push_str("planted.wit", PLANTED).unwrap();
    assert_eq!(
        undocumented(&resolve),
        [
            "interface `bare`",
            "interface `bare`, function `act`",
            "interface `bare`, type `colour`",
            "interface `bare`, type `colour`, `red`",
            "interface `bare`, type `name`",
            "interface `bare`, type `place`",
            "interface `bare`, type `place`, `x`",
            "interface `bare`, type `rights`",
            "interface `bare`, type `rights`, `read`",
            "interface `bare`, type `shape`",
            "interface `bare`, type `shape`, `dot`",
            "world `outer`",
            "world `outer`, function `start`",
        ]
    );
}

const PLANTED: &str = "
package planted:planted;

/// Documented, so not named.
interface full {
    /// A thing.
    record thing {
        /// Its size.
        size: u32,
    }
}

interface bare {
    /// Not named: it is documented where it is defined, or here.
    use full.{thing};
    record place { x: u32 }
    variant shape { dot }
    enum colour { red }
    flags rights { read }
    type name = string;
    act: func(on: thing);
}

world outer {
    import full;
    export start: func();
}
";

/// Every item without documentation, named and sorted.
fn undocumented(resolve: &Resolve) -> Vec<String> {
    let mut missing = Vec::new();
    for (_, interface) in &resolve.interfaces {
        let place = format!("interface `{}`", interface.name.as_deref().unwrap_or("(inline)"));
        note(&interface.docs, &place, &mut missing);
        for (name, function) in &interface.functions {
            note(&function.docs, &format!("{place}, function `{name}`"), &mut missing);
        }
        for (name, id) in &interface.types {
            note_type(resolve, *id, &format!("{place}, type `{name}`"), &mut missing);
        }
    }
    for (_, world) in &resolve.worlds {
        let place = format!("world `{}`", world.name);
        note(&world.docs, &place, &mut missing);
        for (key, item) in world.imports.iter().chain(&world.exports) {
            if let wit_parser::WorldItem::Function(function) = item {
                let name = resolve.name_world_key(key);
                note(&function.docs, &format!("{place}, function `{name}`"), &mut missing);
            }
        }
    }
    missing.sort();
    missing
}

/// A type, and each of its fields and cases. A type that `use` brought in speaks where it was defined.
fn note_type(resolve: &Resolve, id: TypeId, place: &str, missing: &mut Vec<String>) {
    let TypeDef { docs, kind, owner, .. } = &resolve.types[id];
    if let TypeDefKind::Type(Type::Id(original)) = kind
        && resolve.types[*original].owner != *owner
    {
        return;
    }
    note(docs, place, missing);
    let parts: Vec<(&String, &Docs)> = match kind {
        TypeDefKind::Record(record) => {
            record.fields.iter().map(|field| (&field.name, &field.docs)).collect()
        }
        TypeDefKind::Variant(variant) => {
            variant.cases.iter().map(|case| (&case.name, &case.docs)).collect()
        }
        TypeDefKind::Enum(set) => set.cases.iter().map(|case| (&case.name, &case.docs)).collect(),
        TypeDefKind::Flags(flags) => {
            flags.flags.iter().map(|flag| (&flag.name, &flag.docs)).collect()
        }
        _ => Vec::new(),
    };
    for (name, docs) in parts {
        note(docs, &format!("{place}, `{name}`"), missing);
    }
}

fn note(docs: &Docs, place: &str, missing: &mut Vec<String>) {
    if docs.contents.as_deref().unwrap_or_default().trim().is_empty() {
        missing.push(place.to_owned());
    }
}
