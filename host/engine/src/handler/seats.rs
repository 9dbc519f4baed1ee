//! All instances of a handler: each event goes to the one that is to have it.
//!
//! The first is always there; a plugin with no other looks no further. What the others are, and how events are dealt out to
//! them, changes at once (see `change`), and a queue takes nothing that was dealt out before a change.

use super::{
    driver::Seat,
    queue::{Missed, Queue},
    runner::Runner,
};
use crate::{
    call::{instance::Instance, saved::Saved},
    error::PluginError,
    shared::{Deal, Each, EachStatus, Shared},
};
use arc_swap::ArcSwap;
use futures_util::future::join_all;
use std::{
    iter,
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::Waker,
    time::Duration,
};
use tengen_core::{
    event::{Connection, Event},
    handler::{Declined, Handler, Seen, Wants},
    meter::PluginHappened,
};
use tengen_settings::OnFailure;
use tengen_wire::{fault::FaultId, id::Handle};
use tokio_util::sync::CancellationToken;

/// Where events for a handler plugin are offered.
#[derive(Debug)]
pub(crate) struct Seats {
    pub(super) shared: Arc<Shared>,
    pub(super) first: Arc<Seat>,
    pub(super) several: ArcSwap<Several>,
    /// Which of several have been offered something since they were told to decide, a bit for each.
    asked: AtomicU64,
    /// Events that may wait for each.
    pub(super) bound: NonZeroUsize,
    /// Ends them at once.
    pub(super) stop: CancellationToken,
}

/// How events are dealt out, and to whom.
#[derive(Debug)]
pub(super) struct Several {
    pub(super) deal: Deal,
    /// All but the first, in the order of their numbers.
    pub(super) others: Vec<Arc<Seat>>,
}

impl Seats {
    /// With these instances, which have been told that they begin; there is one at least, and as many as the settings say.
    pub(crate) fn new(
        shared: Arc<Shared>,
        (first, others): (Instance, Vec<Instance>),
        bound: NonZeroUsize,
        stop: CancellationToken,
    ) -> Self {
        let seat = |number, instance| {
            let each = Arc::new(Each::new(Arc::clone(&shared), number));
            let runner = Runner::new(each, Arc::new(Queue::new(bound)), instance);
            let (seat, task) = Seat::new(runner, stop.clone());
            shared.tasks.spawn(task);
            Arc::new(seat)
        };
        let first = seat(0, first);
        let others = (1..).zip(others).map(|(number, instance)| seat(number, instance)).collect();
        let several = ArcSwap::from_pointee(Several { deal: shared.dealt.get(), others });
        Self { first, several, asked: AtomicU64::new(0), bound, stop, shared }
    }

    /// All of them, in the order of their numbers.
    pub(super) fn all(&self) -> Vec<Arc<Seat>> {
        let several = self.several.load();
        iter::once(&self.first).chain(&several.others).cloned().collect()
    }

    pub(crate) fn waiting(&self) -> usize {
        self.all().iter().map(|seat| seat.waiting()).sum()
    }

    pub(crate) fn status(&self) -> Vec<EachStatus> {
        let status = |seat: Arc<Seat>| seat.each.status(seat.waiting(), seat.queue.connections());
        self.all().into_iter().map(status).collect()
    }

    /// Whether there is one that runs.
    pub(crate) fn is_running(&self) -> bool {
        self.all().iter().any(|seat| seat.each.is_running())
    }

    /// The state of the first that runs, and its number.
    pub(crate) async fn save_one(&self) -> Result<(u16, Saved), PluginError> {
        let running = self.all().into_iter().find(|seat| seat.each.is_running());
        let seat = running.unwrap_or_else(|| Arc::clone(&self.first));
        Ok((seat.each.number, seat.save().await?))
    }

    /// Waits until all that was offered is decided, and what followed from it.
    pub(crate) async fn rest(&self) -> Result<(), PluginError> {
        for seat in self.all() {
            while !seat.rests().await? {}
        }
        Ok(())
    }

    pub(crate) async fn stop(&self, deadline: Duration) {
        join_all(self.all().iter().map(|seat| seat.stop(deadline))).await;
    }

    /// `by`: as of [`Handler::offer_to`].
    fn deal_out(&self, mut event: Event, by: u16) -> Result<(), Box<Declined>> {
        loop {
            let deal = self.shared.dealt.get();
            let offered = match deal.is_to_one() {
                true => self.first.offer(event, deal.turn),
                false => self.offer_among(event, by),
            };
            event = match offered {
                Ok(()) => return Ok(()),
                Err(Missed::Declined(declined)) => return Err(declined),
                Err(Missed::Moved(event)) => *event,
            };
        }
    }

    fn offer_among(&self, event: Event, by: u16) -> Result<(), Missed> {
        let several = self.several.load();
        let place = several.deal.place_of(&event, by);
        self.seat(&several, place).offer(event, several.deal.turn)?;
        let bit = 1_u64 << (place % 64);
        // Whoever has it taken away begins to look at the queue after that, and finds the event.
        if self.asked.load(Ordering::Acquire) & bit == 0 {
            self.asked.fetch_or(bit, Ordering::AcqRel);
        }
        Ok(())
    }

    fn seat<'s>(&'s self, several: &'s Several, place: u16) -> &'s Seat {
        let other = usize::from(place).checked_sub(1);
        other.and_then(|other| several.others.get(other)).unwrap_or(&self.first)
    }

    fn settle_several(&self) {
        if self.asked.load(Ordering::Acquire) == 0 {
            return;
        }
        let mut asked = self.asked.swap(0, Ordering::AcqRel);
        let several = self.several.load();
        while asked != 0 {
            let place = u16::try_from(asked.trailing_zeros()).unwrap_or(0);
            asked &= asked - 1;
            self.seat(&several, place).settle();
        }
    }
}

impl Handler for Seats {
    fn wants(&self, event: &str) -> Wants {
        let current = self.shared.current.load();
        match current.settings.on_failure {
            _ if !current.about.wants(event) => Wants::No,
            OnFailure::Closed => Wants::Yes,
            OnFailure::Open => Wants::OrElse,
        }
    }

    fn wants_channel(&self, channel: &str) -> bool {
        self.shared.current.load().about.wants_channel(channel)
    }

    fn wants_subscriptions(&self, channel: &str) -> bool {
        self.shared.current.load().about.wants_subscriptions(channel)
    }

    fn wants_any_subscriptions(&self) -> bool {
        !self.shared.current.load().about.subscriptions.patterns().is_empty()
    }

    fn wants_users(&self) -> bool {
        self.shared.current.load().about.users
    }

    fn wants_missed(&self) -> bool {
        self.shared.current.load().about.missed
    }

    fn offer(&self, event: Event) -> Result<(), Box<Declined>> {
        self.deal_out(event, 0)
    }

    fn offer_to(&self, instance: u16, event: Event) -> Result<(), Box<Declined>> {
        self.deal_out(event, instance)
    }

    fn settle(&self) {
        match self.shared.dealt.get().is_to_one() {
            true => self.first.settle(),
            false => self.settle_several(),
        }
    }

    fn has_room(&self, of: &Connection, seen: &mut Seen, task: &Waker) -> bool {
        let several = self.several.load();
        let place = several.deal.of_connection(of);
        self.seat(&several, place).queue.has_room(seen, task)
    }

    fn forget(&self, connection: Handle) -> u64 {
        self.all().iter().map(|seat| seat.forget(connection)).sum()
    }

    fn lost(&self, why: FaultId) {
        self.shared.counters.note(PluginHappened::Declined(why, 1));
    }
}
