//! One connection, from the end of the upgrade to the close frame.
//!
//! One task reads, decodes, routes, writes, pings and closes. Pings are answered in here, so that no plugin can delay
//! them. Everything that is readable is drained before anything is written, and one flush ends each turn.

mod out;
mod socket;
mod tcp;

use crate::{
    close::Reason,
    envelope::{self, Dialect, Inbound},
    fault::{Fault, FaultId},
    heartbeat::{Due, Heartbeat, Rules},
    hub::{Counters, Hub, Left, Link},
    payload::Frame,
    router::{Router, Source, Turn},
    settings::{Limits, Outbox},
    trace::Span,
};
pub use socket::accept_key;
pub use tcp::Tcp;

use socket::{Inbound as Read, Socket};
use std::{
    future::{Future, poll_fn},
    ops::ControlFlow,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{self, Sleep},
};

/// Frames read in one turn before others get theirs.
const TURN: usize = 256;
/// How often a leaving connection looks whether its last decisions are there.
const LEAVING_LOOK: Duration = Duration::from_millis(20);

/// What every connection needs of the gateway.
#[derive(Debug)]
pub struct Surroundings {
    pub hub: Arc<Hub>,
    pub router: Arc<Router>,
    pub limits: Limits,
    pub outbox: Outbox,
}

/// Serves a connection until it ends, and says why it did.
///
/// `already_read` are bytes that came in behind the upgrade request.
pub async fn serve<S>(
    io: S,
    already_read: Vec<u8>,
    link: Arc<Link>,
    rules: Rules,
    around: Arc<Surroundings>,
) -> Reason
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let socket = Socket::new(io, &already_read, around.limits.message.get());
    around.hub.open(&link);
    let mut source = Source::new(Arc::clone(&link));
    around.router.opened(&mut source);
    let heartbeat = Heartbeat::new(rules, now());
    let timer = Box::pin(time::sleep_until(heartbeat.next().into()));
    let mut driver = Driver {
        socket,
        source,
        around,
        heartbeat,
        timer,
        armed: false,
        blocked: None,
        unflushed: Vec::new(),
        malformed: 0,
    };
    let reason = poll_fn(|cx| driver.poll(cx)).await;
    let Driver { socket, mut source, around, .. } = driver;
    around.hub.close(&link, &reason);
    around.router.closed(&mut source, &(&reason).into());
    socket.close(&reason).await;
    reason
}

#[derive(Debug)]
struct Driver<S> {
    socket: Socket<S>,
    source: Source,
    around: Arc<Surroundings>,
    heartbeat: Heartbeat,
    timer: Pin<Box<Sleep>>,
    /// Whether the timer knows whom to wake.
    armed: bool,
    /// Since when the kernel has not taken what we have for the peer.
    blocked: Option<Instant>,
    /// Spans of deliveries that the kernel has not taken yet.
    unflushed: Vec<Arc<Span>>,
    malformed: u32,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Driver<S> {
    /// One turn: read, look at the clock, write. Ready when the connection is over.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Reason> {
        if let Some(rest) = self.link().begin_turn() {
            self.unflushed.extend(rest.spans);
            self.socket.send_rest(&rest.bytes);
        }
        let now = now();
        let ended = self
            .look_at_end(now)
            .or_else(|| self.read(cx, now))
            .or_else(|| self.look_at_successor(now))
            .or_else(|| self.look_at_clock(cx, now));
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
        let more = self.link().end_turn(cx.waker(), self.socket.is_clear());
        // While the kernel takes nothing, the socket is what wakes.
        if more && self.blocked.is_none() {
            cx.waker().wake_by_ref();
        }
        self.set_timer(cx, now);
    }

    fn read(&mut self, cx: &mut Context<'_>, now: Instant) -> Option<Reason> {
        if self.link().is_ending() {
            return None;
        }
        // Dropped when all is read: then it is decided about, and the answers are there to be written.
        let mut turn = None;
        for _ in 0..TURN {
            match self.socket.poll_receive(cx) {
                Poll::Pending => return None,
                Poll::Ready(Err(reason @ (Reason::Peer(_) | Reason::Lost))) => return Some(reason),
                Poll::Ready(Err(reason)) => {
                    // What was decided before the bad frame is written before the close.
                    self.link().close(reason);
                    return None;
                }
                Poll::Ready(Ok(received)) => {
                    self.heartbeat.heard(now);
                    if let Read::Frame(frame) = received {
                        self.receive(frame, turn.get_or_insert_with(|| Turn::at(now)));
                    }
                }
            }
        }
        cx.waker().wake_by_ref();
        None
    }

    fn receive(&mut self, frame: Frame, turn: &mut Turn) {
        let link = Arc::clone(self.link());
        let limit = self.around.limits.message.get();
        if frame.body.len() > limit / 2 {
            tracing::warn!(connection = %link.facts.id, bytes = frame.body.len(), limit, "message is larger than half of the limit");
        }
        match envelope::decode(link.wire, &frame) {
            Ok(Inbound::Event(arrived)) => {
                self.around.router.route(&mut self.source, arrived, turn);
            }
            Ok(Inbound::Ping(callback)) => {
                if let Some(pong) = envelope::pong(link.wire, callback.as_ref())
                    && !link.send_control(pong)
                {
                    Counters::add(&self.around.hub.counters.outbox_dropped, 1);
                }
            }
            Ok(Inbound::Pong) => {}
            Err(malformed) => self.refuse(&link, &malformed),
        }
    }

