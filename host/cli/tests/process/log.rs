//! A log that nobody reads, and peers that would fill it.

use super::{Gateway, PROGRAM, SERVE, text, write};
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// What is answered to one request: its first line.
fn answer(address: &str, path: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\n{headers}Connection: close\r\n\r\n")
        .unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    line
}

fn refused_upgrade(address: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(
        stream,
        "GET /ws HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Origin: http://other.example\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Version: 13\r\n\r\n"
    )
    .unwrap();
    let mut line = [0; 12];
    stream.read_exact(&mut line).unwrap();
    text(&line)
}

// Its error stream is a pipe whose reader has stopped.
#[test]
fn a_log_that_nobody_reads_holds_up_nobody_and_says_later_what_it_lost() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), "[telemetry]\nlevel = \"trace\"\n");
    let gateway = Gateway::start(&["--config", &file]);
    let admin = gateway.greeting.lines().find_map(|line| line.strip_prefix("admin: http://"));
    let admin = admin.unwrap().to_owned();
    let lost = || gateway.admin("/stats")["log"]["lost-lines"].as_u64().unwrap();
    let began = Instant::now();
    // Each of these is a line of the log, and a pipe holds a few hundred of them.
    while lost() == 0 {
        for _ in 0..200 {
            assert_eq!(refused_upgrade(&gateway.address), "HTTP/1.1 403");
        }
        assert!(began.elapsed() < Duration::from_secs(50), "nothing is lost");
    }
    assert!(answer(&admin, "/healthz", "").contains("200"));
    assert_eq!(gateway.ask("a/b 7").status.code(), Some(0), "it serves on");
    let (mut gateway, before) = (gateway, Instant::now());
    let mut errors = BufReader::new(gateway.child.stderr.take().unwrap()).lines();
    let told = errors.find_map(|line| {
        let line: serde_json::Value = serde_json::from_str(&line.ok()?).ok()?;
        line["message"].as_str()?.contains("lines were lost").then(|| line["data"]["lost"].as_u64())
    });
    assert!(told.flatten().is_some_and(|lost| lost > 0), "it says what it has lost");
    assert!(before.elapsed() < Duration::from_secs(20));
}

#[test]
fn sigterm_ends_a_gateway_whose_log_nobody_reads() {
    let mut command = Command::new("sh");
    // The pipe is full before the gateway says its first word.
    let fill = "dd if=/dev/zero bs=65536 count=1 >&2 2>/dev/null && exec \"$0\" \"$@\"";
    command.arg("-c").arg(fill).arg(PROGRAM).args(SERVE);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut gateway = Gateway::spawn(command);
    assert_eq!(gateway.ask("a/b 7").status.code(), Some(0));
    let began = Instant::now();
    gateway.signal("-TERM");
    assert_eq!(gateway.child.wait().unwrap().code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[test]
fn what_peers_can_cause_again_and_again_fills_no_log() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), "[limits]\nmessage = \"2KiB\"\nmalformed = \"1000/min\"\n");
    let gateway = Gateway::start(&["--config", &file]);
    let admin = gateway.greeting.lines().find_map(|line| line.strip_prefix("admin: http://"));
    let admin = admin.unwrap().to_owned();
    let large = format!("a/b \"{}\"", "x".repeat(1500));
    for _ in 0..40 {
        assert_eq!(refused_upgrade(&gateway.address), "HTTP/1.1 403");
        assert!(answer(&admin, "/nothing", "").contains("404"));
        assert!(answer(&admin, "/stats", "Origin: http://other.example\r\n").contains("403"));
    }
    let asks: Vec<_> = (0..8).flat_map(|_| ["--ask", large.as_str()]).collect();
    let url = format!("ws://{}/ws", gateway.address);
    let asked = super::run(&[&["connect", url.as_str()][..], &asks].concat());
    assert_eq!(asked.status.code(), Some(0), "{}", text(&asked.stderr));
    let counted = gateway.admin("/stats")["notable"]["large-message"].clone();
    assert_eq!(counted, 8, "all of them are counted");
    gateway.signal("-TERM");
    let (code, errors) = gateway.ended();
    assert_eq!(code, Some(0), "{errors}");
    let count = |part: &str| errors.lines().filter(|line| line.contains(part)).count();
    assert_eq!(count("larger than half"), 1, "{errors}");
    assert_eq!(count("admin call refused"), 2, "one of a kind: {errors}");
    assert!((1..20).contains(&count("upgrade refused")), "{errors}");
    // A drained gateway says so in one line, and nothing of its insides.
    assert_eq!(count("drained"), 1);
    assert!(!errors.contains("Report"), "{errors}");
}
