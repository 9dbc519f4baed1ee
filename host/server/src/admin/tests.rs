//! The admin listener over real sockets, asked by its own client and by raw requests.

use super::{
    client::{Client, ClientError},
    *,
};
use std::sync::atomic::{AtomicBool, Ordering};
use tengen_core::meter::Metric;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

#[derive(Debug)]
struct Fake {
    ready: AtomicBool,
    /// Reloads of `slow` begin with one, and end with the other.
    begun: Semaphore,
    go_on: CancellationToken,
}

impl Default for Fake {
    fn default() -> Self {
        let (ready, begun) = (AtomicBool::new(false), Semaphore::new(0));
        Self { ready, begun, go_on: CancellationToken::new() }
    }
}

impl Source for Fake {
    fn ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }

    fn samples(&self) -> Samples {
        let mut samples = Samples::default();
        samples.add(Metric::OpenConnections, &[], 7_u64);
        samples
    }

    fn health(&self) -> BTreeMap<String, &'static str> {
        [("chat".to_owned(), "breaker-open")].into()
    }

    fn stats(&self) -> Value {
        json!({ "connections": 7 })
    }

    fn plugins(&self) -> Value {
        json!([{ "name": "chat", "state": "serving" }])
    }

    fn reload<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Value, String>> {
        Box::pin(async move {
            match name {
                "chat" => Ok(json!({ "name": name, "reloads": 1 })),
                "slow" => {
                    self.begun.add_permits(1);
                    self.go_on.cancelled().await;
                    Ok(json!({ "name": name }))
                }
                _ => Err(format!("there is no plugin `{name}`")),
            }
        })
    }

    fn sinks(&self) -> Value {
        json!({ "sinks": {} })
    }

    fn order<'a>(
        &'a self,
        order: &'a str,
        wishes: Vec<(String, String)>,
    ) -> BoxFuture<'a, Result<Value, String>> {
        Box::pin(async move {
            match order {
                "filter" => Ok(json!(wishes)),
                _ => Err(format!("`{order}` is no order")),
            }
        })
    }
}

struct Running {
    address: SocketAddr,
    source: Arc<Fake>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

async fn start(keys: &[&str]) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (source, tasks, stop) =
        (Arc::new(Fake::default()), TaskTracker::new(), CancellationToken::new());
    let keys = keys.iter().map(|key| settings::Secret((*key).into())).collect();
    let settings = settings::Admin { keys, ..settings::Admin::default() };
    tasks.spawn(serve(listener, Arc::clone(&source) as _, settings, tasks.clone(), stop.clone()));
    Running { address, source, stop, tasks }
}

impl Running {
    /// Sends a request as it stands; the whole answer.
    async fn raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    async fn get(&self, path: &str) -> String {
        self.raw(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await
    }

    async fn end(self) {
        self.stop.cancel();
        self.tasks.close();
        tokio::time::timeout(Duration::from_secs(5), self.tasks.wait())
            .await
            .expect("every task ends");
    }
}

#[tokio::test]
async fn health_is_always_there_and_readiness_follows_the_gateway() {
    let admin = start(&[]).await;
    assert!(admin.get("/healthz").await.starts_with("HTTP/1.1 200 OK\r\n"));
    assert!(admin.get("/readyz").await.starts_with("HTTP/1.1 503 "));
    admin.source.ready.store(true, Ordering::Relaxed);
    let answer = admin.get("/readyz").await;
    let body = "{\"plugins\":{\"chat\":\"breaker-open\"},\"ready\":true}\n";
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with(body), "{answer}");
    admin.end().await;
}

