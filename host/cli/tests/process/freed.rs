//! What memory a burst leaves behind.
#![cfg(target_os = "linux")]

use super::{
    Gateway,
    surroundings::{resident, status, upgrade},
    write,
};
use std::{
    io::Write,
    time::{Duration, Instant},
};

const MESSAGE: usize = 8 << 20;
/// So many that what they had is far more than what each worker keeps: a page of each size up to that of a message.
const PEERS: usize = 32;

/// Waits until it is so, without giving the gateway anything to do meanwhile.
fn wait_for(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(30), "not in half a minute: {what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

#[test]
fn what_a_burst_took_goes_back_to_the_system_without_later_work() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), "[limits]\nmessage = \"8MiB\"\nmemory = \"1GiB\"\n");
    let gateway = Gateway::start_after("export TOKIO_WORKER_THREADS=2", &["--config", &file]);
    let process = gateway.child.id();
    let before = resident(process);
    let body = vec![b'x'; MESSAGE - 1];
    let peers: Vec<_> = (0..PEERS)
        .map(|_| {
            let mut stream = upgrade(&gateway.address, "/raw");
            assert_eq!(status(&mut stream), "HTTP/1.1 101");
            // A masked binary frame without its last byte: all of it is kept.
            let header = [&[0x82, 0xff][..], &(MESSAGE as u64).to_be_bytes(), &[0; 4]];
            stream.write_all(&header.concat()).unwrap();
            stream.write_all(&body).unwrap();
            stream
        })
        .collect();
    let much = (PEERS * MESSAGE / 2) as u64;
    wait_for("the messages are kept", || resident(process) > before + much);
    drop(peers);
    wait_for("their memory is given back", || resident(process) < before + much / 2);
}
