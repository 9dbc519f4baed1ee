//! From one format to another without values in between, as far as that goes for what most payloads are made of.
//!
//! What knows two formats stands here, a file for each way, so that no format has to know another. A new way is a file and
//! a line below; formats without one meet in values.

mod edn_to_json;
mod json_to_edn;

#[cfg(test)]
pub(super) use {edn_to_json::edn_to_json, json_to_edn::json_to_edn};

use super::{Encoding, edn, text};

/// These bytes of one format in another. None: there is no such way, it takes values to write them, or they are not what
/// their encoding says; who goes by way of values knows which. `is_checked`: they were walked to their end before.
pub(crate) fn written(
    body: &[u8],
    from: Encoding,
    to: Encoding,
    is_checked: bool,
) -> Option<Vec<u8>> {
    match (from, to) {
        (Encoding::Json, Encoding::Edn) => json_to_edn::json_to_edn(text::utf8(body).ok()?),
        (Encoding::Edn, Encoding::Json) => {
            let text = text::utf8(body).ok()?;
            if !is_checked {
                edn::check(text).ok()?;
            }
            edn_to_json::edn_to_json(text)
        }
        _ => None,
    }
}
