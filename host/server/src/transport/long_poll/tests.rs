//! A session's task and the requests of its client, with the clock stopped.

use super::*;
use crate::{
    hub::{Account, Hub, Link, Shortcut},
    transport::Untaken,
};
use bytes::Bytes;
use futures_util::FutureExt;
use std::{
    io,
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    task::Waker,
};
use tengen_core::{event::Connection, meter::Metric, trace::NoTracer};
use tengen_settings::{Limits, Outbox};
use tengen_wire::{
    dialect::{self, Dialect, Wire},
    id::{EndpointIndex, EventId},
    payload::{Encoding, Frame, Payload},
    transport::Transport,
};

const WIRE: Wire = Wire { dialect: Dialect::Sente, format: Encoding::Edn };
const NOTHING: &str = "[:chsk/timeout nil]";

/// A socket of which so much is not taken.
#[derive(Debug, Default)]
struct Kernel {
    untaken: AtomicUsize,
    written: AtomicU64,
    ended: AtomicBool,
}

impl Shortcut for Kernel {
    fn try_write(&self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn untaken(&self) -> usize {
        self.untaken.load(Ordering::Relaxed)
    }

    /// Whatever hyper had when it was asked last.
    fn written(&self) -> u64 {
        self.written.fetch_add(1 << 20, Ordering::Relaxed)
    }

    fn poll_ended(&self, _: &mut Context<'_>) -> Poll<()> {
        if self.ended.load(Ordering::Relaxed) { Poll::Ready(()) } else { Poll::Pending }
    }
}

struct Setup {
    sessions: Sessions,
    session: Arc<Session>,
    carrier: LongPoll,
    registered: Option<Registered>,
    kernel: Arc<Kernel>,
    hub: Arc<Hub>,
}

fn key(user: Option<&str>, client: &str) -> Key {
    Key { endpoint: EndpointIndex(0), user: user.map(Into::into), client: client.into() }
}

fn link() -> Arc<Link> {
    let facts = Arc::new(Connection::anybody(1));
    Arc::new(Link::new(facts, WIRE, Outbox::default(), Vec::new()).over(Transport::LongPoll))
}

fn begin() -> Setup {
    let hub = Arc::new(Hub::new(Limits::default(), Arc::new(NoTracer)));
    let sessions = Sessions::default();
    let begun = sessions.begin(key(None, "c1"), &hub, || (link(), ())).unwrap();
    let Begun { carrier, registered, .. } = begun;
    let session = sessions.find(&key(None, "c1")).unwrap();
    let (registered, kernel) = (Some(registered), Arc::default());
    Setup { sessions, session, carrier, registered, kernel, hub }
}

fn push(data: &str) -> Framed {
    let content = Payload::new(Encoding::Edn, data.to_owned());
    let frame = dialect::push(WIRE, &EventId::new("a/b"), &content, None).unwrap();
    Transport::LongPoll.frame(frame)
}

fn cx() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

impl Setup {
    fn poll(&self) -> Waiting {
        self.session.poll(self.kernel.clone()).unwrap()
    }

    fn receive(&mut self) -> Poll<Result<Inbound, Reason>> {
        self.carrier.poll_receive(&mut cx())
    }

    /// What the next message says; its callback as it is known from here on.
    fn received(&mut self, callback: bool) -> (String, Option<Callback>) {
        let Poll::Ready(Ok(Inbound::Frame(frame))) = self.receive() else { panic!("no frame") };
        let callback = callback.then(|| Callback(b":ajax".as_slice().into()));
        let callback = self.carrier.callback(callback);
        (String::from_utf8(frame.body.to_vec()).unwrap(), callback)
    }

    fn flush(&mut self) -> bool {
        self.carrier.poll_flush(&mut cx()).is_ready()
    }

    async fn post(&self, text: &'static str) -> Result<Reply, Untaken> {
        let frame = Frame { text: true, body: Bytes::from_static(text.as_bytes()) };
        let account = Account::new(Arc::clone(&self.session.link.facts));
        self.session.post(frame, account, self.kernel.clone(), Duration::from_secs(1)).await
    }

    fn reply(&mut self, to: &Callback, data: &str) {
        let content = Payload::new(Encoding::Edn, data.to_owned());
        let frame = dialect::reply(WIRE, "a/b", to, &content, None).unwrap();
        self.carrier.send(Transport::LongPoll.frame(frame));
    }

