//! What plugins hear of subscriptions, users and messages that were left out: in turn, whatever room there is.

use super::*;
use std::sync::Mutex;
use tengen_core::handler::{Handler, Newcomer};
use tengen_settings::WhenFull;
use tokio::time;

/// Wants to hear of all there is, of rooms, and keeps what it hears as long as it has room.
#[derive(Debug, Default)]
struct Listener {
    room: AtomicU64,
    heard: Mutex<Vec<String>>,
    /// What was told of messages left out, not decided about yet.
    undecided: Mutex<Vec<Event>>,
    wants_nothing: bool,
}

impl Listener {
    fn new(room: u64) -> Arc<Self> {
        Arc::new(Self { room: AtomicU64::new(room), ..Self::default() })
    }

    fn heard(&self) -> Vec<String> {
        std::mem::take(&mut *self.heard.lock().unwrap())
    }

    fn has_room(&self, room: u64) {
        self.room.store(room, Ordering::Relaxed);
    }
}

impl Handler for Listener {
    fn wants_subscriptions(&self, channel: &str) -> bool {
        !self.wants_nothing && !channel.starts_with("hall")
    }

    fn wants_any_subscriptions(&self) -> bool {
        !self.wants_nothing
    }

    fn wants_users(&self) -> bool {
        !self.wants_nothing
    }

    fn wants_missed(&self) -> bool {
        !self.wants_nothing
    }

    fn offer(&self, event: Event) -> Result<(), Box<Declined>> {
        let handle = event.connection.as_ref().map_or(0, |connection| connection.handle.0);
        let names = |channels: &[Channel]| {
            channels.iter().map(|channel| channel.as_str()).collect::<Vec<_>>().join(" ")
        };
        let (heard, needs_room) = match &event.what {
            Occurrence::Subscribed(channels) => (format!("{handle}+{}", names(channels)), true),
            Occurrence::Unsubscribed(left) => {
                (format!("{handle}-{}", names(&left.channels)), !left.at_end)
            }
            Occurrence::UserOnline(user) => (format!("+{user}"), true),
            Occurrence::UserOffline(user) => (format!("-{user}"), true),
            Occurrence::Missed(missed) => (format!("{handle}!{}", missed.count), true),
            _ => panic!("{event:?}"),
        };
        if needs_room && self.room.load(Ordering::Relaxed) == 0 {
            let why = Fault::new(FaultId::Overloaded, "no room");
            return Err(Box::new(Declined { event, why }));
        }
        if needs_room {
            self.room.fetch_sub(1, Ordering::Relaxed);
        }
        self.heard.lock().unwrap().push(heard);
        if matches!(event.what, Occurrence::Missed(_)) {
            self.undecided.lock().unwrap().push(event);
        }
        Ok(())
    }
}

fn with(listener: &Arc<Listener>) -> Arc<Hub> {
    let grants = Grants { publish: vec![Pattern("room/*".into())], ..Grants::default() };
    let hub = Arc::new(hub(grants));
    let handler = Arc::clone(listener) as Arc<dyn Handler>;
    hub.set_handlers(HashMap::from([(PLUGIN.into(), handler)]));
    hub
}

/// A connection that its handlers have heard of.
fn begun(hub: &Hub, endpoint: u16, user: Option<&str>) -> Arc<Link> {
    let link = connect(hub, endpoint, user);
    hub.begin_news(&link);
    link
}

async fn pass(hub: &Arc<Hub>, millis: u64) {
    let over = time::timeout(Duration::from_millis(millis), hub.run_news()).await;
    assert!(over.is_err(), "it goes on for ever");
}

fn enter(hub: &Hub, link: &Arc<Link>, channel: &str) {
    hub.subscribe(link, &channel.into()).unwrap();
}

#[test]
fn subscriptions_are_told_at_once_of_the_plugins_own_connections_and_channels() {
    let listener = Listener::new(100);
    let hub = with(&listener);
    let (own, foreign) = (begun(&hub, 0, None), begun(&hub, 1, None));
    let of = own.facts.handle.0;
    enter(&hub, &foreign, "room/1");
    enter(&hub, &own, "room/1");
    enter(&hub, &own, "room/1");
    assert!(hub.subscribe(&own, &"secret/1".into()).is_ok());
    assert_eq!(listener.heard(), [format!("{of}+room/1")]);
    hub.put_out(&own, &"room/1".into());
    hub.put_out(&own, &"room/1".into());
    enter(&hub, &own, "room/2");
    assert_eq!(listener.heard(), [format!("{of}-room/1"), format!("{of}+room/2")]);
    hub.close(&own, &Reason::Lost);
    hub.close(&foreign, &Reason::Lost);
    assert_eq!(listener.heard(), [format!("{of}-room/2")]);
}

#[test]
fn nothing_is_told_before_the_plugin_has_heard_of_the_connection() {
    let listener = Listener::new(100);
    let hub = with(&listener);
    let link = connect(&hub, 0, None);
    enter(&hub, &link, "room/1");
    assert_eq!(listener.heard(), [""; 0]);
    hub.begin_news(&link);
    assert_eq!(listener.heard(), [format!("{}+room/1", link.facts.handle.0)]);
}

