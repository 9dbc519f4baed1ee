//! Components that cannot be plugins, and what is said of them.

use super::*;
use crate::{
    Role,
    guest::bindings::plugin::StartReason,
    inspect,
    prepare::{GenerationParts, rehearse},
    tests::hostile::Log,
};

async fn why(component: &[u8]) -> String {
    match load(component, |settings| settings.deadline = Duration::from_millis(10)).await {
        Ok(_) => panic!("it runs"),
        Err(error) => error.explain(),
    }
}

#[track_caller]
fn check(said: &str, parts: &[&str]) {
    for part in parts {
        assert!(said.contains(part), "`{part}` is not in: {said}");
    }
}

#[tokio::test]
async fn a_guest_that_never_finishes_starting_is_stopped() {
    let endless = "(loop $for_ever (br $for_ever)) unreachable";
    let start = Guest { start: endless, ..Guest::default() };
    check_stopped(&why(&start.component()).await, "`start` failed");
    let describe = Guest { describe: endless, ..Guest::default() };
    check_stopped(&why(&describe.component()).await, "`describe` failed");
    let core = Guest {
        items: "(func $boot (loop $for_ever (br $for_ever))) (start $boot)",
        ..Guest::default()
    };
    check_stopped(&why(&core.component()).await, "`instantiation` failed");
}

/// By its own time or, on a machine that has none to spare, by everybody's.
#[track_caller]
fn check_stopped(said: &str, what: &str) {
    assert!(said.contains(what) && said.starts_with("over its deadline"), "{said}");
}

#[tokio::test]
async fn a_guest_that_fails_at_starting_says_how() {
    let traps = Guest { start: "unreachable", ..Guest::default() };
    check(&why(&traps.component()).await, &["`start` failed", "trapped", "unreachable"]);
    let refuses = Guest { start: "(i32.const 192)", ..Guest::default() };
    check(&why(&refuses.component()).await, &["`start` refused: not today"]);
    let large = Guest { pages: 1100, ..Guest::default() };
    check(
        &why(&large.component()).await,
        &["more than the 67108864 it may have", "raise its `memory`"],
    );
}

#[tokio::test]
async fn a_plugin_of_whose_memory_nothing_is_said_gets_twice_what_it_begins_with() {
    const PLAIN: &str = "(i32.const 128)";
    const GROWS: &str = "(if (i32.eq (memory.grow (i32.const 100)) (i32.const -1)) (then unreachable)) (i32.const 128)";
    let generation = async |pages, start| {
        let guest = Guest { pages, start, ..Guest::default() };
        let compiled = engine().compile_here(&guest.component()).expect("it compiles");
        let parts = GenerationParts {
            number: 1,
            plugin: "guest".into(),
            compiled: Arc::new(compiled),
            settings: Arc::new(settings::Plugin::new("guest.wasm")),
            counters: Arc::default(),
        };
        rehearse(parts, StartReason::First, |_| true).await.expect("it runs")
    };
    for (pages, start, megabytes) in
        [(4, PLAIN, 16), (100, PLAIN, 16), (300, PLAIN, 38), (300, GROWS, 50)]
    {
        let (generation, instance) = generation(pages, start).await;
        assert_eq!(generation.settings.memory, Some(megabytes << 20), "{pages} {start}");
        assert_eq!(instance.memory().1, megabytes << 20, "the first instance has it as well");
    }
}

#[tokio::test]
async fn a_larger_version_gets_what_it_needs_where_nothing_is_said() {
    let small = Guest::default().component();
    let running = load(&small, |_| {}).await.expect("it runs");
    assert_eq!(running.plugin.settings().memory, None, "as configured");
    let large = Guest { pages: 300, ..Guest::default() }.component();
    std::fs::write(&running.file, &large).expect("written");
    running.plugin.reload(None).await.expect("18 MiB are less than it may begin with");
}

#[tokio::test]
async fn who_begins_with_more_than_half_of_its_memory_is_named() {
    let guest = Guest { pages: 100, ..Guest::default() }.component();
    let names = async |memory| {
        let (log, _set) = Log::open();
        load(&guest, |settings| settings.memory = Some(memory)).await.expect("it runs");
        log.text().contains("more than half of its memory")
    };
    assert!(names(12 << 20).await);
    assert!(!names(13 << 20).await);
}

#[tokio::test]
async fn a_guest_that_wants_too_many_patterns_is_refused_with_the_bound() {
    // So many times the same six bytes.
    for (count, said) in
        [(257, "257 entries, where 256 are allowed"), (400_000, "more than 256 KiB")]
    {
        let describe = format!(
            "(local i32) (local.set 0 (i32.const 131072))
             (loop $l (i32.store (local.get 0) (i32.const 1056)) (i32.store offset=4 (local.get 0) (i32.const 6))
               (br_if $l (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 8))) (i32.const {}))))
             (i32.store (i32.const 40) (i32.const 131072)) (i32.store (i32.const 44) (i32.const {count})) (i32.const 16)",
            131_072 + 8 * count
        );
        let guest = Guest { describe: describe.leak(), pages: 60, ..Guest::default() };
        check(&why(&guest.component()).await, &["`describe`", said]);
    }
}

#[tokio::test]
async fn another_version_of_the_interface_is_told_with_both_versions() {
    let newer = Guest::default().component_with(|wit| wit.replace("0.1.0", "0.2.0"));
    check(&why(&newer).await, &["tengen:gateway/", "@0.2.0", "tengen:gateway@0.1.0"]);
}

#[tokio::test]
async fn a_later_patch_of_the_same_version_fits() {
    let patched = Guest::default().component_with(|wit| wit.replace("0.1.0", "0.1.7"));
    load(&patched, |_| {}).await.expect("0.1.7 fits 0.1.0");
}

