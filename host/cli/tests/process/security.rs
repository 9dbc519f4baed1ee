//! What concerns security, as a stream of its own in a gateway that says nothing else.

use super::{
    Gateway, guest,
    signals::{lines, of_id},
    surroundings::upgrade,
    write,
};
use std::{
    collections::BTreeSet,
    fs,
    io::{Read, Write},
    net::TcpStream,
};

fn config() -> String {
    format!(
        "[plugin.wants]\nfile = {:?}\n[plugin.door]\nfile = {:?}\n\
         [[endpoint]]\npath = \"/ws\"\ndialect = \"tengen\"\nauthenticator = \"door\"\n\
         [[route]]\nevent = \"*\"\nplugin = \"wants\"\n\
         [telemetry]\nlevel = \"off\"\nsecurity = {{ level = \"info\" }}\n\
         [[sink]]\nkind = \"file\"\npath = \"all.jsonl\"\n",
        guest("handler_wants.wasm"),
        guest("authenticator_says.wasm"),
    )
}

/// What the admin listener answers a call without a key.
fn order(gateway: &Gateway) -> String {
    let line = gateway.greeting.lines().find_map(|line| line.strip_prefix("admin: http://"));
    let address = line.unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "POST /sinks/off HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn what_concerns_security_is_told_whatever_the_level_of_all_else_is() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(&["--config", &write(folder.path(), &config())]);
    // An origin, a verdict, an admin call, an effect, and a frame that no client sends.
    let url = |query: &str| format!("/ws?{query}");
    let mut refused = upgrade(&gateway.address, &url("status=401"));
    let mut answer = [0; 12];
    refused.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 401");
    let mut elsewhere = TcpStream::connect(&gateway.address).unwrap();
    write!(
        elsewhere,
        "GET /ws HTTP/1.1\r\nHost: a\r\nOrigin: http://b\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    .unwrap();
    elsewhere.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 403");
    assert!(order(&gateway).contains("admin.keys"));
    gateway.ask_as("ann", "wants/a-subscription 1");
    let mut rude = upgrade(&gateway.address, &url("user=bob"));
    rude.write_all(b"\x81\x01a").unwrap();
    // It is closed.
    rude.read_to_end(&mut Vec::new()).unwrap();
    gateway.drained();
    let all = lines(&folder.path().join("all.jsonl"));
    let ids: BTreeSet<_> = all.iter().map(|line| line["id"].as_str().unwrap_or("none")).collect();
    let expected = ["admin", "authentication", "grant", "origin", "violation"];
    let expected = expected.map(|id| format!("tengen.security.{id}"));
    assert_eq!(ids, expected.iter().map(String::as_str).collect());
    assert_eq!(of_id(&all, "tengen.security.grant")["data"]["plugin"], "wants");
    assert!(fs::metadata(folder.path().join("all.jsonl")).unwrap().len() > 0);
}
