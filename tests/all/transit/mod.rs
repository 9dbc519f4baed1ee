//! Transit: `tengen.v1.transit` and Sente's Transit packer over real sockets, and agreement with transit-js.

mod agreement;
mod values;

use anyhow::Result;
use support::{client::Client, gateway, guests};
use tengen_settings::{Endpoint, Grants, Pattern, Settings};
use tengen_wire::{dialect::Dialect, payload::Encoding};

async fn open(gateway: &gateway::Running) -> Result<Client> {
    let offered = [("sec-websocket-protocol", "tengen.v1.transit, tengen.v1.json")];
    let mut client = Client::open(gateway.address(), "/ws", &offered).await?;
    assert_eq!(client.subprotocol.as_deref(), Some("tengen.v1.transit"));
    let first = client.next_text().await?;
    assert!(
        first.starts_with(r#"[["~:chsk/handshake",[null,null,["^ ","~:connection","#),
        "{first}"
    );
    Ok(client)
}

#[tokio::test]
async fn a_client_sends_asks_and_pings_in_plain_and_verbose() -> Result<()> {
    let gateway = gateway::start(Settings::default()).await?;
    let mut client = open(&gateway).await?;
    for (said, heard) in [
        // The echo is the reply, or is pushed. Codes count from where the data stands.
        (
            r#"[["~:chat/say",[["^ ","~:text","hi"],["^ ","^1","~:chat/say"]]],"7"]"#,
            r#"[[["^ ","~:text","hi"],["^ ","^0","~:chat/say"]],"7"]"#,
        ),
        (
            r#"[["~:chat/say",[["^ ","~:text","hi"],["^ ","^1","^0"]]],null]"#,
            r#"[[["~:chat/say",[["^ ","~:text","hi"],["^ ","^1","~:chat/say"]]]],null]"#,
        ),
        (r#"[["~:chat/say",{"~:a":{"~#set":[1]}}],"7"]"#, r#"[{"~:a":{"~#set":[1]}},"7"]"#),
        (r#"[["~:chsk/ws-ping"],"x"]"#, r#"["pong","x"]"#),
        (r#"["~:chsk/ws-ping",null]"#, r#"[["~:chsk/ws-pong"],null]"#),
    ] {
        client.send_text(said).await?;
        assert_eq!(client.next_text().await?, heard, "{said}");
    }
    client.send_text(r#"[["~:a/b","^5"],"7"]"#).await?;
    let answer = client.next_text().await?;
    let starts =
        r#"[["^ ","~:tengen/error",["^ ","~:id","malformed","~:message","byte 10: a cache code"#;
    assert!(answer.starts_with(starts) && answer.ends_with(r#""7"]"#), "{answer}");
    client.close().await?;
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn a_client_of_sentes_with_a_transit_packer_talks() -> Result<()> {
    let chsk =
        Endpoint { formats: vec![Encoding::Transit], ..Endpoint::new("/chsk", Dialect::Sente) };
    let gateway =
        gateway::start(Settings { endpoints: vec![chsk.into()], ..Settings::default() }).await?;
    let mut client = Client::open(gateway.address(), "/chsk?client-id=c1", &[]).await?;
    let first = client.next_text().await?;
    let starts = r#"[["~:chsk/handshake",["~:sente/nil-uid",null,["^ ","~:connection","#;
    assert!(first.starts_with(starts), "{first}");
    for (said, heard) in [
        (
            r#"[["~:my/noreply",["^ ","~:x",1]],null]"#,
            r#"[[["~:my/noreply",["^ ","~:x",1]]],null]"#,
        ),
        (
            r#"[["~:my/ask",["^ ","~:q",[1,2.5,"~:k",null,true]]],"615287"]"#,
            r#"[["^ ","~:q",[1,2.5,"~:k",null,true]],"615287"]"#,
        ),
        (r#"[["~:my/ask",{"~:q":"~m0"}],"615288"]"#, r#"[{"~:q":"~m0"},"615288"]"#),
        (r#"[["~:chsk/ws-ping"],"07abf7"]"#, r#"["pong","07abf7"]"#),
    ] {
        client.send_text(said).await?;
        assert_eq!(client.next_text().await?, heard, "{said}");
    }
    client.send_text(r#"[["~:chsk/ws-pong"],null]"#).await?;
    client.close().await?;
    gateway.drain().await;
    Ok(())
}

/// What is said in Transit, and what is heard of it in Transit, EDN and JSON.
const SAID: [(&str, &str, &str, &str); 6] = [
    ("[null,true,1.5]", "[null,true,1.5]", "[nil true 1.5]", "[null,true,1.5]"),
    (r#"["~:a","~$b","~cc"]"#, r#"["~:a","~$b","~cc"]"#, r"[:a b \c]", r#"["a","b","c"]"#),
    (
        r#"["~i9007199254740993","~n5",["~#ratio",["~n1","~n3"]],"~f1.0"]"#,
        r#"["~i9007199254740993","~n5",["~#ratio",["~n1","~n3"]],"~f1.0"]"#,
        "[9007199254740993 5N 1/3 1.0M]",
        r#"["9007199254740993","5","1/3","1.0"]"#,
    ),
    (
        r#"["~m0","~bAP8Q","~rx:y"]"#,
        r#"["~m0","~bAP8Q","~rx:y"]"#,
        r##"[#inst "1970-01-01T00:00:00.000-00:00" #base64 "AP8Q" #uri "x:y"]"##,
        r##"["1970-01-01T00:00:00.000Z","AP8Q",{"#uri":"x:y"}]"##,
    ),
    // Five strings stand in the frame before the data.
    (
        r#"[["^ ","~:name",1],["^ ","^1",["~#set",["^0"]]]]"#,
        r#"[["^ ","~:name",1],["^ ","^5",["~#set",["~:relay/say"]]]]"#,
        "[{:name 1} {:name #{:relay/say}}]",
        r#"[{"name":1},{"name":["relay/say"]}]"#,
    ),
    (
        r#"{"~:a":{"~#my/tag":["~zNaN"]}}"#,
        r#"{"~:a":{"~#my/tag":["~zNaN"]}}"#,
        "{:a #my/tag [##NaN]}",
        r##"{"a":{"#my/tag":[null]}}"##,
    ),
];

#[tokio::test]
async fn what_is_said_in_transit_is_heard_in_every_format() -> Result<()> {
    let mut settings = Settings { echo: false, ..Settings::default() };
    let mut relay = guests::plugin("handler_relay")?;
    relay.grant = Grants { publish: vec![Pattern("relay/*".into())], ..Grants::default() };
    gateway::route_everything(&mut settings, "relay", relay);
    let gateway = gateway::start(settings).await?;
    let mut client = open(&gateway).await?;
    client.send_text(r#"[["~:relay/join"],"j"]"#).await?;
    assert_eq!(client.next_text().await?, r#"[null,"j"]"#);
    let mut json = Client::json(gateway.address(), "/ws").await?;
    json.ask("relay/join", serde_json::Value::Null).await?;
    let mut sente = Client::open(gateway.address(), "/chsk?client-id=c1", &[]).await?;
    sente.next_text().await?;
    sente.send_text(r#"[[:relay/join nil] "j"]"#).await?;
    assert_eq!(sente.next_text().await?, r#"[nil "j"]"#);
    for (said, in_transit, in_edn, in_json) in SAID {
        client.send_text(&format!(r#"[["~:relay/say",{said}],null]"#)).await?;
        let own = client.next_text().await?;
        assert!(own.contains(&format!(r#""~:data",{in_transit},"~:offset""#)), "{said}: {own}");
        let edn = sente.next_text().await?;
        assert!(edn.contains(&format!(":data {in_edn} :offset")), "{said}: {edn}");
        let json = json.next_text().await?;
        assert!(json.contains(&format!(r#""data":{in_json},"#)), "{said}: {json}");
    }
    // What EDN clients say of other kinds of keys.
    sente.send_text("[[:relay/say {[1] #{:k}}] nil]").await?;
    let heard = client.next_text().await?;
    assert!(heard.contains(r#""~:data",["~#cmap",[[1],["~#set",["~:k"]]]],"~:offset""#), "{heard}");
    gateway.drain().await;
    Ok(())
}
