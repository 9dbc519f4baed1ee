//! The line client against a small gateway of its own, over a real socket.

use crate::{self as cli, Exit, Io};
use futures_util::{SinkExt, StreamExt};
use std::{
    io::{Cursor, Write},
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};
use tengen_engine::Compiler;
use tengen_server::gateway::{Gateway, Options};
use tengen_settings::Settings;
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::{
    Message,
    handshake::server::{ErrorResponse, Request, Response},
    protocol::CloseFrame,
};

/// What a command wrote.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Written {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

async fn connect(address: SocketAddr, args: &[&str], input: &str) -> (Exit, String, String) {
    let (out, err) = (Written::default(), Written::default());
    let io = Io {
        out: Box::new(out.clone()),
        err: Box::new(err.clone()),
        input: Box::new(Cursor::new(input.to_owned().into_bytes())),
        env: Box::new(|_| None),
        compiler: Compiler::InProcess,
    };
    let url = format!("ws://{address}/ws");
    let line = ["tengen", "connect", &url].into_iter().chain(args.iter().copied());
    let exit = cli::run(line.map(Into::into), io).await;
    (exit, out.text(), err.text())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    Echoes,
    /// Even the answer to its own ping.
    EchoesAll,
    Closes,
}

/// Takes one connection; answers what has a callback with its own frame, and pushes everything else back.
#[expect(clippy::disallowed_methods, reason = "a test's own server, which ends with its runtime")]
async fn server(how: How) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    #[expect(clippy::result_large_err, reason = "the library's own type")]
    let accept = |request: &Request, mut answer: Response| -> Result<Response, ErrorResponse> {
        let offered = request.headers()["sec-websocket-protocol"].to_str().unwrap();
        if offered.contains("tengen.token.bad") {
            let mut refused = ErrorResponse::new(Some("who are you?".into()));
            *refused.status_mut() = http::StatusCode::UNAUTHORIZED;
            return Err(refused);
        }
        answer.headers_mut().insert("sec-websocket-protocol", "tengen.v1.json".parse().unwrap());
        Ok(answer)
    };
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let Ok(mut socket) = tokio_tungstenite::accept_hdr_async(stream, accept).await else {
            return;
        };
        socket.send(Message::text(r#"[["chsk/handshake",["ada",null,{}]],null]"#)).await.unwrap();
        socket.send(Message::text(r#"["chsk/ws-ping",null]"#)).await.unwrap();
        if how == How::Closes {
            let frame = CloseFrame { code: 4000.into(), reason: "slow-consumer".into() };
            socket.close(Some(frame)).await.unwrap();
        }
        while let Some(Ok(Message::Text(text))) = socket.next().await {
            let frame: serde_json::Value = serde_json::from_str(&text).unwrap();
            if how == How::Echoes && frame[0][0] == "chsk/ws-pong" {
                continue;
            }
            if frame[0][0] == "fault/made" {
                let fault = r#"{"id":"not-allowed"}"#;
                let frame = match &frame[1] {
                    serde_json::Value::Null => format!(r#"[[["tengen/error",{fault}]],null]"#),
                    callback => format!(r#"[{{"tengen/error":{fault}}},{callback}]"#),
                };
                socket.send(Message::text(frame)).await.unwrap();
                continue;
            }
            let reply = match &frame[1] {
                serde_json::Value::Null => format!("[[{}],null]", frame[0]),
                callback => format!("[{frame},{callback}]"),
            };
            socket.send(Message::text(reply)).await.unwrap();
        }
    });
    address
}

#[tokio::test]
async fn what_is_asked_is_answered_and_ends_the_program() {
    let (exit, out, err) =
        connect(server(How::Echoes).await, &["--ask", r#"a/b {"x":1}"#], "").await;
    assert_eq!((exit, out.as_str()), (Exit::Ok, "= a/b [[\"a/b\",{\"x\":1}],\"c1\"]\n"), "{err}");
    assert!(err.contains("connected: [\"ada\",null,{}]"), "{err}");
}

#[tokio::test]
async fn lines_are_read_and_a_count_ends_the_program() {
    let lines = "room/say {\"n\":1}\nnonsense\n\n? room/who\n";
    let (exit, out, err) = connect(server(How::Echoes).await, &["--count", "2"], lines).await;
    assert_eq!(exit, Exit::Ok, "{err}");
    assert_eq!(out, "room/say {\"n\":1}\n= room/who [[\"room/who\"],\"c1\"]\n", "{err}");
    assert!(err.contains("`nonsense` is not an event id"), "{err}");
}

#[tokio::test]
async fn what_comes_back_to_what_was_only_sent_is_shown() {
    let (exit, out, err) =
        connect(server(How::Echoes).await, &["--send", "room/say 1", "--send", "b/c"], "").await;
    assert_eq!((exit, out.as_str()), (Exit::Ok, "room/say 1\nb/c null\n"), "{err}");
    let (exit, out, err) = connect(server(How::Echoes).await, &[], "room/say 1\n").await;
    assert_eq!((exit, out.as_str()), (Exit::Ok, "room/say 1\n"), "{err}");
}

#[tokio::test]
async fn a_fault_has_an_exit_code_of_its_own() {
    for args in [["--ask", "fault/made"], ["--send", "fault/made"]] {
        let (exit, out, err) = connect(server(How::Echoes).await, &args, "").await;
        assert_eq!(exit, Exit::Fault, "{args:?}: {err}");
        assert!(out.contains("not-allowed"), "{args:?}: {out}");
    }
    let (exit, _, _) =
        connect(server(How::Echoes).await, &["--count", "1"], "? fault/made\n").await;
    assert_eq!(exit, Exit::Fault);
    assert_eq!(
        format!("{:?}", std::process::ExitCode::from(Exit::Fault)),
        format!("{:?}", std::process::ExitCode::from(3)),
    );
}

#[tokio::test]
async fn the_gateways_ping_is_answered_and_not_shown() {
    let (exit, out, err) = connect(server(How::EchoesAll).await, &["--count", "1"], "").await;
    assert_eq!((exit, out.as_str()), (Exit::Ok, "chsk/ws-pong null\n"), "{err}");
}

#[tokio::test]
async fn the_end_of_the_lines_ends_the_program() {
    let (exit, _, err) = connect(server(How::Echoes).await, &[], "").await;
    assert_eq!(exit, Exit::Ok, "{err}");
}

#[tokio::test]
async fn too_few_in_time_is_a_failure() {
    let (exit, _, err) =
        connect(server(How::Echoes).await, &["--count", "9", "--timeout", "50ms"], "").await;
    assert_eq!(exit, Exit::Failed);
    assert!(err.contains("of 9 arrived"), "{err}");
}

#[tokio::test]
async fn a_close_by_the_gateway_is_a_failure_with_its_code() {
    let (exit, _, err) = connect(server(How::Closes).await, &["--follow"], "").await;
    assert_eq!(exit, Exit::Failed);
    assert!(err.contains("closed the connection: 4000 (slow-consumer)"), "{err}");
}

#[tokio::test]
async fn a_refusal_shows_the_gateways_words() {
    let (exit, _, err) =
        connect(server(How::Echoes).await, &["--token", "bad", "--count", "1"], "").await;
    assert_eq!(exit, Exit::Failed);
    assert!(err.contains("the gateway refused: 401 Unauthorized: who are you?"), "{err}");
}

#[tokio::test]
async fn nobody_there_and_a_wrong_address_are_told_apart() {
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let (exit, _, err) = connect(address, &["--ask", "a/b"], "").await;
    assert_eq!(exit, Exit::Failed);
    assert!(err.contains("cannot connect to") && err.contains("because:"), "{err}");
    let (exit, _, err) = connect(address, &["--ask", "nonsense"], "").await;
    assert_eq!(exit, Exit::Wrong, "{err}");
}

#[tokio::test]
async fn a_real_gateway_is_spoken_with_in_every_format() {
    let mut settings = Settings { admin: None, ..Settings::default() };
    settings.server.listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let gateway = Gateway::start(settings, Options::default()).await.unwrap();
    for (format, data) in [
        ("json", r#"{"x":[1,"a"]}"#),
        ("edn", r#"{:x [1 "a"]}"#),
        ("transit", r#"{:x [1 "a"]}"#),
        ("msgpack", r#"{"x":[1,"a"]}"#),
    ] {
        let (said, asked) = (format!("a/b {data}"), format!("c/d {data}"));
        let args = ["--format", format, "--send", &said, "--ask", &asked];
        let (exit, out, err) = connect(gateway.address(), &args, "").await;
        assert_eq!(
            (exit, out),
            (Exit::Ok, format!("a/b {data}\n= c/d {data}\n")),
            "{format}: {err}"
        );
    }
    let (exit, _, err) =
        connect(gateway.address(), &["--format", "edn", "--ask", "a/b {:x"], "").await;
    assert!(exit == Exit::Wrong && err.contains("the data of `a/b` is not EDN"), "{err}");
    let (exit, _, err) = connect(gateway.address(), &["--format", "yaml"], "").await;
    assert!(exit == Exit::Wrong && err.contains("write one of json, edn, "), "{err}");
    gateway.drain().await;
}
