//! {{name}}: lets in who has a key of the configuration, by the name that it stands under.

use tengen_plugin::{Attribute, Authenticator, Upgrade, User, Verdict, config, export};

#[derive(Default)]
struct Door;

impl Authenticator for Door {
    fn authenticate(&mut self, upgrade: Upgrade) -> Verdict {
        let Some(token) = token_of(&upgrade) else {
            return Verdict::deny(401, "unauthenticated", "come with a token");
        };
        let keys = config::all();
        let named = |key: &str| key.strip_suffix("-token").map(str::to_owned);
        let known = keys.iter().find(|(_, value)| *value == token);
        match known.and_then(|(key, _)| named(key)) {
            Some(name) => {
                let door = Attribute { key: "door".into(), value: "{{name}}".into() };
                Verdict::user(User { claims: vec![door], ..User::new(name) })
            }
            None => Verdict::deny(403, "not-allowed", "nobody has this token"),
        }
    }
}

/// As a browser sends it (a subprotocol), as programs do (a header), or in the query, which ends up in other people's logs.
fn token_of(upgrade: &Upgrade) -> Option<&str> {
    let header = upgrade.header("authorization").and_then(|it| it.strip_prefix("Bearer "));
    upgrade.attribute("token").or(header).or_else(|| upgrade.query_value("token"))
}

export!(Door: Authenticator);
