//! Sente over Ajax: polls that wait, and messages beside them, as unmodified clients send them.

mod bounds;
mod browser;
mod ending;
mod refused;
mod whose;

use anyhow::{Context, Result, ensure};
use http::Method;
use serde_json::Value;
use std::{net::SocketAddr, time::Duration};
use support::{
    events::{Answer, ask},
    gateway,
    peer::Peer,
};
use tengen_settings::Settings;

const NOTHING: &str = "[:chsk/timeout nil]";
const TAKEN: &str = "[:chsk/dummy-cb-200 nil]";

/// How often it is looked whether something has come true.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What each request of a client of 1.22 has.
const HEADERS: [(&str, &str); 2] =
    [("x-csrf-token", "csrf-1"), ("x-requested-with", "XMLHTTPRequest")];
/// What those have besides that send something.
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded;charset=UTF-8");

/// One client instance.
pub(crate) struct Ajax {
    address: SocketAddr,
    /// Its own parameters, and its name.
    params: String,
}

impl Ajax {
    fn new(gateway: &gateway::Running, params: &str) -> Self {
        Self { address: gateway.address(), params: params.to_owned() }
    }

    /// The same, greeted.
    pub(crate) async fn open(gateway: &gateway::Running, params: &str) -> Result<Self> {
        let client = Self::new(gateway, params);
        let greeting = client.greeting().await?;
        ensure!(greeting.starts_with("[[:chsk/handshake ["), "{greeting}");
        ensure!(greeting.ends_with("}]] nil]"), "{greeting}");
        Ok(client)
    }

    async fn get(&self, more: &str) -> Result<Answer> {
        let path = format!("/chsk?udt=1795639949257&{}{more}", self.params);
        ask(self.address, Method::GET, &path, &HEADERS, "").await
    }

    async fn greeting(&self) -> Result<String> {
        body(self.get("&handshake%3F=1").await?)
    }

    /// What the next poll hears.
    pub(crate) async fn poll(&self) -> Result<String> {
        body(self.get("").await?)
    }

    /// A poll that waits at the gateway for certain: of two, the one that was not told that there is nothing.
    async fn waiting(&self) -> Result<Peer> {
        let get = format!(
            "GET /chsk?{} HTTP/1.1\r\nHost: {}\r\nX-Requested-With: XMLHTTPRequest\r\n\r\n",
            self.params, self.address
        );
        let mut one = Peer::connect(self.address).await?;
        let mut other = Peer::connect(self.address).await?;
        for peer in [&mut one, &mut other] {
            peer.send(get.as_bytes()).await?;
        }
        let (told, is_one) = tokio::select! {
            told = one.answer() => (told?, true),
            told = other.answer() => (told?, false),
        };
        ensure!(told.body == NOTHING, "{told:?}");
        Ok(if is_one { other } else { one })
    }

    /// Sends a packed event, and returns what its request is answered.
    pub(crate) async fn send(&self, packed: &str) -> Result<String> {
        body(self.post(packed).await?)
    }

    async fn post(&self, packed: &str) -> Result<Answer> {
        let form = format!("udt=1795639950783&{}&ppstr={}", self.params, form(packed));
        let headers = [HEADERS[0], HEADERS[1], FORM];
        ask(self.address, Method::POST, "/chsk", &headers, form).await
    }
}

