//! Requests to real servers on this machine, found by a resolver of the tests' own.

mod bodies;
mod places;
mod server;
mod tls;
mod where_to;

use crate::{Client, Resolve, Roots};
use futures_util::future::BoxFuture;
use server::Server;
use std::{
    io,
    net::IpAddr,
    sync::{Arc, Mutex},
    time::Duration,
};
use tengen_core::outgoing::{Asker, Outgoing, Request, Response};
use tengen_settings::{Host, RequestLimits};
use tengen_wire::{fault::Fault, id::PluginName};

/// Says what it is told to, one answer after the other, and notes what it is asked.
#[derive(Debug, Clone, Default)]
struct Names(Arc<Mutex<Book>>);

#[derive(Debug, Default)]
struct Book {
    /// The next one last.
    answers: Vec<Vec<IpAddr>>,
    asked: Vec<String>,
}

impl Names {
    fn saying(answers: &[&[&str]]) -> Self {
        let read = |answer: &&[&str]| answer.iter().map(|it| it.parse().unwrap()).collect();
        let answers = answers.iter().rev().map(read).collect();
        Self(Arc::new(Mutex::new(Book { answers, asked: Vec::new() })))
    }

    fn asked(&self) -> Vec<String> {
        self.0.lock().unwrap().asked.clone()
    }
}

impl Resolve for Names {
    fn resolve(&self, name: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let mut book = self.0.lock().unwrap();
        book.asked.push(name);
        let answer = book.answers.pop().ok_or_else(|| io::ErrorKind::NotFound.into());
        Box::pin(async { answer })
    }
}

/// A client, and what one plugin may do with it.
#[derive(Debug)]
struct Gate {
    client: Client,
    plugin: PluginName,
    hosts: Vec<Host>,
    limits: RequestLimits,
}

impl Gate {
    /// With a grant of private hosts if they end with `!`.
    fn new(names: &Names, grant: &[&str]) -> Self {
        Self::trusting(Roots::System, names, grant)
    }

    fn trusting(roots: Roots, names: &Names, grant: &[&str]) -> Self {
        let host = |text: &&str| match text.strip_suffix('!') {
            Some(text) => Host::read(text, true).unwrap(),
            None => Host::read(text, false).unwrap(),
        };
        Self {
            client: Client::new(Arc::new(names.clone()), roots),
            plugin: "p".into(),
            hosts: grant.iter().map(host).collect(),
            limits: RequestLimits { requests: 4, body: 10_000 },
        }
    }

    async fn ask(&self, request: Request) -> Result<Response, Fault> {
        let asker = Asker { plugin: &self.plugin, hosts: &self.hosts, limits: self.limits };
        self.client.begin(asker, request, None)?.exchange.await.value
    }

    async fn get(&self, url: &str) -> Result<Response, Fault> {
        self.ask(get(url)).await
    }
}

fn get(url: &str) -> Request {
    Request {
        method: "GET".into(),
        url: url.into(),
        timeout: Some(Duration::from_secs(20)),
        ..Request::default()
    }
}

fn text(response: &Response) -> &str {
    std::str::from_utf8(&response.body).unwrap()
}

#[tokio::test]
async fn a_request_comes_to_the_server_as_it_was_said_and_its_answer_comes_back() {
    let server = Server::start("127.0.0.1:0").await;
    let names = Names::saying(&[&["127.0.0.1"]]);
    let gate = Gate::new(&names, &[&server.grant("backend.internal")]);
    let request = Request {
        method: "POST".into(),
        headers: vec![("x-a".into(), vec![b'1'])],
        body: "hello".into(),
        ..get(&server.url("Backend.internal.", "/a?b"))
    };
    let answer = "HTTP/1.1 201 Created\r\nContent-Type: text/plain\r\nX-B: \u{e9}\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";
    let (asked, answered) = tokio::join!(server.answer(answer), gate.ask(request));
    let answered = answered.unwrap();
    let host = server.url("backend.internal", "").replace("http://", "host: ");
    for line in ["POST /a?b HTTP/1.1", "x-a: 1", &host, "connection: close", "content-length: 5"] {
        assert!(asked.contains(&format!("{line}\r\n")), "{line} in {asked}");
    }
    assert!(asked.ends_with("\r\n\r\nhello"), "{asked}");
    assert_eq!((answered.status, text(&answered)), (201, "ok"));
    let headers: Vec<_> = answered.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(headers, ["content-type", "x-b", "content-length"]);
    assert_eq!(answered.headers[1].1, "\u{e9}".as_bytes());
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_nobody_follows_it() {
    let (server, other) = (Server::start("127.0.0.1:0").await, Server::start("127.0.0.1:0").await);
    let names = Names::saying(&[]);
    let grant = [server.grant("127.0.0.1"), other.grant("127.0.0.1")];
    let gate = Gate::new(&names, &grant.each_ref().map(String::as_str));
    let to = other.url("127.0.0.1", "/");
    let answer = format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n");
    let url = server.url("127.0.0.1", "/");
    let (_, answered) = tokio::join!(server.answer(&answer), gate.get(&url));
    let answered = answered.unwrap();
    assert_eq!(answered.status, 302);
    assert!(answered.headers.contains(&("location".into(), to.into_bytes())));
    assert!(other.is_untouched().await);
}
