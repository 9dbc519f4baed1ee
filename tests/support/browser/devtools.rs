//! The DevTools protocol's socket: requests and their answers, and what pages say meanwhile.

use anyhow::Context as _;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    net::TcpStream,
    sync::{mpsc, oneshot},
    time,
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{Message, protocol::WebSocketConfig},
};

/// Requests that may wait to be written.
const REQUESTS: usize = 64;
/// Console lines kept per page.
const LINES: usize = 100;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;
type Said = Arc<Mutex<HashMap<String, VecDeque<String>>>>;

/// A handle on the socket; clones share it.
#[derive(Debug, Clone)]
pub(super) struct DevTools {
    requests: mpsc::Sender<Request>,
    said: Said,
}

#[derive(Debug)]
struct Request {
    session: Option<String>,
    method: String,
    parameters: Value,
    answer: oneshot::Sender<Value>,
}

impl DevTools {
    pub(super) async fn connect(address: &str) -> anyhow::Result<Self> {
        // A screenshot is one message.
        let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
        let connecting = tokio_tungstenite::connect_async_with_config(address, Some(config), true);
        let (socket, _) =
            connecting.await.with_context(|| format!("cannot connect to `{address}`"))?;
        let (requests, receiver) = mpsc::channel(REQUESTS);
        let said = Said::default();
        #[expect(
            clippy::disallowed_methods,
            reason = "ends with its socket, which ends with the browser"
        )]
        tokio::spawn(carry(socket, receiver, Arc::clone(&said)));
        Ok(Self { requests, said })
    }

    /// One request to the browser, or to a page by its session.
    pub(super) async fn ask(
        &self,
        session: Option<&str>,
        method: &str,
        parameters: Value,
        deadline: Duration,
    ) -> anyhow::Result<Value> {
        let (answer, answered) = oneshot::channel();
        let request = Request {
            session: session.map(str::to_owned),
            method: method.to_owned(),
            parameters,
            answer,
        };
        let exchange = async {
            self.requests.send(request).await.ok().context("the browser is gone")?;
            answered.await.context("the browser is gone")
        };
        let exchange = time::timeout(deadline, exchange).await;
        let mut answer =
            exchange.with_context(|| format!("`{method}`: no answer within {deadline:?}"))??;
        if let Some(error) = answer.get("error") {
            anyhow::bail!("`{method}`: {error}");
        }
        Ok(answer.get_mut("result").map(Value::take).unwrap_or_default())
    }

    pub(super) fn said(&self, session: &str) -> Vec<String> {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.get(session).map(|lines| lines.iter().cloned().collect()).unwrap_or_default()
    }
}

/// Owns the socket until the browser or all handles are gone; then waiting requests learn that by their dropped answers.
async fn carry(mut socket: Socket, mut requests: mpsc::Receiver<Request>, said: Said) {
    let mut waiting = HashMap::new();
    let mut last_id = 0_u64;
    loop {
        tokio::select! {
            request = requests.recv() => {
                let Some(Request { session, method, parameters, answer }) = request else { return };
                last_id += 1;
                let mut message = json!({ "id": last_id, "method": method, "params": parameters });
                if let (Some(session), Some(message)) = (session, message.as_object_mut()) {
                    message.insert("sessionId".into(), session.into());
                }
                waiting.insert(last_id, answer);
                if socket.send(Message::text(message.to_string())).await.is_err() {
                    return;
                }
            }
            message = socket.next() => {
                let Some(Ok(message)) = message else { return };
                let Ok(text) = message.to_text() else { continue };
                let Ok(message) = serde_json::from_str::<Value>(text) else { continue };
                match message.get("id").and_then(Value::as_u64).and_then(|id| waiting.remove(&id)) {
                    // Whoever asked may have stopped waiting.
                    Some(answer) => drop(answer.send(message)),
                    None => note(&message, &said),
                }
            }
        }
    }
}

/// Keeps console lines and uncaught exceptions.
fn note(message: &Value, said: &Said) {
    let line = match message.get("method").and_then(Value::as_str) {
        Some("Runtime.consoleAPICalled") => {
            let arguments = message.pointer("/params/args").and_then(Value::as_array);
            let shown = |argument: &Value| match argument
                .get("value")
                .or_else(|| argument.get("description"))
            {
                Some(Value::String(text)) => text.clone(),
                Some(value) => value.to_string(),
                None => "undefined".to_owned(),
            };
            arguments.into_iter().flatten().map(shown).collect::<Vec<_>>().join(" ")
        }
        Some("Runtime.exceptionThrown") => {
            let description = message.pointer("/params/exceptionDetails/exception/description");
            description.and_then(Value::as_str).unwrap_or("an exception").to_owned()
        }
        _ => return,
    };
    let Some(session) = message.get("sessionId").and_then(Value::as_str) else { return };
    let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
    let lines = said.entry(session.to_owned()).or_default();
    if lines.len() == LINES {
        lines.pop_front();
    }
    lines.push_back(line);
}
