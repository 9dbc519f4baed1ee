//! For tests: a request that has the only place there is.

use super::{
    Kernel,
    places::{Place, Places},
};
use crate::hub::Shortcut;
use futures_util::FutureExt;
use std::{io, net::Ipv4Addr, sync::Arc};
use tokio::time::Instant;

#[derive(Debug)]
pub(crate) struct Alone {
    pub(crate) kernel: Kernel,
    places: Arc<Places>,
    _place: Place,
}

#[derive(Debug)]
struct Takes;

impl Shortcut for Takes {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }
}

impl Alone {
    pub(crate) fn new() -> Self {
        let places = Places::new(1, None);
        let taken = places.take(Ipv4Addr::LOCALHOST.into()).now_or_never();
        let place = taken.expect("there is a place").expect("addresses have no share");
        place.ticket().answers(Instant::now());
        let kernel = Kernel { socket: Arc::new(Takes), ticket: place.ticket() };
        Self { kernel, places, _place: place }
    }

    /// Whether somebody else would have a place now.
    pub(crate) fn has_room(&self) -> bool {
        self.places.take(Ipv4Addr::LOCALHOST.into()).now_or_never().is_some()
    }
}