    /// Answers a frame that cannot be taken; a peer that sends nothing else is closed.
    fn refuse(&mut self, link: &Arc<Link>, malformed: &envelope::Malformed) {
        let hub = &self.around.hub;
        Counters::add(&hub.counters.malformed, 1);
        self.malformed += 1;
        hub.send_fault(
            link,
            &malformed.why,
            malformed.event.as_deref(),
            malformed.callback.as_ref(),
        );
        tracing::debug!(connection = %link.facts.id, why = %malformed.why.message, "malformed message");
        if self.malformed >= self.around.limits.malformed {
            let why = Fault::new(
                FaultId::Malformed,
                "too many malformed messages; the connection is closed",
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
    /// left alone.
    fn look_at_successor(&mut self, now: Instant) -> Option<Reason> {
        if self.link().take_probe() && self.heartbeat.ask(now) { self.ping() } else { None }
    }

    fn look_at_clock(&mut self, cx: &mut Context<'_>, now: Instant) -> Option<Reason> {
        // A timer that waits already wakes at its deadline, and not before.
        if self.armed && now < self.timer.deadline().into_std() {
            return None;
        }
        self.armed = true;
        if self.timer.as_mut().poll(cx).is_pending() {
            return None;
        }
        if self.blocked.is_some_and(|since| now >= since + self.around.outbox.write_deadline) {
            Counters::add(&self.around.hub.counters.slow_consumers, 1);
            return Some(Reason::SlowConsumer);
        }
        if let Some(wrote) = self.link().take_wrote() {
            self.heartbeat.wrote(wrote);
        }
        match self.heartbeat.due(now) {
            Due::Nothing => None,
            Due::GiveUp if self.link().is_superseded() => Some(Reason::Replaced),
            Due::GiveUp => Some(Reason::HeartbeatMissed),
            Due::Ping => self.ping(),
        }
    }

    fn ping(&mut self) -> Option<Reason> {
        if self.link().wire.dialect == Dialect::Raw {
            self.socket.send_ping();
            return None;
        }
        if let Some(frame) = envelope::ping(self.link().wire)
            && !self.link().send_control(frame)
        {
            // The peer has not read sixteen answers yet: it is not idle, it is slow.
            Counters::add(&self.around.hub.counters.outbox_dropped, 1);
        }
        None
    }

    /// Writes what waits and flushes once. Some: the connection is over.
    fn write(&mut self, cx: &mut Context<'_>, now: Instant) -> Option<Reason> {
        let closing = loop {
            match self.socket.poll_ready(cx) {
                Poll::Pending => return self.stuck(now),
                Poll::Ready(Err(reason)) => return Some(reason),
                Poll::Ready(Ok(())) => {}
            }
            let Self { socket, source, heartbeat, unflushed, .. } = self;
            let left = source.link.drain(|item| {
                heartbeat.wrote(now);
                unflushed.extend(item.span);
                socket.send(item.frame);
                if socket.has_room() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            });
            match left {
                Left::Nothing => break None,
                Left::Close(reason) => break Some(reason),
                Left::More => {}
            }
        };
        match self.socket.poll_flush(cx) {
            Poll::Pending => self.stuck(now),
            Poll::Ready(Err(reason)) => Some(reason),
            Poll::Ready(Ok(())) => {
                self.blocked = None;
                self.unflushed = Vec::new();
                closing
            }
        }
    }

    fn stuck(&mut self, now: Instant) -> Option<Reason> {
        self.blocked.get_or_insert(now);
        None
    }

    /// Sets the timer to the next thing the clock has to do. A timer that is early does no harm: it looks and is set
    /// again, which is cheaper than moving it with every frame.
    fn set_timer(&mut self, cx: &mut Context<'_>, now: Instant) {
        let mut next = self.heartbeat.next();
        if let Some(since) = self.blocked {
            next = next.min(since + self.around.outbox.write_deadline);
        }
        if let Some(end) = self.link().ends() {
            let over = now >= end;
            next = next.min(if over { end + self.around.outbox.write_deadline } else { end });
        }
        if self.link().is_ending() {
            next = next.min(now + LEAVING_LOOK);
        }
        let next = time::Instant::from_std(next);
        if self.timer.is_elapsed() || next < self.timer.deadline() {
            self.timer.as_mut().reset(next);
            if self.timer.as_mut().poll(cx).is_ready() {
                cx.waker().wake_by_ref();
            }
        }
    }

    fn link(&self) -> &Arc<Link> {
        &self.source.link
    }
}

/// Tokio's clock, so that tests can stop it.
fn now() -> Instant {
    time::Instant::now().into_std()
}

#[cfg(test)]
mod tests;
