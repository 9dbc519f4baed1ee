//! EDN's names: which characters they are made of, and which names every reader takes.

use super::super::error::Problem;

/// The ASCII characters that can be part of a token, by their code.
static CONSTITUENTS: [bool; 128] = {
    let mut table = [false; 128];
    let mut code: u8 = b'!';
    while code <= b'~' {
        #[expect(clippy::indexing_slicing, reason = "the code is below 128")]
        {
            table[code as usize] = !matches!(
                code,
                b'"' | b','
                    | b';'
                    | b'@'
                    | b'^'
                    | b'`'
                    | b'~'
                    | b'('
                    | b')'
                    | b'['
                    | b']'
                    | b'{'
                    | b'}'
                    | b'\\'
            );
        }
        code += 1;
    }
    table
};

/// What of a name can be seen from each byte alone: letters, digits and most signs, of which every name is well formed.
pub(super) const PLAIN: u8 = 1;
/// `/`, and `:`, `#` and `'`, which may not stand everywhere.
const SIGN: u8 = 2;
/// A part of a character that is not ASCII, which may be none of a name.
pub(super) const OTHER: u8 = 4;

/// Of each byte; 0 ends a token.
pub(super) static CLASSES: [u8; 256] = {
    let mut table = [OTHER; 256];
    let mut code = 0;
    while code < 128 {
        #[expect(clippy::indexing_slicing, reason = "the code is below 128")]
        {
            table[code] = match code as u8 {
                _ if !CONSTITUENTS[code] => 0,
                b'/' | b':' | b'#' | b'\'' => SIGN,
                _ => PLAIN,
            };
        }
        code += 1;
    }
    table
};

/// Whether a character can be part of a token: all but white space, control characters and what means something else.
pub(super) fn is_constituent(c: char) -> bool {
    match CONSTITUENTS.get(c as usize) {
        Some(&constituent) => constituent,
        None => !c.is_whitespace() && !c.is_control(),
    }
}

/// How many bytes of a text belong to the token at its beginning.
pub(super) fn token_length(text: &str) -> usize {
    let ascii = |&byte: &u8| CONSTITUENTS.get(usize::from(byte)).copied().unwrap_or(false);
    let length = text.bytes().take_while(ascii).count();
    match text.as_bytes().get(length) {
        Some(0x80..) => text.find(|c| !is_constituent(c)).unwrap_or(text.len()),
        _ => length,
    }
}

/// Checks a symbol, or a keyword without its colon, as readers do that are generous about digits.
pub(super) fn check_name(token: &str) -> Result<(), Problem> {
    if token.is_empty() {
        return Err(Problem::Name("a `:` needs a name right after it"));
    }
    if token.starts_with([':', '#', '\'']) {
        return Err(Problem::Name("it may not begin with `:`, `#` or `'`"));
    }
    let (mut slashes, mut before) = (0, b' ');
    for byte in token.bytes() {
        slashes += usize::from(byte == b'/');
        if before == b':' && matches!(byte, b':' | b'/') {
            return Err(COLON);
        }
        before = byte;
    }
    let slash_at_an_end = token.starts_with('/') || before == b'/';
    match slashes {
        _ if before == b':' => Err(COLON),
        // The name `/` is Clojure's division.
        0 => Ok(()),
        1 if !slash_at_an_end || token.len() == 1 => Ok(()),
        _ => Err(Problem::Name("a `/` stands once, between namespace and name")),
    }
}

const COLON: Problem = Problem::Name("a `:` stands alone and not at the end");

/// Whether text can be written as a keyword that readers take back as the same name who are generous about digits, as
/// Clojure's are: what a peer says and reads itself.
pub(crate) fn is_readable_name(text: &str) -> bool {
    text.chars().all(is_constituent) && check_name(text).is_ok()
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
    parts && is_readable_name(text)
}
