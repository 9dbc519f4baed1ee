//! A connection's task against a peer in memory, with the clock stopped.

mod alive;
mod binary;
mod large;
mod reading;
mod slow;
mod undone;
mod unfinished;

use super::*;
use crate::{
    hub::{Hub, Rights, Shortcut},
    router::{Destination, Echo, Router},
    transport::websocket::Socket,
};
use futures_util::{SinkExt, StreamExt};
use std::{collections::HashMap, num::NonZeroUsize, sync::atomic::AtomicUsize};
use tengen_core::{
    event::{Connection, Data, Waiting},
    handler::{Actor, Declined, Handler},
    meter::Metric,
    routes,
    trace::NoTracer,
};
use tengen_settings::{self as settings, Limits, Mode, Outbox, Pattern, Rate, Route, WhenFull};
use tengen_wire::{
    dialect::{Dialect, Handshake, Wire},
    id::{ConnectionId, EndpointIndex},
    payload::Encoding,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream},
    task::JoinHandle,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, protocol::Role},
};

/// A handler that keeps what it gets: every event waits for ever.
#[derive(Debug, Default)]
struct Keeper(std::sync::Mutex<Vec<tengen_core::event::Event>>);

impl Handler for Keeper {
    fn offer(&self, event: tengen_core::event::Event) -> Result<(), Box<Declined>> {
        self.0.lock().unwrap().push(event);
        Ok(())
    }
}

struct Bench {
    peer: WebSocketStream<DuplexStream>,
    link: Arc<Link>,
    hub: Arc<Hub>,
    ended: JoinHandle<Reason>,
}

struct Setup {
    dialect: Dialect,
    format: Encoding,
    limits: Limits,
    outbox: Outbox,
    keeper: Option<Arc<dyn Handler>>,
    /// Who decides instead of the echo.
    handler: Option<Arc<dyn Handler>>,
    /// What the pipe between the two holds.
    pipe: usize,
    kernel: Option<Arc<slow::Kernel>>,
    /// After so long, the peer's authentication ends.
    ends: Option<Duration>,
    /// What a Sente client calls itself.
    client: Option<&'static str>,
    /// Where large messages wait for their turn.
    line: Line,
    /// Counts the bytes that are read.
    read: Arc<AtomicUsize>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            dialect: Dialect::Tengen,
            format: Encoding::Json,
            limits: Limits::default(),
            outbox: Outbox::default(),
            keeper: None,
            handler: None,
            pipe: 64 << 10,
            kernel: None,
            ends: None,
            client: None,
            line: Line::for_workers(1),
            read: Arc::default(),
        }
    }
}

async fn connect(setup: Setup) -> Bench {
    let Setup { dialect, format, limits, outbox, keeper, handler, pipe, .. } = setup;
    let Setup { kernel, ends, client, line: large, read, .. } = setup;
    let hub = Arc::new(Hub::new(limits, Arc::new(NoTracer)));
    let router = Router::new(Arc::clone(&hub), Arc::new(NoTracer), limits);
    let echo = Echo { name: "echo".into(), actor: Arc::clone(&hub) as Arc<dyn Actor> };
    let handler = keeper.or(handler);
    let handler = handler.unwrap_or(Arc::new(echo));
    let mut routes = routes::Builder::default();
    let route = Route {
        event: Pattern("*".into()),
        plugin: "echo".into(),
        endpoint: None,
        mode: Mode::First,
    };
    routes.push(&route, None, Destination { plugin: "echo".into(), handler });
    router.set_routes(routes.build());
    let rights = Rights { endpoints: vec![Some("/ws".into())], ..Rights::default() };
    hub.set_rights(HashMap::from([("echo".into(), rights)]));
    let wire = Wire { dialect, format };
    let id = ConnectionId::from_bytes([7; 16]);
    let facts = Arc::new(Connection {
        handle: hub.reserve().unwrap(),
        id,
        user: None,
        endpoint: "/ws".into(),
        endpoint_index: EndpointIndex(0),
        peer: ([127, 0, 0, 1], 1).into(),
        dialect: dialect.word(),
        more: Vec::new(),
        upgrade: None,
        waiting: Waiting::default(),
        data: Data::default(),
    });
    let link = Link::new(facts, wire, outbox, Vec::new());
    let link = Arc::new(link.ending_at(ends.map(|after| now() + after)));
    client.into_iter().for_each(|client| link.set_client(client.to_owned()));
    if let Some(kernel) = kernel {
        link.set_shortcut(kernel);
    }
    let rules = Rules::of(dialect, &settings::Heartbeat::default());
    let handshake = Handshake {
        csrf: None,
        user: None,
        connection: id,
        node: "n",
        ping: rules.ping_every(),
        max_bytes: 1,
        version: "0",
        welcome: None,
        session: None,
    };
    if let Some(frame) = dialect::handshake(wire, &handshake) {
        assert!(link.send_control(link.frame(frame)));
    }
    let (io, far) = tokio::io::duplex(pipe);
    let near = large::Counted { io, read };
    let around = Arc::new(Surroundings {
        hub: Arc::clone(&hub),
        router: Arc::new(router),
        limits,
        outbox,
        large,
    });
    let limit = limits.message.get();
    let socket =
        move |link: &Link, _: &Surroundings| Socket::new(near, link.shortcut(), &[], limit);
    #[expect(clippy::disallowed_methods, reason = "the test is the task's owner")]
    let ended = tokio::spawn(serve(socket, Arc::clone(&link), rules, around));
    let peer = WebSocketStream::from_raw_socket(far, Role::Client, None).await;
    Bench { peer, link, hub, ended }
}

