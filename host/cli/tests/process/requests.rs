//! HTTP requests as an operator sees them: what they cost, and what the log says of those that are refused.

use super::{Gateway, write};
use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

fn send(address: &str, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

/// The status line of the answer.
fn status(stream: &mut TcpStream) -> String {
    let mut line = [0; 12];
    stream.read_exact(&mut line).unwrap();
    String::from_utf8(line.to_vec()).unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn readers_that_do_not_read_cost_little() {
    const READERS: usize = 60;
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("page")).unwrap();
    fs::write(folder.path().join("page/large.bin"), vec![7; 64 << 20]).unwrap();
    let config = "[[static]]\npath = \"/\"\ndir = \"page\"\n";
    let gateway = Gateway::start(&["--config", &write(folder.path(), config)]);
    let request = "GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n";
    let resident = || super::surroundings::resident(gateway.child.id());
    let ask = || {
        let mut reader = send(&gateway.address, request);
        assert_eq!(status(&mut reader), "HTTP/1.1 200");
        reader
    };
    let first = ask();
    let before = resident();
    let readers: Vec<_> = (0..READERS).map(|_| ask()).collect();
    // Answered after all of them have been written as much as their sockets take, or nearly.
    assert_eq!(gateway.ask("a/b 7").status.code(), Some(0));
    // What hyper writes ahead for each is up to 400 KiB, and the allocator keeps for a moment what was freed.
    let grown = resident().saturating_sub(before);
    let most = (READERS as u64) << 20;
    assert!(grown < most, "{} MiB for {READERS} readers", grown >> 20);
    drop((first, readers));
}

#[test]
fn a_head_that_is_too_large_leaves_a_line_that_says_which_limit_it_was() {
    let mut gateway = Gateway::start(&[]);
    let mut log = gateway.log();
    let upgrade = "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
    let cookies = format!("{upgrade}Cookie: a={}\r\n\r\n", "x".repeat(40_000));
    let lines: String = (0..110).map(|number| format!("X-{number}: 1\r\n")).collect();
    for (request, limit) in [
        (cookies, "`limits.request_head`"),
        (format!("{upgrade}{lines}\r\n"), "`limits.request_lines`"),
    ] {
        let mut stream = send(&gateway.address, &request);
        let peer = stream.local_addr().unwrap().to_string();
        assert_eq!(status(&mut stream), "HTTP/1.1 431");
        drop(stream);
        let told = log.find(|line| line.contains("request was refused")).expect("a line");
        assert!(told.contains(limit) && told.contains(&peer), "{told}");
    }
    let by = gateway.admin("/stats")["connections"]["failed-by"].clone();
    assert_eq!((by["head-bytes"].as_u64(), by["head-lines"].as_u64()), (Some(1), Some(1)), "{by}");
}

#[test]
fn a_refused_page_leaves_a_line_that_says_what_was_compared() {
    let mut gateway = Gateway::start(&[]);
    let mut log = gateway.log();
    let request = "GET /ws HTTP/1.1\r\nHost: 10.0.0.5:8080\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
                   Origin: https://app.example\r\n\r\n";
    assert_eq!(status(&mut send(&gateway.address, request)), "HTTP/1.1 403");
    let told = log.find(|line| line.contains("upgrade refused")).expect("a line");
    assert!(told.contains("`https://app.example`") && told.contains("`10.0.0.5:8080`"), "{told}");
}
