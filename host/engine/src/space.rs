//! How plugins' memories lie in the address space: all of it in advance where there is much, less where there is little.
//!
//! A memory for which everything is reserved that 32 bits can name needs no check of its bounds, and one that lies in a pool
//! is there at once. Both cost addresses and hardly any memory: 2 TiB for 256 instances. A process may be limited in them
//! (`ulimit -v`), and some machines have few.

use crate::guest::data::{INSTANCES, TABLE_ELEMENTS, TABLES};
use rustix::process::{Resource, getrlimit};
use std::fmt;
use tengen_settings::Instances;
use wasmtime::{Config, InstanceAllocationStrategy, PoolingAllocationConfig};

/// All that a 32-bit memory can have: an instance may grow to twice its limit while it saves or loads its state.
const MEMORY: u64 = 4 << 30;
/// What wasmtime keeps free behind a memory.
const GUARD: u64 = 32 << 20;
/// Of each of these so many for one instance: interpreters have many core modules and tables.
const CORE_INSTANCES: u32 = 16;
const MEMORIES: u32 = 2;
const TABLES_EACH: u32 = 8;
/// The stack that a guest runs on.
const STACK: u64 = 2 << 20;
/// Places for instances that are reserved where there is room, however few are asked for,
const USUAL: u32 = 256;
/// and the least for which a pool is worth its while.
const FEW: u32 = 16;

/// What is reserved for a memory where there are few addresses: enough for a plugin that has not been given more.
const NARROW_MEMORY: u64 = 64 << 20;
const NARROW_GROWTH: u64 = 16 << 20;
const NARROW_GUARD: u64 = 64 << 10;

/// How much is reserved for each memory. Machine code is for one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Space {
    /// All that it can ever have: no access is checked.
    Wide,
    /// What it needs: accesses are checked, and a memory that grows beyond what is reserved is copied.
    Narrow,
}

impl Space {
    /// The word by which a compiling child is told.
    pub(super) const NARROW: &str = "narrow";

    /// What of the configuration machine code depends on.
    pub(super) fn configure(self, config: &mut Config) {
        if self == Self::Narrow {
            config
                .memory_reservation(NARROW_MEMORY)
                .memory_reservation_for_growth(NARROW_GROWTH)
                .memory_guard_size(NARROW_GUARD)
                .guard_before_linear_memory(false);
        }
    }
}

/// One way to lay memories out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) space: Space,
    /// Instances that there may be at one time.
    pub(super) instances: u32,
    /// Their places are reserved in advance.
    pub(super) pooled: bool,
}

impl fmt::Display for Layout {
    /// What it costs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let instances = self.instances;
        match self.space {
            Space::Wide => write!(f, "{instances} instances of plugins at most"),
            Space::Narrow => f.write_str(
                "the code of plugins checks each access to memory, which makes it slower",
            ),
        }
    }
}

impl Layout {
    pub(super) fn configure(self, config: &mut Config) {
        if self.pooled {
            config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(self.instances)));
        }
    }

    /// What a pool takes: of addresses, and of what the system counts as data.
    fn needs(self) -> Room {
        if !self.pooled {
            return Room { addresses: 0, data: 0 };
        }
        let instances = u64::from(self.instances);
        let tables = u64::from(TABLES_EACH) * TABLE_ELEMENTS as u64 * size_of::<usize>() as u64;
        let data = instances * (tables + STACK);
        let memories = instances * u64::from(MEMORIES) * (MEMORY + GUARD);
        Room { addresses: memories + data, data }
    }
}

/// What this process may have, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    pub(super) addresses: u64,
    pub(super) data: u64,
}

impl Room {
    pub(super) fn here() -> Self {
        let limit = |resource| getrlimit(resource).current.unwrap_or(u64::MAX);
        Self { addresses: limit(Resource::As), data: limit(Resource::Data) }
    }

    /// Whether it is enough, and leaves something for everything else.
    fn is_enough_for(self, needs: Self) -> bool {
        needs.addresses <= self.addresses / 4 * 3 && needs.data <= self.data / 4
    }
}

/// The ways to try.
#[derive(Debug)]
pub(super) struct Layouts {
    /// The best first; the last one reserves nothing in advance. Those that there is no room for are not in it.
    pub(super) all: Vec<Layout>,
    /// The best of them, if there is room for it.
    best: u32,
}

impl Layouts {
    /// Whether this one is worse than the best.
    pub(super) fn is_poor(&self, layout: Layout) -> bool {
        self.best > 0 && !(layout.pooled && layout.instances >= self.best)
    }
}

