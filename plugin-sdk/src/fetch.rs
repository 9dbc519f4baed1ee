//! Requests to other people's servers, and what they answer.

use crate::{Body, Fault, Request, Response, Result};
use serde::{Serialize, de::DeserializeOwned};
use std::time::Duration;

impl Request {
    /// A request with any method, in capital letters.
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Self {
        Self {
            method: method.into(),
            url: url.into(),
            headers: Vec::new(),
            body: None,
            timeout_ms: None,
            more: Vec::new(),
        }
    }

    /// Asks for what is at this URL.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url)
    }

    /// Sends something there.
    pub fn post(url: impl Into<String>) -> Self {
        Self::new("POST", url)
    }

    /// With one more header. Those that say how the bytes travel are the gateway's.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// With this body.
    #[must_use]
    pub fn body(self, bytes: impl Into<Vec<u8>>) -> Self {
        Self { body: Some(Body::Bytes(bytes.into())), ..self }
    }

    /// With this text as its body.
    #[must_use]
    pub fn text(self, text: impl Into<String>) -> Self {
        Self { body: Some(Body::Text(text.into())), ..self }
    }

    /// With this value as its body, in JSON, and a header that says so.
    pub fn json(self, value: &impl Serialize) -> Result<Self> {
        let text = serde_json::to_string(value)?;
        Ok(self.header("content-type", "application/json").text(text))
    }

    /// Given up after so long, a minute at most; without, after 10 s.
    #[must_use]
    pub fn timeout(self, within: Duration) -> Self {
        let timeout_ms = Some(u32::try_from(within.as_millis()).unwrap_or(u32::MAX));
        Self { timeout_ms, ..self }
    }
}

impl Response {
    /// The body's bytes, as they are.
    pub fn bytes(&self) -> &[u8] {
        match &self.body {
            Body::Text(text) => text.as_bytes(),
            Body::Bytes(bytes) => bytes,
        }
    }

    /// The body, if it is text.
    pub fn as_text(&self) -> Result<&str> {
        match &self.body {
            Body::Text(text) => Ok(text),
            Body::Bytes(_) => Err(Fault::new("malformed", "the response is no text")),
        }
    }

    /// Reads the body as JSON into a type.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(self.bytes()).map_err(|why| {
            Fault::new("malformed", format!("the response is not what it should be: {why}"))
        })
    }

    /// The first header of this name (lower or upper case) whose value is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(value).ok()
    }

    /// Whether its status is one of 200 to 299.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// Sends a request and waits for its answer: for authenticators, while they are asked. Anywhere else it is refused with
/// `not-allowed`, and a handler has [`Context::fetch`](crate::Context::fetch).
///
/// All requests of one call together may take 5 s. A server that is slow keeps others waiting who are asked about by this
/// instance: the operator gives such a plugin several `instances`.
pub fn fetch(request: &Request) -> Result<Response> {
    source::fetch(request)
}

#[cfg(target_family = "wasm")]
mod source {
    use crate::{
        Request, Response, Result,
        bindings::plugin_role::tengen::gateway::outgoing::{Outcome, fetch as ask},
    };

    pub(super) fn fetch(request: &Request) -> Result<Response> {
        match ask(request) {
            Outcome::Answered(response) => Ok(response),
            Outcome::Failed(why) => Err(why),
        }
    }
}

/// Outside of a gateway, who answers is what [`crate::testing::answer_requests`] has said.
#[cfg(not(target_family = "wasm"))]
pub(crate) mod source {
    use crate::{Fault, Request, Response, Result};
    use std::cell::RefCell;

    type Server = Box<dyn FnMut(&Request) -> Result<Response>>;

    thread_local! {
        pub(crate) static SERVER: RefCell<Option<Server>> = const { RefCell::new(None) };
    }

    pub(super) fn fetch(request: &Request) -> Result<Response> {
        SERVER.with_borrow_mut(|server| match server {
            Some(answer) => answer(request),
            None => Err(Fault::new("unreachable", "no test answers requests on this thread")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{answer_requests, response};

    #[test]
    fn a_request_says_what_it_was_told_to() {
        let request = Request::post("https://a.example/b")
            .header("x-a", "1")
            .json(&["c"])
            .unwrap()
            .timeout(Duration::from_secs(2));
        assert_eq!((request.method.as_str(), request.timeout_ms), ("POST", Some(2000)));
        assert_eq!(request.body, Some(Body::Text("[\"c\"]".into())));
        let names: Vec<_> = request.headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["x-a", "content-type"]);
    }

    #[test]
    fn a_response_is_read_as_what_it_should_be_or_says_why_not() {
        let said = response(200, "[1, 2]");
        assert_eq!(said.json::<Vec<u8>>(), Ok(vec![1, 2]));
        assert!(said.is_success() && !response(302, "").is_success());
        assert_eq!(said.json::<String>().unwrap_err().id, "malformed");
    }

    #[test]
    fn a_test_answers_for_the_servers() {
        let asked = Request::get("https://a.example/");
        assert_eq!(fetch(&asked).unwrap_err().id, "unreachable");
        answer_requests(|request| Ok(response(200, &request.url)));
        assert_eq!(fetch(&asked).unwrap().as_text(), Ok("https://a.example/"));
    }
}
