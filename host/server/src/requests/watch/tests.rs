//! What each state of an HTTP connection is given, and whose time is over.

use super::*;
use crate::requests::places::Places;
use futures_util::FutureExt;

const SECOND: Duration = Duration::from_secs(1);

fn rules() -> (Limits, Times) {
    let limits = Limits { bytes: 100, lines: 5 };
    let times = Times { head: SECOND * 10, answer: SECOND * 60, keep_alive: Some(SECOND * 75) };
    (limits, times)
}

fn watch(start: Instant) -> Watch {
    watch_of(start, Arc::new(Empty))
}

fn watch_of(start: Instant, kernel: Arc<dyn Shortcut>) -> Watch {
    let places = Places::new(1, None);
    let place = places.take([127, 0, 0, 1].into()).now_or_never().unwrap().unwrap();
    Watch::new(rules(), place.ticket(), kernel, start)
}

/// A kernel that holds nothing for the peer.
#[derive(Debug)]
struct Empty;

impl Shortcut for Empty {
    fn try_write(&self, _: &[u8]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::WouldBlock.into())
    }
}

#[track_caller]
fn ends(watch: &Watch, from: Instant, late: Late, seconds: u32) {
    let end = from + SECOND * seconds;
    assert!(watch.next(end - SECOND / 1000).is_ok(), "too early");
    assert_eq!(watch.next(end), Err(late));
}

#[test]
fn silence_a_head_and_a_pause_have_each_their_time() {
    let start = Instant::now();
    let watch = watch(start);
    ends(&watch, start, Late::Silent, 10);
    let first = start + SECOND * 9;
    assert_eq!(watch.read(b"GET / HT", first), Some(8));
    ends(&watch, first, Late::Head, 10);
    // A byte now and then buys no time.
    assert_eq!(watch.read(b"TP", first + SECOND * 9), Some(2));
    ends(&watch, first, Late::Head, 10);
    assert_eq!(watch.read(b"/1.1\r\n\r\nGET", first), Some(8));
    watch.answers(false, first);
    watch.answered(first);
    ends(&watch, first, Late::Idle, 75);
    let next = first + SECOND * 74;
    assert_eq!(watch.read(b"G", next), Some(1));
    ends(&watch, next, Late::Head, 10);
}

#[test]
fn behind_a_posted_body_comes_a_head_and_not_in_it() {
    let start = Instant::now();
    let watch = watch(start);
    assert_eq!(watch.read(b"POST / HTTP/1.1\r\n\r\nhe", start), Some(19));
    watch.expects_body(14);
    watch.answers(false, start);
    assert_eq!(watch.read(b"he", start), Some(2));
    assert_eq!(watch.read(b"llo\r\n\r\nGET", start), Some(10));
    assert_eq!(watch.read(b" /GET / HTTP/1.1\r\n\r\n", start), Some(2));
    assert_eq!(watch.read(b"GET / HTTP/1.1\r\n\r\nG", start), Some(18));
    assert!(!watch.leaves_body());
    watch.expects_body(3);
    assert_eq!(watch.read(b"ab", start), Some(2));
    assert!(watch.leaves_body(), "the rest is nobody's");
    assert!(watch.is_headless());
}

#[test]
fn a_stream_has_no_time_and_no_pace_of_the_requests() {
    let start = Instant::now();
    let watch = watch(start);
    watch.answers(false, start);
    watch.streams();
    watch.wrote(None, start);
    assert!(watch.next(start + SECOND * 3600).is_ok());
    watch.answered(start + SECOND * 3600);
    watch.wrote(Some(1), start + SECOND * 3600);
    ends(&watch, start + SECOND * 3600, Late::Idle, 75);
}

#[test]
fn a_head_that_came_during_an_answer_has_its_time_after_it() {
    let start = Instant::now();
    let watch = watch(start);
    watch.answers(false, start);
    assert_eq!(watch.read(b"GET /", start), Some(5));
    let later = start + SECOND * 30;
    watch.answered(later);
    ends(&watch, later, Late::Head, 10);
}

#[test]
fn an_answer_goes_on_while_the_peer_takes_it() {
    let start = Instant::now();
    let watch = watch(start);
    watch.answers(false, start);
    // 1 KiB a second for ten minutes.
    for second in 0..600 {
        let now = start + SECOND * second;
        watch.wrote(Some(1024), now);
        watch.wrote(None, now);
        assert!(watch.next(now + SECOND / 2).is_ok(), "after {second} s");
    }
    let stopped = start + SECOND * 600;
    let late = (0..120).find(|more| watch.next(stopped + SECOND * *more).is_err());
    assert!(late.is_some(), "who takes nothing any more goes");
    assert_eq!(watch.next(stopped + SECOND * 120), Err(Late::Reader));
}

