//! Somebody who asks again and again whether the gateway is well, on a new connection each time.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

const EVERY: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(10);

/// What was answered.
#[derive(Debug, Default)]
pub(super) struct Answers {
    pub(super) asked: usize,
    pub(super) longest: Duration,
    /// Without a 200.
    pub(super) failed: usize,
}

pub(super) async fn run(admin: SocketAddr, stop: &AtomicBool) -> Answers {
    let mut answers = Answers::default();
    while !stop.load(Ordering::Relaxed) {
        let began = Instant::now();
        let well = timeout(PATIENCE, ask(admin)).await.is_ok_and(|answer| answer.unwrap_or(false));
        answers.asked += 1;
        answers.failed += usize::from(!well);
        answers.longest = answers.longest.max(began.elapsed());
        sleep(EVERY).await;
    }
    answers
}

async fn ask(admin: SocketAddr) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(admin).await?;
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(answer.starts_with(b"HTTP/1.1 200 "))
}
