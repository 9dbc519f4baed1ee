//! Names with `*` for any text.

/// A name in which `*` stands for any text, also none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    first: Box<str>,
    /// What follows each `*`; none: there is no `*`.
    rest: Box<[Box<str>]>,
}

impl Pattern {
    pub(crate) fn new(text: &str) -> Self {
        let mut parts = text.split('*').map(Into::into);
        Self { first: parts.next().unwrap_or_default(), rest: parts.collect() }
    }

    /// Everything that begins so, as a `tracing` filter has it.
    pub(crate) fn beginning(text: &str) -> Self {
        let rest: &[Box<str>] = &[Box::default()];
        Self { first: text.into(), rest: rest.into() }
    }

    pub(crate) fn matches(&self, name: &str) -> bool {
        let Some((last, middle)) = self.rest.split_last() else { return *name == *self.first };
        let Some(mut left) = name.strip_prefix(&*self.first) else { return false };
        // The first place of each part will do: it leaves most for those behind.
        for part in middle {
            let Some((_, behind)) = left.split_once(&**part) else { return false };
            left = behind;
        }
        left.ends_with(&**last)
    }

    /// Whether some name that begins so may match.
    pub(crate) fn may_match(&self, beginning: &str) -> bool {
        match self.rest.is_empty() {
            true => self.first.starts_with(beginning),
            false => self.first.starts_with(beginning) || beginning.starts_with(&*self.first),
        }
    }
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.first)?;
        self.rest.iter().try_for_each(|part| write!(f, "*{part}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_star_stands_for_any_text_and_nothing_else_does() {
        for (pattern, matching, other) in [
            ("a.b", "a.b", "a.b.c"),
            ("a.*", "a.", "a"),
            ("a*c", "abbc", "abb"),
            ("a*bc*d", "a-bc-bc-d", "a-bc-"),
            ("*", "", "-"),
            ("*x", "axx", "xa"),
            ("ab*bc", "abbc", "abc"),
        ] {
            assert!(Pattern::new(pattern).matches(matching), "{pattern} {matching}");
            assert!(pattern == "*" || !Pattern::new(pattern).matches(other), "{pattern} {other}");
        }
        assert!(Pattern::beginning("tengen::hub").matches("tengen::hub::link"));
        assert!(Pattern::new("plugin.chat").may_match("plugin."));
        assert!(
            Pattern::new("p*").may_match("plugin.") && !Pattern::new("q*").may_match("plugin.")
        );
    }

    /// The same, as it is defined.
    fn matches(pattern: &[char], name: &[char]) -> bool {
        match (pattern.split_first(), name.split_first()) {
            (None, _) => name.is_empty(),
            (Some(('*', rest)), _) => {
                matches(rest, name) || (!name.is_empty() && matches(pattern, &name[1..]))
            }
            (Some((one, rest)), Some((first, behind))) => one == first && matches(rest, behind),
            (Some(_), None) => false,
        }
    }

    proptest! {
        #[test]
        fn it_matches_as_it_is_defined(pattern in "[ab*]{0,8}", name in "[ab]{0,10}") {
            let (of, chars): (Vec<_>, Vec<_>) = (pattern.chars().collect(), name.chars().collect());
            prop_assert_eq!(Pattern::new(&pattern).matches(&name), matches(&of, &chars));
            prop_assert_eq!(Pattern::new(&pattern).to_string(), pattern);
        }
    }
}
