//! How much a few sockets can hold of what all have.

use super::{Ajax, FORM, stat, until};
use anyhow::{Result, ensure};
use std::{num::NonZeroUsize, sync::Arc, time::Duration};
use support::{client::Client, gateway, guests, peer::Peer};
use tengen_settings::{Memory, Settings};

/// Bytes of a form that never comes to its end.
const UNFINISHED: usize = 2_900_000;

#[tokio::test]
async fn who_was_greeted_and_never_polls_has_a_share_of_the_places_and_no_more() -> Result<()> {
    let mut settings = Settings::default();
    settings.limits.connections = 80.try_into()?;
    let gateway = gateway::start(settings).await?;
    let mut socket = Client::open(gateway.address(), "/chsk?client-id=ws", &[]).await?;
    socket.next_text().await?;
    let first = Ajax::open(&gateway, "client-id=first").await?;
    let mut poll = first.waiting().await?;
    // All by one socket.
    let mut peer = Peer::connect(gateway.address()).await?;
    for number in 0..200 {
        let path = format!("/chsk?client-id=c{number}&handshake%3F=1");
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nX-Requested-With: x\r\n\r\n");
        peer.send(request.as_bytes()).await?;
        let answer = peer.answer().await?;
        ensure!(answer.status == 200, "{answer:?}");
    }
    until(&gateway, "/connections/ended/unpolled", 190).await?;
    assert!(stat(&gateway, "/connections/open") <= 12);
    // The last one is there still, and whoever was crowded out is greeted anew.
    let last = Ajax::new(&gateway, "client-id=c199");
    assert_eq!(last.send("[[:my/ask 1] :ajax]").await?, "[1 nil]");
    assert_eq!(Ajax::new(&gateway, "client-id=c1").post("[[:a/b] nil]").await?.status, 404);
    assert_eq!(first.send("[[:my/tell 1] nil]").await?, super::TAKEN);
    assert_eq!(poll.answer().await?.body, "[[[:my/tell 1]] nil]");
    socket.send_text("[[:my/tell 2] nil]").await?;
    assert_eq!(socket.next_text().await?, "[[[:my/tell 2]] nil]");
    drop((socket, peer));
    gateway.drain().await;
    Ok(())
}

/// A form of which a part is there.
async fn begin_form(gateway: &gateway::Running) -> Result<Peer> {
    let mut peer = Peer::connect(gateway.address()).await?;
    let head = format!(
        "POST /chsk HTTP/1.1\r\nHost: a\r\nX-Requested-With: x\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\nppstr=",
        FORM.1,
        UNFINISHED + 1000
    );
    peer.send(head.as_bytes()).await?;
    // It may be refused before all of it has left.
    let _refused = peer.send_in_pieces(&vec![b'x'; UNFINISHED - 6], 100_000).await;
    Ok(peer)
}

#[tokio::test]
async fn forms_of_whom_nobody_knows_have_a_share_of_the_memory_and_close_nobody() -> Result<()> {
    let mut settings = Settings::default();
    settings.limits.memory = Memory::Bytes(NonZeroUsize::try_from(64 << 20)?);
    let gateway = gateway::start(settings).await?;
    let mut socket = Client::open(gateway.address(), "/chsk?client-id=ws", &[]).await?;
    socket.next_text().await?;
    let mut held = Vec::new();
    for number in 1..=2 {
        held.push(begin_form(&gateway).await?);
        let enough = || stat(&gateway, "/memory/held") >= number * UNFINISHED as u64;
        tokio::time::timeout(Duration::from_secs(20), async {
            while !enough() {
                tokio::time::sleep(super::LOOK_EVERY).await;
            }
        })
        .await?;
    }
    for _ in 0..20 {
        let refused = begin_form(&gateway).await?.answer().await?;
        ensure!(refused.status == 503 && refused.body.contains("too much waits"), "{refused:?}");
        ensure!(refused.head.contains("connection: close"), "{refused:?}");
    }
    assert!(stat(&gateway, "/memory/held") < 9 << 20);
    assert_eq!(stat(&gateway, "/connections/refused-posts-by/memory"), 20);
    socket.send_text("[[:my/tell 1] nil]").await?;
    assert_eq!(socket.next_text().await?, "[[[:my/tell 1]] nil]");
    // There is room again when one of them has gone.
    drop(held);
    drop(socket);
    until(&gateway, "/memory/held", 0).await?;
    let client = Ajax::open(&gateway, "client-id=c1").await?;
    assert_eq!(client.send("[[:my/ask 1] :ajax]").await?, "[1 nil]");
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn few_questions_of_a_client_wait_and_none_whose_client_has_hung_up() -> Result<()> {
    let mut settings = Settings::default();
    gateway::route_everything(&mut settings, "hostile", guests::plugin("handler_hostile")?);
    let gateway = gateway::start(settings).await?;
    let client = Ajax::open(&gateway, "client-id=c1").await?;
    let _poll = client.waiting().await?;
    let form = format!("client-id=c1&ppstr={}", super::form("[[:hostile/ignore 1] :ajax]"));
    let question = format!(
        "POST /chsk HTTP/1.1\r\nHost: a\r\nX-Requested-With: x\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n{form}",
        FORM.1,
        form.len()
    );
    let mut waiting = Vec::new();
    for number in 1..=16 {
        let mut peer = Peer::connect(gateway.address()).await?;
        peer.send(question.as_bytes()).await?;
        waiting.push(peer);
        until(&gateway, "/replies/waiting", number).await?;
    }
    let one_more = client.post("[[:hostile/well 1] nil]").await?;
    assert_eq!((one_more.status, one_more.header("retry-after")), (503, Some("1")));
    assert_eq!(stat(&gateway, "/connections/refused-posts-by/busy"), 1);
    // All of them hang up, and nothing is waited for any more: not for the 20 s after which there is no reply.
    drop(waiting);
    let taken = async {
        while client.post("[[:hostile/well 1] nil]").await?.status != 200 {
            tokio::time::sleep(super::LOOK_EVERY).await;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(Duration::from_secs(10), taken).await??;
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn a_full_gateway_asks_nobody_who_a_new_client_is_and_goes_on_with_those_it_has() -> Result<()>
{
    let mut settings = Settings::default();
    settings.limits.connections = 1.try_into()?;
    settings.plugins.insert("auth".into(), guests::plugin("authenticator_says")?);
    for endpoint in &mut settings.endpoints {
        Arc::make_mut(endpoint).authenticator = Some("auth".into());
    }
    let gateway = gateway::start(settings).await?;
    let asked = || stat(&gateway, "/plugins/auth/calls");
    let ann = Ajax::open(&gateway, "user=ann&client-id=c1").await?;
    let _poll = ann.waiting().await?;
    let before = asked();
    for path in ["user=bob&client-id=c2", "client-id=c2&status=401"] {
        let refused = Ajax::new(&gateway, path).get("").await?;
        ensure!(refused.status == 503 && refused.body.contains("too many"), "{refused:?}");
    }
    assert_eq!(asked(), before);
    // Who says the name of a client that is there is asked who it is; and has no place either.
    assert_eq!(Ajax::new(&gateway, "user=bob&client-id=c1").get("").await?.status, 503);
    assert_eq!(asked(), before + 1);
    // Its request is not like the one before: it is asked for anew, and goes on.
    assert_eq!(
        Ajax::new(&gateway, "user=ann&client-id=c1&x=1").post("[[:a/b] nil]").await?.status,
        200
    );
    gateway.drain().await;
    Ok(())
}
