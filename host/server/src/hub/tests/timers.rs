//! Timers against the clock: who is told, when, and who no more.

use super::*;
use std::sync::Mutex;
use tengen_core::capability::timers::{CancelTimer, SetTimer};
use tengen_core::handler::Handler;
use tokio::time;

/// Keeps what it gets, as long as it has room.
#[derive(Debug)]
pub(super) struct Keeper {
    pub(super) room: AtomicU64,
    pub(super) got: Mutex<Vec<(Option<Handle>, String)>>,
}

impl Keeper {
    pub(super) fn new(room: u64) -> Arc<Self> {
        Arc::new(Self { room: AtomicU64::new(room), got: Mutex::default() })
    }

    fn keys(&self) -> Vec<String> {
        self.got.lock().unwrap().iter().map(|(_, key)| key.clone()).collect()
    }
}

impl Handler for Keeper {
    fn offer(&self, event: Event) -> Result<(), Box<Declined>> {
        if self.room.load(Ordering::Relaxed) == 0 {
            let why = Fault::new(FaultId::Overloaded, "no room");
            return Err(Box::new(Declined { event, why }));
        }
        self.room.fetch_sub(1, Ordering::Relaxed);
        let of = event.connection.as_ref().map(|connection| connection.handle);
        let Occurrence::Timer(key) = event.what else { panic!("{event:?}") };
        self.got.lock().unwrap().push((of, key));
        Ok(())
    }
}

pub(super) fn with(keeper: &Arc<Keeper>) -> Arc<Hub> {
    let hub = Arc::new(hub(Grants::default()));
    run(&hub, keeper);
    hub
}

/// The plugin is this one from now on.
pub(super) fn run(hub: &Hub, keeper: &Arc<Keeper>) {
    let handler: Arc<dyn Handler> = Arc::clone(keeper) as _;
    hub.set_handlers(HashMap::from([(PLUGIN.into(), handler)]));
}

pub(super) fn set(hub: &Hub, connection: Option<Handle>, key: &str, after: u64) -> Vec<FaultId> {
    let after = Duration::from_millis(after);
    act(hub, Effect::SetTimer(SetTimer { connection, key: key.to_owned(), after }))
}

pub(super) fn act(hub: &Hub, what: Effect) -> Vec<FaultId> {
    let outcome = Outcome::of(vec![Caused { by: 0, what, key: Some("k".into()) }]);
    let mut work = Work::new(outcome, 0);
    while hub.act(&PLUGIN.into(), &[], &mut work) == Progress::More {}
    work.take_told().into_iter().map(|refused| refused.why.id).collect()
}

/// Lets time pass while somebody looks after the timers.
pub(super) async fn pass(hub: &Arc<Hub>, millis: u64) {
    let over = time::timeout(Duration::from_millis(millis), hub.run_timers()).await;
    assert!(over.is_err(), "it goes on for ever");
}

#[tokio::test(start_paused = true)]
async fn timers_are_told_when_they_are_due_and_the_shortest_is_ten_milliseconds() {
    let keeper = Keeper::new(10);
    let hub = with(&keeper);
    let link = connect(&hub, 0, None);
    let of = Some(link.facts.handle);
    assert!(set(&hub, of, "later", 50).is_empty());
    assert!(set(&hub, None, "at once", 0).is_empty());
    pass(&hub, 9).await;
    assert!(keeper.keys().is_empty());
    pass(&hub, 2).await;
    assert_eq!(keeper.keys(), ["at once"]);
    pass(&hub, 100).await;
    assert_eq!(*keeper.got.lock().unwrap().last().unwrap(), (of, "later".to_owned()));
    let count = |metric| hub.meter.sum(metric);
    assert_eq!((count(Metric::FiredTimers), count(Metric::PutOffTimers)), (2, 0));
    assert_eq!(hub.timers.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_set_while_others_wait_may_be_the_first() {
    let keeper = Keeper::new(10);
    let hub = with(&keeper);
    set(&hub, None, "later", 60_000);
    let during = async {
        time::sleep(Duration::from_millis(100)).await;
        set(&hub, None, "sooner", 50);
        time::sleep(Duration::from_millis(60)).await;
        assert_eq!(keeper.keys(), ["sooner"]);
    };
    tokio::select! {
        () = hub.run_timers() => {}
        () = during => {}
    }
}

#[tokio::test(start_paused = true)]
async fn who_has_no_room_is_told_later_and_once() {
    let keeper = Keeper::new(0);
    let hub = with(&keeper);
    set(&hub, None, "kept", 10);
    pass(&hub, 1000).await;
    let put_off = hub.meter.sum(Metric::PutOffTimers);
    assert_eq!((hub.timers.waiting(), hub.meter.sum(Metric::FiredTimers)), (1, 0));
    assert!(put_off > 10, "{put_off}");
    keeper.room.store(10, Ordering::Relaxed);
    pass(&hub, 1000).await;
    assert_eq!((keeper.keys(), hub.timers.waiting()), (vec!["kept".to_owned()], 0));
}

#[tokio::test(start_paused = true)]
async fn what_ends_takes_its_timers_with_it() {
    let keeper = Keeper::new(10);
    let hub = with(&keeper);
    let link = connect(&hub, 0, None);
    let of = Some(link.facts.handle);
    set(&hub, of, "its", 10);
    set(&hub, None, "own", 10);
    hub.close(&link, &Reason::Lost);
    assert_eq!(hub.timers.waiting(), 1);
    assert_eq!(set(&hub, of, "too late", 10), [FaultId::Closed]);
    hub.set_handlers(HashMap::new());
    assert_eq!(hub.timers.waiting(), 0, "the plugin is gone");
    assert_eq!(hub.meter.sum(Metric::ForgottenTimers), 1);
    pass(&hub, 100).await;
    assert!(keeper.keys().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_connection_of_somebody_else_gets_no_timer() {
    let hub = with(&Keeper::new(10));
    let others = connect(&hub, 1, None);
    assert_eq!(set(&hub, Some(others.facts.handle), "not mine", 10), [FaultId::NotAllowed]);
    let own = connect(&hub, 0, None);
    for number in 0..16 {
        assert!(set(&hub, Some(own.facts.handle), &number.to_string(), 10).is_empty());
    }
    assert_eq!(set(&hub, Some(own.facts.handle), "16", 10), [FaultId::LimitReached]);
    let cancel = |key: &str| {
        Effect::CancelTimer(CancelTimer { connection: Some(own.facts.handle), key: key.to_owned() })
    };
    assert!(act(&hub, cancel("3")).is_empty());
    assert!(act(&hub, cancel("3")).is_empty(), "one that is not there is no fault");
    assert_eq!(hub.timers.waiting(), 15);
}

#[test]
fn where_time_is_told_a_timer_is_due_when_it_is_told_so() {
    let (told, keeper) = (ToldTime::default(), Keeper::new(10));
    let hub = hub(Grants::default()).with_told_time(&told);
    run(&hub, &keeper);
    assert!(set(&hub, None, "k", 60_000).is_empty());
    assert_eq!(hub.tell_now(), Some(Duration::from_secs(60)));
    told.pass_to(Duration::from_millis(59_999));
    assert_eq!(hub.tell_now(), Some(Duration::from_secs(60)));
    assert!(keeper.keys().is_empty());
    told.pass_to(Duration::from_secs(60));
    assert_eq!(hub.tell_now(), None);
    assert_eq!(keeper.keys(), ["k"]);
}
