//! The gateway behind the proxies that people put in front of it, as `examples/proxy` has them configured.

use anyhow::{Context, Result, ensure};
use serde_json::json;
use support::{
    client::{Client, Refused},
    gateway::{self, Running},
    peer::Peer,
    proxy::{Kind, Proxy},
};
use tengen_settings::Settings;

async fn behind(kind: Kind) -> Result<Option<(Running, Proxy)>> {
    let gateway = gateway::start(Settings::default()).await?;
    let admin = gateway.gateway.admin_address().context("there are probes")?;
    let proxy = Proxy::start(kind, gateway.address(), admin).await?;
    Ok(proxy.map(|proxy| (gateway, proxy)))
}

#[tokio::test]
async fn a_page_of_the_proxys_host_connects_and_another_does_not() -> Result<()> {
    for kind in Kind::ALL {
        let Some((gateway, proxy)) = behind(kind).await? else { continue };
        let origin = format!("http://{}", proxy.address);
        let headers = [("origin", &*origin), ("sec-websocket-protocol", "tengen.v1.json")];
        let mut page = Client::open(proxy.address, "/ws", &headers).await?;
        ensure!(page.subprotocol.as_deref() == Some("tengen.v1.json"), "{kind:?}");
        page.next_json().await?;
        ensure!(page.ask("a/b", json!({ "through": 1 })).await? == json!({ "through": 1 }));
        let strange = [("origin", "http://elsewhere.example")];
        let refused = Client::try_open(proxy.address, "/ws", &strange).await?;
        ensure!(matches!(refused, Err(Refused { status: 403, .. })), "{kind:?}: {refused:?}");
        page.close().await?;
        gateway.drain().await;
    }
    Ok(())
}

#[tokio::test]
async fn requests_that_are_no_upgrades_share_connections_to_the_gateway() -> Result<()> {
    for kind in Kind::ALL {
        let Some((gateway, proxy)) = behind(kind).await? else { continue };
        for number in 0..20 {
            let mut peer = Peer::connect(proxy.address).await?;
            let request =
                format!("GET /nothing/{number} HTTP/1.1\r\nHost: {}\r\n\r\n", proxy.address);
            peer.send(request.as_bytes()).await?;
            let answer = peer.answer().await?;
            ensure!(answer.status == 404, "{kind:?}: {answer:?}");
        }
        // A head that a domain's cookies have made large comes through.
        let mut peer = Peer::connect(proxy.address).await?;
        let cookie = "x".repeat(7000);
        let request = format!(
            "GET /nothing HTTP/1.1\r\nHost: {}\r\nCookie: a={cookie}\r\n\r\n",
            proxy.address
        );
        peer.send(request.as_bytes()).await?;
        ensure!(peer.answer().await?.status == 404, "{kind:?}");
        let stats = gateway.gateway.stats();
        ensure!(stats["connections"]["failed-requests"] == 0, "{kind:?}: {stats}");
        gateway.drain().await;
    }
    Ok(())
}
