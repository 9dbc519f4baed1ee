//! How sessions end whose clients poll.

use super::{Ajax, NOTHING, TAKEN, stat, until};
use anyhow::{Result, ensure};
use support::gateway;
use tengen_settings::Settings;

#[tokio::test]
async fn a_thousand_clients_that_never_poll_again_are_gone_and_counted() -> Result<()> {
    let gateway = gateway::start(Settings::default()).await?;
    let clients: Vec<_> =
        (0..1000).map(|number| Ajax::new(&gateway, &format!("client-id=c{number}"))).collect();
    for client in &clients {
        let greeting = client.greeting().await?;
        ensure!(greeting.starts_with("[[:chsk/handshake"), "{greeting}");
    }
    until(&gateway, "/connections/ended/lost", 1000).await?;
    until(&gateway, "/memory/held", 0).await?;
    assert_eq!(stat(&gateway, "/connections/open"), 0);
    // Who comes back is nobody's, and is greeted without asking for it.
    assert_eq!(clients[0].post("[[:a/b] nil]").await?.status, 404);
    let greeting = clients[0].poll().await?;
    ensure!(greeting.starts_with("[[:chsk/handshake"), "{greeting}");
    assert_eq!(clients[0].send("[[:my/ask 1] :ajax]").await?, "[1 nil]");
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn of_two_polls_the_older_one_is_told_that_there_is_nothing() -> Result<()> {
    let gateway = gateway::start(Settings::default()).await?;
    let client = Ajax::open(&gateway, "client-id=c1").await?;
    let mut newer = client.waiting().await?;
    assert_eq!(client.send("[[:my/tell 1] nil]").await?, TAKEN);
    assert_eq!(newer.answer().await?.body, "[[[:my/tell 1]] nil]");
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn what_is_sent_when_a_polls_client_has_gone_is_heard_by_its_next_poll() -> Result<()> {
    let gateway = gateway::start(Settings::default()).await?;
    let client = Ajax::open(&gateway, "client-id=c1").await?;
    let mut gone = client.waiting().await?;
    gone.half_close().await?;
    // The gateway sees it, and answers to nobody.
    assert_eq!(gone.answer().await?.body, NOTHING);
    assert_eq!(client.send("[[:my/tell 1] nil]").await?, TAKEN);
    assert_eq!(client.poll().await?, "[[[:my/tell 1]] nil]");
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn a_drain_is_told_to_a_poll_that_waits_and_waits_for_nobody_else() -> Result<()> {
    let gateway = gateway::start(Settings::default()).await?;
    let client = Ajax::open(&gateway, "client-id=c1").await?;
    let mut poll = client.waiting().await?;
    let (drained, hint) = tokio::join!(gateway.drain(), poll.answer());
    let hint = hint?.body;
    ensure!(hint.starts_with("[[[:tengen/reconnect {"), "{hint}");
    assert_eq!((drained.connections, drained.cut_off), (1, 0));
    Ok(())
}
