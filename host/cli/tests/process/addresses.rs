//! Processes with few addresses, and modules that want more memories than one.
#![cfg(target_os = "linux")]

use super::{Gateway, guest, text, write};

/// A gateway with a plugin, or none, that was started behind these limits: it answers, and its log.
fn answers_behind(limits: &str, plugin: bool) -> String {
    let folder = tempfile::tempdir().unwrap();
    let chat = format!(
        "[plugin.chat]\nfile = {:?}\ngrant = {{ publish = [\"room/*\"], push = [\"*\"] }}\n\
         [[route]]\nevent = \"*\"\nplugin = \"chat\"\n",
        guest("chat.wasm")
    );
    let file = write(folder.path(), if plugin { &chat } else { "" });
    let gateway = Gateway::start_after(limits, &["--config", &file]);
    let event = if plugin { r#"chat/join {"room":"a","name":"Ann"}"# } else { "a/b 7" };
    let answer = gateway.ask(event);
    assert_eq!(answer.status.code(), Some(0), "{limits}: {}", text(&answer.stderr));
    gateway.signal("-TERM");
    let (code, errors) = gateway.ended();
    assert_eq!(code, Some(0), "{limits}: {errors}");
    errors
}

#[test]
fn it_starts_and_answers_with_eight_gigabytes_of_addresses() {
    let limits = "ulimit -v 8388608";
    let errors = answers_behind(limits, false);
    assert!(!errors.contains("few addresses"), "without plugins it costs nothing: {errors}");
    let errors = answers_behind(limits, true);
    assert!(errors.contains("few addresses") && errors.contains("ulimit -v"), "{errors}");
}

// Half a terabyte is what small ARM machines have.
#[test]
fn with_half_a_terabyte_of_addresses_fewer_places_are_reserved() {
    let errors = answers_behind("ulimit -v 536870912", true);
    assert!(errors.contains("16 instances of plugins at most"), "{errors}");
}

#[test]
fn it_starts_and_answers_with_little_data() {
    let errors = answers_behind("ulimit -d 524288", true);
    assert!(errors.contains("ulimit -d"), "{errors}");
}
