//! Who a new connection belongs to, and until when: the authenticator is asked, and what it says becomes an admission
//! or a refusal.

use super::{Upgrades, agreement::Agreement, checks::Refusal};
use http::{StatusCode, header, request::Parts};
use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Instant, SystemTime, UNIX_EPOCH},
};
use tengen_core::{
    authenticator::{Admission, Authenticator, Mistake, Upgrade, Verdict, Wrong},
    trace::{Kind, Span, Start},
};
use tengen_settings::Endpoint;
use tengen_wire::{dialect::Wire, fault::Fault, id::PluginName, payload};

/// What a connection comes in with.
#[derive(Debug, Clone, Default)]
pub(super) struct Admitted {
    pub(super) admission: Admission,
    /// When its authentication ends, by tokio's clock.
    pub(super) ends: Option<Instant>,
}

impl Upgrades {
    /// Asks the endpoint's authenticator, if it has one.
    pub(super) async fn authenticate(
        &self,
        parts: &Parts,
        endpoint: &Endpoint,
        agreement: &Agreement,
        peer: SocketAddr,
        span: &Span,
    ) -> Result<Admitted, Refusal> {
        let Some(name) = &endpoint.authenticator else { return Ok(Admitted::default()) };
        let mut own = self.tracer.start(Start {
            operation: "authenticate",
            target: "",
            kind: Kind::Internal,
            parent: span.context(),
            link: None,
            at: None,
        });
        own.set("tengen.plugin.name", name.to_string());
        let mut request = request_of(parts, endpoint, agreement, peer);
        request.trace = own.context().or(span.context()).cloned();
        let admitted = match self.ask(name, request).await {
            Ok((authenticator, verdict)) => self.judge(&*authenticator, verdict, agreement.wire),
            Err(refusal) => Err(refusal),
        };
        if let Err(refusal) = &admitted {
            own.fail(refusal.label);
        }
        admitted
    }

    async fn ask(
        &self,
        name: &PluginName,
        request: Upgrade,
    ) -> Result<(Arc<dyn Authenticator>, Verdict), Refusal> {
        let Some(authenticator) = self.authenticators.load().get(name).cloned() else {
            return Err(unavailable(format!("the authenticator `{name}` is not running")));
        };
        let verdict = authenticator.authenticate(request);
        match tokio::time::timeout(self.patience, verdict).await {
            Ok(Ok(verdict)) => Ok((authenticator, verdict)),
            Ok(Err(why)) => Err(no_verdict(name, &why)),
            Err(_) => Err(unavailable(format!("the authenticator `{name}` took too long"))),
        }
    }

    fn judge(
        &self,
        authenticator: &dyn Authenticator,
        verdict: Verdict,
        wire: Wire,
    ) -> Result<Admitted, Refusal> {
        match verdict {
            Verdict::Deny { status, why } => Err(denied(status, why)),
            Verdict::Allow(admission) => {
                if let Err(wrong) = usable(&admission, self.around.limits.subscriptions, wire) {
                    authenticator.blame(&wrong);
                    return Err(unavailable(wrong.why));
                }
                let ends = end_of(&admission)?;
                Ok(Admitted { admission, ends })
            }
        }
    }
}

/// A refusal with the authenticator's reason. A status that is none for a refusal counts as 403.
pub(super) fn denied(status: u16, why: Fault) -> Refusal {
    let refusing = Some(status).filter(|status| (400..=599).contains(status));
    let status = refusing.and_then(|status| StatusCode::from_u16(status).ok());
    let refusal = Refusal::new(status.unwrap_or(StatusCode::FORBIDDEN), "denied", why.message);
    Refusal { retry_after: why.retry_after, ..refusal }
}

pub(super) fn no_verdict(name: &PluginName, why: &Fault) -> Refusal {
    let refusal =
        unavailable(format!("no verdict from the authenticator `{name}`: {}", why.message));
    Refusal { retry_after: why.retry_after, ..refusal }
}

/// The peer is told that it is not its fault; `inside` is for the log.
pub(super) fn unavailable(inside: String) -> Refusal {
    let reason = "nobody can say who you are just now; try again later";
    let refusal = Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "authenticator", reason);
    Refusal { inside: Some(inside), ..refusal }
}

