//! The events that a plugin wants, and the channels: asked for every event, so answered in few steps however many patterns
//! there are.

use tengen_settings::Pattern;

/// A set of patterns.
#[derive(Debug, Clone)]
pub(crate) struct Patterns {
    patterns: Vec<Pattern>,
    /// Ids without a star, in order.
    whole: Box<[Box<str>]>,
    /// Beginnings, in order. None begins with another one.
    beginnings: Box<[Box<str>]>,
}

impl Patterns {
    pub(super) fn new(patterns: Vec<Pattern>) -> Self {
        let (mut whole, mut beginnings) = (Vec::<Box<str>>::new(), Vec::<Box<str>>::new());
        for pattern in &patterns {
            match pattern.0.strip_suffix('*') {
                Some(beginning) => beginnings.push(beginning.into()),
                None => whole.push(pattern.0.as_str().into()),
            }
        }
        whole.sort_unstable();
        beginnings.sort_unstable();
        // What begins with another one stands right behind it, or behind others that do.
        beginnings.dedup_by(|next, before| next.starts_with(&**before));
        Self { patterns, whole: whole.into(), beginnings: beginnings.into() }
    }

    /// As the plugin gave them.
    pub(crate) fn patterns(&self) -> &[Pattern] {
        &self.patterns
    }

    /// Whether it wants events of this id. Without a pattern it wants all.
    pub(super) fn has(&self, id: &str) -> bool {
        if self.patterns.is_empty() {
            return true;
        }
        // An id's beginning is not after the id, and whatever stands between the two begins with it.
        let after = self.beginnings.partition_point(|beginning| **beginning <= *id);
        let before = after.checked_sub(1).and_then(|place| self.beginnings.get(place));
        before.is_some_and(|beginning| id.starts_with(&**beginning))
            || self.whole.binary_search_by(|whole| (**whole).cmp(id)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn patterns(texts: &[String]) -> Vec<Pattern> {
        texts.iter().cloned().map(Pattern).collect()
    }

    proptest! {
        #[test]
        fn the_set_wants_what_one_of_its_patterns_matches(
            texts in prop::collection::vec("[ab/]{0,3}\\*?", 1..8),
            id in "[ab/]{0,5}",
        ) {
            let patterns = patterns(&texts);
            let expected = patterns.iter().any(|pattern| pattern.matches(&id));
            prop_assert_eq!(Patterns::new(patterns).has(&id), expected);
        }
    }

    #[test]
    fn without_a_pattern_everything_is_wanted() {
        assert!(Patterns::new(Vec::new()).has("a/b"));
    }
}
