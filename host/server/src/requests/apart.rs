//! Answers for which hyper does not wait: they may take long, and its buffers would lie there meanwhile.
//!
//! The connection is taken apart, and the socket alone is kept until the answer is there. Then hyper gets the socket again, with
//! a request of our own making in front, which is answered with it.

use super::socket::Socket;
use bytes::Bytes;
use http::{HeaderMap, Response, header};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

type Answering<B> = Pin<Box<dyn Future<Output = Response<B>> + Send>>;

/// Put on an answer in whose place another is waited for, to a `GET` or a `POST` by HTTP/1.1 of which all is read.
pub struct Apart<B>(Arc<Mutex<Option<Answering<B>>>>);

impl<B> Clone for Apart<B> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<B> fmt::Debug for Apart<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Apart").finish_non_exhaustive()
    }
}

impl<B: Default + 'static> Apart<B> {
    /// What stands for an answer that is there later.
    pub fn answer(later: impl Future<Output = Response<B>> + Send + 'static) -> Response<B> {
        let mut answer = Response::new(B::default());
        answer.extensions_mut().insert(Self(Arc::new(Mutex::new(Some(Box::pin(later))))));
        answer
    }
}

impl<B: 'static> Apart<B> {
    pub(super) fn of(answer: &mut Response<B>) -> Option<Self> {
        answer.extensions_mut().remove()
    }

    /// The answer itself, if nobody has taken it out.
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<Response<B>> {
        let mut later = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        later.as_mut().map_or(Poll::Pending, |later| later.as_mut().poll(cx))
    }

    fn take(&self) -> Option<Answering<B>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// What hyper waits for just now, and what was waited for without it.
#[derive(Debug)]
pub(super) struct Shelf<B>(Mutex<State<B>>);

struct State<B> {
    waits: Option<(Apart<B>, Bytes)>,
    ready: Option<Response<B>>,
}

impl<B> fmt::Debug for State<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("waits", &self.waits).finish_non_exhaustive()
    }
}

impl<B> Default for Shelf<B> {
    fn default() -> Self {
        Self(Mutex::new(State { waits: None, ready: None }))
    }
}

/// An answer that is waited for without hyper, and the head of the request that it is to answer.
pub(super) struct Waiting<B> {
    pub(super) answer: Answering<B>,
    pub(super) head: Bytes,
}

