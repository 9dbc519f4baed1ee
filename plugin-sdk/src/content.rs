//! What goes out: bytes with the name of their encoding, faults, and whom a push is for.

use crate::{
    Answered, Body, Content, Encoding, Fault, Handle, Message, Payload, Target,
    signals::{Level, emit},
};
use serde::{Deserialize, Serialize};
use std::{error, fmt};

/// What can be sent: a reference to anything that serde can write (as JSON), a [`Payload`], or a [`Content`] such as
/// [`Context::of_event`](crate::Context::of_event).
pub trait IntoContent {
    /// The content, or why it cannot be written.
    fn into_content(self) -> Result<Content, Fault>;
}

impl<T: Serialize + ?Sized> IntoContent for &T {
    fn into_content(self) -> Result<Content, Fault> {
        Payload::from_json(self).map(Content::Payload)
    }
}

impl IntoContent for Payload {
    fn into_content(self) -> Result<Content, Fault> {
        Ok(Content::Payload(self))
    }
}

impl IntoContent for Content {
    fn into_content(self) -> Result<Content, Fault> {
        Ok(self)
    }
}

impl Payload {
    /// A value as JSON.
    pub fn from_json<T: Serialize + ?Sized>(value: &T) -> Result<Self, Fault> {
        Ok(Self { encoding: Encoding::Json, body: Body::Text(serde_json::to_string(value)?) })
    }

    /// Text that the gateway does not read, for raw endpoints.
    pub fn text(text: impl Into<String>) -> Self {
        Self { encoding: Encoding::Text, body: Body::Text(text.into()) }
    }

    /// Bytes that the gateway does not read, for raw endpoints.
    pub fn binary(bytes: impl Into<Vec<u8>>) -> Self {
        Self { encoding: Encoding::Binary, body: Body::Bytes(bytes.into()) }
    }

    /// Reads JSON into a type; the fault, `malformed`, says what does not fit, and where: it is for whoever sent the payload.
    /// A payload that came in another encoding, because its value has no form in JSON or its endpoint is raw, is
    /// `unsupported`.
    pub fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Fault> {
        let message = match self.encoding {
            Encoding::Json => {
                return serde_json::from_slice(self.bytes())
                    .map_err(|error| Fault::new("malformed", error.to_string()));
            }
            Encoding::Text | Encoding::Binary => "the data is a raw endpoint's, not JSON",
            _ => {
                "the data has no form in JSON: as keys of a map, send texts, keywords, symbols or numbers"
            }
        };
        Err(Fault::new("unsupported", message))
    }

    /// The value as text.
    pub fn as_text(&self) -> Result<&str, Fault> {
        match &self.body {
            Body::Text(text) => Ok(text),
            Body::Bytes(bytes) => std::str::from_utf8(bytes)
                .map_err(|_| Fault::new("malformed", "the payload is not UTF-8 text")),
        }
    }

    /// The value's bytes, as they are.
    pub fn bytes(&self) -> &[u8] {
        match &self.body {
            Body::Text(text) => text.as_bytes(),
            Body::Bytes(bytes) => bytes,
        }
    }
}

impl Message {
    /// Reads the JSON payload into a type; the fault says what does not fit, and where; see [`Payload::json`].
    pub fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Fault> {
        self.payload.json()
    }

    /// The payload's bytes, as they are.
    pub fn bytes(&self) -> &[u8] {
        self.payload.bytes()
    }
}

impl Answered {
    /// Reads the JSON of the answer into a type; the fault that there is instead of it, or what does not fit: see [`Payload::json`].
    pub fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Fault> {
        self.value.as_ref().map_err(Fault::clone)?.json()
    }
}

impl Fault {
    /// A fault with an id and a message that tells people what to do.
    ///
    /// The ids of the gateway's registry (`malformed`, `not-allowed`, `not-found`, `limit-reached` …) reach the peer as
    /// they are. Any other id is the plugin's own: the peer gets `application` with that id as `code`.
    pub fn new(id: impl Into<String>, message: impl Into<String>) -> Self {
        Self { id: id.into(), message: message.into(), retry_after_ms: None }
    }

