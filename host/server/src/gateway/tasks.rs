//! Tasks that run as long as the gateway: each ends when it is told to stop.

use super::Shared;
use crate::hub::Hub;
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::time;
use tokio_util::sync::CancellationToken;

/// How often replies that nobody gave are looked for.
const EXPIRY_LOOK: Duration = Duration::from_millis(500);

pub(super) async fn write_for_others(hub: Arc<Hub>, stop: CancellationToken) {
    // Ended early or not: what it leaves, connections write themselves.
    stop.run_until_cancelled(hub.write_for_others()).await;
}

/// What somebody asked to hear for a while is told no longer than that.
pub(super) async fn expire_raised(shared: Arc<Shared>, stop: CancellationToken) {
    let mut look = time::interval(Duration::from_secs(1));
    look.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
    while stop.run_until_cancelled(look.tick()).await.is_some() {
        shared.telemetry.expire();
    }
}

pub(super) async fn run_timers(hub: Arc<Hub>, stop: CancellationToken) {
    stop.run_until_cancelled(hub.run_timers()).await;
    // The handlers hold the hub, and it held them.
    hub.set_handlers(HashMap::new());
}

pub(super) async fn run_questions(hub: Arc<Hub>, stop: CancellationToken) {
    stop.run_until_cancelled(hub.run_questions()).await;
}

pub(super) async fn run_occupancy(hub: Arc<Hub>, stop: CancellationToken) {
    stop.run_until_cancelled(hub.run_occupancy()).await;
}

pub(super) async fn run_news(hub: Arc<Hub>, stop: CancellationToken) {
    stop.run_until_cancelled(hub.run_news()).await;
}

pub(super) async fn publish_for_clients(hub: Arc<Hub>, stop: CancellationToken) {
    stop.run_until_cancelled(hub.run_publications()).await;
}

pub(super) async fn keep_memory(hub: Arc<Hub>, stop: CancellationToken) {
    stop.run_until_cancelled(hub.keep_memory()).await;
}

pub(super) async fn expire_replies(hub: Arc<Hub>, stop: CancellationToken) {
    let mut look = time::interval(EXPIRY_LOOK);
    look.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = look.tick() => {}
        }
        while hub.expire_replies(time::Instant::now().into_std()) {
            tokio::task::yield_now().await;
        }
    }
}
