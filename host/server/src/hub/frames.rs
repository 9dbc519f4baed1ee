//! The bytes of one message to many: made once for all who are alike.

use tengen_wire::transport::Framed;

/// The bytes of a message, for those that came up so far. Mostly all receivers are alike: these need no memory of their own.
#[derive(Debug, Default)]
pub(super) struct Frames {
    first: Option<Made>,
    others: Vec<Made>,
}

/// What a message is for all who have the same wire over the same transport; none: it cannot be written.
#[derive(Debug)]
struct Made {
    lane: usize,
    frame: Option<Framed>,
}

impl Frames {
    /// The bytes of this lane; `make` if nobody of it came up before.
    pub(super) fn of(
        &mut self,
        lane: usize,
        make: impl FnOnce() -> Option<Framed>,
    ) -> &Option<Framed> {
        let Self { first, others } = self;
        let first = match first {
            Some(first) if first.lane != lane => {
                let known = others.iter().position(|made| made.lane == lane);
                let place = known.unwrap_or_else(|| {
                    others.push(Made { lane, frame: make() });
                    others.len() - 1
                });
                return others.get(place).map_or(&None, |made| &made.frame);
            }
            Some(first) => first,
            none => none.insert(Made { lane, frame: make() }),
        };
        &first.frame
    }
}
