//! What a preset of telemetry comes to.

use super::*;
use crate::{Format, Sink};

fn sink(text: &str) -> Sink {
    good(text).telemetry.sinks.remove(0)
}

#[test]
fn a_preset_says_what_no_key_does() {
    let development = good("telemetry.preset = 'development'").telemetry;
    assert_eq!(development.level, "info,tengen=debug,plugin=debug");
    let log = development.log().unwrap();
    assert_eq!((log.format, log.synchronous), (Some(Format::Human), true));
    let production = good("telemetry.preset = 'production'").telemetry;
    let log = production.log().unwrap();
    assert_eq!(
        (production.level.as_str(), log.format, log.synchronous),
        ("info", Some(Format::Json), false)
    );
    let none = good("").telemetry;
    assert_eq!((none.level.as_str(), none.log().unwrap().format), ("info", None));
    let said = good("telemetry = { preset = 'development', level = 'warn' }").telemetry;
    assert_eq!(said.level, "warn");
    let file = "telemetry.preset = 'development'\n[[sink]]\nkind = 'file'\npath = 'a'\n";
    assert!(sink(file).synchronous && sink(file).format.is_none());
    for said in ["synchronous = false", "buffer = 7", "when_full = 'block'"] {
        assert!(!sink(&format!("{file}{said}")).synchronous, "{said}");
    }
    let slow =
        "telemetry.preset = 'production'\n[[sink]]\nkind = 'file'\npath = 'a'\nsynchronous = true";
    let mistakes = parse(slow, &|_| None, Path::new("")).unwrap_err().to_string();
    assert!(mistakes.contains("synchronous") && mistakes.contains("development"), "{mistakes}");
}
