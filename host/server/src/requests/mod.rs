//! HTTP connections: heads within bounds, one answer after the other, and nobody who keeps a place for nothing.
//!
//! Both listeners serve theirs with this. What is answered is theirs to say.

mod accept;
mod body;
mod farewell;
mod head;
mod places;
mod socket;
mod successor;
mod watch;

pub use accept::{Caller, Door, Remote, Scheme, accept};
pub use head::Limits;
pub use places::Places;
pub use successor::{Handed, Successor};
pub use watch::Times;

use crate::{hub::Shortcut, transport::Tcp};
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
use places::{Place, Ticket};
use socket::Socket;
use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{Arc, OnceLock},
    task::{Context, Poll},
    time::Duration,
};
use successor::Upgrade;
use tokio::time::{self, Instant, Sleep};
use tokio_util::sync::CancellationToken;
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
    let (ticket, kernel) = (place.ticket(), stream.shortcut());
    let watch =
        Watch::new((rules.head, rules.times), ticket.clone(), Arc::clone(&kernel), Instant::now());
    let watch = Arc::new(watch);
    let kernel = Kernel { socket: kernel, ticket };
    let asked = Asked { watch: Arc::clone(&watch), kernel, upgrade: Arc::default() };
    let upgrade = Arc::clone(&asked.upgrade);
    let service = service_fn(move |request: Request<Incoming>| asked.answer(request, &answer));
    let socket = TokioIo::new(Socket::new(stream, Arc::clone(&watch)));
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // The watch has the time of each head; its limits come first, too.
        .header_read_timeout(None::<Duration>)
        .keep_alive(rules.times.keep_alive.is_some())
        .max_buf_size(rules.head.bytes + BEYOND)
        .max_headers(rules.head.lines)
        // Who has said all and waits for the answer has not gone.
        .half_close(true)
        .serve_connection(socket, service)
        .with_upgrades();
    let mut place = Some(place);
    let ended = drive(&mut connection, &watch, &mut place, rules, stop).await;
    let farewell = Farewell::of(&ended, watch.is_to_be_told());
    let upgrade = upgrade.get();
    if let Some(granted) = upgrade.filter(|upgrade| upgrade.is_granted()) {
        drop((connection, place));
        granted.hand_over().await;
        return ended;
    }
    let unread = matches!(ended, Ended::Done) && watch.is_headless();
    if (farewell.is_some() || unread)
        && let Some(place) = place
        && let Some(socket) = taken_back(connection, upgrade).await
    {
        // Its place is the next one's if somebody comes.
        watch.idles();
        let (stream, ..) = socket.into_parts();
        farewell::last_words(farewell, stream, &place).await;
    }
    ended
}

/// What the requests of one HTTP connection have in common.
struct Asked {
    watch: Arc<Watch>,
    kernel: Kernel,
    /// The upgrade that was asked for, once it is answered.
    upgrade: Arc<OnceLock<Upgrade>>,
}

impl Asked {
    fn answer<F, A, B>(
        &self,
        mut request: Request<Incoming>,
        answer: &F,
    ) -> impl Future<Output = Result<Response<Watched<B>>, Infallible>> + use<F, A, B>
    where
        F: Fn(Request<Incoming>) -> A,
        A: Future<Output = Response<B>>,
    {
        if let Some(length) = body_length(&request) {
            self.watch.expects_body(length);
        }
        self.watch.answers(is_headless(&request), Instant::now());
        let upgrade = request.extensions().get::<OnUpgrade>().cloned();
        request.extensions_mut().insert(self.kernel.clone());
        let (answer, watch) = (answer(request), Arc::clone(&self.watch));
        let noted = Arc::clone(&self.upgrade);
        async move {
            let answer = answer.await;
            if let Some(upgrade) = upgrade {
                let successor = answer.extensions().get::<Successor>().cloned();
                if noted.get_or_init(|| Upgrade::new(upgrade, successor)).is_granted() {
                    watch.switches();
                }
            }
            Ok(finish(answer, watch))
        }
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

async fn drive<S, B>(
    connection: &mut Connection<S>,
    watch: &Watch,
    place: &mut Option<Place>,
    rules: Rules,
    stop: &CancellationToken,
) -> Ended
where
    S: hyper::service::HttpService<Incoming, ResBody = B>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut timer = pin!(time::sleep_until(Instant::now() + rules.times.head));
    let mut evicted = place.as_ref().map(|place| Box::pin(place.evicted()));
    let mut stopped = pin!(stop.cancelled());
    let (mut end, mut stopping) = (None, false);
    poll_fn(|cx| {
        if end.is_none() && !stopping && stopped.as_mut().poll(cx).is_ready() {
            stopping = true;
            end = Some(Instant::now() + rules.times.head);
            Pin::new(&mut *connection).graceful_shutdown();
        }
        if let Poll::Ready(result) = Pin::new(&mut *connection).poll(cx) {
            return Poll::Ready(result.map_or_else(Ended::Failed, |()| Ended::Done));
        }
        if let Some(wrong) = watch.wrong() {
            return Poll::Ready(wrong.into());
        }
        if watch.is_stream() {
            // It is counted among the connections, and lasts as long as the session says.
            (*place, evicted, end) = (None, None, None);
            if watch.poll_ended(cx).is_ready() {
                return Poll::Ready(Ended::Done);
            }
        }
        if evicted.as_mut().is_some_and(|evicted| evicted.as_mut().poll(cx).is_ready()) {
            return Poll::Ready(Ended::Evicted);
        }
        let now = Instant::now();
        match (watch.next(now), end) {
            (Err(late), _) => Poll::Ready(late.into()),
            (Ok(_), Some(end)) if now >= end => Poll::Ready(Ended::CutOff),
            (Ok(next), end) => {
                wake_at(timer.as_mut(), end.map_or(next, |end| end.min(next)), cx);
                Poll::Pending
            }
        }
    })
    .await
}

/// Has the task woken then, and not earlier set times.
fn wake_at(mut timer: Pin<&mut Sleep>, next: Instant, cx: &mut Context<'_>) {
    if timer.deadline() != next {
        timer.as_mut().reset(next);
    }
    if timer.poll(cx).is_ready() {
        cx.waker().wake_by_ref();
    }
}
