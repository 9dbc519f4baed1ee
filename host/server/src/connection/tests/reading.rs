//! A connection is read as fast as its events are decided: bursts are answered, a plugin that is behind
//! slows the sender, and nothing is ever lost without a word.

use super::*;
use std::{
    sync::{Mutex, OnceLock, atomic::AtomicUsize},
    task::Waker,
};
use tengen_core::{
    event::{self, Event},
    handler::Seen,
};
use tengen_wire::fault::{Fault, FaultId};
use tokio_util::task::TaskTracker;

/// A handler with a queue: it takes so many events, and decides about them when it is told to.
#[derive(Debug)]
struct Desk {
    events: Mutex<Vec<Event>>,
    bound: usize,
    /// It decides whenever a turn ends.
    eager: bool,
    echo: OnceLock<Echo>,
    waiting_task: Mutex<Option<Waker>>,
    lost: AtomicUsize,
}

impl Desk {
    fn new(bound: usize, eager: bool) -> Arc<Self> {
        Arc::new(Self {
            events: Mutex::default(),
            bound,
            eager,
            echo: OnceLock::new(),
            waiting_task: Mutex::default(),
            lost: AtomicUsize::new(0),
        })
    }

    /// Decides about so many of the events that wait, in their order.
    fn decide(&self, count: usize) {
        let mut events = self.events.lock().unwrap();
        let count = count.min(events.len());
        let decided: Vec<_> = events.drain(..count).collect();
        let has_room = 2 * events.len() < self.bound;
        drop(events);
        for event in decided {
            self.echo.get().unwrap().offer(event).unwrap();
        }
        if has_room && let Some(task) = self.waiting_task.lock().unwrap().take() {
            task.wake();
        }
    }

    fn waiting(&self) -> usize {
        self.events.lock().unwrap().len()
    }
}

impl Handler for Desk {
    fn offer(&self, event: Event) -> Result<(), Box<Declined>> {
        let mut events = self.events.lock().unwrap();
        if !matches!(event.what, tengen_core::event::Occurrence::Message(_)) {
            return Ok(());
        }
        if events.len() >= self.bound {
            let why = Fault::new(FaultId::Overloaded, "full");
            return Err(Box::new(Declined { event, why }));
        }
        events.push(event);
        Ok(())
    }

    fn settle(&self) {
        if self.eager {
            self.decide(usize::MAX);
        }
    }

    fn has_room(&self, _: &event::Connection, _: &mut Seen, task: &Waker) -> bool {
        let has_room = 2 * self.waiting() < self.bound;
        *self.waiting_task.lock().unwrap() = Some(task.clone());
        has_room
    }

    fn lost(&self, _: FaultId) {
        self.lost.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }
}

/// A peer whose events come to this desk.
async fn at_desk(desk: &Arc<Desk>, setup: Setup) -> Bench {
    let handler = Some(Arc::clone(desk) as Arc<dyn Handler>);
    let mut bench = connect(Setup { handler, ..setup }).await;
    let actor = Arc::clone(&bench.hub) as Arc<dyn Actor>;
    desk.echo.set(Echo { name: "echo".into(), actor }).unwrap();
    if bench.link.wire.dialect != Dialect::Raw {
        bench.text().await;
    }
    bench
}

fn waits(events: u32) -> Limits {
    Limits { waiting_events: events, ..Limits::default() }
}

fn seconds(started: time::Instant) -> f64 {
    started.elapsed().as_secs_f64()
}

impl Bench {
    /// Sends all of these in one write.
    async fn burst(&mut self, frames: impl IntoIterator<Item = Message>) {
        for frame in frames {
            self.peer.feed(frame).await.unwrap();
        }
        self.peer.flush().await.unwrap();
    }

