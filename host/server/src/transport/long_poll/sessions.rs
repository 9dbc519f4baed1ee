//! Sessions by whose they are: where a request finds what it belongs to.

use super::{
    LongPoll, Reply, Waiting,
    mailbox::{Mailbox, Poller},
};
use crate::{
    hub::{Account, Hub, Link, Shortcut},
    transport::Untaken,
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tengen_wire::{
    id::{EndpointIndex, UserId},
    payload::Frame,
};
use tokio::{
    sync::{AcquireError, OwnedSemaphorePermit},
    time::{self, Instant},
};

/// Whose a session is. Anybody can say any name of a client: it counts beside the user, and where there is none it is a secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    pub endpoint: EndpointIndex,
    /// None: nobody has said who it is.
    pub user: Option<UserId>,
    /// What the client instance calls itself.
    pub client: Box<str>,
}

/// The sessions of a gateway.
#[derive(Debug, Default)]
pub struct Sessions(Arc<ByKey>);

type ByKey = Mutex<HashMap<Key, Arc<Session>>>;

/// A client that polls.
#[derive(Debug)]
pub struct Session {
    pub link: Arc<Link>,
    mailbox: Arc<Mailbox>,
}

/// A session's name, until this is dropped or a newer session has it.
#[derive(Debug)]
pub struct Registered {
    key: Key,
    session: Arc<Session>,
    sessions: Arc<ByKey>,
}

impl Sessions {
    /// A session without a poll. One of the same name that has not ended yet is found no more.
    pub fn begin(&self, key: Key, link: Arc<Link>, hub: Arc<Hub>) -> (LongPoll, Registered) {
        let mailbox = Arc::new(Mailbox::new(link.wire.format, hub));
        let session = Arc::new(Session { link, mailbox: Arc::clone(&mailbox) });
        lock(&self.0).insert(key.clone(), Arc::clone(&session));
        (LongPoll::new(mailbox), Registered { key, session, sessions: Arc::clone(&self.0) })
    }

    pub fn find(&self, key: &Key) -> Option<Arc<Session>> {
        lock(&self.0).get(key).cloned()
    }
}

impl Session {
    /// A poll, which takes the place of the one before. `kernel`: what the system says of its socket. None: the session has
    /// ended.
    pub fn poll(&self, kernel: Arc<dyn Shortcut>) -> Option<Waiting> {
        Waiting::begin(&self.mailbox, kernel)
    }

    /// The client begins anew, and polls when it has been greeted. False: the session has ended.
    pub fn greet(&self) -> bool {
        self.mailbox.begin_poll(Poller::Gone(Instant::now())).is_some()
    }

    /// Hands a message to the session's task, which takes them in their order. It waits for so long for a place.
    pub async fn post(
        &self,
        frame: Frame,
        account: Account,
        patience: Duration,
    ) -> Result<Reply, Untaken> {
        let place = self.place(patience).await?;
        let number = self.mailbox.post(frame, account, place).ok_or(Untaken::Ended)?;
        Ok(Reply::new(&self.mailbox, number))
    }

    async fn place(&self, patience: Duration) -> Result<OwnedSemaphorePermit, Untaken> {
        let places = &self.mailbox.places;
        if let Ok(place) = Arc::clone(places).try_acquire_owned() {
            return Ok(place);
        }
        // Each of those who wait keeps a place among the requests of everybody.
        let Ok(_waits) = self.mailbox.waiting.try_acquire() else { return Err(Untaken::Busy) };
        let place = time::timeout(patience, Arc::clone(places).acquire_owned()).await;
        let place = place.map_err(|_| Untaken::Busy)?;
        place.map_err(|_: AcquireError| Untaken::Ended)
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let mut sessions = lock(&self.sessions);
        if sessions.get(&self.key).is_some_and(|session| Arc::ptr_eq(session, &self.session)) {
            sessions.remove(&self.key);
        }
    }
}

fn lock(sessions: &ByKey) -> MutexGuard<'_, HashMap<Key, Arc<Session>>> {
    sessions.lock().unwrap_or_else(PoisonError::into_inner)
}