/// Whether the connection can begin with what it is given: nothing of it is left out in silence.
pub(super) fn usable(admission: &Admission, subscriptions: usize, wire: Wire) -> Result<(), Wrong> {
    if admission.channels.len() > subscriptions {
        let why = format!(
            "the authenticator wants {} channels for a connection, and `limits.per_connection.subscriptions` is \
             {subscriptions}: raise it, or let it want less",
            admission.channels.len()
        );
        return Err(Wrong::new(Mistake::Channels, why));
    }
    // Without a first frame there is nothing to put it into.
    let greets = wire.dialect.profile().greets;
    let Some(welcome) = admission.welcome.as_ref().filter(|_| greets) else {
        return Ok(());
    };
    let written = payload::embeddable(welcome, wire.format).map(drop);
    written.map_err(|why| {
        let why = format!("`welcome` cannot be written as {}: {}", wire.format.word(), why.message);
        Wrong::new(Mistake::Welcome, why)
    })
}

/// When the authentication ends, by the clock that does not jump: what is left of it by the time of day counts from now.
/// One that has ended already lets nobody in.
fn end_of(admission: &Admission) -> Result<Option<Instant>, Refusal> {
    end_by(admission, SystemTime::now())
}

/// The same by this time of day, which may be told.
pub(super) fn end_by(
    admission: &Admission,
    time_of_day: SystemTime,
) -> Result<Option<Instant>, Refusal> {
    let Some(end) = admission.user.as_ref().and_then(|user| user.expires_at) else {
        return Ok(None);
    };
    match end.duration_since(time_of_day) {
        // An end that is too far away for the clock does not come.
        Ok(left) if !left.is_zero() => Ok(tokio::time::Instant::now().into_std().checked_add(left)),
        _ => {
            let reason = "the authentication has ended already: come back with a new token";
            let refusal = Refusal::new(StatusCode::UNAUTHORIZED, "token-ended", reason);
            let inside = "the authenticator let somebody in until a time that has passed; `expires-at-ms` counts \
                          milliseconds since 1970";
            Err(Refusal { inside: Some(inside.to_owned()), ..refusal })
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
        trace: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tengen_core::event::User;
    use tengen_wire::{
        dialect::Dialect,
        payload::{Encoding, Payload},
    };

    #[test]
    fn statuses_of_refusals_are_kept_and_all_others_are_403() {
        for (said, sent) in [
            (400, 400),
            (401, 401),
            (599, 599),
            (0, 403),
            (101, 403),
            (200, 403),
            (302, 403),
            (399, 403),
            (600, 403),
            (999, 403),
            (65535, 403),
        ] {
            let refusal = denied(said, Fault::application("no", "no"));
            assert_eq!(refusal.status.as_u16(), sent, "{said}");
        }
    }

    fn until(expires_at: Option<SystemTime>) -> Admission {
        let user = User { id: "ann".into(), claims: Vec::new(), expires_at };
        Admission { user: Some(user), ..Admission::default() }
    }

    #[test]
    fn an_end_in_the_past_lets_nobody_in() {
        let long_ago = UNIX_EPOCH + Duration::from_millis(1500);
        for past in [UNIX_EPOCH, long_ago, SystemTime::now()] {
            let refusal = end_of(&until(Some(past))).expect_err("it has ended");
            assert_eq!((refusal.status, refusal.label), (StatusCode::UNAUTHORIZED, "token-ended"));
        }
        assert_eq!(end_of(&until(None)), Ok(None));
        assert_eq!(end_of(&Admission::default()), Ok(None));
    }

    #[test]
    fn what_is_left_by_the_time_of_day_counts_from_now() {
        let wall = SystemTime::now();
        let before = Instant::now();
        let end = end_of(&until(Some(wall + Duration::from_secs(60)))).unwrap().unwrap();
        assert!(end <= Instant::now() + Duration::from_secs(60));
        assert!(end >= before + Duration::from_secs(50));
    }

    #[test]
    fn nothing_that_a_connection_begins_with_is_left_out_in_silence() {
        let json = Wire { dialect: Dialect::Tengen, format: Encoding::Json };
        let raw = Wire { dialect: Dialect::Raw, format: Encoding::Text };
        let mistake =
            |admission: &Admission, wire| usable(admission, 2, wire).map_err(|wrong| wrong.mistake);
        let channels = |count: usize| Admission {
            channels: (0..count).map(|number| format!("room/{number}").into()).collect(),
            ..Admission::default()
        };
        assert_eq!(mistake(&channels(2), json), Ok(()));
        assert_eq!(mistake(&channels(3), json), Err(Mistake::Channels));
        let welcome = |body: &'static [u8]| Admission {
            welcome: Some(Payload::new(Encoding::Json, body)),
            ..Admission::default()
        };
        assert_eq!(mistake(&welcome(b"{\"a\":1}"), json), Ok(()));
        assert_eq!(mistake(&welcome(b"{\"a\":"), json), Err(Mistake::Welcome));
        assert_eq!(mistake(&welcome(b"{\"a\":"), raw), Ok(()), "raw endpoints have no handshake");
    }
}
