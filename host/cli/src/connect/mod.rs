//! `tengen connect`: a line client for people and scripts.

mod ask;
mod frames;

pub(crate) use ask::{Ask, run as ask};
pub(crate) use frames::formats;

use super::{
    Connect, Exit, Io,
    words::{counted, visible},
};
use frames::{Arrived, Line};
use futures_util::{SinkExt, StreamExt};
use std::{
    collections::{HashMap, VecDeque},
    io::BufRead,
    time::Duration,
};
use tengen_wire::payload::Encoding;
use tokio::{net::TcpStream, sync::mpsc, time};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{
        self, Message,
        client::IntoClientRequest,
        handshake::client::Request,
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};

const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// How long replies are waited for when there is nothing more to send; longer than the gateway's own `limits.reply`.
const REPLIES_WITHIN: Duration = Duration::from_secs(35);
const CLOSE_WITHIN: Duration = Duration::from_secs(2);
/// How long what comes back is waited for when the last line asked nothing, and so has no answer to wait for.
const COMES_BACK_WITHIN: Duration = Duration::from_secs(1);
/// Lines read ahead of the socket.
const LINES: usize = 64;

/// Why a connection did not come to what it should.
#[derive(Debug, thiserror::Error)]
enum ConnectError {
    #[error("{0}")]
    Url(String),
    #[error("cannot connect to `{url}`")]
    Unreachable {
        url: String,
        #[source]
        source: tungstenite::Error,
    },
    #[error("the gateway refused: {status}{why}")]
    Refused { status: http::StatusCode, why: String },
    #[error("no connection to `{0}` within {CONNECT_WITHIN:?}")]
    Slow(String),
    #[error("this cannot be sent in the format: {0}")]
    Unsayable(String),
    #[error("the connection broke")]
    Broken(#[source] tungstenite::Error),
    #[error("the gateway closed the connection: {code}{reason}")]
    Closed { code: u16, reason: String },
    #[error("time is over: {arrived} of {wanted} arrived")]
    TooFew { arrived: usize, wanted: usize },
    #[error("time is over: {} missing", counted(*.0, "reply is", "replies are"))]
    Unanswered(usize),
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Lines still to be sent.
enum Lines {
    Given(VecDeque<Line>),
    Typed(mpsc::Receiver<String>),
}

/// One conversation.
struct Session {
    io: Io,
    socket: Socket,
    format: Encoding,
    lines: Option<Lines>,
    /// What was asked under which callback and is not answered yet.
    asked: HashMap<String, String>,
    asks: usize,
    /// The last line asked nothing: nobody says when all that it brings has come.
    told: bool,
    arrived: usize,
    faults: usize,
    count: Option<usize>,
    follow: bool,
}

pub(super) async fn run(args: Connect, mut io: Io) -> Exit {
    let lines = match given(&args) {
        Ok(lines) => lines,
        Err(why) => {
            io.note(format_args!("error: {why}"));
            return Exit::Wrong;
        }
    };
    let socket = match connect(&args).await {
        Ok(socket) => socket,
        Err(error) => {
            io.error(&error);
            return if matches!(error, ConnectError::Url(_)) { Exit::Wrong } else { Exit::Failed };
        }
    };
    let lines = match lines {
        Some(lines) => Lines::Given(lines),
        None => Lines::Typed(typed(std::mem::replace(&mut io.input, Box::new(std::io::empty())))),
    };
    let (count, follow) = (args.count, args.follow);
    let asked = HashMap::new();
    let (told, arrived, faults) = (false, 0, 0);
    let lines = Some(lines);
    let mut session = Session {
        io,
        socket,
        format: args.format,
        lines,
        asked,
        asks: 0,
        told,
        arrived,
        faults,
        count,
        follow,
    };
    match session.converse(args.timeout).await {
        Ok(()) if session.faults > 0 => Exit::Fault,
        Ok(()) => Exit::Ok,
        Err(error) => {
            session.io.error(&error);
            Exit::Failed
        }
    }
}

/// What `--send` and `--ask` say; none: lines are read.
fn given(args: &Connect) -> Result<Option<VecDeque<Line>>, String> {
    let sends = args.send.iter().map(|text| frames::event(text, false, args.format));
    let asks = args.ask.iter().map(|text| frames::event(text, true, args.format));
    let lines: VecDeque<Line> = sends.chain(asks).collect::<Result<_, _>>()?;
    Ok(if lines.is_empty() { None } else { Some(lines) })
}

/// Reads lines on a thread of its own: a terminal cannot be waited for otherwise. It ends with its input, or with the
/// process.
fn typed(mut input: Box<dyn BufRead + Send>) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(LINES);
    std::thread::spawn(move || {
        let mut line = String::new();
        while input.read_line(&mut line).is_ok_and(|read| read > 0) {
            if sender.blocking_send(std::mem::take(&mut line)).is_err() {
                return;
            }
        }
    });
    receiver
}

fn request(args: &Connect) -> Result<Request, ConnectError> {
    let url = match args.url.split_once("://") {
        None => format!("ws://{}", args.url),
        Some(("ws", _)) => args.url.clone(),
        Some(("wss", _)) => {
            return Err(ConnectError::Url(
                "`wss` is not available in this version; connect by `ws`".into(),
            ));
        }
        Some((scheme, _)) => {
            return Err(ConnectError::Url(format!(
                "`{scheme}` is not spoken here; write ws://HOST:PORT/PATH"
            )));
        }
    };
    let wrong = |error: &dyn std::fmt::Display| {
        ConnectError::Url(format!("`{url}` is not an address: {error}"))
    };
    let mut request = url.as_str().into_client_request().map_err(|error| wrong(&error))?;
    let mut protocols = format!("tengen.v1.{}", args.format.word());
    if let Some(token) = &args.token {
        protocols.push_str(&format!(", tengen.token.{token}"));
    }
    let protocols = protocols
        .parse()
        .map_err(|_| ConnectError::Url("the token has characters that no token has".into()))?;
    request.headers_mut().insert("sec-websocket-protocol", protocols);
    Ok(request)
}

async fn connect(args: &Connect) -> Result<Socket, ConnectError> {
    let request = request(args)?;
    let url = request.uri().to_string();
    let connecting = time::timeout(CONNECT_WITHIN, tokio_tungstenite::connect_async(request)).await;
    match connecting.map_err(|_| ConnectError::Slow(url.clone()))? {
        Ok((socket, _)) => Ok(socket),
        Err(tungstenite::Error::Http(answer)) => {
            let why = answer.body().as_deref().map(String::from_utf8_lossy).unwrap_or_default();
            let why = visible(why.trim(), false);
            let why = if why.is_empty() { why } else { format!(": {why}") };
            Err(ConnectError::Refused { status: answer.status(), why })
        }
        Err(source) => Err(ConnectError::Unreachable { url, source }),
    }
}

/// What happens next.
enum Next {
    Line(String),
    NoMoreLines,
    Frame(Option<Result<Message, tungstenite::Error>>),
    TimeIsOver,
    Interrupted,
}

impl Session {
    async fn converse(&mut self, timeout: Option<Duration>) -> Result<(), ConnectError> {
        let given = timeout.map(|timeout| time::Instant::now() + timeout);
        let (mut replies, mut rest) = (None, None);
        self.send_given().await?;
        loop {
            let within = |patience: Duration| move || time::Instant::now() + patience;
            let until = match self.is_done() {
                true if self.told && self.count.is_none() => {
                    Some(*rest.get_or_insert_with(within(COMES_BACK_WITHIN)))
                }
                true => return self.close().await,
                false if self.lines.is_none() && !self.follow && self.count.is_none() => {
                    Some(*replies.get_or_insert_with(within(REPLIES_WITHIN)))
                }
                false => None,
            };
            match self.next(given.or(until)).await {
                Next::Line(line) => self.send_typed(&line).await?,
                Next::NoMoreLines => self.lines = None,
                Next::Frame(Some(Ok(frame @ (Message::Text(_) | Message::Binary(_))))) => {
                    self.show(frame).await?;
                }
                Next::Frame(Some(Ok(Message::Close(frame)))) => return self.closed(frame),
                Next::Frame(Some(Ok(_))) => {}
                Next::Frame(Some(Err(error))) => return Err(ConnectError::Broken(error)),
                Next::Frame(None) => return self.closed(None),
                Next::TimeIsOver => return self.time_is_over().await,
                Next::Interrupted => return self.close().await,
            }
        }
    }

