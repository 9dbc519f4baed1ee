//! A peer that speaks MessagePack: in binary frames, both ways.

use super::*;

impl Bench {
    async fn say(&mut self, frame: &[u8]) {
        self.peer.send(Message::binary(frame.to_vec())).await.unwrap();
    }

    async fn heard(&mut self) -> Vec<u8> {
        match self.peer.next().await.unwrap().unwrap() {
            Message::Binary(frame) => frame.to_vec(),
            other => panic!("expected a binary frame, got {other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_of_messagepack_asks_is_pinged_and_told_of_its_mistakes() {
    let mut bench = connect(Setup { format: Encoding::Msgpack, ..Setup::default() }).await;
    assert!(bench.heard().await.starts_with(b"\x92\x92\xaechsk/handshake\x93\xc0\xc0\x85"));
    for (said, heard) in [
        // The echo is the reply, or a push.
        (&b"\x92\x92\xa3a/b\x81\xa1x\x01\xa17"[..], &b"\x92\x81\xa1x\x01\xa17"[..]),
        (b"\x92\x92\xa3a/b\x81\xa1x\x01\xc0", b"\x92\x91\x92\xa3a/b\x81\xa1x\x01\xc0"),
        // What no other format can hold.
        (b"\x92\x92\xa3a/b\xd4\x05\x00\xa17", b"\x92\xd4\x05\x00\xa17"),
        (b"\x92\x91\xacchsk/ws-ping\xa17", b"\x92\xa4pong\xa17"),
    ] {
        bench.say(said).await;
        assert_eq!(bench.heard().await, heard);
    }
    bench.say(b"\x92\x92\xa3a/b\xa2\xc3\x28\xa17").await;
    let answer = bench.heard().await;
    assert!(answer.starts_with(b"\x92\x81\xactengen/error\x83\xa2id\xa9malformed\xa7message"));
    assert!(answer.ends_with(b"\xa5event\xa3a/b\xa17"), "{answer:?}");
    bench.send("[[\"a/b\",1],\"7\"]").await;
    let answer = bench.heard().await;
    assert!(answer.starts_with(b"\x92\x91\x92\xactengen/error\x82\xa2id\xabunsupported"));
    let started = time::Instant::now();
    assert_eq!(bench.heard().await, b"\x92\xacchsk/ws-ping\xc0");
    assert_eq!(started.elapsed().as_secs(), 25);
}
