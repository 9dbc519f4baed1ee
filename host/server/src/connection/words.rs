//! The first and the last words of a connection.

use crate::{
    hub::Link,
    transport::{Carrier, Patience},
};
use std::{
    ops::ControlFlow,
    task::{Context, Poll, Waker},
    time::Duration,
};
use tengen_wire::close::Reason;

/// How long a goodbye may last while the peer goes on taking what was written before.
const LINGER: Duration = Duration::from_secs(30);

/// Sends what is there before anybody hears of the connection, so that no handler delays it: the answer to the upgrade and the
/// dialect's first frame, in one write. What the kernel does not take leaves with the first turn.
///
/// It waits for nothing, so that the task holds nothing for it: the first turn asks again, and is woken then.
pub(super) fn greet<C: Carrier>(mut carrier: C, link: &Link) -> C {
    let cx = &mut Context::from_waker(Waker::noop());
    if matches!(carrier.poll_ready(cx), Poll::Ready(Ok(()))) {
        // What it was told besides, to close for example, the first turn finds again.
        let _left = link.drain(|item| {
            carrier.send(item.frame);
            if carrier.has_room() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
    }
    // A lost connection is found by the first turn, too.
    let _flushed = carrier.poll_flush(cx);
    carrier
}

/// Ends the transport, and lets go of it.
pub(super) async fn say_goodbye<C: Carrier>(carrier: C, link: &Link, reason: &Reason) {
    // Who takes too little has had its time, and a fault of ours is no reason to wait for anybody; others get what is on its
    // way to them.
    let had_its_time = matches!(reason, Reason::SlowConsumer | Reason::Memory | Reason::Internal);
    let linger = if had_its_time { Duration::ZERO } else { LINGER };
    let goodbye = link.transport.goodbye(link.wire.format, reason);
    carrier.close(goodbye, reason, Patience::new(linger)).await;
}
