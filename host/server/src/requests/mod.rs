//! HTTP connections: heads within bounds, one answer after the other, and nobody who keeps a place for nothing.
//!
//! Both listeners serve theirs with this. What is answered is theirs to say.

mod accept;
#[cfg(test)]
pub(crate) mod alone;
mod apart;
mod body;
mod farewell;
mod head;
mod places;
mod socket;
mod successor;
mod vigil;
mod watch;

pub use accept::{Caller, Door, Remote, Scheme, accept};
pub use apart::Apart;
pub use head::Limits;
pub use places::Places;
pub use successor::{Handed, Successor};
pub use watch::Times;

use crate::{hub::Shortcut, transport::Tcp};
use apart::{Shelf, Waiting};
use body::Watched;
use bytes::Bytes;
use farewell::Farewell;
use head::Wrong;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::{
    body::{Body, Incoming},
    server::conn::http1,
    service::service_fn,
    upgrade::OnUpgrade,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use places::Ticket;
use socket::Socket;
use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    pin::Pin,
    sync::{Arc, OnceLock},
    task::Poll,
    time::Duration,
};
use successor::Upgrade;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use vigil::Vigil;
use watch::{Late, Watch};

/// What hyper reads beyond a head: a body that nobody asked for.
const BEYOND: usize = 8 << 10;

/// Put on an answer that is a stream: its connection needs no place among the requests any more, and ends with it.
#[derive(Debug, Clone, Copy)]
pub struct Streams;

/// Found on each request: what is known of its socket.
#[derive(Debug, Clone)]
pub struct Kernel {
    /// What the system says of it.
    pub socket: Arc<dyn Shortcut>,
    ticket: Ticket,
}

/// Somebody whose answer waits, and who has no place among the requests meanwhile. When this is dropped, the answer is there:
/// then it has one again, be there too many of them or not.
#[derive(Debug)]
pub struct Aside(Ticket);

impl Kernel {
    /// Gives the place to others, for an answer that counts elsewhere.
    pub fn step_aside(&self) -> Aside {
        self.ticket.steps_aside();
        Aside(self.ticket.clone())
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        self.0.answers(Instant::now());
    }
}

/// What an HTTP connection goes by.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    pub head: Limits,
    pub times: Times,
}

/// How an HTTP connection ended.
#[derive(Debug)]
pub enum Ended {
    /// It was done, or became something else.
    Done,
    /// What came was no HTTP, or the peer was gone in the middle.
    Failed(hyper::Error),
    /// Its head was over a limit, which is named in the text.
    HeadBytes(usize),
    HeadLines(usize),
    /// A line of its head ended without a carriage return.
    BareLineFeed,
    /// It sent nothing, or a part of a head, for too long.
    HeadLate,
    /// Its answer was not taken, or not made, for too long.
    AnswerLate,
    /// Its place was needed for somebody else.
    Evicted,
    /// The gateway ended before it did.
    CutOff,
}

impl Ended {
    /// Its name in statistics and in the log; none: as it should be.
    pub fn label(&self) -> Option<&'static str> {
        Some(match self {
            Self::Done => return None,
            Self::Failed(error) if error.is_parse() => "not-http",
            Self::Failed(_) => "gone",
            Self::HeadBytes(_) => "head-bytes",
            Self::HeadLines(_) => "head-lines",
            Self::BareLineFeed => "bare-line-feed",
            Self::HeadLate => "head-late",
            Self::AnswerLate => "answer-late",
            Self::Evicted => "evicted",
            Self::CutOff => "cut-off",
        })
    }
}

impl From<Wrong> for Ended {
    fn from(wrong: Wrong) -> Self {
        match wrong {
            Wrong::Bytes(limit) => Self::HeadBytes(limit),
            Wrong::Lines(limit) => Self::HeadLines(limit),
            Wrong::BareLineFeed => Self::BareLineFeed,
        }
    }
}

impl From<Late> for Ended {
    fn from(late: Late) -> Self {
        match late {
            Late::Idle => Self::Done,
            Late::Silent | Late::Head => Self::HeadLate,
            Late::Reader | Late::Answer => Self::AnswerLate,
        }
    }
}

type Connection<S> = http1::UpgradeableConnection<TokioIo<Socket>, S>;

