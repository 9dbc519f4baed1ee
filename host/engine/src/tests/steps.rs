//! Outcomes that take more than one step: others have their turn, and the plugin's next call waits.

use super::*;

async fn until(running: &Running, steps: usize) {
    let taken = async {
        while running.recorder.steps.load(Ordering::Relaxed) < steps {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(30), taken).await.expect("it goes on");
}

#[tokio::test]
async fn the_next_call_waits_until_an_outcome_is_carried_out_and_no_visitor_does_that() {
    let mut running = run(&Guest { max_batch: 1, ..Guest::handling(guests::PICKY) }).await;
    let peer = connection(1);
    running.offer(message(&peer, "a/b", "1", 1));
    assert_eq!(running.decided().await, ["r1"]);
    let calls = running.status().calls;

    running.recorder.held.store(true, Ordering::Relaxed);
    running.offer(message(&peer, "a/b", "1", 2));
    let so_far = running.recorder.steps.load(Ordering::Relaxed);
    until(&running, so_far + 3).await;
    for reply_to in 3..80 {
        running.handler.offer(message(&peer, "a/b", "1", reply_to)).expect("it is taken");
    }
    let before = running.recorder.steps.load(Ordering::Relaxed);
    // So many are not waited for: whoever offers them drives the instance at once.
    running.handler.settle();
    assert_eq!(running.recorder.steps.load(Ordering::Relaxed), before, "a visitor hands over");
    until(&running, before + 10).await;
    assert_eq!(running.status().calls, calls + 1, "the next call waits");

    running.recorder.held.store(false, Ordering::Relaxed);
    for reply_to in 2..80 {
        assert_eq!(running.decided().await, [format!("r{reply_to}")]);
    }
}
