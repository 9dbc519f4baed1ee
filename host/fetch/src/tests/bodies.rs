//! Answers that are larger, longer or other than answers should be.

use super::{Gate, Names, get, server::Server, text};
use flate2::{Compression, write::GzEncoder};
use std::{
    io::Write,
    time::{Duration, Instant},
};
use tengen_core::outgoing::Request;
use tengen_wire::fault::FaultId;

async fn here() -> (Server, Gate, String) {
    let server = Server::start("127.0.0.1:0").await;
    let gate = Gate::new(&Names::default(), &[&server.grant("127.0.0.1")]);
    let url = server.url("127.0.0.1", "/");
    (server, gate, url)
}

async fn answered(answer: impl AsRef<[u8]>) -> Result<String, FaultId> {
    let (server, gate, url) = here().await;
    let (_, answered) = tokio::join!(server.answer(answer), gate.get(&url));
    answered.map(|it| format!("{} {}", it.status, text(&it))).map_err(|fault| fault.id)
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    let packed = encoder.finish().unwrap();
    let head = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: ";
    [head.as_bytes(), packed.len().to_string().as_bytes(), b"\r\n\r\n", &packed].concat()
}

#[tokio::test]
async fn a_body_may_come_in_every_way_that_servers_have() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\nX: y\r\n\r\n";
    assert_eq!(answered(chunked).await.unwrap(), "200 abc");
    assert_eq!(answered("HTTP/1.0 200 OK\r\n\r\nto the end").await.unwrap(), "200 to the end");
    assert_eq!(answered(packed(b"packed")).await.unwrap(), "200 packed");
    let early =
        "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 1\r\n\r\nn";
    assert_eq!(answered(early).await.unwrap(), "404 n");
}

#[tokio::test]
async fn what_was_unpacked_has_neither_the_length_nor_the_encoding_that_it_came_with() {
    let (server, gate, url) = here().await;
    let (_, answered) = tokio::join!(server.answer(packed(b"packed")), gate.get(&url));
    assert_eq!(answered.unwrap().headers, []);
}

#[tokio::test]
async fn a_body_that_never_ends_is_given_up_at_its_bound() {
    for head in ["HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"]
    {
        let (server, gate, url) = here().await;
        let chunk = format!("400\r\n{}\r\n", "x".repeat(0x400));
        let endless = server.answer_without_end(head, chunk.as_bytes());
        let ((), answered) = tokio::join!(endless, gate.get(&url));
        assert_eq!(answered.unwrap_err().id, FaultId::TooLarge);
        assert_eq!(gate.client.places.of("p"), (0, 0));
    }
}

#[tokio::test]
async fn a_body_that_says_it_is_too_large_is_not_read() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 10001\r\n\r\n";
    assert_eq!(answered(head).await, Err(FaultId::TooLarge));
}

#[tokio::test]
async fn a_body_that_grows_when_it_is_unpacked_is_given_up_at_its_bound() {
    assert_eq!(answered(packed(&[b'x'; 10_000])).await.unwrap().len(), 10_004);
    assert_eq!(answered(packed(&[b'x'; 10_001])).await, Err(FaultId::TooLarge));
    assert_eq!(answered(packed(&vec![0; 50_000_000])).await, Err(FaultId::TooLarge));
}

#[tokio::test]
async fn an_answer_that_stops_is_waited_for_as_long_as_the_request_may_take() {
    let parts = [
        "",
        "HTTP/1.1 200",
        "HTTP/1.1 200 OK\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab",
    ];
    for part in parts {
        let (server, gate, url) = here().await;
        let request = Request { timeout: Some(Duration::from_millis(100)), ..get(&url) };
        let began = Instant::now();
        let ((), answered) = tokio::join!(server.answer_in_part(part), gate.ask(request));
        // On whatever machine.
        assert!(began.elapsed() < Duration::from_secs(20), "{part}: {:?}", began.elapsed());
        let fault = answered.unwrap_err();
        assert_eq!(fault.id, FaultId::Timeout, "{part}");
        assert!(fault.message.contains("within 100 ms"), "{fault:?}");
        assert_eq!(gate.client.places.of("p"), (0, 0));
    }
}

#[tokio::test]
async fn a_head_has_so_many_headers_and_bytes() {
    let lines = |count| "x: y\r\n".repeat(count);
    let (fits, many) = (lines(99), lines(101));
    let head = |lines: &str| format!("HTTP/1.1 200 OK\r\n{lines}content-length: 0\r\n\r\n");
    assert_eq!(answered(head(&fits)).await.unwrap(), "200 ");
    assert_eq!(answered(head(&many)).await, Err(FaultId::TooLarge));
    let (server, gate, url) = here().await;
    let endless = server.answer_without_end("HTTP/1.1 200 OK\r\nx: ", &[b'y'; 4096]);
    let ((), answered) = tokio::join!(endless, gate.get(&url));
    assert_eq!(answered.unwrap_err().id, FaultId::TooLarge);
}

#[tokio::test]
async fn what_is_no_answer_is_told_as_such() {
    let odd = [
        "",
        "SSH-2.0-OpenSSH\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nnot packed",
    ];
    for answer in odd {
        assert_eq!(answered(answer).await, Err(FaultId::Unreachable), "{answer}");
    }
}
