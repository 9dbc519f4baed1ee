//! How much text comes with what happens: it is copied into the guest that hears of it.

use super::{
    ask::Answered,
    close::Closing,
    connection::Missed,
    fetch::{Fetched, Response},
    reply::Message,
    subscription::Left,
};
use tengen_wire::{
    fault::Fault,
    id::{Channel, UserId},
};

/// What an occurrence carries.
pub(super) trait Texts {
    /// Bytes of all texts in it.
    fn texts(&self) -> usize;
}

impl Texts for String {
    fn texts(&self) -> usize {
        self.len()
    }
}

impl Texts for Channel {
    fn texts(&self) -> usize {
        self.as_str().len()
    }
}

impl Texts for Vec<Channel> {
    fn texts(&self) -> usize {
        // Each is a list's element beside its text.
        self.iter().map(|channel| channel.texts() + 8).sum()
    }
}

impl Texts for Left {
    fn texts(&self) -> usize {
        self.channels.texts()
    }
}

impl Texts for UserId {
    fn texts(&self) -> usize {
        self.as_str().len()
    }
}

impl Texts for Missed {
    fn texts(&self) -> usize {
        0
    }
}

impl Texts for Fault {
    fn texts(&self) -> usize {
        self.message.len()
    }
}

impl Texts for Fetched {
    fn texts(&self) -> usize {
        let value = match &self.value {
            Ok(response) => response.texts(),
            Err(why) => why.texts(),
        };
        self.name.len() + value
    }
}

impl Texts for Answered {
    fn texts(&self) -> usize {
        let value = match &self.value {
            Ok(payload) => payload.body.len(),
            Err(why) => why.texts(),
        };
        self.name.len() + value
    }
}

impl Texts for Response {
    fn texts(&self) -> usize {
        let headers = self.headers.iter().map(|(name, value)| name.len() + value.len());
        self.body.len() + headers.sum::<usize>()
    }
}

impl Texts for Message {
    fn texts(&self) -> usize {
        self.id.len() + self.payload.body.len()
    }
}

impl Texts for Closing {
    fn texts(&self) -> usize {
        self.reason.len()
    }
}
