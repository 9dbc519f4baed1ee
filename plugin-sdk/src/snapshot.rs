//! The role that carries state from one version to the next.

use crate::{
    Description, Handle, Plugin,
    bindings::snapshot_role::exports::tengen::gateway::snapshot::{Piece, Place},
};
use serde::{Serialize, de::DeserializeOwned};

/// Carries state from one instance to its successor: over a reload, to another number of instances, and over a panic.
///
/// At a reload [`Snapshot::save`] is the old instance's last call but `stop`; [`Snapshot::load`] the new one's first after
/// `start`. No event comes between the two, so what was saved is the truth. It is called once more before, for a rehearsal.
///
/// Beside the plugin's work the gateway has the state saved now and then (`state.every`). After a panic or an overrun a fresh
/// instance loads what was saved last, and is given the events since once more, with what the gateway answered: then it is where
/// the one before it was, if it decides the same from the same. Three things stand in the way of that: the order of a
/// `HashMap` (take a `BTreeMap` where it shows in what is decided), a generator of random numbers that was seeded at
/// `start`, and files. Then it has what was saved, starts with [`StartReason::Restored`](crate::StartReason::Restored), and
/// hears of what has changed since.
///
/// During both an instance may have twice its memory. Answer what goes wrong with an `Err`: then the old instance goes on
/// with its state. One that panics, or runs past its deadline, in `save` is lost, and replaced as after any panic.
pub trait Snapshot: Plugin {
    /// The format that `save` writes, such as `chat/2`.
    const WRITES: &'static str;

    /// The formats that `load` reads: keep the older ones, so that an older version can be replaced without loss.
    const READS: &'static [&'static str] = &[Self::WRITES];

    /// Writes the state down. [`to_json`](Part::to_json) does it for anything that serde can write.
    fn save(&mut self) -> Result<Vec<u8>, String>;

    /// Takes over the parts of the instances before: of the one whose place this one takes, or, where their number changes
    /// or what events are dealt out by, of all of them.
    ///
    /// With several instances now, this one is number `part` (from 0) of `of` and keeps what is its own: see [`instance_of`]
    /// and [`instance_of_name`].
    fn load(&mut self, parts: Vec<Part>, part: u32, of: u32) -> Result<(), String>;
}

/// Which of `of` instances, from 0, has the events of a connection: with the affinity `connection` or `channel`, and with
/// `user` of a connection that has none. For [`Snapshot::load`], which keeps what is its own.
pub fn instance_of(connection: Handle, of: u32) -> u32 {
    connection.checked_rem(of).unwrap_or(0)
}

/// Which of `of` instances, from 0, has the events of a user with the affinity `user`, or hears of a channel.
///
/// It is the 64-bit FNV-1a hash of the name, its upper half folded into the lower, modulo `of`.
pub fn instance_of_name(name: &str, of: u32) -> u32 {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let folded = (hash ^ (hash >> 32)) & u64::from(u32::MAX);
    u32::try_from(folded).ok().and_then(|number| number.checked_rem(of)).unwrap_or(0)
}

/// What one instance saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// One of the formats in [`Snapshot::READS`].
    pub format: String,
    /// What was written.
    pub bytes: Vec<u8>,
}

impl Part {
    /// Reads what [`Part::to_json`] has written.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, String> {
        serde_json::from_slice(&self.bytes)
            .map_err(|error| format!("the snapshot cannot be read: {error}"))
    }

    /// Writes state as JSON, for [`Snapshot::save`].
    ///
    /// Finite floating-point numbers come back as they were, to the last bit. Those that are not finite have no form in JSON:
    /// they are written as `null`, which [`Part::json`] then refuses to read as a number, so the reload fails. Keep an
    /// `Option`, or a text. Maps need keys that are texts or numbers; others are an error here.
    pub fn to_json<T: Serialize + ?Sized>(state: &T) -> Result<Vec<u8>, String> {
        serde_json::to_vec(state)
            .map_err(|error| format!("the snapshot cannot be written: {error}"))
    }
}

#[doc(hidden)]
pub fn describe<S: Snapshot>(description: &mut Description) {
    description.snapshot_writes = Some(S::WRITES.to_owned());
    description.snapshot_reads = S::READS.iter().map(|&format| format.to_owned()).collect();
}

/// What of a state is there so far: pieces come one after the other.
#[doc(hidden)]
#[derive(Debug, Default)]
pub struct Handing {
    parts: Vec<Part>,
}