    /// A fault of the plugin's own, `plugin-failed`: what went wrong is for the log, and the sender learns only that it was
    /// not the event.
    pub fn internal(why: impl fmt::Display) -> Self {
        emit(Level::Error, "plugin/fault", &why.to_string(), &[]);
        Self::new("plugin-failed", "the plugin failed at the event")
    }

    /// Says when another try makes sense.
    #[must_use]
    pub fn retry_after_ms(self, wait: u32) -> Self {
        Self { retry_after_ms: Some(wait), ..self }
    }
}

/// Data that the plugin reads or writes for itself is its own business: [`Fault::internal`]. What a client sent is read with
/// [`Message::json`], whose faults are the client's.
impl From<serde_json::Error> for Fault {
    fn from(error: serde_json::Error) -> Self {
        Self::internal(error)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.id, self.message)
    }
}

impl error::Error for Fault {}

impl Target {
    /// All connections of a user.
    pub fn user(id: impl Into<String>) -> Self {
        Self::User(id.into())
    }

    /// All connections of an endpoint, by its path.
    pub fn endpoint(path: impl Into<String>) -> Self {
        Self::Endpoint(path.into())
    }

    /// All connections that are subscribed to a channel.
    pub fn channel(name: impl Into<String>) -> Self {
        Self::Channel(name.into())
    }
}

impl From<Handle> for Target {
    fn from(connection: Handle) -> Self {
        Self::Connection(connection)
    }
}

impl From<Vec<Handle>> for Target {
    fn from(connections: Vec<Handle>) -> Self {
        Self::Connections(connections)
    }
}

impl From<&[Handle]> for Target {
    fn from(connections: &[Handle]) -> Self {
        Self::Connections(connections.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(payload: &Payload, expected: Result<Vec<u32>, &str>) {
        let read = payload.json::<Vec<u32>>().map_err(|fault| fault.id);
        assert_eq!(read, expected.map_err(str::to_owned));
    }

    #[test]
    fn only_json_that_fits_is_read() {
        check(&Payload::from_json(&[1, 2]).unwrap(), Ok(vec![1, 2]));
        check(&Payload::from_json(&["one"]).unwrap(), Err("malformed"));
        check(
            &Payload { encoding: Encoding::Edn, body: Body::Text("[1 2]".to_owned()) },
            Err("unsupported"),
        );
        check(
            &Payload { encoding: Encoding::Json, body: Body::Bytes(b"[1,".to_vec()) },
            Err("malformed"),
        );
    }

    #[test]
    fn what_a_plugin_cannot_read_of_its_own_is_no_mistake_of_the_client() {
        let own = || -> Result<u32, Fault> { Ok(serde_json::from_str(r#"{"password":1}"#)?) };
        let fault = own().unwrap_err();
        assert_eq!(
            (fault.id.as_str(), fault.message.contains("invalid")),
            ("plugin-failed", false)
        );
        let pairs = std::collections::BTreeMap::from([((1, 2), 3)]);
        let fault = Payload::from_json(&pairs).unwrap_err();
        assert_eq!((fault.id.as_str(), fault.message.contains("key")), ("plugin-failed", false));
        let theirs = Payload::from_json(&["one"]).unwrap().json::<u32>().unwrap_err();
        assert!(theirs.id == "malformed" && theirs.message.contains("invalid type"), "{theirs}");
    }

    #[test]
    fn a_payload_that_is_no_text_is_refused_as_text() {
        assert_eq!(Payload::text("käse").as_text(), Ok("käse"));
        assert_eq!(
            Payload::binary([0xff]).as_text().map_err(|fault| fault.id),
            Err("malformed".to_owned())
        );
    }
}
