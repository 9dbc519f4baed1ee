//! Finding keys that occur twice, without building values where texts can be compared.

use std::ops::Range;

/// How many keys are compared each with each; more are sorted.
const FEW: usize = 8;

/// The keys of one map, or the elements of one set, as they are read: those that have no parts.
#[derive(Debug)]
pub(super) struct Keys<'n> {
    /// What `#:namespace{…}` gives to each key.
    pub(super) namespace: Option<&'n str>,
    /// How many digests there were when the map began.
    pub(super) base: usize,
    few: [Range<usize>; FEW],
    count: usize,
    /// All of them, once they are more than [`FEW`].
    many: Vec<Range<usize>>,
    /// Some key can be written in several ways.
    varied: bool,
}

impl<'n> Keys<'n> {
    pub(super) fn new(namespace: Option<&'n str>, base: usize) -> Self {
        let few = [const { 0..0 }; FEW];
        Self { namespace, base, few, count: 0, many: Vec::new(), varied: false }
    }

    /// `varied`: another text may mean the same key, even without a namespace.
    pub(super) fn add(&mut self, text: &str, span: Range<usize>, varied: bool) {
        self.varied |= varied || (self.namespace.is_some() && text.contains('/'));
        match self.few.get_mut(self.count) {
            Some(place) => *place = span,
            None => {
                if self.many.is_empty() {
                    self.many.extend(self.few.iter().cloned());
                }
                self.many.push(span);
            }
        }
        self.count += 1;
    }

    pub(super) fn spans(&self) -> &[Range<usize>] {
        match self.count > FEW {
            true => &self.many,
            false => self.few.get(..self.count).unwrap_or_default(),
        }
    }

    /// Whether keys with different texts may be equal, or equal to a key that has parts.
    pub(super) fn may_look_alike(&self) -> bool {
        self.varied
    }

    /// Where a key begins whose text was there before.
    pub(super) fn duplicate(&self, text: &str) -> Option<usize> {
        let keys = self.spans();
        let slice = |key: &Range<usize>| text.get(key.clone()).unwrap_or_default();
        if keys.len() > FEW {
            let mut sorted: Vec<_> = keys.iter().map(|key| (slice(key), key.start)).collect();
            sorted.sort_unstable();
            let pairs = sorted.iter().zip(sorted.iter().skip(1));
            return pairs.filter(|(one, next)| one.0 == next.0).map(|(_, next)| next.1).min();
        }
        keys.iter().enumerate().find_map(|(place, key)| {
            keys.iter().take(place).any(|earlier| slice(earlier) == slice(key)).then_some(key.start)
        })
    }
}
