//! The sinks of a gateway: those of the configuration, attached when it starts, changed when its file changes, and removed and
//! attached again by calls.

use super::{Shared, plugins::LoadError};
use serde_json::{Value, json};
use std::sync::Arc;
use tengen_settings::{Settings, Sink, SinkKind};
use tengen_telemetry as telemetry;
use tokio::time;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// The key of the one setting of traces that changes while everything runs.
pub(super) const SHARE: &str = "telemetry.otlp.sample";

/// Says how the sinks are doing as often as the configuration wants it, if it does.
pub(super) async fn say_accounts(shared: Arc<Shared>, stop: CancellationToken) {
    let Some(every) = shared.settings.load().telemetry.accounts else { return };
    let mut due = time::interval_at(time::Instant::now() + every, every);
    due.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
    while stop.run_until_cancelled(due.tick()).await.is_some() {
        shared.telemetry.say_accounts();
    }
}

impl Shared {
    pub(super) fn attach_sinks(
        &self,
        settings: &Settings,
        tasks: &TaskTracker,
    ) -> Result<(), LoadError> {
        let sinks = settings.telemetry.sinks.iter();
        // The log was there before the gateway.
        for sink in sinks.filter(|sink| sink.kind != SinkKind::Stderr) {
            self.attach_sink(sink, tasks).map_err(|why| LoadError(vec![why]))?;
        }
        Ok(())
    }

    /// Masks what the settings themselves know to be secret: keys, and what plugins are given under the name of one.
    pub(super) fn keep_secrets(&self, settings: &Settings) {
        let env = |name: &str| std::env::var(name).ok();
        self.telemetry.keep_secret(telemetry::secrets::of(settings, &env));
    }

    /// Err: why there is no such sink.
    fn attach_sink(&self, sink: &Sink, tasks: &TaskTracker) -> Result<(), String> {
        let attached = match (sink.kind, &sink.plugin) {
            (SinkKind::Plugin, Some(name)) => {
                let plugin = self.plugins.get(name);
                let role = plugin.and_then(|plugin| plugin.sink()).ok_or_else(|| {
                    format!(
                        "plugin.{name}: a `[[sink]]` names it, but it exports no `telemetry-sink`"
                    )
                })?;
                self.telemetry.attach_sink(sink, role, tasks)
            }
            _ => self.telemetry.open_sink(sink),
        };
        attached.map_err(|error| error.to_string())
    }

    /// Attaches a sink of the configuration that was removed.
    pub(super) fn add_sink(&self, wishes: &telemetry::Wishes) -> Result<Value, String> {
        let [(key, name)] = wishes else { return Err("say which sink, as in sink=file".into()) };
        let settings = self.settings.load();
        let mut sinks = settings.telemetry.sinks.iter();
        let sink = sinks.find(|sink| key == "sink" && sink.label() == name).ok_or_else(|| {
            format!("the configuration has no sink `{name}`: add it there, and restart the gateway")
        })?;
        self.attach_sink(sink, &self.tasks)?;
        Ok(json!({ "added": name }))
    }

    /// What is asked of all signals is what the new file says, from now on; what there is to say of that.
    pub(super) fn refilter(&self, current: &mut Settings, new: &Settings, key: &str) -> String {
        match self.telemetry.refilter(&new.telemetry) {
            Ok(note) => {
                let (now, new) = (&mut current.telemetry, &new.telemetry);
                now.level.clone_from(&new.level);
                now.filter.clone_from(&new.filter);
                now.secrets.clone_from(&new.secrets);
                now.security.clone_from(&new.security);
                format!("`{key}` changed, and is used from now on{}", note.unwrap_or_default())
            }
            Err(why) => format!("`{key}` is not used: {why}"),
        }
    }

    /// New traces are recorded by the share that the new file says, from now on.
    pub(super) fn resample(&self, current: &mut Settings, new: &Settings, key: &str) -> String {
        let share = new.telemetry.otlp.as_ref().and_then(|otlp| otlp.sample);
        match self.telemetry.resample(share) {
            Ok(()) => {
                if let Some(otlp) = &mut current.telemetry.otlp {
                    otlp.sample = share;
                }
                format!("`{key}` changed, and is used from now on")
            }
            Err(why) => format!("`{key}` is not used: {why}"),
        }
    }

    /// The sink of this name is as the new file has it, from now on; what there is to say of that. One of which more changes
    /// than its filter ends with what waits for it, and begins anew: what is said meanwhile does not go to it.
    pub(super) async fn change_sink(
        &self,
        current: &mut Settings,
        new: &Settings,
        name: &str,
    ) -> String {
        let of = |settings: &Settings| {
            settings.telemetry.sinks.iter().find(|sink| sink.label() == name).cloned()
        };
        let (before, after) = (of(current), of(new));
        let done = match (&before, &after) {
            (Some(before), Some(after)) if is_filtered_only(before, after) => {
                self.telemetry.refilter_sink(after).map(|()| "has its new filter".to_owned())
            }
            (Some(before), Some(after)) => self.replace_sink(before, after).await,
            (None, Some(after)) => {
                self.attach_sink(after, &self.tasks).map(|()| "is added".to_owned())
            }
            (Some(_), None) => Ok(self.end_sink(name).await),
            (None, None) => return format!("there is no sink `{name}`"),
        };
        match done {
            Ok(done) => {
                keep(&mut current.telemetry.sinks, name, before, after);
                format!("`sink.{name}` {done}")
            }
            Err(why) => format!("`sink.{name}` stays as it was: {why}"),
        }
    }

    async fn replace_sink(&self, before: &Sink, after: &Sink) -> Result<String, String> {
        self.end_sink(before.label()).await;
        match self.attach_sink(after, &self.tasks) {
            Ok(()) => Ok("begins anew with its new settings".to_owned()),
            Err(why) => match self.attach_sink(before, &self.tasks) {
                Ok(()) => Err(why),
                Err(also) => Err(format!("{why}; and it is gone: {also}")),
            },
        }
    }

    /// Ends it with what waits for it; one that a call has removed is gone already.
    async fn end_sink(&self, name: &str) -> String {
        let wish = [("sink".to_owned(), name.to_owned())];
        match self.telemetry.order("remove", &wish).await {
            Ok(_) => "is removed".to_owned(),
            Err(why) => format!("was removed before: {why}"),
        }
    }
}

/// Of the log, nothing else can change.
fn is_filtered_only(before: &Sink, after: &Sink) -> bool {
    let filtered = Sink { filter: after.filter.clone(), ..before.clone() };
    filtered == *after || before.kind == SinkKind::Stderr
}

/// What is in use from now on: of the log, the old settings with the new filter.
fn keep(sinks: &mut Vec<Sink>, name: &str, before: Option<Sink>, after: Option<Sink>) {
    let place = sinks.iter().position(|sink| sink.label() == name);
    let now = match (before, after) {
        (Some(before), Some(after)) if before.kind == SinkKind::Stderr => {
            Some(Sink { filter: after.filter, ..before })
        }
        (_, after) => after,
    };
    match (place.and_then(|place| sinks.get_mut(place)), now) {
        (Some(slot), Some(now)) => *slot = now,
        (None, Some(now)) => sinks.push(now),
        (_, None) => sinks.retain(|sink| sink.label() != name),
    }
}
