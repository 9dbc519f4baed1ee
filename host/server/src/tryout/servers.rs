//! Servers that plugins ask: the gate is that of the gateway, and nothing behind it is asked. What comes back is told.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tengen_core::{
    meter::Samples,
    outgoing::{Asker, Begun, Ended, Outgoing, Place, Request, Response},
};
use tengen_fetch::{Client, Roots, System};
use tengen_wire::{
    fault::{Fault, FaultId},
    trace::TraceContext,
};
use tokio::sync::oneshot;

/// Carries requests out as far as the gate.
pub(super) struct Servers {
    client: Client,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The plugin's names of the requests that are about to begin.
    names: VecDeque<String>,
    under_way: VecDeque<(String, oneshot::Sender<Result<Response, Fault>>)>,
    /// What servers answer to an authenticator, which waits for it, in this order.
    ready: VecDeque<Result<Response, Fault>>,
    /// What it has asked: methods and URLs.
    asked: Vec<(String, String)>,
}

impl State {
    fn answers_at_once(&mut self, method: String, url: String) -> Result<Response, Fault> {
        self.asked.push((method, url));
        let unsaid = || {
            Err(Fault::new(FaultId::Unreachable, "the script does not say what the server answers"))
        };
        self.ready.pop_front().unwrap_or_else(unsaid)
    }
}

impl Default for Servers {
    fn default() -> Self {
        let client = Client::new(Arc::new(System::default()), Roots::System);
        Self { client, state: Mutex::default() }
    }
}

impl fmt::Debug for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Servers").finish_non_exhaustive()
    }
}

impl Servers {
    /// These are the names of the requests that begin next, in their order.
    pub(super) fn expects(&self, names: impl IntoIterator<Item = String>) {
        self.lock().names = names.into_iter().collect();
    }

    /// Answers the oldest request of this name. False: there is none under way.
    pub(super) fn answer(&self, name: &str, value: Result<Response, Fault>) -> bool {
        let mut state = self.lock();
        let Some(place) = state.under_way.iter().position(|(of, _)| of == name) else {
            return false;
        };
        let asked = state.under_way.remove(place);
        asked.is_some_and(|(_, asked)| asked.send(value).is_ok())
    }

    /// Has these answers ready for who waits for them.
    pub(super) fn readies(&self, answers: Vec<Result<Response, Fault>>) {
        self.lock().ready = answers.into();
    }

    /// The methods and URLs that were asked since then, and how many answers nobody has asked for.
    pub(super) fn asked(&self) -> (Vec<(String, String)>, usize) {
        let mut state = self.lock();
        let left = std::mem::take(&mut state.ready).len();
        (std::mem::take(&mut state.asked), left)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outgoing for Servers {
    fn begin(
        &self,
        asker: Asker<'_>,
        request: Request,
        trace: Option<&TraceContext>,
    ) -> Result<Begun, Fault> {
        let name = self.lock().names.pop_front();
        let (method, url) = (request.method.clone(), request.url.clone());
        let Begun { server, exchange } = self.client.begin(asker, request, trace)?;
        let (answer, answered) = oneshot::channel();
        match name {
            Some(name) => self.lock().under_way.push_back((name, answer)),
            // Only effects have names: an authenticator asks, and waits.
            None => drop(answer.send(self.lock().answers_at_once(method, url))),
        }
        let exchange = Box::pin(async move {
            // It holds the request's place, and is never polled.
            let held = exchange;
            let gone = || Fault::new(FaultId::Closed, "the script has ended");
            let value = answered.await.unwrap_or_else(|_| Err(gone()));
            drop(held);
            Ended { value, place: Place::new(()) }
        });
        Ok(Begun { server, exchange })
    }

    fn collect(&self, into: &mut Samples) {
        self.client.collect(into);
    }
}
