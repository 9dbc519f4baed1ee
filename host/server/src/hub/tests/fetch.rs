//! Requests whose ends find no room, nobody, or another connection in place of theirs.

use super::*;
use std::sync::Mutex;
use tengen_core::{
    capability::fetch::Fetch,
    handler::Handler,
    meter::Samples,
    outgoing::{Asker, Begun, Ended, Outgoing, Place, Request, Response},
    trace::TraceContext,
};
use tokio::time;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Answers at once.
#[derive(Debug, Default)]
struct Server {
    /// Each place that is taken holds one.
    places: Arc<()>,
}

impl Outgoing for Server {
    fn begin(
        &self,
        asker: Asker<'_>,
        request: Request,
        _: Option<&TraceContext>,
    ) -> Result<Begun, Fault> {
        if asker.limits.requests == 0 {
            return Err(Fault::new(FaultId::LimitReached, "none"));
        }
        let place = Place::new(Arc::clone(&self.places));
        let response = Response { status: 200, headers: Vec::new(), body: request.body };
        let exchange = Box::pin(async { Ended { value: Ok(response), place } });
        Ok(Begun { server: request.url, exchange })
    }

    fn collect(&self, _: &mut Samples) {}
}

/// Keeps whose ends it hears of, as long as it has room.
#[derive(Debug, Default)]
struct Hearer {
    room: AtomicU64,
    heard: Mutex<Vec<(Option<Handle>, String)>>,
}

impl Handler for Hearer {
    fn offer(&self, event: Event) -> Result<(), Box<Declined>> {
        if self.room.load(Ordering::Relaxed) == 0 {
            let why = Fault::new(FaultId::Overloaded, "no room");
            return Err(Box::new(Declined { event, why }));
        }
        let of = event.connection.as_ref().map(|connection| connection.handle);
        let Occurrence::Fetched(fetched) = event.what else { panic!("{event:?}") };
        self.heard.lock().unwrap().push((of, fetched.name));
        Ok(())
    }
}

struct Scene {
    hub: Arc<Hub>,
    server: Arc<Server>,
    hearer: Arc<Hearer>,
}

impl Scene {
    fn new(room: u64) -> Self {
        let server = Arc::<Server>::default();
        let requesting = Requesting {
            client: Arc::clone(&server) as _,
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        };
        let limits = tengen_settings::RequestLimits { requests: 1, body: 1 };
        let rights =
            Rights { requests: limits, endpoints: vec![Some("/ws".into())], ..Rights::default() };
        let hub = Hub::new(Limits::default(), Arc::new(NoTracer)).with_requesting(requesting);
        hub.set_rights(HashMap::from([(PLUGIN.into(), rights)]));
        let hearer = Arc::new(Hearer { room: AtomicU64::new(room), ..Hearer::default() });
        let handler: Arc<dyn Handler> = Arc::clone(&hearer) as _;
        hub.set_handlers(HashMap::from([(PLUGIN.into(), handler)]));
        Self { hub: Arc::new(hub), server, hearer }
    }

    /// Something of this connection has a request sent.
    fn fetch(&self, link: &Arc<Link>, name: &str) {
        let request = Request { url: "a".into(), ..Request::default() };
        let what = Effect::Fetch(Fetch { name: name.into(), request });
        act(&self.hub, link, what).unwrap();
    }

    /// Lets time pass while somebody tells of ends.
    async fn pass(&self, millis: u64) {
        let over = time::timeout(Duration::from_millis(millis), self.hub.run_fetched()).await;
        assert!(over.is_err(), "it goes on for ever");
    }

    fn heard(&self) -> Vec<(Option<Handle>, String)> {
        self.hearer.heard.lock().unwrap().clone()
    }

    fn places(&self) -> usize {
        Arc::strong_count(&self.server.places) - 1
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_that_finds_no_room_keeps_its_place_and_is_told_later() {
    let scene = Scene::new(0);
    let link = connect(&scene.hub, 0, None);
    scene.fetch(&link, "kept");
    let telling = scene.pass(1000);
    let room = async {
        time::sleep(Duration::from_millis(500)).await;
        assert_eq!((scene.heard().len(), scene.places()), (0, 1));
        scene.hearer.room.store(1, Ordering::Relaxed);
    };
    tokio::join!(telling, room);
    assert_eq!(scene.heard(), [(Some(link.facts.handle), "kept".to_owned())]);
    assert_eq!(scene.places(), 0);
    assert!(scene.hub.meter.sum(Metric::PutOffAnswers) > 10);
}

#[tokio::test(start_paused = true)]
async fn an_end_is_told_without_a_connection_that_has_ended_and_not_with_the_next_of_its_handle() {
    let scene = Scene::new(1);
    let link = connect(&scene.hub, 0, None);
    scene.fetch(&link, "orphan");
    scene.hub.close(&link, &Reason::Lost);
    // Somebody else has its handle before the end is told.
    let wire = Wire { dialect: Dialect::Tengen, format: Encoding::Json };
    let _next = connect_at(&scene.hub, link.facts.handle, 0, None, wire);
    scene.pass(100).await;
    assert_eq!(scene.heard(), [(None, "orphan".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn an_end_whose_plugin_has_left_is_counted() {
    let scene = Scene::new(1);
    let link = connect(&scene.hub, 0, None);
    scene.fetch(&link, "nobodys");
    scene.hub.set_handlers(HashMap::new());
    scene.pass(100).await;
    assert_eq!((scene.heard().len(), scene.places()), (0, 0));
    assert_eq!(scene.hub.meter.sum(Metric::ForgottenAnswers), 1);
}
