//! What plugins are written in, and what they are to the gateway.

/// A library that is called, with a stack that fits a plugin, and with lines of the source for what breaks.
const C_FLAGS: &str =
    "-target wasm32-wasi -mexec-model=reactor -Os -g -Wall -Wextra -Wl,-z,stack-size=131072";
const C_FILES: &str = "-I bindings plugin.c tengen.c json.c bindings/handler_plugin.c bindings/handler_plugin_component_type.o";
const GO_FLAGS: &str = "-buildmode=c-shared -ldflags=-checklinkname=0";
/// What leads from WASI's first preview, which Go is built for, to the second.
const ADAPTER: &str = "https://github.com/bytecodealliance/wasmtime/releases/download/v48.0.8/wasi_snapshot_preview1.reactor.wasm";

/// A language that there is a template for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    Rust,
    JavaScript,
    Python,
    C,
    Go,
}

/// A role that there is a template for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Handler,
    Authenticator,
}

impl Language {
    pub(super) fn parse(word: &str) -> Result<Self, String> {
        match word {
            "rust" => Ok(Self::Rust),
            "js" => Ok(Self::JavaScript),
            "python" => Ok(Self::Python),
            "c" => Ok(Self::C),
            "go" => Ok(Self::Go),
            _ => Err("write rust, js, python, c or go".into()),
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::JavaScript => "JavaScript",
            Self::Python => "Python",
            Self::C => "C",
            Self::Go => "Go",
        }
    }

    /// The plugin's own file.
    pub(super) fn source(self) -> &'static str {
        match self {
            Self::Rust => "src/lib.rs",
            Self::JavaScript => "plugin.js",
            Self::Python => "plugin.py",
            Self::C => "plugin.c",
            Self::Go => "plugin/plugin.go",
        }
    }

    /// The commands that build it, in its folder.
    pub(super) fn build(self, name: &str) -> Vec<String> {
        match self {
            Self::Rust => vec!["cargo build --release --target wasm32-wasip2".into()],
            Self::JavaScript => vec!["npm install".into(), "npm run build".into()],
            Self::Python => vec![
                "python3 -m pip install --target tools componentize-py==0.25.1".into(),
                format!(
                    "PYTHONPATH=tools python3 tools/bin/componentize-py -d wit -w handler-plugin componentize -s plugin -o {name}.wasm"
                ),
            ],
            Self::C => vec![
                "python3 -m pip install --target tools ziglang==0.15.2".into(),
                "wit-bindgen c --world handler-plugin --out-dir bindings wit".into(),
                format!(
                    "PYTHONPATH=tools python3 -m ziglang cc {C_FLAGS} {C_FILES} -o {name}.core.wasm"
                ),
                format!("wasm-tools component new {name}.core.wasm -o {name}.wasm"),
            ],
            Self::Go => vec![
                format!("curl -sSfLO {ADAPTER}"),
                "wit-bindgen go --world handler-plugin wit".into(),
                format!(
                    "GOOS=wasip1 GOARCH=wasm GOFLAGS=-mod=mod go build {GO_FLAGS} -o {name}.core.wasm ."
                ),
                format!(
                    "wasm-tools component embed --world handler-plugin wit {name}.core.wasm -o {name}.embedded.wasm"
                ),
                format!(
                    "wasm-tools component new --adapt wasi_snapshot_preview1=wasi_snapshot_preview1.reactor.wasm {name}.embedded.wasm -o {name}.wasm"
                ),
            ],
        }
    }

    /// The component that these make.
    pub(super) fn component(self, name: &str) -> String {
        match self {
            Self::Rust => {
                format!("target/wasm32-wasip2/release/{}.wasm", name.replace('-', "_"))
            }
            Self::JavaScript | Self::Python | Self::C | Self::Go => format!("{name}.wasm"),
        }
    }
}

impl Role {
    pub(super) fn parse(word: &str) -> Result<Self, String> {
        match word {
            "handler" => Ok(Self::Handler),
            "authenticator" => Ok(Self::Authenticator),
            "sink" | "policy" => Err(format!(
                "this version has no template for the role `{word}` yet, only for `handler` and `authenticator`: the shipped plugin log-sink is an example of a sink"
            )),
            _ => Err("write handler or authenticator".into()),
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Handler => "handler",
            Self::Authenticator => "authenticator",
        }
    }
}

/// Whether no crate can have this name: a keyword, or a crate that is always there.
pub(super) fn is_word_of_rust(name: &str) -> bool {
    const WORDS: &str = "\
        abstract alloc as async await become box break const continue core crate do dyn else \
        enum extern false final fn for gen if impl in let loop macro match mod move mut override \
        priv proc-macro pub ref return self serde static std struct super tengen-plugin test \
        trait true try type typeof unsafe unsized use virtual where while yield";
    WORDS.split(' ').any(|word| word == name)
}
