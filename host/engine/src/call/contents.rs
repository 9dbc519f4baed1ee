//! Payloads that are read or converted for one plugin: once each, and off the workers where there is much of them.
//!
//! What a guest sends is read before it is carried out, and nobody looks at it again: neither for the next wire nor for the
//! next receiver. The plugin's own calls wait until its payloads are ready, others do not.

use super::effects::Decided;
use tengen_core::effect::{Caused, Content, Effect, Failure, Kind, Outcome, Refused};
use tengen_wire::{
    fault::{Fault, FaultId},
    payload::{self, Encoding, Payload},
};
use tokio_util::task::TaskTracker;

/// So many bytes are read at once, on the thread that made the call: a few milliseconds at worst. More of them are read on
/// a thread that serves nobody else.
pub(super) const AT_ONCE: usize = 64 << 10;

/// Reads what a guest sends. What is not what its encoding says is refused, whoever it is for.
pub(crate) async fn read(decided: Decided, tasks: &TaskTracker) -> Decided {
    let unread: usize = decided.outcome.effects.iter().map(|caused| unread(&caused.what)).sum();
    match unread {
        0 => decided,
        1..=AT_ONCE => now(decided),
        // Rare, and large: in the future of every call, it would be moved with it.
        _ => Box::pin(elsewhere(decided, tasks)).await,
    }
}

async fn elsewhere(decided: Decided, tasks: &TaskTracker) -> Decided {
    let mut causes: Vec<_> = decided.outcome.effects.iter().map(|caused| caused.by).collect();
    causes.dedup();
    match tasks.spawn_blocking(move || now(decided)).await {
        Ok(decided) => decided,
        // Only where the gateway itself is at fault or at its end: who waits is told nevertheless.
        Err(_) => {
            let why = Fault::new(FaultId::PluginFailed, "what the plugin sent was not read");
            let failure = |by| Failure { by, why: why.clone(), close: None };
            let failures = causes.into_iter().map(failure).collect();
            let outcome = Outcome::failed(failures);
            Decided { outcome, refused: Vec::new() }
        }
    }
}

/// Payloads in another encoding, made on a thread that serves nobody else.
pub(super) async fn converted(
    payloads: Vec<Option<Payload>>,
    to: Encoding,
    tasks: &TaskTracker,
) -> Vec<Option<Result<Payload, Fault>>> {
    let wanted: Vec<_> = payloads.iter().map(Option::is_some).collect();
    let convert = move |payload: Option<Payload>| Some(payload::transcode(&payload?, to));
    let converted = tasks.spawn_blocking(move || payloads.into_iter().map(convert).collect()).await;
    converted.unwrap_or_else(|_| {
        let why = || Fault::new(FaultId::PluginFailed, "the event was not converted");
        wanted.into_iter().map(|wanted| wanted.then(|| Err(why()))).collect()
    })
}

fn now(mut decided: Decided) -> Decided {
    let Decided { outcome, refused } = &mut decided;
    outcome.effects.retain_mut(|caused| match read_effect(caused) {
        Ok(()) => true,
        Err(refusal) => {
            // A caller is answered in any case.
            let stays = refusal.kind == Kind::Reply;
            refused.push(*refusal);
            stays
        }
    });
    decided
}

/// Reads what one effect sends. Err: why it is refused; a reply says so to whoever waits for it.
fn read_effect(caused: &mut Caused) -> Result<(), Box<Refused>> {
    let Caused { by, what, key } = caused;
    let kind = what.kind();
    let Some(payload) = payload(what) else { return Ok(()) };
    let unread = std::mem::replace(payload, Payload::nil(payload.encoding));
    let why = match payload::checked(unread) {
        Ok(read) => {
            *payload = read;
            return Ok(());
        }
        Err(why) => why,
    };
    let key = key.take();
    if let Effect::Reply(reply) = what {
        reply.value = Err(why.clone());
    }
    Err(Box::new(Refused { by: Some(*by), kind, key, why }))
}

fn unread(effect: &Effect) -> usize {
    match effect.content() {
        Some(Content::Payload(payload)) if !payload.is_checked() => payload.body.len(),
        _ => 0,
    }
}

