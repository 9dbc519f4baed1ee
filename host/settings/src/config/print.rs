//! The keys as a person reads them: the README's table and `config default`.

use super::root;
use crate::schema::section::{Declared, Sample, Section, Shown};
use std::fmt::Write;

/// All keys with their defaults, as a Markdown table.
pub fn table() -> String {
    let mut out = String::from("| Key | Default | A change needs | Meaning |\n|---|---|---|---|\n");
    for section in root::shown() {
        for key in &section.keys {
            let default = match &key.sample {
                Sample::Usual(value) => format!("`{value}`"),
                Sample::None(_) => "none".into(),
                Sample::Required(_) => "required".into(),
            };
            let (name, applied) = (key.name, key.applied.word());
            let about = key.about.replace('|', "\\|");
            let path = &section.at.path;
            line(&mut out, format_args!("| `{path}.{name}` | {default} | {applied} | {about} |"));
        }
    }
    out
}

/// A complete configuration file: defaults as they are, examples behind `#`.
pub fn default_file() -> String {
    let mut out = String::from(
        "# Tengen's configuration with its defaults. Every key is optional, and an empty file is a working gateway.\n\
         # Durations and sizes are strings with a unit; ${NAME} takes an environment variable; relative paths count from\n\
         # this file's folder. Lines behind `#` without a space are examples.\n",
    );
    for section in root::shown() {
        line(&mut out, format_args!("\n# {}", section.about));
        let mark = if section.at.shown == Shown::AsItIs { "" } else { "#" };
        line(&mut out, format_args!("{mark}{}", section.at.header()));
        for key in &section.keys {
            entry(&mut out, section, key);
        }
        if section.at.name == "endpoint" {
            out.push_str(
                "\n[[endpoint]]\npath = \"/chsk\"\ndialect = \"sente\"\nformats = [\"edn\"]\n",
            );
            out.push_str("\n[[endpoint]]\npath = \"/raw\"\ndialect = \"raw\"\n");
        }
    }
    out
}

/// A key with its meaning beside it, or above it where the line would be long.
fn entry(out: &mut String, section: &Section, key: &Declared) {
    let mark = match key.sample {
        Sample::Usual(_) | Sample::Required(_) if section.at.shown == Shown::AsItIs => "",
        _ => "#",
    };
    let setting = format!("{mark}{} = {}", key.name, key.sample.toml());
    let about = &key.about;
    if setting.len() + about.len() < 100 {
        line(out, format_args!("{setting:<34} # {about}"));
    } else {
        line(out, format_args!("# {about}\n{setting}"));
    }
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    let written = writeln!(out, "{text}");
    debug_assert!(written.is_ok(), "text grows without fail");
}
