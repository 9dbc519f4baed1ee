//! What all parts of one file share: its lines, its variables, and every mistake in it, noted instead of ending at the first.

use super::{
    environment::{self, Variables},
    mistakes::{Lines, Mistake},
    section::Section,
};
use std::{cell::RefCell, ops::Range, path::Path};

/// What all parts of one file share.
pub(crate) struct Document<'a> {
    pub(crate) lines: Lines,
    /// What there is in such a file.
    pub(crate) sections: &'a [Section],
    env: &'a dyn Fn(&str) -> Option<String>,
    pub(crate) base: &'a Path,
    mistakes: RefCell<Vec<(usize, Mistake)>>,
    warnings: RefCell<Vec<(usize, Mistake)>>,
    variables: RefCell<Variables>,
}

/// Where a table or value stands, to speak of it.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) key: String,
    pub(crate) at: usize,
}

impl<'a> Document<'a> {
    pub(crate) fn new(
        text: &str,
        sections: &'a [Section],
        env: &'a dyn Fn(&str) -> Option<String>,
        base: &'a Path,
    ) -> Self {
        Self {
            lines: Lines::of(text),
            sections,
            env,
            base,
            mistakes: RefCell::default(),
            warnings: RefCell::default(),
            variables: RefCell::default(),
        }
    }

    /// A text with its environment variables put in.
    pub(crate) fn expand(&self, text: &str) -> Result<String, String> {
        environment::expand(text, &|name| {
            let value = (self.env)(name)?;
            self.variables.borrow_mut().note(name, &value);
            Some(value)
        })
    }

    /// Every variable that was put in so far.
    pub(crate) fn variables(&self) -> Variables {
        self.variables.borrow().clone()
    }

    pub(crate) fn mistake(&self, place: &Place, what: impl Into<String>) {
        self.mistakes.borrow_mut().push((place.at, self.say(place, what)));
    }

    pub(crate) fn warning(&self, place: &Place, what: impl Into<String>) {
        self.warnings.borrow_mut().push((place.at, self.say(place, what)));
    }

    pub(crate) fn syntax(&self, span: Option<Range<usize>>, what: &str) {
        let at = span.map_or(0, |span| span.start);
        self.mistake(&Place { key: String::new(), at }, what);
    }

    fn say(&self, place: &Place, what: impl Into<String>) -> Mistake {
        Mistake { key: place.key.clone(), line: Some(self.lines.line(place.at)), what: what.into() }
    }

    /// Mistakes and warnings, each in the order of the file. No variable's value is in them.
    pub(crate) fn findings(&self) -> (Vec<Mistake>, Vec<Mistake>) {
        let variables = self.variables.borrow();
        let shown = |mistake: Mistake| Mistake { what: variables.hide(&mistake.what), ..mistake };
        let in_order = |list: &RefCell<Vec<(usize, Mistake)>>| {
            let mut list = list.take();
            list.sort_by_key(|(at, _)| *at);
            list.into_iter().map(|(_, mistake)| shown(mistake)).collect()
        };
        (in_order(&self.mistakes), in_order(&self.warnings))
    }
}
