//! Questions against the clock, against connections that end, and against plugins that do not run.

use super::*;
use std::sync::Mutex;
use tengen_core::{
    capability::ask::{Answered, Ask},
    event::Permit,
    handler::Handler,
};
use tengen_wire::dialect::{Arrived, Asked};
use tokio::time;

/// Keeps what it hears of questions, as long as it runs.
#[derive(Debug, Default)]
struct Hearer {
    is_down: AtomicU64,
    heard: Mutex<Vec<(Option<Handle>, Answered)>>,
}

impl Handler for Hearer {
    fn offer(&self, event: Event) -> Result<(), Box<Declined>> {
        if self.is_down.load(Ordering::Relaxed) > 0 {
            let why = Fault::new(FaultId::PluginUnavailable, "down");
            return Err(Box::new(Declined { event, why }));
        }
        let of = event.connection.as_ref().map(|connection| connection.handle);
        let Occurrence::Answered(answered) = event.what else { panic!("{event:?}") };
        self.heard.lock().unwrap().push((of, answered));
        Ok(())
    }
}

impl Hearer {
    fn go_down(&self, is_down: bool) {
        self.is_down.store(is_down.into(), Ordering::Relaxed);
    }

    /// What came since this was asked last: of whom, under which name, and the JSON or the fault.
    fn heard(&self) -> Vec<(Option<Handle>, String)> {
        let heard = std::mem::take(&mut *self.heard.lock().unwrap());
        let said = |answered: Answered| match answered.value {
            Ok(value) => format!("{} {}", answered.name, String::from_utf8_lossy(&value.body)),
            Err(why) => format!("{} {}", answered.name, why.id.word()),
        };
        heard.into_iter().map(|(of, answered)| (of, said(answered))).collect()
    }
}

fn scene() -> (Arc<Hub>, Arc<Hearer>) {
    let (hub, hearer) = (Arc::new(hub(Grants::default())), Arc::<Hearer>::default());
    let handler: Arc<dyn Handler> = Arc::clone(&hearer) as _;
    hub.set_handlers(HashMap::from([(PLUGIN.into(), handler)]));
    (hub, hearer)
}

fn question(link: &Link, name: &str, timeout: Option<u64>) -> Effect {
    Effect::Ask(Ask {
        connection: link.facts.handle,
        name: name.to_owned(),
        id: "a/q".into(),
        content: Content::OfEvent(0),
        timeout: timeout.map(Duration::from_millis),
    })
}

