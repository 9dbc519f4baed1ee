//! What clients that poll say: each message is a request of its own, which is answered with the reply.

use super::{
    super::{
        Answer, Upgrades,
        admission::Asked,
        checks::Refusal,
        events,
        posts::{busy, check, no_memory, read, too_large},
    },
    agree, by_a_script,
    form::{self, Form},
    later::Later,
};
use crate::{
    hub::{Account, Unclaimed},
    requests::Kernel,
    transport::{
        Untaken,
        long_poll::{Key, Reply},
    },
};
use http::{HeaderMap, Request, StatusCode, header, request::Parts};
use hyper::body::Incoming;
use std::sync::Arc;
use tengen_core::trace::Span;
use tengen_wire::payload::Frame;

/// How a message is posted. Packers that make bytes post those, and have no words here.
const FORM: &str = "application/x-www-form-urlencoded";

/// A message, and whose it is.
struct Sent {
    key: Key,
    message: bytes::Bytes,
}

impl Upgrades {
    /// Hands a message to its session, and waits for the reply.
    pub(in super::super) async fn take_sent(
        &self,
        mut request: Request<Incoming>,
        asked: Asked<'_>,
    ) -> Answer {
        let Some(kernel) = request.extensions_mut().remove::<Kernel>() else {
            return self.post_refused(&events::no_socket(), asked);
        };
        match self.hand_over(request, asked, &kernel).await {
            Ok(reply) => Later::reply(reply, &kernel, &self.around.hub).answer(),
            Err(refusal) => self.post_refused(&refusal, asked),
        }
    }

    async fn hand_over(
        &self,
        request: Request<Incoming>,
        asked: Asked<'_>,
        kernel: &Kernel,
    ) -> Result<Reply, Refusal> {
        let Sent { key, message } = self.receive(request, asked).await?;
        let session = self.polling.sessions.find(&key).ok_or_else(unknown)?;
        let facts = &session.link.facts;
        if facts.waiting.holding.is_budget_full() {
            return Err(no_memory());
        }
        let mut account = Account::new(Arc::clone(facts));
        account.set(message.len());
        let frame = Frame { text: true, body: message };
        let socket = Arc::clone(&kernel.socket);
        let posted = session.post(frame, account, socket, self.around.limits.wait).await;
        posted.map_err(|untaken| match untaken {
            Untaken::Busy => busy("busy", "what was sent before is not taken yet; try again later"),
            Untaken::Ended => unknown(),
        })
    }

    /// Reads a message. It counts with what everybody holds, before it is known whose it is.
    async fn receive(&self, request: Request<Incoming>, asked: Asked<'_>) -> Result<Sent, Refusal> {
        check(&request, asked)?;
        by_a_script(request.headers())?;
        is_form(request.headers())?;
        let most = self.around.limits.message.get();
        let mut held = Unclaimed::new(&self.around.hub, form::most(most));
        if !held.has_room() {
            return Err(no_memory());
        }
        let mut parts = head_of(&request);
        let body = read(request, form::most(most), |bytes| held.grow(bytes)).await;
        let body = body.map_err(|refusal| match refusal.status {
            StatusCode::PAYLOAD_TOO_LARGE => too_large(most),
            _ => refusal,
        })?;
        let form = Form::read(&body)?;
        if form.message.len() > most {
            return Err(too_large(most));
        }
        // Whoever is asked whose it is may take its time.
        drop(body);
        let _less = held.grow(form.message.len());
        parts.uri = form.behind(&parts.uri).map_err(|_| unreadable())?;
        let agreement = agree(asked, &parts)?;
        let (key, _) = self.whose(&parts, asked, &agreement, &Span::none()).await?;
        Ok(Sent { key, message: form.message })
    }
}

/// The head of a request, for whoever looks at it when the body is read.
fn head_of<B>(request: &Request<B>) -> Parts {
    let (mut parts, ()) = Request::new(()).into_parts();
    parts.method = request.method().clone();
    parts.uri = request.uri().clone();
    parts.version = request.version();
    parts.headers = request.headers().clone();
    parts
}

fn is_form(headers: &HeaderMap) -> Result<(), Refusal> {
    let media = headers.get(header::CONTENT_TYPE).and_then(|media| media.to_str().ok());
    let media = media.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if media.eq_ignore_ascii_case(FORM) {
        return Ok(());
    }
    let reason = format!(
        "a message is posted as Sente's clients with a packer of text do, as `{FORM}`; packers that make bytes are not read yet"
    );
    Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type", reason))
}

fn unreadable() -> Refusal {
    let reason =
        "a message is posted as Sente's clients do, in a form: its fields fit into no query";
    Refusal::new(StatusCode::BAD_REQUEST, "form", reason)
}

/// Known by nobody, or no more: both look alike.
fn unknown() -> Refusal {
    let reason = "there is no such session; its client polls first, and is greeted";
    Refusal::new(StatusCode::NOT_FOUND, "session", reason)
}

#[cfg(test)]
mod tests {
    use super::{super::super::checks::tests::headers, *};

    #[test]
    fn only_forms_are_messages() {
        let check = |media: &'static str| is_form(&headers(&[("content-type", media)]));
        for media in [FORM, "Application/X-www-form-urlencoded;charset=UTF-8"] {
            assert_eq!(check(media), Ok(()), "{media}");
        }
        for media in ["application/octet-stream", "text/plain", ""] {
            let refusal = check(media).unwrap_err();
            assert_eq!((refusal.status.as_u16(), refusal.label), (415, "media-type"), "{media}");
        }
        assert!(is_form(&HeaderMap::new()).is_err());
    }
}
