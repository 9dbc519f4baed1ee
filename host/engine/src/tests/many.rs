//! Many plugins in one gateway.

use super::*;
use crate::prepare;
use futures_util::future::join_all;
use std::path::Path;
use tengen_settings::Instances;

/// An engine of this process with places for so many handlers.
fn engine_for(handlers: usize) -> Engine {
    let wanted = Some(Instances::of_components(handlers));
    Engine::new(EngineParts { wanted, ..EngineParts::default() }).expect("an engine")
}

async fn load(engine: &Engine, number: usize, file: &Path) -> Arc<Plugin> {
    let (sender, _) = mpsc::channel(1);
    let recorder = Recorder {
        acted: sender,
        open: Mutex::default(),
        held: AtomicBool::new(false),
        steps: AtomicUsize::new(0),
    };
    let loaded = Plugin::load(PluginParts {
        engine: engine.clone(),
        name: PluginName::from(format!("p{number}")),
        settings: settings::Plugin::new(file),
        actor: Arc::new(recorder),
        tracer: Arc::new(NoTracer),
        tasks: TaskTracker::new(),
        stop: CancellationToken::new(),
        waiting_events: NonZeroUsize::MIN,
    });
    loaded.await.unwrap_or_else(|error| panic!("{number}: {}", error.explain()))
}

#[tokio::test]
async fn three_hundred_plugins_run_and_can_all_be_reloaded_at_once() {
    let engine = engine_for(300);
    assert_eq!(engine.instances(), 900);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("guest.wasm");
    std::fs::write(&file, Guest::default().component()).expect("written");
    let mut plugins = Vec::new();
    for number in 0..300 {
        plugins.push(load(&engine, number, &file).await);
    }
    std::fs::write(&file, Guest::handling(guests::PICKY).component()).expect("written");
    let reloads = join_all(plugins.iter().map(|plugin| plugin.reload(None))).await;
    for (plugin, reloaded) in plugins.iter().zip(reloads) {
        reloaded.unwrap_or_else(|error| panic!("{}: {}", plugin.name(), error.explain()));
        assert_eq!(plugin.status().generation, 2);
    }
}

#[tokio::test]
async fn what_is_loaded_is_not_loaded_again_for_another_plugin() {
    let (engine, folder) = (engine_for(1), tempfile::tempdir().expect("a folder"));
    let write = |name: &str, guest: &Guest| {
        let file = folder.path().join(name);
        std::fs::write(&file, guest.component()).expect("written");
        file
    };
    let (one, same) = (write("one", &Guest::default()), write("same", &Guest::default()));
    let other = write("other", &Guest::handling(guests::PICKY));
    let component = async |file: &Path| prepare::component(&engine, file).await.expect("good");
    let first = component(&one).await;
    assert!(Arc::ptr_eq(&first, &component(&same).await));
    assert!(!Arc::ptr_eq(&first, &component(&other).await));
    let gone = Arc::downgrade(&first);
    drop(first);
    assert!(gone.upgrade().is_none(), "nobody has it, so it is not kept");
}
