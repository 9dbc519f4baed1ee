//! Who is connected: they come, say something, answer, and go.

use super::{Tryout, TryoutError, cannot};
use crate::{
    hub::{Left, Link},
    router::{Source, Turn},
};
use serde_json::{Value, json};
use std::{
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    ops::ControlFlow,
    sync::Arc,
};
use tengen_core::{
    authenticator::Admission,
    event::{Connection, Data, User, Waiting},
};
use tengen_settings::Endpoint;
use tengen_wire::{
    close::Reason,
    dialect::{Arrived, Callback, Dialect, Wire},
    id::{ConnectionId, EndpointIndex, EventId, UserId},
    payload::{Encoding, Payload, transcode},
};

/// The callback of whatever is asked.
const CALLBACK: &str = r#""reply""#;

/// Where everybody comes from.
pub(super) const PEER: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 1));

/// Where somebody comes in.
#[derive(Debug)]
pub(super) struct WayIn {
    pub(super) index: EndpointIndex,
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) wire: Wire,
}

/// What a connection says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The connection's name.
    pub from: String,
    /// The event's id.
    pub id: String,
    /// Its data as JSON, said in the format of the endpoint; none: it has none.
    pub data: Option<String>,
    /// With a callback: it waits for the reply.
    pub asks: bool,
}

/// Somebody who connects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Visitor {
    /// What the connection is called from here on.
    pub name: String,
    /// Who an authenticator would have said it is; none: somebody anonymous.
    pub user: Option<String>,
    pub claims: Vec<(String, String)>,
    /// The path at which it connects; none: the first endpoint that has events and data.
    pub endpoint: Option<String>,
}

impl Tryout {
    /// Somebody connects, and nobody is asked whether that may be.
    pub fn open(&mut self, who: Visitor) -> Result<(), TryoutError> {
        let Visitor { name, user, claims, endpoint } = who;
        let at = self.way_in(&name, endpoint.as_deref())?;
        let user = user.map(|id| User { id: UserId::from(id), claims, expires_at: None });
        self.enter(name, &at, Admission { user, ..Admission::default() })
    }

    /// Where somebody of this name would come in; none: the first endpoint that has events and data.
    pub(super) fn way_in(&self, name: &str, path: Option<&str>) -> Result<WayIn, TryoutError> {
        if self.here.contains_key(name) {
            return Err(cannot(format!("a connection `{name}` is open already")));
        }
        let fits = |own: &str, dialect: Dialect| match path {
            Some(wanted) => wanted == own,
            None => dialect != Dialect::Raw,
        };
        let all = &self.settings.endpoints;
        let place = all.iter().position(|it| fits(&it.path, it.dialect));
        let found = place.and_then(|place| Some((u16::try_from(place).ok()?, all.get(place)?)));
        let (index, at) = found.ok_or_else(|| {
            let paths: Vec<_> = all.iter().map(|it| it.path.as_str()).collect();
            cannot(format!("there is no such endpoint, only {}", paths.join(", ")))
        })?;
        let format = at.formats.first().copied().filter(|_| at.dialect != Dialect::Raw);
        let format = format.ok_or_else(|| {
            cannot(format!("`{}` is a raw endpoint, which cannot be tried out yet", at.path))
        })?;
        let wire = Wire { dialect: at.dialect, format };
        Ok(WayIn { index: EndpointIndex(index), endpoint: Arc::clone(at), wire })
    }

    /// The connection opens.
    pub(super) fn enter(
        &mut self,
        name: String,
        at: &WayIn,
        admission: Admission,
    ) -> Result<(), TryoutError> {
        let WayIn { index, endpoint, wire } = at;
        let handle =
            self.around.hub.reserve().map_err(|why| cannot(format!("nobody can come: {why:?}")))?;
        self.people += 1;
        let id = ConnectionId::from_bytes(u128::from(self.people).to_be_bytes());
        let facts = Arc::new(Connection {
            handle,
            id,
            user: admission.user,
            endpoint: endpoint.path.as_str().into(),
            endpoint_index: *index,
            peer: PEER,
            dialect: wire.dialect.word(),
            more: admission.more,
            upgrade: None,
            waiting: Waiting::default(),
            data: Data::default(),
        });
        self.around.record.names(handle, &name);
        let link = Link::new(facts, *wire, self.settings.outbox, admission.channels);
        let link = Arc::new(link);
        let mut source = Source::new(Arc::clone(&link));
        self.around.hub.open(&link);
        self.router.opened(&mut source);
        self.here.insert(name, source);
        Ok(())
    }

