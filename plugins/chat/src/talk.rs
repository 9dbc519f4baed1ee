//! What clients and the chat say to each other.

use crate::Said;
use serde::{Deserialize, Serialize};

/// `chat/join`
#[derive(Debug, Clone, Deserialize)]
pub struct Join {
    pub room: String,
    pub name: String,
}

/// `chat/say`
#[derive(Debug, Deserialize)]
pub struct Say {
    pub text: String,
    /// A number of the client's own: everybody gets it back as it came.
    #[serde(default)]
    pub n: Option<u64>,
}

/// Answers `chat/join`.
#[derive(Debug, Serialize)]
pub struct Welcome<'a, R> {
    pub room: &'a str,
    /// The name as the others see it: with a number when it was taken.
    pub you: &'a str,
    pub members: &'a [&'a str],
    /// The last messages, oldest first.
    pub recent: R,
    /// The number of the room's last message; the next one has one more.
    pub seq: u64,
    pub greeting: &'a str,
    pub version: &'a str,
}

/// Answers `chat/say`.
#[derive(Debug, Serialize)]
pub struct Receipt<'a> {
    pub room: &'a str,
    pub seq: u64,
    pub greeting: &'a str,
    pub version: &'a str,
}

/// Answers `chat/leave`.
#[derive(Debug, Serialize)]
pub struct InRoom<'a> {
    pub room: &'a str,
}

/// Answers `chat/who`.
#[derive(Debug, Serialize)]
pub struct Here<'a> {
    pub room: &'a str,
    pub members: Vec<&'a str>,
}

/// `chat/joined`
#[derive(Debug, Serialize)]
pub struct Joined<'a> {
    pub room: &'a str,
    pub name: &'a str,
    pub members: &'a [&'a str],
}

/// `chat/left`
#[derive(Debug, Serialize)]
pub struct Left<'a> {
    pub room: &'a str,
    pub name: &'a str,
    pub members: &'a [&'a str],
}

/// `chat/said`: a message, and which version of the chat passed it on.
#[derive(Debug, Serialize)]
pub struct Passed<'a> {
    #[serde(flatten)]
    pub said: &'a Said,
    pub greeting: &'a str,
    pub version: &'a str,
}

impl Said {
    /// As everybody gets it.
    pub fn with<'a>(&'a self, greeting: &'a str, version: &'a str) -> Passed<'a> {
        Passed { said: self, greeting, version }
    }
}
