//! How many requests are under way, and what their bodies hold: of each plugin, and of all together.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tengen_core::outgoing::AT_ONCE;
use tengen_settings::RequestLimits;
use tengen_wire::{
    fault::{Fault, FaultId},
    id::PluginName,
};

/// How many whole bodies a plugin's requests may hold together; most are far smaller.
const BODIES: usize = 16;

#[derive(Debug, Default)]
pub(crate) struct Places(Arc<Mutex<Taken>>);

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    /// Of plugins that have any.
    by_plugin: HashMap<PluginName, Share>,
}

#[derive(Debug, Default)]
struct Share {
    requests: usize,
    bytes: usize,
}

impl Places {
    pub(crate) fn take(&self, plugin: &PluginName, limits: RequestLimits) -> Result<Place, Fault> {
        let mut taken = lock(&self.0);
        let has = taken.by_plugin.get(plugin).map_or(0, |share| share.requests);
        if has >= limits.requests {
            let why = format!("{has} requests of the plugin are under way; wait for one of them");
            return Err(Fault::new(FaultId::LimitReached, why));
        }
        if taken.all >= AT_ONCE {
            return Err(Fault::new(
                FaultId::Overloaded,
                "too many requests of all plugins are under way",
            ));
        }
        taken.all += 1;
        taken.by_plugin.entry(plugin.clone()).or_default().requests += 1;
        drop(taken);
        let most = limits.body.saturating_mul(BODIES);
        Ok(Place { taken: Arc::clone(&self.0), plugin: plugin.clone(), bytes: 0, most })
    }

    /// How many there are, of all plugins.
    pub(crate) fn taken(&self) -> usize {
        lock(&self.0).all
    }

    #[cfg(test)]
    pub(crate) fn of(&self, plugin: &str) -> (usize, usize) {
        lock(&self.0).by_plugin.get(plugin).map_or((0, 0), |share| (share.requests, share.bytes))
    }
}

fn lock(taken: &Mutex<Taken>) -> MutexGuard<'_, Taken> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A request's place; it is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    taken: Arc<Mutex<Taken>>,
    plugin: PluginName,
    /// What it holds, and what all of its plugin may.
    bytes: usize,
    most: usize,
}

impl Place {
    /// It holds so many bytes more.
    pub(crate) fn hold(&mut self, bytes: usize) -> Result<(), Fault> {
        let mut taken = lock(&self.taken);
        let Some(share) = taken.by_plugin.get_mut(&self.plugin) else { return Ok(()) };
        if share.bytes.saturating_add(bytes) > self.most {
            let why =
                "the bodies of the plugin's requests hold too much together; ask for less at once";
            return Err(Fault::new(FaultId::Overloaded, why));
        }
        share.bytes += bytes;
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        taken.all -= 1;
        if let Some(share) = taken.by_plugin.get_mut(&self.plugin) {
            share.requests -= 1;
            share.bytes -= self.bytes;
            if share.requests == 0 {
                taken.by_plugin.remove(&self.plugin);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: RequestLimits = RequestLimits { requests: 2, body: 10 };

    fn take(places: &Places, plugin: &str) -> Result<Place, FaultId> {
        places.take(&plugin.into(), LIMITS).map_err(|fault| fault.id)
    }

    #[test]
    fn a_plugin_has_so_many_requests_at_once_and_another_has_its_own() {
        let places = Places::default();
        let (first, _second) = (take(&places, "a").unwrap(), take(&places, "a").unwrap());
        assert_eq!(take(&places, "a").unwrap_err(), FaultId::LimitReached);
        assert!(take(&places, "b").is_ok());
        drop(first);
        assert!(take(&places, "a").is_ok());
    }

    #[test]
    fn all_plugins_together_have_so_many() {
        let places = Places::default();
        let taken: Vec<_> = (0..AT_ONCE).map(|n| take(&places, &n.to_string()).unwrap()).collect();
        assert_eq!(take(&places, "last").unwrap_err(), FaultId::Overloaded);
        drop(taken);
        assert!(take(&places, "last").is_ok());
        assert!(lock(&places.0).by_plugin.is_empty());
    }

    #[test]
    fn bodies_are_bounded_together_and_given_back() {
        let places = Places::default();
        let (mut first, mut second) = (take(&places, "a").unwrap(), take(&places, "a").unwrap());
        first.hold(BODIES * LIMITS.body - 1).unwrap();
        second.hold(1).unwrap();
        assert_eq!(second.hold(1).unwrap_err().id, FaultId::Overloaded);
        drop(first);
        second.hold(5).unwrap();
        assert_eq!(places.of("a"), (1, 6));
        drop(second);
        assert_eq!(places.of("a"), (0, 0));
    }
}
