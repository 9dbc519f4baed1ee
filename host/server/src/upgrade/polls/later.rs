//! Answers that are there later: of a poll when there is something to hear, of a message when it is replied to.
//!
//! Whoever looks at a request leaves one behind, and ends; so nothing that was needed for that is held while it waits.

use super::{super::Answer, answer};
use crate::{
    requests::Aside,
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
    Reply(Reply),
}

/// Put on an answer in whose place it is to be waited.
#[derive(Clone)]
struct Wait(Arc<Mutex<Option<Later>>>);

impl Later {
    /// What stands for it until [`complete`].
    pub(super) fn answer(self) -> Answer {
        let mut answer = Response::new(Body::default());
        answer.extensions_mut().insert(Wait(Arc::new(Mutex::new(Some(self)))));
        answer
    }
}

/// The answer, once it is there. `handshake`: how long one may take.
pub(in super::super) async fn complete(mut early: Answer, handshake: Duration) -> Answer {
    let Some(Wait(wait)) = early.extensions_mut().remove() else { return early };
    let later = wait.lock().unwrap_or_else(PoisonError::into_inner).take();
    drop((early, wait));
    let most = MOST.min(handshake * HANDSHAKES);
    match later {
        Some(Later::Poll(waiting, _aside)) => answer(waiting.answer(most).await),
        Some(Later::Reply(reply)) => answer(reply.answer(most).await),
        None => Response::new(Body::default()),
    }
}
