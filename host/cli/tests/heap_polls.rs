//! What a client costs of our own memory that polls and hears nothing, with its session, its HTTP connection and all that is
//! between them, counted by the allocator itself in a whole gateway.

#[path = "../../../tests/support/heap.rs"]
#[expect(unreachable_pub, reason = "the tests of the whole gateway reach it")]
mod counting;

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};
use tengen_server::gateway::{Gateway, Options};
use tengen_settings::Settings;

const CLIENTS: usize = 400;
/// Bytes of one, in a build for tests. hyper's buffers alone would be 16,384 of them.
const MOST: usize = 8_500;
const PATIENCE: Duration = Duration::from_secs(60);

fn ask(stream: &mut TcpStream, client: usize, more: &str) -> io::Result<()> {
    let path = format!("/chsk?udt=1795639949257&client-id=c{client}{more}");
    // As a browser sends it.
    let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0";
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: a.example\r\nUser-Agent: {agent}\r\nAccept: */*\r\nAccept-Language: en\r\n\
         X-Requested-With: XMLHTTPRequest\r\nX-CSRF-Token: 0123456789abcdef\r\nCookie: session=0123456789abcdef\r\n\r\n"
    );
    stream.write_all(head.as_bytes())
}

/// An answer, which comes in one write.
fn hear(stream: &mut TcpStream) -> io::Result<String> {
    let mut answer = [0; 2048];
    let length = stream.read(&mut answer)?;
    Ok(String::from_utf8_lossy(answer.get(..length).unwrap_or_default()).into_owned())
}

/// A client that was greeted and whose poll waits.
fn poll(address: SocketAddr, client: usize) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    ask(&mut stream, client, "&handshake%3F=1")?;
    let greeting = hear(&mut stream)?;
    assert!(greeting.contains("[[:chsk/handshake "), "{greeting}");
    ask(&mut stream, client, "")?;
    Ok(stream)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_client_that_polls_costs_little_while_it_hears_nothing() {
    let mut settings = Settings::default();
    settings.server.listen = ([127, 0, 0, 1], 0).into();
    let gateway = Gateway::start(settings, Options::default()).await.expect("it starts");
    let address = gateway.address();
    // What is made once, by whoever comes first.
    let mut first: Vec<_> =
        (0..10).map(|client| poll(address, client).expect("it polls")).collect();
    settles().await;
    let before = counting::live();
    let clients: Vec<_> =
        (10..10 + CLIENTS).map(|client| poll(address, client).expect("it polls")).collect();
    let held = settles().await.saturating_sub(before);
    let each = held / CLIENTS;
    println!("an idle client that polls: {each} bytes of heap");
    assert!(each <= MOST, "{each} bytes");
    // They hear what comes, each on the connection that it has polled by, and poll on.
    for (client, stream) in first.iter_mut().enumerate() {
        let mut other = TcpStream::connect(address).expect("it connects");
        let form = format!("client-id=c{client}&ppstr=%5B%5B%3Aa%2Fb%201%5D%20nil%5D");
        let post = format!(
            "POST /chsk HTTP/1.1\r\nHost: a\r\nX-Requested-With: x\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\n\r\n{form}",
            form.len()
        );
        other.write_all(post.as_bytes()).expect("it is taken");
        let answer = hear(stream).expect("it is answered");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.ends_with("\r\n\r\n[[[:a/b 1]] nil]"), "{answer}");
        ask(stream, client, "").expect("it polls again");
    }
    drop((clients, first, gateway));
}

/// Waits until nothing is allocated any more, and says what is.
async fn settles() -> usize {
    let started = Instant::now();
    let mut last = (counting::live(), 0);
    while last.1 < 5 {
        assert!(started.elapsed() < PATIENCE, "it goes on");
        tokio::time::sleep(Duration::from_millis(40)).await;
        let live = counting::live();
        last = if live == last.0 { (live, last.1 + 1) } else { (live, 0) };
    }
    last.0
}
