//! Sessions by their secrets: where a request finds what it belongs to.

use super::{
    Body, EventStream,
    pipe::{Held, Pipe},
};
use crate::{
    hub::{Account, Link, Shortcut},
    transport::Untaken,
};
use foldhash::fast::RandomState;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tengen_wire::{id::EndpointIndex, payload::Frame, transport::Framed};
use tokio::sync::{
    Semaphore,
    mpsc::{
        self,
        error::{SendTimeoutError, TrySendError},
    },
};

/// Posted frames that wait for the session's task.
const POSTS: usize = 4;
/// Requests whose frames find no place in that queue, and wait for one.
const WAITING: usize = 8;
/// Streams that one session may have at a time: those before the last are on their way out.
const STREAMS: usize = 4;

/// The sessions of a gateway.
#[derive(Debug, Default)]
pub struct Sessions(Arc<BySecret>);

type BySecret = Mutex<HashMap<Box<str>, Arc<Session>, RandomState>>;

/// A client that reads a stream and sends by requests.
#[derive(Debug)]
pub struct Session {
    pub link: Arc<Link>,
    pipe: Arc<Pipe>,
    posts: mpsc::Sender<Posted>,
    /// The right to wait for a place among them.
    waiting: Semaphore,
    /// What a stream begins with whose client has come back.
    again: Framed,
    /// Held for as long as there is a socket.
    place: Held,
}

/// A frame that came by a request, with what it takes of the budget.
#[derive(Debug)]
pub struct Posted {
    frame: Frame,
    account: Account,
}

/// Why there is no stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoStream {
    /// The session has ended.
    Ended,
    /// Several of those before it are still on their way out.
    TooMany,
}

/// A session's name, until this is dropped.
#[derive(Debug)]
pub struct Registered {
    secret: Box<str>,
    sessions: Arc<BySecret>,
}

impl Sessions {
    /// A session without a stream. `again`: what a stream begins with whose client has come back. `place` is held until the
    /// session and all of its streams are gone.
    pub fn begin(
        &self,
        secret: &str,
        link: Arc<Link>,
        again: Framed,
        place: Held,
    ) -> (Arc<Session>, EventStream, Registered) {
        let (posts, receiver) = mpsc::channel(POSTS);
        let (pipe, waiting) = (Arc::new(Pipe::new()), Semaphore::new(WAITING));
        let session =
            Arc::new(Session { link, pipe: Arc::clone(&pipe), posts, waiting, again, place });
        let secret: Box<str> = secret.into();
        lock(&self.0).insert(secret.clone(), Arc::clone(&session));
        let registered = Registered { secret, sessions: Arc::clone(&self.0) };
        (session, EventStream::new(pipe, receiver), registered)
    }

    /// The session of this name, if it is one of this endpoint.
    pub fn find(&self, secret: &str, endpoint: EndpointIndex) -> Option<Arc<Session>> {
        let session = lock(&self.0).get(secret).cloned();
        session.filter(|session| session.link.facts.endpoint_index == endpoint)
    }
}

impl Session {
    /// The first stream. `kernel`: what the system says of its socket.
    pub fn stream(&self, kernel: Arc<dyn Shortcut>) -> Result<Body, NoStream> {
        self.attach(None, kernel)
    }

    /// Another stream, which takes the place of the one before.
    pub fn stream_again(&self, kernel: Arc<dyn Shortcut>) -> Result<Body, NoStream> {
        self.attach(Some(self.again.clone()), kernel)
    }

    fn attach(&self, first: Option<Framed>, kernel: Arc<dyn Shortcut>) -> Result<Body, NoStream> {
        // Those who open a session hold it twice, for itself and in its task.
        if Arc::strong_count(&self.place) >= 2 + STREAMS {
            return Err(NoStream::TooMany);
        }
        let place = Arc::clone(&self.place);
        self.pipe.attach(first, kernel, place).ok_or(NoStream::Ended)
    }

    /// Hands a frame to the session's task, which takes them in their order.
    pub async fn post(&self, posted: Posted, patience: Duration) -> Result<(), Untaken> {
        let posted = match self.posts.try_send(posted) {
            Ok(()) => return Ok(()),
            Err(TrySendError::Closed(_)) => return Err(Untaken::Ended),
            Err(TrySendError::Full(posted)) => posted,
        };
        // Each of those who wait keeps a place among the requests of everybody.
        let Ok(_waits) = self.waiting.try_acquire() else { return Err(Untaken::Busy) };
        self.posts.send_timeout(posted, patience).await.map_err(|error| match error {
            SendTimeoutError::Timeout(_) => Untaken::Busy,
            SendTimeoutError::Closed(_) => Untaken::Ended,
        })
    }
}

impl Posted {
    /// `account`: set to what the frame takes.
    pub fn new(frame: Frame, account: Account) -> Self {
        Self { frame, account }
    }

    /// Whoever gets the frame counts it from here on.
    pub(super) fn into_frame(self) -> Frame {
        drop(self.account);
        self.frame
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        lock(&self.sessions).remove(&self.secret);
    }
}

fn lock(sessions: &BySecret) -> MutexGuard<'_, HashMap<Box<str>, Arc<Session>, RandomState>> {
    sessions.lock().unwrap_or_else(PoisonError::into_inner)
}
