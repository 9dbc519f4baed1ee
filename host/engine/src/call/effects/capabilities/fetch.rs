//! Requests to other people's servers, and how they ended.

use super::{Wish, told};
use crate::{
    call::effects::{
        Reader,
        words::{named, unknown},
    },
    guest::bindings::handling::types as wit,
};
use std::time::Duration;
use tengen_core::{
    capability::{
        Effect, Kind,
        fetch::{Fetch, Fetched},
    },
    outgoing::{Request, Response},
};
use tengen_wire::fault::Fault;

impl Wish for wit::Fetching {
    const KIND: Kind = Kind::Fetch;

    fn size(&self) -> usize {
        let wit::Request { method, url, headers, body, .. } = &self.request;
        let headers = headers.iter().map(|(name, value)| name.len() + value.len());
        let body = match body {
            Some(wit::BodyResult::Text(text)) => text.len(),
            Some(wit::BodyResult::Bytes(bytes)) => bytes.len(),
            None => 0,
        };
        self.name.len() + method.len() + url.len() + headers.sum::<usize>() + body
    }

    fn read(self, _: &mut Reader<'_>, _: u32) -> Result<Effect, Fault> {
        let wit::Request { method, url, headers, body, timeout_ms, more } = self.request;
        if let Some(why) = unknown(&more) {
            return Err(why);
        }
        let body = match body {
            Some(wit::BodyResult::Text(text)) => text.into(),
            Some(wit::BodyResult::Bytes(bytes)) => bytes.into(),
            None => Default::default(),
        };
        let timeout = timeout_ms.map(|ms| Duration::from_millis(ms.into()));
        let request = Request { method, url, headers, body, timeout };
        Ok(Effect::Fetch(Fetch { name: named(self.name)?, request }))
    }
}

/// The headers of a response as the interface lends them.
pub(in crate::call) type Headers<'a> = Vec<(&'a str, &'a [u8])>;

/// What a response lends only once it has been made.
pub(in crate::call) fn headers(fetched: &Fetched) -> Headers<'_> {
    let Ok(response) = &fetched.value else { return Vec::new() };
    response.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect()
}

pub(in crate::call) fn fetched<'a>(
    fetched: &'a Fetched,
    headers: &'a Headers<'_>,
) -> wit::Fetched<'a> {
    let value = match &fetched.value {
        Ok(response) => Ok(answer(response, headers)),
        Err(why) => Err(told(why)),
    };
    wit::Fetched { name: &fetched.name, value, more: &[] }
}

fn answer<'a>(response: &'a Response, headers: &'a Headers<'_>) -> wit::Response<'a> {
    let body = match std::str::from_utf8(&response.body) {
        Ok(text) => wit::BodyParam::Text(text),
        Err(_) => wit::BodyParam::Bytes(&response.body),
    };
    wit::Response { status: response.status, headers, body, more: &[] }
}
