//! What people in a chat see of each other.

use super::*;
use serde::Serialize;
use tengen_plugin::{
    Action, json,
    testing::{self, Outcome, closed, handle, pushes_json, reply_json, request},
};

const ANN: Handle = 1;
const BOB: Handle = 2;

fn chat() -> Chat {
    testing::set_config(&[]);
    testing::start()
}

#[track_caller]
fn ask<T: Serialize + ?Sized>(chat: &mut Chat, who: Handle, id: &str, data: &T) -> Outcome {
    handle(chat, vec![request(who, 9, id, data)])
}

#[track_caller]
fn join(chat: &mut Chat, who: Handle, room: &str, name: &str) -> Outcome {
    let outcome = ask(chat, who, "chat/join", &json!({ "room": room, "name": name }));
    assert_eq!(outcome.failures().count(), 0);
    outcome
}

#[track_caller]
fn say(chat: &mut Chat, who: Handle, text: &str) -> u64 {
    let outcome = ask(chat, who, "chat/say", &json!({ "text": text }));
    reply_json(&outcome, 9).unwrap()["seq"].as_u64().unwrap()
}

fn channels(outcome: &Outcome) -> Vec<(bool, &str)> {
    let channels = outcome.actions().filter_map(|action| match action {
        Action::Subscribe(membership) => Some((true, membership.channel.as_str())),
        Action::Unsubscribe(membership) => Some((false, membership.channel.as_str())),
        _ => None,
    });
    channels.collect()
}

#[track_caller]
fn check_refused(outcome: &Outcome, id: &str) {
    let refusals: Vec<_> = outcome.failures().map(|(_, failed)| failed.why.id.as_str()).collect();
    assert_eq!((refusals.as_slice(), outcome.effects().count()), (&[id][..], 0));
}

#[test]
fn a_newcomer_learns_who_is_here_and_what_was_said() {
    let mut chat = chat();
    join(&mut chat, ANN, "tea", "ann");
    say(&mut chat, ANN, "hello?");
    let welcome = join(&mut chat, BOB, "tea", " bob ");
    let answer = reply_json(&welcome, 9).unwrap();
    assert_eq!(answer["members"], json!(["ann", "bob"]));
    assert_eq!(
        (&answer["you"], &answer["greeting"], &answer["seq"]),
        (&json!("bob"), &json!(GREETING), &json!(1))
    );
    assert_eq!(answer["recent"][0]["text"], "hello?");
    assert_eq!(channels(&welcome), [(true, "room/tea")]);
    assert_eq!(pushes_json(&welcome, "chat/joined")[0]["name"], "bob");
}

#[test]
fn the_answer_to_a_join_leaves_before_anything_that_is_said_later() {
    let mut chat = chat();
    let joined = join(&mut chat, ANN, "tea", "ann");
    // The gateway sends what is given before it carries out anything else.
    assert!(reply_json(&joined, 9).is_some());
    let order: Vec<_> = joined.actions().collect();
    assert!(matches!(order.as_slice(), [Action::Subscribe(_), Action::Push(_)]), "{order:?}");
}

#[test]
fn what_is_said_goes_to_the_room_with_a_number_and_the_senders_own() {
    let mut chat = chat();
    join(&mut chat, ANN, "tea", "ann");
    let outcome = ask(&mut chat, ANN, "chat/say", &json!({ "text": "one", "n": 17 }));
    let said = pushes_json(&outcome, "chat/said");
    assert_eq!(said.len(), 1);
    assert_eq!(
        (&said[0]["from"], &said[0]["seq"], &said[0]["n"]),
        (&json!("ann"), &json!(1), &json!(17))
    );
    assert_eq!((&said[0]["greeting"], &said[0]["version"]), (&json!(GREETING), &json!(VERSION)));
    assert_eq!(say(&mut chat, ANN, "two"), 2);
}

