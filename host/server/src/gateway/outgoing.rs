//! Requests of plugins to other people's servers: who carries them out, and who tells how they ended.

use super::{Options, Work};
use crate::hub::{Hub, Requesting};
use std::sync::Arc;
use tengen_core::outgoing::Outgoing;
use tengen_fetch::{Client, Roots, System};
use tokio_util::sync::CancellationToken;

pub(super) fn client(options: &Options) -> Arc<dyn Outgoing> {
    let names = options.names.clone().unwrap_or_else(|| Arc::new(System::default()));
    Arc::new(Client::new(names, Roots::System))
}

/// Requests are tasks of the gateway's, and end with it.
pub(super) fn requesting(client: Arc<dyn Outgoing>, work: &Work) -> Requesting {
    Requesting { client, tasks: work.tasks.clone(), stop: work.stop.clone() }
}

pub(super) async fn tell(hub: Arc<Hub>, stop: CancellationToken) {
    stop.run_until_cancelled(hub.run_fetched()).await;
}
