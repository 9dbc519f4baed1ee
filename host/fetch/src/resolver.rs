//! From names to addresses.

use futures_util::future::BoxFuture;
use std::{
    fmt, io,
    net::{IpAddr, ToSocketAddrs},
    sync::Arc,
};
use tokio::{sync::Semaphore, task::spawn_blocking};

/// Looks names up. What it says is checked by whoever asks.
pub trait Resolve: fmt::Debug + Send + Sync {
    /// The addresses of a name, best first.
    fn resolve(&self, name: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// Look-ups at once. The system's cannot be ended: one that hangs keeps its thread, and its place here, until it gives up.
const AT_ONCE: usize = 32;

/// As this machine looks names up.
#[derive(Debug, Clone)]
pub struct System(Arc<Semaphore>);

impl Default for System {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

impl Resolve for System {
    fn resolve(&self, name: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let places = Arc::clone(&self.0);
        Box::pin(async move {
            let place = places.acquire_owned().await.map_err(io::Error::other)?;
            let look_up = move || {
                let _place = place;
                let found = (name.as_str(), 0).to_socket_addrs()?;
                Ok(found.map(|address| address.ip()).collect())
            };
            spawn_blocking(look_up).await.map_err(io::Error::other)?
        })
    }
}
