//! When a collector wants to be asked again, as it says over gRPC: a `google.rpc.RetryInfo` among the details of its refusal.

use super::LONGEST_PAUSE;
use prost::Message;
use std::time::Duration;

/// What that is called there.
const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";

/// None: it does not say.
pub(super) fn after(details: &[u8]) -> Option<Duration> {
    let details = Details::decode(details).ok()?.details;
    let info = details.into_iter().find(|detail| detail.name == RETRY_INFO)?;
    let Delay { seconds, nanos } = RetryInfo::decode(&*info.value).ok()?.delay.unwrap_or_default();
    let (seconds, nanos) = (u64::try_from(seconds).ok()?, u32::try_from(nanos).ok()?);
    Some(Duration::new(seconds, nanos.min(999_999_999)).min(LONGEST_PAUSE))
}

/// A `google.rpc.Status`, of which nothing else is read.
#[derive(Clone, PartialEq, Message)]
struct Details {
    #[prost(message, repeated, tag = "3")]
    details: Vec<Detail>,
}

#[derive(Clone, PartialEq, Message)]
struct Detail {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    delay: Option<Delay>,
}

#[derive(Clone, PartialEq, Message)]
struct Delay {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

/// The details of a refusal that says this.
#[cfg(test)]
pub(super) fn saying(seconds: i64, nanos: i32) -> Vec<u8> {
    let info = RetryInfo { delay: Some(Delay { seconds, nanos }) };
    let other = Detail { name: "type.googleapis.com/google.rpc.Help".into(), value: vec![255] };
    let detail = Detail { name: RETRY_INFO.into(), value: info.encode_to_vec() };
    Details { details: vec![other, detail] }.encode_to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_is_read_among_other_details_and_bounded() {
        assert_eq!(after(&saying(7, 500_000_000)), Some(Duration::from_millis(7500)));
        assert_eq!(after(&saying(i64::MAX, 0)), Some(LONGEST_PAUSE));
        assert_eq!(after(&saying(0, 0)), Some(Duration::ZERO));
        // As the protocol's own description writes it.
        let written =
            b"\x1a\x30\n\x28type.googleapis.com/google.rpc.RetryInfo\x12\x04\n\x02\x08\x05";
        assert_eq!(after(written), Some(Duration::from_secs(5)));
    }

    #[test]
    fn what_is_no_delay_says_nothing() {
        assert_eq!([after(b""), after(b"\xff\xff"), after(&saying(-1, 0))], [None; 3]);
        assert_eq!(after(&saying(1, -1)), None);
    }
}
