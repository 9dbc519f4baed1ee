//! Requests that are no HTTP, no WebSocket upgrade, or two things at once.

use super::{SHORT, Scene, nothing_internal};
use anyhow::{Context, Result, ensure};
use std::{net::SocketAddr, time::Instant};
use support::{
    gateway,
    peer::{Answer, KEY, Peer, Seen, upgrade},
};
use tengen_settings::{Settings, Static};

async fn ask(address: SocketAddr, request: &[u8]) -> Result<Answer> {
    let mut peer = Peer::connect(address).await?;
    peer.send(request).await?;
    let answer = peer.answer().await?;
    nothing_internal(&answer.body)?;
    Ok(answer)
}

/// A good request with one header line exchanged, or taken out.
fn without(name: &str, instead: &str) -> String {
    let request = upgrade("/ws", "");
    let line = request.lines().find(|line| line.starts_with(name)).expect("there is that line");
    request.replace(&format!("{line}\r\n"), instead)
}

fn with(line: &str) -> String {
    upgrade("/ws", &format!("{line}\r\n"))
}

#[tokio::test]
async fn a_request_that_is_no_upgrade_is_told_what_is_missing() -> Result<()> {
    let scene = Scene::new().await?;
    let table: &[(&str, String, u16, &str)] = &[
        ("a POST", upgrade("/ws", "").replacen("GET", "POST", 1), 400, "GET"),
        ("a method nobody knows", upgrade("/ws", "").replacen("GET", "BREW", 1), 400, "GET"),
        ("HTTP/1.0", upgrade("/ws", "").replacen("HTTP/1.1", "HTTP/1.0", 1), 400, "HTTP/1.1"),
        ("no Upgrade", without("Upgrade:", ""), 426, "upgrade request"),
        ("another protocol", without("Upgrade:", "Upgrade: h2c\r\n"), 426, "upgrade request"),
        ("no Connection", without("Connection:", ""), 426, "upgrade request"),
        ("Connection: close", without("Connection:", "Connection: close\r\n"), 426, "upgrade"),
        ("no key", without("Sec-WebSocket-Key:", ""), 400, "Sec-WebSocket-Key"),
        ("a short key", without("Sec-WebSocket-Key:", "Sec-WebSocket-Key: AAAA\r\n"), 400, "Key"),
        ("two keys", with(&format!("Sec-WebSocket-Key: {KEY}")), 400, "Key"),
        ("no version", without("Sec-WebSocket-Version:", ""), 426, "must be 13"),
        ("version 8", without("Sec-WebSocket-Ver", "Sec-WebSocket-Version: 8\r\n"), 426, "13"),
        ("two versions", with("Sec-WebSocket-Version: 13"), 426, "13"),
        (
            "a list of versions",
            without("Sec-WebSocket-Ver", "Sec-WebSocket-Version: 13, 8\r\n"),
            426,
            "13",
        ),
        ("no Host", without("Host:", ""), 400, "Host"),
        ("two Hosts", with("Host: elsewhere.example"), 400, "Host"),
        ("another host in the request line", upgrade("http://x.example/ws", ""), 400, "Host"),
        ("two Origins", with("Origin: http://gateway.example\r\nOrigin: http://x"), 400, "Origin"),
        ("a strange Origin", with("Origin: http://evil.example"), 403, "origin"),
        ("a body", with("Content-Length: 5") + "hello", 400, "body"),
        ("a chunked body", with("Transfer-Encoding: chunked") + "0\r\n\r\n", 400, "body"),
        (
            "a strange format",
            upgrade("/ws?format=xml", ""),
            400,
            "json or edn or transit or msgpack",
        ),
        ("no client-id", upgrade("/chsk", ""), 400, "client-id"),
    ];
    for (name, request, status, told) in table {
        let answer = ask(scene.address(), request.as_bytes()).await.context(*name)?;
        ensure!(answer.status == *status && answer.body.contains(told), "{name}: {answer:?}");
        if *told == "13" || *told == "must be 13" {
            ensure!(answer.head.contains("sec-websocket-version: 13\r\n"), "{name}: {answer:?}");
        }
        if told.contains("upgrade") {
            ensure!(answer.head.contains("upgrade: websocket\r\n"), "{name}: {answer:?}");
        }
    }
    scene.unharmed(&[("/connections/rejected", table.len() as u64)]).await
}

