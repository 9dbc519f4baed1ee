//! The end of the process: by a signal under load, and by a second one.

use super::{Gateway, write};
use std::{
    net::TcpStream,
    time::{Duration, Instant},
};
use tokio_tungstenite::tungstenite::{Message, WebSocket, client::IntoClientRequest};

type Socket = WebSocket<TcpStream>;

fn connect(gateway: &Gateway) -> Socket {
    let stream = TcpStream::connect(&gateway.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let request = format!("ws://{}/ws", gateway.address).into_client_request().unwrap();
    let (mut socket, _) = tokio_tungstenite::tungstenite::client(request, stream).unwrap();
    assert!(
        matches!(socket.read().unwrap(), Message::Text(text) if text.contains("chsk/handshake"))
    );
    socket
}

/// Asks until the gateway sends it away: the numbers that were answered, and the close code.
fn ask_until_sent_away(mut socket: Socket) -> (Vec<u32>, u16) {
    let mut answered = Vec::new();
    for number in 0.. {
        // A frame that was written is either answered before the close or was not read any more.
        if socket.send(Message::text(format!(r#"[["a/b",{number}],"{number}"]"#))).is_err() {
            break;
        }
        match socket.read().unwrap() {
            Message::Text(text) if text.starts_with('[') && text.contains("tengen/reconnect") => {}
            Message::Text(text) => {
                assert_eq!(text, format!(r#"[{number},"{number}"]"#).as_str());
                answered.push(number);
                continue;
            }
            Message::Close(frame) => return (answered, frame.unwrap().code.into()),
            _ => {}
        }
        // Sent away: what was asked before is answered, then comes the close.
        loop {
            match socket.read().unwrap() {
                Message::Text(text) => {
                    assert_eq!(text, format!(r#"[{number},"{number}"]"#).as_str());
                    answered.push(number);
                }
                Message::Close(frame) => return (answered, frame.unwrap().code.into()),
                _ => {}
            }
        }
    }
    (answered, 0)
}

#[test]
fn sigterm_under_load_answers_what_was_accepted_and_closes_everyone_with_1012() {
    let gateway = Gateway::start(&[]);
    let (sender, asked) = std::sync::mpsc::sync_channel(8);
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let (socket, sender) = (connect(&gateway), sender.clone());
            std::thread::spawn(move || {
                sender.send(()).unwrap();
                ask_until_sent_away(socket)
            })
        })
        .collect();
    (0..8).for_each(|_| asked.recv().unwrap());
    assert_eq!(gateway.ask("a/b 7").status.code(), Some(0), "the load is on");
    gateway.signal("-TERM");
    for thread in threads {
        let (answered, code) = thread.join().unwrap();
        assert_eq!(code, 1012);
        assert!(answered.iter().copied().eq(0..answered.len() as u32), "none is left out");
    }
    let (code, errors) = gateway.ended();
    assert_eq!(code, Some(0), "{errors}");
    assert!(!errors.contains("cut off"), "{errors}");
}

#[test]
fn a_second_sigterm_ends_at_once() {
    let folder = tempfile::tempdir().unwrap();
    // One connection a minute: this drain would last to its deadline.
    let file = write(
        folder.path(),
        "[server]\ndrain = { deadline = \"40s\", batch = 1, every = \"1m\" }\n",
    );
    let mut gateway = Gateway::start(&["--config", &file]);
    let sockets = [connect(&gateway), connect(&gateway), connect(&gateway)];
    let mut log = gateway.log();
    gateway.signal("-TERM");
    log.find(|line| line.contains("a second signal ends at once")).expect("it says how");
    let started = Instant::now();
    gateway.signal("-TERM");
    assert_eq!(gateway.child.wait().unwrap().code(), Some(1));
    assert!(started.elapsed() < Duration::from_secs(20));
    assert!(log.any(|line| line.contains("by a second signal")));
    drop(sockets);
}

#[test]
fn in_the_grace_it_is_not_ready_any_more_and_takes_connections() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), "[server]\ndrain = { grace = \"5s\", deadline = \"5s\" }\n");
    let mut gateway = Gateway::start(&["--config", &file]);
    let mut log = gateway.log();
    assert_eq!(gateway.admin("/readyz")["ready"], true);
    let began = Instant::now();
    gateway.signal("-TERM");
    log.find(|line| line.contains("open for another 5s")).expect("it says so");
    while gateway.admin("/readyz")["ready"] == true {
        assert!(began.elapsed() < Duration::from_secs(4), "it is ready still");
    }
    assert_eq!(gateway.ask("a/b 7").status.code(), Some(0), "who comes now is served");
    assert!(began.elapsed() < Duration::from_secs(5), "the grace is over, nothing is shown");
    assert_eq!(gateway.child.wait().unwrap().code(), Some(0));
    assert!(began.elapsed() >= Duration::from_secs(5), "{:?}", began.elapsed());
}

#[test]
fn who_is_cut_off_at_the_deadline_gets_a_close_frame_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    // One connection a minute: all but the first are there at the deadline.
    let drain = "[server]\ndrain = { deadline = \"2s\", batch = 1, every = \"1m\" }\n";
    let gateway = Gateway::start(&["--config", &write(folder.path(), drain)]);
    let sockets: Vec<_> = (0..64).map(|_| connect(&gateway)).collect();
    gateway.signal("-TERM");
    for mut socket in sockets {
        let code = loop {
            match socket.read() {
                Ok(Message::Close(frame)) => break frame.map_or(0, |frame| frame.code.into()),
                Ok(_) => {}
                Err(error) => panic!("it ended without a close frame: {error}"),
            }
        };
        assert_eq!(code, 1012);
    }
    let (code, errors) = gateway.ended();
    assert_eq!(code, Some(0), "{errors}");
    assert!(errors.contains("63 of 64 connections cut off"), "{errors}");
}
