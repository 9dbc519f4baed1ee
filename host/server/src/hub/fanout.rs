//! One message to many, in steps: others have their turn between them, and the order of a channel is one for all.
//!
//! A large publication is put behind those of its channel that are under way, with the members of that moment. Whoever is at
//! it, the first is delivered to its end, portion by portion, before the next begins. The channel's line is held for one
//! portion only, and by publishers alone: nobody who comes, goes or looks waits for it. Whether a member has left since, its
//! connection knows.

use super::{
    Hub, Link,
    send::{Broadcast, Deliveries, Letter},
    step::Step,
    subscriptions::{Share, Subscriber},
};
use crate::channels::Open;
use std::{
    collections::VecDeque,
    sync::{Arc, OnceLock},
    vec,
};
use tengen_core::{
    broker::Position,
    roster::{PAGE, Snapshot},
};
use tengen_wire::{fault::Fault, id::Channel};

/// Receivers of a client's publication that get it in the client's own turn, which may bring a hundred of them.
const AT_ONCE: usize = 32;

/// What is on its way to a channel's members, in the order of its numbers. One begins to be delivered when the one before it
/// is.
pub(super) type FanOuts = VecDeque<FanOut>;

/// A message that some of a channel's members have not got yet.
#[derive(Debug)]
pub(super) struct FanOut {
    broadcast: Broadcast,
    members: Snapshot<Subscriber>,
    /// The page of members that is next: a portion.
    next: usize,
    end: Arc<OnceLock<Result<(), Fault>>>,
}

/// Whoever sent it, as long as it is under way.
#[derive(Debug)]
pub(super) struct Publishing {
    channel: Channel,
    open: Arc<Open<Subscriber, FanOuts, Share>>,
    end: Arc<OnceLock<Result<(), Fault>>>,
}

/// How a message to a channel has begun.
pub(super) struct Begun {
    /// Where it stands there, if it is a publication of a client's.
    pub(super) position: Option<Position>,
    /// What is left of it; Err: it did not reach all, for there is a format that cannot hold it.
    pub(super) left: Result<Option<Publishing>, Fault>,
}

impl Begun {
    fn nowhere(position: Option<Position>) -> Self {
        Self { position, left: Ok(None) }
    }
}

impl Publishing {
    /// Sends to all subscribers: at once if they are few and nothing is under way, else in steps.
    pub(super) fn begin(
        channel: &Channel,
        mut letter: Letter,
        deliveries: &mut Deliveries<'_>,
    ) -> Begun {
        let channels = &deliveries.hub().channels;
        let is_clients = letter.is_clients();
        let at_once = if is_clients { AT_ONCE } else { PAGE };
        loop {
            let open = match letter.is_publication() {
                true => match channels.find_to_publish(channel) {
                    Ok(open) => open,
                    Err(position) => return Begun::nowhere(Some(position)),
                },
                false => match channels.find(channel) {
                    Some(open) => open,
                    None => return Begun::nowhere(None),
                },
            };
            let mut line = open.line();
            let mut position = None;
            let members = match letter.is_publication() {
                false => open.members(),
                true => {
                    let Some((members, published)) = open.publish() else { continue };
                    letter.number(published);
                    position = is_clients
                        .then(|| Position { offset: published.offset, ..open.position() });
                    members
                }
            };
            let mut broadcast = letter.to(members.len());
            if line.is_empty() && members.len() <= at_once {
                let all = members.iter();
                all.for_each(|member| broadcast.deliver_in(channel, deliveries, member));
                return Begun { position, left: broadcast.end().map(|()| None) };
            }
            let end = Arc::<OnceLock<_>>::default();
            line.push_back(FanOut { broadcast, members, next: 0, end: Arc::clone(&end) });
            drop(line);
            let left = Self { channel: channel.clone(), open, end };
            return Begun { position, left: Ok(Some(left)) };
        }
    }

    /// Goes on with what is under way on the channel, until it is this one's end, or the step's.
    pub(super) fn go_on(&self, step: &mut Step<'_>) -> Option<Result<(), Fault>> {
        loop {
            if let Some(end) = self.end.get() {
                return Some(end.clone());
            }
            if step.is_over() {
                return None;
            }
            let mut line = self.open.line();
            if line.is_empty() {
                // Somebody else has just brought it to its end.
                return Some(self.end.get().cloned().unwrap_or(Ok(())));
            }
            let done = deliver_portion(&self.channel, &mut line, &mut step.deliveries);
            drop(line);
            // The members of a moment may be the last to hold a connection: let go when nobody waits for it.
            drop(done);
            step.account();
        }
    }
}

/// Delivers a page of the first one. What is returned has been delivered.
fn deliver_portion(
    channel: &Channel,
    line: &mut FanOuts,
    deliveries: &mut Deliveries<'_>,
) -> Option<Snapshot<Subscriber>> {
    let FanOut { broadcast, members, next, .. } = line.front_mut()?;
    for member in members.page(*next).unwrap_or_default() {
        broadcast.deliver_in(channel, deliveries, member);
    }
    *next += 1;
    if members.page(*next).is_some() {
        return None;
    }
    let FanOut { broadcast, members, end, .. } = line.pop_front()?;
    // Only here, once.
    let _first = end.set(broadcast.end());
    Some(members)
}

impl FanOut {
    fn is_still_for(&self, link: &Link) -> bool {
        let pages = (self.next..).map_while(|page| self.members.page(page));
        let handle = link.facts.handle;
        pages.flatten().any(|member| member.handle == handle)
    }
}

impl Hub {
    /// Tells where a connection is in a channel that it is subscribed to: it has got everything up to this, and gets what
    /// follows after what `tell` sends. False: it is not subscribed.
    pub(super) fn at_position(
        &self,
        link: &Link,
        channel: &Channel,
        tell: impl FnOnce(Position),
    ) -> bool {
        let Some(open) = self.channels.find(channel) else { return false };
        let line = open.line();
        if !link.is_subscribed(channel) {
            return false;
        }
        let mut position = open.position();
        let coming = line
            .iter()
            .find(|fan_out| fan_out.broadcast.published().is_some() && fan_out.is_still_for(link));
        if let Some(first) = coming.and_then(|fan_out| fan_out.broadcast.published()) {
            position.offset = first.prev;
        }
        tell(position);
        true
    }
}

/// A push to connections that were found.
#[derive(Debug)]
pub(super) struct Pushing {
    pub(super) broadcast: Broadcast,
    pub(super) left: vec::IntoIter<Arc<Link>>,
}

impl Pushing {
    /// Delivers until all have it (true), or the step is over.
    pub(super) fn deliver(&mut self, step: &mut Step<'_>) -> bool {
        while !step.is_over() {
            let Some(link) = self.left.next() else { return true };
            self.broadcast.deliver(&mut step.deliveries, &link);
            step.account();
        }
        self.left.as_slice().is_empty()
    }
}
