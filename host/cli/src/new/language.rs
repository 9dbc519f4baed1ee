//! What plugins are written in, and what they are to the gateway.

/// A language that there is a template for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    Rust,
    JavaScript,
    Python,
}

/// A role that there is a template for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Handler,
}

impl Language {
    pub(super) fn parse(word: &str) -> Result<Self, String> {
        match word {
            "rust" => Ok(Self::Rust),
            "js" => Ok(Self::JavaScript),
            "python" => Ok(Self::Python),
            "c" | "go" => Err(format!(
                "this version has no template for `{word}` yet: docs/languages.md says how a plugin is built in it, and examples/room has one"
            )),
            _ => Err("write rust, js or python".into()),
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::JavaScript => "JavaScript",
            Self::Python => "Python",
        }
    }

    /// The plugin's own file.
    pub(super) fn source(self) -> &'static str {
        match self {
            Self::Rust => "src/lib.rs",
            Self::JavaScript => "plugin.js",
            Self::Python => "plugin.py",
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
        }
    }

    /// The component that these make.
    pub(super) fn component(self, name: &str) -> String {
        match self {
            Self::Rust => {
                format!("target/wasm32-wasip2/release/{}.wasm", name.replace('-', "_"))
            }
            Self::JavaScript | Self::Python => format!("{name}.wasm"),
        }
    }
}

impl Role {
    pub(super) fn parse(word: &str) -> Result<Self, String> {
        match word {
            "handler" => Ok(Self::Handler),
            "authenticator" | "sink" | "policy" => Err(format!(
                "this version has no template for the role `{word}` yet, only for `handler`: the shipped plugins token-auth and log-sink are examples"
            )),
            _ => Err("write handler".into()),
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Handler => "handler",
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
