//! `${NAME}` in a string stands for an environment variable; `$${` is a plain `${`.
//!
//! What a variable stands for may be a secret, and is shown to nobody: not in a mistake either.

use std::collections::BTreeMap;

/// A value as short as this is taken for one only where something is quoted.
const SHORT: usize = 2;

/// The variables of a file, and what they stand for.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Variables(BTreeMap<String, String>);

/// Never shows a value.
impl std::fmt::Debug for Variables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Variables {
    pub(crate) fn note(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.0.insert(name.to_owned(), value.to_owned());
        }
    }

    /// What they stand for: for who has to hide it in other ways.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        self.0.values().map(String::as_str)
    }

    /// The text with `${NAME}` wherever the value of a variable stands.
    pub fn hide(&self, text: &str) -> String {
        let (mut out, mut rest, mut quoted) = (String::with_capacity(text.len()), text, false);
        while let Some(next) = rest.chars().next() {
            if let Some((name, after)) = self.begins(rest, quoted) {
                out.extend(["${", name, "}"]);
                rest = after;
                continue;
            }
            quoted ^= next == '`';
            out.push(next);
            rest = rest.strip_prefix(next).unwrap_or_default();
        }
        out
    }

    /// The variable with the longest value that the text begins with, and what comes after the value.
    fn begins<'t>(&self, text: &'t str, quoted: bool) -> Option<(&str, &'t str)> {
        let long_enough = |value: &str| quoted || value.len() > SHORT;
        let found =
            self.0.iter().filter(|(_, value)| long_enough(value)).filter_map(|(name, value)| {
                Some((name.as_str(), text.strip_prefix(value.as_str())?))
            });
        found.min_by_key(|(_, after)| after.len())
    }
}

/// The text with every variable put in. Err: what is missing and what to do.
pub(crate) fn expand(text: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(escaped) = before.strip_suffix('$') {
            out.push_str(escaped);
            out.push_str("${");
            rest = after;
            continue;
        }
        let Some((name, tail)) = after.split_once('}') else {
            return Err(
                "has a `${` without its `}`; write `${NAME}`, or `$${` for a plain `${`".into()
            );
        };
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(format!(
                "`${{{name}}}` does not name an environment variable; write letters, digits and `_`"
            ));
        }
        let value = env(name).ok_or_else(|| {
            format!("the environment variable `{name}` is not set; set it, or write the value in its place")
        })?;
        out.push_str(before);
        out.push_str(&value);
        rest = tail;
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(name: &str) -> Option<String> {
        (name == "HOME_PORT").then(|| "80${X}80".into())
    }

    #[test]
    fn variables_are_put_in_once_and_a_doubled_dollar_stays() {
        for (text, expected) in [
            ("plain $5 }", "plain $5 }"),
            ("a:${HOME_PORT}!", "a:80${X}80!"),
            ("$${HOME_PORT}", "${HOME_PORT}"),
            ("${HOME_PORT}${HOME_PORT}", "80${X}8080${X}80"),
        ] {
            assert_eq!(expand(text, &env).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn values_are_hidden_behind_their_names() {
        let mut variables = Variables::default();
        for (name, value) in [("LONG", "s3cret/more"), ("KEY", "s3cret"), ("N", "1"), ("E", "")] {
            variables.note(name, value);
        }
        for (text, expected) in [
            ("no `s3cret` in /s3cret/more/s3cret", "no `${KEY}` in /${LONG}/${KEY}"),
            ("at least 1, not `:81`", "at least 1, not `:8${N}`"),
            ("żółw", "żółw"),
        ] {
            assert_eq!(variables.hide(text), expected);
        }
        assert!(!format!("{variables:?}").contains("s3cret"));
    }

    #[test]
    fn what_is_not_set_is_a_mistake() {
        assert!(expand("${NOBODY}", &env).unwrap_err().contains("`NOBODY` is not set"));
        assert!(expand("${HOME_PORT", &env).unwrap_err().contains("without its `}`"));
        assert!(expand("${}", &env).unwrap_err().contains("does not name"));
        assert!(expand("${A-B}", &env).unwrap_err().contains("does not name"));
    }
}
