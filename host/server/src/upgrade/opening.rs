//! How a request becomes a connection over a transport. Which there are stands in `openings`.

use super::{Answer, Upgrades, admission::Asked, checks::Refusal};
use http::{Request, request::Parts};
use tengen_core::trace::Span;
use tengen_settings::Endpoint;

/// A transport's way of opening a connection.
pub(super) trait Opening {
    /// Whether a request asks for it, to an endpoint that may have it.
    fn is_asked_for<B>(request: &Request<B>, endpoint: &Endpoint) -> bool;

    /// Answers the request, and has the connection served if it is let in.
    async fn open(
        upgrades: &Upgrades,
        parts: &mut Parts,
        asked: Asked<'_>,
        span: &mut Span,
    ) -> Result<Answer, Refusal>;
}