/// A kernel that took a megabyte at once and gives it to the peer at 2 KiB a second.
#[derive(Debug)]
struct Full(Instant);

impl Shortcut for Full {
    fn try_write(&self, _: &[u8]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::WouldBlock.into())
    }

    fn untaken(&self) -> usize {
        let taken = self.0.elapsed().as_secs() * (2 << 10);
        (1_usize << 20).saturating_sub(usize::try_from(taken).unwrap())
    }
}

// Systems say that a socket can be written to again when a third of its buffer is free: that takes minutes here.
#[tokio::test(start_paused = true)]
async fn who_takes_what_the_system_holds_is_not_cut_off_because_nothing_is_written() {
    let start = Instant::now();
    let watch = watch_of(start, Arc::new(Full(start)));
    for answered in [false, true] {
        watch.answers(false, start);
        watch.wrote(Some(1 << 20), start);
        if answered {
            watch.answered(start);
        }
        watch.wrote(None, start);
        for _ in 0..200 {
            tokio::time::advance(SECOND).await;
            let now = Instant::now();
            assert!(watch.next(now).is_ok(), "after {:?}, {answered}", now - start);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_has_not_left_is_still_given_and_its_pause_begins_when_it_has() {
    let start = Instant::now();
    let places = Places::new(1, None);
    let place = places.take([127, 0, 0, 1].into()).now_or_never().unwrap().unwrap();
    let watch = Watch::new(rules(), place.ticket(), Arc::new(Empty), start);
    watch.answers(false, start);
    watch.wrote(Some(1 << 16), start);
    watch.answered(start);
    watch.wrote(None, start);
    watch.idles();
    tokio::time::advance(SECOND).await;
    assert!(places.take([127, 0, 0, 1].into()).now_or_never().is_none());
    assert!(place.evicted().now_or_never().is_none(), "it does not wait for a head");
    let later = start + SECOND * 30;
    watch.wrote(Some(1), later);
    ends(&watch, later, Late::Idle, 75);
}

#[test]
fn a_request_of_whose_answer_nothing_was_written_can_be_told_something_else() {
    let start = Instant::now();
    let watch = watch(start);
    assert!(!watch.is_to_be_told());
    watch.answers(true, start);
    assert!(watch.is_to_be_told());
    watch.wrote(Some(1), start);
    assert!(!watch.is_to_be_told());
}

#[test]
fn an_answer_that_nobody_makes_ends() {
    let start = Instant::now();
    let watch = watch(start);
    watch.answers(false, start);
    ends(&watch, start, Late::Answer, 60);
}

#[test]
fn what_is_wrong_is_told_when_all_else_is_answered() {
    let start = Instant::now();
    let watch = watch(start);
    watch.answers(false, start);
    assert_eq!(watch.read(b"GET / HTTP/1.1\n", start), None);
    assert!(watch.is_wrong());
    assert_eq!(watch.wrong(), None, "an answer is under way");
    watch.wrote(None, start);
    watch.answered(start);
    assert_eq!(watch.wrong(), None, "it has not left");
    watch.wrote(Some(10), start);
    assert_eq!(watch.wrong(), Some(Wrong::BareLineFeed));
}

#[test]
fn what_is_no_head_is_not_looked_at() {
    let start = Instant::now();
    let watch = watch(start);
    watch.answers(true, start);
    let frame = b"\x81\x85\n\n\n\n\n\n\n\n\n";
    assert_eq!(watch.read(frame, start), Some(frame.len()));
    watch.wrote(Some(1), start);
    watch.answered(start);
    assert!(!watch.is_to_be_told());
}

#[tokio::test(start_paused = true)]
async fn a_posted_message_is_whole_with_its_body() {
    for (came, goes_first) in [("hel", true), ("hello", false)] {
        let start = Instant::now();
        let places = Places::new(1, None);
        let place = places.take([127, 0, 0, 1].into()).now_or_never().unwrap().unwrap();
        let watch = Watch::new(rules(), place.ticket(), Arc::new(Empty), start);
        watch.expects_body(5);
        watch.answers(false, start);
        assert_eq!(watch.read(came.as_bytes(), start), Some(came.len()));
        tokio::time::advance(SECOND).await;
        assert!(places.take([127, 0, 0, 1].into()).now_or_never().is_none());
        assert_eq!(place.evicted().now_or_never().is_some(), goes_first, "{came}");
    }
}
