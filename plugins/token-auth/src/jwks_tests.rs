//! Keys that a server publishes. The tokens were signed by OpenSSL, by the keys of `tests/jwks.json`.

use super::*;
use std::{cell::RefCell, rc::Rc};
use tengen_plugin::{Fault, Response};

const SET: &str = include_str!("tests/jwks.json");
const RSA: &str = include_str!("tests/r1.jwt");
const P256: &str = include_str!("tests/e1.jwt");
const ED25519: &str = include_str!("tests/o1.jwt");
const CONFIG: [(&str, &str); 1] = [("jwks", "https://id.example/keys")];

/// A URL, and the milliseconds that its answer is waited for.
type Asked = (String, Option<u32>);

/// A plugin and a server of keys that says what it is told to, and is counted.
struct Server {
    plugin: TokenAuth,
    says: Rc<RefCell<Result<Response, Fault>>>,
    asked: Rc<RefCell<Vec<Asked>>>,
    now_ms: u64,
}

impl Server {
    fn new(config: &[(&str, &str)], set: &str) -> Self {
        let says = Rc::new(RefCell::new(Ok(testing::response(200, set))));
        let asked = Rc::<RefCell<Vec<_>>>::default();
        let (answer, count) = (Rc::clone(&says), Rc::clone(&asked));
        testing::answer_requests(move |request| {
            count.borrow_mut().push((request.url.clone(), request.timeout_ms));
            answer.borrow().clone()
        });
        set_config(config);
        Self { plugin: plugin(), says, asked, now_ms: NOW }
    }

    fn dies(&self) {
        *self.says.borrow_mut() = Err(Fault::new("unreachable", "nobody is there"));
    }

    fn publishes(&self, set: &str) {
        *self.says.borrow_mut() = Ok(testing::response(200, set));
    }

    fn asked(&self) -> usize {
        self.asked.borrow().len()
    }

    fn after(&mut self, seconds: u64) -> &mut Self {
        self.now_ms += seconds * 1000;
        self
    }

    fn meets(&mut self, token: &str) -> Verdict {
        let mut upgrade = testing::upgrade("/ws", "");
        for (key, value) in [("now-ms", self.now_ms.to_string()), ("token", token.to_owned())] {
            upgrade.more.push(Attribute { key: key.to_owned(), value });
        }
        self.plugin.authenticate(upgrade)
    }
}

fn plugin() -> TokenAuth {
    TokenAuth::start(StartReason::First).expect("it starts")
}

#[track_caller]
fn check_unknown(verdict: &Verdict) {
    let Verdict::Deny(Denial { status: 503, why, .. }) = verdict else { panic!("{verdict:?}") };
    assert_eq!(why.id, "plugin-unavailable");
}

/// A token that says what it likes of itself, signed by nobody.
fn unsigned(header: serde_json::Value) -> String {
    let part =
        |value: serde_json::Value| Base64UrlUnpadded::encode_string(value.to_string().as_bytes());
    format!("{}.{}.AAAA", part(header), part(json!({ "sub": "ann", "exp": 2_000_000_000 })))
}

#[test]
fn tokens_of_published_keys_come_in_and_their_server_is_asked_once() {
    let mut server = Server::new(&CONFIG, SET);
    for token in [RSA, P256, ED25519, RSA] {
        assert_eq!(user(server.meets(token)).id, "ann");
    }
    assert_eq!(*server.asked.borrow(), [("https://id.example/keys".to_owned(), Some(4000))]);
}

#[test]
fn a_set_is_asked_for_anew_when_it_has_got_old() {
    let mut server = Server::new(&CONFIG, SET);
    user(server.meets(RSA));
    user(server.after(600).meets(RSA));
    assert_eq!(server.asked(), 1);
    user(server.after(1).meets(RSA));
    assert_eq!(server.asked(), 2);
    // A key that is not in it any more is good for nobody.
    server.publishes(&SET.replace("r1", "r2"));
    check_denied(server.after(601).meets(RSA), "not signed");
    assert_eq!(server.asked(), 3);
}

#[test]
fn a_key_that_is_not_known_is_asked_for_once_and_then_after_a_pause() {
    let mut server = Server::new(&CONFIG, &SET.replace("r1", "r0"));
    user(server.meets(P256));
    assert_eq!(server.asked(), 1);
    for _ in 0..100 {
        check_denied(server.meets(RSA), "not signed");
    }
    assert_eq!(server.asked(), 1, "it was asked just now");
    server.publishes(SET);
    user(server.after(10).meets(RSA));
    assert_eq!(server.asked(), 2);
    for number in 0..100 {
        let token = unsigned(json!({ "alg": "RS256", "kid": format!("k{number}") }));
        check_denied(server.meets(&token), "not signed");
    }
    assert_eq!(server.asked(), 2, "whatever clients think of");
}

