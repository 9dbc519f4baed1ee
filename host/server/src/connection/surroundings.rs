//! What every connection is given.

use super::Line;
use crate::{hub::Hub, router::Router};
use std::sync::Arc;
use tengen_settings::{Limits, Outbox};

/// What every connection needs of the gateway.
#[derive(Debug)]
pub struct Surroundings {
    pub hub: Arc<Hub>,
    pub router: Arc<Router>,
    pub limits: Limits,
    pub outbox: Outbox,
    /// Where large messages wait for their turn.
    pub large: Line,
}