#[test]
fn a_name_that_is_taken_gets_a_number() {
    let mut chat = chat();
    join(&mut chat, ANN, "tea", "sam");
    assert_eq!(reply_json(&join(&mut chat, BOB, "tea", "sam"), 9).unwrap()["you"], "sam 2");
    assert_eq!(reply_json(&join(&mut chat, 3, "coffee", "sam"), 9).unwrap()["you"], "sam");
}

#[test]
fn whoever_joins_another_room_leaves_the_first() {
    let mut chat = chat();
    join(&mut chat, ANN, "tea", "ann");
    let moved = join(&mut chat, ANN, "coffee", "ann");
    assert_eq!(channels(&moved), [(false, "room/tea"), (true, "room/coffee")]);
    assert_eq!(pushes_json(&moved, "chat/left")[0]["members"], json!([]));
}

#[test]
fn joining_the_same_room_again_keeps_the_name_and_the_subscription() {
    let mut chat = chat();
    join(&mut chat, ANN, "tea", "ann");
    let again = join(&mut chat, ANN, "tea", "ann");
    assert_eq!(reply_json(&again, 9).unwrap()["you"], "ann");
    assert_eq!(channels(&again), [(true, "room/tea")]);
}

#[test]
fn who_is_gone_is_no_member_any_more() {
    let mut chat = chat();
    join(&mut chat, ANN, "tea", "ann");
    join(&mut chat, BOB, "tea", "bob");
    let gone = handle(&mut chat, vec![closed(ANN)]);
    assert_eq!(
        pushes_json(&gone, "chat/left"),
        [json!({ "room": "tea", "name": "ann", "members": ["bob"] })]
    );
    let left = ask(&mut chat, BOB, "chat/leave", &());
    assert_eq!(channels(&left), [(false, "room/tea")]);
    check_refused(&ask(&mut chat, BOB, "chat/who", &()), "not-in-a-room");
}

#[test]
fn what_cannot_be_done_is_said_and_changes_nothing() {
    let mut chat = chat();
    check_refused(&ask(&mut chat, ANN, "chat/say", &json!({ "text": "hm" })), "not-in-a-room");
    check_refused(
        &ask(&mut chat, ANN, "chat/join", &json!({ "room": "", "name": "ann" })),
        "bad-name",
    );
    check_refused(&ask(&mut chat, ANN, "chat/join", &json!({ "room": 5 })), "malformed");
    check_refused(&ask(&mut chat, ANN, "chat/sing", &()), "unknown-event");
    join(&mut chat, ANN, "tea", "ann");
    check_refused(&ask(&mut chat, ANN, "chat/say", &json!({ "text": " " })), "bad-text");
    check_refused(
        &ask(&mut chat, ANN, "chat/join", &json!({ "room": "tea", "name": "a\nb" })),
        "bad-name",
    );
    assert_eq!(say(&mut chat, ANN, "still here"), 1);
}

#[test]
fn a_reload_keeps_rooms_names_and_numbers_and_takes_the_new_greeting() {
    let mut old = chat();
    join(&mut old, ANN, "tea", "ann");
    say(&mut old, ANN, "one");
    let saved = Part { format: Chat::WRITES.to_owned(), bytes: old.save().unwrap() };
    testing::set_config(&[("greeting", "Hello again")]);
    let mut new: Chat = testing::start();
    new.load(vec![saved], 0, 1).unwrap();
    assert_eq!(new.rooms, old.rooms);
    let outcome = ask(&mut new, ANN, "chat/say", &json!({ "text": "two" }));
    let receipt = reply_json(&outcome, 9).unwrap();
    assert_eq!((&receipt["seq"], &receipt["greeting"]), (&json!(2), &json!("Hello again")));
}

#[test]
fn memory_is_bounded_by_forgetting_what_nobody_is_in() {
    let mut chat = chat();
    for number in 0..400 {
        join(&mut chat, ANN, &format!("room {number}"), "ann");
        for _ in 0..25 {
            say(&mut chat, ANN, "on and on");
        }
    }
    let saved = String::from_utf8(chat.save().unwrap()).unwrap();
    assert_eq!(saved.matches("\"recent\"").count(), 256);
    assert_eq!(saved.matches("on and on").count(), 256 * 20);
}
