//! Answers that are there later: of a poll when there is something to hear, of a message when it is replied to.
//!
//! Whoever looks at a request leaves one behind, and ends; so nothing that was needed for that is held while it waits.

use super::{super::Answer, answer};
use crate::{
    hub::Hub,
    requests::{Apart, Aside, Kernel},
    transport::long_poll::{Reply, Waiting},
    upgrade::Body,
};
use http::Response;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// How long a poll or a message waits for its answer; Sente's own server has the same (`lp-timeout-ms`).
const MOST: Duration = Duration::from_secs(20);
/// Or so many times as long as a handshake may take: an HTTP connection whose answer is not made within six times that is
/// ended.
const HANDSHAKES: u32 = 4;

/// An answer that is there later.
#[derive(Debug)]
pub(super) enum Later {
    /// It counts as its session's connection, and not as a request.
    Poll(Waiting, Aside),
    /// As long as there is room among the sockets of connections it is no request either.
    Reply(Reply, Option<(Aside, Beside)>),
}

/// Room among the sockets of connections.
#[derive(Debug)]
pub(super) struct Beside(Arc<Hub>);

impl Beside {
    fn step(kernel: &Kernel, hub: &Arc<Hub>) -> Option<(Aside, Self)> {
        hub.seat_beside().then(|| (kernel.step_aside(), Self(Arc::clone(hub))))
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        self.0.gone_beside();
    }
}

/// Put on an answer in whose place it is to be waited.
#[derive(Clone)]
struct Wait(Arc<Mutex<Option<Later>>>);

impl Later {
    /// Of a poll, whose socket counts as its session's.
    pub(super) fn poll(waiting: Waiting, kernel: &Kernel) -> Self {
        Self::Poll(waiting, kernel.step_aside())
    }

    /// Of a message, which steps aside where there is room for one more socket: those of requests are for who asks anew.
    pub(super) fn reply(reply: Reply, kernel: &Kernel, hub: &Arc<Hub>) -> Self {
        Self::Reply(reply, Beside::step(kernel, hub))
    }

    /// What stands for it until [`complete`].
    pub(super) fn answer(self) -> Answer {
        let mut answer = Response::new(Body::default());
        answer.extensions_mut().insert(Wait(Arc::new(Mutex::new(Some(self)))));
        answer
    }
}

/// The answer, once it is there, or what stands for one that may take long. `handshake`: how long one may take; `seal` is done to
/// what is answered.
pub(in super::super) fn complete(
    mut early: Answer,
    handshake: Duration,
    seal: impl FnOnce(Answer) -> Answer + Send + 'static,
) -> Answer {
    let Some(Wait(wait)) = early.extensions_mut().remove() else { return seal(early) };
    let later = wait.lock().unwrap_or_else(PoisonError::into_inner).take();
    drop((early, wait));
    let most = MOST.min(handshake * HANDSHAKES);
    match later {
        // It has a place again while it is given.
        Some(Later::Poll(waiting, aside)) => Apart::answer(async move {
            let said = waiting.answer(most).await;
            drop(aside);
            seal(answer(said))
        }),
        Some(Later::Reply(reply, aside)) => Apart::answer(async move {
            let said = reply.answer(most).await;
            drop(aside);
            seal(answer(said))
        }),
        None => seal(Response::new(Body::default())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::requests::alone::Alone;
    use tengen_core::trace::NoTracer;
    use tengen_settings::Limits;

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_a_reply_leaves_its_place_to_others_as_long_as_there_is_room() {
        let limits = Limits { connections: 2.try_into().unwrap(), ..Limits::default() };
        let hub = Arc::new(Hub::new(limits, Arc::new(NoTracer)));
        let (one, two) = (Alone::new(), Alone::new());
        let connection = hub.reserve().unwrap();
        assert!(!one.has_room() && !two.has_room());
        let aside = Beside::step(&one.kernel, &hub);
        assert!(aside.is_some() && one.has_room());
        // Its socket is one of those that connections may have.
        assert!(Beside::step(&two.kernel, &hub).is_none() && !two.has_room());
        assert!(hub.reserve().is_err());
        drop(aside);
        assert!(!one.has_room(), "its answer is there, and it has a place again");
        let other = hub.reserve().unwrap();
        assert!(Beside::step(&two.kernel, &hub).is_none());
        for handle in [connection, other] {
            hub.release(handle);
            hub.gone();
        }
        assert!(Beside::step(&two.kernel, &hub).is_some());
        hub.begin_drain();
        assert!(
            Beside::step(&two.kernel, &hub).is_none(),
            "a gateway that goes away takes in no more"
        );
    }
}
