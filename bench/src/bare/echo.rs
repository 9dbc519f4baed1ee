//! Answers requests: reads all that is there, then flushes once.

use super::socket::{self, Socket};
use anyhow::{Context as _, Result};
use futures_util::{Sink, Stream};
use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::{net::TcpStream, task::JoinSet};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

pub(super) async fn serve(stream: TcpStream) -> Result<()> {
    answer(socket::accept(stream).await?, |request| {
        reply(&request).map(Message::text).context("not a request")
    })
    .await
}

/// Sends back what comes, greets nobody.
pub(super) async fn serve_raw(stream: TcpStream) -> Result<()> {
    answer(socket::accept_raw(stream).await?, |text| Ok(Message::Text(text))).await
}

async fn answer(
    socket: Socket,
    reply: impl Fn(Utf8Bytes) -> Result<Message> + Send + Sync + 'static,
) -> Result<()> {
    let mut socket = Box::new(socket);
    // A task of its own: this one has room for the handshake, which it would keep.
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { poll_fn(|cx| turn(&mut socket, &reply, cx)).await });
    tasks.join_next().await.context("the connection's task is gone")??
}

/// One turn; ready when the connection is over.
fn turn(
    socket: &mut Socket,
    reply: &impl Fn(Utf8Bytes) -> Result<Message>,
    cx: &mut Context<'_>,
) -> Poll<Result<()>> {
    let mut socket = Pin::new(socket);
    loop {
        match socket.as_mut().poll_next(cx) {
            Poll::Ready(Some(Ok(Message::Text(request)))) => {
                ready!(socket.as_mut().poll_ready(cx))?;
                socket.as_mut().start_send(reply(request)?)?;
            }
            Poll::Ready(Some(Ok(_))) => {}
            Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error.into())),
            Poll::Ready(None) => return Poll::Ready(Ok(())),
            Poll::Pending => {
                ready!(socket.poll_flush(cx))?;
                return Poll::Pending;
            }
        }
    }
}

/// `[data,callback]` for `[[id,data],callback]`, by the places where the load puts them.
fn reply(request: &str) -> Option<String> {
    let rest = request.strip_prefix(r#"[["bench/echo","#)?;
    let (data, callback) = rest.rsplit_once(']').map(|(rest, _)| rest)?.rsplit_once("],")?;
    let mut reply = String::with_capacity(data.len() + callback.len() + 3);
    reply.push('[');
    reply.push_str(data);
    reply.push(',');
    reply.push_str(callback);
    reply.push(']');
    Some(reply)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reply_is_the_gateways() {
        let request = r#"[["bench/echo","x],y"],"000001"]"#;
        assert_eq!(reply(request).as_deref(), Some(r#"["x],y","000001"]"#));
        assert_eq!(reply("[]"), None);
    }
}
