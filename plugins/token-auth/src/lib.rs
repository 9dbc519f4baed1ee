//! Lets connections in by signed tokens (JWT): HS256, RS256, ES256 and EdDSA.
//!
//! The token comes as subprotocol `tengen.token.<token>` beside another one (the best way from a browser), as
//! `Authorization: Bearer`, or as query value `token` (which tends to end up in other people's logs). The configuration
//! says whom to believe:
//!
//! | key | meaning |
//! |---|---|
//! | `secret`, `secret-base64` | a key for HS256, as text or as base64 (32 bytes or more) |
//! | `public-key` | a PEM key (`BEGIN PUBLIC KEY`): RSA for RS256, P-256 for ES256, Ed25519 for EdDSA. `\n` may stand for its line ends |
//! | `secret.ID`, `secret-base64.ID`, `public-key.ID` | the same for tokens whose header has `"kid": "ID"` |
//! | `jwks` | the URL of a JWK set (`https://`): its keys of RSA, P-256 and Ed25519, by the `kid` that the token's header has to name. The plugin needs `grant.http` for that server |
//! | `jwks-fresh` | seconds after which the set is asked for anew; default 600 |
//! | `jwks-believed` | seconds for which it is believed while its server does not answer; default 86400 |
//! | `jwks-pause` | seconds between two requests, at least 1: also tokens with a `kid` that nobody knows cause no more; default 10 |
//! | `issuer`, `audience` | what `iss` must be, and what `aud` must be or contain; absent: anything |
//! | `user-claim` | the claim that names the user, a text or a whole number of 64 bits; default `sub` |
//! | `leeway` | seconds that clocks may differ by; default 30. A connection ends so long after its token's `exp` |
//! | `anonymous` | `allow`: without a token, leave it to the endpoint; default `deny` |
//! | `without-expiry` | `allow`: accept tokens without `exp`; default `deny` |
//!
//! A connection ends with its token, with close code 4003: the client comes back with a new one.
//!
//! The set of `jwks` is asked for when the first token comes, when it has got old, and once when a token names a key that is not
//! in it. Of a set the first 64 keys are kept, and none that is secret (`oct`) or not for signatures. While its server is dead,
//! tokens of keys that are known come in as before; others are answered 503, and a warning says so. Each instance of the plugin
//! has a set of its own. Tokens that are signed by a key of the configuration ask nobody.
//!
//! A key is good for one algorithm only, so a token cannot choose how it is checked. The other claims become claims of
//! the user: text as it is, everything else as the JSON that stands in the token.

mod claims;
mod jwks;
mod keys;
mod settings;
mod token;

use jwks::Jwks;
use settings::Settings;
use tengen_plugin::{
    Admission, Authenticator, Plugin, StartReason, Upgrade, Verdict, config, debug, export,
};
use token::Trouble;

#[derive(Debug)]
struct TokenAuth {
    settings: Settings,
    jwks: Option<Jwks>,
}

impl Plugin for TokenAuth {
    fn start(_: StartReason) -> Result<Self, String> {
        let settings = Settings::read(&config::all())?;
        Ok(Self { jwks: settings.jwks.clone().map(Jwks::new), settings })
    }
}

impl Authenticator for TokenAuth {
    fn authenticate(&mut self, upgrade: Upgrade) -> Verdict {
        let Some(token) = token_of(&upgrade) else {
            return match self.settings.anonymous {
                true => Verdict::Allow(Admission::anonymous()),
                false => deny(&Trouble::Missing),
            };
        };
        let Some(now_ms) = upgrade.attribute("now-ms").and_then(|now| now.parse().ok()) else {
            return Verdict::deny(
                503,
                "plugin-unavailable",
                "the gateway did not say what time it is",
            );
        };
        let (settings, jwks) = (&self.settings, self.jwks.as_mut());
        let published = |id: Option<&str>| jwks.map(|jwks| jwks.keys_for(id, now_ms));
        let verified = token::verify(token, &settings.keys, published);
        match verified.and_then(|claims| claims::user_of(claims, settings, now_ms)) {
            Ok(user) => Verdict::user(user),
            Err(trouble) => deny(&trouble),
        }
    }
}

fn deny(trouble: &Trouble) -> Verdict {
    debug!("token-auth/denied"; "{trouble}");
    match trouble {
        Trouble::NoKeys => Verdict::deny(503, "plugin-unavailable", trouble.to_string()),
        _ => Verdict::deny(401, "not-allowed", trouble.to_string()),
    }
}

/// The token that a client came with, wherever it put it.
fn token_of(upgrade: &Upgrade) -> Option<&str> {
    let bearer = || {
        let (scheme, token) = upgrade.header("authorization")?.trim().split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    };
    upgrade.attribute("token").or_else(bearer).or_else(|| upgrade.query_value("token"))
}

export!(TokenAuth: Plugin, Authenticator);

#[cfg(test)]
mod tests;
