//! What is the same for all transports: a request is looked at, somebody says whose it is, and a connection comes of it.

use super::{
    Upgrades, agreement::Agreement, authentication::Admitted, checks::Refusal, place::Place,
};
use crate::hub::Link;
use http::{StatusCode, request::Parts};
use std::{net::SocketAddr, sync::Arc};
use tengen_core::{
    authenticator::Admission,
    event::{Connection, Data, Waiting},
    heartbeat::Rules,
    trace::Span,
};
use tengen_settings::Endpoint;
use tengen_wire::{
    dialect::{self, Handshake, Session},
    id::{ConnectionId, EndpointIndex},
    payload::{Frame, Payload},
    transport::Transport,
};

/// A request for a connection, and where it came in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) endpoint: &'a Arc<Endpoint>,
    pub(super) index: EndpointIndex,
    pub(super) peer: SocketAddr,
}

/// A connection that may open.
pub(super) struct Welcome {
    pub(super) link: Link,
    pub(super) place: Place,
    /// What the authenticator wants the client to know.
    pub(super) says: Option<Payload>,
}

impl Upgrades {
    /// Finds a place for it, and asks who it is.
    pub(super) async fn admit(
        &self,
        parts: &Parts,
        asked: Asked<'_>,
        agreement: &Agreement,
        transport: Transport,
        span: &mut Span,
    ) -> Result<Welcome, Refusal> {
        let place = Place::reserve(&self.around.hub)?;
        let admitted = self.identify(parts, asked, agreement, span).await?;
        Ok(self.welcome((place, admitted), asked, (agreement, transport), span))
    }

    /// Asks who it is.
    pub(super) async fn identify(
        &self,
        parts: &Parts,
        Asked { endpoint, peer, .. }: Asked<'_>,
        agreement: &Agreement,
        span: &Span,
    ) -> Result<Admitted, Refusal> {
        let admitted = self.authenticate(parts, endpoint, agreement, peer, span).await?;
        if admitted.admission.user.is_none() && !endpoint.anonymous {
            return Err(anonymous());
        }
        Ok(admitted)
    }

    /// Makes the connection of who has a place and is known.
    pub(super) fn welcome(
        &self,
        (place, admitted): (Place, Admitted),
        asked: Asked<'_>,
        (agreement, transport): (&Agreement, Transport),
        span: &mut Span,
    ) -> Welcome {
        let Admitted { mut admission, ends } = admitted;
        span.set("tengen.wire_format", agreement.wire.format.word());
        let says = admission.welcome.take();
        let link = self.link(&place, asked, admission, (agreement, transport), span);
        let Endpoint { traceparent, telemetry, .. } = **asked.endpoint;
        let link = link.ending_at(ends).taking(traceparent).sending(telemetry);
        Welcome { link, place, says }
    }

    fn link(
        &self,
        place: &Place,
        asked: Asked<'_>,
        admission: Admission,
        (agreement, transport): (&Agreement, Transport),
        span: &Span,
    ) -> Link {
        let facts = Arc::new(Connection {
            handle: place.handle,
            id: ConnectionId::from_bytes(uuid::Uuid::now_v7().into_bytes()),
            user: admission.user,
            endpoint: asked.endpoint.path.as_str().into(),
            endpoint_index: asked.index,
            peer: asked.peer,
            dialect: agreement.wire.dialect.word(),
            more: more(agreement.client.as_ref(), transport, admission.more),
            upgrade: span.context().cloned(),
            waiting: Waiting::default(),
            data: Data::default(),
        });
        let link = Link::new(facts, agreement.wire, self.around.outbox, admission.channels);
        let link = link.over(transport);
        if let Some(client) = &agreement.client {
            link.set_client(client.clone());
        }
        link
    }

    /// The first frame, if the dialect has one.
    pub(super) fn handshake(
        &self,
        link: &Link,
        says: Option<&Payload>,
        session: Option<Session<'_>>,
    ) -> Option<Frame> {
        self.handshake_with(None, link, says, session)
    }

    /// The same with the token that requests of its page have to bear.
    pub(super) fn handshake_with(
        &self,
        csrf: Option<&str>,
        link: &Link,
        says: Option<&Payload>,
        session: Option<Session<'_>>,
    ) -> Option<Frame> {
        let handshake = Handshake {
            csrf,
            user: link.facts.user.as_ref().map(|user| &user.id),
            connection: link.facts.id,
            node: &self.node,
            ping: Rules::of(link.wire.dialect, &self.heartbeat).ping_every(),
            max_bytes: self.around.limits.message.get(),
            version: env!("CARGO_PKG_VERSION"),
            welcome: says,
            session,
        };
        dialect::handshake(link.wire, &handshake)
    }
}

/// The refusal of somebody whom nobody knows, where the endpoint does not allow that.
pub(super) fn anonymous() -> Refusal {
    Refusal::new(
        StatusCode::UNAUTHORIZED,
        "anonymous",
        "this endpoint wants to know who you are; a token can come as `?token=`",
    )
}

/// What is known of a connection besides: the gateway's own first, so that it is what whoever looks a key up finds.
fn more(
    client: Option<&String>,
    transport: Transport,
    added: Vec<(String, String)>,
) -> Vec<(String, String)> {
    let client = client.map(|client| ("client-id".to_owned(), client.clone()));
    // What most connections are needs no words.
    let other = Some(transport).filter(|transport| *transport != Transport::WebSocket);
    let transport = other.map(|other| ("transport".to_owned(), other.profile().word.to_owned()));
    client.into_iter().chain(transport).chain(added).collect()
}
