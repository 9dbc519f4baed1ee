//! Writing to a connection without a turn of its task.
//!
//! Most frames go to connections whose task sleeps and whose socket takes everything. For those, waking the task, its
//! turn and its sleep cost more than the frame. Who has queued something therefore hands the link to a writer (see
//! `writers`), which empties the outbox into the socket while it holds the link's lock: the task cannot write
//! meanwhile, so frames stay in order and whole. Whatever is not that simple is left to the task.

use super::{Link, Phase, Since, State};
use std::{
    cell::RefCell,
    fmt, io,
    sync::{Arc, MutexGuard},
    task::{Context, Poll},
    time::Instant,
};
use tengen_core::{
    outbox::{Item, Offered},
    trace::Span,
};
use tengen_wire::id::Channel;

/// More bytes than this are the task's work.
const BYTES_MAX: usize = 16 << 10;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A socket as others than its task may use it.
pub trait Shortcut: fmt::Debug + Send + Sync {
    /// Writes what the kernel takes at once; [`io::ErrorKind::WouldBlock`] when it takes nothing.
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize>;

    /// Bytes that the kernel has taken and the peer has not, as far as the kernel says.
    fn untaken(&self) -> usize {
        0
    }

    /// Bytes that the kernel has taken, of whoever wrote them.
    fn written(&self) -> u64 {
        0
    }

