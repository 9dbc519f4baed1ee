//! A connection does not outlive its token.

use super::{behind, says, stat, status};
use anyhow::{Context, Result};
use serde_json::json;
use support::{
    client::Client,
    gateway, guests,
    tokens::{SECRET, now, sign},
};
use tengen_settings::Settings;

fn token_auth(leeway: &str) -> Result<Settings> {
    let mut auth = guests::plugin("token-auth")?;
    auth.config.insert("secret".into(), SECRET.into());
    auth.config.insert("leeway".into(), leeway.into());
    Ok(behind(auth))
}

fn of_ann(exp: i64) -> String {
    sign(&format!(r#"{{"sub":"ann","exp":{exp}}}"#))
}

#[tokio::test]
async fn a_connection_ends_with_its_token_on_every_endpoint() -> Result<()> {
    let gateway = gateway::start(token_auth("0")?).await?;
    for path in ["/ws?", "/chsk?client-id=c&", "/raw?"] {
        let exp = now() + 2;
        let path = format!("{path}token={}", of_ann(exp));
        let mut client = Client::open(gateway.address(), &path, &[]).await?;
        let closed = client.closed().await?;
        assert_eq!((closed.code, closed.reason.as_str()), (4003, "token-ended"), "{path}");
        assert!(now() >= exp, "not before its end");
    }
    assert_eq!(stat(&gateway, "/connections/ended/token-ended"), 3);
    assert_eq!(status(&gateway, &format!("/ws?token={}", of_ann(now()))).await?, 401);
    gateway.drain().await;
    Ok(())
}

// The end and the leeway that let it in: what came in within the leeway is not at its end already.
#[tokio::test]
async fn a_token_within_the_leeway_is_served_to_the_end_of_it() -> Result<()> {
    let gateway = gateway::start(token_auth("5")?).await?;
    let exp = now() - 3;
    let path = format!("/ws?token={}", of_ann(exp));
    let mut client = Client::open(gateway.address(), &path, &[]).await?;
    assert_eq!(client.next_json().await?[0][1][0], "ann");
    assert_eq!(client.ask("a/b", json!(1)).await?, 1);
    assert_eq!(client.closed().await?.code, 4003);
    assert!(now() >= exp + 5);
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn an_end_in_the_past_is_refused_and_counted() -> Result<()> {
    let gateway = gateway::start(behind(says()?)).await?;
    for past in ["1500", "-1", &(now() * 1000 - 1).to_string()] {
        let path = format!("/ws?user=ann&ends-ms={past}");
        let refused = Client::try_open(gateway.address(), &path, &[]).await?;
        let refused = refused.err().context("it has ended")?;
        assert_eq!(refused.status, 401, "{past}");
        assert!(refused.body.contains("new token"), "{}", refused.body);
    }
    assert_eq!(status(&gateway, "/ws?user=ann&ends-ms=nan").await?, 503);
    for far in ["inf", "1e300", &(now() * 1000 + 60_000).to_string()] {
        assert_eq!(status(&gateway, &format!("/ws?user=ann&ends-ms={far}")).await?, 101, "{far}");
    }
    assert_eq!(stat(&gateway, "/connections/rejected-by/token-ended"), 3);
    assert_eq!(stat(&gateway, "/connections/rejected"), 4);
    gateway.drain().await;
    Ok(())
}

// Two people whose long numbers differ in the last digits were one user.
#[tokio::test]
async fn a_long_number_names_nobody_and_a_short_one_as_it_stands() -> Result<()> {
    let gateway = gateway::start(token_auth("0")?).await?;
    let exp = now() + 600;
    let path =
        |sub: &str| format!("/ws?token={}", sign(&format!(r#"{{"sub":{sub},"exp":{exp}}}"#)));
    for sub in ["42", "18446744073709551615", "1000"] {
        let mut client = Client::open(gateway.address(), &path(sub), &[]).await?;
        assert_eq!(client.next_json().await?[0][1][0], sub);
    }
    for sub in ["12345678901234567890123", "12345678901234567890999", "7.0", "1e3"] {
        assert_eq!(status(&gateway, &path(sub)).await?, 401, "{sub}");
    }
    gateway.drain().await;
    Ok(())
}
