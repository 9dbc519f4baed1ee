//! Sessions by whose they are: where a request finds what it belongs to.
//!
//! Who is greeted has a session, and with it a place among the connections, before it has shown that it is there to hear
//! anything. Those have a share of the places: where one more comes the oldest of them ends.

use super::{
    LongPoll, Reply, Waiting,
    mailbox::{Mailbox, Poller},
};
use crate::{
    hub::{Account, Hub, Link, Shortcut},
    transport::Untaken,
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tengen_core::budget::STEP;
use tengen_wire::{
    id::{EndpointIndex, UserId},
    payload::Frame,
};
use tokio::{
    sync::{AcquireError, OwnedSemaphorePermit},
    time::{self, Instant},
};

/// One of so many places of connections is for those that were greeted and have not polled; one place at least.
const NEWCOMERS: usize = 8;

/// Whose a session is. Anybody can say any name of a client: it counts beside the user, and where there is none it is a secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    pub endpoint: EndpointIndex,
    /// None: nobody has said who it is.
    pub user: Option<UserId>,
    /// What the client instance calls itself.
    pub client: Arc<str>,
}

/// The sessions of a gateway.
#[derive(Debug, Default)]
pub struct Sessions(Arc<Shared>);

type Shared = Mutex<Table>;

#[derive(Debug, Default)]
struct Table {
    by_key: HashMap<Key, Arc<Session>>,
    /// How many of them have such a name of a client, whose ever they are.
    names: HashMap<(EndpointIndex, Arc<str>), usize>,
    /// Those that have not polled, the oldest first.
    newcomers: BTreeMap<u64, Arc<Session>>,
    last: u64,
}

/// A client that polls.
#[derive(Debug)]
pub struct Session {
    pub link: Arc<Link>,
    mailbox: Arc<Mailbox>,
    key: Key,
    /// Its place among the newcomers.
    number: u64,
    has_polled: AtomicBool,
    all: Arc<Shared>,
}

/// A session's name, until this is dropped or a newer session has it.
#[derive(Debug)]
pub struct Registered(Arc<Session>);

/// A session that has just begun.
#[derive(Debug)]
pub struct Begun<T> {
    pub carrier: LongPoll,
    pub registered: Registered,
    /// What else was made for it.
    pub made: T,
}

impl Sessions {
    /// Begins a session without a poll, whose link `make` gives. Err: there is one of that name, and nothing was made. One that
    /// has ended already is found no more.
    pub fn begin<T>(
        &self,
        key: Key,
        hub: &Arc<Hub>,
        make: impl FnOnce() -> (Arc<Link>, T),
    ) -> Result<Begun<T>, Arc<Session>> {
        let mut table = lock(&self.0);
        if let Some(session) = table.by_key.get(&key).filter(|session| !session.mailbox.is_over()) {
            return Err(Arc::clone(session));
        }
        let (link, made) = make();
        let mailbox = Arc::new(Mailbox::new(link.wire.format, Arc::clone(hub)));
        let carrier = LongPoll::new(Arc::clone(&mailbox));
        let number = table.next();
        let (has_polled, all) = (AtomicBool::new(false), Arc::clone(&self.0));
        let session = Arc::new(Session { link, mailbox, key, number, has_polled, all });
        table.add(&session);
        let most = (hub.limits().connections.get() / NEWCOMERS).max(1);
        let oldest = table.crowded_out(most);
        drop(table);
        if let Some(oldest) = oldest {
            oldest.mailbox.crowd_out();
        }
        Ok(Begun { carrier, registered: Registered(session), made })
    }

    pub fn find(&self, key: &Key) -> Option<Arc<Session>> {
        lock(&self.0).by_key.get(key).cloned()
    }

    /// Whether anybody has a session at this endpoint whose client calls itself so.
    pub fn has(&self, endpoint: EndpointIndex, client: &str) -> bool {
        lock(&self.0).names.contains_key(&(endpoint, client.into()))
    }
}

impl Table {
    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn add(&mut self, session: &Arc<Session>) {
        let name = session.key.name();
        if self.by_key.insert(session.key.clone(), Arc::clone(session)).is_none() {
            *self.names.entry(name).or_default() += 1;
        }
        self.newcomers.insert(session.number, Arc::clone(session));
    }

    fn remove(&mut self, session: &Arc<Session>) {
        self.newcomers.remove(&session.number);
        if !self.by_key.get(&session.key).is_some_and(|other| Arc::ptr_eq(other, session)) {
            return;
        }
        self.by_key.remove(&session.key);
        let name = session.key.name();
        if let Some(count) = self.names.get_mut(&name) {
            *count -= 1;
            if *count == 0 {
                self.names.remove(&name);
            }
        }
    }

    /// The oldest of those that have not polled, where there are more of them. It is found no more.
    fn crowded_out(&mut self, most: usize) -> Option<Arc<Session>> {
        let (_, oldest) =
            self.newcomers.first_key_value().filter(|_| self.newcomers.len() > most)?;
        let oldest = Arc::clone(oldest);
        self.remove(&oldest);
        Some(oldest)
    }
}

impl Key {
    fn name(&self) -> (EndpointIndex, Arc<str>) {
        (self.endpoint, Arc::clone(&self.client))
    }
}

impl Registered {
    pub fn link(&self) -> &Arc<Link> {
        &self.0.link
    }
}

impl Session {
    /// A poll, which takes the place of the one before. `kernel`: what the system says of its socket. None: the session has
    /// ended.
    pub fn poll(&self, kernel: Arc<dyn Shortcut>) -> Option<Waiting> {
        let waiting = Waiting::begin(&self.mailbox, kernel)?;
        if !self.has_polled.swap(true, Ordering::Relaxed) {
            lock(&self.all).newcomers.remove(&self.number);
        }
        Some(waiting)
    }

    /// The client begins anew, and polls when it has been greeted. False: the session has ended.
    pub fn greet(&self) -> bool {
        self.mailbox.begin_poll(Poller::Gone(Instant::now())).is_some()
    }

    /// Hands a message to the session's task, which takes them in their order. It waits for so long for a place. `kernel`: what the
    /// system says of the socket of whoever waits for what it is answered.
    pub async fn post(
        &self,
        frame: Frame,
        account: Account,
        kernel: Arc<dyn Shortcut>,
        patience: Duration,
    ) -> Result<Reply, Untaken> {
        if self.mailbox.is_asked_enough() {
            return Err(Untaken::Busy);
        }
        let place = self.place(patience).await?;
        let number = self.mailbox.post(frame, account, place)?;
        let mut waits = Account::new(Arc::clone(&self.link.facts));
        waits.set(STEP);
        Ok(Reply::new(&self.mailbox, number, kernel, waits))
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
        lock(&self.0.all).remove(&self.0);
    }
}

fn lock(sessions: &Shared) -> MutexGuard<'_, Table> {
    sessions.lock().unwrap_or_else(PoisonError::into_inner)
}