    /// Ready when the peer has ended its side. For those who do not read otherwise.
    fn poll_ended(&self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

/// What a connection keeps for it.
#[derive(Debug, Default)]
pub(super) struct Direct {
    shortcut: Option<Arc<dyn Shortcut>>,
    untaken: Untaken,
    /// A writer is on its way.
    claimed: bool,
    wrote: Option<Instant>,
    /// Bytes that others than the task have written.
    written: u64,
}

/// What of the frames that were handed out the kernel has not taken.
#[derive(Debug, Default)]
enum Untaken {
    /// The task has some of it, or has not said that it has none: nobody else may write.
    #[default]
    InTask,
    Nothing,
    /// Somebody else wrote. The task has to go on with this before anything else.
    Rest(Box<Rest>),
}

/// The end of frames whose beginning is written.
#[derive(Debug)]
pub struct Rest {
    pub bytes: Vec<u8>,
    pub spans: Vec<Arc<Span>>,
}

impl Direct {
    /// For the task, whose turn begins: it has this now.
    pub(super) fn take_rest(&mut self) -> Option<Rest> {
        let Untaken::Rest(_) = &self.untaken else { return None };
        match std::mem::replace(&mut self.untaken, Untaken::InTask) {
            Untaken::Rest(rest) => Some(*rest),
            Untaken::Nothing | Untaken::InTask => None,
        }
    }

    /// The task's turn has ended. `clear`: it keeps nothing back.
    pub(super) fn handed_out(&mut self, clear: bool) {
        self.untaken = if clear { Untaken::Nothing } else { Untaken::InTask };
    }

    /// Whether nothing has to go before what is queued now.
    pub(super) fn is_clear(&self) -> bool {
        matches!(self.untaken, Untaken::Nothing)
    }

    /// No writer comes any more: the next frame needs another.
    pub(super) fn release(&mut self) {
        self.claimed = false;
    }

    /// The connection is over: nobody writes any more, and nothing keeps its socket open.
    pub(super) fn end(&mut self) {
        *self = Self::default();
    }
}

impl Link {
    /// Lets others than the task write to the socket, from the end of its next turn on.
    pub fn set_shortcut(&self, shortcut: Arc<dyn Shortcut>) {
        self.state().direct.shortcut = Some(shortcut);
    }

    /// Queues a data frame like [`Link::send`], but leaves the task asleep if a writer can do it. True: the caller has
    /// to see to it that [`Link::write_out`] is called.
    pub(in crate::hub) fn send_later(&self, item: Item) -> (Offered, bool) {
        self.send_in(self.state(), item)
    }

    /// The same, to a member of a channel; none: that subscription has ended, and nothing is sent.
    pub(in crate::hub) fn send_to_member(
        &self,
        channel: &Channel,
        since: Since,
        item: Item,
    ) -> Option<(Offered, bool)> {
        let state = self.state();
        state.subscriptions.has(channel, since).then(|| self.send_in(state, item))
    }

    fn send_in(&self, mut state: MutexGuard<'_, State>, item: Item) -> (Offered, bool) {
        let offered = self.offer(&mut state, item);
        if state.is_simple() {
            let claims = !std::mem::replace(&mut state.direct.claimed, true);
            return (offered, claims);
        }
        state.wake();
        (offered, false)
    }

    /// Writes what is queued, or wakes the task for it. `now`: by tokio's clock.
    pub(in crate::hub) fn write_out(&self, now: Instant) {
        let mut state = self.state();
        state.direct.release();
        if !state.is_simple() || !state.write_out(now) {
            state.wake();
        }
        self.count(&mut state);
    }

    pub fn shortcut(&self) -> Option<Arc<dyn Shortcut>> {
        self.state().direct.shortcut.clone()
    }

    /// Bytes that others have written for the task.
    pub fn written_for(&self) -> u64 {
        self.state().direct.written
    }

    /// When somebody last wrote for the task.
    pub fn take_wrote(&self) -> Option<Instant> {
        self.state().direct.wrote.take()
    }
}

impl State {
    /// Whether the task sleeps, and all there is to do for it is to write a few frames.
    fn is_simple(&self) -> bool {
        let free = self.asleep && self.direct.is_clear() && self.direct.shortcut.is_some();
        free && matches!(self.phase, Phase::Open) && self.outbox.bytes() <= BYTES_MAX
    }

    /// False: some of it is left to the task.
    fn write_out(&mut self, now: Instant) -> bool {
        let Self { outbox, direct, .. } = self;
        let Some(shortcut) = &direct.shortcut else { return false };
        SCRATCH.with_borrow_mut(|bytes| {
            bytes.clear();
            let mut spans = Vec::new();
            while let Some(item) = outbox.pop() {
                item.frame.put(bytes);
                spans.extend(item.span);
            }
            if bytes.is_empty() {
                return true;
            }
            direct.wrote = Some(now);
            // A socket that fails has failed for the task as well, which ends the connection.
            let written = shortcut.try_write(bytes).unwrap_or(0);
            direct.written += written as u64;
            match bytes.get(written..) {
                None | Some([]) => true,
                Some(left) => {
                    direct.untaken = Untaken::Rest(Box::new(Rest { bytes: left.to_vec(), spans }));
                    false
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::{Left, writers::Writers};
    use bytes::Bytes;
    use std::{
        ops::ControlFlow,
        sync::{
            Mutex,
            atomic::{AtomicUsize, Ordering},
        },
        task::{Wake, Waker},
    };
    use tengen_core::event::Connection;
    use tengen_settings as settings;
    use tengen_wire::{
        close::Reason,
        dialect::{Dialect, Wire},
        payload::{Encoding, Frame},
        transport::Transport,
    };

    /// A socket that takes so many bytes.
    #[derive(Debug)]
    struct Kernel {
        room: AtomicUsize,
        taken: Mutex<Vec<u8>>,
    }

    impl Shortcut for Kernel {
        fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
            let count = self.room.load(Ordering::Relaxed).min(bytes.len());
            if count == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            self.room.fetch_sub(count, Ordering::Relaxed);
            self.taken.lock().unwrap().extend(bytes.get(..count).unwrap());
            Ok(count)
        }
    }

    #[derive(Debug, Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    struct Setup {
        link: Arc<Link>,
        kernel: Arc<Kernel>,
        woken: Arc<Woken>,
    }

    /// A connection whose task has gone to sleep.
    fn asleep(room: usize) -> Setup {
        let kernel = Arc::new(Kernel { room: room.into(), taken: Mutex::default() });
        let woken = Arc::<Woken>::default();
        let wire = Wire { dialect: Dialect::Tengen, format: Encoding::Json };
        let facts = Arc::new(Connection::anybody(1));
        let link = Arc::new(Link::new(facts, wire, settings::Outbox::default(), Vec::new()));
        link.set_shortcut(Arc::clone(&kernel) as Arc<dyn Shortcut>);
        link.end_turn(&Waker::from(Arc::clone(&woken)), true);
        Setup { link, kernel, woken }
    }

    impl Setup {
        /// Whether a writer is asked for.
        fn send(&self, text: &'static str) -> bool {
            let frame = Frame { text: true, body: Bytes::from_static(text.as_bytes()) };
            let frame = Transport::WebSocket.frame(frame);
            let (offered, claims) = self.link.send_later(Item { frame, channel: None, span: None });
            assert_eq!(offered, Offered::Queued);
            claims
        }

        fn taken(&self) -> Vec<u8> {
            self.kernel.taken.lock().unwrap().clone()
        }

        fn wakes(&self) -> usize {
            self.woken.0.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn one_writer_writes_all_that_is_queued_and_the_task_sleeps_on() {
        let setup = asleep(100);
        assert!(setup.send("one"));
        assert!(!setup.send("two"), "the writer is on its way");
        let now = Instant::now();
        setup.link.write_out(now);
        assert_eq!(setup.taken(), b"\x81\x03one\x81\x03two");
        assert_eq!((setup.wakes(), setup.link.take_wrote()), (0, Some(now)));
        assert!(setup.send("three"), "the next one needs another");
    }

    #[test]
    fn what_the_kernel_does_not_take_is_the_first_thing_that_the_task_writes() {
        let setup = asleep(4);
        setup.send("one");
        setup.link.write_out(Instant::now());
        assert_eq!((setup.taken().as_slice(), setup.wakes()), (b"\x81\x03on".as_slice(), 1));
        assert!(!setup.send("two"), "nobody writes while a frame is cut in two");
        let rest = setup.link.begin_turn().expect("a rest");
        assert_eq!(rest.bytes, b"e");
        let mut left = Vec::new();
        setup.link.drain(|item| {
            left.push(item.frame.body);
            ControlFlow::Continue(())
        });
        assert_eq!(left, ["two"]);
    }

    #[test]
    fn a_task_that_is_awake_or_holds_something_back_writes_itself() {
        let setup = asleep(100);
        assert!(setup.link.begin_turn().is_none());
        assert!(!setup.send("one"));
        setup.link.write_out(Instant::now());
        assert_eq!((setup.taken().len(), setup.wakes()), (0, 0));
        // The kernel takes nothing of the task's: what comes now must not overtake it.
        setup.link.end_turn(&Waker::from(Arc::clone(&setup.woken)), false);
        assert!(!setup.send("two"));
        assert_eq!((setup.taken().len(), setup.wakes()), (0, 1));
    }

    #[test]
    fn a_connection_that_ends_meanwhile_is_left_to_its_task() {
        let setup = asleep(100);
        assert!(setup.send("one"));
        setup.link.close(Reason::Drained);
        setup.link.write_out(Instant::now());
        assert_eq!((setup.taken().len(), setup.wakes()), (0, 1));
        let mut left = 0;
        let then = setup.link.drain(|_| {
            left += 1;
            ControlFlow::Continue(())
        });
        assert!(matches!((left, then), (1, Left::Close(Reason::Drained))));
    }

    #[test]
    fn a_connection_that_is_over_keeps_no_socket_open() {
        let Setup { link, kernel, .. } = asleep(100);
        assert_eq!(Arc::strong_count(&kernel), 2);
        link.lost();
        assert_eq!(Arc::strong_count(&kernel), 1);
    }

    #[tokio::test]
    async fn writers_write_for_many_and_leave_what_they_cannot_do_to_the_tasks() {
        let writers = Writers::default();
        let setups: Vec<_> = (0..100).map(|_| asleep(100)).collect();
        let claimed = || setups.iter().filter(|setup| setup.send("one"));
        let links = || claimed().map(|setup| Arc::clone(&setup.link)).collect::<Vec<_>>();
        let all = |bytes: &[u8], wakes: usize| {
            setups.iter().all(|setup| setup.taken() == bytes && setup.wakes() == wakes)
        };
        {
            let mut writer = std::pin::pin!(writers.run());
            assert!(futures_util::poll!(writer.as_mut()).is_pending());
            writers.write(links());
            assert!(all(b"", 0), "nobody is written to by who queues");
            assert!(futures_util::poll!(writer.as_mut()).is_pending());
            assert!(all(b"\x81\x03one", 0));
            writers.write(links());
        }
        assert!(all(b"\x81\x03one", 1), "the last writer is gone: the tasks write");
    }

    #[test]
    fn without_a_writer_the_tasks_write() {
        let setup = asleep(100);
        assert!(setup.send("one"));
        Writers::default().write(vec![Arc::clone(&setup.link)]);
        assert_eq!((setup.taken().len(), setup.wakes()), (0, 1));
        setup.link.begin_turn();
        setup.link.drain(|_| ControlFlow::Continue(()));
        setup.link.end_turn(&Waker::from(Arc::clone(&setup.woken)), true);
        assert!(setup.send("two"), "asleep again, it needs a writer again");
    }
}
