//! What is declared of the file's tables and keys, for whoever reads, prints, documents or compares them.

/// A table of the file and its keys.
#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) at: At,
    pub(crate) about: String,
    pub(crate) keys: Vec<Declared>,
    /// Keys of the file format that this version does not carry out.
    pub(crate) later: &'static [&'static str],
}

/// A key.
#[derive(Debug)]
pub(crate) struct Declared {
    pub(crate) name: &'static str,
    pub(crate) sample: Sample,
    /// Ends without a dot.
    pub(crate) about: String,
    pub(crate) applied: Applied,
}

/// What stands for a key in a file, in TOML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sample {
    Usual(String),
    /// Without the key there is none; this is an example.
    None(String),
    /// Must be given; this is an example.
    Required(String),
}

/// When a change of a key takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Applied {
    /// When the gateway starts anew.
    Restart,
    /// By a reload of the plugin that it belongs to.
    Reload,
    /// When the file is read again.
    AtOnce,
}

/// Where a table stands.
#[derive(Debug, Clone)]
pub(crate) struct At {
    /// As the reader names it: `server.drain`, `endpoint`, `plugin.grant`; the top of the file is the empty name.
    pub(crate) name: String,
    /// What its header in a file has between its brackets.
    head: String,
    /// The path of its keys in documentation, up to the last dot.
    pub(crate) path: String,
    is_list: bool,
    pub(crate) shown: Shown,
    applied: Applied,
}

/// How `config default` shows a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    AsItIs,
    /// Behind `#`.
    Example,
    /// Not by itself: it has no header, the key that holds it shows it.
    Inline,
}

impl At {
    /// A table at the top of the file: `[name]`.
    pub(crate) fn table(name: &str) -> Self {
        Self {
            name: name.into(),
            head: name.into(),
            path: name.into(),
            is_list: false,
            shown: Shown::AsItIs,
            applied: Applied::Restart,
        }
    }

    /// One that may stand several times: `[[name]]`.
    pub(crate) fn list(name: &str) -> Self {
        Self { is_list: true, path: format!("{name}[]"), ..Self::table(name) }
    }

    /// One that stands several times by names: `[name.example]`.
    pub(crate) fn named(name: &str, example: &str) -> Self {
        let (head, path) = (format!("{name}.{example}"), format!("{name}.NAME"));
        Self { head, path, applied: Applied::Reload, ..Self::table(name) }
    }

    pub(crate) fn example(self) -> Self {
        Self { shown: Shown::Example, ..self }
    }

    /// What changes in it is used when the file is read again.
    pub(crate) fn at_once(self) -> Self {
        Self { applied: Applied::AtOnce, ..self }
    }

    pub(crate) fn inline(self) -> Self {
        Self { shown: Shown::Inline, ..self }
    }

    /// A table in it.
    pub(crate) fn below(&self, name: &str) -> Self {
        let below = |above: &str| format!("{above}.{name}");
        let (head, path) = (below(&self.head), below(&self.path));
        Self { name: below(&self.name), head, path, is_list: false, ..self.clone() }
    }

    pub(crate) fn header(&self) -> String {
        match self.is_list {
            true => format!("[[{}]]", self.head),
            false => format!("[{}]", self.head),
        }
    }
}

impl Section {
    pub(crate) fn new(at: &At, about: String, later: &'static [&'static str]) -> Self {
        Self { at: at.clone(), about, keys: Vec::new(), later }
    }

    /// Adds a key; where it says nothing of when it is applied, it is with its table.
    pub(crate) fn add(
        &mut self,
        name: &'static str,
        about: String,
        sample: &Sample,
        applied: Option<Applied>,
    ) {
        let applied = applied.unwrap_or(self.at.applied);
        self.keys.push(Declared { name, sample: sample.clone(), about, applied });
    }
}

impl Sample {
    pub(crate) fn toml(&self) -> &str {
        match self {
            Self::Usual(text) | Self::None(text) | Self::Required(text) => text,
        }
    }
}

impl Applied {
    /// What a change needs, in documentation's words.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Restart => "restart",
            Self::Reload => "reload",
            Self::AtOnce => "nothing",
        }
    }
}

/// Documentation up to its first empty line, in one line.
pub(crate) fn about(lines: &[&str]) -> String {
    let lines = lines.iter().map(|line| line.trim()).take_while(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join(" ")
}

/// The names that may stand in a table: its keys and the tables right below it.
pub(crate) fn known<'s>(sections: &'s [Section], name: &str) -> Vec<&'s str> {
    let own = sections.iter().filter(|section| section.at.name == name);
    let keys = own.flat_map(|section| section.keys.iter().map(|key| key.name));
    let below = sections.iter().filter_map(|section| match section.at.name.rsplit_once('.') {
        Some((above, last)) => (above == name).then_some(last),
        None => name.is_empty().then_some(section.at.name.as_str()),
    });
    let mut known: Vec<_> = keys.collect();
    for below in below.filter(|below| !below.is_empty()) {
        if !known.contains(&below) {
            known.push(below);
        }
    }
    known
}

pub(crate) fn is_later(sections: &[Section], name: &str, key: &str) -> bool {
    sections.iter().any(|section| section.at.name == name && section.later.contains(&key))
}

/// Where else a key of this name belongs, in documentation's words.
pub(crate) fn elsewhere(sections: &[Section], key: &str) -> Option<String> {
    let has = |section: &&Section| {
        section.at.shown != Shown::Inline && section.keys.iter().any(|known| known.name == key)
    };
    sections.iter().find(has).map(|section| format!("{}.{key}", section.at.path))
}

/// A key that two configurations differ in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Changed {
    pub(crate) key: String,
    pub(crate) applied: Applied,
}

/// Where keys are compared: `endpoint[1]`.
#[derive(Debug, Clone)]
pub(crate) struct Path {
    path: String,
    applied: Applied,
}

impl Path {
    pub(crate) fn of(path: impl Into<String>, applied: Applied) -> Self {
        Self { path: path.into(), applied }
    }

    pub(crate) fn below(&self, name: &str) -> Self {
        Self { path: format!("{}.{name}", self.path), ..*self }
    }

    pub(crate) fn changed(&self, name: &str, applied: Option<Applied>) -> Changed {
        let applied = applied.unwrap_or(self.applied);
        Changed { key: self.below(name).path, applied }
    }
}