#[tokio::test]
async fn what_is_not_http_is_refused_before_anything_looks_at_it() -> Result<()> {
    let scene = Scene::new().await?;
    let long = "x".repeat(40 << 10);
    let many: String = (0..110).map(|number| format!("X-{number}: y\r\n")).collect();
    let table: &[(&str, String, &[u16])] = &[
        ("a broken method", "G(T /ws HTTP/1.1\r\n\r\n".into(), &[400]),
        ("TLS", "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\r\n\r\n".into(), &[400]),
        ("a version of the future", "GET /ws HTTP/9.9\r\nHost: a\r\n\r\n".into(), &[400]),
        ("white space before a colon", with("X-A : b"), &[400]),
        ("a line that goes on", with("X-A: b\r\n c"), &[400]),
        ("a NUL in a header", with("X-A: b\0c"), &[400]),
        ("a bare line feed", with("X-A: b\nX-C: d"), &[400]),
        ("line feeds alone", "GET /ws HTTP/1.1\nHost: a\n\n".into(), &[400]),
        ("a header that is too long", with(&format!("X-A: {long}")), &[431]),
        ("a path that is too long", upgrade(&format!("/{long}"), ""), &[414, 431]),
        ("too many headers", upgrade("/ws", &many), &[431]),
        ("two lengths", with("Content-Length: 5\r\nContent-Length: 6"), &[400]),
        ("a negative length", with("Content-Length: -1"), &[400]),
        ("an encoding that does not end", with("Transfer-Encoding: chunked, x"), &[400]),
    ];
    for (name, request, statuses) in table {
        let mut peer = Peer::connect(scene.address()).await?;
        peer.send(request.as_bytes()).await?;
        let answer = peer.answer().await.context(*name)?;
        ensure!(statuses.contains(&answer.status), "{name}: {answer:?}");
        nothing_internal(&answer.body)?;
        peer.ended().await.context(*name)?;
    }
    scene.unharmed(&[("/connections/failed-requests", table.len() as u64)]).await
}

#[tokio::test]
async fn no_request_hides_in_the_body_of_another() -> Result<()> {
    let scene = Scene::new().await?;
    let hidden = upgrade("/ws", "");
    let length = hidden.len();
    let chunk = format!("{length:x}\r\n{hidden}\r\n0\r\n\r\n");
    for request in [
        with(&format!("Content-Length: {length}")) + &hidden,
        with("Transfer-Encoding: chunked") + &chunk,
        with(&format!("Content-Length: {length}\r\nTransfer-Encoding: chunked")) + &chunk,
        with(&format!("Transfer-Encoding: chunked\r\nContent-Length: {length}")) + &chunk,
    ] {
        let mut peer = Peer::connect(scene.address()).await?;
        peer.send(request.as_bytes()).await?;
        let answer = peer.answer().await?;
        ensure!(answer.status == 400 && answer.head.contains("connection: close"), "{answer:?}");
        let after = peer.next().await?;
        ensure!(matches!(after, Seen::End | Seen::Reset), "the body was answered: {after:?}");
    }
    scene.unharmed(&[("/connections/rejected", 4)]).await
}

// What follows a head that is refused is read and thrown away: a socket that is closed with unread bytes is reset, and the
// reset overtakes the answer.
#[tokio::test]
async fn the_answer_to_a_request_with_a_large_body_arrives() -> Result<()> {
    let scene = Scene::new().await?;
    let body = "x".repeat(4 << 20);
    let length = format!("Content-Length: {}", body.len());
    let posted = format!("POST /nothing HTTP/1.1\r\nHost: a\r\n{length}\r\n\r\n");
    for (head, status) in [(with(&length), 400), (posted, 404)] {
        let mut peer = Peer::connect(scene.address()).await?;
        peer.send((head + &body).as_bytes()).await?;
        let answer = peer.answer().await?;
        ensure!(answer.status == status && answer.head.contains("connection: close"), "{answer:?}");
        let after = peer.next().await?;
        ensure!(matches!(after, Seen::End), "{status}: {after:?}");
    }
    scene.unharmed(&[("/connections/rejected", 1)]).await
}

#[tokio::test]
async fn a_request_says_to_whom_it_is_in_one_way_whatever_it_is_for() -> Result<()> {
    let scene = Scene::new().await?;
    let asked = |line: &str, hosts: &str| format!("GET {line}\r\n{hosts}\r\n");
    for (request, status) in [
        (asked("/nothing HTTP/1.1", "Host: a\r\n"), 404),
        (asked("http://a/nothing HTTP/1.1", "Host: a\r\n"), 404),
        (asked("/nothing HTTP/1.0", ""), 404),
        (asked("/nothing HTTP/1.1", ""), 400),
        (asked("/nothing HTTP/1.1", "Host: a\r\nHost: a\r\n"), 400),
        (asked("/nothing HTTP/1.0", "Host: a\r\nHost: b\r\n"), 400),
        (asked("http://evil/nothing HTTP/1.1", "Host: a\r\n"), 400),
    ] {
        let answer = ask(scene.address(), request.as_bytes()).await?;
        ensure!(answer.status == status, "{request:?}: {answer:?}");
    }
    scene.unharmed(&[]).await
}