impl<B: 'static> Shelf<B> {
    /// hyper waits for this, until it is told otherwise.
    pub(super) fn waits(&self, apart: Apart<B>, head: Bytes) {
        self.change(|state| state.waits = Some((apart, head)));
    }

    /// hyper has it.
    pub(super) fn waited(&self) {
        self.change(|state| state.waits = None);
    }

    /// Takes over what hyper waits for.
    pub(super) fn take(&self) -> Option<Waiting<B>> {
        let (apart, head) = self.change(|state| state.waits.take())?;
        Some(Waiting { answer: apart.take()?, head })
    }

    /// It is there. The next request is answered with it.
    pub(super) fn put(&self, answer: Response<B>) {
        self.change(|state| state.ready = Some(answer));
    }

    /// What a request of our own is answered.
    pub(super) fn ready(&self) -> Option<Response<B>> {
        self.change(|state| state.ready.take())
    }

    fn change<R>(&self, change: impl FnOnce(&mut State<B>) -> R) -> R {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The head of a request of our own, after whose answer the connection goes on as after that of the request with these headers.
pub(super) fn head(headers: &HeaderMap) -> Bytes {
    let values = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let closes = values.flat_map(|value| value.split(',')).any(is_close);
    Bytes::from_static(if closes { LAST } else { MORE })
}

fn is_close(word: &str) -> bool {
    word.trim().eq_ignore_ascii_case("close")
}

const MORE: &[u8] = b"GET / HTTP/1.1\r\n\r\n";
const LAST: &[u8] = b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n";

/// Gives the socket what hyper is to read first. `is_last`: no more requests are taken.
pub(super) fn ask(socket: &mut Socket, head: Bytes, is_last: bool) {
    socket.put_in_front(if is_last { Bytes::from_static(LAST) } else { head });
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Caller, Ended, Limits, Places, Remote, Rules, Scheme, Times, serve},
        *,
    };
    use futures_util::FutureExt as _;
    use http::HeaderValue;
    use http_body_util::Full;
    use std::time::Duration;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::{TcpListener, TcpStream},
        sync::{Notify, mpsc, oneshot},
    };
    use tokio_util::sync::CancellationToken;

    const LARGE: usize = 16 << 20;

    /// What a peer asks that is served by `serve`.
    struct Peer {
        stream: TcpStream,
        /// What it has asked for, as the gateway sees it.
        asked: mpsc::Receiver<String>,
        /// `/later` is answered.
        is_there: Arc<Notify>,
        ended: oneshot::Receiver<Ended>,
        stop: CancellationToken,
    }

    async fn connect() -> Peer {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (near, far) = tokio::join!(listener.accept(), TcpStream::connect(address));
        let (near, peer) = near.unwrap();
        let places = Places::new(1, None);
        let place = places.take(peer.ip()).now_or_never().unwrap().unwrap();
        let caller = Caller { stream: near, remote: Remote { peer, scheme: Scheme::Http }, place };
        let minute = Duration::from_secs(60);
        let times = Times { head: minute, answer: minute, keep_alive: Some(minute) };
        let rules = Rules { head: Limits { bytes: 8192, lines: 20 }, times };
        let (tell, asked) = mpsc::channel(9);
        let (done, ended) = oneshot::channel();
        let is_there = Arc::<Notify>::default();
        let (waited, stop) = (Arc::clone(&is_there), CancellationToken::new());
        let stopped = stop.clone();
        let answer = move |request: http::Request<hyper::body::Incoming>| {
            let path = request.uri().path().to_owned();
            tell.try_send(path.clone()).unwrap();
            let waited = Arc::clone(&waited);
            std::future::ready(match &*path {
                "/later" => Apart::answer(async move {
                    waited.notified().await;
                    Response::new(Full::from("later"))
                }),
                _ => Response::new(Full::from(vec![b'x'; LARGE])),
            })
        };
        let task = async move {
            let ended = serve(caller, answer, rules, &stopped).await;
            done.send(ended).unwrap();
        };
        #[expect(clippy::disallowed_methods, reason = "the test is the task's owner")]
        drop(tokio::spawn(task));
        Peer { stream: far.unwrap(), asked, is_there, ended, stop }
    }

    impl Peer {
        async fn ask(&mut self, path: &str) {
            let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
            self.stream.write_all(request.as_bytes()).await.unwrap();
        }

        async fn hears(&mut self, body: usize) -> (String, Vec<u8>) {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(self.stream.read_u8().await.unwrap());
            }
            let mut read = vec![0; body];
            self.stream.read_exact(&mut read).await.unwrap();
            (String::from_utf8(head).unwrap().to_lowercase(), read)
        }
    }

    #[tokio::test]
    async fn requests_go_on_behind_an_answer_that_was_waited_for_without_hyper() {
        let mut peer = connect().await;
        for _ in 0..3 {
            peer.ask("/later").await;
            assert_eq!(
                peer.asked.recv().await.as_deref(),
                Some("/later"),
                "and nothing of our own"
            );
            // The next one has come before.
            peer.ask("/later").await;
            for is_first in [true, false] {
                if !is_first {
                    assert_eq!(peer.asked.recv().await.as_deref(), Some("/later"));
                }
                assert!(peer.asked.try_recv().is_err());
                peer.is_there.notify_one();
                let (head, body) = peer.hears(5).await;
                assert!(head.starts_with("http/1.1 200 ok\r\n"), "{head}");
                assert!(!head.contains("connection: close"), "{head}");
                assert_eq!(body, b"later");
            }
        }
        let Peer { stream, ended, .. } = peer;
        drop(stream);
        assert!(matches!(ended.await.unwrap(), Ended::Done));
    }

    #[tokio::test]
    async fn what_is_on_its_way_when_the_next_answer_is_waited_for_arrives() {
        let mut peer = connect().await;
        peer.ask("/large").await;
        peer.ask("/later").await;
        assert_eq!(peer.asked.recv().await.as_deref(), Some("/large"));
        // It is asked for while the peer takes what was before, piece by piece.
        let mut taken = peer.hears(1).await.1.len();
        while peer.asked.try_recv().is_err() {
            let mut piece = vec![0; (64 << 10).min(LARGE - taken)];
            taken += peer.stream.read(&mut piece).await.unwrap();
        }
        assert!(taken < LARGE, "all of it was taken before");
        let mut rest = vec![0; LARGE - taken];
        let whole =
            tokio::time::timeout(Duration::from_secs(20), peer.stream.read_exact(&mut rest));
        whole.await.expect("it is not lost").unwrap();
        assert!(rest.iter().all(|byte| *byte == b'x'));
        peer.is_there.notify_one();
        assert_eq!(peer.hears(5).await.1, b"later");
    }

    #[tokio::test]
    async fn an_answer_that_was_waited_for_is_the_last_one_when_the_gateway_ends() {
        let mut peer = connect().await;
        peer.ask("/later").await;
        assert_eq!(peer.asked.recv().await.as_deref(), Some("/later"));
        peer.stop.cancel();
        tokio::task::yield_now().await;
        peer.is_there.notify_one();
        let (head, body) = peer.hears(5).await;
        assert!(head.contains("connection: close"), "{head}");
        assert_eq!(body, b"later");
        assert!(matches!(peer.ended.await.unwrap(), Ended::Done));
    }

    #[test]
    fn a_connection_ends_behind_the_answer_if_its_request_said_so() {
        for (said, expected) in [
            (None, MORE),
            (Some("keep-alive"), MORE),
            (Some("Close"), LAST),
            (Some("a, close"), LAST),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(said) = said {
                headers.insert(header::CONNECTION, HeaderValue::from_static(said));
            }
            assert_eq!(head(&headers), expected, "{said:?}");
        }
    }
}
