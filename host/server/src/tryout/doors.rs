//! Somebody asks to be let in: the plugin says who it is, as it would in an upgrade, and what it says is judged as there.

use super::{
    Tryout, TryoutError, cannot,
    people::{PEER, WayIn},
    said,
};
use crate::upgrade::tried::{Door, Refused, judged};
use serde_json::{Map, Value, json};
use std::time::{SystemTime, UNIX_EPOCH};
use tengen_core::{
    authenticator::{Admission, Upgrade},
    capability::fetch::Response,
};
use tengen_wire::fault::Fault;

/// With what somebody comes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Knock {
    /// What the connection is called, if it comes in.
    pub name: String,
    /// The path at which it connects; none: the first endpoint that has events and data.
    pub endpoint: Option<String>,
    /// Without `?`.
    pub query: String,
    /// Names in small letters.
    pub headers: Vec<(String, String)>,
    /// As it would come as a subprotocol, `tengen.token.TOKEN`.
    pub token: Option<String>,
    /// What servers answer that the plugin asks, in this order.
    pub servers: Vec<Result<Response, Fault>>,
}

impl Tryout {
    /// Asks the plugin whether somebody may come in; if so, the connection opens. Time is what the script says, and of an
    /// admission that ends the connection does not end with it.
    pub async fn knock(&mut self, who: Knock) -> Result<(), TryoutError> {
        let authenticator = self.plugin.authenticator();
        let authenticator = authenticator.ok_or_else(|| {
            cannot("the plugin is no authenticator: write `open` instead of `upgrade`")
        })?;
        let at = self.way_in(&who.name, who.endpoint.as_deref())?;
        let now = self.around.record.began + self.around.time.now();
        let Knock { name, query, headers, token, servers, .. } = who;
        self.around.servers.readies(servers);
        let said = authenticator.authenticate(upgrade(&at, query, headers, token, now)).await;
        let (asked, left) = self.around.servers.asked();
        let door = Door {
            plugin: self.plugin.name(),
            endpoint: &at.endpoint,
            wire: at.wire,
            subscriptions: self.settings.limits.subscriptions,
            at: now,
        };
        let verdict = judged(&*authenticator, said, door);
        let mut seen: Vec<_> = asked
            .into_iter()
            .map(|(method, url)| json!({ "asked": url, "method": method }))
            .collect();
        if left > 0 {
            seen.push(json!({ "servers-not-asked": left }));
        }
        seen.push(
            verdict.as_ref().map_or_else(|why| refused(&name, why), |in_| let_in(&name, in_)),
        );
        self.around.record.judged(seen);
        verdict.map_or(Ok(()), |admission| self.enter(name, &at, admission))
    }
}

fn upgrade(
    at: &WayIn,
    query: String,
    headers: Vec<(String, String)>,
    token: Option<String>,
    now: SystemTime,
) -> Upgrade {
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let mut more = vec![("now-ms".to_owned(), now.to_string())];
    more.extend(token.map(|token| ("token".to_owned(), token)));
    Upgrade {
        endpoint: at.endpoint.path.clone(),
        path: at.endpoint.path.clone(),
        query,
        peer: PEER,
        headers: headers.into_iter().map(|(name, value)| (name, value.into_bytes())).collect(),
        subprotocols: Vec::new(),
        more,
        trace: None,
    }
}

fn let_in(name: &str, admission: &Admission) -> Value {
    let mut what = Map::new();
    let mut put = |key: &str, value: Value| drop(what.insert(key.to_owned(), value));
    put("admitted", json!(name));
    if let Some(user) = &admission.user {
        put("user", json!(user.id.as_str()));
        let claims = user.claims.iter().map(|(name, value)| (name.clone(), json!(value)));
        let claims: Map<_, _> = claims.collect();
        if !claims.is_empty() {
            put("claims", Value::Object(claims));
        }
        let ends = user.expires_at.and_then(|end| end.duration_since(UNIX_EPOCH).ok());
        if let Some(ends) = ends {
            // What the plugin said in milliseconds came by way of a fraction of seconds.
            let ms = (ends.as_micros() + 500) / 1000;
            put("expires-at-ms", json!(u64::try_from(ms).unwrap_or(u64::MAX)));
        }
    }
    if !admission.channels.is_empty() {
        let channels: Vec<_> = admission.channels.iter().map(|channel| channel.as_str()).collect();
        put("channels", json!(channels));
    }
    if let Some(welcome) = &admission.welcome {
        put("welcome", said::data(welcome));
    }
    if !admission.more.is_empty() {
        let more = admission.more.iter().map(|(name, value)| (name.clone(), json!(value)));
        put("more", Value::Object(more.collect()));
    }
    Value::Object(what)
}

fn refused(name: &str, why: &Refused) -> Value {
    let Refused { status, label, reason, inside } = why;
    let mut said = json!({ "id": label, "message": reason });
    if let (Some(said), Some(inside)) = (said.as_object_mut(), inside) {
        said.insert("inside".to_owned(), json!(inside));
    }
    json!({ "denied": name, "status": status, "why": said })
}
