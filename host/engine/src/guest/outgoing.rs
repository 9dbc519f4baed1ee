//! The import `outgoing`: an authenticator asks somebody else's server, and waits.
//!
//! The gate decides what may be asked, as for handlers. Here stands how long the call may wait in all, and that nobody else
//! waits: the guest is suspended, its time of computing stands still, and its thread does other things.

use super::{
    bindings::{
        outgoing::{Host, Outcome},
        types::{Body, Fault as Told, Request, Response},
    },
    data::Data,
    patience::Patience,
};
use std::time::Duration;
use tengen_core::outgoing::{self, Asker};
use tengen_wire::fault::{Fault, FaultId};
use tokio::time::Instant;

impl Host for Data {
    async fn fetch(&mut self, request: Request) -> wasmtime::Result<Outcome> {
        let headers = request.headers.iter().map(|(name, value)| name.len() + value.len());
        let body = match &request.body {
            Some(Body::Text(text)) => text.len(),
            Some(Body::Bytes(bytes)) => bytes.len(),
            None => 0,
        };
        let texts = request.method.len() + request.url.len() + headers.sum::<usize>();
        self.charge(texts.saturating_add(body))?;
        Ok(match self.ask(request).await {
            Ok(response) => Outcome::Answered(answer(response)),
            Err(why) => Outcome::Failed(told(why)),
        })
    }
}

impl Data {
    async fn ask(&mut self, request: Request) -> Result<outgoing::Response, Fault> {
        let Patience(Some(until)) = self.patience else {
            let why =
                "a server is waited for in `authenticate` alone; a handler has the effect `fetch`";
            return Err(Fault::new(FaultId::NotAllowed, why));
        };
        let Some(client) = self.outgoing.clone() else {
            return Err(Fault::new(FaultId::Unsupported, "this gateway asks no servers"));
        };
        if let Some(more) = request.more.first() {
            let why =
                format!("this version of the gateway does not know `{}`", more.key.escape_debug());
            return Err(Fault::new(FaultId::Unsupported, why));
        }
        let asker = Asker {
            plugin: self.signals.plugin(),
            hosts: &self.config.grant.http,
            limits: self.config.request_limits(),
        };
        let mut request = wanted(request);
        // It ends by its own time, and is counted.
        let left = until.saturating_duration_since(Instant::now());
        request.timeout = Some(request.timeout.map_or(left, |within| within.min(left)));
        client.begin(asker, request, self.trace.as_ref())?.exchange.await.value
    }
}

fn wanted(request: Request) -> outgoing::Request {
    let Request { method, url, headers, body, timeout_ms, more: _ } = request;
    let body = match body {
        Some(Body::Text(text)) => text.into(),
        Some(Body::Bytes(bytes)) => bytes.into(),
        None => Default::default(),
    };
    let timeout = timeout_ms.map(|ms| Duration::from_millis(ms.into()));
    outgoing::Request { method, url, headers, body, timeout }
}

fn answer(response: outgoing::Response) -> Response {
    let outgoing::Response { status, headers, body } = response;
    let body = match String::from_utf8(body.into()) {
        Ok(text) => Body::Text(text),
        Err(bytes) => Body::Bytes(bytes.into_bytes()),
    };
    Response { status, headers, body, more: Vec::new() }
}

fn told(why: Fault) -> Told {
    let retry_after_ms =
        why.retry_after.map(|wait| u32::try_from(wait.as_millis()).unwrap_or(u32::MAX));
    Told {
        id: why.code.unwrap_or_else(|| why.id.word().to_owned()),
        message: why.message,
        retry_after_ms,
    }
}
