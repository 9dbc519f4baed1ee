//! An authenticator that asks an operator's own backend whose token it is.
//!
//! The backend is asked with the client's token as `Authorization: Bearer`, at the address in the plugin's `config.backend`:
//!
//! | it answers | and the client |
//! |---|---|
//! | 200 with `{"id": "ann", …}` | is that user; further texts are claims |
//! | 401, 403 or 404 | is turned away with 401 |
//! | anything else, or not at all | is turned away with 503 and may try again, and the operator has a line in the log |

use serde::Deserialize;
use std::{collections::BTreeMap, time::Duration};
use tengen_plugin::{
    Attribute, Authenticator, Plugin, Request, StartReason, Upgrade, User, Verdict, config, export,
    fetch, warn,
};

/// How long a client waits for the backend; the gateway allows 5 s.
const PATIENCE: Duration = Duration::from_secs(2);

struct AuthBackend {
    /// Whom to ask.
    backend: String,
}

/// What the backend says of somebody whom it knows.
#[derive(Deserialize)]
struct Known {
    id: String,
    #[serde(flatten)]
    claims: BTreeMap<String, String>,
}

impl Plugin for AuthBackend {
    fn start(_: StartReason) -> Result<Self, String> {
        let backend = config::get("backend").ok_or("set config `backend`: the URL to ask")?;
        Ok(Self { backend })
    }
}

impl Authenticator for AuthBackend {
    fn authenticate(&mut self, upgrade: Upgrade) -> Verdict {
        let Some(token) = upgrade.attribute("token").or_else(|| upgrade.query_value("token"))
        else {
            return Verdict::deny(401, "not-allowed", "a token is needed: add `?token=<token>`");
        };
        // Nothing else fits into a header, and nobody has such a token.
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Verdict::deny(401, "not-allowed", "nobody knows this token");
        }
        match self.ask(token) {
            Ok(Some(user)) => Verdict::user(user),
            Ok(None) => Verdict::deny(401, "not-allowed", "nobody knows this token"),
            Err(why) => {
                warn!("auth-backend/unavailable"; "`{}` does not say who somebody is: {why}", self.backend);
                Verdict::deny(
                    503,
                    "plugin-unavailable",
                    "nobody can say now who you are: try again",
                )
            }
        }
    }
}

impl AuthBackend {
    /// Whose token it is, if it is anybody's. Err: why that is not known.
    fn ask(&self, token: &str) -> Result<Option<User>, String> {
        let request = Request::get(&self.backend)
            .header("authorization", format!("Bearer {token}"))
            .timeout(PATIENCE);
        let answer = fetch(&request).map_err(|why| format!("{} ({})", why.message, why.id))?;
        match answer.status {
            200 => {
                let known: Known = answer.json().map_err(|why| why.message)?;
                let claims = known.claims.into_iter().map(|(key, value)| Attribute { key, value });
                Ok(Some(User { claims: claims.collect(), ..User::new(known.id) }))
            }
            401 | 403 | 404 => Ok(None),
            status => Err(format!("its status is {status}")),
        }
    }
}

export!(AuthBackend: Plugin, Authenticator);

#[cfg(test)]
mod tests {
    use super::*;
    use tengen_plugin::{
        Fault, Response,
        testing::{self, answer_requests, response, set_config},
    };

    /// The status that a client with the token `t` is turned away with, or its name.
    fn meets(answer: Result<Response, Fault>) -> Result<String, u16> {
        set_config(&[("backend", "https://id.example/who")]);
        answer_requests(move |request| {
            assert_eq!(request.headers, [("authorization".to_owned(), b"Bearer t".to_vec())]);
            answer.clone()
        });
        let verdict =
            testing::start::<AuthBackend>().authenticate(testing::upgrade("/ws", "token=t"));
        match verdict {
            Verdict::Allow(admission) => Ok(admission.user.expect("a user").id),
            Verdict::Deny(denial) => Err(denial.status),
        }
    }

    #[test]
    fn whom_the_backend_knows_comes_in_and_who_cannot_be_asked_about_may_try_again() {
        assert_eq!(meets(Ok(response(200, r#"{"id": "ann", "role": "admin"}"#))), Ok("ann".into()));
        assert_eq!(meets(Ok(response(404, ""))), Err(401));
        assert_eq!(meets(Ok(response(500, ""))), Err(503));
        assert_eq!(meets(Ok(response(200, "<html>"))), Err(503));
        assert_eq!(meets(Err(Fault::new("timeout", "it took too long"))), Err(503));
    }

    #[test]
    fn a_token_that_fits_into_no_header_is_nobody_s_and_the_backend_is_not_asked() {
        set_config(&[("backend", "https://id.example/who")]);
        answer_requests(|_| panic!("asked"));
        let mut backend = testing::start::<AuthBackend>();
        for token in ["", "a b", "a\r\nrole: admin", "\0", "é"] {
            match backend.authenticate(testing::upgrade("/ws", &format!("token={token}"))) {
                Verdict::Deny(denial) => assert_eq!(denial.status, 401, "{token:?}"),
                Verdict::Allow(_) => panic!("{token:?} came in"),
            }
        }
    }
}
