//! Points in time: MessagePack's extension type -1, in three lengths.

use super::super::inst::Inst;
use rmp::Marker;

/// The extension type.
pub(super) const TYPE: i8 = -1;
/// The type as it is written.
const TYPE_BYTE: u8 = 0xff;

/// How many bits of the middle length are seconds.
const SECONDS_BITS: u32 = 34;
const NANOS: u32 = 1_000_000_000;

/// Seconds since 1970 and nanoseconds; none when it is no point in time.
pub(super) fn read(body: &[u8]) -> Option<(i64, u32)> {
    let (seconds, nanos) = if let Ok(body) = body.try_into() {
        (u32::from_be_bytes(body).into(), 0)
    } else if let Ok(body) = body.try_into() {
        let both = u64::from_be_bytes(body);
        let seconds = i64::try_from(both & ((1 << SECONDS_BITS) - 1)).ok()?;
        (seconds, u32::try_from(both >> SECONDS_BITS).ok()?)
    } else {
        let (nanos, seconds) = body.split_first_chunk()?;
        (i64::from_be_bytes(seconds.try_into().ok()?), u32::from_be_bytes(*nanos))
    };
    (nanos < NANOS).then_some((seconds, nanos))
}

/// In the shortest of the three lengths that holds it.
pub(super) fn write(out: &mut Vec<u8>, inst: Inst) {
    let Inst { seconds, nanos } = inst;
    let both = u64::try_from(seconds).ok().filter(|seconds| *seconds < 1 << SECONDS_BITS);
    match (u32::try_from(seconds), both) {
        (Ok(seconds), _) if nanos == 0 => {
            out.extend([Marker::FixExt4.to_u8(), TYPE_BYTE]);
            out.extend(seconds.to_be_bytes());
        }
        (_, Some(seconds)) => {
            out.extend([Marker::FixExt8.to_u8(), TYPE_BYTE]);
            out.extend((u64::from(nanos) << SECONDS_BITS | seconds).to_be_bytes());
        }
        _ => {
            out.extend([Marker::Ext8.to_u8(), 12, TYPE_BYTE]);
            out.extend(nanos.to_be_bytes());
            out.extend(seconds.to_be_bytes());
        }
    }
}
