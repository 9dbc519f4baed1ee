//! Versions of plugins of every role that come and go: no instance stays behind, and no reload waits without end.

use super::*;
use crate::Reloaded;
use futures_util::future::join_all;
use tengen_core::authenticator::Upgrade;

/// The exports of a guest with these roles: it lets everybody in, after it has counted to the number, and takes nothing.
fn with_roles(roles: &[&str], count: u32) -> Vec<u8> {
    let exports = roles.iter().map(|role| format!("export tengen:gateway/{role}@0.1.0;"));
    let world = format!(
        "import tengen:gateway/signals@0.1.0; export tengen:gateway/plugin@0.1.0; {}",
        exports.collect::<String>()
    );
    let parameters = "(param i32)".repeat(16);
    let items = format!(
        r#"(func (export "tengen:gateway/authenticator@0.1.0#authenticate") {parameters} (result i32)
             (local $n i32)
             (loop $l (br_if $l (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const {count}))))
             (i32.const 2048))
           (func (export "tengen:gateway/telemetry-sink@0.1.0#deliver") (param i32 i32 i32) (result i32) (i32.const 256))
           (func (export "tengen:gateway/telemetry-sink@0.1.0#flush") (result i32) (i32.const 128))"#
    );
    let guest =
        Guest { world: world.leak(), items: items.leak(), ..Guest::handling(guests::PICKY) };
    // What the world does not export may not have the name of an export.
    let all = ["handler", "authenticator", "telemetry-sink"];
    guest.component_with(|text| {
        all.iter().filter(|role| !roles.contains(role)).fold(text, |text, role| {
            text.replace(&format!("tengen:gateway/{role}@0.1.0#"), &format!("unused-{role}-"))
        })
    })
}

struct Loaded {
    plugin: Arc<Plugin>,
    _acted: mpsc::Receiver<Acted>,
    _folder: tempfile::TempDir,
}

async fn load_any(component: &[u8], instances: usize) -> Loaded {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("guest.wasm");
    std::fs::write(&file, component).expect("written");
    let (sender, acted) = mpsc::channel(8192);
    let mut settings = settings::Plugin::new(&file);
    settings.deadline = Duration::from_secs(5);
    settings.instances = NonZeroUsize::new(instances).expect("not zero");
    let parts = PluginParts {
        engine: engine(),
        name: PluginName::from("guest"),
        settings,
        actor: Arc::new(Recorder {
            acted: sender,
            open: Mutex::default(),
            held: AtomicBool::default(),
            steps: AtomicUsize::default(),
        }),
        tracer: Arc::new(NoTracer),
        tasks: TaskTracker::new(),
        stop: CancellationToken::new(),
        waiting_events: NonZeroUsize::new(1000).expect("not zero"),
    };
    let plugin = Plugin::load(parts).await.expect("it runs");
    Loaded { plugin, _acted: acted, _folder: folder }
}

impl Loaded {
    /// Another generation of the same component.
    async fn renew(&self, number: usize, instances: usize) {
        let mut settings = settings::Plugin::clone(&self.plugin.settings());
        settings.config.insert("number".into(), number.to_string());
        settings.instances = NonZeroUsize::new(instances).expect("not zero");
        let reloaded = self.plugin.reload(Some(settings)).await;
        assert!(matches!(reloaded, Ok(Reloaded::Replaced { .. })), "{number}: {reloaded:?}");
    }

    /// One call of each role that it has.
    async fn is_used(&self) {
        if let Some(authenticator) = self.plugin.authenticator() {
            authenticator.authenticate(anybody()).await.expect("everybody is let in");
        }
        if let Some(sink) = self.plugin.sink() {
            sink.flush().await.expect("there is nothing to flush");
        }
    }

    /// Waits until there are so many instances.
    async fn has(&self, instances: usize) {
        let seen = async {
            while self.plugin.status().instances != instances {
                tokio::task::yield_now().await;
            }
        };
        let in_time = timeout(Duration::from_secs(30), seen).await;
        in_time.unwrap_or_else(|_| panic!("not {instances}: {:?}", self.plugin.status()));
    }
}

fn anybody() -> Upgrade {
    Upgrade {
        endpoint: "/ws".into(),
        path: "/ws".into(),
        query: String::new(),
        peer: ([127, 0, 0, 1], 1).into(),
        headers: Vec::new(),
        subprotocols: Vec::new(),
        more: Vec::new(),
        trace: None,
    }
}

/// Reloads of a plugin with these roles, used and unused in between, which leave so many instances.
async fn stays_flat(roles: &[&str], instances: usize) {
    let loaded = load_any(&with_roles(roles, 1), 1).await;
    for number in 0..300 {
        if number % 3 > 0 {
            loaded.is_used().await;
        }
        loaded.renew(number, 1).await;
        // The version before may be ending; the one before that has ended.
        let there = loaded.plugin.status().instances;
        assert!(there <= 2 * instances, "{roles:?}: {there} instances after {number} reloads");
    }
    loaded.is_used().await;
    loaded.has(instances).await;
    let memory = loaded.plugin.status().memory_bytes;
    assert_eq!(memory, instances * 4 * 65_536, "{roles:?}: each instance has four pages");
    loaded.plugin.stop(Duration::from_secs(5)).await;
    loaded.has(0).await;
}

#[tokio::test]
async fn reloads_of_every_role_leave_no_instance_behind() {
    stays_flat(&["handler"], 1).await;
    stays_flat(&["authenticator"], 1).await;
    stays_flat(&["telemetry-sink"], 1).await;
    stays_flat(&["authenticator", "telemetry-sink"], 2).await;
    stays_flat(&["handler", "authenticator", "telemetry-sink"], 3).await;
}

#[tokio::test]
async fn a_reload_that_changes_the_number_of_instances_changes_it() {
    // Counts for some ticks, so that calls run beside each other.
    let loaded = load_any(&with_roles(&["authenticator"], 30_000_000), 1).await;
    let authenticator = loaded.plugin.authenticator().expect("it is one");
    let crowd = || join_all((0..6).map(|_| authenticator.authenticate(anybody())));
    for (number, instances) in [1, 3, 2, 4, 1].into_iter().enumerate() {
        loaded.renew(number, instances).await;
        assert!(crowd().await.iter().all(Result::is_ok));
        loaded.has(instances).await;
    }
}

#[tokio::test]
async fn reloads_that_wait_for_others_are_bounded_in_number_and_the_rest_is_told_so() {
    let loaded = load_any(&with_roles(&["handler"], 1), 1).await;
    let mut settings = settings::Plugin::clone(&loaded.plugin.settings());
    settings.config.insert("number".into(), "1".into());
    let reloads = join_all((0..40).map(|_| loaded.plugin.reload(Some(settings.clone())))).await;
    let busy = reloads.iter().filter(|reloaded| matches!(reloaded, Err(PluginError::Busy { .. })));
    assert!(busy.count() > 20, "{reloads:?}");
    let replaced =
        |reloaded: &&Result<Reloaded, _>| matches!(reloaded, Ok(Reloaded::Replaced { .. }));
    assert_eq!(reloads.iter().filter(replaced).count(), 1, "{reloads:?}");
    loaded.renew(2, 1).await;
}