    async fn next(&mut self, deadline: Option<time::Instant>) -> Next {
        let lines = &mut self.lines;
        let line = async {
            match lines {
                Some(Lines::Typed(lines)) => {
                    lines.recv().await.map_or(Next::NoMoreLines, Next::Line)
                }
                _ => std::future::pending().await,
            }
        };
        let over = async {
            match deadline {
                Some(deadline) => time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            frame = self.socket.next() => Next::Frame(frame),
            line = line => line,
            () = over => Next::TimeIsOver,
            Ok(()) = tokio::signal::ctrl_c() => Next::Interrupted,
        }
    }

    fn is_done(&self) -> bool {
        match self.count {
            Some(count) => self.arrived >= count,
            None => self.lines.is_none() && self.asked.is_empty() && !self.follow,
        }
    }

    async fn send_given(&mut self) -> Result<(), ConnectError> {
        let Some(Lines::Given(lines)) = &mut self.lines else { return Ok(()) };
        for line in std::mem::take(lines) {
            self.send(line).await?;
        }
        self.lines = None;
        Ok(())
    }

    async fn send_typed(&mut self, text: &str) -> Result<(), ConnectError> {
        match frames::line(text, self.format) {
            Ok(Some(line)) => self.send(line).await,
            Ok(None) => Ok(()),
            Err(why) => {
                self.io.note(why);
                Ok(())
            }
        }
    }

    async fn send(&mut self, line: Line) -> Result<(), ConnectError> {
        let callback = line.asks.then(|| {
            self.asks += 1;
            format!("c{}", self.asks)
        });
        // What is asked is answered behind what came before it.
        self.told = !line.asks;
        let frame = frames::message(&line, callback.as_deref(), self.format);
        if let Some(callback) = callback {
            self.asked.insert(callback, line.id);
        }
        self.write(frame).await
    }

    async fn write(&mut self, frame: Result<Message, String>) -> Result<(), ConnectError> {
        let frame = frame.map_err(ConnectError::Unsayable)?;
        self.socket.send(frame).await.map_err(ConnectError::Broken)
    }

    async fn show(&mut self, frame: Message) -> Result<(), ConnectError> {
        for arrived in frames::arrived(frame, self.format) {
            match arrived {
                Arrived::Ping => self.write(frames::pong(self.format)).await?,
                Arrived::Handshake(data) => {
                    self.io.note(format_args!("connected: {}", visible(&data, false)))
                }
                Arrived::Event { id, data } => {
                    self.faults += usize::from(id == frames::FAULT);
                    self.count_in(&format!("{id} {data}"));
                }
                Arrived::Reply { callback, data, is_fault } => {
                    self.faults += usize::from(is_fault);
                    let id = self.asked.remove(&callback).unwrap_or(callback);
                    self.count_in(&format!("= {id} {data}"));
                }
                Arrived::Strange(text) => {
                    self.io.note(format_args!("not understood: {}", visible(&text, false)))
                }
            }
        }
        Ok(())
    }

    /// Shows what arrived, unless enough has: a batch may hold more than was asked for.
    fn count_in(&mut self, line: &str) {
        if self.count.is_none_or(|count| self.arrived < count) {
            self.arrived += 1;
            self.io.say(visible(line, false));
        }
    }

    async fn time_is_over(&mut self) -> Result<(), ConnectError> {
        let short = match self.count {
            Some(wanted) if self.arrived < wanted => {
                Some(ConnectError::TooFew { arrived: self.arrived, wanted })
            }
            None if !self.asked.is_empty() => Some(ConnectError::Unanswered(self.asked.len())),
            _ => None,
        };
        let closed = self.close().await;
        short.map_or(closed, Err)
    }

    async fn close(&mut self) -> Result<(), ConnectError> {
        farewell(&mut self.socket).await;
        Ok(())
    }

    fn closed(&mut self, frame: Option<CloseFrame>) -> Result<(), ConnectError> {
        Err(ended(frame))
    }
}

/// Ends a connection by which all has come that was wanted: a farewell that fails changes nothing.
async fn farewell(socket: &mut Socket) {
    let frame = CloseFrame { code: CloseCode::Normal, reason: "".into() };
    let closing = async {
        socket.close(Some(frame)).await?;
        // What still arrives before the other side's close is no longer wanted.
        while let Some(frame) = socket.next().await {
            frame?;
        }
        Ok::<_, tungstenite::Error>(())
    };
    let _ended = time::timeout(CLOSE_WITHIN, closing).await;
}

/// The gateway has closed the connection.
fn ended(frame: Option<CloseFrame>) -> ConnectError {
    let (code, reason) =
        frame.map_or((1006, String::new()), |frame| (frame.code.into(), frame.reason.to_string()));
    let reason = if reason.is_empty() { reason } else { format!(" ({})", visible(&reason, false)) };
    ConnectError::Closed { code, reason }
}

#[cfg(test)]
mod tests;
