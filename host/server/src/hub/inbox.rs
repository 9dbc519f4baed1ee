//! Where occurrences that no connection's task brings find their plugin: its handler, by its name.

use arc_swap::ArcSwap;
use foldhash::fast::RandomState;
use std::{collections::HashMap, sync::Arc};
use tengen_core::handler::Handler;
use tengen_wire::id::PluginName;

/// The handlers of all plugins that run.
type Handlers = HashMap<PluginName, Arc<dyn Handler>, RandomState>;

/// One registry for all who have something to tell a plugin. What is offered goes into the plugin's queue, behind what is
/// there: in order with the connection's other events.
#[derive(Debug, Default)]
pub(super) struct Inbox(ArcSwap<Handlers>);

impl Inbox {
    pub(super) fn set(&self, handlers: HashMap<PluginName, Arc<dyn Handler>>) {
        self.0.store(Arc::new(handlers.into_iter().collect()));
    }

    /// Looks at all of them.
    pub(super) fn each(&self, mut see: impl FnMut(&PluginName, &Arc<dyn Handler>)) {
        self.0.load().iter().for_each(|(plugin, handler)| see(plugin, handler));
    }

    pub(super) fn of(&self, plugin: &PluginName) -> Option<Arc<dyn Handler>> {
        self.0.load().get(plugin).cloned()
    }
}