impl Bench {
    async fn send(&mut self, text: &str) {
        self.peer.send(Message::text(text)).await.unwrap();
    }

    /// The next message; pings of the WebSocket layer are answered meanwhile.
    async fn text(&mut self) -> String {
        loop {
            match self.peer.next().await.unwrap().unwrap() {
                Message::Text(text) => return text.to_string(),
                Message::Ping(_) => self.peer.flush().await.unwrap(),
                other => panic!("expected text, got {other:?}"),
            }
        }
    }

    async fn close_code(&mut self) -> u16 {
        loop {
            match self.peer.next().await.unwrap().unwrap() {
                Message::Close(frame) => return frame.unwrap().code.into(),
                _ => continue,
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_frame_is_the_handshake_and_an_event_is_answered() {
    let mut bench = connect(Setup::default()).await;
    assert!(bench.text().await.starts_with(r#"[["chsk/handshake",[null,null,{"#));
    bench.send(r#"[["a/b",{"x":1}],"cb"]"#).await;
    assert_eq!(bench.text().await, r#"[{"x":1},"cb"]"#);
    bench.send(r#"[["a/b",{"x":1}]]"#).await;
    assert_eq!(bench.text().await, r#"[[["a/b",{"x":1}]],null]"#);
    bench.peer.close(None).await.unwrap();
    assert_eq!(bench.ended.await.unwrap(), Reason::Peer(1005));
    assert!(bench.hub.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_raw_peer_is_pinged_by_websocket_and_kept_by_its_pongs() {
    let mut bench = connect(Setup { dialect: Dialect::Raw, ..Setup::default() }).await;
    let started = time::Instant::now();
    for _ in 0..3 {
        assert!(matches!(bench.peer.next().await.unwrap().unwrap(), Message::Ping(_)));
        bench.peer.flush().await.unwrap();
    }
    assert_eq!(started.elapsed().as_secs(), 75);
    bench.peer.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    let echoed = bench.peer.next().await.unwrap().unwrap();
    assert_eq!(echoed, Message::binary(vec![1, 2, 3]));
}

#[tokio::test(start_paused = true)]
async fn a_ping_is_answered_while_events_wait_for_their_decision() {
    let keeper = Arc::new(Keeper::default());
    let mut bench = connect(Setup { keeper: Some(keeper.clone()), ..Setup::default() }).await;
    bench.text().await;
    bench.send(r#"[["a/slow"],"cb1"]"#).await;
    bench.send(r#"[["chsk/ws-ping"],"cb2"]"#).await;
    assert_eq!(bench.text().await, r#"["pong","cb2"]"#);
    assert_eq!(keeper.0.lock().unwrap().len(), 2, "opened and the event");
}

#[tokio::test(start_paused = true)]
async fn the_event_past_the_waiting_limit_is_answered_overloaded() {
    let keeper = Arc::new(Keeper::default());
    let limits = Limits { waiting_events: 2, ..Limits::default() };
    let mut bench =
        connect(Setup { keeper: Some(keeper.clone()), limits, ..Setup::default() }).await;
    bench.text().await;
    for number in 1..=3 {
        bench.send(&format!(r#"[["a/slow"],"cb{number}"]"#)).await;
    }
    let answer = bench.text().await;
    assert!(answer.contains(r#""id":"overloaded""#) && answer.ends_with(r#""cb3"]"#), "{answer}");
    // A decided event makes room for another.
    keeper.0.lock().unwrap().retain(|event| event.reply_to().is_none());
    bench.send(r#"[["a/slow"],"cb4"]"#).await;
    bench.send(r#"[["chsk/ws-ping"],"cb5"]"#).await;
    assert_eq!(bench.text().await, r#"["pong","cb5"]"#);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_stops_reading_is_closed_after_the_write_deadline() {
    let mut bench = connect(Setup { pipe: 1024, ..Setup::default() }).await;
    bench.text().await;
    let started = time::Instant::now();
    let big = "x".repeat(4000);
    for _ in 0..10 {
        bench.hub.push_to(
            &bench.link,
            &"a/b".into(),
            &tengen_wire::payload::Payload::json(&serde_json::json!(big)),
        );
    }
    let ended = time::timeout(Duration::from_secs(60), bench.ended).await;
    assert_eq!(ended.expect("the deadline").unwrap(), Reason::SlowConsumer);
    assert_eq!(started.elapsed().as_secs(), 10 + 2, "the write deadline, and the goodbye's");
}

#[tokio::test(start_paused = true)]
async fn a_full_outbox_closes_its_connection() {
    let outbox = Outbox {
        events: NonZeroUsize::new(3).unwrap(),
        when_full: WhenFull::Close,
        ..Outbox::default()
    };
    let mut bench = connect(Setup { outbox, ..Setup::default() }).await;
    bench.text().await;
    for number in 0..5 {
        let data = tengen_wire::payload::Payload::json(&serde_json::json!(number));
        bench.hub.push_to(&bench.link, &"a/b".into(), &data);
    }
    assert_eq!(bench.text().await, r#"[[["a/b",0]],null]"#);
    assert_eq!(bench.close_code().await, 4000);
    assert_eq!(bench.ended.await.unwrap(), Reason::SlowConsumer);
    assert_eq!(bench.hub.meter.sum(Metric::SlowConnections), 1);
}

#[tokio::test(start_paused = true)]
async fn malformed_messages_are_answered_and_too_many_close() {
    let limits = Limits { malformed: Rate::per_minute(3), ..Limits::default() };
    let mut bench = connect(Setup { limits, ..Setup::default() }).await;
    bench.text().await;
    for _ in 0..3 {
        bench.send("[[").await;
        let answer = bench.text().await;
        assert!(answer.contains("tengen/error") && answer.contains("malformed"), "{answer}");
    }
    assert_eq!(bench.close_code().await, 4503);
    assert_eq!(bench.ended.await.unwrap(), Reason::Violation);
}

#[tokio::test(start_paused = true)]
async fn who_errs_now_and_then_stays() {
    let limits = Limits { malformed: Rate::per_minute(3), ..Limits::default() };
    let mut bench = connect(Setup { limits, ..Setup::default() }).await;
    bench.text().await;
    for _ in 0..20 {
        bench.send("[[").await;
        let answer = bench.text().await;
        assert!(answer.contains("malformed"), "{answer}");
        let half_a_minute = time::timeout(Duration::from_secs(31), std::future::pending::<()>());
        assert!(half_a_minute.await.is_err());
        bench.send(r#"[["chsk/ws-ping"],"cb"]"#).await;
        while !bench.text().await.contains("pong") {}
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_over_the_limit_closes_with_1009() {
    let limits = Limits { message: NonZeroUsize::new(100).unwrap(), ..Limits::default() };
    let mut bench = connect(Setup { limits, ..Setup::default() }).await;
    bench.text().await;
    bench.send(&format!(r#"[["a/b","{}"]]"#, "x".repeat(200))).await;
    assert_eq!(bench.close_code().await, 1009);
    drop(bench.peer);
    assert_eq!(bench.ended.await.unwrap(), Reason::TooLarge);
}

#[tokio::test(start_paused = true)]
async fn one_sent_away_gets_its_last_reply_and_is_closed_with_1012() {
    let keeper = Arc::new(Keeper::default());
    let mut bench = connect(Setup { keeper: Some(keeper.clone()), ..Setup::default() }).await;
    bench.text().await;
    bench.send(r#"[["a/slow","data"],"cb1"]"#).await;
    bench.send(r#"[["chsk/ws-ping"],"cb2"]"#).await;
    assert_eq!(bench.text().await, r#"["pong","cb2"]"#);
    bench.link.send_away();
    let early = time::timeout(Duration::from_millis(200), bench.peer.next()).await;
    assert!(early.is_err(), "nothing is said before the decision: {early:?}");
    // The decision comes while the connection is leaving.
    let event = keeper.0.lock().unwrap().pop().unwrap();
    let echo = Echo { name: "echo".into(), actor: Arc::clone(&bench.hub) as Arc<dyn Actor> };
    echo.offer(event).unwrap();
    assert_eq!(bench.text().await, r#"["data","cb1"]"#);
    assert_eq!(bench.close_code().await, 1012);
    assert_eq!(bench.ended.await.unwrap(), Reason::Drained);
}

#[tokio::test(start_paused = true)]
async fn the_gateway_ends_the_tcp_connection_first_and_at_once() {
    let mut bench = connect(Setup { dialect: Dialect::Raw, ..Setup::default() }).await;
    let started = time::Instant::now();
    bench.peer.close(None).await.unwrap();
    while let Some(Ok(_)) = bench.peer.next().await {}
    assert_eq!(started.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn who_sent_a_bad_close_frame_is_not_waited_for() {
    let mut bench = connect(Setup { dialect: Dialect::Raw, ..Setup::default() }).await;
    let started = time::Instant::now();
    // A close frame whose payload is half of a code.
    let bad = [0x88, 0x81, 0, 0, 0, 0, b'a'];
    // Read as bytes: tungstenite would answer the close frame, and so end the wait that is not to be.
    let stream = bench.peer.get_mut();
    stream.write_all(&bad).await.unwrap();
    let mut said = Vec::new();
    stream.read_to_end(&mut said).await.unwrap();
    assert!(
        matches!(said.as_slice(), [0x88, _, code @ .., _] if code.starts_with(&1002_u16.to_be_bytes())),
        "{said:x?}"
    );
    assert_eq!(started.elapsed(), Duration::ZERO);
}

mod ending;
mod returning;
