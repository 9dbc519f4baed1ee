//! Who counts as alive, and who does not.

use super::*;

/// What the gateway sends to one who answers nothing at all: at which second, the opcode, and the payload.
async fn unanswered(bench: &mut Bench) -> Vec<(u64, u8, Vec<u8>)> {
    let started = time::Instant::now();
    // Read as bytes: tungstenite would answer.
    let stream = bench.peer.get_mut();
    let mut seen = Vec::new();
    let mut head = [0; 2];
    while stream.read_exact(&mut head).await.is_ok() {
        let mut payload = vec![0; usize::from(head[1])];
        if head[1] == 126 {
            payload = vec![0; usize::from(stream.read_u16().await.unwrap())];
        }
        stream.read_exact(&mut payload).await.unwrap();
        seen.push((started.elapsed().as_secs(), head[0] & 0x0f, payload));
    }
    seen
}

/// Lets time go by, and all that is due in it happen.
async fn pass(seconds: u64) {
    let nothing = std::future::pending::<()>();
    assert!(time::timeout(Duration::from_secs(seconds), nothing).await.is_err());
}

const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;

fn sente() -> Setup {
    Setup { dialect: Dialect::Sente, format: Encoding::Edn, ..Setup::default() }
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_pinged_both_ways_and_closed_after_a_minute() {
    let mut bench = connect(Setup::default()).await;
    let seen = unanswered(&mut bench).await;
    let kinds: Vec<_> = seen.iter().map(|(at, opcode, _)| (*at, *opcode)).collect();
    assert_eq!(kinds, [(0, TEXT), (25, TEXT), (30, PING), (50, TEXT), (55, PING), (60, CLOSE)]);
    assert_eq!(seen[1].2, br#"["chsk/ws-ping",null]"#);
    assert!(seen[5].2.starts_with(&4001_u16.to_be_bytes()));
    assert_eq!(bench.ended.await.unwrap(), Reason::HeartbeatMissed);
}

#[tokio::test(start_paused = true)]
async fn a_silent_sente_client_is_closed_ten_seconds_after_its_ping() {
    let mut bench = connect(sente()).await;
    let seen = unanswered(&mut bench).await;
    let kinds: Vec<_> = seen.iter().map(|(at, opcode, _)| (*at, *opcode)).collect();
    assert_eq!(kinds, [(0, TEXT), (12, TEXT), (17, PING), (22, CLOSE)]);
    assert_eq!(bench.ended.await.unwrap(), Reason::HeartbeatMissed);
}

#[tokio::test(start_paused = true)]
async fn a_sente_client_that_answers_pings_stays() {
    let mut bench = connect(sente()).await;
    let started = time::Instant::now();
    bench.text().await;
    for _ in 0..10 {
        assert_eq!(bench.text().await, "[:chsk/ws-ping nil]");
        bench.send("[[:chsk/ws-pong] nil]").await;
    }
    assert_eq!(started.elapsed().as_secs(), 125);
}

#[tokio::test(start_paused = true)]
async fn one_that_only_listens_and_whose_websocket_answers_stays() {
    for setup in [Setup::default(), sente()] {
        let mut bench = connect(setup).await;
        let listens = async {
            while let Some(message) = bench.peer.next().await {
                assert!(!matches!(message.unwrap(), Message::Close(_)));
                bench.peer.flush().await.unwrap();
            }
        };
        let ended = time::timeout(Duration::from_secs(600), listens).await;
        assert!(ended.is_err(), "closed");
        assert!(!bench.ended.is_finished());
    }
}

#[tokio::test(start_paused = true)]
async fn bytes_of_a_message_on_its_way_are_signs_of_life() {
    for (setup, ask) in
        [(Setup::default(), r#"[["a/b","X"],"cb"]"#), (sente(), r#"[[:a/b "X"] "cb"]"#)]
    {
        let mut bench = connect(setup).await;
        let started = time::Instant::now();
        bench.text().await;
        let message = ask.replace('X', &"x".repeat(300_000));
        let mut bytes = vec![0x81, 0x80 | 127];
        bytes.extend((message.len() as u64).to_be_bytes());
        bytes.extend([0; 4]);
        bytes.extend(message.as_bytes());
        for piece in bytes.chunks(4000) {
            bench.peer.get_mut().write_all(piece).await.unwrap();
            pass(1).await;
        }
        let answer = loop {
            let text = bench.text().await;
            if !text.contains("ws-ping") {
                break text;
            }
        };
        assert!(answer.contains("xxx"), "{answer}");
        assert!(started.elapsed() > Duration::from_secs(75));
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_pause_of_the_process_everybody_is_pinged_first() {
    for dialect in [Dialect::Tengen, Dialect::Sente, Dialect::Raw] {
        // The pause begins before the first ping, and after it.
        for early in [5, 26] {
            let format = if dialect == Dialect::Sente { Encoding::Edn } else { Encoding::Json };
            let mut bench = connect(Setup { dialect, format, ..Setup::default() }).await;
            if dialect != Dialect::Raw {
                bench.text().await;
            }
            let meanwhile = time::timeout(Duration::from_secs(early), bench.peer.next()).await;
            assert_eq!(meanwhile.is_ok(), early > 12 && dialect == Dialect::Sente || early > 25);
            bench.peer.flush().await.unwrap();
            time::advance(Duration::from_secs(300)).await;
            let paused = time::Instant::now();
            for _ in 0..3 {
                let said = bench.peer.next().await.unwrap().unwrap();
                assert!(!matches!(said, Message::Close(_)), "{dialect:?} {early}: {said:?}");
                bench.peer.flush().await.unwrap();
            }
            assert!(paused.elapsed() > Duration::from_secs(5), "the pings have their time");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_sent_away_whose_plugin_is_slow_is_not_given_up_meanwhile() {
    let keeper = Arc::new(Keeper::default());
    let mut bench =
        connect(Setup { keeper: Some(Arc::clone(&keeper) as Arc<dyn Handler>), ..sente() }).await;
    bench.text().await;
    bench.send(r#"[[:a/slow "data"] "cb1"]"#).await;
    bench.send(r#"[[:chsk/ws-ping] "cb2"]"#).await;
    bench.text().await;
    bench.link.send_away();
    // Its pongs are not read any more.
    let early = time::timeout(Duration::from_secs(120), async {
        loop {
            match bench.peer.next().await.unwrap().unwrap() {
                Message::Close(frame) => break frame,
                _ => bench.peer.flush().await.unwrap(),
            }
        }
    });
    assert!(early.await.is_err(), "closed before its event was decided");
    keeper.0.lock().unwrap().clear();
    assert_eq!(bench.close_code().await, 1012);
}
