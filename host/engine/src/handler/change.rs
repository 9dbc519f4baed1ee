//! The next version of a handler, or another number of its instances.
//!
//! One instance is replaced by itself. Several are replaced together or not at all: the new ones have begun, then each of the
//! old ones stops between two calls and gives its state up, the new ones take the states over, and only then all of them
//! change places, which nothing can keep from happening any more. Whatever goes wrong before that, the old ones go on.
//!
//! Events wait meanwhile where they always do. Where they are dealt out in another way from then on, what waits is, too.

use super::{
    driver::Seat,
    keeping::known::Missing,
    queue::{Queue, moving::Dealt},
    runner::{Next, Runner, change::Verdict},
    seats::{Seats, Several},
};
use crate::{
    call::{generation::Generation, instance::Instance, parts::Parts, saved::Saved},
    error::PluginError,
    guest::bindings::plugin::StartReason,
    shared::{Deal, Each},
};
use futures_util::future::try_join_all;
use std::{mem::take, sync::Arc};
use tengen_core::{event::Connection, handler::Knows};
use tokio::sync::oneshot;

/// What there is to do.
struct Change<'a> {
    seats: &'a Seats,
    generation: &'a Arc<Generation>,
    takes_state: bool,
    /// How events were dealt out,
    was: Deal,
    /// and how they will be.
    will: Deal,
}

/// An instance that waits for what becomes of it, with its state.
struct Held {
    seat: Arc<Seat>,
    saved: Option<Saved>,
    verdict: oneshot::Sender<Verdict>,
}

impl Seats {
    /// Puts the next version in the place of this one: `next` has its first instance, the others are started here, for the
    /// same reason. Returns whether the state went along.
    pub(crate) async fn replace(
        &self,
        next: Next,
        reason: StartReason,
    ) -> Result<bool, PluginError> {
        let was = self.shared.dealt.get();
        let will = was.then(&next.generation.settings);
        if was.is_to_one() && will.is_to_one() {
            return self.first.swap(next).await;
        }
        let Next { generation, instance, takes_state } = next;
        let change = Change { seats: self, generation: &generation, takes_state, was, will };
        let mut fresh = vec![instance];
        for _ in 1..will.of {
            fresh.push(Instance::start(&generation, reason).await?);
        }
        let held = change.hold().await?;
        let loaded = change.load(&mut fresh, &held).await?;
        Ok(match was.turn == will.turn {
            true => change.swap(fresh, held, &loaded),
            false => change.deal_anew(fresh, held),
        })
    }
}