#[tokio::test]
async fn functions_of_other_types_are_told_by_interface() {
    let other = Guest { describe: "(i32.const 0)", ..Guest::default() };
    let changed = other.component_with(|text| text.replace("max-batch: u32", "max-batch: string"));
    check(&why(&changed).await, &["`plugin` does not fit", "0.1.0"]);
    let more = Guest::default().component_with(|text| {
        let text = text.replace("interface signals {", "interface signals { emit-more: func();");
        text.replace(
            "(module",
            "(module (import \"tengen:gateway/signals@0.1.0\" \"emit-more\" (func $more))",
        )
    });
    check(&why(&more).await, &["imports does not fit", "tengen:gateway@0.1.0", "emit-more"]);
}

#[tokio::test]
async fn imports_that_are_not_offered_are_named() {
    let reads = Guest {
        world: "import tengen:gateway/signals@0.1.0; import tengen:gateway/later@0.1.0;
            export tengen:gateway/plugin@0.1.0; export tengen:gateway/handler@0.1.0;",
        ..Guest::default()
    };
    let reads = reads.component_with(|text| {
        text.replace(
            "(module",
            "(module (import \"tengen:gateway/later@0.1.0\" \"is-connected\" (func (param i32 i32) (result i32)))",
        )
    });
    check(&why(&reads).await, &["imports `tengen:gateway/later@0.1.0`", "does not offer it yet"]);
}

#[tokio::test]
async fn components_of_other_worlds_are_told_what_is_missing() {
    check(
        &why(&wat::parse_str("(component)").expect("text")).await,
        &["not a Tengen plugin", "exports nothing"],
    );
    let roleless = Guest {
        world: "import tengen:gateway/signals@0.1.0; export tengen:gateway/plugin@0.1.0;",
        ..Guest::default()
    };
    let roleless =
        roleless.component_with(|text| text.replace("tengen:gateway/handler@0.1.0#", "unused-"));
    check(&why(&roleless).await, &["has no role", "`handler`", "`tengen:gateway/plugin@0.1.0`"]);
}

#[tokio::test]
async fn a_stack_that_does_not_fit_is_named() {
    let zig = Guest { pages: 300, ..Guest::default() };
    let zig =
        zig.component_with(|text| text.replace("(i32.const 131072))\n", "(i32.const 16777216))\n"));
    let why = async |component: &[u8]| {
        let loaded = load(component, |settings| settings.memory = Some(16 << 20)).await;
        loaded.err().expect("it does not fit").explain()
    };
    check(&why(&zig).await, &["begins with 19660800 bytes", "16777216 of them (zig"]);
    let large = Guest { pages: 300, ..Guest::default() }.component();
    let told = why(&large).await;
    assert!(told.ends_with("raise its `memory`"), "{told}");
}

#[tokio::test]
async fn the_asynchronous_abi_is_refused_with_a_remedy() {
    let text = r#"(component
        (core module $m (func (export "f") (result i32) unreachable) (func (export "c") (param i32 i32 i32) (result i32) unreachable))
        (core instance $i (instantiate $m))
        (func (export "f") async (canon lift (core func $i "f") async (callback (core func $i "c")))))"#;
    check(
        &why(&wat::parse_str(text).expect("text")).await,
        &["asynchronous component ABI", "synchronous"],
    );
}

#[tokio::test]
async fn files_that_are_no_component_are_refused_by_kind() {
    check(&why(b"(component)").await, &["text format"]);
    check(
        &why(&wat::parse_str("(module)").expect("text")).await,
        &["core WebAssembly module", "wasm-tools"],
    );
    let whole = Guest::default().component();
    check(&why(whole.get(..whole.len() / 2).expect("half")).await, &["in the middle of a section"]);
    let code = engine().wasm().precompile_component(&whole).expect("compiled");
    check(&why(&code).await, &["precompiled", "`.wasm`"]);
    let mut broken = whole.clone();
    broken.extend([1, 4, 0xff, 0xff, 0xff, 0xff]);
    check(&why(&broken).await, &["not valid"]);
}

#[tokio::test]
async fn an_inspection_tells_what_a_component_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("guest.wasm");
    let guest =
        Guest { wants: Some("chat/*"), max_batch: 0, start: "unreachable", ..Guest::default() };
    std::fs::write(&file, guest.component()).expect("written");
    let found = inspect(&engine(), &file).await.expect("described, not started");
    assert_eq!((found.name.as_str(), found.version.as_str()), ("wat", "1.0"));
    assert_eq!(
        (found.roles, found.max_batch, found.encoding),
        (vec![Role::Handler], 1, Encoding::Json)
    );
    assert_eq!(found.events, ["chat/*"]);
    assert!(
        found.imports.contains(&"tengen:gateway/signals@0.1.0".to_owned()),
        "{:?}",
        found.imports
    );
    assert_eq!(found.sha256.len(), 64);
    let missing =
        inspect(&engine(), &folder.path().join("none.wasm")).await.expect_err("there is none");
    check(&missing.explain(), &["none.wasm", "cannot be read", "No such file"]);
}

// wasmtime copies the names of a stack's functions at each trap.
#[tokio::test]
async fn a_name_of_a_function_that_is_too_long_is_refused() {
    let named = |length: usize| Guest {
        items: format!("(func ${})", "x".repeat(length)).leak(),
        ..Guest::default()
    };
    load(&named(100_000).component(), |_| {}).await.expect("it runs");
    let why = load(&named(100_001).component(), |_| {}).await.err().expect("it is refused");
    let why = why.explain();
    assert!(why.contains("100001 bytes, more than the 100000"), "{why}");
}