    /// Connections send events, of which the plugin is told in one call where it takes so many.
    pub fn send(&mut self, all: &[Said]) -> Result<(), TryoutError> {
        let now = self.instant();
        let table = self.router.table();
        let mut turn = Turn::at(now, &table);
        // A turn is settled, however far it has come.
        let mut sent = Ok(());
        for said in all {
            let heard = self.around.record.heard();
            let routed = self.here.get_mut(&said.from).ok_or_else(|| nobody(&said.from));
            sent = routed.and_then(|source| {
                let arrived = arrives(&source.link, said)?;
                self.router.route(source, arrived, &mut turn);
                match source.is_stuck() {
                    true => Err(cannot(format!("more of `{}` waits than may", said.from))),
                    false => Ok(()),
                }
            });
            if sent.is_err() {
                break;
            }
            if self.around.record.heard() == heard {
                // The gateway itself has answered: it is seen by what the connection was sent.
                self.around.record.unheard(&said.from);
            }
        }
        turn.settle();
        sent
    }

    /// A connection answers the oldest question with this event id that it was asked and has not answered. `value` is JSON.
    pub fn answer(
        &mut self,
        from: &str,
        id: &str,
        value: Result<Value, String>,
    ) -> Result<(), TryoutError> {
        self.drain();
        self.forget_questions();
        let key = self.around.record.take_question(from, id);
        let key = key.ok_or_else(|| {
            cannot(format!("`{from}` was not asked `{id}`, or has answered, or its time is over"))
        })?;
        let said = match value {
            Ok(value) => json!({ "key": key, "value": value }),
            Err(error) => json!({ "key": key, "error": error }),
        };
        let (from, id, data) = (from.to_owned(), "tengen/answer".to_owned(), said.to_string());
        self.send(&[Said { from, id, data: Some(data), asks: false }])
    }

    /// A connection closes by itself, with this code.
    pub fn close(&mut self, name: &str, code: u16) -> Result<(), TryoutError> {
        self.drain();
        let source = self.here.remove(name).ok_or_else(|| nobody(name))?;
        self.goes(source, &Reason::Peer(code));
        Ok(())
    }

    /// Nobody can answer what is over.
    pub(super) fn forget_questions(&self) {
        self.around.record.keep_questions(|of, key| {
            let of = self.here.get(of).map(|source| source.link.facts.handle);
            of.is_some_and(|of| self.around.hub.is_asked(of, key))
        });
    }

    fn goes(&mut self, mut source: Source, reason: &Reason) {
        self.around.hub.close(&source.link, reason);
        self.around.hub.gone();
        self.router.closed(&mut source, &reason.into());
    }

    /// Takes what connections were sent. Returns those that are to end.
    fn drain(&self) -> Vec<(String, Reason)> {
        let mut ending = Vec::new();
        for (name, source) in &self.here {
            let left = source.link.drain(|item| {
                self.around.record.sent(name, source.link.wire.format, &item.frame.body);
                ControlFlow::Continue(())
            });
            if let Left::Close(reason) = left {
                ending.push((name.clone(), reason));
            }
        }
        ending
    }

    /// Ends connections that were closed by the plugin, or by the hub. False: there were none.
    pub(super) fn end_closed(&mut self) -> bool {
        let ending = self.drain();
        for (name, reason) in &ending {
            if !matches!(reason, Reason::Plugin { .. }) {
                self.around.record.ended(name, reason);
            }
            if let Some(source) = self.here.remove(name) {
                self.goes(source, reason);
            }
        }
        !ending.is_empty()
    }
}

/// What somebody says, as if it had been read from a frame.
fn arrives(link: &Link, said: &Said) -> Result<Arrived, TryoutError> {
    let Said { id, data, asks, .. } = said;
    let id = EventId::parse(id).ok_or_else(|| cannot(format!("`{id}` is not an event id")))?;
    let format = link.wire.format;
    let said = |json: &str| {
        transcode(&Payload::new(Encoding::Json, json.to_owned()), format)
            .map_err(|why| cannot(format!("this cannot be sent: {}", why.message)))
    };
    let payload = data.as_deref().map_or_else(|| Ok(Payload::nil(format)), said)?;
    let callback = asks.then(|| said(CALLBACK)).transpose()?;
    let callback = callback.map(|callback| Callback(callback.body.as_ref().into()));
    link.speaks();
    Ok(Arrived { id, payload, callback, traceparent: None, tracestate: None })
}

fn nobody(name: &str) -> TryoutError {
    cannot(format!("no connection `{name}` is open"))
}