#[tokio::test]
async fn who_has_said_all_and_waits_is_answered() -> Result<()> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("index.html"), "hello")?;
    let page = Static { path: "/page".into(), dir: folder.path().to_owned() };
    let gateway = gateway::start(Settings { statics: vec![page], ..Settings::default() }).await?;
    let mut peer = Peer::connect(gateway.address()).await?;
    peer.send(b"GET /page/index.html HTTP/1.1\r\nHost: a\r\n\r\n").await?;
    peer.half_close().await?;
    let answer = peer.answer().await?;
    ensure!(answer.status == 200 && answer.body == "hello", "{answer:?}");
    peer.ended().await?;
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn absurd_subprotocols_are_refused_and_good_ones_among_them_are_found() -> Result<()> {
    let scene = Scene::new().await?;
    let line = |value: &str| with(&format!("Sec-WebSocket-Protocol: {value}"));
    let many: Vec<_> = (0..1000).map(|number| format!("p{number}")).collect();
    for (name, value) in [
        ("unknown", "graphql-ws".to_owned()),
        ("of another version", "tengen.v9.json".into()),
        ("without an end", "tengen.v1.".into()),
        ("long", "x".repeat(8 << 10)),
        ("many", many.join(",")),
    ] {
        let answer = ask(scene.address(), line(&value).as_bytes()).await?;
        let told = answer.status == 400 && answer.body.contains("`tengen.v1.json`");
        ensure!(told && answer.body.len() < 200, "{name}: {answer:?}");
    }
    let good = format!("{}, tengen.v1.edn, tengen.token.s3cret", many.join(","));
    let answer = ask(scene.address(), line(&good).as_bytes()).await?;
    ensure!(answer.status == 101, "{answer:?}");
    ensure!(answer.head.contains("sec-websocket-protocol: tengen.v1.edn\r\n"), "{answer:?}");
    scene.unharmed(&[("/connections/rejected", 5)]).await
}

#[tokio::test]
async fn a_request_may_come_byte_by_byte() -> Result<()> {
    let scene = Scene::new().await?;
    let mut peer = Peer::connect(scene.address()).await?;
    peer.send_in_pieces(upgrade("/ws", "").as_bytes(), 1).await?;
    ensure!(peer.answer().await?.status == 101);
    ensure!(peer.text().await?.contains("chsk/handshake"));
    scene.unharmed(&[("/connections/opened", 1)]).await
}

#[tokio::test]
async fn a_request_that_never_ends_is_cut_off() -> Result<()> {
    // Long before an HTTP connection has lasted too long for whatever it does.
    let (within, too_long) = (SHORT * 3, SHORT * 14);
    let scene = Scene::with(|settings| settings.limits.unauthenticated = within).await?;
    let started = Instant::now();
    let mut silent = Peer::connect(scene.address()).await?;
    let mut begun = Peer::connect(scene.address()).await?;
    begun.send(b"GET /ws HTTP/1.1\r\nHost: a\r\n").await?;
    // A byte now and then does not buy more time.
    let mut slow = Peer::connect(scene.address()).await?;
    slow.send(b"GET /ws HTTP/1.1\r\nX-A: ").await?;
    let mut beat = tokio::time::interval(SHORT / 20);
    let bytes = async {
        loop {
            beat.tick().await;
            if slow.send(b"x").await.is_err() {
                return Ok(());
            }
            ensure!(started.elapsed() < too_long, "it goes on for ever");
        }
    };
    let (ended, begun, silent) = tokio::join!(bytes, begun.ended(), silent.ended());
    ended.and(begun).and(silent)?;
    ensure!(started.elapsed() < too_long, "a head has {:?}", started.elapsed());
    scene.unharmed(&[("/connections/failed-requests", 2)]).await
}

#[tokio::test]
async fn who_never_reads_answers_does_not_keep_a_place_for_ever() -> Result<()> {
    let scene = Scene::with(|settings| settings.limits.unauthenticated = SHORT / 4).await?;
    let mut peer = Peer::connect(scene.address()).await?;
    let requests = "GET /nothing HTTP/1.1\r\nHost: gateway.example\r\n\r\n".repeat(1000);
    // Nothing is read of the answers. At some time the gateway can write no more; then it would wait for ever. It judges by
    // the last minute, in which the kernels' buffers have taken something if filling them was slow.
    let judged = std::time::Duration::from_secs(90);
    let cut_off = loop {
        if let Err(error) = peer.send_within(requests.as_bytes(), judged).await {
            break error;
        }
    };
    ensure!(cut_off.is::<std::io::Error>(), "nobody ends it: {cut_off:#}");
    scene.unharmed(&[]).await
}
