//! Frames as peers write and read them, literally.

mod asks;
mod decode;
mod encode;
mod mistakes;
mod msgpack;
mod properties;
mod requests;
mod sente_lite;
mod transit;

use super::{Callback, Dialect, Wire};
use crate::{format::Encoding, frame::Frame};
use bytes::Bytes;

const JSON: Wire = Wire { dialect: Dialect::Tengen, format: Encoding::Json };
const EDN: Wire = Wire { dialect: Dialect::Tengen, format: Encoding::Edn };
const SENTE: Wire = Wire { dialect: Dialect::Sente, format: Encoding::Edn };
const SENTE_JSON: Wire = Wire { dialect: Dialect::Sente, format: Encoding::Json };
const TRANSIT: Wire = Wire { dialect: Dialect::Tengen, format: Encoding::Transit };
const SENTE_TRANSIT: Wire = Wire { dialect: Dialect::Sente, format: Encoding::Transit };
const MSGPACK: Wire = Wire { dialect: Dialect::Tengen, format: Encoding::Msgpack };
const SENTE_LITE: Wire = Wire { dialect: Dialect::SenteLite, format: Encoding::Edn };
const RAW: Wire = Wire { dialect: Dialect::Raw, format: Encoding::Text };

fn frame(text: &str) -> Frame {
    Frame { text: true, body: Bytes::copy_from_slice(text.as_bytes()) }
}

fn callback(encoded: &str) -> Callback {
    Callback(encoded.as_bytes().into())
}

#[test]
fn every_wire_stands_at_its_index() {
    for (place, wire) in Wire::ALL.into_iter().enumerate() {
        assert_eq!(wire.index(), place);
    }
    assert_eq!(Wire { dialect: Dialect::Raw, format: Encoding::Json }.index(), RAW.index());
    for dialect in [Dialect::Tengen, Dialect::Sente, Dialect::SenteLite] {
        for format in [Encoding::Text, Encoding::Binary] {
            assert_eq!(Wire::ALL.get(Wire { dialect, format }.index()), None);
        }
    }
    let sente = Wire { dialect: Dialect::Sente, format: Encoding::Msgpack };
    assert_eq!(Wire::ALL.get(sente.index()), None, "its clients have extension types of their own");
}