#[tokio::test]
async fn a_probe_under_another_name_learns_whether_and_not_which_plugins() {
    let admin = start(&[]).await;
    admin.source.ready.store(true, Ordering::Relaxed);
    for headers in [
        "Host: tengen:8081\r\n",
        "Host: localhost\r\nOrigin: https://evil.example\r\n",
        "Host: evil.example\r\n",
    ] {
        let answer = admin.raw(&format!("GET /readyz HTTP/1.1\r\n{headers}\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.ends_with("\r\n\r\n{\"ready\":true}\n"), "{headers}: {answer}");
    }
    admin.source.ready.store(false, Ordering::Relaxed);
    let answer = admin.raw("GET /readyz HTTP/1.1\r\nHost: tengen:8081\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    admin.end().await;
}

#[tokio::test]
async fn the_client_reads_statistics_and_plugins() {
    let admin = start(&[]).await;
    let client = Client::new(admin.address);
    assert_eq!(client.stats().await.unwrap(), json!({ "connections": 7 }));
    assert_eq!(client.plugins().await.unwrap()[0]["name"], "chat");
    admin.end().await;
}

#[tokio::test]
async fn a_reload_needs_a_key_and_says_what_came_of_it() {
    let admin = start(&["k"]).await;
    let client = Client::new(admin.address);
    assert_eq!(client.reload("chat", Some("k")).await.unwrap()["reloads"], 1);
    for (name, key, status) in
        [("chat", None, 401), ("chat", Some("x"), 401), ("nobody", Some("k"), 409)]
    {
        match client.reload(name, key).await {
            Err(ClientError::Refused { status: refused, why }) => {
                assert_eq!(refused.as_u16(), status, "{why}");
                assert!(!why.is_empty());
            }
            other => panic!("{other:?}"),
        }
    }
    admin.end().await;
}

#[tokio::test]
async fn without_keys_nothing_can_be_changed() {
    let admin = start(&[]).await;
    let refused =
        Client::new(admin.address).reload("chat", Some("k")).await.unwrap_err().to_string();
    assert!(refused.contains("403") && refused.contains("`admin.keys` is empty"), "{refused}");
    admin.end().await;
}

#[tokio::test]
async fn a_name_that_points_at_us_and_a_foreign_page_are_refused() {
    let admin = start(&[]).await;
    let rebound = admin.raw("GET /stats HTTP/1.1\r\nHost: evil.example\r\n\r\n").await;
    assert!(
        rebound.starts_with("HTTP/1.1 421 ") && !rebound.contains("connections\""),
        "{rebound}"
    );
    let foreign = "GET /stats HTTP/1.1\r\nHost: localhost\r\nOrigin: https://evil.example\r\n\r\n";
    assert!(admin.raw(foreign).await.starts_with("HTTP/1.1 403 "));
    let wrong_method =
        admin.raw("DELETE /stats HTTP/1.1\r\nHost: localhost\r\n\r\n").await.to_lowercase();
    assert!(
        wrong_method.starts_with("http/1.1 405 ")
            && wrong_method.contains("\r\nallow: get, head\r\n")
    );
    admin.end().await;
}

#[tokio::test]
async fn more_callers_than_places_are_all_answered() {
    let admin = start(&[]).await;
    let mut callers = Vec::new();
    for _ in 0..CONNECTIONS * 2 {
        let mut caller = TcpStream::connect(admin.address).await.unwrap();
        caller.write_all(b"GET /stats HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        callers.push(caller);
    }
    for mut caller in callers {
        let mut answer = String::new();
        caller.read_to_string(&mut answer).await.unwrap();
        assert!(answer.contains(" 200 OK\r\n"), "{answer}");
    }
    admin.end().await;
}

#[tokio::test]
async fn a_probe_is_answered_without_a_host_under_http_1_0_and_under_every_name() {
    let admin = start(&[]).await;
    for head in [
        "GET /healthz HTTP/1.0",
        "GET /healthz HTTP/1.1",
        "GET /healthz HTTP/1.1\r\nHost: tengen.prod.svc.cluster.local:8081",
        "HEAD /healthz HTTP/1.0\r\nHost: tengen_backend",
        "GET http://elsewhere.example/healthz HTTP/1.1\r\nHost: 10.1.2.3",
    ] {
        let answer = admin.raw(&format!("{head}\r\n\r\n")).await;
        assert!(answer.contains(" 200 OK\r\n"), "{head}: {answer}");
        let stats = admin.raw(&format!("{}\r\n\r\n", head.replace("healthz", "stats"))).await;
        assert!(stats.contains(" 421 "), "{head}: {stats}");
    }
    admin.end().await;
}

#[tokio::test]
async fn silent_callers_keep_no_probe_waiting() {
    let admin = start(&[]).await;
    let mut silent = Vec::new();
    for number in 0..CONNECTIONS * 2 {
        let mut stream = TcpStream::connect(admin.address).await.unwrap();
        if number % 2 == 0 {
            stream.write_all(b"GET /healthz HTT").await.unwrap();
        }
        silent.push(stream);
    }
    let asked = std::time::Instant::now();
    assert!(admin.get("/healthz").await.contains("200 OK"));
    assert!(asked.elapsed() < RULES.times.head, "it waited until they were cut off");
    drop(silent);
    admin.end().await;
}

#[tokio::test]
async fn calls_that_last_leave_the_probes_their_places() {
    let admin = start(&["k"]).await;
    let client = Client::new(admin.address);
    let calls =
        futures_util::future::join_all((0..CALLS).map(|_| client.reload("slow", Some("k"))));
    let others = async {
        let all = u32::try_from(CALLS).unwrap();
        admin.source.begun.acquire_many(all).await.unwrap().forget();
        let refused = client.stats().await.unwrap_err().to_string();
        assert!(refused.contains("503") && refused.contains("try again later"), "{refused}");
        assert!(admin.get("/healthz").await.contains("200 OK"));
        admin.source.go_on.cancel();
    };
    let (calls, ()) = tokio::join!(calls, others);
    assert!(calls.into_iter().all(|call| call.is_ok()), "who had a place is answered");
    assert_eq!(client.stats().await.unwrap()["connections"], 7);
    admin.end().await;
}

#[tokio::test]
async fn a_caller_that_says_nothing_does_not_hold_up_the_end() {
    let admin = start(&[]).await;
    let silent = TcpStream::connect(admin.address).await.unwrap();
    assert!(admin.get("/healthz").await.contains("200 OK"));
    let began = std::time::Instant::now();
    admin.end().await;
    // A head has five seconds.
    assert!(began.elapsed() < std::time::Duration::from_secs(4), "{:?}", began.elapsed());
    drop(silent);
}

#[tokio::test]
async fn nobody_there_is_said_with_a_remedy() {
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = Client::new(address).stats().await.unwrap_err().to_string();
    assert!(error.contains("is the gateway running"), "{error}");
}
