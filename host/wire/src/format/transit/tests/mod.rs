//! Transit as other implementations write it, and as nobody should.

mod codes;
mod cost;
mod hostile;
mod properties;
mod rows;

use crate::payload::{Encoding, Payload, transcode};

/// A text of one format in another.
#[track_caller]
fn convert(from: Encoding, text: &str, to: Encoding) -> String {
    let payload = transcode(&Payload::new(from, text.to_owned()), to);
    let payload = payload.unwrap_or_else(|why| panic!("{text}: {}", why.message));
    assert_eq!(payload.encoding, to);
    assert!(payload.is_checked());
    String::from_utf8(payload.body.to_vec()).unwrap()
}