    /// Frames that nobody got.
    fn lost(&self) -> u64 {
        self.hub.meter.sum(Metric::DroppedFrames)
    }

    async fn close(self, reason: &Reason) {
        let goodbye = Transport::LongPoll.goodbye(Encoding::Edn, reason);
        self.carrier.close(goodbye, reason, Patience::new(Duration::ZERO)).await;
    }
}

/// What a request is answered; none: nothing yet.
fn gets(request: &mut (impl Future<Output = Bytes> + Unpin)) -> Option<String> {
    request.now_or_never().map(|said| String::from_utf8(said.to_vec()).unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_poll_gets_all_there_is_in_one_answer_now_or_later() {
    let mut setup = begin();
    let mut poll = setup.poll();
    assert_eq!(gets(&mut poll), None);
    setup.carrier.send(push("1"));
    setup.carrier.send(push("2"));
    assert!(!setup.flush(), "it has to be fetched");
    assert_eq!(gets(&mut poll).as_deref(), Some("[[[:a/b 1] [:a/b 2]] nil]"));
    assert!(setup.flush() && setup.carrier.is_clear());
    drop(poll);
    setup.carrier.send(push("3"));
    let mut next = setup.poll();
    assert_eq!(gets(&mut next).as_deref(), Some("[[[:a/b 3]] nil]"));
    assert_eq!(setup.lost(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_poll_for_which_there_is_nothing_is_told_so_in_time() {
    let setup = begin();
    let started = Instant::now();
    assert_eq!(setup.poll().answer(Duration::from_secs(20)).await, NOTHING);
    assert_eq!(started.elapsed(), Duration::from_secs(20));
}

#[tokio::test(start_paused = true)]
async fn a_newer_poll_ends_the_older_one_and_gets_what_comes() {
    let mut setup = begin();
    let (mut older, mut newer) = (setup.poll(), setup.poll());
    assert_eq!(gets(&mut older).as_deref(), Some(NOTHING));
    drop(older);
    assert_eq!(gets(&mut newer), None);
    assert!(setup.receive().is_pending(), "one of them waits still");
    setup.carrier.send(push("1"));
    assert_eq!(gets(&mut newer).as_deref(), Some("[[[:a/b 1]] nil]"));
}

#[tokio::test(start_paused = true)]
async fn what_is_there_is_not_given_to_a_poll_whose_client_has_gone() {
    let mut setup = begin();
    let mut poll = setup.poll();
    assert_eq!(gets(&mut poll), None);
    setup.kernel.ended.store(true, Ordering::Relaxed);
    setup.carrier.send(push("1"));
    assert_eq!(gets(&mut poll).as_deref(), Some(NOTHING));
    setup.kernel.ended.store(false, Ordering::Relaxed);
    let mut next = setup.poll();
    assert_eq!(gets(&mut next).as_deref(), Some("[[[:a/b 1]] nil]"));
}

#[tokio::test(start_paused = true)]
async fn one_that_is_sent_away_waits_for_no_poll_that_does_not_come() {
    let mut setup = begin();
    setup.carrier.send(push("1"));
    let started = Instant::now();
    let flushed = std::future::poll_fn(|cx| setup.carrier.poll_flush(cx));
    let flushed = time::timeout(GRACE * 2, flushed).await;
    assert_eq!((started.elapsed(), flushed), (GRACE, Ok(Err(Reason::Lost))));
}

/// How long a session lasts from now on.
async fn lasts(setup: &mut Setup) -> (Duration, Reason) {
    let started = Instant::now();
    let carrier = &mut setup.carrier;
    let received = std::future::poll_fn(|cx| carrier.poll_receive(cx)).await;
    (started.elapsed(), received.expect_err("nothing was sent"))
}

#[tokio::test(start_paused = true)]
async fn a_session_without_a_poll_lasts_for_five_seconds() {
    let mut setup = begin();
    assert_eq!(lasts(&mut setup).await, (GRACE, Reason::Lost));
    let mut setup = begin();
    let poll = setup.poll();
    assert!(setup.receive().is_pending());
    time::advance(Duration::from_secs(60)).await;
    assert!(setup.receive().is_pending(), "a poll waits");
    assert!(setup.carrier.take_heard(), "who polls lives");
    drop(poll);
    assert!(!setup.carrier.take_heard());
    assert_eq!(lasts(&mut setup).await, (GRACE, Reason::Lost));
    assert!(setup.session.greet(), "until its task has ended");
    assert!(setup.carrier.take_heard());
    assert_eq!(lasts(&mut setup).await, (GRACE, Reason::Lost));
}

#[tokio::test(start_paused = true)]
async fn who_is_still_taking_an_answer_is_given_time() {
    let mut setup = begin();
    setup.carrier.send(push("1"));
    let mut poll = setup.poll();
    assert!(gets(&mut poll).is_some());
    drop(poll);
    setup.kernel.untaken.store(1, Ordering::Relaxed);
    assert!(lasts(&mut setup).now_or_never().is_none());
    for _ in 0..10 {
        time::advance(GRACE).await;
        assert!(setup.receive().is_pending());
    }
    setup.kernel.untaken.store(0, Ordering::Relaxed);
    assert_eq!(lasts(&mut setup).await, (GRACE, Reason::Lost));
    assert_eq!(setup.lost(), 0, "it was taken in the end");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_cut_off_is_counted_as_lost() {
    let mut setup = begin();
    setup.carrier.send(push("1"));
    setup.carrier.send(push("2"));
    let mut poll = setup.poll();
    assert!(gets(&mut poll).is_some());
    setup.kernel.untaken.store(1, Ordering::Relaxed);
    time::advance(GRACE).await;
    assert!(setup.receive().is_pending());
    // The client asks again without having got it.
    let mut next = setup.poll();
    assert_eq!(setup.lost(), 2);
    setup.carrier.send(push("3"));
    assert!(gets(&mut next).is_some());
    time::advance(GRACE).await;
    assert!(setup.receive().is_pending());
    // Its connection ends, and it does not come back.
    drop((poll, next));
    setup.kernel = Arc::default();
    assert_eq!(lasts(&mut setup).await.1, Reason::Lost);
    assert_eq!(setup.lost(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_message_is_answered_with_its_reply_or_that_there_is_none() {
    let mut setup = begin();
    let mut asked = setup.post("one").await.unwrap();
    let mut told = setup.post("two").await.unwrap();
    let (text, callback) = setup.received(true);
    assert_eq!(text, "one");
    assert_eq!(gets(&mut asked), None);
    let (text, none) = setup.received(false);
    assert_eq!((text.as_str(), none), ("two", None));
    assert_eq!(gets(&mut told).as_deref(), Some("[:chsk/dummy-cb-200 nil]"));
    // No poll has to come for it.
    setup.reply(&callback.unwrap(), "{:a 1}");
    assert_eq!(gets(&mut asked).as_deref(), Some("[{:a 1} nil]"));
    assert!(setup.flush());
    assert!(setup.carrier.take_heard(), "who sends lives");
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_comes_too_late_is_counted_as_lost() {
    let mut setup = begin();
    let _poll = setup.poll();
    let asked = setup.post("one").await.unwrap();
    let (_, callback) = setup.received(true);
    let started = Instant::now();
    assert_eq!(asked.answer(Duration::from_secs(20)).await, NOTHING);
    assert_eq!(started.elapsed(), Duration::from_secs(20));
    setup.reply(&callback.unwrap(), "1");
    assert_eq!(setup.lost(), 1);
    // One that is there, and that nobody fetches.
    let asked = setup.post("two").await.unwrap();
    let (_, callback) = setup.received(true);
    setup.reply(&callback.unwrap(), "2");
    assert!(setup.carrier.held() > 0);
    drop(asked);
    assert_eq!((setup.lost(), setup.carrier.held()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn few_messages_wait_for_the_task_and_few_requests_for_a_place() {
    let mut setup = begin();
    let mut waiting = Vec::new();
    for _ in 0..4 {
        waiting.push(setup.post("queued").await.unwrap());
    }
    let mut fifth = Box::pin(setup.session.post(
        Frame { text: true, body: Bytes::from_static(b"fifth") },
        Account::new(Arc::clone(&setup.session.link.facts)),
        setup.kernel.clone(),
        Duration::from_secs(1),
    ));
    assert!((&mut fifth).now_or_never().is_none());
    let started = Instant::now();
    assert_eq!(fifth.await.err(), Some(Untaken::Busy));
    assert_eq!(started.elapsed(), Duration::from_secs(1));
    let session = Arc::clone(&setup.session);
    let post = || {
        let frame = Frame { text: true, body: Bytes::from_static(b"more") };
        let account = Account::new(Arc::clone(&session.link.facts));
        session.post(frame, account, Arc::<Kernel>::default(), Duration::from_secs(1))
    };
    let mut posts: Vec<_> = (0..8).map(|_| Box::pin(post())).collect();
    assert!(posts.iter_mut().all(|post| post.now_or_never().is_none()));
    assert_eq!(post().now_or_never().map(|posted| posted.err()), Some(Some(Untaken::Busy)));
    // One is taken: the first that waits has its place.
    assert_eq!(setup.received(false).0, "queued");
    assert!(posts.remove(0).now_or_never().is_some_and(|posted| posted.is_ok()));
    setup.carrier.throw_away();
    assert!(setup.receive().is_pending(), "nothing is read any more");
    let ended = posts.remove(0).now_or_never().map(|posted| posted.err());
    assert_eq!(ended, Some(Some(Untaken::Ended)));
    assert_eq!(post().now_or_never().map(|posted| posted.err()), Some(Some(Untaken::Ended)));
}

#[tokio::test(start_paused = true)]
async fn the_end_is_told_to_whoever_waits() {
    let mut setup = begin();
    let (mut poll, mut asked) = (setup.poll(), setup.post("one").await.unwrap());
    assert_eq!((gets(&mut poll), gets(&mut asked)), (None, None));
    setup.carrier.send(push("1"));
    let (session, hub) = (Arc::clone(&setup.session), Arc::clone(&setup.hub));
    tokio::join!(setup.close(&Reason::Drained), async {
        assert_eq!((&mut poll).await, "[[[:a/b 1]] nil]", "what is there comes first");
    });
    assert_eq!(gets(&mut asked).as_deref(), Some("[:chsk/error nil]"));
    assert!(session.poll(Arc::<Kernel>::default()).is_none() && !session.greet());
    assert_eq!(hub.meter.sum(Metric::DroppedFrames), 0);
}

#[tokio::test(start_paused = true)]
async fn what_no_poll_fetches_before_the_end_is_counted_as_lost() {
    let mut setup = begin();
    setup.carrier.send(push("1"));
    let hub = Arc::clone(&setup.hub);
    let started = Instant::now();
    setup.close(&Reason::Drained).await;
    assert_eq!(started.elapsed(), Duration::from_secs(2), "a poll could have come");
    assert_eq!(hub.meter.sum(Metric::DroppedFrames), 1);
    // A task that is dropped leaves nobody waiting.
    let setup = begin();
    let mut poll = setup.poll();
    assert_eq!(gets(&mut poll), None);
    drop(setup.carrier);
    assert_eq!(gets(&mut poll).as_deref(), Some(NOTHING));
}

#[tokio::test(start_paused = true)]
async fn a_session_is_found_by_whose_it_is_alone() {
    let mut setup = begin();
    let found = |key: &Key| setup.sessions.find(key).is_some();
    assert!(found(&key(None, "c1")));
    assert!(!found(&key(Some("ann"), "c1")), "another user's");
    assert!(!found(&key(None, "c2")));
    assert!(!found(&Key { endpoint: EndpointIndex(1), ..key(None, "c1") }));
    assert!(setup.sessions.has(EndpointIndex(0), "c1"), "whose ever it is");
    assert!(!setup.sessions.has(EndpointIndex(0), "c2"));
    assert!(!setup.sessions.has(EndpointIndex(1), "c1"));
    // When it is over a newer one takes the name, and keeps it when the older one goes.
    setup.carrier.mailbox.end(Bytes::new());
    let newer = setup.sessions.begin(key(None, "c1"), &setup.hub, || (link(), ())).unwrap();
    drop(setup.registered.take());
    assert!(setup.sessions.find(&key(None, "c1")).is_some());
    drop(newer);
    assert!(setup.sessions.find(&key(None, "c1")).is_none());
    assert!(!setup.sessions.has(EndpointIndex(0), "c1"));
}

#[tokio::test(start_paused = true)]
async fn of_two_that_begin_at_once_the_later_one_gets_the_firsts_session() {
    let setup = begin();
    let again = setup.sessions.begin(key(None, "c1"), &setup.hub, || -> (Arc<Link>, ()) {
        panic!("there is one");
    });
    assert!(again.is_err_and(|session| Arc::ptr_eq(&session, &setup.session)));
    let another = setup.sessions.begin(key(Some("ann"), "c1"), &setup.hub, || (link(), ()));
    assert!(another.is_ok(), "of another user");
}

#[tokio::test(start_paused = true)]
async fn of_those_that_were_greeted_and_never_polled_the_oldest_goes_first() {
    let mut setup = begin();
    let connections = 24.try_into().unwrap();
    setup.hub = Arc::new(Hub::new(Limits { connections, ..Limits::default() }, Arc::new(NoTracer)));
    // It has polled, and waits for nothing more.
    drop(setup.poll());
    let begin = |client: &str| {
        setup.sessions.begin(key(None, client), &setup.hub, || (link(), ())).unwrap()
    };
    let is_there = |client: &str| setup.sessions.find(&key(None, client)).is_some();
    let mut begun: Vec<_> = ["c2", "c3", "c4"].into_iter().map(begin).collect();
    assert!(
        ["c1", "c2", "c3", "c4"].into_iter().all(is_there),
        "an eighth of the places is theirs"
    );
    assert!(setup.sessions.find(&key(None, "c2")).unwrap().poll(setup.kernel.clone()).is_some());
    begun.extend(["c5", "c6"].map(begin));
    assert!(!is_there("c3") && !setup.sessions.has(EndpointIndex(0), "c3"));
    assert!(["c1", "c2", "c4", "c5", "c6"].into_iter().all(is_there));
    // It ends at once, though there is something to hear.
    let oldest = &mut begun[1].carrier;
    oldest.send(push("1"));
    assert_eq!(oldest.poll_flush(&mut cx()), Poll::Ready(Err(Reason::Unpolled)));
    assert_eq!(begun[2].carrier.poll_flush(&mut cx()), Poll::Ready(Ok(())));
    let goodbye = Transport::LongPoll.goodbye(Encoding::Edn, &Reason::Unpolled);
    let closing =
        begun.swap_remove(1).carrier.close(goodbye, &Reason::Unpolled, Patience::new(GRACE));
    assert!(closing.now_or_never().is_some(), "nobody is waited for");
    assert_eq!(setup.lost(), 1);
}

#[tokio::test(start_paused = true)]
async fn of_many_that_ask_at_once_few_wait_for_what_they_are_answered() {
    let mut setup = begin();
    let mut asked = Vec::new();
    for _ in 0..16 {
        asked.push(setup.post("asks").await.unwrap());
        let _callback = setup.received(true);
    }
    assert_eq!(
        setup.post("one more").now_or_never().map(|posted| posted.err()),
        Some(Some(Untaken::Busy))
    );
    let held = || setup.session.link.facts.waiting.holding.bytes();
    assert_eq!(held(), 16 * 4096, "each counts as a connection does");
    drop(asked.pop());
    assert_eq!(held(), 15 * 4096);
    assert!(setup.post("one more").now_or_never().is_some_and(|posted| posted.is_ok()));
}

#[tokio::test(start_paused = true)]
async fn a_reply_to_who_has_hung_up_is_counted_as_lost() {
    let mut setup = begin();
    let _poll = setup.poll();
    let mut asked = setup.post("one").await.unwrap();
    let (_, callback) = setup.received(true);
    assert_eq!(gets(&mut asked), None);
    setup.kernel.ended.store(true, Ordering::Relaxed);
    setup.reply(&callback.unwrap(), "1");
    assert_eq!(gets(&mut asked).as_deref(), Some(NOTHING), "it is said to nobody");
    drop(asked);
    assert_eq!((setup.lost(), setup.carrier.held()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn no_more_is_taken_than_may_wait_and_a_ping_is_nothing() {
    let mut setup = begin();
    setup.carrier.send(Transport::LongPoll.ping());
    assert!(setup.carrier.is_clear());
    let large = format!("\"{}\"", "x".repeat(10_000));
    let mut count = 0;
    while setup.carrier.has_room() {
        setup.carrier.send(push(&large));
        count += 1;
    }
    assert_eq!(count, 7);
    assert!(setup.carrier.held() < 80_000);
    let mut poll = setup.poll();
    assert!(gets(&mut poll).is_some_and(|answer| answer.len() > 70_000));
    assert_eq!((setup.carrier.held(), setup.carrier.has_room()), (0, true));
}
