//! How plugins' memories lie in the address space: all of it in advance where there is much, less where there is little.
//!
//! A memory for which everything is reserved that 32 bits can name needs no check of its bounds, and one that lies in a pool
//! is there at once. Both cost addresses and no memory: 2 TiB for 256 instances. A process may be limited in them
//! (`ulimit -v`), and some machines have few.

use super::{
    engine::EngineLimits,
    state::{TABLE_ELEMENTS, TABLES},
};
use rustix::process::{Resource, getrlimit};
use std::fmt;
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
/// The least number of instances for which a pool is worth its while.
const FEW: u32 = 16;
/// Instances of one plugin at a time: those of two versions, and a rehearsal.
const VERSIONS: u32 = 4;

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

/// The ways to try, the best first. The last one reserves nothing in advance.
///
/// `wanted`: the instances that the settings ask for, and those to come; if that is not known, few. Without any, no place is
/// reserved.
pub(super) fn layouts(limits: EngineLimits, wanted: Option<u32>, room: Room) -> Vec<Layout> {
    let all = limits.instances;
    let few = wanted.unwrap_or(0).saturating_mul(VERSIONS).clamp(FEW.min(all), all);
    let wide = |instances| Layout { space: Space::Wide, instances, pooled: true };
    let mut layouts = match wanted {
        Some(0) => Vec::new(),
        _ => vec![wide(all), wide(few)],
    };
    layouts.dedup();
    layouts.retain(|layout| room.is_enough_for(layout.needs()));
    layouts.push(Layout { space: Space::Narrow, instances: all, pooled: false });
    layouts
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
        .max_core_instances_per_component(super::state::INSTANCES)
        .max_tables_per_component(TABLES)
        .table_elements(TABLE_ELEMENTS);
    pool
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;
    const WIDE: Space = Space::Wide;

    #[track_caller]
    fn check(wanted: Option<u32>, room: Room, expected: &[(Space, u32)]) {
        let found = layouts(EngineLimits::default(), wanted, room);
        let (last, before) = found.split_last().expect("there is always one");
        let before: Vec<_> = before.iter().map(|layout| (layout.space, layout.instances)).collect();
        assert_eq!(before, expected, "{wanted:?} {room:?}");
        assert!(!last.pooled && last.space == Space::Narrow && last.needs().addresses == 0);
    }

    // Issue 10, 6.
    #[test]
    fn as_much_is_reserved_as_there_is_room_for() {
        let addresses = |gib: u64| Room { addresses: gib * GIB, data: u64::MAX };
        let unlimited = Room { addresses: u64::MAX, data: u64::MAX };
        check(None, unlimited, &[(WIDE, 256), (WIDE, 16)]);
        check(Some(1), unlimited, &[(WIDE, 256), (WIDE, 16)]);
        check(Some(20), unlimited, &[(WIDE, 256), (WIDE, 80)]);
        check(Some(1000), unlimited, &[(WIDE, 256)]);
        check(Some(1), addresses(2048), &[(WIDE, 16)]);
        check(Some(1), addresses(512), &[(WIDE, 16)]);
        check(Some(20), addresses(512), &[]);
        check(Some(1), addresses(64), &[]);
        check(Some(1), addresses(8), &[]);
        check(Some(1), Room { addresses: u64::MAX, data: GIB }, &[(WIDE, 16)]);
        check(Some(1), Room { addresses: u64::MAX, data: GIB / 4 }, &[]);
    }

    // Issue 10, 6.
    #[test]
    fn without_plugins_nothing_is_reserved() {
        check(Some(0), Room { addresses: u64::MAX, data: u64::MAX }, &[]);
    }
}