/// Serves the requests of one HTTP connection until it ends, or an upgrade takes its socket away. From `stop` on it is
/// given the time of a head to finish.
pub async fn serve<F, A, B>(
    caller: Caller,
    answer: F,
    rules: Rules,
    stop: &CancellationToken,
) -> Ended
where
    F: Fn(Request<Incoming>) -> A,
    A: Future<Output = Response<B>>,
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let Caller { stream, place, .. } = caller;
    // It fails when the peer is gone already; hyper finds out.
    stream.set_nodelay(true).ok();
    let stream = Tcp::new(stream);
    let asked = Asked::new(stream.shortcut(), place.ticket(), rules);
    let watch = Arc::clone(&asked.watch);
    let (upgrade, shelf) = (Arc::clone(&asked.upgrade), Arc::clone(&asked.shelf));
    let service = |request: Request<Incoming>| asked.answer(request, &answer);
    let mut socket = Socket::new(stream, Arc::clone(&watch));
    let mut vigil = Vigil::new(&watch, place, rules, stop);
    let (connection, ended) = loop {
        // In a box, which is gone while an answer is waited for.
        let mut connection = Box::new(serve_socket(socket, service_fn(service), rules));
        let Waiting { mut answer, head } = match drive(&mut connection, &mut vigil, &shelf).await {
            Step::Ended(ended) => break (Some(connection), ended),
            Step::Apart(waiting) => waiting,
        };
        // Nothing else of it is kept: its buffers lie there no more.
        let Some(taken) = connection.into_parts().map(|parts| parts.io.into_inner()) else {
            break (None, Ended::Done);
        };
        socket = taken;
        match wait(answer.as_mut(), &mut vigil).await {
            Ok(answer) => shelf.put(answer),
            Err(ended) => break (None, ended),
        }
        apart::ask(&mut socket, head, vigil.has_stopped());
    };
    let place = vigil.place.take();
    let farewell = Farewell::of(&ended, watch.is_to_be_told());
    let upgrade = upgrade.get();
    if let Some(granted) = upgrade.filter(|upgrade| upgrade.is_granted()) {
        drop((connection, place));
        granted.hand_over().await;
        return ended;
    }
    let unread = matches!(ended, Ended::Done) && watch.is_headless();
    if (farewell.is_some() || unread)
        && let (Some(place), Some(connection)) = (place, connection)
        && let Some(socket) = taken_back(*connection, upgrade).await
    {
        // Its place is the next one's if somebody comes.
        watch.idles();
        // In a box: what it reads into would otherwise be a part of the task all its life.
        Box::pin(farewell::last_words(farewell, socket.into_parts().0, &place)).await;
    }
    ended
}

/// hyper's part of a connection.
fn serve_socket<S, B>(socket: Socket, service: S, rules: Rules) -> Connection<S>
where
    S: hyper::service::HttpService<Incoming, ResBody = B>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    http1::Builder::new()
        .timer(TokioTimer::new())
        // The watch has the time of each head; its limits come first, too.
        .header_read_timeout(None::<Duration>)
        .keep_alive(rules.times.keep_alive.is_some())
        .max_buf_size(rules.head.bytes + BEYOND)
        .max_headers(rules.head.lines)
        // Who has said all and waits for the answer has not gone.
        .half_close(true)
        .serve_connection(TokioIo::new(socket), service)
        .with_upgrades()
}

/// What the requests of one HTTP connection have in common.
struct Asked<B> {
    watch: Arc<Watch>,
    kernel: Kernel,
    /// The upgrade that was asked for, once it is answered.
    upgrade: Arc<OnceLock<Upgrade>>,
    /// The answer that is waited for without hyper.
    shelf: Arc<Shelf<B>>,
}

impl<B: 'static> Asked<B> {
    fn new(socket: Arc<dyn Shortcut>, ticket: Ticket, rules: Rules) -> Self {
        let limits = (rules.head, rules.times);
        let watch = Watch::new(limits, ticket.clone(), Arc::clone(&socket), Instant::now());
        let kernel = Kernel { socket, ticket };
        Self { watch: Arc::new(watch), kernel, upgrade: Arc::default(), shelf: Arc::default() }
    }

    fn answer<F, A>(
        &self,
        request: Request<Incoming>,
        answer: &F,
    ) -> impl Future<Output = Result<Response<Watched<B>>, Infallible>> + use<F, A, B>
    where
        F: Fn(Request<Incoming>) -> A,
        A: Future<Output = Response<B>>,
    {
        let (watch, shelf) = (Arc::clone(&self.watch), Arc::clone(&self.shelf));
        let noted = Arc::clone(&self.upgrade);
        // One of our own begins nothing, and is answered with what was waited for.
        let answering = match shelf.ready() {
            Some(answer) => Ok(answer),
            None => Err(self.begin(request, answer)),
        };
        async move {
            let answer = match answering {
                Ok(answer) => answer,
                Err((answering, upgrade, head)) => {
                    let mut answer = answering.await;
                    if let Some(apart) = Apart::of(&mut answer) {
                        shelf.waits(apart.clone(), head);
                        answer = poll_fn(|cx| apart.poll(cx)).await;
                        shelf.waited();
                    }
                    if let Some(upgrade) = upgrade {
                        let successor = answer.extensions().get::<Successor>().cloned();
                        if noted.get_or_init(|| Upgrade::new(upgrade, successor)).is_granted() {
                            watch.switches();
                        }
                    }
                    answer
                }
            };
            Ok(finish(answer, watch))
        }
    }

    /// Notes what is asked for, and begins to answer it. Returns the upgrade that may come of it as well, and what asks for the answer
    /// again.
    fn begin<F, A>(
        &self,
        mut request: Request<Incoming>,
        answer: &F,
    ) -> (A, Option<OnUpgrade>, Bytes)
    where
        F: Fn(Request<Incoming>) -> A,
    {
        if let Some(length) = body_length(&request) {
            self.watch.expects_body(length);
        }
        self.watch.answers(is_headless(&request), Instant::now());
        let upgrade = request.extensions().get::<OnUpgrade>().cloned();
        request.extensions_mut().insert(self.kernel.clone());
        let head = apart::head(request.headers());
        (answer(request), upgrade, head)
    }
}

