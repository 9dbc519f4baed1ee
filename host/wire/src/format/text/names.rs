//! Whether a name stands twice in a map, while the map is walked.

/// How many names are compared each with each; more are sorted.
const FEW: usize = 16;
/// Room for the names of most payloads, so that it is taken once.
const ROOM: usize = 32;

/// The names of all maps that are open, by where they stand in the text.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// Those of a map behind those of the map that it stands in; between them what was known of that one.
    spans: Vec<(usize, usize)>,
    /// Where those of the innermost map begin.
    base: usize,
    /// A bit for each of them, the same one for equal names.
    seen: usize,
}

impl Names {
    pub(crate) fn open(&mut self) {
        if self.spans.capacity() == 0 {
            self.spans.reserve(ROOM);
        }
        self.spans.push((self.base, self.seen));
        self.base = self.spans.len();
        self.seen = 0;
    }

    /// None: the innermost map has this name already. Of more than a few it is said when the map closes.
    #[inline]
    pub(crate) fn add(&mut self, text: &str, (start, end): (usize, usize)) -> Option<()> {
        let name = text.as_bytes().get(start..end)?;
        let bit = bit_of(name);
        if self.seen & bit != 0 && self.spans.len() - self.base < FEW {
            let names = self.spans.get(self.base..)?;
            if names.iter().any(|&(start, end)| text.as_bytes().get(start..end) == Some(name)) {
                return None;
            }
        }
        self.seen |= bit;
        self.spans.push((start, end));
        Some(())
    }

    /// None: the innermost map had a name twice.
    #[inline]
    pub(crate) fn close(&mut self, text: &str) -> Option<()> {
        let names = self.spans.get(self.base..)?;
        if names.len() > FEW && !all_differ(text, names) {
            return None;
        }
        self.spans.truncate(self.base);
        (self.base, self.seen) = self.spans.pop()?;
        Some(())
    }
}

fn all_differ(text: &str, names: &[(usize, usize)]) -> bool {
    let mut names: Vec<_> =
        names.iter().map(|&(start, end)| text.as_bytes().get(start..end)).collect();
    names.sort_unstable();
    names.iter().zip(names.iter().skip(1)).all(|(one, next)| one != next)
}

fn bit_of(name: &[u8]) -> usize {
    let end = |byte: Option<&u8>| byte.copied().map_or(0, usize::from);
    let mixed = end(name.first()) * 5 + end(name.last()) * 3 + name.len();
    1 << (mixed % usize::BITS as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the words of a text, as the keys of one map that has a map inside, all differ.
    fn differ(text: &str) -> bool {
        let mut names = Names::default();
        names.open();
        let added = text.split(' ').try_for_each(|word| {
            let start = word.as_ptr().addr() - text.as_ptr().addr();
            names.add(text, (start, start + word.len()))?;
            names.open();
            names.add(text, (0, 1))?;
            names.close(text)
        });
        added.and_then(|()| names.close(text)).is_some()
    }

    #[test]
    fn names_are_told_apart_in_maps_of_any_size() {
        for count in [1, 2, 15, 16, 17, 18, 40, 200] {
            let words: Vec<_> = (0..count).map(|number| format!("k{number}")).collect();
            assert!(differ(&words.join(" ")), "{count}");
            for again in [0, count / 2, count - 1] {
                let text = format!("{} k{again}", words.join(" "));
                assert!(!differ(&text), "{text}");
            }
        }
        // The same bit for all of them.
        assert!(differ("axxa axya ayxa ayya"));
        assert!(!differ("axxa axya ayxa axya"));
    }
}
