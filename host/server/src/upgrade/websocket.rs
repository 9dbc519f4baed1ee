//! A request that becomes a WebSocket: the 101, and the hand-over of the socket.

use super::{
    Answer, Body, Upgrades,
    admission::{Asked, Welcome},
    agreement,
    checks::{self, Refusal},
    csrf,
    opening::Opening,
    place::Place,
};
use crate::{
    connection::Surroundings,
    hub::Link,
    requests::{Handed, Successor},
    transport::{
        Carrier,
        websocket::{self, accept_key},
    },
};
use http::{HeaderValue, Request, Response, StatusCode, header, request::Parts};
use hyper::upgrade::OnUpgrade;
use std::sync::Arc;
use tengen_core::trace::Span;
use tengen_settings::Endpoint;
use tengen_wire::transport::Transport;

/// An upgrade (RFC 6455 section 4.2).
pub(super) struct WebSocket;

impl Opening for WebSocket {
    fn is_asked_for<B>(request: &Request<B>, _: &Endpoint) -> bool {
        request.headers().contains_key(header::UPGRADE)
    }

    async fn open(
        upgrades: &Upgrades,
        parts: &mut Parts,
        asked: Asked<'_>,
        span: &mut Span,
    ) -> Result<Answer, Refusal> {
        checks::request(parts)?;
        let accept = accept_key(checks::websocket_key(&parts.method, &parts.headers)?);
        checks::origin(&asked.endpoint.origins, &parts.headers)?;
        let query = parts.uri.query().unwrap_or_default();
        let agreement = agreement::agree(asked.endpoint, &parts.headers, query)?;
        let admitted = upgrades.admit(parts, asked, &agreement, Transport::WebSocket, span).await?;
        if parts.extensions.get::<OnUpgrade>().is_none() {
            return Err(Refusal::new(
                StatusCode::BAD_REQUEST,
                "bad-handshake",
                "this request cannot be upgraded",
            ));
        }
        let mut answer = switching(&accept, agreement.subprotocol.as_deref())?;
        let Welcome { link, place, says } = admitted;
        let csrf = csrf::token(asked.endpoint, &parts.headers)?;
        let first = upgrades.handshake_with(csrf.as_deref(), &link, says.as_ref(), None);
        if let Some(frame) = first {
            // The outbox is empty: its control queue takes the first frame always.
            let _taken = link.send_control(link.frame(frame));
        }
        answer.extensions_mut().insert(upgrades.successor(Arc::new(link), place));
        Ok(answer)
    }
}

impl Upgrades {
    /// Serves the connection once hyper has let go of the socket, in a task that holds nothing of HTTP.
    fn successor(&self, link: Arc<Link>, place: Place) -> Successor {
        let tasks = self.tasks.clone();
        let serving = self.serving(&link);
        Successor::new(move |Handed { stream, read, unsent }| {
            link.set_shortcut(stream.shortcut());
            let socket = move |link: &Link, around: &Surroundings| {
                let limit = around.limits.message.get();
                let mut socket = websocket::Socket::new(stream, link.shortcut(), &read, limit);
                socket.send_rest(&unsent);
                socket
            };
            tasks.spawn(serving.run(link, socket, place, ()));
        })
    }
}

/// RFC 6455 section 4.2.2: the server's part of the opening handshake.
fn switching(accept: &str, subprotocol: Option<&str>) -> Result<Answer, Refusal> {
    let mut answer = Response::new(Body::default());
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = answer.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    let value = |text: &str| {
        HeaderValue::from_str(text).map_err(|_| {
            Refusal::new(StatusCode::BAD_REQUEST, "bad-handshake", "a header cannot be answered")
        })
    };
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, value(accept)?);
    if let Some(subprotocol) = subprotocol {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, value(subprotocol)?);
    }
    Ok(answer)
}
