//! First and last subscribers, as plugins hear of them.

use super::*;
use std::sync::Mutex;
use tengen_core::handler::{Handler, Hears, Newcomer};
use tokio::time;

/// Wants to hear of rooms, and keeps what it hears as long as it has room.
#[derive(Debug)]
struct Listener {
    room: AtomicU64,
    heard: Mutex<Vec<String>>,
}

impl Listener {
    fn new(room: u64) -> Arc<Self> {
        Arc::new(Self { room: AtomicU64::new(room), heard: Mutex::default() })
    }

    fn heard(&self) -> Vec<String> {
        std::mem::take(&mut *self.heard.lock().unwrap())
    }
}

impl Handler for Listener {
    fn wants_channel(&self, channel: &str) -> bool {
        channel.starts_with("room/") || channel.starts_with("secret/")
    }

    fn offer(&self, event: Event) -> Result<(), Box<Declined>> {
        if self.room.load(Ordering::Relaxed) == 0 {
            let why = Fault::new(FaultId::Overloaded, "no room");
            return Err(Box::new(Declined { event, why }));
        }
        self.room.fetch_sub(1, Ordering::Relaxed);
        let heard = match &event.what {
            Occurrence::ChannelOccupied(channel) => format!("+{channel}"),
            Occurrence::ChannelVacated(channel) => format!("-{channel}"),
            _ => panic!("{event:?}"),
        };
        assert!(event.connection.is_none());
        self.heard.lock().unwrap().push(heard);
        Ok(())
    }
}

fn with(listener: &Arc<Listener>) -> Arc<Hub> {
    let hub =
        Arc::new(hub(Grants { publish: vec![Pattern("room/*".into())], ..Grants::default() }));
    run(&hub, listener);
    hub
}

fn run(hub: &Hub, listener: &Arc<Listener>) {
    let handler = Arc::clone(listener) as Arc<dyn Handler>;
    hub.set_handlers(HashMap::from([(PLUGIN.into(), handler)]));
}

/// Lets time pass while somebody tells.
async fn pass(hub: &Arc<Hub>, millis: u64) {
    let over = time::timeout(Duration::from_millis(millis), hub.run_occupancy()).await;
    assert!(over.is_err(), "it goes on for ever");
}

