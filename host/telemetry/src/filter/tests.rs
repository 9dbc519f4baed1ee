//! What a filter lets pass.

use super::*;
use tengen_settings::Names as Lists;

fn filter(settings: settings::Filter) -> Filter {
    Filter::new(&settings, "info").unwrap()
}

fn lists(allow: &[&str], deny: &[&str]) -> Lists {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    Lists { allow: texts(allow), deny: texts(deny) }
}

#[test]
fn the_least_level_is_that_of_the_longest_beginning() {
    let level = Some("warn,tengen=info,tengen::hub=off,plugin.chat=trace".to_owned());
    let filter = filter(settings::Filter { level, ..settings::Filter::default() });
    assert!(
        filter.lets(Level::Info, "tengen::router", "")
            && !filter.lets(Level::Debug, "tengen::router", "")
    );
    assert!(!filter.lets(Level::Fatal, "tengen::hub::link", ""), "off is off");
    assert!(
        filter.lets(Level::Trace, "plugin.chat", "") && !filter.lets(Level::Info, "plugin.x", "")
    );
    assert!(filter.may_let(Level::Trace, "plugin."), "one of them may say it");
    assert!(!filter.may_let(Level::Info, "browser."));
}

#[test]
fn the_level_of_an_id_wins() {
    let id_level = Some("chat/*=debug,chat/typing=off,room/full=off".to_owned());
    let filter = filter(settings::Filter { id_level, ..settings::Filter::default() });
    assert!(filter.lets(Level::Debug, "plugin.chat", "chat/joined"));
    assert!(!filter.lets(Level::Fatal, "plugin.chat", "room/full"));
    assert!(!filter.lets(Level::Debug, "plugin.chat", "other"));
    assert!(filter.may_let(Level::Debug, "plugin."));
}

#[test]
fn names_have_to_be_allowed_and_not_denied() {
    let filter = filter(settings::Filter {
        namespaces: lists(&["tengen::*", "plugin.*"], &["plugin.noisy"]),
        ids: lists(&[], &["*/typing"]),
        ..settings::Filter::default()
    });
    assert!(filter.lets(Level::Info, "plugin.chat", "chat/said"));
    assert!(
        !filter.lets(Level::Info, "plugin.noisy", "") && !filter.lets(Level::Info, "hyper", "")
    );
    assert!(!filter.lets(Level::Info, "plugin.chat", "chat/typing"));
    assert!(!filter.names("plugin.noisy", "") && filter.names("plugin.chat", ""));
}

#[test]
fn a_wrong_level_is_told_with_its_part() {
    let level = Some("loud,x=y=z".to_owned());
    let error = Filter::new(&settings::Filter { level, ..settings::Filter::default() }, "info");
    assert!(error.unwrap_err().to_string().contains("`loud,x=y=z` is no log filter"));
    let id_level = Some("chat/*=loud".to_owned());
    let error = Filter::new(&settings::Filter { id_level, ..settings::Filter::default() }, "info");
    assert!(error.unwrap_err().to_string().contains("`chat/*=loud`"));
}

#[test]
fn what_was_asked_for_can_be_inspected() {
    let settings = settings::Filter {
        sample: 0.5,
        limit: Some(settings::Rate::per_minute(5)),
        ids: lists(&[], &["a"]),
        ..settings::Filter::default()
    };
    let told = filter(settings).told();
    assert_eq!((&told["level"], &told["sample"]), (&"info".into(), &0.5.into()));
    assert_eq!((&told["limit"], &told["ids"]["deny"][0]), (&"5 in 60s by id".into(), &"a".into()));
}
