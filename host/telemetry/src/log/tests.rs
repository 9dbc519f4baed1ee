//! What the log's filter is.

use super::*;
use tengen_settings::SinkKind;

#[test]
fn a_wrong_level_is_an_error_with_a_remedy() {
    let error = check("loud,x=y=z").unwrap_err();
    assert_eq!(
        error.to_string(),
        "telemetry.level `loud,x=y=z` is no log filter; write a level such as `info`, or `target=level` with commas \
         between"
    );
}

// One that is not Unicode was passed over in silence.
#[test]
fn a_variable_that_is_no_filter_is_a_mistake() {
    let of = of_variable;
    assert_eq!(of(Ok("debug".into())).unwrap().as_deref(), Some("debug"));
    assert_eq!(of(Ok(" ".into())).unwrap(), None);
    assert_eq!(of(Err(VarError::NotPresent)).unwrap(), None);
    let mistake = of(Err(VarError::NotUnicode("x".into()))).unwrap_err().to_string();
    assert!(mistake.starts_with("`TENGEN_LOG` is not Unicode; write a level"), "{mistake}");
    let mistake = of(Ok("x=y=z".into())).unwrap_err().to_string();
    assert!(mistake.starts_with("TENGEN_LOG `x=y=z` is no log filter"), "{mistake}");
}

#[test]
fn the_log_is_on_the_error_stream_unless_it_is_sent_to_the_other() {
    let of = |kinds: &[SinkKind]| {
        let sinks = kinds.iter().map(|kind| settings::Sink::new(*kind)).collect();
        let settings = settings::Telemetry { sinks, ..settings::Telemetry::default() };
        settings.log().map(|sink| sink.label().to_owned())
    };
    assert_eq!(of(&[]).as_deref(), Some("log"));
    assert_eq!(of(&[SinkKind::File]).as_deref(), Some("log"));
    assert_eq!(of(&[SinkKind::Stdout]), None);
    assert_eq!(of(&[SinkKind::Stdout, SinkKind::Stderr]).as_deref(), Some("stderr"));
}
