//! Who has the socket when a request has become something else.

use super::Socket;
use bytes::BytesMut;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use std::{
    fmt::{self, Debug, Formatter},
    sync::{Arc, Mutex, PoisonError},
};

use crate::transport::Tcp;

/// A socket whose request was answered with a 101.
#[derive(Debug)]
pub struct Handed {
    pub stream: Tcp,
    /// What came in behind the request.
    pub read: Vec<u8>,
    /// The answer itself. It has not been sent, so that it leaves in one write with what the successor says first.
    pub unsent: BytesMut,
}

type Take = Box<dyn FnOnce(Handed) + Send>;

/// Put on a 101: what takes the socket over.
#[derive(Clone)]
pub struct Successor(Arc<Mutex<Option<Take>>>);

impl Successor {
    /// `take` runs within the task of the HTTP connection, which ends behind it. It is dropped unused if the socket is lost
    /// before.
    pub fn new(take: impl FnOnce(Handed) + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(Some(Box::new(take)))))
    }

    fn take(&self, handed: Handed) {
        let take = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(take) = take {
            take(handed);
        }
    }
}

impl Debug for Successor {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Successor").finish_non_exhaustive()
    }
}

/// What became of the upgrade that a request asked for.
#[derive(Debug)]
pub(super) enum Upgrade {
    /// hyper gives the socket to whoever waits for it here.
    Refused(OnUpgrade),
    Granted(OnUpgrade, Successor),
}

impl Upgrade {
    pub(super) fn new(upgrade: OnUpgrade, successor: Option<Successor>) -> Self {
        match successor {
            Some(successor) => Self::Granted(upgrade, successor),
            None => Self::Refused(upgrade),
        }
    }

    pub(super) fn is_granted(&self) -> bool {
        matches!(self, Self::Granted(..))
    }

    /// Gives the socket to the successor. The HTTP connection that it comes from must be gone.
    pub(super) async fn hand_over(&self) {
        let Self::Granted(upgrade, successor) = self else { return };
        if let Some((socket, read)) = given_back(upgrade).await {
            let (stream, rest, unsent) = socket.into_parts();
            // Copied, because even an empty slice keeps hyper's whole read buffer alive.
            successor.take(Handed { stream, read: [&read[..], &rest[..]].concat(), unsent });
        }
    }

    /// The socket of an upgrade that was refused.
    pub(super) async fn taken_back(&self) -> Option<Socket> {
        let Self::Refused(upgrade) = self else { return None };
        given_back(upgrade).await.map(|(socket, _)| socket)
    }
}

/// The socket that hyper has let go of, and what it had read of it.
async fn given_back(upgrade: &OnUpgrade) -> Option<(Socket, bytes::Bytes)> {
    let upgraded = upgrade.clone().await.ok()?;
    let Ok(parts) = upgraded.downcast::<TokioIo<Socket>>() else {
        tracing::error!("the socket behind an upgrade is not one of ours");
        return None;
    };
    Some((parts.io.into_inner(), parts.read_buf))
}
