//! A session's task and its streams, with the clock stopped.

use super::*;
use crate::{
    hub::{Account, Link, Shortcut},
    transport::Untaken,
};
use bytes::Bytes;
use std::{
    io,
    sync::atomic::{AtomicUsize, Ordering},
    task::Waker,
};
use tengen_core::event::Connection;
use tengen_settings::Outbox;
use tengen_wire::{
    dialect::{Dialect, Wire},
    id::EndpointIndex,
    payload::{Encoding, Frame},
    transport::Transport,
};

/// A socket of which so much is not taken.
#[derive(Debug, Default)]
struct Kernel {
    untaken: AtomicUsize,
    written: AtomicUsize,
}

impl Shortcut for Kernel {
    fn try_write(&self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn untaken(&self) -> usize {
        self.untaken.load(Ordering::Relaxed)
    }

    fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed) as u64
    }
}

impl Kernel {
    /// hyper has written so much more, of which so much is on its way.
    fn takes(&self, bytes: usize, untaken: usize) {
        self.written.fetch_add(bytes, Ordering::Relaxed);
        self.untaken.store(untaken, Ordering::Relaxed);
    }
}

struct Setup {
    sessions: Sessions,
    session: Arc<Session>,
    carrier: EventStream,
    registered: Option<Registered>,
    kernel: Arc<Kernel>,
    place: Held,
}

fn text(text: &str) -> Framed {
    Framed::whole(Bytes::from(text.to_owned()))
}

fn begin() -> Setup {
    let sessions = Sessions::default();
    let wire = Wire { dialect: Dialect::Tengen, format: Encoding::Json };
    let link = Link::new(Arc::new(Connection::anybody(1)), wire, Outbox::default(), Vec::new());
    let link = Arc::new(link.over(Transport::EventStream));
    let place: Held = Arc::new(());
    let (session, carrier, registered) =
        sessions.begin("s3cret", link, text("again"), Arc::clone(&place));
    let (registered, kernel) = (Some(registered), Arc::default());
    Setup { sessions, session, carrier, registered, kernel, place }
}

impl Setup {
    fn stream(&self) -> Body {
        self.session.stream(self.kernel.clone()).unwrap()
    }

    fn again(&self) -> Result<Body, NoStream> {
        self.session.stream_again(self.kernel.clone())
    }

    fn receive(&mut self) -> Poll<Result<Inbound, Reason>> {
        self.carrier.poll_receive(&mut Context::from_waker(Waker::noop()))
    }

