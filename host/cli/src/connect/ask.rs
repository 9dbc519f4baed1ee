//! `tengen ask`: one event with a callback to a running gateway, and what came back.

use super::{
    ConnectError,
    frames::{self, Arrived, FAULT, Line},
};
use crate::{Connect, Exit, Io, Key, jwt, token, words::visible};
use clap::Args;
use futures_util::{SinkExt, StreamExt};
use std::time::{Duration, SystemTime};
use tengen_server::admin::state::{State, StateError, runtime_folder};
use tengen_settings::config;
use tengen_wire::payload::Encoding;
use tokio::time;
use tokio_tungstenite::tungstenite::Message;

/// Where a gateway without configuration is.
const USUAL: &str = "ws://127.0.0.1:8080/ws";
/// How long a token that is made for one question is good for.
const TOKEN: Duration = Duration::from_secs(300);
/// The only question's callback.
const CALLBACK: &str = "1";

const AFTER: &str = "\
Exit codes: 0 answered, 1 there is no connection, 2 wrong arguments, 3 the answer is a fault, 4 there was no answer in time.";

/// What is asked, of whom, and as who.
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(crate) struct Ask {
    /// Such as room/who
    event: String,
    /// Its data, as JSON
    #[arg(allow_negative_numbers = true)]
    data: Option<String>,
    /// Where the gateway is; without it, the one that runs here, or ws://127.0.0.1:8080/ws
    #[arg(long)]
    url: Option<String>,
    /// A token for the gateway's authenticator
    #[arg(long, conflicts_with = "user")]
    token: Option<String>,
    /// Make a token for this user, as `tengen token make` does
    #[arg(long = "as", value_name = "USER", value_parser = token::user)]
    user: Option<String>,
    #[command(flatten)]
    key: Key,
    /// How long the answer is waited for
    #[arg(long, value_name = "DURATION", default_value = "35s", value_parser = config::duration)]
    timeout: Duration,
}

/// What came back.
struct Answer {
    data: String,
    is_fault: bool,
}

pub(crate) async fn run(args: Ask, io: &mut Io) -> Exit {
    let (line, connect) = match prepare(&args, io) {
        Ok(prepared) => prepared,
        Err(why) => {
            io.note(format_args!("error: {why}"));
            return Exit::Wrong;
        }
    };
    let answer = match time::timeout(args.timeout, ask(&connect, &line)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => {
            io.error(&error);
            return if matches!(error, ConnectError::Url(_)) { Exit::Wrong } else { Exit::Failed };
        }
        Err(_) => {
            io.note(format_args!("error: no answer within {:?}", args.timeout));
            return Exit::Late;
        }
    };
    let data = visible(&answer.data, false);
    if !answer.is_fault {
        io.say(data);
        return Exit::Ok;
    }
    io.note(format_args!("error: {}", fault(&answer.data).unwrap_or(data)));
    Exit::Fault
}

fn prepare(args: &Ask, io: &Io) -> Result<(Line, Connect), String> {
    let text = format!("{} {}", args.event, args.data.as_deref().unwrap_or_default());
    let line = frames::event(&text, true, Encoding::Json)?;
    let token = match &args.user {
        None => args.token.clone(),
        Some(user) => {
            let key = token::secret(&args.key, io)?;
            let made = jwt::make(&key, user, SystemTime::now(), TOKEN, Vec::new());
            Some(made.map_err(|error| error.to_string())?)
        }
    };
    let url = args.url.clone().map_or_else(|| running(io, token.is_some()), Ok)?;
    let (send, ask, count, timeout, follow) = (Vec::new(), Vec::new(), None, None, false);
    let format = Encoding::Json;
    Ok((line, Connect { url, token, format, send, ask, count, timeout, follow }))
}

/// Where the gateway that runs here takes connections. Nobody is shown a token who only listens where gateways usually do.
fn running(io: &Io, has_token: bool) -> Result<String, String> {
    match State::find(&runtime_folder(&io.env)) {
        Ok(state) => Ok(format!("ws://{}/ws", state.listen)),
        Err(StateError::None) if !has_token => Ok(USUAL.to_owned()),
        Err(error) => Err(format!("{error}; name the gateway by --url")),
    }
}

async fn ask(connect: &Connect, line: &Line) -> Result<Answer, ConnectError> {
    let mut socket = super::connect(connect).await?;
    let format = connect.format;
    let frame = frames::message(line, Some(CALLBACK), format).map_err(ConnectError::Unsayable)?;
    socket.send(frame).await.map_err(ConnectError::Broken)?;
    loop {
        let frame = match socket.next().await {
            Some(Ok(frame @ (Message::Text(_) | Message::Binary(_)))) => frame,
            Some(Ok(Message::Close(frame))) => return Err(super::ended(frame)),
            Some(Ok(_)) => continue,
            Some(Err(error)) => return Err(ConnectError::Broken(error)),
            None => return Err(super::ended(None)),
        };
        for arrived in frames::arrived(frame, format) {
            match arrived {
                Arrived::Ping => {
                    let pong = frames::pong(format).map_err(ConnectError::Unsayable)?;
                    socket.send(pong).await.map_err(ConnectError::Broken)?;
                }
                Arrived::Reply { callback, data, is_fault } if callback == CALLBACK => {
                    super::farewell(&mut socket).await;
                    return Ok(Answer { data, is_fault });
                }
                // What others bring about meanwhile.
                _ => {}
            }
        }
    }
}

/// `not-allowed: only who came first may do that`; of a plugin's own fault with its code.
fn fault(data: &str) -> Option<String> {
    let data: serde_json::Value = serde_json::from_str(data).ok()?;
    let why = data.get(FAULT)?;
    let text = |key: &str| why.get(key).and_then(serde_json::Value::as_str);
    let (id, message) = (text("id")?, text("message").unwrap_or_default());
    let code = text("code").map(|code| format!(" `{code}`")).unwrap_or_default();
    Some(visible(&format!("{id}{code}: {message}"), false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_told_by_its_id_its_code_and_its_message() {
        let told = |why: &str| fault(&format!(r#"{{"tengen/error":{why}}}"#));
        let why = r#"{"id":"not-allowed","message":"no"}"#;
        assert_eq!(told(why).as_deref(), Some("not-allowed: no"));
        let why = r#"{"id":"application","code":"full","message":"the room is full"}"#;
        assert_eq!(told(why).as_deref(), Some("application `full`: the room is full"));
        assert_eq!(told("{}"), None);
    }
}
