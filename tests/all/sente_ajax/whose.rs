//! Whose a session is: that of an endpoint, a user and a client.

use super::{Ajax, NOTHING, TAKEN, stat, until};
use anyhow::{Result, ensure};
use std::sync::Arc;
use support::{client::Client, gateway, guests};
use tengen_settings::{Grants, Pattern, Settings};

/// A gateway whose `/chsk` has users, who push to each other.
async fn with_users() -> Result<gateway::Running> {
    let mut settings = Settings::default();
    settings.plugins.insert("auth".into(), guests::plugin("authenticator_says")?);
    for endpoint in &mut settings.endpoints {
        Arc::make_mut(endpoint).authenticator = Some("auth".into());
    }
    let mut pushes = guests::plugin("handler_pushes")?;
    pushes.grant = Grants { push: vec![Pattern("*".into())], ..Grants::default() };
    gateway::route_everything(&mut settings, "pushes", pushes);
    gateway::start(settings).await
}

#[tokio::test]
async fn who_names_anothers_client_hears_nothing_of_it_and_says_nothing_for_it() -> Result<()> {
    let gateway = with_users().await?;
    let ann = Ajax::open(&gateway, "user=ann&client-id=c1").await?;
    // Not as a poll of hers, and not as a message.
    let bob = Ajax::new(&gateway, "user=bob&client-id=c1");
    assert_eq!(bob.post("[[:to/user \"bob\"] nil]").await?.status, 404);
    let nobody = Ajax::new(&gateway, "client-id=c1");
    assert_eq!(nobody.post("[[:to/user \"ann\"] nil]").await?.status, 404);
    let greeting = bob.poll().await?;
    ensure!(greeting.starts_with("[[:chsk/handshake [\"bob\" nil {"), "{greeting}");
    assert_eq!(stat(&gateway, "/connections/open"), 2);
    assert_eq!(ann.send("[[:to/user \"ann\"] nil]").await?, TAKEN);
    assert_eq!(ann.send("[[:to/user \"bob\"] nil]").await?, TAKEN);
    // Each hears what is its own, and no more.
    assert_eq!(bob.poll().await?, "[[[:push/pushed \"bob\"]] nil]");
    assert_eq!(ann.poll().await?, "[[[:push/pushed \"ann\"]] nil]");
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn every_request_is_authenticated() -> Result<()> {
    let gateway = with_users().await?;
    let ann = Ajax::open(&gateway, "user=ann&client-id=c1").await?;
    let refused = Ajax::new(&gateway, "user=ann&client-id=c1&status=401");
    assert_eq!(refused.get("").await?.status, 401);
    assert_eq!(refused.post("[[:to/user \"ann\"] nil]").await?.status, 401);
    assert_eq!(ann.send("[[:to/user \"ann\"] nil]").await?, TAKEN);
    assert_eq!(ann.poll().await?, "[[[:push/pushed \"ann\"]] nil]");
    assert_eq!(stat(&gateway, "/connections/refused-posts-by/denied"), 1);
    assert_eq!(stat(&gateway, "/connections/rejected-by/denied"), 1);
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn a_greeting_begins_nothing_anew_where_there_is_a_session() -> Result<()> {
    let gateway = with_users().await?;
    let ann = Ajax::open(&gateway, "user=ann&client-id=c1").await?;
    assert_eq!(ann.send("[[:to/user \"ann\"] nil]").await?, TAKEN);
    let (waiting, greeting) = tokio::join!(ann.poll(), ann.greeting());
    let greeting = greeting?;
    ensure!(greeting.starts_with("[[:chsk/handshake [\"ann\" nil {"), "{greeting}");
    let heard = match waiting?.as_str() {
        NOTHING => ann.poll().await?,
        heard => heard.to_owned(),
    };
    assert_eq!(heard, "[[[:push/pushed \"ann\"]] nil]");
    assert_eq!(stat(&gateway, "/connections/open"), 1);
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn who_goes_on_by_a_websocket_hears_all_there() -> Result<()> {
    let gateway = with_users().await?;
    let ann = Ajax::open(&gateway, "user=ann&client-id=c1").await?;
    let mut poll = ann.waiting().await?;
    let mut socket = Client::open(gateway.address(), "/chsk?user=ann&client-id=c1", &[]).await?;
    let greeting = socket.next_text().await?;
    ensure!(greeting.starts_with("[[:chsk/handshake [\"ann\""), "{greeting}");
    assert_eq!(poll.answer().await?.body, NOTHING);
    until(&gateway, "/connections/ended/replaced", 1).await?;
    socket.send_text("[[:to/user \"ann\"] nil]").await?;
    assert_eq!(socket.next_text().await?, "[[[:push/pushed \"ann\"]] nil]");
    assert_eq!(stat(&gateway, "/connections/open"), 1);
    gateway.drain().await;
    Ok(())
}