/// One of several instances, which hears of this channel.
#[derive(Debug)]
struct Only(&'static str);

impl Hears for Only {
    fn of_channel(&self, channel: &Channel) -> bool {
        **channel == *self.0
    }
}

#[tokio::test(start_paused = true)]
async fn a_plugin_hears_of_the_first_and_the_last_of_the_channels_that_are_its_own() {
    let listener = Listener::new(100);
    let hub = with(&listener);
    let (ann, bob) = (connect(&hub, 0, None), connect(&hub, 1, None));
    for (link, channel) in [(&ann, "room/1"), (&bob, "room/1"), (&ann, "secret/1"), (&bob, "hall")]
    {
        hub.subscribe(link, &channel.into()).unwrap();
    }
    pass(&hub, 10).await;
    assert_eq!(listener.heard(), ["+room/1"]);
    hub.unsubscribe(&ann, &"room/1".into());
    pass(&hub, 10).await;
    assert!(listener.heard().is_empty(), "one is left");
    hub.close(&bob, &Reason::Lost);
    pass(&hub, 10).await;
    assert_eq!(listener.heard(), ["-room/1"]);
    hub.subscribe(&ann, &"room/1".into()).unwrap();
    pass(&hub, 10).await;
    assert_eq!(listener.heard(), ["+room/1"]);
}

#[tokio::test(start_paused = true)]
async fn who_has_no_room_hears_later_what_is_so_then() {
    let listener = Listener::new(0);
    let hub = with(&listener);
    let (ann, bob) = (connect(&hub, 0, None), connect(&hub, 0, None));
    for channel in ["room/1", "room/2"] {
        hub.subscribe(&ann, &channel.into()).unwrap();
    }
    pass(&hub, 1000).await;
    hub.unsubscribe(&ann, &"room/1".into());
    hub.subscribe(&bob, &"room/3".into()).unwrap();
    pass(&hub, 1000).await;
    assert!(listener.heard().is_empty());
    listener.room.store(100, Ordering::Relaxed);
    pass(&hub, 1000).await;
    assert_eq!(listener.heard(), ["+room/2", "+room/3"], "in the order in which they came");
}

#[tokio::test(start_paused = true)]
async fn many_changes_are_told_in_turns() {
    let listener = Listener::new(10_000);
    let hub = with(&listener);
    let links: Vec<_> = (0..1_000).map(|_| connect(&hub, 0, None)).collect();
    for (number, link) in links.iter().enumerate() {
        hub.subscribe(link, &format!("room/{number}").into()).unwrap();
    }
    pass(&hub, 1000).await;
    assert_eq!(listener.heard().len(), 1_000);
    links.iter().for_each(|link| hub.close(link, &Reason::Lost));
    pass(&hub, 1000).await;
    assert_eq!(listener.heard().len(), 1_000);
}

#[tokio::test(start_paused = true)]
async fn a_plugin_that_begins_hears_of_what_is_occupied() {
    let listener = Listener::new(100);
    let hub =
        Arc::new(hub(Grants { publish: vec![Pattern("room/*".into())], ..Grants::default() }));
    let link = connect(&hub, 0, None);
    for channel in ["room/1", "hall"] {
        hub.subscribe(&link, &channel.into()).unwrap();
    }
    run(&hub, &listener);
    pass(&hub, 10).await;
    assert_eq!(listener.heard(), ["+room/1"]);
    run(&hub, &listener);
    pass(&hub, 10).await;
    assert!(listener.heard().is_empty(), "it is not new any more");
    hub.begins_anew(&PLUGIN.into(), Newcomer::NEW);
    pass(&hub, 10).await;
    assert_eq!(listener.heard(), ["+room/1"], "its instance is");
    hub.begins_anew(&PLUGIN.into(), Newcomer { hears: &Only("room/2"), ..Newcomer::NEW });
    pass(&hub, 10).await;
    assert!(listener.heard().is_empty(), "another instance hears of this one");
    hub.close(&link, &Reason::Lost);
    hub.set_handlers(HashMap::new());
    run(&hub, &listener);
    pass(&hub, 10).await;
    assert!(listener.heard().is_empty(), "nothing is occupied");
}

/// Many come and go at once: each plugin hears of each channel in turn, and in the end what is so.
#[tokio::test(start_paused = true)]
async fn first_and_last_are_heard_in_turn_while_many_come_and_go() {
    let listener = Listener::new(1_000_000);
    let hub = with(&listener);
    let links: Vec<_> = (0..4).map(|_| connect(&hub, 0, None)).collect();
    let (done, mut is_done) = tokio::sync::oneshot::channel::<()>();
    let (others, peers) = (Arc::clone(&hub), links.clone());
    let churn = std::thread::spawn(move || {
        std::thread::scope(|scope| {
            for link in &peers {
                scope.spawn(|| {
                    for _ in 0..2_000 {
                        others.subscribe(link, &"room/1".into()).unwrap();
                        others.unsubscribe(link, &"room/1".into());
                    }
                });
            }
        });
        done.send(()).unwrap();
    });
    tokio::select! {
        () = hub.run_occupancy() => {}
        _ = &mut is_done => {}
    }
    churn.join().unwrap();
    hub.subscribe(&links[0], &"room/1".into()).unwrap();
    pass(&hub, 10).await;
    let heard = listener.heard();
    for (place, what) in heard.iter().enumerate() {
        assert_eq!(what, if place % 2 == 0 { "+room/1" } else { "-room/1" }, "number {place}");
    }
    assert_eq!(heard.last().map(String::as_str), Some("+room/1"));
}