fn payload(effect: &mut Effect) -> Option<&mut Payload> {
    match effect.content_mut()? {
        Content::Payload(payload) => Some(payload),
        Content::OfEvent(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;
    use tengen_core::capability::{
        push::{Push, Target},
        reply::Reply,
    };
    use tengen_wire::id::{EventId, Handle};

    fn decided(effects: Vec<Effect>) -> Decided {
        let effects = (0..).zip(effects).map(|(by, what)| Caused::new(by, what)).collect();
        Decided { outcome: Outcome::of(effects), refused: Vec::new() }
    }

    fn edn(text: &str) -> Content {
        Content::Payload(Payload::new(Encoding::Edn, text.to_owned()))
    }

    fn push(text: &str) -> Effect {
        Effect::Push(Push {
            to: Target::Connection(Handle(1)),
            except: None,
            id: EventId::from("a/b"),
            content: edn(text),
        })
    }

    fn reply(text: &str) -> Effect {
        Effect::Reply(Reply { reply_to: 7, value: Ok(edn(text)) })
    }

    fn all_read(decided: &Decided) -> bool {
        decided.outcome.effects.iter().all(|caused| unread(&caused.what) == 0)
    }

    #[tokio::test]
    async fn much_is_read_off_the_worker_and_little_at_once() {
        let tasks = TaskTracker::new();
        let little = read(decided(vec![push("[1]"), reply("{:a 1}")]), &tasks).now_or_never();
        assert!(all_read(&little.expect("it does not wait")));
        let text = format!("[{}]", "1 ".repeat(AT_ONCE / 2));
        let mut much = Box::pin(read(decided(vec![push(&text)]), &tasks));
        assert!(much.as_mut().now_or_never().is_none(), "another thread reads it");
        let much = much.await;
        assert!(all_read(&much));
        assert_eq!(much.outcome.effects.len(), 1);
    }

    #[tokio::test]
    async fn conversions_come_back_in_their_order_from_another_thread() {
        let tasks = TaskTracker::new();
        let payload = |text: &str| Some(Payload::new(Encoding::Edn, text.to_owned()));
        let payloads = vec![payload("[:a]"), None, payload("{[1] 2}"), payload("(1)")];
        let mut made = Box::pin(converted(payloads, Encoding::Json, &tasks));
        assert!(made.as_mut().now_or_never().is_none(), "another thread converts");
        let said = |made: &Option<Result<Payload, Fault>>| match made {
            Some(Ok(payload)) => String::from_utf8_lossy(&payload.body).into_owned(),
            Some(Err(why)) => why.id.word().to_owned(),
            None => "-".to_owned(),
        };
        let made: Vec<_> = made.await.iter().map(said).collect();
        assert_eq!(made, ["[\"a\"]", "-", "unsupported", "[1]"]);
    }

    #[tokio::test]
    async fn what_is_not_what_it_says_is_refused_and_a_caller_is_told() {
        let tasks = TaskTracker::new();
        for text in ["{:a}".to_owned(), format!("[{}", "1 ".repeat(AT_ONCE))] {
            let effects = vec![push(&text), push("1"), reply(&text)];
            let mut decided = decided(effects);
            for caused in &mut decided.outcome.effects {
                caused.key = Some("k".to_owned());
            }
            let Decided { outcome, refused } = read(decided, &tasks).await;
            let kinds: Vec<_> = refused.iter().map(|refused| (refused.kind, refused.by)).collect();
            assert_eq!(kinds, [(Kind::Push, Some(0)), (Kind::Reply, Some(2))]);
            assert_eq!(refused.first().and_then(|refused| refused.key.as_deref()), Some("k"));
            assert!(refused.iter().all(|refused| refused.why.id == FaultId::Malformed));
            let [kept, Caused { by: 2, what: Effect::Reply(Reply { value: Err(why), .. }), .. }] =
                outcome.effects.as_slice()
            else {
                panic!("{outcome:?}")
            };
            assert_eq!((kept.by, why.id), (1, FaultId::Malformed));
        }
    }
}
