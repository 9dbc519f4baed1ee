//! What plugins keep with connections: whose it is, who gets what is pushed by tags, and that nothing of it is left behind.

use super::*;
use tengen_core::capability::data::{Change, SetData};
use tengen_wire::id::Tag;

fn set(connection: Handle, change: Change) -> Effect {
    Effect::SetData(SetData { connection, change })
}

fn tagged(tags: &[&str]) -> Change {
    Change { tag: tags.iter().map(|tag| Tag::from(*tag)).collect(), ..Change::default() }
}

fn untagged(tag: &str) -> Change {
    Change { untag: vec![tag.into()], ..Change::default() }
}

fn to(tag: &str) -> Effect {
    push(Target::Tagged(tag.into()), None)
}

#[test]
fn a_push_by_a_tag_reaches_those_that_have_it_and_no_others() {
    let hub = hub(Grants::default());
    let [ann, bob, eve] = [(); 3].map(|()| connect(&hub, 0, None));
    for link in [&ann, &bob] {
        assert_eq!(act(&hub, &ann, set(link.facts.handle, tagged(&["red", "all"]))), Ok(()));
    }
    assert_eq!(act(&hub, &ann, set(eve.facts.handle, tagged(&["all"]))), Ok(()));
    let heard = |tag| {
        assert_eq!(act(&hub, &eve, to(tag)), Ok(()));
        [&ann, &bob, &eve].map(|link| frames(link).len())
    };
    assert_eq!(heard("red"), [1, 1, 0]);
    assert_eq!(heard("all"), [1, 1, 1]);
    assert_eq!(heard("nobody"), [0, 0, 0]);
    assert_eq!(act(&hub, &ann, set(bob.facts.handle, untagged("red"))), Ok(()));
    assert_eq!(heard("red"), [1, 0, 0]);
    let but_ann = push(Target::Tagged("all".into()), Some(ann.facts.handle));
    assert_eq!(act(&hub, &eve, but_ann), Ok(()));
    assert_eq!([&ann, &bob, &eve].map(|link| frames(link).len()), [0, 1, 1]);
    hub.close(&ann, &Reason::Lost);
    assert_eq!(act(&hub, &eve, to("red")), Ok(()), "nobody has it any more, which is no fault");
}

#[test]
fn a_plugin_keeps_nothing_with_a_connection_that_is_not_its_own() {
    let hub = hub(Grants::default());
    let (own, foreign) = (connect(&hub, 0, None), connect(&hub, 1, None));
    let effect = set(foreign.facts.handle, tagged(&["mine"]));
    assert_eq!(act(&hub, &own, effect), Err(FaultId::NotAllowed));
    assert_eq!(foreign.facts.data.of(&PLUGIN.into()), None);
    assert_eq!(act(&hub, &own, set(Handle(4711), tagged(&["mine"]))), Err(FaultId::Closed));
    hub.close(&own, &Reason::Lost);
    assert_eq!(hub.tags.len(), 0);
}

#[test]
fn two_plugins_that_share_a_connection_do_not_see_each_others_tags() {
    let hub = hub(Grants::default());
    let rights = Rights { endpoints: vec![Some("/ws".into()), None], ..Rights::default() };
    let both = [PLUGIN, "game"].map(|plugin| (plugin.into(), rights.clone()));
    hub.set_rights(HashMap::from(both));
    let (ann, bob) = (connect(&hub, 0, None), connect(&hub, 0, None));
    let tag = |plugin: &str, link: &Arc<Link>| {
        let effect = set(link.facts.handle, tagged(&["in"]));
        let work = carry_out(
            &hub,
            plugin,
            &[event(link, None)],
            Outcome::of(vec![Caused::new(0, effect)]),
        );
        assert_eq!(work.tallies(), []);
    };
    tag(PLUGIN, &ann);
    tag("game", &bob);
    assert_eq!(act(&hub, &ann, to("in")), Ok(()));
    assert_eq!([&ann, &bob].map(|link| frames(link).len()), [1, 0]);
}

#[test]
fn a_tag_reaches_no_connection_whose_endpoint_is_another_plugins_by_now() {
    let hub = hub(Grants::default());
    let (ann, bob) = (connect(&hub, 0, None), connect(&hub, 0, None));
    assert_eq!(act(&hub, &ann, set(ann.facts.handle, tagged(&["in"]))), Ok(()));
    let rights = Rights { endpoints: vec![None, Some("/other".into())], ..Rights::default() };
    hub.set_rights(HashMap::from([(PLUGIN.into(), rights)]));
    assert_eq!(act(&hub, &bob, to("in")), Ok(()));
    assert_eq!(frames(&ann).len(), 0);
}

#[test]
fn what_is_kept_ends_with_the_connection_and_nothing_comes_after_that() {
    let hub = hub(Grants::default());
    let (ann, bob) = (connect(&hub, 0, None), connect(&hub, 0, None));
    assert_eq!(act(&hub, &bob, set(ann.facts.handle, tagged(&["a", "b"]))), Ok(()));
    assert_eq!(hub.tags.len(), 2);
    hub.close(&ann, &Reason::Lost);
    assert_eq!((hub.tags.len(), ann.facts.data.of(&PLUGIN.into())), (0, None));
    // Somebody found the connection just before it ended.
    let late = hub.change_data(&ann, &PLUGIN.into(), tagged(&["a"]));
    assert_eq!(late.map_err(|why| why.id), Err(FaultId::Closed));
    assert_eq!(hub.tags.len(), 0, "nobody would take it away");
    hub.close(&bob, &Reason::Lost);
    assert_eq!(hub.budget().held(), 0);
}

#[test]
fn what_a_plugin_kept_goes_when_the_plugin_does() {
    #[derive(Debug)]
    struct Nobody;
    impl Handler for Nobody {
        fn offer(&self, _: Event) -> Result<(), Box<Declined>> {
            Ok(())
        }
    }
    let hub = hub(Grants::default());
    let run = |plugins: &[&str]| {
        let handler = |plugin: &&str| ((*plugin).into(), Arc::new(Nobody) as Arc<dyn Handler>);
        hub.set_handlers(plugins.iter().map(handler).collect());
    };
    run(&[PLUGIN, "game"]);
    let ann = connect(&hub, 0, None);
    hub.change_data(&ann, &PLUGIN.into(), tagged(&["in"])).unwrap();
    hub.change_data(&ann, &"game".into(), tagged(&["in", "out"])).unwrap();
    run(&[PLUGIN, "game", "new"]);
    assert_eq!(hub.tags.len(), 3);
    run(&[PLUGIN]);
    assert_eq!(hub.tags.len(), 1);
    assert!(ann.facts.data.of(&PLUGIN.into()).is_some());
    assert_eq!(ann.facts.data.of(&"game".into()), None);
}

#[test]
fn tags_agree_with_their_connections_whoever_changes_them_at_once() {
    let hub = Arc::new(hub(Grants::default()));
    let ann = connect(&hub, 0, None);
    let turns = |change: fn() -> Change| {
        let (hub, link) = (Arc::clone(&hub), Arc::clone(&ann));
        std::thread::spawn(move || {
            for _ in 0..2000 {
                hub.change_data(&link, &PLUGIN.into(), change()).unwrap();
            }
        })
    };
    let threads = [turns(|| tagged(&["a", "b"])), turns(|| untagged("a")), turns(|| untagged("b"))];
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let has = ann.facts.data.of(&PLUGIN.into()).map_or(0, |data| data.tags().len());
    assert_eq!(hub.tags.len(), has);
    hub.close(&ann, &Reason::Lost);
    assert_eq!(hub.tags.len(), 0);
}
