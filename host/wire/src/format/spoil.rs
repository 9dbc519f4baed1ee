//! Texts that are nearly what they were, for tests that a quick way and a plain one say the same of them.

/// What means something in a format, and what means nothing in any.
const TELLING: &str = "\"\\[]{}(),:;#_'/-+.01aenuNM^ \n\0\u{7f}é\u{a0}";

/// A text cut at each place, and with each of its characters left out, and with others in its place and before it.
pub(super) fn spoilt(text: &str) -> Vec<String> {
    let mut texts = Vec::new();
    for (at, c) in text.char_indices() {
        let (before, rest) = text.split_at(at);
        let (_, after) = rest.split_at(c.len_utf8());
        texts.push(before.to_owned());
        texts.push(format!("{before}{after}"));
        for other in TELLING.chars() {
            texts.push(format!("{before}{other}{after}"));
            texts.push(format!("{before}{other}{c}{after}"));
        }
    }
    texts
}

/// Strings with each of these pieces at every place of two blocks of eight bytes, and at their ends.
pub(super) fn strings_with(pieces: &[&str]) -> Vec<String> {
    let mut texts = Vec::new();
    for piece in pieces {
        for before in 0..18 {
            for after in [0, 1, 6, 7, 8, 9, 17] {
                for filling in ["a", "\u{80}"] {
                    let (before, after) = (filling.repeat(before), "b".repeat(after));
                    texts.push(format!("\"{before}{piece}{after}\""));
                    texts.push(format!("[\"{before}{piece}{after}\",\"{piece}\"]"));
                }
            }
        }
    }
    texts
}
