//! What a peer is told whose request is not read to its end.

use super::{Ended, places::Place};
use crate::transport::Tcp;
use http::StatusCode;
use socket2::SockRef;
use std::{net::Shutdown, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time,
};

/// How long what still comes is read and thrown away: a socket that is closed with unread bytes is reset, and the reset
/// may overtake the answer.
const LINGER: Duration = Duration::from_secs(1);

/// An answer that ends the connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Farewell {
    status: StatusCode,
    why: String,
    /// After so many seconds, another try makes sense.
    retry_after: Option<u8>,
}

impl Farewell {
    /// What is to be said; none: nothing, or others have said it. `has_begun`: a part of a request came.
    pub(super) fn of(ended: &Ended, has_begun: bool) -> Option<Self> {
        let say = |status, why: &str| Self { status, why: why.to_owned(), retry_after: None };
        let too_large = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        Some(match ended {
            Ended::HeadBytes(limit) => say(
                too_large,
                &format!(
                    "the request line and headers have more than {limit} bytes; send fewer or smaller cookies and headers"
                ),
            ),
            Ended::HeadLines(limit) => {
                say(too_large, &format!("there are more than {limit} header lines; send fewer"))
            }
            Ended::BareLineFeed => {
                say(StatusCode::BAD_REQUEST, "a line of the request ends without a carriage return")
            }
            Ended::HeadLate if has_begun => {
                say(StatusCode::REQUEST_TIMEOUT, "the request did not come to its end in time")
            }
            Ended::Evicted if has_begun => Self {
                retry_after: Some(1),
                ..say(StatusCode::SERVICE_UNAVAILABLE, "too many requests at once; try again later")
            },
            _ => return None,
        })
    }

    /// To somebody whose address has its share of places.
    pub(super) fn share() -> Self {
        let why = "too many requests at once from this address; try again later".to_owned();
        Self { status: StatusCode::TOO_MANY_REQUESTS, why, retry_after: Some(1) }
    }

    fn text(&self) -> String {
        let Self { status, why, retry_after } = self;
        let retry =
            retry_after.map_or_else(String::new, |seconds| format!("retry-after: {seconds}\r\n"));
        format!(
            "HTTP/1.1 {status}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\n{retry}\
             connection: close\r\n\r\n{why}\n",
            why.len() + 1
        )
    }

    /// Says it to somebody who has just come, as far as the kernel takes it at once, and says no more.
    pub(super) fn send(&self, stream: &TcpStream) {
        let socket = SockRef::from(stream);
        // Whoever is gone is not told.
        let _told =
            socket.send(self.text().as_bytes()).is_ok() && socket.shutdown(Shutdown::Write).is_ok();
    }
}

/// Says it, if there is something to say, and waits until what was said can have arrived, unless somebody else needs the
/// place.
pub(super) async fn last_words(farewell: Option<Farewell>, mut stream: Tcp, place: &Place) {
    let text = farewell.map(|farewell| farewell.text()).unwrap_or_default();
    let said = async {
        let mut scrap = [0; 4096];
        if stream.write_all(text.as_bytes()).await.is_ok() {
            // It may have been done already.
            stream.shutdown().await.ok();
            while matches!(stream.read(&mut scrap).await, Ok(1..)) {}
        }
    };
    tokio::pin!(said);
    // What the kernel takes at once is said in any case.
    tokio::select! {
        biased;
        () = &mut said => {}
        () = place.evicted() => {}
        () = time::sleep(LINGER) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_farewell_is_one_whole_answer() {
        let text = Farewell::of(&Ended::HeadLines(7), true).unwrap().text();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n"), "{head}");
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{text}");
        assert!(head.ends_with("connection: close") && body.contains('7'), "{text}");
        let text = Farewell::share().text();
        assert!(
            text.contains("HTTP/1.1 429 ") && text.contains("\r\nretry-after: 1\r\n"),
            "{text}"
        );
    }

    #[test]
    fn who_has_said_nothing_is_told_nothing() {
        for ended in [Ended::HeadLate, Ended::Evicted] {
            assert_eq!(Farewell::of(&ended, false), None);
            assert!(Farewell::of(&ended, true).is_some());
        }
        assert_eq!(Farewell::of(&Ended::Done, true), None);
        assert_eq!(Farewell::of(&Ended::AnswerLate, true), None);
    }
}
