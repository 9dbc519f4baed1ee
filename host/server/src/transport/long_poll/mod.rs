//! Long polls: a client's requests wait until there is something to hear, and others bring what it says.
//!
//! All of them belong to one session, whose task drives a [`LongPoll`]. What it writes lies in a `Mailbox` until a poll takes
//! it, several frames in one answer; a reply goes to the request that its event came by. A session outlives its poll for
//! [`GRACE`]. Of two polls that wait, the older one is answered that there is nothing. Of those that were greeted and have not
//! polled there are few, and the oldest goes first.

mod mailbox;
mod requests;
mod sessions;

pub use requests::{Reply, Waiting};
pub use sessions::{Begun, Key, Registered, Session, Sessions};

use super::{Carrier, Inbound, Patience};
use mailbox::Mailbox;
use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tengen_wire::{
    close::Reason,
    dialect::Callback,
    transport::{
        Framed,
        long_poll::{self, Word},
    },
    websocket::Unfinished,
};
use tokio::time::{self, Instant, Sleep};

/// How long a session is kept without a poll, once its client has what it was answered.
pub const GRACE: Duration = Duration::from_secs(5);

/// The task's end of a session.
#[derive(Debug)]
pub struct LongPoll {
    mailbox: Arc<Mailbox>,
    /// Set while no poll waits.
    grace: Option<Pin<Box<Sleep>>>,
    /// The request that brought what was received last, until it is known what its answer is.
    from: Option<u32>,
}

impl LongPoll {
    fn new(mailbox: Arc<Mailbox>) -> Self {
        Self { mailbox, grace: None, from: None }
    }

    /// Ready when no poll has come for too long.
    fn poll_lost(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let Some(since) = self.mailbox.poll_gone(cx) else {
                self.grace = None;
                return Poll::Pending;
            };
            let until = since + GRACE;
            let grace = self.grace.get_or_insert_with(|| Box::pin(time::sleep_until(until)));
            if grace.deadline() != until {
                grace.as_mut().reset(until);
            }
            std::task::ready!(grace.as_mut().poll(cx));
            // Who is still taking what it was answered cannot ask again yet.
            if !self.mailbox.excuse(Instant::now()) {
                return Poll::Ready(());
            }
        }
    }
}

/// However its task ends, nobody waits for it.
impl Drop for LongPoll {
    fn drop(&mut self) {
        self.mailbox.end(self.mailbox.word(Word::Nothing));
    }
}

impl Carrier for LongPoll {
    fn begin_turn(&mut self) {}

    /// Few messages wait at a time.
    fn is_exhausted(&self) -> bool {
        false
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Inbound, Reason>> {
        if self.poll_lost(cx).is_ready() {
            return Poll::Ready(Err(Reason::Lost));
        }
        let Some((number, frame)) = self.mailbox.receive() else { return Poll::Pending };
        self.from = Some(number);
        Poll::Ready(Ok(Inbound::Frame(frame)))
    }

    /// The request that brought it gets the reply, or is told that there is none.
    fn callback(&mut self, callback: Option<Callback>) -> Option<Callback> {
        let number = self.from.take()?;
        if callback.is_none() {
            self.mailbox.take_note(number);
            return None;
        }
        Some(long_poll::callback(number))
    }

    /// What could not be read was not taken: its request hears so.
    fn callback_of_unread(&mut self, _: Option<Callback>) -> Option<Callback> {
        self.from.take().map(long_poll::callback)
    }

    /// Who polls or has sent something lives.
    fn take_heard(&mut self) -> bool {
        self.mailbox.take_heard()
    }

    /// A request comes whole.
    fn unfinished(&self) -> Option<Unfinished> {
        None
    }

    fn throw_away(&mut self) {
        self.mailbox.close();
    }

    fn has_room(&self) -> bool {
        self.mailbox.has_room()
    }

    fn send(&mut self, frame: Framed) {
        match long_poll::addressee(&frame) {
            Some(number) => self.mailbox.answer(number, frame.body),
            // A ping has no bytes here.
            None if frame.is_empty() => {}
            None => self.mailbox.push(frame.body),
        }
    }

    /// Nobody else writes here.
    fn send_rest(&mut self, _: &[u8]) {}

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Reason>> {
        let flushed = self.mailbox.poll_empty(cx);
        // One that is not read any more, because it is sent away, waits for nobody either.
        if flushed.is_pending() && self.poll_lost(cx).is_ready() {
            return Poll::Ready(Err(Reason::Lost));
        }
        flushed
    }

    fn is_clear(&self) -> bool {
        self.mailbox.waiting() == 0
    }

    fn total(&self) -> u64 {
        self.mailbox.total()
    }

    /// Of what a poll has taken, the client's next one says that it is there.
    fn untaken(&self) -> usize {
        0
    }

    fn waiting(&self) -> usize {
        self.mailbox.waiting()
    }

    fn held(&self) -> usize {
        self.mailbox.held()
    }

    /// The next poll takes what there is, if one comes soon; then there is nothing any more.
    async fn close(mut self, goodbye: Framed, reason: &Reason, mut patience: Patience) {
        if !matches!(reason, Reason::Lost | Reason::Unpolled) {
            // What is not taken in time is lost, and counted.
            let _taken = patience.wait(&mut self, Self::poll_flush).await;
        }
        self.mailbox.end(goodbye.body);
    }
}

#[cfg(test)]
mod tests;