impl Change<'_> {
    async fn hold(&self) -> Result<Vec<Held>, PluginError> {
        let hold = async |seat: Arc<Seat>| {
            let (saved, verdict) = seat.hold(self.takes_state).await?;
            Ok(Held { seat, saved, verdict })
        };
        try_join_all(self.seats.all().into_iter().map(hold)).await
    }

    /// Hands the states over: to each its own, or where events will be dealt out in another way, to each all. Returns who
    /// got any.
    async fn load(&self, fresh: &mut [Instance], held: &[Held]) -> Result<Vec<bool>, PluginError> {
        let load = async |(target, instance): (u16, &mut Instance)| {
            let all = (0_u16..).zip(held);
            let its =
                all.filter(|(source, _)| self.was.turn != self.will.turn || *source == target);
            let saved: Vec<_> =
                its.filter_map(|(source, held)| Some((source, held.saved.as_ref()?))).collect();
            if saved.is_empty() {
                return Ok(false);
            }
            let parts = Parts { saved, sources: self.was.of, target, targets: self.will.of };
            instance.load(self.generation, &parts).await.map(|()| true)
        };
        // One after the other: each has its time for itself.
        let mut all = Vec::new();
        for each in (0..).zip(fresh) {
            all.push(load(each).await?);
        }
        Ok(all)
    }

    fn next(&self, instance: Instance) -> Box<Next> {
        let generation = Arc::clone(self.generation);
        Box::new(Next { generation, instance, takes_state: self.takes_state })
    }

    /// Everybody's successor takes its place.
    fn swap(self, fresh: Vec<Instance>, held: Vec<Held>, loaded: &[bool]) -> bool {
        self.seats.shared.current.store(Arc::clone(self.generation));
        for ((Held { verdict, .. }, instance), &told) in held.into_iter().zip(fresh).zip(loaded) {
            let next = self.next(instance);
            // Who has ended meanwhile needs no successor.
            verdict.send(Verdict::Swap { next, told }).ok();
        }
        loaded.contains(&true)
    }

    /// The same where events are dealt out in another way. Nothing of this waits for anything: once begun, it is done.
    fn deal_anew(self, fresh: Vec<Instance>, held: Vec<Held>) -> bool {
        let Self { seats, will, .. } = self;
        let shared = &seats.shared;
        let handed_over = held.iter().any(|held| held.saved.is_some());
        // Some state is missing: what was in it, the new ones have to be told.
        let is_whole = held.iter().all(|held| held.saved.is_some());
        shared.current.store(Arc::clone(self.generation));
        let mut fresh = fresh.into_iter();
        let mut verdicts: Vec<(oneshot::Sender<Verdict>, Verdict)> = Vec::new();
        let mut all = Vec::new();
        for (number, Held { seat, verdict, .. }) in (0..).zip(held) {
            let successor = (number < will.of).then(|| fresh.next()).flatten();
            let what = successor.map_or(Verdict::End, |instance| Verdict::Swap {
                next: self.next(instance),
                told: true,
            });
            verdicts.push((verdict, what));
            all.push(seat);
        }
        for (number, instance) in (self.was.of..will.of).zip(fresh) {
            let (seat, verdict) = self.seat(number, instance);
            verdicts.push((verdict, Verdict::Begin));
            all.push(seat);
        }
        let others = all.iter().take(will.of.into()).skip(1).cloned().collect();
        let several = Arc::new(Several { deal: will, others });
        let queues: Vec<_> = all.iter().map(|seat| Arc::clone(&seat.queue)).collect();
        let dealt = Queue::deal_anew(&queues, will, || {
            seats.several.store(several);
            shared.dealt.set(will);
        });
        let mut open = self.listed();
        for ((seat, dealt), open) in all.iter().zip(dealt).zip(&mut open) {
            self.adopt(seat, take(open), dealt, handed_over);
            if !handed_over || !is_whole {
                seat.each.begins_anew(Knows::Nothing);
            }
        }
        for (verdict, what) in verdicts {
            verdict.send(what).ok();
        }
        handed_over
    }

    /// The place of one more instance, which waits.
    fn seat(&self, number: u16, instance: Instance) -> (Arc<Seat>, oneshot::Sender<Verdict>) {
        let Seats { shared, bound, stop, .. } = self.seats;
        let each = Arc::new(Each::new(Arc::clone(shared), number));
        let queue = Arc::new(Queue::of_turn(*bound, self.will.turn));
        let (seat, task) = Seat::new(Runner::unaware(each, queue, instance), stop.clone());
        let verdict = seat.hold_new();
        shared.tasks.spawn(task);
        (Arc::new(seat), verdict)
    }

    /// The open connections, by the numbers of those who are to have them.
    fn listed(&self) -> Vec<Vec<Arc<Connection>>> {
        let shared = &self.seats.shared;
        let mut of = vec![Vec::new(); self.will.of.into()];
        for connection in shared.actor.connections_of(&shared.name) {
            let place = self.will.of_connection(&connection);
            if let Some(its) = of.get_mut(usize::from(place)) {
                its.push(connection);
            }
        }
        of
    }

    fn adopt(&self, seat: &Seat, open: Vec<Arc<Connection>>, dealt: Dealt, handed_over: bool) {
        match handed_over {
            true => seat.queue.adopt_rest(open, dealt),
            false => {
                seat.queue.adopt(open, Missing::default(), true);
            }
        }
    }
}