#[doc(hidden)]
pub fn save<S: Snapshot>(plugin: &mut S, number: u32) -> Result<Piece, String> {
    match number {
        0 => Ok(Piece { format: S::WRITES.to_owned(), bytes: plugin.save()?, is_last: true }),
        _ => Err("the state has one piece".to_owned()),
    }
}

#[doc(hidden)]
pub fn load<S: Snapshot>(
    plugin: &mut S,
    handing: &mut Handing,
    piece: Piece,
    place: &Place,
) -> Result<(), String> {
    let Piece { format, bytes, .. } = piece;
    if !S::READS.contains(&format.as_str()) {
        return Err(format!("this version does not read snapshots of format `{format}`"));
    }
    match handing.parts.last_mut().filter(|_| place.number > 0) {
        Some(part) => part.bytes.extend(bytes),
        None => handing.parts.push(Part { format, bytes }),
    }
    if !place.is_last {
        return Ok(());
    }
    plugin.load(std::mem::take(&mut handing.parts), place.target, place.targets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StartReason;

    struct Counter(u32);

    impl Plugin for Counter {
        fn start(_: StartReason) -> Result<Self, String> {
            Ok(Self(0))
        }
    }

    impl Snapshot for Counter {
        const WRITES: &'static str = "counter/2";
        const READS: &'static [&'static str] = &["counter/2", "counter/1"];

        fn save(&mut self) -> Result<Vec<u8>, String> {
            Part::to_json(&self.0)
        }

        fn load(&mut self, parts: Vec<Part>, _: u32, _: u32) -> Result<(), String> {
            for part in parts {
                self.0 += part.json::<u32>()?;
            }
            Ok(())
        }
    }

    #[test]
    fn what_was_saved_is_loaded() {
        let saved = save(&mut Counter(4), 0).unwrap();
        assert!(saved.is_last && save(&mut Counter(4), 1).is_err());
        let piece = |bytes: &[u8]| Piece {
            format: "counter/1".to_owned(),
            bytes: bytes.to_vec(),
            is_last: false,
        };
        let (mut counter, mut handing) = (Counter(0), Handing::default());
        let place = |source, number, is_last| Place {
            source,
            sources: 2,
            number,
            target: 0,
            targets: 1,
            is_last,
        };
        // The second instance's state comes in two pieces.
        load(&mut counter, &mut handing, saved, &place(0, 0, false)).unwrap();
        load(&mut counter, &mut handing, piece(b"3"), &place(1, 0, false)).unwrap();
        assert_eq!(counter.0, 0, "not before all is there");
        load(&mut counter, &mut handing, piece(b"0"), &place(1, 1, true)).unwrap();
        assert_eq!(counter.0, 34);
    }

    #[test]
    fn who_has_what_is_told_as_the_gateway_deals_it_out() {
        assert_eq!([7, 8, 9].map(|handle| instance_of(handle, 3)), [1, 2, 0]);
        // Hashes of the algorithm's own test suite, folded.
        assert_eq!(instance_of_name("a", u32::MAX), 0xaf63_dc4c ^ 0x8601_ec8c);
        assert_eq!(instance_of_name("foobar", 1000), (0x8594_4171 ^ 0xf739_67e8) % 1000);
        assert_eq!((instance_of(7, 0), instance_of_name("a", 0)), (0, 0), "there is one at least");
    }

    #[test]
    fn finite_numbers_come_back_to_the_last_bit_and_others_are_refused() {
        let part = |bytes| Part { format: "numbers/1".to_owned(), bytes };
        // The second is read as its neighbour where reading is quick instead of exact.
        let numbers = [0.1 + 0.2, 51.248_178_375_505_404, -0.0, f64::MIN_POSITIVE, f64::MAX];
        let read: [f64; 5] = part(Part::to_json(&numbers).unwrap()).json().unwrap();
        assert_eq!(read.map(f64::to_bits), numbers.map(f64::to_bits));
        let odd = part(Part::to_json(&f64::NAN).unwrap());
        assert!(odd.json::<f64>().is_err());
        assert_eq!(odd.json::<Option<f64>>(), Ok(None));
    }

    #[test]
    fn a_format_that_is_not_read_is_refused_before_anything_is_loaded() {
        let newer = Piece { format: "counter/3".to_owned(), bytes: b"3".to_vec(), is_last: true };
        let place =
            Place { source: 0, sources: 1, number: 0, target: 0, targets: 1, is_last: true };
        let refusal = load(&mut Counter(0), &mut Handing::default(), newer, &place).unwrap_err();
        assert!(refusal.contains("counter/3"), "{refusal}");
    }
}
