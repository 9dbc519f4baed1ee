//! The gate as a whole.

use crate::{
    connect::Connector,
    exchange::exchange,
    gate::Pass,
    headers::outgoing,
    places::Places,
    resolver::Resolve,
    target::Target,
    tls::{Roots, Tls},
};
use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};
use tengen_core::{
    meter::{Exemplar, OutgoingTotals, Samples},
    often::{Often, Times},
    outgoing::{Asker, Begun, Ended, LONGEST, Outgoing, Place, Request, Response, TIMEOUT},
    security,
};
use tengen_wire::{
    fault::{Fault, FaultId},
    id::PluginName,
    trace::TraceContext,
};
use tokio::time::timeout;

/// Carries out the requests of all plugins.
#[derive(Debug)]
pub struct Client {
    connector: Arc<Connector>,
    pub(crate) places: Places,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    totals: OutgoingTotals,
    /// Requests for addresses that are not granted: the log has one in a minute.
    refused: Often,
}

impl Counts {
    fn ended(
        &self,
        plugin: &PluginName,
        sent: usize,
        value: &Result<Response, Fault>,
        time: Duration,
    ) {
        let received = value.as_ref().map(|response| response.body.len()).map_err(|why| why.id);
        self.totals.ended(sent, received, time);
        let Err(Fault { id: FaultId::NotAllowed, message: why, .. }) = value else { return };
        match self.refused.count("address", Instant::now()) {
            Some(Times { untold, .. }) => {
                tracing::warn!(name: security::GRANT, %plugin, untold, "a plugin's request led where it was not granted to go: {why}");
            }
            None => tracing::debug!(name: security::GRANT, %plugin, "{why}"),
        }
    }
}

impl Client {
    pub fn new(resolver: Arc<dyn Resolve>, roots: Roots) -> Self {
        let connector = Connector { resolver, tls: Tls::new(roots) };
        Self { connector: Arc::new(connector), places: Places::default(), counts: Arc::default() }
    }
}

impl Outgoing for Client {
    fn begin(
        &self,
        asker: Asker<'_>,
        request: Request,
        trace: Option<&TraceContext>,
    ) -> Result<Begun, Fault> {
        let most = asker.limits.body;
        if request.body.len() > most {
            let why = format!("the request's body has more than {most} bytes");
            return Err(Fault::new(FaultId::TooLarge, why));
        }
        let pass = Pass::of(Target::read(&request.url)?, asker.hosts)?;
        let within = request.timeout.unwrap_or(TIMEOUT).min(LONGEST);
        let sent = request.body.len();
        let request = outgoing(&pass.target, request, trace)?;
        let mut place = self.places.take(asker.plugin, asker.limits)?;
        place.hold(sent)?;
        let (connector, counts) = (Arc::clone(&self.connector), Arc::clone(&self.counts));
        let plugin = asker.plugin.clone();
        let recorded = trace.filter(|trace| trace.sampled).cloned();
        let server = pass.target.authority();
        let exchange = Box::pin(async move {
            let began = Instant::now();
            let whole = async {
                let stream = connector.connect(&pass).await?;
                exchange(stream, request, most, &mut place).await
            };
            let value = timeout(within, whole).await.unwrap_or_else(|_| {
                let late = format!("there was no whole answer within {} ms", within.as_millis());
                Err(Fault::new(FaultId::Timeout, late))
            });
            let took = began.elapsed();
            counts.ended(&plugin, sent, &value, took);
            if let Some(trace) = recorded {
                let shown = Exemplar::of(&trace, took, SystemTime::now());
                shown.into_iter().for_each(|shown| counts.totals.show(shown));
            }
            Ended { value, place: Place::new(place) }
        });
        Ok(Begun { server, exchange })
    }

    fn collect(&self, into: &mut Samples) {
        self.counts.totals.collect(self.places.taken(), into);
    }
}
