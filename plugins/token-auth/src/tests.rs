//! Who is let in, by which token, and what the others are told.
//!
//! The tokens in `tests/` were signed by OpenSSL. All say: user `ann`, from 2001 to 2033.

use super::*;
use base64ct::{Base64UrlUnpadded, Encoding};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use tengen_plugin::{
    Attribute, Denial, User, json,
    testing::{self, set_config},
};

const SECRET: &str = "a text of thirty-two bytes, or so";
/// In 2017, in milliseconds.
const NOW: u64 = 1_500_000_000_000;

const RS256: (&str, &str) = (include_str!("tests/rs256.pem"), include_str!("tests/rs256.jwt"));
const ES256: (&str, &str) = (include_str!("tests/es256.pem"), include_str!("tests/es256.jwt"));
const EDDSA: (&str, &str) = (include_str!("tests/eddsa.pem"), include_str!("tests/eddsa.jwt"));

fn sign(header: &serde_json::Value, claims: &serde_json::Value) -> String {
    let part =
        |value: &serde_json::Value| Base64UrlUnpadded::encode_string(value.to_string().as_bytes());
    let message = format!("{}.{}", part(header), part(claims));
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(message.as_bytes());
    format!("{message}.{}", Base64UrlUnpadded::encode_string(&mac.finalize().into_bytes()))
}

fn hs256(claims: &serde_json::Value) -> String {
    sign(&json!({ "alg": "HS256" }), claims)
}

fn ask(config: &[(&str, &str)], change: impl FnOnce(&mut Upgrade)) -> Verdict {
    set_config(config);
    let mut upgrade = testing::upgrade("/ws", "");
    upgrade.more.push(Attribute { key: "now-ms".to_owned(), value: NOW.to_string() });
    change(&mut upgrade);
    testing::start::<TokenAuth>().authenticate(upgrade)
}

fn with_token(config: &[(&str, &str)], token: &str) -> Verdict {
    ask(config, |upgrade| {
        upgrade.more.push(Attribute { key: "token".to_owned(), value: token.to_owned() })
    })
}

