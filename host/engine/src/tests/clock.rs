//! The clock that interrupts guests rests while none computes, and is there for the next one.

use super::{guests::PICKY, *};
use std::{sync::mpsc::sync_channel, thread};

/// Waits until the engine's clock rests. The machine may be busy.
async fn quiet(engine: &Engine) {
    let rests = async {
        while !engine.is_quiet() {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(30), rests).await.expect("nobody computes");
}

/// Does this on a thread that is left behind where it does not come to an end.
fn in_time(work: impl Future<Output = ()> + Send + 'static) {
    let (done, ended) = sync_channel(1);
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(work);
        // Nobody may listen any more.
        let _told = done.send(());
    });
    ended.recv_timeout(Duration::from_secs(60)).expect("the guest is not interrupted, or worse");
}

#[test]
fn a_guest_that_finds_the_clock_at_rest_is_interrupted_at_its_deadline() {
    in_time(async {
        let engine = Engine::new(EngineLimits { instances: 4, ..Default::default() });
        let engine = engine.expect("an engine");
        let patient =
            |settings: &mut settings::Plugin| settings.deadline = Duration::from_millis(300);
        let guest = Guest { max_batch: 1, ..Guest::handling(PICKY) };
        let running = load_in(engine.clone(), &guest.component(), patient).await;
        let mut running = running.expect("the guest runs");
        for round in 1..=2 {
            quiet(&engine).await;
            running.offer(message(&connection(1), "a/b", "1", 1));
            assert_eq!(running.decided().await, ["r1"]);
            quiet(&engine).await;
            // Its deadline is longer than the clock ticks for nobody.
            running.offer(message(&connection(1), "a/b", "l", 2));
            let decided = running.decided().await;
            assert_eq!(decided, ["f:plugin-failed"], "{round}: {:?}", running.status());
        }
        assert!(running.status().deadline_overruns >= 2, "{:?}", running.status());
    });
}
