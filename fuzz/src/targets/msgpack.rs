//! MessagePack: what was read comes back from its own bytes, and from EDN.

use tengen_wire::{
    format::{
        error::Problem,
        msgpack::{check, read, write},
    },
    payload::{Encoding, Payload, transcode},
};

pub fn msgpack(data: &[u8]) {
    let value = match (check(data), read(data)) {
        (Ok(span), Ok(value)) => {
            assert_eq!(span, 0..data.len());
            value
        }
        (Ok(_), Err(error)) => {
            // What only MessagePack can say is well formed, and no value of ours.
            return assert!(matches!(error.problem, Problem::Foreign(_)), "{error}");
        }
        (Err(error), Err(_)) => return assert!(error.at <= data.len(), "{error}"),
        (Err(error), Ok(_)) => panic!("read, and not well formed: {error}"),
    };
    let mut written = Vec::new();
    write(&mut written, &value).expect("every key that was read can be written");
    // Only a decimal of 32 bits is written longer than it need be.
    assert!(written.len() <= 2 * data.len(), "{} bytes of {}", written.len(), data.len());
    let same =
        |body: &[u8]| assert_eq!(format!("{:?}", read(body)), format!("{:?}", Ok::<_, ()>(&value)));
    // As debug text, because NaN is not equal to itself.
    same(&written);
    let payload = Payload::new(Encoding::Msgpack, data.to_vec());
    let edn = transcode(&payload, Encoding::Edn).expect("EDN has a form for each of our values");
    let edn = Payload::new(Encoding::Edn, edn.body);
    let back = transcode(&edn, Encoding::Msgpack).expect("it came from there");
    same(&back.body);
}
