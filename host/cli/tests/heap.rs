//! What an idle connection costs of our own memory, counted by the allocator itself.

#[path = "../../../tests/support/heap.rs"]
#[expect(unreachable_pub, reason = "the tests of the whole gateway reach it")]
mod counting;

use std::{
    collections::HashMap,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};
use tengen_core::{
    event::{Connection, Data, Waiting},
    handler::Actor,
    heartbeat::Rules,
    routes,
    trace::NoTracer,
};
use tengen_server::{
    connection::{Line, Surroundings, serve},
    hub::{Hub, Link, Rights},
    router::{Destination, Echo, Router},
    transport::websocket::Socket,
};
use tengen_settings::{self as settings, Limits, Mode, Outbox, Pattern, Route};
use tengen_wire::{
    close::Reason,
    dialect::{self, Dialect, Handshake, Wire},
    id::{ConnectionId, EndpointIndex},
    payload::Encoding,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

const CONNECTIONS: usize = 2_000;
/// Our own heap for one idle connection, the size of its task aside, in bytes. Twice as much would still be well.
const AIM: usize = 1_024;
/// The task itself: with what the upgrade adds and tokio's own it has to fit into 1,536 bytes, a size of the allocator's.
const TASK: usize = 1_280;

/// A peer that has shaken hands and says nothing.
#[derive(Debug)]
struct Silent;

impl AsyncRead for Silent {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Poll::Pending
    }
}

impl AsyncWrite for Silent {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

type Task = Pin<Box<dyn Future<Output = Reason>>>;

fn surroundings() -> Arc<Surroundings> {
    let (limits, outbox) = (Limits::default(), Outbox::default());
    let hub = Arc::new(Hub::new(limits, Arc::new(NoTracer)));
    let router = Router::new(Arc::clone(&hub), Arc::new(NoTracer), limits);
    let echo = Echo { name: "echo".into(), actor: Arc::clone(&hub) as Arc<dyn Actor> };
    let mut routes = routes::Builder::default();
    let route = Route {
        event: Pattern("*".into()),
        plugin: "echo".into(),
        endpoint: None,
        mode: Mode::First,
    };
    routes.push(&route, None, Destination { plugin: "echo".into(), handler: Arc::new(echo) });
    router.set_routes(routes.build());
    let rights = Rights { endpoints: vec![Some("/ws".into())], ..Rights::default() };
    hub.set_rights(HashMap::from([("echo".into(), rights)]));
    Arc::new(Surroundings {
        hub,
        router: Arc::new(router),
        limits,
        outbox,
        large: Line::for_workers(1),
    })
}

/// A connection as the upgrade makes it, and the size of its task.
fn connect(around: &Arc<Surroundings>) -> (Task, usize) {
    let wire = Wire { dialect: Dialect::Tengen, format: Encoding::Json };
    let id = ConnectionId::from_bytes([7; 16]);
    let facts = Arc::new(Connection {
        handle: around.hub.reserve().expect("there is room"),
        id,
        user: None,
        endpoint: "/ws".into(),
        endpoint_index: EndpointIndex(0),
        peer: ([127, 0, 0, 1], 1).into(),
        dialect: wire.dialect.word(),
        more: Vec::new(),
        upgrade: None,
        waiting: Waiting::default(),
        data: Data::default(),
    });
    let link = Arc::new(Link::new(facts, wire, around.outbox, Vec::new()));
    let rules = Rules::of(wire.dialect, &settings::Heartbeat::default());
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
    let hello = dialect::handshake(wire, &handshake).expect("this wire has one");
    assert!(link.send_control(link.frame(hello)));
    let task =
        serve(|_, _| Socket::new(Silent, None, &[], 64 << 10), link, rules, Arc::clone(around));
    let size = size_of_val(&task);
    (Box::pin(task), size)
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_holds_little_beside_its_task() {
    let around = surroundings();
    let before = counting::live();
    let (mut tasks, sizes): (Vec<Task>, Vec<usize>) =
        (0..CONNECTIONS).map(|_| connect(&around)).unzip();
    for task in &mut tasks {
        let turn = task.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(turn.is_pending(), "{turn:?}");
    }
    assert_eq!(around.hub.len(), CONNECTIONS);
    let held = counting::live() - before - size_of_val(&*sizes) - size_of_val(&*tasks);
    let size = sizes.first().copied().unwrap_or_default();
    let each = held / CONNECTIONS - size;
    println!("an idle connection: {each} bytes of heap, and a task of {size}");
    assert!(each <= AIM, "{each} bytes");
    assert!(size <= TASK, "the task alone has grown to {size} bytes");
}
