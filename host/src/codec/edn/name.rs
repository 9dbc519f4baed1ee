//! EDN's names: which characters they are made of, and which names every reader takes.

use super::super::error::Problem;

/// Whether a character can be part of a token: all but white space, control characters and what means something else.
pub(super) fn is_constituent(c: char) -> bool {
    match c {
        '"' | ',' | ';' | '@' | '^' | '`' | '~' | '(' | ')' | '[' | ']' | '{' | '}' | '\\' => false,
        '!'..='~' => true,
        _ => !c.is_whitespace() && !c.is_control(),
    }
}

/// How many bytes of a text belong to the token at its beginning.
pub(super) fn token_length(text: &str) -> usize {
    text.find(|c| !is_constituent(c)).unwrap_or(text.len())
}

/// Checks a symbol, or a keyword without its colon, as readers do that are generous about digits.
pub(super) fn check_name(token: &str) -> Result<(), Problem> {
    if token.is_empty() {
        return Err(Problem::Name("a `:` needs a name right after it"));
    }
    if token.starts_with([':', '#', '\'']) {
        return Err(Problem::Name("it may not begin with `:`, `#` or `'`"));
    }
    if token.ends_with(':') || token.contains("::") || token.contains(":/") {
        return Err(Problem::Name("a `:` stands alone and not at the end"));
    }
    match token.split_once('/') {
        Some((namespace, name))
            if namespace.is_empty() != name.is_empty() || name.contains('/') =>
        {
            Err(Problem::Name("a `/` stands once, between namespace and name"))
        }
        _ => Ok(()),
    }
}

/// Whether text can be written as a keyword that every EDN reader takes back as the same name.
pub(crate) fn is_portable_name(text: &str) -> bool {
    let part = |part: &str| {
        let mut characters = part.chars();
        let first = characters.next();
        let second = characters.next();
        let digit = |c: Option<char>| c.is_some_and(char::is_numeric);
        first.is_some()
            && !digit(first)
            && !(matches!(first, Some('+' | '-' | '.')) && digit(second))
    };
    let parts = match text.split_once('/') {
        Some((namespace, name)) => part(namespace) && part(name),
        None => part(text),
    };
    parts && text.chars().all(is_constituent) && check_name(text).is_ok()
}