/// Places for all that the settings ask for, and for as many as are usual where they ask for fewer: a reload may bring more.
/// Where there is no room for so many, just for those; then for those that serve, and a few that are reloaded. Without any
/// instance, no place is reserved. Nothing goes over the limit, which the configuration is held to before.
///
/// `all` is the limit. `wanted`: none, where it is not known.
pub(super) fn layouts(all: u32, wanted: Option<Instances>, room: Room) -> Layouts {
    let places =
        |number: usize, least: u32| u32::try_from(number).unwrap_or(u32::MAX).max(least).min(all);
    let Instances { serving, most } = wanted.unwrap_or_default();
    let just = places(most, FEW);
    let numbers = [places(most, USUAL), just, places(serving, 0).saturating_add(FEW).min(just)];
    let is_asked_for = wanted.is_none_or(|wanted| wanted.serving > 0);
    let wide = |instances| Layout { space: Space::Wide, instances, pooled: true };
    let mut pools: Vec<_> = numbers.map(wide).into_iter().filter(|_| is_asked_for).collect();
    pools.dedup();
    pools.retain(|layout| room.is_enough_for(layout.needs()));
    let [best, ..] = numbers;
    pools.push(Layout { space: Space::Narrow, instances: all, pooled: false });
    Layouts { all: pools, best: if is_asked_for { best } else { 0 } }
}

/// Room for what interpreters in components need; each store limits itself further.
fn pool(instances: u32) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.max_memory_size(usize::try_from(MEMORY).unwrap_or(usize::MAX))
        .total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(CORE_INSTANCES))
        .total_memories(instances.saturating_mul(MEMORIES))
        .total_tables(instances.saturating_mul(TABLES_EACH))
        .total_stacks(instances)
        .max_core_instances_per_component(INSTANCES)
        .max_tables_per_component(TABLES)
        .table_elements(TABLE_ELEMENTS);
    pool
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;
    const WIDE: Space = Space::Wide;
    const UNLIMITED: Room = Room { addresses: u64::MAX, data: u64::MAX };

    /// So many handlers, which is what most plugins are.
    fn handlers(serving: usize) -> Option<Instances> {
        Some(Instances { serving, most: 3 * serving })
    }

    /// The limit where nothing is said.
    const MOST: u32 = 4096;

    fn found(all: u32, wanted: Option<Instances>, room: Room) -> Vec<u32> {
        let layouts = layouts(all, wanted, room);
        let (last, before) = layouts.all.split_last().expect("there is always one");
        assert!(!last.pooled && last.space == Space::Narrow && last.needs().addresses == 0);
        assert!(before.iter().all(|layout| layout.pooled && layout.space == WIDE));
        let best = before.first().is_some_and(|layout| layout.instances == layouts.best);
        assert_eq!(before.first().is_some_and(|layout| !layouts.is_poor(*layout)), best);
        before.iter().map(|layout| layout.instances).collect()
    }

    #[track_caller]
    fn check(wanted: Option<Instances>, room: Room, expected: &[u32]) {
        assert_eq!(found(MOST, wanted, room), expected, "{wanted:?} {room:?}");
    }

    #[test]
    fn as_much_is_reserved_as_there_is_room_for() {
        let addresses = |gib: u64| Room { addresses: gib * GIB, data: u64::MAX };
        check(None, UNLIMITED, &[256, 16]);
        check(handlers(1), UNLIMITED, &[256, 16]);
        check(handlers(20), UNLIMITED, &[256, 60, 36]);
        check(handlers(1), addresses(2048), &[16]);
        check(handlers(1), addresses(512), &[16]);
        check(handlers(20), addresses(512), &[36]);
        check(handlers(50), addresses(512), &[]);
        check(handlers(1), addresses(64), &[]);
        check(handlers(1), addresses(8), &[]);
        check(handlers(1), Room { addresses: u64::MAX, data: GIB }, &[16]);
        check(handlers(1), Room { addresses: u64::MAX, data: GIB / 4 }, &[]);
    }

    #[test]
    fn places_follow_from_what_is_configured_within_the_limit() {
        check(handlers(85), UNLIMITED, &[256, 255, 101]);
        check(handlers(300), UNLIMITED, &[900, 316]);
        check(handlers(1365), UNLIMITED, &[4095, 1381]);
        check(handlers(2000), UNLIMITED, &[4096, 2016]);
        assert_eq!(found(40, handlers(10), UNLIMITED), [40, 30, 26]);
        assert_eq!(found(40, handlers(300), UNLIMITED), [40]);
        assert_eq!(found(40, None, UNLIMITED), [40, 16]);
    }

    #[test]
    fn fewer_places_than_are_asked_for_are_told_and_none_where_nothing_is_asked_for_are_not() {
        let poor = |wanted, room| {
            let layouts = layouts(MOST, wanted, room);
            layouts.all.first().is_some_and(|first| layouts.is_poor(*first))
        };
        let few = Room { addresses: 512 * GIB, data: u64::MAX };
        assert!(!poor(handlers(300), UNLIMITED) && poor(handlers(300), few));
        assert!(!poor(handlers(0), few) && !poor(handlers(0), UNLIMITED));
    }

    #[test]
    fn without_plugins_nothing_is_reserved() {
        check(handlers(0), UNLIMITED, &[]);
    }
}
