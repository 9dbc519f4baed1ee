//! Messages that are good frames and no good events: answered with an error that says where.

use super::{Scene, nothing_internal};
use anyhow::{Context, Result, bail, ensure};
use support::client::Client;
use tengen_settings::{Rate, Settings};

fn patient(settings: &mut Settings) {
    settings.limits.malformed = Rate::per_minute(10_000);
}

async fn in_format(scene: &Scene, format: &str) -> Result<Client> {
    let protocol = format!("tengen.v1.{format}");
    let headers = [("sec-websocket-protocol", protocol.as_str())];
    let mut client = Client::open(scene.address(), "/ws", &headers).await?;
    client.next_text().await?;
    Ok(client)
}

/// Sends a frame and returns the answer, which holds nothing internal.
async fn answer(client: &mut Client, frame: &str) -> Result<String> {
    client.send_text(frame).await?;
    let answer = client.next_text().await?;
    nothing_internal(&answer)?;
    Ok(answer)
}

/// The connection still takes an event.
async fn alive(client: &mut Client, event: &str, answer: &str) -> Result<()> {
    client.send_text(event).await?;
    let got = client.next_text().await?;
    ensure!(got == answer, "expected {answer}, got {got}");
    Ok(())
}

/// Frames, and what their answers must say: the id of the fault, and a part of its message.
async fn refused(format: &str, table: &[(String, &str, &str)]) -> Result<()> {
    let scene = Scene::with(patient).await?;
    let mut client = in_format(&scene, format).await?;
    for (frame, id, told) in table {
        let shown = frame.get(..frame.len().min(60)).unwrap_or_default();
        let got = answer(&mut client, frame).await.with_context(|| shown.to_owned())?;
        let good = got.contains("tengen/error") && got.contains(id) && got.contains(told);
        ensure!(good, "{shown}: expected {id} and `{told}` in {got}");
        ensure!(got.len() < 1000, "{shown}: an answer of {} bytes", got.len());
    }
    match format {
        "json" => alive(&mut client, r#"[["a/b",1],"c"]"#, r#"[1,"c"]"#).await?,
        _ => alive(&mut client, r#"[[:a/b 1] "c"]"#, r#"[1 "c"]"#).await?,
    }
    scene.unharmed(&[("/events/malformed", table.len() as u64)]).await
}

fn rows(table: &[(&str, &'static str, &'static str)]) -> Vec<(String, &'static str, &'static str)> {
    table.iter().map(|(frame, id, told)| ((*frame).to_owned(), *id, *told)).collect()
}

#[tokio::test]
async fn broken_json_is_answered_with_the_byte_where_it_breaks() -> Result<()> {
    let deep = |open: &str, close: &str| {
        format!(r#"[["a/b",{}1{}],"c"]"#, open.repeat(100_000), close.repeat(100_000))
    };
    let mut table = rows(&[
        ("", "malformed", "byte 0"),
        ("[[", "malformed", "byte 2"),
        ("{}", "malformed", "byte 0"),
        ("null", "malformed", "byte 0"),
        ("[]", "malformed", "empty"),
        ("[[]]", "malformed", "empty"),
        (r#"["a/b"]"#, "malformed", "brackets of its own"),
        (r#"[["a/b"]] x"#, "malformed", "byte 10"),
        (r#"[["a/b",1,2]]"#, "malformed", "one value"),
        (r#"[["a/b"],"c",{},4]"#, "malformed", "too many"),
        (r#"[["a/b"],"c",[]]"#, "malformed", "meta"),
        (r#"[["a/b",{"x" 1}]]"#, "malformed", "byte 13"),
        (r#"[["a/b",{"x":1,}]]"#, "malformed", "byte 15"),
        (r#"[["a/b",{x:1}]]"#, "malformed", "double quotes"),
        (r#"[["a/b","\x"]]"#, "malformed", "escape"),
        ("[[\"a/b\",\"\u{1}\"]]", "malformed", "control character"),
        (r#"[["a/b","x]]"#, "malformed", "no closing quote"),
        (r#"[["a/b",01]]"#, "malformed", "begin with 0"),
        (r#"[["a/b",1.]]"#, "malformed", "point"),
        (r#"[["a/b",1e]]"#, "malformed", "exponent"),
        (r#"[["a/b",+1]]"#, "malformed", "byte 8"),
        (r#"[["a/b",NaN]]"#, "malformed", "byte 8"),
        (r#"[["a/b",0x10]]"#, "malformed", "byte 9"),
        (r#"[["ab"]]"#, "malformed", "event id"),
        (r#"[["a b/c"]]"#, "malformed", "event id"),
        (r#"[[""]]"#, "malformed", "event id"),
        (r#"[[7]]"#, "malformed", "event id"),
        (r#"[["chsk/handshake"],"c"]"#, "not-allowed", "gateway's own"),
        (r#"[["a/b"],7]"#, "malformed", "callback"),
        (r#"[["a/b"],{}]"#, "malformed", "callback"),
        (r#"[["a/b"],["c"]]"#, "malformed", "callback"),
        (r#"[["a/b"],true]"#, "malformed", "callback"),
    ]);
    table.push((format!(r#"[["a/{}"]]"#, "b".repeat(127)), "malformed", "128 bytes"));
    table.push((format!(r#"[["a/b"],"{}"]"#, "c".repeat(65)), "malformed", "64 bytes"));
    table.push((deep("[", "]"), "malformed", "deeper than 64"));
    table.push((deep(r#"{"a":"#, "}"), "malformed", "deeper than 64"));
    table.push(("[".repeat(900_000), "malformed", "deeper than 64"));
    refused("json", &table).await
}

#[tokio::test]
async fn broken_edn_is_answered_with_the_byte_where_it_breaks() -> Result<()> {
    let deep = |open: &str, close: &str| {
        format!(r#"[[:a/b {}1{}] "c"]"#, open.repeat(50_000), close.repeat(50_000))
    };
    let mut table = rows(&[
        ("", "malformed", "byte 0"),
        ("[[:a/b", "malformed", "byte 6"),
        ("[[:a/b {:x}]]", "malformed", "without a value"),
        ("[[:a/b {:x 1 :x 2}]]", "malformed", "twice"),
        ("[[:a/b #{1 1}]]", "malformed", "twice"),
        ("[[:a/b \"x]]", "malformed", "no closing quote"),
        ("[[:a/b \\nothing]]", "malformed", "not a character"),
        ("[[:a/b 1/0]]", "malformed", "not a number"),
        ("[[:a/b 08]]", "malformed", "not a number"),
        ("[[:a/b 1.2.3]]", "malformed", "byte"),
        ("[[:a/b @x]]", "malformed", "Clojure"),
        ("[[:a/b ##Nothing]]", "malformed", "NaN"),
        ("[[:a/b #inst \"yesterday\"]]", "malformed", "#inst"),
        ("[[:a/b #uuid \"1\"]]", "malformed", "#uuid"),
        ("[[:ab]]", "malformed", "event id"),
        ("[[\"a b/c\"]]", "malformed", "event id"),
        ("[[:chsk/recv] \"c\"]", "not-allowed", "gateway's own"),
        ("[[:a/b] :c]", "malformed", "callback"),
        ("[[:a/b] 7]", "malformed", "callback"),
    ]);
    table.push((format!("[[:a/b] \"{}\"]", "c".repeat(65)), "malformed", "64 bytes"));
    for (open, close) in
        [("[", "]"), ("(", ")"), ("{1 ", "}"), ("#{", "}"), ("#a/b ", ""), ("#_ ", "")]
    {
        table.push((deep(open, close), "malformed", "deeper than 64"));
    }
    refused("edn", &table).await
}

#[tokio::test]
async fn values_at_the_edges_come_back_as_they_were() -> Result<()> {
    let scene = Scene::with(patient).await?;
    let mut json = in_format(&scene, "json").await?;
    let nested = format!("{}1{}", "[".repeat(60), "]".repeat(60));
    let long = format!("\"{}\"", "é".repeat(400_000));
    for value in [
        "-0",
        "1e999999",
        "-1E-999999",
        "0.1e+5",
        "123456789012345678901234567890",
        "9007199254740993",
        "\"\"",
        "\"\\u0000\"",
        "\"\\ud83d\\ude00\"",
        "{\"a\":1,\"a\":2}",
        "{\"\":{}}",
        "[]",
        &nested,
        &long,
    ] {
        alive(&mut json, &format!(r#"[["a/b",{value}],"c"]"#), &format!(r#"[{value},"c"]"#))
            .await?;
    }
    let mut edn = in_format(&scene, "edn").await?;
    for value in [
        "123456789012345678901234567890N",
        "1.5M",
        "-0.0",
        "##NaN",
        "##-Inf",
        "1/3",
        ":a.b/c",
        ":+",
        "\\u0000",
        "#{}",
        "{}",
        "#a/tag [1]",
        "\"\\u0000\"",
        "{:a nil, nil :a}",
    ] {
        alive(&mut edn, &format!("[[:a/b {value}] \"c\"]"), &format!("[{value} \"c\"]")).await?;
    }
    scene.unharmed(&[("/replies/sent", 28)]).await
}

#[tokio::test]
async fn a_callback_is_echoed_untouched_even_when_it_is_used_twice() -> Result<()> {
    let scene = Scene::new().await?;
    let mut client = in_format(&scene, "json").await?;
    let longest = "c".repeat(64);
    for callback in ["", "\\u0041\\n", "]],\\\"x", "null", &longest] {
        for value in [1, 2] {
            client.send_text(&format!(r#"[["a/b",{value}],"{callback}"]"#)).await?;
        }
        for value in [1, 2] {
            let got = client.next_text().await?;
            ensure!(got == format!(r#"[{value},"{callback}"]"#), "{got}");
        }
    }
    scene.unharmed(&[("/replies/sent", 10)]).await
}

#[tokio::test]
async fn a_request_with_a_mistake_in_its_data_is_answered() -> Result<()> {
    let scene = Scene::with(patient).await?;
    let mut json = in_format(&scene, "json").await?;
    for data in [r#"{"n":NaN}"#, r#""\x""#, "01", "{a:1}", "[1,]", r#"{"a" 1}"#, ""] {
        let got = answer(&mut json, &format!(r#"[["a/b",{data}],"7"]"#)).await?;
        ensure!(got.starts_with(r#"[{"tengen/error":"#) && got.ends_with(r#"},"7"]"#), "{got}");
    }
    let mut edn = in_format(&scene, "edn").await?;
    for data in ["{:x}", "#{1 1}", "\\nothing", "@x", "#inst \"\"", "#(x)", "1/0", "\"\\x ] \""] {
        let got = answer(&mut edn, &format!("[[:a/b {data}] \"7\"]")).await?;
        ensure!(got.starts_with("[{:tengen/error ") && got.ends_with("} \"7\"]"), "{got}");
    }
    scene.unharmed(&[("/events/malformed", 15)]).await
}

#[tokio::test]
async fn half_a_character_comes_back_as_the_replacement_character() -> Result<()> {
    let scene = Scene::new().await?;
    let mut json = in_format(&scene, "json").await?;
    let (sent, got) = (r#"[["a/b","cut \ud83d"],"7"]"#, r#"["cut \ufffd","7"]"#);
    alive(&mut json, sent, got).await?;
    let mut edn = in_format(&scene, "edn").await?;
    let (sent, got) = (r#"[[:a/b "cut \ud83d"] "7"]"#, r#"["cut \ufffd" "7"]"#);
    alive(&mut edn, sent, got).await?;
    scene.unharmed(&[("/replies/sent", 2)]).await
}

#[tokio::test]
async fn who_sends_nothing_but_garbage_is_sent_away() -> Result<()> {
    let scene = Scene::with(|settings| settings.limits.malformed = Rate::per_minute(5)).await?;
    let mut client = in_format(&scene, "json").await?;
    for _ in 0..5 {
        client.send_text("garbage").await?;
    }
    let closed = client.closed().await?;
    ensure!((closed.code, closed.reason.as_str()) == (4503, "malformed"), "{closed:?}");
    scene.unharmed(&[("/events/malformed", 5), ("/connections/ended/malformed", 1)]).await
}

#[tokio::test]
async fn a_binary_frame_where_text_is_spoken_is_refused_and_read_on() -> Result<()> {
    let scene = Scene::new().await?;
    let mut client = in_format(&scene, "json").await?;
    client.send_binary(&[0xff; 100]).await?;
    let got = client.next_text().await?;
    nothing_internal(&got)?;
    if !got.contains("unsupported") || !got.contains("text frames") {
        bail!("{got}");
    }
    alive(&mut client, r#"[["a/b",1],"c"]"#, r#"[1,"c"]"#).await?;
    scene.unharmed(&[("/events/malformed", 1)]).await
}
