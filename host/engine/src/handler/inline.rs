//! A future with a task of its own, which others may carry on as well: what is at hand is done where it arose.
//!
//! A decision that is made on the connection's own task needs no switch to another one, and its reply leaves with the
//! turn that read the question. What cannot end at once (a guest that computes for long, a call that waits) stays in
//! here and is carried on by the task: whoever carries on lends it the task's waker, never an own one.

use std::{
    fmt,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError, TryLockError,
        atomic::{AtomicBool, Ordering, fence},
    },
    task::{Context, Poll, Waker},
};

/// The future, for those who carry it on beside its task.
pub(super) struct Inline {
    inner: Mutex<Inner>,
    /// The task's, to be called from outside of the lock.
    task: Mutex<Waker>,
    /// Somebody wanted to carry on while another was at it.
    missed: AtomicBool,
    visited: Arc<AtomicBool>,
}

struct Inner {
    /// None when it has ended.
    future: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    waker: Waker,
}

/// Tells the future who carries it on.
#[derive(Debug, Clone, Default)]
pub(super) struct Visited(Arc<AtomicBool>);

impl Visited {
    /// Whether it is somebody who has other things to do as well.
    pub(super) fn is_so(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Lets others have their turn before it goes on. What follows is the task's work: a visitor leaves it to the task.
    pub(super) async fn others_first(&self) {
        loop {
            tokio::task::yield_now().await;
            if !self.is_so() {
                return;
            }
        }
    }
}

#[cfg(test)]
impl Visited {
    /// As somebody sees it who has come.
    pub(super) fn by_somebody() -> Self {
        Self(Arc::new(AtomicBool::new(true)))
    }
}

impl Inline {
    /// `visited` is what the future looks at.
    pub(super) fn new(
        future: impl Future<Output = ()> + Send + 'static,
        visited: &Visited,
    ) -> Self {
        let inner = Inner { future: Some(Box::pin(future)), waker: Waker::noop().clone() };
        Self {
            inner: Mutex::new(inner),
            task: Mutex::new(Waker::noop().clone()),
            missed: AtomicBool::new(false),
            visited: Arc::clone(&visited.0),
        }
    }

    /// The task's part: to be polled until it is ready.
    pub(super) fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner).clone_from(cx.waker());
        self.carry_on(Some(cx.waker()))
    }

    /// Carries on as far as it goes without waiting. When somebody else is at it already, the task does afterwards.
    pub(super) fn visit(&self) {
        if self.carry_on(None).is_ready() {
            self.wake();
        }
    }

    /// Polls the future, unless somebody else does. `task`: the task's waker, where it is the task that does.
    ///
    /// Whoever comes has brought something first, and it must be seen by a poll that begins later. Who gets the lock polls,
    /// and sees it. Who does not get the lock sets `missed` and tries once more; who has the lock gives it back and then looks
    /// at `missed`. On both sides a fence stands between the writing and the looking, so one of the two sees what the other
    /// has written: either the second try succeeds, or the holder learns of it and wakes the task. Without the fences the
    /// processor may look before it has written, on both sides, and nobody would poll.
    ///
    /// `missed` is cleared before the poll, not after it: what was brought before, this poll sees, and who comes during it
    /// sets `missed` anew.
    fn carry_on(&self, task: Option<&Waker>) -> Poll<()> {
        let mut tried = self.inner.try_lock();
        if matches!(tried, Err(TryLockError::WouldBlock)) {
            self.missed.store(true, Ordering::Relaxed);
            // Either the holder sees that we were here, or we see that it has gone.
            fence(Ordering::SeqCst);
            tried = self.inner.try_lock();
        }
        let mut inner = match tried {
            Ok(inner) => inner,
            Err(TryLockError::WouldBlock) => return Poll::Pending,
            // A panic leaves no future behind, see below.
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        };
        self.missed.store(false, Ordering::Relaxed);
        self.visited.store(task.is_none(), Ordering::Relaxed);
        let polled = inner.poll(task);
        drop(inner);
        fence(Ordering::SeqCst);
        if self.missed.load(Ordering::Relaxed) {
            self.wake();
        }
        polled
    }

    /// Leaves it to the task, which is woken.
    pub(super) fn wake(&self) {
        self.task.lock().unwrap_or_else(PoisonError::into_inner).wake_by_ref();
    }
}

impl Inner {
    /// Whoever polls, the future gets the waker of its task: what it waits for wakes the task, which stays, and not a visitor,
    /// which has left by then. A visitor that comes before the task has polled for the first time leaves a waker that wakes
    /// nobody; nothing is lost by that, for the first poll of the task is still to come.
    fn poll(&mut self, task: Option<&Waker>) -> Poll<()> {
        let Self { future, waker } = self;
        if let Some(task) = task
            && !waker.will_wake(task)
        {
            waker.clone_from(task);
        }
        let Some(running) = future else { return Poll::Ready(()) };
        let polled = catch_unwind(AssertUnwindSafe(|| {
            running.as_mut().poll(&mut Context::from_waker(waker))
        }));
        // One that panicked half way has ended: there is nothing left that could be carried on. Who drove it is no part
        // of that.
        let polled = polled.unwrap_or(Poll::Ready(()));
        if polled.is_ready() {
            *future = None;
        }
        polled
    }
}