#[test]
fn a_dead_server_costs_who_has_a_known_key_nothing_and_others_a_503() {
    let mut server = Server::new(&CONFIG, &SET.replace("r1", "r0"));
    user(server.meets(P256));
    server.dies();
    check_unknown(&server.after(10).meets(RSA));
    user(server.meets(P256));
    // Old, and kept: it is asked for now and then, and not for long.
    user(server.after(3600).meets(P256));
    assert_eq!(
        server.asked.borrow().last(),
        Some(&("https://id.example/keys".to_owned(), Some(1000)))
    );
    // Not for ever.
    check_unknown(&server.after(24 * 3600).meets(P256));
    server.publishes(SET);
    user(server.after(10).meets(P256));
    user(server.meets(RSA));
}

#[test]
fn a_server_that_was_dead_from_the_beginning_is_asked_again_after_a_pause() {
    let mut server = Server::new(&CONFIG, SET);
    server.dies();
    for _ in 0..10 {
        check_unknown(&server.meets(RSA));
    }
    assert_eq!(server.asked(), 1);
    for answer in [
        testing::response(500, SET),
        testing::response(200, "<html>"),
        testing::response(200, "{\"keys\": []}"),
    ] {
        *server.says.borrow_mut() = Ok(answer);
        check_unknown(&server.after(10).meets(RSA));
    }
    server.publishes(&" ".repeat(300 << 10));
    check_unknown(&server.after(10).meets(RSA));
    server.publishes(SET);
    user(server.after(10).meets(RSA));
}

#[test]
fn no_token_chooses_how_it_is_checked() {
    let mut server = Server::new(&CONFIG, SET);
    // The classic: what is public, as if it were a secret. Nobody is asked about it.
    let by_secret = sign(
        &json!({ "alg": "HS256", "kid": "r1" }),
        &json!({ "sub": "ann", "exp": 2_000_000_000 }),
    );
    check_denied(server.meets(&by_secret), "`HS256`");
    check_denied(server.meets(&unsigned(json!({ "alg": "none", "kid": "r1" }))), "`none`");
    assert_eq!(server.asked(), 0);
    // A key of another kind.
    check_denied(server.meets(&unsigned(json!({ "alg": "ES256", "kid": "r1" }))), "`ES256`");
    check_denied(server.meets(&unsigned(json!({ "alg": "RS256" }))), "names no key");
    let expired = server.after(600_000_000).meets(RSA);
    check_denied(expired, "expired");
}

#[test]
fn of_a_set_only_public_keys_for_signatures_are_taken() {
    let secret = json!({ "kty": "oct", "kid": "s", "k": Base64UrlUnpadded::encode_string(SECRET.as_bytes()) });
    let mut set: serde_json::Value = serde_json::from_str(SET).expect("a set");
    set["keys"][0]["use"] = json!("enc");
    set["keys"][1]["alg"] = json!("ES384");
    set["keys"][2]["key_ops"] = json!(["verify"]);
    set["keys"].as_array_mut().expect("keys").insert(0, secret);
    let mut server = Server::new(&CONFIG, &set.to_string());
    user(server.meets(ED25519));
    check_denied(server.meets(RSA), "not signed");
    check_denied(server.meets(P256), "not signed");
    let by_secret = sign(
        &json!({ "alg": "HS256", "kid": "s" }),
        &json!({ "sub": "ann", "exp": 2_000_000_000 }),
    );
    check_denied(server.meets(&by_secret), "`HS256`");
}

#[test]
fn of_a_set_no_more_keys_are_kept_than_there_may_be() {
    let mut set: serde_json::Value = serde_json::from_str(SET).expect("a set");
    let keys = set["keys"].as_array_mut().expect("keys");
    let one = keys[2].clone();
    for number in 0..100 {
        let mut other = one.clone();
        other["kid"] = json!(format!("k{number}"));
        keys.insert(0, other);
    }
    let mut server = Server::new(&CONFIG, &set.to_string());
    check_denied(server.meets(ED25519), "not signed");
}

#[test]
fn keys_of_the_configuration_ask_nobody() {
    let config = [CONFIG[0], ("public-key", RS256.0), ("secret", SECRET)];
    let mut server = Server::new(&config, SET);
    user(server.meets(RS256.1));
    user(server.meets(&hs256(&json!({ "sub": "ann", "exp": 2_000_000_000 }))));
    assert_eq!(server.asked(), 0);
    user(server.meets(RSA));
    assert_eq!(server.asked(), 1);
}

#[test]
fn the_address_of_keys_is_one_that_nobody_on_the_way_can_change() {
    for (config, said) in [
        (&[("jwks", "http://id.example/keys")][..], "config `jwks`"),
        (&[("jwks", "http://localhost.evil.example/")], "config `jwks`"),
        (&[("jwks-pause", "1")], "`jwks`, which is not set"),
        (&[], "`jwks`"),
    ] {
        set_config(config);
        let why = TokenAuth::start(StartReason::First).expect_err("it does not start");
        assert!(why.contains(said), "{why}");
    }
}
