//! Who a new connection belongs to, and until when: the authenticator is asked, and what it says is made into a refusal
//! or an admission.

use super::{
    Upgrades,
    checks::{Agreement, Refusal},
};
use crate::{
    authenticator::{Admission, Upgrade, Verdict},
    settings::Endpoint,
    trace::{Kind, Span, Start},
};
use http::{StatusCode, header, request::Parts};
use std::{
    net::SocketAddr,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

impl Upgrades {
    pub(super) async fn authenticate(
        &self,
        parts: &Parts,
        endpoint: &Endpoint,
        agreement: &Agreement,
        peer: SocketAddr,
        span: &Span,
    ) -> Result<Admission, Refusal> {
        let Some(name) = &endpoint.authenticator else { return Ok(Admission::default()) };
        let mut own = self.tracer.start(Start {
            operation: "authenticate",
            target: "",
            kind: Kind::Internal,
            parent: span.context(),
            link: None,
            at: None,
        });
        own.set("tengen.plugin.name", name.to_string());
        let unavailable = |why: String| {
            tracing::warn!(plugin = %name, %why, "no verdict from the authenticator");
            let reason = "nobody can say who you are just now; try again later";
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "authenticator", reason)
        };
        let authenticator = self.authenticators.load().get(name).cloned();
        let verdict = match authenticator {
            None => Err(unavailable("it is not running".into())),
            Some(authenticator) => {
                let request = request_of(parts, endpoint, agreement, peer);
                match tokio::time::timeout(self.patience, authenticator.authenticate(request)).await
                {
                    Ok(verdict) => verdict.map_err(|why| unavailable(why.message)),
                    Err(_) => Err(unavailable("it took too long".into())),
                }
            }
        };
        match verdict {
            Ok(Verdict::Allow(admission)) => Ok(admission),
            Ok(Verdict::Deny { status, why }) => {
                own.fail("denied");
                let status =
                    StatusCode::from_u16(status).ok().filter(|status| status.as_u16() >= 400);
                Err(Refusal::new(status.unwrap_or(StatusCode::FORBIDDEN), "denied", why.message))
            }
            Err(refusal) => {
                own.fail(refusal.label);
                Err(refusal)
            }
        }
    }
}

/// When the authentication ends, by the clock that does not jump: what is left of it by the time of day counts from now.
/// One that has ended already lets nobody in.
pub(super) fn end_of(admission: &Admission) -> Result<Option<Instant>, Refusal> {
    let Some(end) = admission.user.as_ref().and_then(|user| user.expires_at) else {
        return Ok(None);
    };
    let time_of_day = SystemTime::now();
    match end.duration_since(time_of_day) {
        // An end that is too far away for the clock does not come.
        Ok(left) if !left.is_zero() => Ok(tokio::time::Instant::now().into_std().checked_add(left)),
        _ => {
            let reason = "the authentication has ended already: come back with a new token";
            Err(Refusal::new(StatusCode::UNAUTHORIZED, "token-ended", reason))
        }
    }
}

fn request_of(
    parts: &Parts,
    endpoint: &Endpoint,
    agreement: &Agreement,
    peer: SocketAddr,
) -> Upgrade {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let mut more = vec![("now-ms".to_owned(), now.to_string())];
    more.extend(agreement.token.clone().map(|token| ("token".to_owned(), token)));
    let headers = parts.headers.iter().filter(|(name, _)| **name != header::SEC_WEBSOCKET_PROTOCOL);
    Upgrade {
        endpoint: endpoint.path.clone(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or("").to_owned(),
        peer,
        headers: headers
            .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
            .collect(),
        subprotocols: agreement.offered.clone(),
        more,
    }
}