impl fmt::Debug for Inline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inline").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        future::poll_fn,
        sync::{OnceLock, atomic::AtomicU32},
        time::Duration,
    };
    use tokio::{
        sync::Notify,
        task::{JoinHandle, yield_now},
        time::timeout,
    };
    use tokio_util::task::TaskTracker;

    /// Counts up to what is asked of it; ends when that is over ten.
    #[derive(Debug, Default)]
    struct Counter {
        asked: AtomicU32,
        done: AtomicU32,
        by_visitors: AtomicU32,
    }

    impl Counter {
        async fn run(self: Arc<Self>, visited: Visited) {
            while self.done.load(Ordering::SeqCst) < 10 {
                poll_fn(|_| {
                    let idle =
                        self.asked.load(Ordering::SeqCst) <= self.done.load(Ordering::SeqCst);
                    if idle { Poll::Pending } else { Poll::Ready(()) }
                })
                .await;
                self.done.fetch_add(1, Ordering::SeqCst);
                self.by_visitors.fetch_add(visited.is_so().into(), Ordering::SeqCst);
            }
        }

        fn start(self: &Arc<Self>) -> Arc<Inline> {
            let visited = Visited::default();
            Arc::new(Inline::new(Arc::clone(self).run(visited.clone()), &visited))
        }
    }

    fn drive(inline: &Arc<Inline>) -> JoinHandle<()> {
        let inline = Arc::clone(inline);
        TaskTracker::new().spawn(async move { poll_fn(|cx| inline.poll(cx)).await })
    }

    #[tokio::test(start_paused = true)]
    async fn a_visitor_carries_on_at_once_and_ends_the_task_when_it_is_over() {
        let counter = Arc::<Counter>::default();
        let inline = counter.start();
        let task = drive(&inline);
        yield_now().await;
        for asked in 1..=10 {
            counter.asked.store(asked, Ordering::SeqCst);
            inline.visit();
            assert_eq!(counter.done.load(Ordering::SeqCst), asked);
        }
        assert_eq!(counter.by_visitors.load(Ordering::SeqCst), 10);
        timeout(Duration::from_secs(1), task).await.expect("it is woken").expect("it ends");
        inline.visit();
    }

    #[tokio::test]
    async fn what_a_visitor_leaves_waiting_wakes_the_task() {
        let (event, visited) = (Arc::new(Notify::new()), Visited::default());
        let waits = {
            let event = Arc::clone(&event);
            async move { event.notified().await }
        };
        let inline = Arc::new(Inline::new(waits, &visited));
        let task = drive(&inline);
        yield_now().await;
        inline.visit();
        event.notify_one();
        task.await.expect("the task was woken");
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_while_another_is_at_it_has_the_task_carry_on() {
        let (visited, polls) = (Visited::default(), Arc::<AtomicU32>::default());
        let itself = Arc::new(OnceLock::<Arc<Inline>>::new());
        let future = {
            let (polls, itself) = (Arc::clone(&polls), Arc::clone(&itself));
            poll_fn(move |_| match polls.fetch_add(1, Ordering::SeqCst) {
                0 => Poll::Pending,
                1 => {
                    // What somebody brings now, this poll has missed.
                    itself.get().expect("it is set").visit();
                    Poll::Pending
                }
                _ => Poll::Ready(()),
            })
        };
        let inline = Arc::new(Inline::new(future, &visited));
        itself.set(Arc::clone(&inline)).expect("once");
        let task = drive(&inline);
        yield_now().await;
        inline.visit();
        assert_eq!(polls.load(Ordering::SeqCst), 2);
        timeout(Duration::from_secs(1), task).await.expect("it is woken").expect("it ends");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn nothing_is_left_undone_when_visitors_meet() {
        for _ in 0..200 {
            let counter = Arc::<Counter>::default();
            let inline = counter.start();
            let task = drive(&inline);
            let visitors = [0; 2].map(|_| {
                let (counter, inline) = (Arc::clone(&counter), Arc::clone(&inline));
                TaskTracker::new().spawn(async move {
                    for _ in 0..5 {
                        counter.asked.fetch_add(1, Ordering::SeqCst);
                        inline.visit();
                    }
                })
            });
            for visitor in visitors {
                visitor.await.expect("it visits");
            }
            // Whoever came while another was at it relies on the task now.
            task.await.expect("all ten are done");
        }
    }
}
