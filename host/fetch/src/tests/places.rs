//! How many requests a plugin has under way.

use super::{Gate, Names, get, server::Server};
use tengen_core::outgoing::{Asker, Outgoing, Request};
use tengen_wire::fault::FaultId;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn asker(gate: &Gate) -> Asker<'_> {
    Asker { plugin: &gate.plugin, hosts: &gate.hosts, limits: gate.limits }
}

#[tokio::test]
async fn a_request_has_its_place_from_when_it_is_taken_on_until_its_end_is_dropped() {
    let server = Server::start("127.0.0.1:0").await;
    let gate = Gate::new(&Names::default(), &[&server.grant("127.0.0.1")]);
    let url = server.url("127.0.0.1", "/");
    let begun: Vec<_> =
        (0..4).map(|_| gate.client.begin(asker(&gate), get(&url), None).unwrap()).collect();
    let fault = gate.client.begin(asker(&gate), get(&url), None).err().unwrap();
    assert_eq!(fault.id, FaultId::LimitReached);
    assert!(server.is_untouched().await, "a request does nothing before it is waited for");
    drop(begun);
    assert_eq!(gate.client.places.of("p"), (0, 0));
    let exchange = gate.client.begin(asker(&gate), get(&url), None).unwrap().exchange;
    let (_, ended) = tokio::join!(server.answer(OK), exchange);
    assert_eq!(gate.client.places.of("p"), (1, 2));
    assert!(ended.value.is_ok());
    drop(ended);
    assert_eq!(gate.client.places.of("p"), (0, 0));
}

#[tokio::test]
async fn what_is_refused_takes_no_place() {
    let gate = Gate::new(&Names::default(), &["a.example"]);
    for (request, why) in [
        (get("https://b.example/"), FaultId::NotAllowed),
        (get("nonsense"), FaultId::Malformed),
        (Request { body: vec![0; 10_001].into(), ..get("https://a.example/") }, FaultId::TooLarge),
        (
            Request { headers: vec![("host".into(), vec![b'b'])], ..get("https://a.example/") },
            FaultId::NotAllowed,
        ),
    ] {
        let fault = gate.client.begin(asker(&gate), request, None).err().unwrap();
        assert_eq!((fault.id, gate.client.places.of("p")), (why, (0, 0)));
    }
}
