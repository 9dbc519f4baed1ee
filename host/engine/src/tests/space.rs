//! Memories where there are few addresses, and more of them than one module may have.

use super::{limits::alone_with, *};
use crate::{
    call::{
        events::{prepare, tell},
        instance::Instance,
        whose::Whose,
    },
    guest::bindings::plugin::StartReason,
    space::Space,
};

#[tokio::test]
async fn a_module_with_two_memories_is_refused_in_words_that_fit() {
    let guest = Guest { items: "(memory 1)", ..Guest::default() };
    let why = load(&guest.component(), |_| {}).await.err().expect("it is refused").explain();
    assert!(why.contains("has 2 memories, and may have one"), "{why}");
}

#[tokio::test]
async fn where_addresses_are_few_memories_grow_and_instances_are_counted_all_the_same() {
    let limits = EngineLimits { instances: 1, ..EngineLimits::default() };
    // Nothing is reserved where nothing is asked for.
    let parts = EngineParts {
        limits,
        wanted: Some(settings::Instances::default()),
        ..EngineParts::default()
    };
    let engine = Engine::new(parts).expect("an engine");
    assert_eq!(engine.space(), Space::Narrow);
    assert!(engine.wasm().pooling_allocator_metrics().is_none(), "it has no pool");
    // Beyond what is reserved for a memory at first.
    let grows = "(if (i32.eq (memory.grow (i32.const 2000)) (i32.const -1)) (then unreachable))
        (i32.store (i32.const 120000000) (i32.const 7))
        (if (i32.ne (i32.load (i32.const 120000000)) (i32.const 7)) (then unreachable))";
    let guest = Guest::handling(format!("{grows} {}", guests::NOTHING));
    let (generation, mut instance) = alone_with(&engine, &guest, 256 << 20).await;
    let again = Instance::start(&generation, StartReason::Scale).await;
    assert!(matches!(again, Err(PluginError::NoRoom(_))), "there is one place");
    let events = [event(&connection(1), Occurrence::Opened)];
    let made = prepare(&events, &[], Encoding::Json);
    let told = tell(&events, &made);
    let outcome = instance.handle(generation.allowance(1), &told.records, Whose::NOBODY).await;
    outcome.expect("it does not trap").expect("well");
    drop(instance);
    Instance::start(&generation, StartReason::Scale).await.expect("the place is free again");
}
