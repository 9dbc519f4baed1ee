//! What plugins keep with a connection: bounds, owners and memory, by hand.

use super::*;
use crate::budget::{Budget, STEP};

fn attribute(name: &str, value: impl Into<String>) -> (String, String) {
    (name.to_owned(), value.into())
}

fn set(attributes: Vec<(String, String)>) -> Change {
    Change { set: attributes, ..Change::default() }
}

fn tags(tags: &[&str]) -> Change {
    Change { tag: tags.iter().map(|tag| Tag::from(*tag)).collect(), ..Change::default() }
}

/// What a change comes to for the plugin `chat`.
fn change(data: &Data, change: Change) -> Result<(), FaultId> {
    data.change(&Holding::default(), &"chat".into(), change, |_, _| {}).map_err(|why| why.id)
}

fn kept(data: &Data, plugin: &str) -> OwnData {
    data.of(&plugin.into()).map(|data| (*data).clone()).unwrap_or_default()
}

#[test]
fn what_is_taken_away_goes_first_and_what_is_not_there_is_no_fault() {
    let data = Data::default();
    let begin = vec![attribute("b", "1"), attribute("a", "1"), attribute("b", "2")];
    assert_eq!(change(&data, Change { tag: vec!["x".into()], ..set(begin) }), Ok(()));
    assert_eq!(kept(&data, "chat").attributes(), [attribute("a", "1"), attribute("b", "2")]);
    let next = Change {
        set: vec![attribute("a", "3")],
        unset: vec!["a".into(), "b".into(), "c".into()],
        tag: vec!["z".into(), "x".into(), "y".into()],
        untag: vec!["x".into(), "z".into(), "nobody".into()],
    };
    assert_eq!(change(&data, next), Ok(()));
    let now = kept(&data, "chat");
    assert_eq!(now.attributes(), [attribute("a", "3")]);
    assert_eq!(now.tags(), ["x".into(), "y".into(), "z".into()] as [Tag; 3]);
    assert!(now.has(&"y".into()) && !now.has(&"nobody".into()));
}

#[test]
fn bounds_are_exact_and_what_is_over_one_changes_nothing() {
    let data = Data::default();
    let full = set(vec![attribute("a", "x".repeat(ATTRIBUTE_BYTES - 1))]);
    assert_eq!(change(&data, full), Ok(()));
    let before = kept(&data, "chat");
    let over = Change { tag: vec!["t".into()], ..set(vec![attribute("b", "")]) };
    assert_eq!(change(&data, over), Err(FaultId::LimitReached));
    assert_eq!(kept(&data, "chat"), before, "the tag is not there either");
    let other = Change { unset: vec!["a".into()], ..set(vec![attribute("b", "")]) };
    assert_eq!(change(&data, other), Ok(()), "the room of what goes is there for what comes");

    let many = |count: usize| set((0..count).map(|n| attribute(&format!("n{n:02}"), "")).collect());
    let data = Data::default();
    assert_eq!(change(&data, many(ATTRIBUTES_MAX + 1)), Err(FaultId::LimitReached));
    assert_eq!(change(&data, many(ATTRIBUTES_MAX)), Ok(()));

    let names: Vec<_> = (0..=TAGS_MAX).map(|n| format!("t{n:02}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    assert_eq!(change(&data, tags(&names)), Err(FaultId::LimitReached));
    assert_eq!(kept(&data, "chat").tags(), [] as [Tag; 0]);
    assert_eq!(change(&data, tags(&names[1..])), Ok(()));
    assert_eq!(change(&data, tags(&names[1..2])), Ok(()), "it has that one");
    assert_eq!(change(&data, tags(&names[..1])), Err(FaultId::LimitReached));
}

#[test]
fn each_plugin_has_its_own() {
    let (data, holding) = (Data::default(), Holding::default());
    let put = |plugin: &str, value: &str| {
        let change = Change { tag: vec![value.into()], ..set(vec![attribute("a", value)]) };
        data.change(&holding, &plugin.into(), change, |_, _| {}).unwrap();
    };
    put("chat", "1");
    put("game", "2");
    assert_eq!(kept(&data, "chat").attributes(), [attribute("a", "1")]);
    assert_eq!(kept(&data, "game").attributes(), [attribute("a", "2")]);
    assert_eq!(data.of(&"other".into()), None);
    let mut forgotten = Vec::new();
    let stays = |plugin: &PluginName| plugin.as_str() == "game";
    data.keep(&holding, stays, |plugin, data| forgotten.push((plugin.clone(), data.tags().len())));
    assert_eq!(forgotten, [("chat".into(), 1)]);
    assert_eq!((data.of(&"chat".into()), kept(&data, "game").tags().len()), (None, 1));
}

#[test]
fn what_is_kept_counts_with_what_the_connection_holds_until_it_ends() {
    let budget = Arc::new(Budget::new(1 << 20));
    let (data, holding) = (Data::default(), Holding::default());
    holding.enter(&budget);
    let put = |plugin: &str, change| data.change(&holding, &plugin.into(), change, |_, _| {});
    put("chat", set(vec![attribute("a", "x".repeat(4000))])).unwrap();
    put("game", set(vec![attribute("a", "x".repeat(4000))])).unwrap();
    assert_eq!(
        holding.bytes(),
        3 * STEP,
        "the connection itself, and 8,000 bytes with what holds them"
    );
    put("game", Change { unset: vec!["a".into()], ..Change::default() }).unwrap();
    assert_eq!(holding.bytes(), 2 * STEP);
    let mut ended = Vec::new();
    data.end(&holding, |plugin, _| ended.push(plugin.clone()));
    assert_eq!((holding.bytes(), ended), (STEP, vec!["chat".into()]));
    let late = put("chat", set(vec![attribute("a", "1")]));
    assert_eq!(late.map_err(|why| why.id), Err(FaultId::Closed));
    assert_eq!((data.of(&"chat".into()), holding.bytes()), (None, STEP));
}

#[test]
fn whoever_hears_of_tags_hears_of_each_change_and_of_none_that_was_refused() {
    let (data, holding) = (Data::default(), Holding::default());
    let mut heard = Vec::new();
    let mut tell = |change| {
        let told = |before: &OwnData, after: &OwnData| {
            heard.push((before.tags().len(), after.tags().len()));
        };
        data.change(&holding, &"chat".into(), change, told).is_ok()
    };
    assert!(tell(tags(&["a", "b"])));
    assert!(!tell(set(vec![attribute("a", "x".repeat(5000))])));
    assert!(tell(Change { untag: vec!["a".into()], ..Change::default() }));
    assert_eq!(heard, [(0, 2), (2, 1)]);
}
