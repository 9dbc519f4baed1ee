//! What an authenticator says, judged without a request: for who tries one out. The checks are those of an upgrade.

use super::{
    admission::anonymous,
    authentication::{denied, end_by, no_verdict, unavailable, usable},
    checks::Refusal,
};
use std::time::SystemTime;
use tengen_core::authenticator::{Admission, Authenticator, Verdict};
use tengen_settings::Endpoint;
use tengen_wire::{dialect::Wire, fault::Fault, id::PluginName};

/// With what an upgrade would have been refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The label in logs and statistics.
    pub(crate) label: &'static str,
    /// What the peer is told.
    pub(crate) reason: String,
    /// What whoever runs the gateway is told beside.
    pub(crate) inside: Option<String>,
}

/// Where somebody wants to come in, and when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Door<'a> {
    pub(crate) plugin: &'a PluginName,
    pub(crate) endpoint: &'a Endpoint,
    pub(crate) wire: Wire,
    /// `limits.per_connection.subscriptions`.
    pub(crate) subscriptions: usize,
    /// The time of day, which may be told.
    pub(crate) at: SystemTime,
}

/// What becomes of an upgrade by what the authenticator said.
pub(crate) fn judged(
    authenticator: &dyn Authenticator,
    said: Result<Verdict, Fault>,
    door: Door<'_>,
) -> Result<Admission, Refused> {
    admitted(authenticator, said, door).map_err(|refusal| Refused {
        status: refusal.status.as_u16(),
        label: refusal.label,
        reason: refusal.reason,
        inside: refusal.inside,
    })
}

fn admitted(
    authenticator: &dyn Authenticator,
    said: Result<Verdict, Fault>,
    door: Door<'_>,
) -> Result<Admission, Refusal> {
    let Door { plugin, endpoint, wire, subscriptions, at } = door;
    let admission = match said.map_err(|why| no_verdict(plugin, &why))? {
        Verdict::Deny { status, why } => return Err(denied(status, why)),
        Verdict::Allow(admission) => admission,
    };
    if let Err(wrong) = usable(&admission, subscriptions, wire) {
        authenticator.blame(&wrong);
        return Err(unavailable(wrong.why));
    }
    end_by(&admission, at)?;
    match admission.user.is_none() && !endpoint.anonymous {
        true => Err(anonymous()),
        false => Ok(admission),
    }
}
