//! The requests of a session's client, while they wait for their answers.

use super::mailbox::{Asked, Mailbox, Poller, State};
use crate::hub::{Account, Shortcut};
use bytes::Bytes;
use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tengen_wire::transport::long_poll::Word;
use tokio::time;

/// A poll that waits.
pub struct Waiting {
    mailbox: Arc<Mailbox>,
    number: u64,
    /// What the system says of its socket.
    kernel: Arc<dyn Shortcut>,
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting").field("number", &self.number).finish_non_exhaustive()
    }
}

impl Waiting {
    /// None: the session is over.
    pub(super) fn begin(mailbox: &Arc<Mailbox>, kernel: Arc<dyn Shortcut>) -> Option<Self> {
        let number = mailbox.begin_poll(Poller::Waits(None))?;
        Some(Self { mailbox: Arc::clone(mailbox), number, kernel })
    }

    /// What the poll is answered: what there is to hear, or after so long that there is nothing.
    pub async fn answer(self, most: Duration) -> Bytes {
        let mailbox = Arc::clone(&self.mailbox);
        let said = time::timeout(most, self).await;
        said.unwrap_or_else(|_| mailbox.word(Word::Nothing))
    }

    fn is_last(&self, state: &State) -> bool {
        state.number == self.number && matches!(state.poll, Poller::Waits(_))
    }
}

impl Future for Waiting {
    type Output = Bytes;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Bytes> {
        let mut state = self.mailbox.state();
        if !self.is_last(&state) {
            return Poll::Ready(self.mailbox.word(Word::Nothing));
        }
        // What is there is not given to who cannot hear it.
        let has_gone = self.kernel.poll_ended(cx).is_ready();
        let answer = match &state.over {
            _ if has_gone => Some(self.mailbox.word(Word::Nothing)),
            over => over.clone(),
        };
        let taken = if has_gone { None } else { self.mailbox.take(&mut state, &self.kernel) };
        match taken.or(answer) {
            Some(answer) => {
                state.poll_ends();
                Poll::Ready(answer)
            }
            None => {
                state.poll = Poller::Waits(Some(cx.waker().clone()));
                Poll::Pending
            }
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut state = self.mailbox.state();
        if self.is_last(&state) {
            state.poll_ends();
        }
        // There is no other poll any more that could take it.
        if state.number == self.number && state.over.is_some() {
            self.mailbox.give_up(&mut state);
        }
    }
}

/// A request whose message waits for its answer.
pub struct Reply {
    mailbox: Arc<Mailbox>,
    number: u32,
    /// What the system says of its socket.
    kernel: Arc<dyn Shortcut>,
    /// What it counts for.
    _waits: Account,
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").field("number", &self.number).finish_non_exhaustive()
    }
}

impl Reply {
    /// `waits`: what it counts for, as a connection does.
    pub(super) fn new(
        mailbox: &Arc<Mailbox>,
        number: u32,
        kernel: Arc<dyn Shortcut>,
        waits: Account,
    ) -> Self {
        Self { mailbox: Arc::clone(mailbox), number, kernel, _waits: waits }
    }

    /// What the request is answered: the reply, that there is none, or after so long that nobody has replied.
    pub async fn answer(self, most: Duration) -> Bytes {
        let mailbox = Arc::clone(&self.mailbox);
        let said = time::timeout(most, self).await;
        said.unwrap_or_else(|_| mailbox.word(Word::Nothing))
    }
}

impl Future for Reply {
    type Output = Bytes;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Bytes> {
        // What is said to who has hung up is lost, and counted.
        if self.kernel.poll_ended(cx).is_ready() {
            return Poll::Ready(self.mailbox.word(Word::Nothing));
        }
        let mut state = self.mailbox.state();
        let is_own = |asked: &&mut Asked| asked.number == self.number;
        let Some(asked) = state.asked.iter_mut().find(is_own) else {
            return Poll::Ready(self.mailbox.word(Word::Failed));
        };
        match asked.said.take() {
            Some(said) => Poll::Ready(said),
            None => {
                asked.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// A reply that comes now is lost, and counted.
impl Drop for Reply {
    fn drop(&mut self) {
        let left = self.mailbox.state().forget(self.number);
        self.mailbox.lose(left);
    }
}
