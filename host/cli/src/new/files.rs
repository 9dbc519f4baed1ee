//! The templates, which are part of the program, and what they become.

use super::{
    language::{Language, Role},
    sdk,
};

macro_rules! template {
    ($name:literal) => {
        include_str!(concat!("../../templates/", $name))
    };
}

/// What is in every folder of a handler.
const HANDLER: [(&str, &str); 5] = [
    ("README.md", template!("any/README.md")),
    ("page/index.html", template!("any/page/index.html")),
    ("page/page.js", template!("any/page/page.js")),
    ("tengen.toml", template!("any/tengen.toml")),
    ("tests/{{name}}.jsonl", template!("any/script.jsonl")),
];

/// What is in one of an authenticator, in Rust.
const DOOR: [(&str, &str); 6] = [
    ("Cargo.toml", template!("rust/Cargo.toml")),
    ("README.md", template!("door/README.md")),
    ("sdk/Cargo.toml", template!("rust/sdk.toml")),
    ("src/lib.rs", template!("door/lib.rs")),
    ("tengen.toml", template!("door/tengen.toml")),
    ("tests/{{name}}.jsonl", template!("door/script.jsonl")),
];

const RUST: [(&str, &str); 3] = [
    ("Cargo.toml", template!("rust/Cargo.toml")),
    ("sdk/Cargo.toml", template!("rust/sdk.toml")),
    ("src/lib.rs", template!("rust/lib.rs")),
];

const JAVASCRIPT: [(&str, &str); 2] =
    [("package.json", template!("js/package.json")), ("plugin.js", template!("js/plugin.js"))];

const PYTHON: [(&str, &str); 1] = [("plugin.py", template!("python/plugin.py"))];

const C: [(&str, &str); 4] = [
    ("json.c", template!("c/json.c")),
    ("plugin.c", template!("c/plugin.c")),
    ("tengen.c", template!("c/tengen.c")),
    ("tengen.h", template!("c/tengen.h")),
];

const GO: [(&str, &str); 4] = [
    (
        "export_tengen_gateway_handler/export.go",
        template!("go/export_tengen_gateway_handler/export.go"),
    ),
    (
        "export_tengen_gateway_plugin/export.go",
        template!("go/export_tengen_gateway_plugin/export.go"),
    ),
    ("plugin/plugin.go", template!("go/plugin/plugin.go")),
    ("tengen/tengen.go", template!("go/tengen/tengen.go")),
];

/// All files of a plugin's folder but the interface: their paths and their texts.
pub(super) fn of(name: &str, language: Language, role: Role) -> Vec<(String, String)> {
    let handler: &[(&str, &str)] = match language {
        Language::Rust => &RUST,
        Language::JavaScript => &JAVASCRIPT,
        Language::Python => &PYTHON,
        Language::C => &C,
        Language::Go => &GO,
    };
    let (common, own): (&[_], &[_]) = match role {
        Role::Handler => (&HANDLER, handler),
        Role::Authenticator => (&DOOR, &[]),
    };
    let words = Words::new(name, language);
    let fill = |(path, text): &(&str, &str)| (words.put_into(path), words.put_into(text));
    let mut all: Vec<_> = common.iter().chain(own).map(fill).collect();
    if language == Language::Rust {
        let sources = sdk::FILES.iter();
        all.extend(sources.map(|(path, text)| (format!("sdk/src/{path}"), (*text).to_owned())));
    }
    all.push((".gitignore".to_owned(), ignored(language).to_owned()));
    all
}

fn ignored(language: Language) -> &'static str {
    match language {
        Language::Rust => "target/\n",
        Language::JavaScript => "node_modules/\n*.wasm\n",
        Language::Python => "tools/\n__pycache__/\n*.wasm\n",
        Language::C => "tools/\nbindings/\n*.wasm\n",
        Language::Go => "tengen_gateway_*/\nwit_exports.go\ngo.mod\ngo.sum\n*.wasm\n",
    }
}

/// What stands for the words in braces.
struct Words([(&'static str, String); 8]);

impl Words {
    fn new(name: &str, language: Language) -> Self {
        let memory = match language {
            Language::Python => "memory = \"64MiB\"",
            Language::Go => "memory = \"32MiB\"",
            Language::Rust | Language::JavaScript | Language::C => "# memory = \"16MiB\"",
        };
        let more = match language {
            Language::Rust => {
                "| `sdk/` | the SDK: `cargo doc --open` shows it, and `tengen_plugin::testing` is for unit tests |\n"
            }
            Language::C => {
                "| `tengen.h`, `tengen.c`, `json.c` | the interface in C's own types; bring in by them what else you need of it |\n"
            }
            Language::Go => {
                "| `tengen/`, `export_*/` | the interface in Go's own types; bring in by it what else you need |\n"
            }
            Language::JavaScript | Language::Python => "",
        };
        Self([
            ("{{name}}", name.to_owned()),
            ("{{version}}", env!("CARGO_PKG_VERSION").to_owned()),
            ("{{language}}", language.word().to_owned()),
            ("{{source}}", language.source().to_owned()),
            ("{{file}}", language.component(name)),
            ("{{memory}}", memory.to_owned()),
            ("{{build}}", language.build(name).join("\n")),
            ("{{more}}\n", more.to_owned()),
        ])
    }

    fn put_into(&self, text: &str) -> String {
        let put = |text: String, (word, value): &(&str, String)| text.replace(word, value);
        self.0.iter().fold(text.to_owned(), put)
    }
}
