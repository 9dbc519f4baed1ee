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
//! | `issuer`, `audience` | what `iss` must be, and what `aud` must be or contain; absent: anything |
//! | `user-claim` | the claim that names the user, a text or a whole number of 64 bits; default `sub` |
//! | `leeway` | seconds that clocks may differ by; default 30. A connection ends so long after its token's `exp` |
//! | `anonymous` | `allow`: without a token, leave it to the endpoint; default `deny` |
//! | `without-expiry` | `allow`: accept tokens without `exp`; default `deny` |
//!
//! A connection ends with its token, with close code 4003: the client comes back with a new one.
//!
//! A key is good for one algorithm only, so a token cannot choose how it is checked. The other claims become claims of
//! the user: text as it is, everything else as the JSON that stands in the token.

mod claims;
mod keys;
mod settings;
mod token;

use settings::Settings;
use tengen_plugin::{
    Admission, Authenticator, Plugin, StartReason, Upgrade, Verdict, config, debug, export,
};
use token::Trouble;

#[derive(Debug)]
struct TokenAuth {
    settings: Settings,
}

impl Plugin for TokenAuth {
    fn start(_: StartReason) -> Result<Self, String> {
        Ok(Self { settings: Settings::read(&config::all())? })
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
        let verified = token::verify(token, &self.settings.keys);
        match verified.and_then(|claims| claims::user_of(claims, &self.settings, now_ms)) {
            Ok(user) => Verdict::user(user),
            Err(trouble) => deny(&trouble),
        }
    }
}

fn deny(trouble: &Trouble) -> Verdict {
    debug!("token-auth/denied"; "{trouble}");
    Verdict::deny(401, "not-allowed", trouble.to_string())
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