    async fn asks(&mut self, numbers: std::ops::RangeInclusive<u32>) {
        self.burst(
            numbers.map(|number| Message::text(format!(r#"[["a/b",{number}],"cb{number}"]"#))),
        )
        .await;
    }
}

// A burst to an idle plugin is never refused.
#[tokio::test(start_paused = true)]
async fn a_thousand_asks_in_one_write_are_answered_in_order_in_every_dialect() {
    let wires = [
        (Dialect::Tengen, Encoding::Json, r#"[["a/b",#],"cb#"]"#, r##"[#,"cb#"]"##),
        (Dialect::Tengen, Encoding::Edn, r#"[[:a/b #] "cb#"]"#, r##"[# "cb#"]"##),
        (Dialect::Sente, Encoding::Edn, r#"[[:a/b #] "cb#"]"#, r##"[# "cb#"]"##),
        (Dialect::Raw, Encoding::Text, "#", "#"),
    ];
    for (dialect, format, ask, answer) in wires {
        let desk = Desk::new(8192, true);
        let setup = Setup { dialect, format, pipe: 1 << 20, ..Setup::default() };
        let mut bench = at_desk(&desk, setup).await;
        let frames = (0..1000).map(|number: u32| ask.replace('#', &number.to_string()));
        bench.burst(frames.map(Message::text)).await;
        for number in 0..1000 {
            assert_eq!(bench.text().await, answer.replace('#', &number.to_string()), "{dialect:?}");
        }
        assert_eq!(bench.hub.meter.sum(Metric::DeclinedEvents), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_burst_over_the_bytes_that_may_wait_is_answered_too() {
    let desk = Desk::new(8192, true);
    let limits = Limits { waiting_bytes: 1000, ..Limits::default() };
    let mut bench = at_desk(&desk, Setup { limits, ..Setup::default() }).await;
    // Each third one is larger than all that may wait.
    let body = |number: u32| "x".repeat(if number.is_multiple_of(3) { 1500 } else { 400 });
    let ask = |number| Message::text(format!(r#"[["a/b","{}"],"cb{number}"]"#, body(number)));
    bench.burst((0..30).map(ask)).await;
    for number in 0..30 {
        assert_eq!(bench.text().await, format!(r#"["{}","cb{number}"]"#, body(number)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_burst_to_an_idle_plugin_with_a_short_queue_is_answered_too() {
    let desk = Desk::new(3, true);
    let mut bench = at_desk(&desk, Setup::default()).await;
    bench.asks(1..=200).await;
    for number in 1..=200 {
        assert_eq!(bench.text().await, format!(r#"[{number},"cb{number}"]"#));
    }
    assert_eq!(desk.lost.load(std::sync::atomic::Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn a_connection_goes_on_at_once_when_its_plugin_has_caught_up() {
    for (bound, share) in [(8192, 4), (4, 64)] {
        let desk = Desk::new(bound, false);
        let mut bench = at_desk(&desk, Setup { limits: waits(share), ..Setup::default() }).await;
        let started = time::Instant::now();
        bench.asks(1..=20).await;
        for number in 1..=20 {
            while desk.waiting() == 0 {
                tokio::task::yield_now().await;
            }
            assert!(desk.waiting() <= 4, "it is not read any further");
            desk.decide(1);
            assert_eq!(bench.text().await, format!(r#"[{number},"cb{number}"]"#));
        }
        assert_eq!(started.elapsed(), Duration::ZERO, "nobody waited for a clock");
    }
}

#[tokio::test(start_paused = true)]
async fn the_pause_is_counted_from_its_beginning_and_not_for_each_event() {
    behind_a_slow_plugin(400).await;
}

#[tokio::test(start_paused = true)]
async fn pauses_in_front_of_a_ping_count_together_whatever_found_its_place_between_them() {
    behind_a_slow_plugin(100).await;
}

/// One event takes so many milliseconds: 20 of them would take longer than a ping may wait.
async fn behind_a_slow_plugin(milliseconds: u64) {
    let desk = Desk::new(8192, false);
    let mut bench = at_desk(&desk, Setup { limits: waits(4), ..Setup::default() }).await;
    let started = time::Instant::now();
    let asks = (1..=20).map(|number| Message::text(format!(r#"[["a/b",{number}],"cb{number}"]"#)));
    bench.burst(asks.chain([Message::text(r#"[["chsk/ws-ping"],"p"]"#)])).await;
    let slow = Arc::clone(&desk);
    let plugin = TaskTracker::new().spawn(async move {
        loop {
            time::sleep(Duration::from_millis(milliseconds)).await;
            slow.decide(1);
        }
    });
    let mut answered = 0;
    loop {
        match bench.text().await {
            pong if pong == r#"["pong","p"]"# => break,
            answer => {
                answered += 1;
                assert_eq!(answer, format!(r#"[{answered},"cb{answered}"]"#));
            }
        }
    }
    assert!((1.0..1.1).contains(&seconds(started)), "after {}", seconds(started));
    // Control goes first; behind it is the word for each event that found no place.
    let refused = bench.hub.meter.sum(Metric::DeclinedEvents);
    assert_eq!(refused, 20 - 4 - answered);
    for _ in 0..refused {
        let answer = bench.text().await;
        assert!(answer.contains(r#""id":"overloaded""#), "{answer}");
    }
    plugin.abort();
}

#[tokio::test(start_paused = true)]
async fn what_finds_no_place_is_refused_at_once_until_less_than_half_waits() {
    let desk = Desk::new(8192, false);
    let mut bench = at_desk(&desk, Setup { limits: waits(4), ..Setup::default() }).await;
    bench.asks(1..=5).await;
    assert!(bench.text().await.ends_with(r#""cb5"]"#), "after a second");
    let started = time::Instant::now();
    bench.asks(6..=6).await;
    assert!(bench.text().await.ends_with(r#""cb6"]"#));
    assert_eq!(started.elapsed(), Duration::ZERO, "it is behind already");
    // Two of four are not less than half.
    desk.decide(2);
    assert_eq!(bench.text().await, r#"[1,"cb1"]"#);
    assert_eq!(bench.text().await, r#"[2,"cb2"]"#);
    bench.asks(7..=9).await;
    assert!(bench.text().await.ends_with(r#""cb9"]"#), "7 and 8 found a place");
    assert_eq!(started.elapsed(), Duration::ZERO);
    // Now it has caught up, and the next burst is waited for.
    desk.decide(4);
    for number in [3, 4, 7, 8] {
        assert_eq!(bench.text().await, format!(r#"[{number},"cb{number}"]"#));
    }
    bench.asks(10..=14).await;
    assert!(bench.text().await.ends_with(r#""cb14"]"#));
    assert_eq!(started.elapsed(), Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn an_event_without_a_callback_is_not_lost_without_a_word() {
    for (bound, share) in [(8192, 2), (2, 64)] {
        let desk = Desk::new(bound, false);
        let mut bench = at_desk(&desk, Setup { limits: waits(share), ..Setup::default() }).await;
        bench.burst((1..=3).map(|_| Message::text(r#"[["a/b",1]]"#))).await;
        let said = bench.text().await;
        assert!(said.starts_with(r#"[[["tengen/error",{"id":"overloaded""#), "{said}");
        let counted = bench.hub.meter.sum(Metric::DeclinedEvents);
        assert_eq!(counted, 1);
        assert_eq!(desk.lost.load(std::sync::atomic::Ordering::Relaxed), usize::from(bound == 2));
    }
}

#[tokio::test(start_paused = true)]
async fn a_raw_peer_that_cannot_be_told_is_sent_away() {
    let desk = Desk::new(8192, false);
    let setup = Setup {
        dialect: Dialect::Raw,
        format: Encoding::Text,
        limits: waits(2),
        ..Setup::default()
    };
    let mut bench = at_desk(&desk, setup).await;
    bench.burst((1..=3).map(|_| Message::text("data"))).await;
    let code = time::timeout(Duration::from_secs(10), bench.close_code()).await;
    assert_eq!(code.expect("it is sent away"), 1013);
    assert_eq!(bench.ended.await.unwrap(), Reason::Overloaded);
}

#[tokio::test(start_paused = true)]
async fn while_a_peer_is_not_read_its_silence_is_ours() {
    let desk = Desk::new(8192, false);
    let limits = Limits { wait: Duration::from_secs(120), ..waits(1) };
    let setup =
        Setup { dialect: Dialect::Sente, format: Encoding::Edn, limits, ..Setup::default() };
    let mut bench = at_desk(&desk, setup).await;
    let started = time::Instant::now();
    bench.burst((1..=2).map(|_| Message::text(r#"[[:a/b 1] "cb"]"#))).await;
    time::sleep(Duration::from_secs(100)).await;
    assert!(!bench.ended.is_finished(), "closed though it was not read");
    desk.decide(1);
    // Pings that went out meanwhile come first.
    while !matches!(bench.peer.next().await.unwrap().unwrap(), Message::Text(text) if text == r#"[1 "cb"]"#)
    {
    }
    assert_eq!(seconds(started), 100.0);
    assert_eq!(desk.waiting(), 1, "it is read again");
}

#[tokio::test(start_paused = true)]
async fn one_that_is_sent_away_gets_the_answer_to_what_was_stuck() {
    let desk = Desk::new(2, false);
    let mut bench = at_desk(&desk, Setup::default()).await;
    bench.asks(1..=3).await;
    while desk.waiting() < 2 {
        tokio::task::yield_now().await;
    }
    bench.link.send_away();
    tokio::task::yield_now().await;
    for number in 1..=3 {
        desk.decide(1);
        assert_eq!(bench.text().await, format!(r#"[{number},"cb{number}"]"#));
    }
    assert_eq!(bench.close_code().await, 1012);
}

/// Panics at a message, and hears of ends.
#[derive(Debug, Default)]
struct Panics(Mutex<Vec<&'static str>>);

impl Handler for Panics {
    fn offer(&self, event: Event) -> Result<(), Box<Declined>> {
        use tengen_core::event::Occurrence::{Closed, Message, Opened};
        let heard = match &event.what {
            Opened => "opened",
            Closed(_) => "closed",
            Message(message) if message.id.as_str() == "a/panic" => {
                panic!("a fault of the gateway")
            }
            _ => "other",
        };
        self.0.lock().unwrap().push(heard);
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_its_task_ends_the_connection_and_leaves_nothing_of_it_behind() {
    let handler = Arc::<Panics>::default();
    let given = Some(Arc::clone(&handler) as Arc<dyn Handler>);
    let mut bench = connect(Setup { handler: given, ..Setup::default() }).await;
    bench.text().await;
    bench.burst([r#"[["a/b"]]"#, r#"[["a/panic"]]"#].map(Message::text)).await;
    assert_eq!(bench.close_code().await, 1011);
    assert_eq!(bench.ended.await.unwrap(), Reason::Internal);
    assert!(bench.hub.is_empty());
    assert_eq!(bench.link.facts.waiting.events(), 0);
    assert_eq!(*handler.0.lock().unwrap(), ["opened", "other", "closed"]);
}
