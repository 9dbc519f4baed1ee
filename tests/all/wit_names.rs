//! No name of the interface gets in the way of a language that plugins are written in.

use support::repository;
use wit_parser::{Interface, Resolve, TypeDefKind, WorldItem};

/// What cannot be the name of a field, a function or a type, in alphabetical order.
const KEYWORDS: [(&str, &str); 5] = [
    (
        "Rust",
        "abstract as async await become box break const continue crate do dyn else enum extern false final fn for gen if impl \
         in let loop macro match mod move mut override priv pub ref return self static struct super trait true try type typeof \
         unsafe unsized use virtual where while yield",
    ),
    (
        "JavaScript",
        "arguments await break case catch class const continue debugger default delete do else enum eval export extends false \
         finally for function if implements import in instanceof interface let new null package private protected public \
         return static super switch this throw true try typeof var void while with yield",
    ),
    (
        "Python",
        "and as assert async await break class continue def del elif else except false finally for from global if import in is \
         lambda none nonlocal not or pass raise return true try while with yield",
    ),
    (
        "Go",
        "break case chan const continue default defer else fallthrough for func go goto if import interface map package range \
         return select struct switch type var",
    ),
    (
        "C",
        "alignas alignof auto bool break case char const constexpr continue default do double else enum extern false float for \
         goto if inline int long nullptr register restrict return short signed sizeof static static_assert struct switch \
         thread_local true typedef typeof union unsigned void volatile while",
    ),
];

#[test]
fn no_name_of_the_interface_is_a_keyword() {
    let mut resolve = Resolve::default();
    resolve.push_dir(repository::root().join("wit")).expect("`wit` is a package");
    let wrong = wrong(&resolve);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_keyword_is_found_wherever_it_stands() {
    let mut resolve = Resolve::default();
    resolve.push_str("planted.wit", PLANTED).unwrap();
    assert_eq!(
        wrong(&resolve),
        [
            "`do-it`: a keyword of C: `static-assert`",
            "`do-it`: a keyword of C: `volatile`",
            "`do-it`: a keyword of Go: `chan`",
            "`do-it`: a keyword of JavaScript: `delete`",
            "`do-it`: a keyword of Python: `lambda`",
            "`do-it`: a keyword of Rust: `impl`",
            "`outer`: a keyword of Rust: `crate`",
        ]
    );
}

const PLANTED: &str = "
package planted:planted;

interface shapes {
    record shape { x: u32 }
}

interface do-it {
    record place { %volatile: u32 }
    variant lend { chan }
    enum colour { delete, red }
    flags rights { lambda }
    act: func(%impl: u32, %static-assert: u32);
}

world outer {
    import shapes;
    export crate: func();
}
";

/// The parser sees to it for us; if a later one does not, this says so.
#[test]
fn a_name_is_of_a_type_or_of_a_function() {
    for twice in ["record shape { x: u32 }  shape: func();", "use others.{other};  other: func();"]
    {
        let text = format!(
            "package a:a; interface others {{ enum other {{ x }} }} interface i {{ {twice} }}"
        );
        assert!(Resolve::default().push_str("planted.wit", &text).is_err(), "{twice}");
    }
}

/// What is wrong, with where it is; sorted.
fn wrong(resolve: &Resolve) -> Vec<String> {
    let mut found = Vec::new();
    for (_, interface) in &resolve.interfaces {
        let place = interface.name.as_deref().unwrap_or("(inline)");
        found.extend(names(resolve, interface).iter().flat_map(|name| keywords(place, name)));
    }
    for (_, world) in &resolve.worlds {
        let functions =
            world.imports.iter().chain(&world.exports).filter_map(|(_, item)| match item {
                WorldItem::Function(function) => Some(&function.name),
                _ => None,
            });
        found.extend(functions.flat_map(|name| keywords(&world.name, name)));
    }
    found.sort();
    found.dedup();
    found
}

/// Every name in an interface that a language's bindings may have as a name of its own.
fn names(resolve: &Resolve, interface: &Interface) -> Vec<String> {
    let mut names: Vec<String> = interface.name.iter().cloned().collect();
    for (name, function) in &interface.functions {
        names.push(name.clone());
        names.extend(function.params.iter().map(|param| param.name.clone()));
    }
    for (name, id) in &interface.types {
        names.push(name.clone());
        match &resolve.types[*id].kind {
            TypeDefKind::Record(record) => {
                names.extend(record.fields.iter().map(|field| field.name.clone()));
            }
            TypeDefKind::Variant(variant) => {
                names.extend(variant.cases.iter().map(|case| case.name.clone()));
            }
            TypeDefKind::Enum(set) => names.extend(set.cases.iter().map(|case| case.name.clone())),
            TypeDefKind::Flags(set) => names.extend(set.flags.iter().map(|flag| flag.name.clone())),
            _ => {}
        }
    }
    names
}

fn keywords(place: &str, name: &str) -> Vec<String> {
    let written = name.replace('-', "_");
    let in_it = |words: &str| words.split_whitespace().any(|word| word == written);
    let of = KEYWORDS.iter().filter(|(_, words)| in_it(words));
    of.map(|(language, _)| format!("`{place}`: a keyword of {language}: `{name}`")).collect()
}
