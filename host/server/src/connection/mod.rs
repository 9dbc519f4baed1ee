//! One connection, from the end of the upgrade to the close frame.
//!
//! One task reads, decodes, routes, writes, pings and closes. Pings are answered in here, so that no plugin can delay
//! them. Everything that is readable is drained before anything is written, and one flush ends each turn.

mod callback;
mod large;
mod opened;
mod reading;
mod surroundings;
mod taking;
mod upload;
mod words;

use crate::{
    hub::{Account, Left, Link},
    router::Turn,
    transport::{Carrier, Inbound as Read},
};
pub use large::Line;
pub use surroundings::Surroundings;
use tengen_core::{
    heartbeat::{Due, Heartbeat, Rules},
    meter::Happened,
    pace::Pace,
    rate::Meter,
    trace::Span,
};
use tengen_wire::{
    close::Reason,
    dialect::{self, Inbound},
    fault::{Fault, FaultId},
    payload::Frame,
};

use large::{Entered, InLine, Place, Wait};
use opened::Opened;
use reading::Reading;
use std::{
    future::{Future, poll_fn},
    ops::ControlFlow,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};
use tokio::time::{self, Sleep};
use upload::Upload;
use words::{greet, say_goodbye};

/// Frames read in one turn before others get theirs.
const TURN: usize = 256;

/// How often one that is not read for want of memory looks whether there is some.
const SHORT_OF_MEMORY: Duration = Duration::from_millis(50);

/// Serves a connection until it ends, and says why it did. `carrier` makes its transport, inside of the task: what is given to
/// it before takes its place twice.
pub async fn serve<C: Carrier>(
    carrier: impl FnOnce(&Link, &Surroundings) -> C,
    link: Arc<Link>,
    rules: Rules,
    around: Arc<Surroundings>,
) -> Reason {
    let carrier = greet(carrier(&link, &around), &link);
    // Whatever panics in here is a fault of the gateway. It costs this connection, which ends like any other: nothing of
    // it stays in the tables, and its handlers hear of its end.
    let Ok(opened) = catch_unwind(AssertUnwindSafe(|| Opened::new(&link, &around))) else {
        Box::pin(say_goodbye(carrier, &link, &Reason::Internal)).await;
        return Reason::Internal;
    };
    let heartbeat = Heartbeat::new(rules, now());
    let pace = Pace::new(around.outbox.write_deadline);
    let timer = Box::pin(time::sleep_until(heartbeat.next().into()));
    let mut driver = Driver {
        carrier,
        opened,
        account: Account::new(Arc::clone(&link.facts)),
        upload: Upload::default(),
        around,
        heartbeat,
        timer,
        armed: false,
        turned: now(),
        pace,
        asked: 0,
        unflushed: Vec::new(),
        reading: Reading::default(),
        in_line: None,
        to_read: Wait::default(),
        malformed: None,
    };
    let reason = poll_fn(|cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| driver.poll(cx)));
        polled.unwrap_or(Poll::Ready(Reason::Internal))
    })
    .await;
    let Driver { mut carrier, opened, mut account, in_line, to_read, .. } = driver;
    // A goodbye takes its time, in which nobody looks whether its turn has come.
    drop((in_line, to_read));
    opened.end(&reason);
    carrier.throw_away();
    account.set(carrier.held());
    // In a box: what the last seconds need would otherwise be a part of the task all its life.
    Box::pin(say_goodbye(carrier, &link, &reason)).await;
    drop(account);
    reason
}

#[derive(Debug)]
struct Driver<C> {
    carrier: C,
    opened: Opened,
    /// What of the budget the task itself holds.
    account: Account,
    upload: Upload,
    around: Arc<Surroundings>,
    heartbeat: Heartbeat,
    timer: Pin<Box<Sleep>>,
    /// Whether the timer knows whom to wake.
    armed: bool,
    /// When the last turn was.
    turned: Instant,
    /// How fast the peer takes what we have for it.
    pace: Pace,
    /// What the peer had taken in all when it was pinged.
    asked: u64,
    /// Spans of deliveries that the kernel has not taken yet.
    unflushed: Vec<Arc<Span>>,
    reading: Reading,
    /// A large message that waits for its turn; nothing behind it is read.
    in_line: Option<Box<InLine>>,
    /// It waits to read more of a large message.
    to_read: Wait,
    /// How often the peer's messages were malformed; absent before the first.
    malformed: Option<Box<Meter>>,
}

