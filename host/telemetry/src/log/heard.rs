//! What plugins say, kept for who holds it against what was expected: a sink like others, of which signals are taken when
//! somebody asks, and so by no thread of its own.

use super::{Format, LOG, Outlet, VARIABLE, of_variable, open};
use crate::{
    TelemetryError,
    filter::Filter,
    pipe::{Layer, Pipe},
    redact,
    station::{Next, Station, Traits},
};
use std::{env, num::NonZeroUsize, sync::Arc};
use tengen_core::sink::Signal;
use tengen_settings as settings;
use tracing_subscriber::{Registry, layer::SubscriberExt};

/// So many signals are kept, until they are taken,
const MOST: NonZeroUsize = NonZeroUsize::MIN.saturating_add((1 << 14) - 1);
/// in so many bytes; what does not fit is lost, and counted.
const BYTES: NonZeroUsize = NonZeroUsize::MIN.saturating_add((16 << 20) - 1);
/// Plugins are asked for everything.
const PLUGINS: &str = "plugin=trace";

/// What plugins of this process have said and nobody has taken.
#[derive(Debug)]
pub struct Heard(Arc<Station>);

/// Installs a log of the process that keeps all that plugins say. `shown`: signals of the settings' level, the gateway's too, are
/// written there as well; TENGEN_LOG in the environment wins over that level. Err: there is a log already, or the level is none.
pub fn listen(
    settings: &settings::Telemetry,
    shown: Option<(Format, Outlet)>,
) -> Result<Heard, TelemetryError> {
    let own = of_variable(env::var(VARIABLE))?;
    let level = own.unwrap_or_else(|| settings.level.clone());
    let pipe = Pipe::of_process();
    let wanted = if shown.is_some() { format!("{level},{PLUGINS}") } else { PLUGINS.to_owned() };
    let filter = Filter::new(&settings::Filter::default(), &wanted)?;
    let subscriber = Registry::default().with(Layer(Arc::clone(&pipe)));
    let failed = |why: String| TelemetryError::Sink { name: "heard".to_owned(), why };
    tracing::subscriber::set_global_default(subscriber).map_err(|why| failed(why.to_string()))?;
    redact::keep_names(&settings.secrets);
    let heard = Heard::of(&pipe).map_err(|why| failed(why.to_string()))?;
    pipe.set_filter(filter);
    if let (Some((format, outlet)), Some(mut sink)) = (shown, settings.log()) {
        sink.filter.level = Some(level);
        drop(LOG.set(open(&pipe, &sink, format, outlet)?));
    }
    Ok(heard)
}

impl Heard {
    fn of(pipe: &Pipe) -> Result<Self, crate::pipe::Unattached> {
        let sink = settings::Sink {
            name: Some("heard".to_owned()),
            buffer: MOST,
            bytes: BYTES,
            ..settings::Sink::new(settings::SinkKind::Stderr)
        };
        let station = Station::new(Traits::of(&sink), Filter::default());
        pipe.attach(Arc::clone(&station))?;
        Ok(Self(station))
    }

    /// What plugins have said since this was asked last, in its order. Secrets are masked as everywhere.
    pub fn take(&self) -> Vec<Arc<Signal>> {
        let mut signals = Vec::new();
        while let Next::Deliver(batch) = self.0.next(MOST) {
            self.0.delivered(&batch.signals);
            signals.extend(batch.signals);
        }
        signals.retain(|signal| signal.namespace.starts_with("plugin."));
        signals
    }

    /// How many found no room.
    pub fn lost(&self) -> u64 {
        self.0.lost()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tengen_core::sink::Level;

    #[test]
    fn what_plugins_said_is_taken_once_and_what_the_gateway_said_is_none_of_it() {
        let pipe = Pipe::default();
        let heard = Heard::of(&pipe).unwrap();
        let said = |namespace: &'static str, message: &'static str| {
            pipe.put(Signal::new(Level::Debug, namespace, message), None);
        };
        said("plugin.chat", "one");
        said("tengen_server::hub", "of the gateway");
        said("plugin.chat", "two");
        let messages = |heard: &Heard| {
            heard.take().iter().map(|it| it.message.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(messages(&heard), ["one", "two"]);
        assert!(heard.take().is_empty());
        said("plugin.chat", "three");
        assert_eq!((messages(&heard).len(), heard.lost()), (1, 0));
    }
}