#[track_caller]
fn user(verdict: Verdict) -> User {
    match verdict {
        Verdict::Allow(Admission { user: Some(user), .. }) => user,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn check_denied(verdict: Verdict, why: &str) {
    let Verdict::Deny(Denial { status: 401, why: fault, .. }) = verdict else {
        panic!("{verdict:?}")
    };
    assert!(fault.message.contains(why), "{}", fault.message);
}

/// With the secret alone, what is such a token worth?
#[track_caller]
fn check_claims(claims: &serde_json::Value, why: &str) {
    check_denied(with_token(&[("secret", SECRET)], &hs256(claims)), why);
}

#[test]
fn tokens_that_openssl_signed_name_their_user() {
    for (key, token) in [RS256, ES256, EDDSA] {
        let ann = user(with_token(&[("public-key", key), ("issuer", "https://id.example")], token));
        // The end and the leeway of 30 s.
        assert_eq!((ann.id.as_str(), ann.expires_at_ms), ("ann", Some(2e12 + 30e3)));
        let claim = |name: &str| {
            ann.claims.iter().find(|claim| claim.key == name).map(|claim| claim.value.as_str())
        };
        assert_eq!(
            (claim("role"), claim("level"), claim("groups")),
            (Some("admin"), Some("3"), Some(r#"["a","b"]"#))
        );
        assert_eq!(claim("exp"), None);
    }
}

// Files of variables and many consoles hold a key on one line.
#[test]
fn a_key_may_stand_on_one_line_and_in_quotes() {
    for (key, token) in [RS256, ES256, EDDSA] {
        let one_line = key.trim().replace('\n', "\\n");
        for written in [
            one_line.clone(),
            format!("{one_line}\\n"),
            format!("\"{one_line}\""),
            format!("'{}'", key.trim()),
            key.replace('\n', "\r\n"),
            key.trim().replace('\n', "\\r\\n"),
        ] {
            assert_eq!(
                user(with_token(&[("public-key", written.as_str())], token)).id,
                "ann",
                "{written}"
            );
        }
    }
}

#[test]
fn a_changed_token_is_not_believed() {
    for (key, token) in [RS256, ES256, EDDSA] {
        let (message, signature) = token.rsplit_once('.').unwrap();
        let (header, _) = message.split_once('.').unwrap();
        let claims = Base64UrlUnpadded::encode_string(br#"{"sub":"bob","exp":2000000000}"#);
        check_denied(
            with_token(&[("public-key", key)], &format!("{header}.{claims}.{signature}")),
            "not signed",
        );
        check_denied(with_token(&[("public-key", key)], &format!("{message}.AAAA")), "not signed");
    }
}

#[test]
fn a_key_checks_its_own_algorithm_only() {
    check_denied(
        with_token(&[("public-key", ES256.0)], RS256.1),
        "no key here for tokens signed by `RS256`",
    );
    let claims = json!({ "sub": "ann", "exp": 2_000_000_000 });
    let unsigned = sign(&json!({ "alg": "none" }), &claims);
    check_denied(with_token(&[("secret", SECRET)], &unsigned), "`none`");
    // The classic: a public key used as if it were a secret.
    check_denied(with_token(&[("public-key", RS256.0)], &hs256(&claims)), "`HS256`");
}

#[test]
fn a_key_id_chooses_the_key() {
    let claims = json!({ "sub": "ann", "exp": 2_000_000_000 });
    let token = sign(&json!({ "alg": "HS256", "kid": "new" }), &claims);
    let other = "another text of thirty-two bytes, or so";
    user(with_token(&[("secret.new", SECRET), ("secret.old", other)], &token));
    user(with_token(&[("secret", SECRET), ("secret.old", other)], &token));
    check_denied(with_token(&[("secret", SECRET), ("secret.new", other)], &token), "not signed");
    check_denied(with_token(&[("secret.old", SECRET)], &token), "no key here");
}

#[test]
fn a_token_is_found_wherever_it_is_put() {
    let token = hs256(&json!({ "sub": 7, "exp": 2_000_000_000 }));
    let config = [("secret", SECRET)];
    assert_eq!(user(with_token(&config, &token)).id, "7");
    let header = ("Authorization".to_owned(), format!("bearer  {token}").into_bytes());
    assert_eq!(user(ask(&config, |upgrade| upgrade.headers.push(header))).id, "7");
    assert_eq!(
        user(ask(&config, |upgrade| upgrade.query = Some(format!("a=b&token={token}")))).id,
        "7"
    );
}

#[test]
fn without_a_token_the_configuration_decides() {
    check_denied(ask(&[("secret", SECRET)], |_| {}), "a token is needed");
    check_denied(ask(&[("secret", SECRET)], |_| {}), "add `?token=<token>` to the address");
    let verdict = ask(&[("secret", SECRET), ("anonymous", "allow")], |_| {});
    assert_eq!(verdict, Verdict::Allow(Admission::anonymous()));
    // A bad token is no missing token.
    check_denied(with_token(&[("secret", SECRET), ("anonymous", "allow")], "x"), "three parts");
}

#[test]
fn a_token_is_good_for_its_time_here_and_for_somebody() {
    let now = NOW / 1000;
    check_claims(&json!({ "sub": "ann", "exp": now - 100 }), "expired 100 s ago");
    check_claims(&json!({ "sub": "ann", "exp": now + 100, "nbf": now + 90 }), "good only in 90 s");
    check_claims(&json!({ "sub": "ann", "exp": "tomorrow" }), "numbers of seconds");
    check_claims(&json!({ "sub": "ann" }), "has no `exp`");
    check_claims(&json!({ "exp": now + 100 }), "`sub` names no user");
    check_claims(&json!({ "exp": now + 100, "sub": "a\nb" }), "`sub` names no user");
    user(with_token(
        &[("secret", SECRET)],
        &hs256(&json!({ "sub": "ann", "exp": now - 20, "nbf": now + 20 })),
    ));
    user(with_token(
        &[("secret", SECRET), ("without-expiry", "allow")],
        &hs256(&json!({ "sub": "ann" })),
    ));
}

fn hs256_as_written(claims: &str) -> String {
    let [header, claims] = [r#"{"alg":"HS256"}"#, claims]
        .map(|part| Base64UrlUnpadded::encode_string(part.as_bytes()));
    let message = format!("{header}.{claims}");
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(message.as_bytes());
    format!("{message}.{}", Base64UrlUnpadded::encode_string(&mac.finalize().into_bytes()))
}

fn with_sub(sub: &str) -> Verdict {
    let claims = format!(r#"{{"sub":{sub},"exp":2000000000}}"#);
    with_token(&[("secret", SECRET)], &hs256_as_written(&claims))
}

// Two people whose numbers differ in the last digits were one.
#[test]
fn a_number_names_a_user_only_if_it_was_read_without_loss() {
    for whole in ["42", "0", "-7", "18446744073709551615", "-9223372036854775808", "1000"] {
        assert_eq!(user(with_sub(whole)).id, whole);
    }
    for lossy in [
        "18446744073709551616",
        "12345678901234567890123",
        "12345678901234567890999",
        "7.0",
        "1e3",
        "1.5",
        "true",
        "null",
        "[1]",
        r#"{"a":1}"#,
    ] {
        check_denied(with_sub(lossy), "`sub` names no user");
    }
    assert_eq!(user(with_sub(r#""12345678901234567890123""#)).id, "12345678901234567890123");
}

#[test]
fn claims_are_passed_on_as_they_were_written() {
    let claims = r#"{"sub":"ann","exp":2000000000,"tenant":12345678901234567890123,"rate":1e3,
        "groups": [ "a b", "c\"d \\", { "n" : 1.0 } ] }"#;
    let ann = user(with_token(&[("secret", SECRET)], &hs256_as_written(claims)));
    let claim = |name: &str| {
        ann.claims.iter().find(|claim| claim.key == name).map(|claim| claim.value.as_str())
    };
    assert_eq!(claim("tenant"), Some("12345678901234567890123"));
    assert_eq!(claim("rate"), Some("1e3"));
    assert_eq!(claim("groups"), Some(r#"["a b","c\"d \\",{"n":1.0}]"#));
}

// B10: whoever is let in within the leeway is not at its end already.
#[test]
fn a_token_is_believed_to_its_end_and_the_leeway_that_was_used() {
    let now = NOW / 1000;
    let end = |leeway: &str, exp: u64| {
        let token = hs256(&json!({ "sub": "ann", "exp": exp }));
        user(with_token(&[("secret", SECRET), ("leeway", leeway)], &token)).expires_at_ms
    };
    assert_eq!(end("0", now + 60), Some((NOW + 60_000) as f64));
    assert_eq!(end("30", now - 20), Some((NOW + 10_000) as f64));
    assert_eq!(end("4000000000", u64::MAX), Some(u64::MAX as f64), "no overflow");
}

#[test]
fn issuer_and_audience_are_checked_when_they_are_configured() {
    let token = RS256.1;
    let check = |key, value| with_token(&[("public-key", RS256.0), (key, value)], token);
    user(check("audience", "mail"));
    check_denied(check("audience", "calendar"), "`aud`");
    check_denied(check("issuer", "https://id.example/"), "`iss`");
}

#[test]
fn what_is_no_token_is_said_to_be_none() {
    for (token, why) in [
        ("", "three parts"),
        ("a.b", "three parts"),
        ("*.b.c", "base64url"),
        ("YQ.b.c", "JSON"),
        (&"a".repeat(9000), "too long"),
        (&sign(&json!({ "alg": "HS256", "crit": ["b64"] }), &json!({})), "extensions"),
    ] {
        check_denied(with_token(&[("secret", SECRET)], token), why);
    }
}

#[test]
fn without_the_time_nothing_can_be_said() {
    set_config(&[("secret", SECRET)]);
    let verdict =
        testing::start::<TokenAuth>().authenticate(testing::upgrade("/ws", "token=a.b.c"));
    assert!(matches!(verdict, Verdict::Deny(Denial { status: 503, .. })), "{verdict:?}");
}

#[path = "jwks_tests.rs"]
mod jwks_tests;
