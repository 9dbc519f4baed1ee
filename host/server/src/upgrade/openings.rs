//! The transports that a request can ask for: a file each, and a line here.

use super::{
    Answer, Upgrades, admission::Asked, checks::Refusal, events::Events, opening::Opening,
    polls::Polls, websocket::WebSocket,
};
use http::{Request, request::Parts};
use tengen_core::trace::Span;
use tengen_settings::Endpoint;
use tengen_wire::transport::Transport;

/// Does something with a transport's opening, which is known by name inside.
macro_rules! by_opening {
    ($transport:expr, $name:ident => $does:expr) => {
        match $transport {
            Transport::WebSocket => {
                type $name = WebSocket;
                $does
            }
            Transport::LongPoll => {
                type $name = Polls;
                $does
            }
            Transport::EventStream => {
                type $name = Events;
                $does
            }
        }
    };
}

/// The transport that a request asks for. Who asks for none is told how to ask for a WebSocket.
pub(super) fn asked_for<B>(request: &Request<B>, endpoint: &Endpoint) -> Transport {
    let asked =
        |transport: &Transport| by_opening!(transport, O => O::is_asked_for(request, endpoint));
    Transport::ALL.into_iter().find(asked).unwrap_or(Transport::WebSocket)
}

pub(super) async fn open(
    transport: Transport,
    upgrades: &Upgrades,
    parts: &mut Parts,
    asked: Asked<'_>,
    span: &mut Span,
) -> Result<Answer, Refusal> {
    by_opening!(transport, O => O::open(upgrades, parts, asked, span).await)
}
