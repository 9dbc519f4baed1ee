//! `endpoint[].csrf` and `endpoint[].csrf_token`: what tells an application's own pages from those of other sites, beside the origin.

use super::Endpoint;
use crate::{
    schema::{
        kind::{duration, text},
        settings,
        table::Table,
    },
    server::{Secret, secret_key},
};
use std::time::Duration;

/// How requests are told from those that a page of another site has its visitor's browser make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Csrf {
    /// The origin decides.
    #[default]
    Off,
    /// By a token that the gateway has signed.
    Signed,
    /// The authenticator decides.
    Plugin,
}

settings! {
    /// How tokens are signed, with `csrf = "signed"`.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct CsrfToken {
        /// cookie of the page's session: a token is good beside the value that the cookie had when it was made
        cookie: String = text().required(String::new(), "\"session\"", "name the cookie of the session, as in cookie = \"session\"");
        /// key that signs, better 16 characters or more, and the same on all nodes
        key: Secret = secret_key().required(Secret(String::new()), "\"take-a-random-one-of-your-own\"", "take a random one, as `openssl rand -hex 16` prints");
        /// how long a token is good
        lasts: Duration = duration().or(Duration::from_secs(12 * 3600));
    }
}

/// What belongs together.
pub(super) fn complete(endpoint: &Endpoint, table: &Table<'_>) {
    match (endpoint.csrf, &endpoint.csrf_token) {
        (Csrf::Signed, None) if table.get("csrf_token").is_none() => {
            let what = "`csrf = \"signed\"` has nothing to sign with; add `csrf_token` with its `cookie` and `key`";
            table.document.mistake(&table.place, what);
        }
        (Csrf::Off | Csrf::Plugin, Some(_)) => {
            let what = "`csrf_token` is not used without `csrf = \"signed\"`";
            table.document.warning(&table.place, what);
        }
        _ => {}
    }
    if endpoint.csrf == Csrf::Plugin && endpoint.authenticator.is_none() {
        let what =
            "`csrf = \"plugin\"` leaves it to a plugin that is not named; name an `authenticator`";
        table.document.mistake(&table.place, what);
    }
}