impl<C: Carrier> Driver<C> {
    /// One turn: read, look at the clock, write. Ready when the connection is over.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Reason> {
        if let Some(rest) = self.link().begin_turn() {
            self.unflushed.extend(rest.spans);
            self.carrier.send_rest(&rest.bytes);
        }
        let now = now();
        if self.link().is_shed() {
            return Poll::Ready(Reason::Memory);
        }
        let ended = self.look_at_end(now).or_else(|| self.read(cx, now)).or_else(|| {
            self.look_at_successor(now);
            self.look_at_clock(cx, now)
        });
        if let Some(reason) = ended {
            return Poll::Ready(reason);
        }
        match self.write(cx, now) {
            Some(reason) => Poll::Ready(reason),
            None => {
                self.wait(cx, now);
                Poll::Pending
            }
        }
    }

    /// The turn is over: from here on, others wake the task.
    fn wait(&mut self, cx: &mut Context<'_>, now: Instant) {
        self.turned = now;
        let in_line = self.in_line.as_ref().map_or(0, |message| message.bytes());
        self.account.set(self.carrier.held() + self.opened.source.stuck_bytes() + in_line);
        let more = self.link().end_turn(cx.waker(), self.carrier.is_clear());
        // One that is sent away goes when its last event is decided, and is woken then.
        let more = more || self.link().is_ending() && self.link().is_done(cx.waker());
        // While the kernel takes nothing, the socket is what wakes.
        if more && !self.pace.is_stuck() {
            cx.waker().wake_by_ref();
        }
        self.set_timer(cx, now);
    }

    fn read(&mut self, cx: &mut Context<'_>, now: Instant) -> Option<Reason> {
        let table = self.around.router.table();
        let (mut turn, mut place) = (Turn::at(now, &table), None);
        let ended = self.read_turn(cx, now, &mut turn, &mut place);
        // All is read: now it is decided about, and the answers are there. A large message keeps its place until then.
        turn.settle();
        drop(place);
        ended
    }

    fn read_turn(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        turn: &mut Turn<'_>,
        place: &mut Option<Place>,
    ) -> Option<Reason> {
        let waits = self.account.is_to_wait();
        if waits || !self.reads(cx, now, turn) || self.link().is_ending() {
            self.heartbeat.deafen(now);
            self.in_line.iter_mut().for_each(|message| message.step_aside());
            self.to_read.step_aside();
            return None;
        }
        let Self { around, carrier, to_read, .. } = self;
        let Poll::Ready(reads) = around.large.poll_read(carrier.unfinished(), to_read, cx) else {
            self.heartbeat.deafen(now);
            return None;
        };
        self.heartbeat.listen(now);
        self.carrier.begin_turn();
        let ended = self.read_frames(cx, now, turn, place);
        if self.carrier.take_heard() {
            if let Some(after) = self.heartbeat.pinged(now) {
                self.around.hub.meter.round_trip(after);
            }
            self.heartbeat.heard(now);
        }
        if self.upload.is_too_slow(now, self.carrier.unfinished()) {
            self.link().close(Reason::Unfinished);
        }
        // There may be more to read: in a turn of its own.
        match reads {
            _ if !self.carrier.is_exhausted() => {}
            Some(place) => self.to_read.again(place, cx),
            None => cx.waker().wake_by_ref(),
        }
        ended
    }

    fn read_frames(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        turn: &mut Turn<'_>,
        place: &mut Option<Place>,
    ) -> Option<Reason> {
        let mut frames = 0..TURN;
        while place.is_none() && frames.next().is_some() {
            match self.poll_frame(cx, now) {
                Poll::Pending => return None,
                Poll::Ready(Err(reason @ (Reason::Peer(_) | Reason::Lost))) => return Some(reason),
                Poll::Ready(Err(reason)) => {
                    // What was decided before the bad frame is written before the close.
                    self.link().close(reason);
                    return None;
                }
                Poll::Ready(Ok(None)) => {}
                Poll::Ready(Ok(Some(entered))) => {
                    *place = entered.place;
                    self.receive(entered.frame, turn);
                    if self.opened.source.is_stuck() && !self.reads(cx, now, turn) {
                        self.heartbeat.deafen(now);
                        return None;
                    }
                }
            }
        }
        cx.waker().wake_by_ref();
        None
    }

    /// The next frame that can be worked on; none: it was the protocol's own.
    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
    ) -> Poll<Result<Option<Entered>, Reason>> {
        if self.in_line.is_none() {
            match self.carrier.poll_receive(cx) {
                Poll::Ready(Ok(Read::Frame(frame))) => match self.around.large.enter(frame) {
                    Ok(entered) => return Poll::Ready(Ok(Some(entered))),
                    Err(in_line) => self.in_line = Some(in_line),
                },
                Poll::Ready(Ok(Read::Control)) => return Poll::Ready(Ok(None)),
                Poll::Ready(Err(reason)) => return Poll::Ready(Err(reason)),
                Poll::Pending => {
                    if !self.carrier.is_exhausted() {
                        self.reading.is_at_the_end();
                    }
                    return Poll::Pending;
                }
            }
        }
        match self.in_line.as_mut().map(|message| message.poll(cx)) {
            Some(Poll::Ready(entered)) => {
                self.in_line = None;
                Poll::Ready(Ok(Some(entered)))
            }
            _ => {
                self.heartbeat.deafen(now);
                Poll::Pending
            }
        }
    }

    /// Whether the peer is read now.
    fn reads(&mut self, cx: &Context<'_>, now: Instant, turn: &mut Turn<'_>) -> bool {
        let Self { reading, around, opened, .. } = self;
        reading.goes_on(around, &mut opened.source, turn, (cx, now))
    }

    fn receive(&mut self, frame: Frame, turn: &mut Turn<'_>) {
        let link = Arc::clone(self.link());
        link.speaks();
        if frame.body.len() > self.around.limits.message.get() / 2 {
            self.around.hub.note_large_message(&link, frame.body.len());
        }
        let mut decoded = dialect::decode(link.wire, &frame);
        callback::name(&mut self.carrier, &mut decoded);
        match decoded {
            Ok(Inbound::Event(arrived)) => {
                self.around.router.route(&mut self.opened.source, arrived, turn);
            }
            Ok(Inbound::Ping(callback)) => {
                if let Some(pong) = dialect::pong(link.wire, callback.as_ref())
                    && !link.send_control(link.frame(pong))
                {
                    self.around.hub.meter.note(Happened::Dropped(1));
                }
            }
            Ok(Inbound::Pong) => {}
            Err(malformed) => self.refuse(&link, &malformed, turn.instant()),
        }
    }

    /// Answers a frame that cannot be taken; a peer that sends nothing else is closed.
    fn refuse(&mut self, link: &Arc<Link>, malformed: &dialect::Malformed, now: Instant) {
        let hub = &self.around.hub;
        hub.send_fault(
            link,
            &malformed.why,
            malformed.event.as_deref(),
            malformed.callback.as_ref(),
        );
        // It is well formed, and asks for what is not here.
        if malformed.why.id == FaultId::NotFound {
            return;
        }
        hub.meter.note(Happened::Malformed);
        tracing::debug!(connection = %link.facts.id, why = %malformed.why.message, "malformed message");
        let rate = self.around.limits.malformed;
        if self.malformed.get_or_insert_with(|| Box::new(Meter::new(rate))).note(now) {
            let why = Fault::new(
                FaultId::Malformed,
                "too many malformed messages in a short time; the connection is closed",
            );
            hub.send_fault(link, &why, None, None);
            link.close(Reason::Violation);
        }
    }

    /// Nothing that is read after the end of the authentication is decided about. What was queued before it is written,
    /// for as long as a write may take.
    fn look_at_end(&self, now: Instant) -> Option<Reason> {
        let end = self.link().ends().filter(|end| now >= *end)?;
        self.link().close(Reason::TokenEnded);
        (now >= end + self.around.outbox.write_deadline).then_some(Reason::TokenEnded)
    }

    /// A client that came back on another connection may have left this one dead: it is asked at once. What lives is
    /// left alone, but for who polls: it cannot be asked, and hears all there is on the newer one.
    fn look_at_successor(&mut self, now: Instant) {
        if !self.link().take_probe() {
            return;
        }
        if self.link().transport.profile().polls {
            self.link().close(Reason::Replaced);
        } else if self.heartbeat.ask(now) {
            self.ping();
        }
    }

    fn look_at_clock(&mut self, cx: &mut Context<'_>, now: Instant) -> Option<Reason> {
        // A timer that waits already wakes at its deadline, and not before.
        if self.armed && now < self.timer.deadline().into_std() {
            return None;
        }
        self.armed = true;
        let due = self.timer.deadline().into_std();
        // Something else may have woken us before the timer did: what is due is due.
        if self.timer.as_mut().poll(cx).is_pending() && now < due {
            return None;
        }
        self.excuse_lateness(now, due);
        self.look_at_pace(now);
        if let Some(wrote) = self.link().take_wrote() {
            self.heartbeat.wrote(wrote);
        }
        match self.heartbeat.due(now) {
            Due::Nothing => None,
            Due::GiveUp if self.may_be_unasked(now) => None,
            Due::GiveUp if self.link().is_superseded() => Some(Reason::Replaced),
            Due::GiveUp => Some(Reason::HeartbeatMissed),
            Due::Ping => {
                self.ping();
                None
            }
            Due::PlainPing => {
                self.ping_plainly();
                None
            }
        }
    }

    fn ping(&mut self) {
        self.asked = self.taken();
        let link = self.link();
        let asks = link.transport.profile().answers;
        let Some(frame) = dialect::ping(link.wire).filter(|_| asks) else {
            return self.ping_plainly();
        };
        if !link.send_control(link.frame(frame)) {
            // The peer has not read sixteen answers yet: it is not idle, it is slow.
            self.around.hub.meter.note(Happened::Dropped(1));
        }
    }

    fn ping_plainly(&mut self) {
        let ping = self.link().transport.ping();
        self.carrier.send(ping);
    }

    /// Writes what waits and flushes once. Some: the connection is over.
    fn write(&mut self, cx: &mut Context<'_>, now: Instant) -> Option<Reason> {
        let closing = loop {
            match self.carrier.poll_ready(cx) {
                Poll::Pending => return self.stuck(now),
                Poll::Ready(Err(reason)) => return Some(reason),
                Poll::Ready(Ok(())) => {}
            }
            let Self { carrier, opened, heartbeat, unflushed, .. } = self;
            let left = opened.source.link.drain(|item| {
                heartbeat.wrote(now);
                unflushed.extend(item.span);
                carrier.send(item.frame);
                if carrier.has_room() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            });
            match left {
                Left::Nothing => break None,
                Left::Close(reason) => break Some(reason),
                Left::More => {}
            }
        };
        match self.carrier.poll_flush(cx) {
            Poll::Pending => self.stuck(now),
            Poll::Ready(Err(reason)) => Some(reason),
            Poll::Ready(Ok(())) => {
                self.pace.clear();
                self.unflushed = Vec::new();
                closing
            }
        }
    }

    /// Sets the timer to the next thing the clock has to do. A timer that is early does no harm: it looks and is set
    /// again, which is cheaper than moving it with every frame.
    fn set_timer(&mut self, cx: &mut Context<'_>, now: Instant) {
        let mut next = self.heartbeat.next();
        if let Some(judged) = self.pace.next() {
            next = next.min(judged);
        }
        // Looked at when something is read: a turn that does not read leaves it to the next that does.
        if let Some(due) = self.upload.due().filter(|due| now < *due) {
            next = next.min(due);
        }
        if self.account.is_to_wait() {
            next = next.min(now + SHORT_OF_MEMORY);
        }
        if let Some(end) = self.reading.ends(self.around.limits.wait) {
            next = next.min(end);
        }
        if let Some(end) = self.link().ends() {
            let over = now >= end;
            next = next.min(if over { end + self.around.outbox.write_deadline } else { end });
        }
        let set = self.timer.deadline().into_std();
        if self.timer.is_elapsed() || set <= now || next < set {
            self.timer.as_mut().reset(time::Instant::from_std(next));
            if self.timer.as_mut().poll(cx).is_ready() {
                cx.waker().wake_by_ref();
            }
        }
    }

    fn link(&self) -> &Arc<Link> {
        &self.opened.source.link
    }
}

/// Tokio's clock, so that tests can stop it.
fn now() -> Instant {
    time::Instant::now().into_std()
}

#[cfg(test)]
mod tests;
