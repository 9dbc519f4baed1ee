//! One request and its answer on a connection of their own.

use crate::{
    connect::Stream,
    places::Place,
    unpack::{Body, too_large},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::{Body as _, Incoming},
    client::conn::http1::Builder,
};
use hyper_util::rt::TokioIo;
use std::{future::poll_fn, pin::pin};
use tengen_core::outgoing::Response;
use tengen_wire::fault::{Fault, FaultId};

/// The most headers of an answer, and bytes of its head.
const HEADERS: usize = 100;
const HEAD: usize = 64 << 10;

/// What says how the bytes travelled. They have arrived.
const OF_THE_WAY: [&str; 6] =
    ["connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade"];

/// Sends the request and reads the answer, on this task alone: what drives the connection ends with it.
pub(crate) async fn exchange(
    stream: Box<dyn Stream>,
    request: http::Request<Full<Bytes>>,
    most: usize,
    place: &mut Place,
) -> Result<Response, Fault> {
    let mut http = Builder::new();
    http.max_headers(HEADERS).max_buf_size(HEAD);
    let begun = http.handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = begun.map_err(|why| no_answer(&why))?;
    let mut connection = pin!(connection);
    let mut answer = pin!(async {
        let answer = sender.send_request(request).await.map_err(|why| no_answer(&why))?;
        read(answer, most, place).await
    });
    let mut has_ended = false;
    poll_fn(|context| {
        if !has_ended {
            // Its error comes to whoever waits for the answer.
            has_ended = connection.as_mut().poll(context).is_ready();
        }
        answer.as_mut().poll(context)
    })
    .await
}

async fn read(
    answer: http::Response<Incoming>,
    most: usize,
    place: &mut Place,
) -> Result<Response, Fault> {
    let (head, mut incoming) = answer.into_parts();
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Fault::new(
            FaultId::Unreachable,
            "the server went over to another protocol unasked",
        ));
    }
    if incoming.size_hint().lower() > most as u64 {
        return Err(too_large(most));
    }
    let gzip = is_gzip(&head.headers);
    let mut body = Body::new(gzip, most);
    let mut held = 0;
    while let Some(frame) = incoming.frame().await {
        let frame = frame.map_err(|why| no_answer(&why))?;
        if let Some(part) = frame.data_ref() {
            let grown = body.take(part)?;
            place.hold(grown)?;
            held += grown;
        }
    }
    let body = body.end()?;
    place.hold(body.len().saturating_sub(held))?;
    Ok(Response {
        status: head.status.as_u16(),
        headers: told(&head.headers, gzip),
        body: body.into(),
    })
}

/// Whether the body is to be unpacked: once, by what was asked for.
fn is_gzip(headers: &HeaderMap) -> bool {
    let mut encodings = headers.get_all(header::CONTENT_ENCODING).iter();
    let only = encodings.next().filter(|_| encodings.next().is_none());
    only.is_some_and(|it| it.as_bytes().eq_ignore_ascii_case(b"gzip"))
}

/// The headers that are about the answer. What was unpacked has another length than the header says, and no encoding any more.
fn told(headers: &HeaderMap, unpacked: bool) -> Vec<(String, Vec<u8>)> {
    let of_packing = [header::CONTENT_ENCODING, header::CONTENT_LENGTH];
    let is_gone = |name: &HeaderName| {
        OF_THE_WAY.contains(&name.as_str()) || unpacked && of_packing.contains(name)
    };
    let told = headers.iter().filter(|(name, _)| !is_gone(name));
    told.map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect()
}

fn no_answer(why: &hyper::Error) -> Fault {
    let id = if why.is_parse_too_large() { FaultId::TooLarge } else { FaultId::Unreachable };
    Fault::new(id, format!("the server did not answer as servers do: {why}"))
}
