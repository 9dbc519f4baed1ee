//! Several messages of one outcome leave in one write, and none waits long for the others.

use super::{steps::*, *};
use crate::hub::link::Shortcut;
use futures_util::FutureExt as _;
use std::{
    io,
    pin::pin,
    sync::atomic::AtomicUsize,
    task::{Wake, Waker},
};

/// A socket that takes everything.
#[derive(Debug, Default)]
struct Kernel {
    writes: AtomicUsize,
    most: AtomicUsize,
    wakes: AtomicUsize,
}

impl Shortcut for Kernel {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        self.most.fetch_max(bytes.len(), Ordering::Relaxed);
        Ok(bytes.len())
    }
}

impl Wake for Kernel {
    fn wake(self: Arc<Self>) {
        self.wakes.fetch_add(1, Ordering::Relaxed);
    }
}

/// Members whose tasks sleep.
fn sleeping(hub: &Hub, count: usize) -> (Vec<Arc<Link>>, Vec<Arc<Kernel>>) {
    let links = members(hub, count);
    let kernels: Vec<_> = links.iter().map(|_| Arc::<Kernel>::default()).collect();
    for (link, kernel) in links.iter().zip(&kernels) {
        link.set_shortcut(Arc::clone(kernel) as Arc<dyn Shortcut>);
        link.end_turn(&Waker::from(Arc::clone(kernel)), true);
    }
    (links, kernels)
}

/// Carries out so many publications while a writer is there; returns the steps that it took.
fn publish_all(hub: &Hub, link: &Arc<Link>, count: usize) -> usize {
    let mut writer = pin!(hub.write_for_others());
    assert!(writer.as_mut().now_or_never().is_none());
    let (events, mut work, mut steps) = ([event(link, None)], publications(count), 1);
    while hub.act(&PLUGIN.into(), &events, &mut work) == Progress::More {
        steps += 1;
        // What is on its way is written before the next step.
        assert!(writer.as_mut().now_or_never().is_none());
    }
    assert!(writer.as_mut().now_or_never().is_none());
    steps
}

#[tokio::test(start_paused = true)]
async fn several_publications_of_one_outcome_are_one_write_for_each_receiver() {
    let hub = hub_of_channels();
    let (links, kernels) = sleeping(&hub, 2_000);
    let steps = publish_all(&hub, &links[0], 8);
    assert!(steps >= 4, "others had their turn: {steps}");
    let writes: Vec<_> =
        kernels.iter().map(|kernel| kernel.writes.load(Ordering::Relaxed)).collect();
    assert!(writes.iter().all(|writes| *writes == 1), "{writes:?}");
    assert!(kernels.iter().all(|kernel| kernel.wakes.load(Ordering::Relaxed) == 0));
}

#[tokio::test(start_paused = true)]
async fn of_very_many_messages_the_first_do_not_wait_for_the_last() {
    let hub = hub_of_channels();
    let (links, kernels) = sleeping(&hub, 300);
    publish_all(&hub, &links[0], 400);
    let writes = kernels[0].writes.load(Ordering::Relaxed);
    assert!(
        (4..=6).contains(&writes),
        "sixty-four at a time, and what a step makes beside: {writes}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_takes_long_is_written_meanwhile() {
    let hub = hub_of_channels();
    let (links, kernels) = sleeping(&hub, 5_000);
    let mut writer = pin!(hub.write_for_others());
    assert!(writer.as_mut().now_or_never().is_none());
    let (events, mut work) = ([event(&links[0], None)], publications(4));
    let mut steps = 1;
    while hub.act(&PLUGIN.into(), &events, &mut work) == Progress::More {
        steps += 1;
        tokio::time::advance(Duration::from_millis(11)).await;
        assert!(writer.as_mut().now_or_never().is_none());
    }
    let written = kernels.iter().filter(|kernel| kernel.writes.load(Ordering::Relaxed) > 0).count();
    assert!(written > 4_000, "{written} in {steps} steps");
}

#[tokio::test(start_paused = true)]
async fn what_an_abandoned_outcome_has_queued_is_written_by_the_connections() {
    let hub = hub_of_channels();
    let (links, kernels) = sleeping(&hub, 5_000);
    let (events, mut work) = ([event(&links[0], None)], publications(2));
    assert_eq!(hub.act(&PLUGIN.into(), &events, &mut work), Progress::More);
    let wakes = || kernels.iter().filter(|kernel| kernel.wakes.load(Ordering::Relaxed) > 0).count();
    assert_eq!(wakes(), 0);
    drop(work);
    assert!(wakes() >= 4_000, "{}", wakes());
}