    fn flush(&mut self) -> bool {
        self.carrier.poll_flush(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    fn posted(&self, text: &'static str) -> Posted {
        let frame = Frame { text: true, body: Bytes::from_static(text.as_bytes()) };
        let mut account = Account::new(Arc::clone(&self.session.link.facts));
        account.set(text.len());
        Posted::new(frame, account)
    }
}

/// What a stream gets; none: nothing yet, or it has ended.
fn next(stream: &mut Body) -> Poll<Option<String>> {
    stream.poll_next(&Context::from_waker(Waker::noop())).map(|piece| {
        piece.map(|piece| String::from_utf8(piece.into_data().unwrap().to_vec()).unwrap())
    })
}

fn gets(stream: &mut Body) -> Option<String> {
    match next(stream) {
        Poll::Ready(piece) => piece,
        Poll::Pending => None,
    }
}

#[tokio::test(start_paused = true)]
async fn frames_go_down_the_stream_and_come_up_by_posts() {
    let mut setup = begin();
    let mut stream = setup.stream();
    assert!(next(&mut stream).is_pending());
    setup.carrier.send(text("one"));
    assert!(!setup.flush());
    assert_eq!(gets(&mut stream).as_deref(), Some("one"));
    assert!(setup.flush());
    assert_eq!((setup.carrier.total(), setup.carrier.waiting()), (3, 0));
    assert!(setup.receive().is_pending());
    setup.session.post(setup.posted("up"), Duration::ZERO).await.unwrap();
    let Poll::Ready(Ok(Inbound::Frame(frame))) = setup.receive() else { panic!("no frame") };
    assert_eq!(frame.body, "up");
}

#[tokio::test(start_paused = true)]
async fn a_session_without_a_stream_lasts_for_five_seconds() {
    let mut setup = begin();
    drop(setup.stream());
    assert!(setup.receive().is_pending());
    time::advance(GRACE - Duration::from_millis(1)).await;
    assert!(setup.receive().is_pending());
    let back = setup.again().unwrap();
    time::advance(GRACE).await;
    assert!(setup.receive().is_pending(), "there is a stream");
    drop(back);
    assert!(setup.receive().is_pending(), "it has five seconds again");
    time::advance(GRACE).await;
    assert!(matches!(setup.receive(), Poll::Ready(Err(Reason::Lost))));
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_is_told_first_and_gets_what_waits() {
    let mut setup = begin();
    drop(setup.stream());
    setup.carrier.send(text("kept"));
    let mut back = setup.again().unwrap();
    assert_eq!(gets(&mut back).as_deref(), Some("again"));
    assert_eq!(gets(&mut back).as_deref(), Some("kept"));
}

#[tokio::test(start_paused = true)]
async fn a_newer_stream_ends_the_older_and_does_not_end_with_it() {
    let mut setup = begin();
    let mut first = setup.stream();
    let mut second = setup.again().unwrap();
    assert_eq!(next(&mut first), Poll::Ready(None));
    drop(first);
    time::advance(2 * GRACE).await;
    assert!(setup.receive().is_pending(), "the session has the second");
    assert_eq!(gets(&mut second).as_deref(), Some("again"));
}

#[tokio::test(start_paused = true)]
async fn one_session_has_few_sockets_at_a_time_and_its_place_until_the_last_is_gone() {
    let setup = begin();
    let mut streams = vec![setup.stream()];
    let refused = loop {
        match setup.again() {
            Ok(stream) => streams.push(stream),
            Err(refused) => break refused,
        }
    };
    assert_eq!((refused, streams.len()), (NoStream::TooMany, 4));
    streams.remove(0);
    assert!(setup.again().is_ok());
    let Setup { sessions, session, carrier, registered, place, .. } = setup;
    drop((sessions, session, carrier, registered));
    assert_eq!(Arc::strong_count(&place), 1 + streams.len());
}

#[tokio::test(start_paused = true)]
async fn a_peer_lives_whose_system_takes_what_was_written() {
    let mut setup = begin();
    let mut stream = setup.stream();
    setup.carrier.send(text("ping"));
    gets(&mut stream).unwrap();
    assert!(setup.receive().is_pending());
    assert!(!setup.carrier.take_heard(), "hyper has it");
    // `4`, two ends of lines, and the piece.
    assert_eq!((setup.carrier.held(), setup.carrier.waiting()), (9, 0));
    setup.kernel.takes(9, 4);
    assert_eq!(setup.carrier.held(), 0);
    assert!(setup.receive().is_pending());
    assert!(!setup.carrier.take_heard(), "it is on its way");
    setup.kernel.takes(0, 0);
    assert!(setup.receive().is_pending());
    assert!(setup.carrier.take_heard());
    assert!(setup.receive().is_pending());
    assert!(!setup.carrier.take_heard(), "once");
}

#[tokio::test(start_paused = true)]
async fn posts_that_find_no_place_are_told_so() {
    let setup = begin();
    for _ in 0..4 {
        setup.session.post(setup.posted("up"), Duration::ZERO).await.unwrap();
    }
    let wait = Duration::from_secs(3);
    let before = time::Instant::now();
    assert_eq!(setup.session.post(setup.posted("up"), wait).await, Err(Untaken::Busy));
    assert_eq!(before.elapsed(), wait);
    // Few wait; others are told at once.
    let more = (0..9).map(|_| setup.session.post(setup.posted("up"), wait));
    let before = time::Instant::now();
    let told = futures_util::future::join_all(more.map(async |post| {
        assert_eq!(post.await, Err(Untaken::Busy));
        before.elapsed()
    }));
    let told = told.await;
    assert_eq!(told.iter().filter(|waited| waited.is_zero()).count(), 1, "{told:?}");
    let Setup { session, mut carrier, .. } = setup;
    carrier.throw_away();
    let frame = Frame { text: true, body: Bytes::new() };
    let posted = Posted::new(frame, Account::new(Arc::clone(&session.link.facts)));
    assert_eq!(session.post(posted, wait).await, Err(Untaken::Ended));
}

#[tokio::test(start_paused = true)]
async fn the_last_event_says_why_and_nobody_comes_back_after_it() {
    let mut setup = begin();
    let mut stream = setup.stream();
    let goodbye = Transport::EventStream.goodbye(Encoding::Json, &Reason::Drained);
    let expected = String::from_utf8(goodbye.body.to_vec()).unwrap();
    let carrier = std::mem::replace(&mut setup.carrier, begin().carrier);
    let (reader, ()) = tokio::join!(
        async {
            let mut got = Vec::new();
            while let Some(piece) = std::future::poll_fn(|cx| stream.poll_next(cx)).await {
                got.extend_from_slice(&piece.into_data().unwrap());
            }
            String::from_utf8(got).unwrap()
        },
        carrier.close(goodbye, &Reason::Drained, Patience::new(Duration::ZERO)),
    );
    assert_eq!(reader, expected);
    assert_eq!(setup.again().err(), Some(NoStream::Ended));
    assert!(setup.sessions.find("s3cret", EndpointIndex(0)).is_some());
    drop(setup.registered.take());
    assert!(setup.sessions.find("s3cret", EndpointIndex(0)).is_none());
}

#[test]
fn a_session_is_found_on_its_own_endpoint_alone() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _inside = runtime.enter();
    let setup = begin();
    assert!(setup.sessions.find("s3cret", EndpointIndex(0)).is_some());
    assert!(setup.sessions.find("s3cret", EndpointIndex(1)).is_none());
    assert!(setup.sessions.find("S3cret", EndpointIndex(0)).is_none());
}
