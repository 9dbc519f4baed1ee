//! Keys that a server publishes (a JWK set, RFC 7517): asked for when one is needed, kept for a while, bounded in number.

use crate::{
    keys::{Key, Keys},
    token::Trouble,
};
use serde::Deserialize;
use std::time::Duration;
use tengen_plugin::{Fault, Request, debug, fetch, warn};

/// Keys of one set; more are not kept.
const KEYS: usize = 64;
/// Bytes of a set.
const SET_MAX: usize = 256 << 10;
/// Bytes of a key's id.
const ID_MAX: usize = 256;
/// How long an answer is waited for where nobody comes in without it,
const NEEDED: Duration = Duration::from_secs(4);
/// and where the keys from before would do.
const RENEWED: Duration = Duration::from_secs(1);

/// Where keys are asked for, and how often; times in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    pub url: String,
    /// A set that is older is asked for anew.
    pub fresh_ms: u64,
    /// One that is older is not believed any more, should the server not answer.
    pub believed_ms: u64,
    /// Between two requests.
    pub pause_ms: u64,
}

/// The set of one source.
#[derive(Debug)]
pub struct Jwks {
    source: Source,
    keys: Keys,
    /// When the keys came.
    came_ms: Option<u64>,
    /// When they were last asked for, and whether they came.
    asked: Option<(u64, bool)>,
}

/// A set as it is written. A key that is not understood is no mistake: others may be.
#[derive(Deserialize)]
struct Set {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    meant_for: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl Jwks {
    pub fn new(source: Source) -> Self {
        Self { source, keys: Keys::default(), came_ms: None, asked: None }
    }

    /// The keys for a token with this id, asked for if need be. Err: nobody can say now whether there is such a key.
    pub fn keys_for(&mut self, id: Option<&str>, now_ms: u64) -> Result<&Keys, Trouble> {
        let age_ms = self.came_ms.map(|came| now_ms.saturating_sub(came));
        if age_ms.is_some_and(|age| age > self.source.believed_ms) {
            (self.keys, self.came_ms) = (Keys::default(), None);
        }
        let is_known = self.keys.has(id);
        let is_fresh =
            self.came_ms.is_some() && age_ms.is_some_and(|age| age <= self.source.fresh_ms);
        if !(is_known && is_fresh) && self.may_ask(now_ms) {
            // Where there are keys, whoever has one of them waits behind a token of an unknown one, which anybody can make up.
            self.ask(if self.came_ms.is_some() { RENEWED } else { NEEDED }, now_ms);
        }
        let is_dead = self.asked.is_some_and(|(_, came)| !came);
        match self.keys.has(id) {
            false if is_dead => Err(Trouble::NoKeys),
            _ => Ok(&self.keys),
        }
    }

    fn may_ask(&self, now_ms: u64) -> bool {
        self.asked.is_none_or(|(asked, _)| now_ms.abs_diff(asked) >= self.source.pause_ms)
    }

    fn ask(&mut self, within: Duration, now_ms: u64) {
        let read = fetch(&Request::get(&self.source.url).timeout(within)).and_then(|response| {
            match response.is_success() {
                true => read(response.bytes()),
                false => Err(Fault::new("status", format!("its status is {}", response.status))),
            }
        });
        self.asked = Some((now_ms, read.is_ok()));
        match read {
            Ok(keys) => (self.keys, self.came_ms) = (keys, Some(now_ms)),
            Err(why) => {
                let (url, kept) = (&self.source.url, self.came_ms.is_some());
                let then = match kept {
                    true => {
                        "the keys from before are good for a while; tokens of other keys are answered 503"
                    }
                    false => "tokens are answered 503 until it does",
                };
                warn!("token-auth/no-keys"; "`{url}` gives no keys: {} ({}): {then}", why.message, why.id);
            }
        }
    }
}

/// Reads a set. What is no key to check with, or of a kind that is not known here, is left out.
fn read(bytes: &[u8]) -> Result<Keys, Fault> {
    let bad = |why: String| Fault::new("malformed", why);
    if bytes.len() > SET_MAX {
        return Err(bad(format!("it has more than {SET_MAX} bytes")));
    }
    let set: Set = serde_json::from_slice(bytes)
        .map_err(|why| bad(format!("it is no JWK set, `{{\"keys\": […]}}`: {why}")))?;
    let mut keys = Keys::default();
    for value in set.keys.into_iter().take(KEYS) {
        let key = serde_json::from_value(value).map_err(|why| why.to_string());
        match key.and_then(|key: Jwk| Ok((key.key()?, key.kid))) {
            Ok((key, id)) => keys.add(id.as_deref(), key),
            Err(why) => debug!("token-auth/left-out"; "a key of the set is left out: {why}"),
        }
    }
    match keys.is_empty() {
        true => Err(bad("it has no key that could be used here (RSA, P-256, Ed25519)".to_owned())),
        false => Ok(keys),
    }
}

impl Jwk {
    /// Its kind alone says what algorithm it is for, so no token can choose. A secret in a set that everybody can read is none.
    fn key(&self) -> Result<Key, String> {
        if self.kid.as_ref().is_some_and(|id| id.len() > ID_MAX) {
            return Err(format!("its `kid` has more than {ID_MAX} bytes"));
        }
        let checks = |ops: &Vec<String>| ops.iter().any(|op| op == "verify");
        if self.meant_for.as_deref().is_some_and(|it| it != "sig")
            || !self.key_ops.as_ref().is_none_or(checks)
        {
            return Err("it is not for signatures".to_owned());
        }
        let part =
            |part: &Option<String>| part.clone().ok_or_else(|| "a part is missing".to_owned());
        let key = match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => Key::from_rsa(&part(&self.n)?, &part(&self.e)?)?,
            ("EC", Some("P-256")) => Key::from_p256(&part(&self.x)?, &part(&self.y)?)?,
            ("OKP", Some("Ed25519")) => Key::from_ed25519(&part(&self.x)?)?,
            (kind, curve) => {
                let shown = |text: &str| text.chars().take(16).collect::<String>();
                return Err(format!(
                    "its kind is `{} {}`",
                    shown(kind),
                    shown(curve.unwrap_or_default())
                ));
            }
        };
        match self.alg.as_deref().is_none_or(|alg| alg == key.algorithm()) {
            true => Ok(key),
            false => Err(format!("its `alg` is not `{}`", key.algorithm())),
        }
    }
}
