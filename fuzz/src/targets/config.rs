//! Configuration files: settings, or every mistake with its place and what to do.

use std::path::Path;
use tengen_settings::config::{Mistake, diff, examine, parse};

/// A mistake says what is wrong and, behind a semicolon, what to do; or it says what "must" be, which is both at once.
/// The reader of TOML speaks for itself.
const REMEDIES: [&str; 2] = ["; ", "must "];

fn environment(name: &str) -> Option<String> {
    match name {
        "WORD" => Some("word".into()),
        "EMPTY" => Some(String::new()),
        "QUOTED" => Some("\"\n${WORD}".into()),
        _ => None,
    }
}

pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let base = Path::new("etc");
    let examined = examine(text, &environment, base);
    let lines = text.lines().count() + 1;
    for mistake in &examined.mistakes {
        has_its_place(mistake, lines);
        has_a_remedy(mistake);
    }
    // A warning says what follows from what is allowed.
    examined.warnings.iter().for_each(|warning| has_its_place(warning, lines));
    match parse(text, &environment, base) {
        Ok(parsed) => {
            assert!(examined.mistakes.is_empty());
            assert_eq!(parsed.warnings, examined.warnings);
            let settings = examined.settings.expect("a good file has settings");
            assert_eq!(diff(&parsed.settings, &settings), [], "read twice, it is the same");
        }
        Err(errors) => {
            assert!(!errors.0.is_empty(), "refused without a reason");
            assert_eq!(errors.0, examined.mistakes);
        }
    }
}

fn has_its_place(finding: &Mistake, lines: usize) {
    assert!(!finding.what.trim().is_empty(), "{finding}");
    assert!(finding.line.is_some_and(|line| (1..=lines).contains(&line)), "{finding}");
}

fn has_a_remedy(mistake: &Mistake) {
    let of_toml = mistake.key.is_empty();
    let helps = REMEDIES.iter().any(|word| mistake.what.contains(word));
    assert!(of_toml || helps, "no remedy: {mistake}");
}
