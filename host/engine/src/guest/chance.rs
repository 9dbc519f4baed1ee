//! Chance, as guests get it: from the system's generator, and from the tape where a fresh instance goes through what was.

use super::tape::Tape;
use rand::{Rng, SeedableRng as _, TryRng, rngs::StdRng};
use std::convert::Infallible;

/// Draws for one guest.
pub(super) struct Chance {
    from: StdRng,
    tape: Tape,
}

impl Chance {
    /// None: the system has no randomness to begin with.
    pub(super) fn new(tape: &Tape) -> Option<Self> {
        let from = StdRng::try_from_rng(&mut rand::rngs::SysRng).ok()?;
        Some(Self { from, tape: tape.clone() })
    }

    fn draw<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    /// Another length than the one recorded is another question, which has an answer of its length.
    fn fill(&mut self, bytes: &mut [u8]) {
        let from = &mut self.from;
        let drawn = self.tape.answer(("random", bytes.len()), || {
            let mut drawn = vec![0; bytes.len()];
            from.fill_bytes(&mut drawn);
            drawn
        });
        match drawn.len() == bytes.len() {
            true => bytes.copy_from_slice(&drawn),
            false => from.fill_bytes(bytes),
        }
    }
}

impl TryRng for Chance {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_le_bytes(self.draw()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_le_bytes(self.draw()))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.fill(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_drawn_is_drawn_again_from_the_tape_and_otherwise_differs() {
        let tape = Tape::default();
        tape.record_anew(1 << 10);
        let mut chance = Chance::new(&tape).expect("there is randomness");
        let (first, second) = (chance.next_u64(), chance.next_u64());
        assert_ne!(first, second);
        let again = Tape::default();
        again.play(tape.take(2));
        let mut chance = Chance::new(&again).expect("there is randomness");
        assert_eq!((chance.next_u64(), chance.next_u64()), (first, second));
        assert_ne!(chance.next_u64(), first);
    }
}