#[tokio::test(start_paused = true)]
async fn who_has_no_room_hears_of_subscriptions_later_and_of_what_is_so_then() {
    let listener = Listener::new(0);
    let hub = with(&listener);
    let link = begun(&hub, 0, None);
    let of = link.facts.handle.0;
    enter(&hub, &link, "room/1");
    enter(&hub, &link, "room/2");
    hub.put_out(&link, &"room/1".into());
    pass(&hub, 100).await;
    assert_eq!(listener.heard(), [""; 0]);
    listener.has_room(1);
    pass(&hub, 100).await;
    assert_eq!(listener.heard(), [format!("{of}+room/2")]);
    hub.put_out(&link, &"room/2".into());
    enter(&hub, &link, "room/1");
    pass(&hub, 100).await;
    // Both could not be told, and the end is, of what was.
    hub.close(&link, &Reason::Lost);
    assert_eq!(listener.heard(), [format!("{of}-room/2")]);
    listener.has_room(10);
    pass(&hub, 1000).await;
    assert_eq!(listener.heard(), [""; 0], "nothing comes after its end");
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_begins_anew_hears_of_all_there_is() {
    let listener = Listener::new(100);
    let hub = with(&listener);
    let (one, two) = (begun(&hub, 0, Some("ann")), begun(&hub, 0, Some("bob")));
    enter(&hub, &one, "room/1");
    enter(&hub, &one, "room/2");
    enter(&hub, &two, "room/1");
    pass(&hub, 100).await;
    listener.heard();
    hub.begins_anew(&PLUGIN.into(), Newcomer::NEW);
    pass(&hub, 100).await;
    let mut heard = listener.heard();
    heard.sort();
    let of = |link: &Link| link.facts.handle.0;
    let mut expected = vec![
        "+ann".to_owned(),
        "+bob".to_owned(),
        format!("{}+room/1 room/2", of(&one)),
        format!("{}+room/1", of(&two)),
    ];
    expected.sort();
    assert_eq!(heard, expected);
}

#[tokio::test(start_paused = true)]
async fn users_are_online_with_their_first_connection_here_and_offline_with_the_last() {
    let listener = Listener::new(100);
    let hub = with(&listener);
    let elsewhere = connect(&hub, 1, Some("ann"));
    let first = connect(&hub, 0, Some("ann"));
    connect(&hub, 0, None);
    pass(&hub, 100).await;
    assert_eq!(listener.heard(), ["+ann"]);
    let second = connect(&hub, 0, Some("ann"));
    hub.close(&first, &Reason::Lost);
    pass(&hub, 100).await;
    assert_eq!(listener.heard(), [""; 0]);
    hub.close(&second, &Reason::Lost);
    pass(&hub, 100).await;
    assert_eq!(listener.heard(), ["-ann"], "what is elsewhere is somebody else's");
    hub.close(&elsewhere, &Reason::Lost);
    // Gone and back before there is room.
    let back = connect(&hub, 0, Some("ann"));
    hub.close(&back, &Reason::Lost);
    listener.has_room(0);
    connect(&hub, 0, Some("bob"));
    pass(&hub, 100).await;
    listener.has_room(10);
    pass(&hub, 100).await;
    assert_eq!(listener.heard(), ["+bob"]);
}

/// A connection whose outbox holds one message, and drops what does not fit.
fn slow(hub: &Hub) -> Arc<Link> {
    let (events, when_full) = (std::num::NonZeroUsize::MIN, WhenFull::DropNewest);
    let outbox = Outbox { events, when_full, ..Outbox::default() };
    let facts = Arc::new(Connection { handle: hub.reserve().unwrap(), ..Connection::anybody(0) });
    let wire = Wire { dialect: Dialect::Tengen, format: Encoding::Json };
    let link = Arc::new(Link::new(facts, wire, outbox, Vec::new()));
    hub.open(&link);
    link
}

#[tokio::test(start_paused = true)]
async fn messages_left_out_are_summed_up_until_the_plugin_has_decided() {
    let listener = Listener::new(100);
    let hub = with(&listener);
    let link = slow(&hub);
    let of = link.facts.handle.0;
    let push_some = |count| {
        for _ in 0..count {
            act(&hub, &link, push(Target::Connection(link.facts.handle), None)).ok();
        }
    };
    push_some(4);
    pass(&hub, 100).await;
    assert_eq!(listener.heard(), [format!("{of}!3")]);
    push_some(2);
    pass(&hub, 100).await;
    push_some(3);
    pass(&hub, 100).await;
    assert_eq!(listener.heard(), [""; 0], "one at a time");
    listener.has_room(0);
    listener.undecided.lock().unwrap().clear();
    pass(&hub, 100).await;
    push_some(1);
    listener.has_room(10);
    pass(&hub, 100).await;
    assert_eq!(listener.heard(), [format!("{of}!6")]);
    push_some(1);
    hub.close(&link, &Reason::Lost);
    listener.undecided.lock().unwrap().clear();
    pass(&hub, 100).await;
    assert_eq!(listener.heard(), [""; 0], "nothing comes after its end");
}

#[tokio::test(start_paused = true)]
async fn where_nobody_wants_to_hear_nothing_is_kept() {
    let listener =
        Arc::new(Listener { wants_nothing: true, room: AtomicU64::new(9), ..Listener::default() });
    let hub = with(&listener);
    let (link, slow) = (begun(&hub, 0, Some("ann")), slow(&hub));
    enter(&hub, &link, "room/1");
    for _ in 0..3 {
        act(&hub, &slow, push(Target::Connection(slow.facts.handle), None)).ok();
    }
    pass(&hub, 100).await;
    assert!(hub.news.is_empty());
    hub.close(&link, &Reason::Lost);
    pass(&hub, 100).await;
    assert_eq!(listener.heard(), [""; 0]);
}
