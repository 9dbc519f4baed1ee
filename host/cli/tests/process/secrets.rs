//! Secrets planted wherever a gateway meets them, and searched for in what every kind of sink has got.

use super::{Gateway, guest, signals::lines, write};
use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    time::Duration,
};

/// How every secret begins.
const MARK: &str = "0SECRET";

fn config(folder: &Path) -> String {
    let sinks = ["human", "json", "edn"].map(|format| {
        format!("[[sink]]\nkind = \"file\"\nname = \"{format}\"\nformat = \"{format}\"\npath = \"{format}.log\"\nbuffer = 100000\nbytes = \"64MiB\"\n")
    });
    fs::create_dir(folder.join("logs")).unwrap();
    format!(
        "[admin]\nkeys = [\"{MARK}-admin-key-of-16\"]\n\
         [plugin.says]\nfile = {:?}\nconfig = {{ api_key = \"{MARK}-config\" }}\n\
         [plugin.door]\nfile = {:?}\n\
         [plugin.log-sink]\nfile = {:?}\ngrant = {{ dirs = [{{ host = \"logs\", guest = \"/logs\", writable = true }}] }}\n\
         [[endpoint]]\npath = \"/ws\"\ndialect = \"tengen\"\nauthenticator = \"door\"\n\
         [[route]]\nevent = \"*\"\nplugin = \"says\"\n\
         [telemetry]\nlevel = \"debug,hyper=trace,tengen=trace,plugin=trace\"\nsecrets = [\"pin\"]\n\
         [[sink]]\nkind = \"stderr\"\nformat = \"json\"\nbuffer = 100000\nbytes = \"64MiB\"\n\
         [[sink]]\nkind = \"plugin\"\nplugin = \"log-sink\"\nbuffer = 100000\nbytes = \"64MiB\"\n{}",
        guest("handler_says.wasm"),
        guest("authenticator_says.wasm"),
        guest("log-sink.wasm"),
        sinks.concat()
    )
}

/// Asks for a connection with everything that may carry a token; the first line of the answer.
fn upgrade(address: &str, query: &str, more: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(
        stream,
        "GET /ws?{query}&token={MARK}-query HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Authorization: Bearer {MARK}-header\r\nCookie: a=b; session={MARK}-cookie\r\n{more}\r\n"
    )
    .unwrap();
    let mut line = Vec::new();
    let mut byte = [0];
    while !line.ends_with(b"\r\n") && stream.read(&mut byte).unwrap() > 0 {
        line.extend_from_slice(&byte);
    }
    String::from_utf8(line).unwrap()
}

fn admin(gateway: &Gateway, key: &str) -> String {
    let line = gateway.greeting.lines().find_map(|line| line.strip_prefix("admin: http://"));
    let mut stream = TcpStream::connect(line.unwrap()).unwrap();
    let head = format!("Host: {}\r\nAuthorization: Bearer {key}\r\n\r\n", line.unwrap());
    write!(stream, "POST /sinks/on?token={MARK}-order HTTP/1.1\r\n{head}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.lines().next().unwrap_or_default().to_owned()
}

/// Does all that has to do with secrets.
fn tempt(gateway: &Gateway) {
    let json = "Sec-WebSocket-Protocol: tengen.v1.json\r\n";
    let token = format!("Sec-WebSocket-Protocol: tengen.v1.json, tengen.token.{MARK}-protocol\r\n");
    let origin = format!("{json}Origin: http://elsewhere.example\r\n");
    let address = &gateway.address;
    assert!(upgrade(address, "user=ann", json).contains("101"));
    assert!(upgrade(address, "user=ann", &token).contains("101"));
    assert!(upgrade(address, "status=401", &token).contains("401"));
    assert!(upgrade(address, "user=ann", &origin).contains("403"));
    let unknown = format!("Sec-WebSocket-Protocol: {MARK}-unknown\r\n");
    assert!(upgrade(address, "user=ann", &unknown).contains("400"));
    for event in ["secret", "panic", "number", "close", "config", "nested"] {
        let answer = gateway.ask_as("ann", &format!("says/{event} \"{MARK}-{event}\""));
        assert!(!answer.contains("unknown-event"), "{answer}");
    }
    assert!(admin(gateway, &format!("{MARK}-wrong-key")).contains("401"));
    assert!(admin(gateway, &format!("{MARK}-admin-key-of-16")).contains("200"));
}

#[test]
fn no_sink_has_a_secret() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), &config(folder.path()));
    let mut gateway = Gateway::start(&["--config", &path]);
    let log = gateway.log();
    let reader = std::thread::spawn(move || log.collect::<Vec<_>>().join("\n"));
    tempt(&gateway);
    gateway.signal("-TERM");
    assert_eq!(gateway.child.wait().unwrap().code(), Some(0));
    let file = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    let outputs = [
        ("the log", reader.join().unwrap()),
        ("human", file("human.log")),
        ("json", file("json.log")),
        ("edn", file("edn.log")),
        ("the plugin's file", file("logs/tengen.jsonl")),
    ];
    for (name, text) in &outputs {
        let found: Vec<_> = text.lines().filter(|line| line.contains(MARK)).collect();
        assert!(found.is_empty(), "{name}: {found:#?}");
        // It was all said, and here it was.
        for said in ["says/secret", "says/config", "says/nested", "plugin/panicked", "***"] {
            assert!(text.contains(said), "no `{said}` in {name}");
        }
    }
    let refused = lines(&folder.path().join("json.log"));
    for id in ["origin", "authentication", "admin"] {
        let id = format!("tengen.security.{id}");
        assert!(refused.iter().any(|line| line["id"] == *id), "no `{id}`");
    }
}
