//! Two tabs with one Sente `client-id`, as a duplicated tab has them.

use super::{behind, says, stat};
use anyhow::{Result, bail};
use support::{
    client::Client,
    gateway::{self, route_everything},
    guests,
};
use tengen_settings::{Pattern, Settings};

/// A tab of an unmodified client: it answers pings, and whatever else comes is what it was waiting for.
struct Tab {
    client: Client,
    asked: u32,
}

impl Tab {
    async fn open(gateway: &gateway::Running, path: &str) -> Result<Self> {
        let mut client = Client::open(gateway.address(), path, &[]).await?;
        let handshake = client.next_text().await?;
        assert!(handshake.starts_with("[[:chsk/handshake ["), "{handshake}");
        Ok(Self { client, asked: 0 })
    }

    async fn next(&mut self) -> Result<String> {
        loop {
            match self.client.next_text().await?.as_str() {
                "[:chsk/ws-ping nil]" => self.client.send_text("[[:chsk/ws-pong] nil]").await?,
                frame => return Ok(frame.to_owned()),
            }
        }
    }

    /// An event with a callback, as the client sends it, and its ping.
    async fn is_served(&mut self) -> Result<()> {
        self.asked += 1;
        let callback = format!("{:06x}", self.asked);
        self.client.send_text(&format!(r#"[[:my/ask {}] "{callback}"]"#, self.asked)).await?;
        let reply = self.next().await?;
        assert_eq!(reply, format!(r#"[{} "{callback}"]"#, self.asked));
        self.client.send_text(&format!(r#"[[:chsk/ws-ping] "{callback}"]"#)).await?;
        assert_eq!(self.next().await?, format!(r#"["pong" "{callback}"]"#));
        Ok(())
    }
}

const PATH: &str = "/chsk?uid=alice&client-id=client-1&csrf-token=csrf-tok-1";

/// Both are open and asked in turn, and each comes back many times.
async fn two_tabs(gateway: &gateway::Running, path: &str) -> Result<()> {
    let (mut one, mut two) = (Tab::open(gateway, path).await?, Tab::open(gateway, path).await?);
    for round in 0..20 {
        one.is_served().await?;
        two.is_served().await?;
        let back = Tab::open(gateway, path).await?;
        // With a word, as a page that is left, and without one, as one that lost its network.
        let before = std::mem::replace(if round % 3 == 0 { &mut one } else { &mut two }, back);
        if round % 2 == 0 {
            before.client.close().await?;
        }
    }
    one.is_served().await?;
    two.is_served().await?;
    for kind in ["replaced", "heartbeat-missed", "internal", "slow-consumer"] {
        let ended = stat(gateway, &format!("/connections/ended/{kind}"));
        if ended != 0 {
            bail!("{ended} connections ended as `{kind}`");
        }
    }
    Ok(())
}

#[tokio::test]
async fn two_anonymous_tabs_with_one_client_id_close_nobody() -> Result<()> {
    let gateway = gateway::start(Settings::default()).await?;
    two_tabs(&gateway, PATH).await?;
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn two_tabs_of_a_user_with_one_client_id_close_nobody() -> Result<()> {
    let gateway = gateway::start(behind(says()?)).await?;
    two_tabs(&gateway, "/chsk?user=ann&client-id=client-1").await?;
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn a_push_to_the_user_reaches_both_tabs() -> Result<()> {
    let mut settings = behind(says()?);
    let mut pusher = guests::plugin("handler_pushes")?;
    pusher.grant.push = vec![Pattern("ann".into())];
    route_everything(&mut settings, "pusher", pusher);
    let gateway = gateway::start(settings).await?;
    let path = "/chsk?user=ann&client-id=client-1";
    let mut one = Tab::open(&gateway, path).await?;
    let mut two = Tab::open(&gateway, path).await?;
    for sender in 0..2 {
        let from = if sender == 0 { &mut one } else { &mut two };
        from.client.send_text(r#"[[:push/user "ann"] nil]"#).await?;
        for tab in [&mut one, &mut two] {
            assert_eq!(tab.next().await?, r#"[[[:push/pushed "ann"]] nil]"#);
        }
    }
    gateway.drain().await;
    Ok(())
}