/// The socket of a connection that is over. hyper gives one whose upgrade was refused to whoever waits for the upgrade. None:
/// it has become something else.
async fn taken_back<S, B>(connection: Connection<S>, refused: Option<&Upgrade>) -> Option<Socket>
where
    S: hyper::service::HttpService<Incoming, ResBody = B>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    if let Some(parts) = connection.into_parts() {
        return Some(parts.io.into_inner());
    }
    refused?.taken_back().await
}

/// How long the body is that was posted, where nobody can read its length in another way.
fn body_length<B>(request: &Request<B>) -> Option<u64> {
    let headers = request.headers();
    let other =
        headers.contains_key(header::UPGRADE) || headers.contains_key(header::TRANSFER_ENCODING);
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let (Some(length), None) = (lengths.next(), lengths.next()) else { return None };
    let digits =
        length.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    digits.parse().ok().filter(|_| !other && *request.method() == Method::POST)
}

/// Whether what comes behind this head is no head: a body that is not read, or what an upgrade is for.
fn is_headless<B>(request: &Request<B>) -> bool {
    if body_length(request).is_some() {
        return false;
    }
    let headers = request.headers();
    headers.contains_key(header::UPGRADE)
        || headers.contains_key(header::TRANSFER_ENCODING)
        || headers.get_all(header::CONTENT_LENGTH).iter().any(|length| length != "0")
        || *request.method() == Method::CONNECT
}

fn is_refused<B>(answer: &Response<B>) -> bool {
    answer.status() != StatusCode::SWITCHING_PROTOCOLS
}

/// The answer, watched until it has been written. Behind a body that was not read, or a refused upgrade, no request is read,
/// so that nothing in it can pass for one.
fn finish<B>(mut answer: Response<B>, watch: Arc<Watch>) -> Response<Watched<B>> {
    let headless = watch.leaves_body();
    let streams = answer.extensions().get::<Streams>().is_some();
    if streams {
        watch.streams();
    }
    if streams || headless && is_refused(&answer) {
        answer.headers_mut().append(header::CONNECTION, HeaderValue::from_static("close"));
    }
    answer.map(|body| Watched::new(body, watch))
}

/// Where a connection got to.
enum Step<B> {
    Ended(Ended),
    /// Its answer may take long: it is waited for without hyper.
    Apart(Waiting<B>),
}

async fn drive<S, B>(
    connection: &mut Connection<S>,
    vigil: &mut Vigil<'_>,
    shelf: &Shelf<B>,
) -> Step<B>
where
    S: hyper::service::HttpService<Incoming, ResBody = Watched<B>>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: Body + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    poll_fn(|cx| {
        if vigil.stops(cx) {
            Pin::new(&mut *connection).graceful_shutdown();
        }
        if let Poll::Ready(result) = Pin::new(&mut *connection).poll(cx) {
            return Poll::Ready(Step::Ended(result.map_or_else(Ended::Failed, |()| Ended::Done)));
        }
        // hyper reads a head once all that was answered before has left, so nothing is lost with its buffers.
        if let Some(waiting) = shelf.take() {
            return Poll::Ready(Step::Apart(waiting));
        }
        vigil.poll(cx).map(Step::Ended)
    })
    .await
}

/// Waits for an answer without hyper. Err: the connection is over before it is there.
async fn wait<B>(
    mut answer: Pin<&mut (dyn Future<Output = Response<B>> + Send)>,
    vigil: &mut Vigil<'_>,
) -> Result<Response<B>, Ended> {
    poll_fn(|cx| {
        // The answer is the last one then.
        let _stops = vigil.stops(cx);
        match answer.as_mut().poll(cx) {
            Poll::Ready(answer) => Poll::Ready(Ok(answer)),
            Poll::Pending => vigil.poll(cx).map(Err),
        }
    })
    .await
}