/// Asks, and returns the key by which the client is to answer.
fn asked(hub: &Hub, link: &Arc<Link>, name: &str, timeout: Option<u64>) -> String {
    act(hub, link, question(link, name, timeout)).unwrap();
    let frame = frames(link).pop().unwrap();
    let (_, behind) = frame.split_once(r#""key":""#).unwrap();
    behind.split('"').next().unwrap().to_owned()
}

/// What the client is told that says this.
fn answer(hub: &Hub, link: &Arc<Link>, data: &str) -> String {
    let permit = Permit::take(&link.facts, data.len(), 64, 1 << 20);
    let arrived = Arrived {
        id: "tengen/answer".into(),
        payload: Payload::new(Encoding::Json, data.to_owned()),
        callback: Some(Callback((*b"\"cb\"").into())),
        traceparent: None,
        tracestate: None,
    };
    hub.request(link, Asked::Answer, arrived, permit);
    frames(link).concat()
}

fn value(key: &str) -> String {
    format!(r#"{{"key":"{key}","value":1}}"#)
}

async fn pass(hub: &Arc<Hub>, millis: u64) {
    let over = time::timeout(Duration::from_millis(millis), hub.run_questions()).await;
    assert!(over.is_err(), "it goes on for ever");
}

#[tokio::test(start_paused = true)]
async fn a_question_that_nobody_answers_is_given_up_in_time_and_once() {
    let (hub, hearer) = scene();
    let link = connect(&hub, 0, None);
    let of = Some(link.facts.handle);
    for (name, timeout) in
        [("short", Some(0)), ("own", Some(5000)), ("usual", None), ("long", Some(u32::MAX.into()))]
    {
        asked(&hub, &link, name, timeout);
    }
    pass(&hub, 9).await;
    assert_eq!(hearer.heard(), []);
    for (until, name) in [(2, "short"), (5000, "own"), (25_000, "usual"), (570_000, "long")] {
        pass(&hub, until).await;
        assert_eq!(hearer.heard(), [(of, format!("{name} timeout"))]);
    }
    pass(&hub, 10_000_000).await;
    assert_eq!(hearer.heard(), []);
    assert_eq!(hub.meter.counts(Metric::EndedAsks), [(vec!["timeout".to_owned()], 4)]);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_asked_while_others_wait_may_be_the_first_that_is_given_up() {
    let (hub, hearer) = scene();
    let link = connect(&hub, 0, None);
    asked(&hub, &link, "later", Some(60_000));
    let during = async {
        time::sleep(Duration::from_millis(100)).await;
        asked(&hub, &link, "sooner", Some(50));
        time::sleep(Duration::from_millis(60)).await;
        assert_eq!(hearer.heard(), [(Some(link.facts.handle), "sooner timeout".to_owned())]);
    };
    tokio::select! {
        () = hub.run_questions() => {}
        () = during => {}
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_counts_once_in_time_and_from_who_was_asked() {
    let (hub, hearer) = scene();
    let link = connect(&hub, 0, None);
    // Its questions lie beside the other one's.
    let others: Vec<_> = (0..16).map(|_| connect(&hub, 0, None)).collect();
    let other = others.last().unwrap();
    let key = asked(&hub, &link, "n", Some(100));
    assert!(answer(&hub, other, &value(&key)).contains("not-found"));
    assert!(answer(&hub, &link, r#"{"key":1}"#).contains("malformed"));
    assert_eq!(hearer.heard(), []);
    assert_eq!(answer(&hub, &link, &value(&key)), r#"[null,"cb"]"#);
    assert_eq!(hearer.heard(), [(Some(link.facts.handle), "n 1".to_owned())]);
    assert!(answer(&hub, &link, &value(&key)).contains("not-found"));
    let late = asked(&hub, &link, "n", Some(100));
    assert_ne!(late, key);
    pass(&hub, 200).await;
    assert!(answer(&hub, &link, &value(&late)).contains("not-found"));
    assert_eq!(hearer.heard(), [(Some(link.facts.handle), "n timeout".to_owned())]);
    assert_eq!(hub.meter.sum(Metric::RefusedRequests), 4);
    assert_eq!((link.facts.waiting.bytes(), hub.questions.open()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_plugin_that_does_not_run_is_told_when_it_does() {
    let (hub, hearer) = scene();
    let (stays, goes) = (connect(&hub, 0, None), connect(&hub, 0, None));
    let answered = asked(&hub, &stays, "answered", None);
    asked(&hub, &stays, "late", Some(50));
    let before = asked(&hub, &goes, "before", None);
    asked(&hub, &goes, "with", None);
    hearer.go_down(true);
    assert_eq!(answer(&hub, &stays, &value(&answered)), r#"[null,"cb"]"#, "it has done its part");
    answer(&hub, &goes, &value(&before));
    hub.close(&goes, &Reason::Lost);
    pass(&hub, 100).await;
    assert_eq!(hearer.heard(), []);
    hearer.go_down(false);
    pass(&hub, 100).await;
    let mut heard = hearer.heard();
    heard.sort();
    let of = Some(stays.facts.handle);
    let expected =
        [(None, "before 1"), (None, "with closed"), (of, "answered 1"), (of, "late timeout")];
    assert_eq!(heard, expected.map(|(of, said)| (of, said.to_owned())));
    pass(&hub, 1_000_000).await;
    assert_eq!(hearer.heard(), []);
}

/// Was it down only for a moment, it has heard of the connection again, and is about to hear of its end.
#[tokio::test(start_paused = true)]
async fn what_was_kept_of_a_connection_is_told_with_it_before_its_end() {
    let (hub, hearer) = scene();
    let link = connect(&hub, 0, None);
    let key = asked(&hub, &link, "kept", None);
    hearer.go_down(true);
    answer(&hub, &link, &value(&key));
    hearer.go_down(false);
    hub.close(&link, &Reason::Lost);
    assert_eq!(hearer.heard(), [(Some(link.facts.handle), "kept 1".to_owned())]);
}

#[test]
fn what_a_connection_cannot_be_asked_is_refused_and_takes_no_place() {
    let (hub, hearer) = scene();
    let (own, foreign) = (connect(&hub, 0, None), connect(&hub, 1, None));
    assert_eq!(act(&hub, &own, question(&foreign, "n", None)), Err(FaultId::NotAllowed));
    asked(&hub, &own, "n", None);
    assert_eq!(act(&hub, &own, question(&own, "n", None)), Err(FaultId::Conflict));
    for number in 1..16 {
        asked(&hub, &own, &number.to_string(), None);
    }
    assert_eq!(act(&hub, &own, question(&own, "more", None)), Err(FaultId::LimitReached));
    assert!(frames(&own).is_empty(), "it sees nothing of what was refused");
    let raw = connect_as(&hub, Wire { dialect: Dialect::Raw, format: Encoding::Text });
    assert_eq!(act(&hub, &raw, question(&raw, "n", None)), Err(FaultId::Unsupported));
    let ending = connect(&hub, 0, None);
    ending.close(Reason::Drained);
    assert_eq!(act(&hub, &ending, question(&ending, "n", None)), Err(FaultId::Closed));
    hub.close(&own, &Reason::Lost);
    assert_eq!(act(&hub, &own, question(&own, "n", None)), Err(FaultId::Closed));
    let refused = (vec!["refused".to_owned()], 6);
    let ended = hub.meter.counts(Metric::EndedAsks);
    assert_eq!(ended, [(vec!["closed".to_owned()], 16), refused]);
    assert_eq!((hub.questions.open(), hearer.heard().len()), (0, 16));
}

#[test]
fn a_question_that_an_outbox_does_not_take_is_refused() {
    let (hub, hearer) = scene();
    let (events, when_full) = (std::num::NonZeroUsize::MIN, tengen_settings::WhenFull::DropNewest);
    let outbox = Outbox { events, when_full, ..Outbox::default() };
    let facts = Arc::new(Connection { handle: hub.reserve().unwrap(), ..Connection::anybody(0) });
    let wire = Wire { dialect: Dialect::Tengen, format: Encoding::Json };
    let link = Arc::new(Link::new(facts, wire, outbox, Vec::new()));
    hub.open(&link);
    assert_eq!(act(&hub, &link, question(&link, "first", None)), Ok(()));
    assert_eq!(act(&hub, &link, question(&link, "second", None)), Err(FaultId::Overloaded));
    hub.close(&link, &Reason::Lost);
    assert_eq!(hearer.heard(), [(Some(link.facts.handle), "first closed".to_owned())]);
}

#[test]
fn a_plugins_questions_go_with_it_and_are_counted() {
    let (hub, hearer) = scene();
    let link = connect(&hub, 0, None);
    let (open, kept) = (asked(&hub, &link, "open", None), asked(&hub, &link, "kept", None));
    hearer.go_down(true);
    answer(&hub, &link, &value(&kept));
    hub.set_handlers(HashMap::new());
    hearer.go_down(false);
    assert!(answer(&hub, &link, &value(&open)).contains("not-found"));
    hub.close(&link, &Reason::Lost);
    assert_eq!((hearer.heard(), hub.questions.open()), (vec![], 0));
    let ended = ["answered", "forgotten"].map(|outcome| (vec![outcome.to_owned()], 1));
    assert_eq!(hub.meter.counts(Metric::EndedAsks), ended);
}

#[test]
fn a_plugin_has_so_many_questions_until_their_ends_are_nobodys_any_more() {
    const MOST: usize = 1 << 16;
    let (hub, hearer) = scene();
    let mut links = Vec::new();
    for _ in 0..MOST / 16 {
        let link = connect(&hub, 0, None);
        let ask = |number: u32| Caused::new(0, question(&link, &number.to_string(), None));
        let work =
            carry_out(&hub, PLUGIN, &[event(&link, None)], Outcome::of((0..16).map(ask).collect()));
        assert!(work.tallies().is_empty(), "{:?}", work.tallies());
        links.push(link);
    }
    let one_more = connect(&hub, 0, None);
    let ask = || act(&hub, &one_more, question(&one_more, "n", None));
    assert_eq!(ask(), Err(FaultId::LimitReached));
    hub.close(&links[0], &Reason::Lost);
    assert_eq!(ask(), Err(FaultId::LimitReached), "what is told and not heard yet has its place");
    assert_eq!(hearer.heard().len(), 16);
    assert_eq!(ask(), Ok(()));
}