/// As `encodeURIComponent` writes it.
fn form(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(byte);
    let escaped = |byte: u8| match plain(&byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(escaped).collect()
}

fn body(answer: Answer) -> Result<String> {
    ensure!(answer.status == 200, "{}: {}", answer.status, answer.body);
    Ok(answer.body)
}

fn stat(gateway: &gateway::Running, pointer: &str) -> u64 {
    let stats = gateway.gateway.stats();
    stats.pointer(pointer).and_then(Value::as_u64).unwrap_or_default()
}

/// Waits until a number is there.
async fn until(gateway: &gateway::Running, pointer: &str, number: u64) -> Result<()> {
    let there = async {
        while stat(gateway, pointer) != number {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let patience = Duration::from_secs(30);
    tokio::time::timeout(patience, there)
        .await
        .with_context(|| format!("{pointer} is not {number}: {}", gateway.gateway.stats()))
}

// Requests and answers of an unmodified ClojureScript client (1.22-RC1) and Sente's own server, but for the handshake's data.
#[tokio::test]
async fn an_unmodified_clients_requests_are_answered_as_by_sentes_server() -> Result<()> {
    let gateway = gateway::start(Settings::default()).await?;
    let get = async |path: &str| ask(gateway.address(), Method::GET, path, &HEADERS, "").await;
    let greeting = get("/chsk?token=t&udt=1795639949257&client-id=cljs-1&handshake%3F=1").await?;
    assert_eq!(greeting.status, 200);
    assert_eq!(greeting.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(greeting.header("cache-control"), Some("no-store"));
    let said = &greeting.body;
    assert!(said.starts_with("[[:chsk/handshake [:sente/nil-uid nil {:connection "), "{said}");
    assert!(said.ends_with("}]] nil]"), "{said}");
    let post = async |form: &'static str| {
        let headers = [HEADERS[0], HEADERS[1], FORM];
        let answer = ask(gateway.address(), Method::POST, "/chsk", &headers, form).await?;
        assert_eq!(answer.header("content-length"), Some(&*answer.body.len().to_string()));
        body(answer)
    };
    let noreply = "udt=1795639950783&client-id=cljs-1&ppstr=%5B%5B%3Amy%2Fnoreply%20%7B%3Ax%20%23%7B1%20%3Ak%20%22%C3%A9%F0%9F%98%80%22%7D%2C%20%3Ar%201.5%7D%5D%20nil%5D";
    let (poll, taken) =
        tokio::join!(get("/chsk?token=t&udt=1795639949298&client-id=cljs-1"), post(noreply),);
    assert_eq!(taken?, TAKEN);
    // The built-in echo pushes what wants no reply.
    assert_eq!(body(poll?)?, "[[[:my/noreply {:x #{1 :k \"é😀\"}, :r 1.5}]] nil]");
    let ask = "udt=1795639950792&client-id=cljs-1&ppstr=%5B%5B%3Amy%2Fask%20%7B%3Aq%20%5B1%202.5%20%3Ak%20nil%20true%5D%7D%5D%20%3Aajax%5D";
    assert_eq!(post(ask).await?, "[{:q [1 2.5 :k nil true]} nil]");
    let inst = "udt=1795639950794&client-id=cljs-1&ppstr=%5B%5B%3Amy%2Finst%20%7B%3Ainst%20%23inst%20%221970-01-01T00%3A00%3A00.000-00%3A00%22%2C%20%3Auuid%20%23uuid%20%2212345678-9abc-def0-1234-56789abcdef0%22%2C%20%3Asym%20a%2Fb%2C%20%3Aset%20%23%7B1%202%7D%2C%20nil%201%2C%20%5B1%202%5D%20%3Av%2C%20%3Anan%20%23%23NaN%2C%20%3Al%20(1%202)%7D%5D%20%3Aajax%5D";
    let values = "{:inst #inst \"1970-01-01T00:00:00.000-00:00\", :uuid #uuid \"12345678-9abc-def0-1234-56789abcdef0\", :sym a/b, :set #{1 2}, nil 1, [1 2] :v, :nan ##NaN, :l (1 2)}";
    assert_eq!(post(inst).await?, format!("[{values} nil]"));
    let stats = gateway.gateway.stats();
    assert_eq!(stats["connections"]["open"], 1, "{stats}");
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn clients_of_every_generation_ask_and_are_told() -> Result<()> {
    let gateway = gateway::start(Settings::default()).await?;
    let client = Ajax::open(&gateway, "uid=alice&client-id=c1&csrf-token=x").await?;
    for (sent, answer) in [
        ("+[[:my/ask {:a 1}] 0]", "[{:a 1} nil]"),
        ("[[:my/ask {:a 1}] 0]", "[{:a 1} nil]"),
        ("[[:my/ask {:a 1}] :ajax]", "[{:a 1} nil]"),
        ("[[:my/ask {:a 1}] \"615287\"]", "[{:a 1} nil]"),
        ("[[:chsk/ws-ping] :ajax]", "[\"pong\" nil]"),
        ("[[:chsk/ws-ping]]", TAKEN),
        ("[[:chsk/ws-pong] nil]", TAKEN),
        ("[[:no-namespace 1] :ajax]", "[:chsk/error nil]"),
        ("[[:my/x 1", "[:chsk/error nil]"),
    ] {
        assert_eq!(client.send(sent).await?, answer, "{sent}");
    }
    // Why two of them failed is heard beside, in one answer or two.
    let mut told = client.poll().await?;
    if told.matches(":tengen/error").count() < 2 {
        told += &client.poll().await?;
    }
    assert_eq!(told.matches(":id \"malformed\"").count(), 2, "{told}");
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn what_comes_between_two_polls_is_heard_by_the_next_one() -> Result<()> {
    let gateway = gateway::start(Settings::default()).await?;
    let client = Ajax::open(&gateway, "client-id=c1").await?;
    for number in 1..=3 {
        assert_eq!(client.send(&format!("[[:my/tell {number}] nil]")).await?, TAKEN);
    }
    // A question is answered behind them.
    assert_eq!(client.send("[[:my/ask 4] :ajax]").await?, "[4 nil]");
    assert_eq!(client.poll().await?, "[[[:my/tell 1] [:my/tell 2] [:my/tell 3]] nil]");
    let (waiting, sent) = tokio::join!(client.poll(), client.send("[[:my/tell 5] nil]"));
    assert_eq!((waiting?.as_str(), sent?.as_str()), ("[[[:my/tell 5]] nil]", TAKEN));
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn a_poll_for_which_there_is_nothing_is_told_so() -> Result<()> {
    let mut settings = Settings::default();
    settings.limits.unauthenticated = Duration::from_millis(500);
    let gateway = gateway::start(settings).await?;
    let client = Ajax::open(&gateway, "client-id=c1").await?;
    let started = std::time::Instant::now();
    assert_eq!(client.poll().await?, NOTHING);
    assert!(started.elapsed() >= Duration::from_secs(2), "{:?}", started.elapsed());
    assert_eq!(client.send("[[:my/ask 1] :ajax]").await?, "[1 nil]");
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn requests_follow_each_other_on_one_connection() -> Result<()> {
    let gateway = gateway::start(Settings::default()).await?;
    let get = |more: &str| {
        format!("GET /chsk?client-id=c1{more} HTTP/1.1\r\nHost: a\r\nX-Requested-With: x\r\n\r\n")
    };
    let post = |packed: &str| {
        let form = format!("client-id=c1&ppstr={}", form(packed));
        let (media, length) = (FORM.1, form.len());
        format!(
            "POST /chsk HTTP/1.1\r\nHost: a\r\nX-Requested-With: x\r\nContent-Type: {media}\r\nContent-Length: {length}\r\n\r\n{form}"
        )
    };
    let mut peer = Peer::connect(gateway.address()).await?;
    for (request, answer) in [
        (get("&handshake%3F=1"), "[[:chsk/handshake"),
        (post("[[:my/tell 1] nil]"), TAKEN),
        (get(""), "[[[:my/tell 1]] nil]"),
        (post("[[:my/tell 2] nil]"), TAKEN),
        (post("[[:my/ask 3] :ajax]"), "[3 nil]"),
        (get(""), "[[[:my/tell 2]] nil]"),
    ] {
        peer.send(request.as_bytes()).await?;
        let answered = peer.answer().await?;
        assert_eq!(answered.status, 200, "{answered:?}");
        assert!(answered.body.starts_with(answer), "{answered:?}");
    }
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn a_message_of_any_size_that_may_be_is_taken_and_its_echo_heard() -> Result<()> {
    let gateway = gateway::start(Settings::default()).await?;
    let client = Ajax::open(&gateway, "client-id=c1").await?;
    // Each character takes six bytes of the form.
    let text = "é".repeat(400_000);
    let answer = client.send(&format!("[[:my/ask \"{text}\"] :ajax]")).await?;
    assert_eq!(answer, format!("[\"{text}\" nil]"));
    assert_eq!(client.send(&format!("[[:my/tell \"{text}\"] nil]")).await?, TAKEN);
    assert_eq!(client.poll().await?, format!("[[[:my/tell \"{text}\"]] nil]"));
    gateway.drain().await;
    Ok(())
}
