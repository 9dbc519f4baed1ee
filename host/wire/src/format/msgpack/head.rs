//! Heads of values: what stands here, and how much of it follows.

use super::Problem;
use rmp::{Marker, decode, encode};
use std::io::Write;

/// The beginning of a value: all of it, or its kind and length. Lengths are what a peer says, not what has come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Head {
    Nil,
    Bool(bool),
    Integer(i64),
    /// Beyond what is signed.
    Unsigned(u64),
    Float(f64),
    String(usize),
    Bytes(usize),
    Vector(usize),
    /// So many pairs.
    Map(usize),
    /// An extension type, and its length.
    Ext(i8, usize),
}

/// More is said to follow than there is.
pub(super) const CUT: Problem =
    Problem::Own("the value that begins here is longer than the bytes that follow");
const RESERVED: Problem = Problem::Own("the byte c1 stands for nothing in MessagePack");

/// The head that these bytes begin with, and how many it takes.
pub(super) fn read(bytes: &[u8]) -> Result<(Head, usize), Problem> {
    let first = *bytes.first().ok_or(super::missing("a value"))?;
    let mut rest = decode::Bytes::new(bytes);
    // None: it is cut off.
    let head = match Marker::from_u8(first) {
        Marker::Null => decode::read_nil(&mut rest).ok().map(|()| Head::Nil),
        Marker::False | Marker::True => decode::read_bool(&mut rest).ok().map(Head::Bool),
        Marker::U64 => decode::read_u64(&mut rest).ok().map(unsigned_head),
        Marker::F32 => decode::read_f32(&mut rest).ok().map(|float| Head::Float(float.into())),
        Marker::F64 => decode::read_f64(&mut rest).ok().map(Head::Float),
        Marker::FixStr(_) | Marker::Str8 | Marker::Str16 | Marker::Str32 => {
            decode::read_str_len(&mut rest).ok().map(|length| Head::String(length as usize))
        }
        Marker::Bin8 | Marker::Bin16 | Marker::Bin32 => {
            decode::read_bin_len(&mut rest).ok().map(|length| Head::Bytes(length as usize))
        }
        Marker::FixArray(_) | Marker::Array16 | Marker::Array32 => {
            decode::read_array_len(&mut rest).ok().map(|count| Head::Vector(count as usize))
        }
        Marker::FixMap(_) | Marker::Map16 | Marker::Map32 => {
            decode::read_map_len(&mut rest).ok().map(|count| Head::Map(count as usize))
        }
        Marker::FixExt1
        | Marker::FixExt2
        | Marker::FixExt4
        | Marker::FixExt8
        | Marker::FixExt16
        | Marker::Ext8
        | Marker::Ext16
        | Marker::Ext32 => decode::read_ext_meta(&mut rest)
            .ok()
            .map(|meta| Head::Ext(meta.typeid, meta.size as usize)),
        Marker::Reserved => return Err(RESERVED),
        Marker::FixPos(_)
        | Marker::FixNeg(_)
        | Marker::U8
        | Marker::U16
        | Marker::U32
        | Marker::I8
        | Marker::I16
        | Marker::I32
        | Marker::I64 => decode::read_int(&mut rest).ok().map(Head::Integer),
    };
    Ok((head.ok_or(CUT)?, bytes.len() - rest.remaining_slice().len()))
}

fn unsigned_head(number: u64) -> Head {
    i64::try_from(number).map_or(Head::Unsigned(number), Head::Integer)
}

/// The length of something of the gateway's own, which is short.
pub(super) fn own(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// Writers of heads write to memory, which takes everything.
fn taken<T, E>(written: Result<T, E>) {
    debug_assert!(written.is_ok(), "memory takes everything");
}

pub(super) fn integer(out: &mut impl Write, number: i64) {
    taken(encode::write_sint(out, number));
}

pub(super) fn unsigned(out: &mut impl Write, number: u64) {
    taken(encode::write_uint(out, number));
}

pub(super) fn float(out: &mut impl Write, number: f64) {
    taken(encode::write_f64(out, number));
}

pub(super) fn string(out: &mut impl Write, length: u32) {
    taken(encode::write_str_len(out, length));
}

pub(super) fn bytes(out: &mut impl Write, length: u32) {
    taken(encode::write_bin_len(out, length));
}

pub(super) fn vector(out: &mut impl Write, count: u32) {
    taken(encode::write_array_len(out, count));
}

pub(super) fn map(out: &mut impl Write, pairs: u32) {
    taken(encode::write_map_len(out, pairs));
}
