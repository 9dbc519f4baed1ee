//! What a source file imports, read from its text: comments, what is inside quotes, and unit tests left out.

/// The path of a file's module: `hub` for `hub/mod.rs`, `hub::link` for `hub/link.rs`, nothing for `lib.rs`.
pub(super) fn module_of(file: &str) -> Vec<&str> {
    let path = file.trim_end_matches(".rs");
    let path = if path == "lib" { "" } else { path.strip_suffix("/mod").unwrap_or(path) };
    path.split('/').filter(|part| !part.is_empty()).collect()
}

pub(super) fn is_test(file: &str) -> bool {
    file.ends_with("tests.rs") || file.split('/').any(|part| part == "tests")
}

/// Every path that a module names by `crate::` or `super::`, from the root of its crate on.
pub(super) fn imports(module: &[&str], code: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut rest = code;
    let next =
        |rest: &str| [rest.find("crate::"), rest.find("super::")].into_iter().flatten().min();
    let mut before = None;
    while let Some(at) = next(rest) {
        before = rest[..at].chars().next_back().or(before);
        rest = &rest[at..];
        if before.is_some_and(|c| c.is_alphanumeric() || "_:$".contains(c)) {
            before = Some(':');
            rest = &rest["crate::".len()..];
            continue;
        }
        // A `super::` inside of the tree begins where the tree is, not at the module: it is read with the tree.
        let mut paths = Vec::new();
        rest = read_tree(rest, &mut Vec::new(), &mut paths);
        before = Some(' ');
        found.extend(paths.iter().map(|path| from_root(module, path)));
    }
    found
}

/// Reads a path or a `{…}` tree of them, and returns what follows it.
fn read_tree<'a>(
    tree: &'a str,
    before: &mut Vec<&'a str>,
    paths: &mut Vec<Vec<&'a str>>,
) -> &'a str {
    let mut rest = tree.trim_start();
    let depth = before.len();
    loop {
        if let Some(inside) = rest.strip_prefix('{') {
            rest = inside;
            while !rest.is_empty() && !rest.starts_with('}') {
                rest = read_tree(rest, before, paths);
                // What is left of a member is its other name.
                rest = rest[rest.find([',', '}']).unwrap_or(rest.len())..].trim_start_matches(',');
                rest = rest.trim_start();
            }
            rest = rest.strip_prefix('}').unwrap_or(rest);
            break;
        }
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        before.push(&rest[..end]);
        rest = &rest[end..];
        let next = rest.strip_prefix("::");
        let goes_on =
            |next: &&str| next.starts_with(|c: char| c.is_alphabetic() || "_{".contains(c));
        match next.filter(goes_on) {
            Some(next) => rest = next,
            None => {
                paths.push(before.clone());
                break;
            }
        }
    }
    before.truncate(depth);
    rest
}

fn from_root(module: &[&str], path: &[&str]) -> Vec<String> {
    let mut place: Vec<&str> = module.to_vec();
    for part in path {
        match *part {
            "crate" => place.clear(),
            "super" => drop(place.pop()),
            "self" => {}
            part => place.push(part),
        }
    }
    place.into_iter().map(str::to_owned).collect()
}

/// The code without comments, without what is inside quotes, and without the unit tests at its end.
pub(super) fn code_of(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if rest.starts_with("r\"") || rest.starts_with("r#") || rest.starts_with("br") {
            raw_string(rest)
        } else if c == '"' {
            string(rest)
        } else if c == '\'' {
            character(rest)
        } else {
            0
        };
        if skipped == 0 {
            code.push(c);
            rest = &rest[c.len_utf8()..];
        } else {
            code.push(' ');
            rest = &rest[skipped..];
        }
    }
    without_tests(&code)
}

/// Nothing but braces of code is left when this looks for the end of the module.
fn without_tests(code: &str) -> String {
    let Some((before, tests)) = code.split_once("#[cfg(test)]\nmod tests {") else {
        return code.to_owned();
    };
    let mut depth = 1;
    let end = tests.find(|c| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        depth == 0
    });
    let after = end.map_or("", |end| &tests[end + 1..]);
    format!("{before}{after}")
}

/// The length of a character in quotes, or 0 for a lifetime.
fn character(text: &str) -> usize {
    let mut inside = text.char_indices().skip(1);
    match inside.next() {
        Some((_, '\\')) => inside.skip(1).find(|(_, c)| *c == '\'').map_or(0, |(end, _)| end + 1),
        Some(_) => inside.next().filter(|(_, c)| *c == '\'').map_or(0, |(end, _)| end + 1),
        None => 0,
    }
}

fn block_comment(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                break;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    at
}

/// The length of a raw string, or 0 when it is none (`r#type`, `br` in a name).
fn raw_string(text: &str) -> usize {
    let opening = text.trim_start_matches('b').trim_start_matches('r');
    let hashes = opening.len() - opening.trim_start_matches('#').len();
    if !opening[hashes..].starts_with('"') {
        return 0;
    }
    let start = text.len() - opening.len() + hashes + 1;
    let end = format!("\"{}", "#".repeat(hashes));
    text[start..].find(&end).map_or(text.len(), |at| start + at + end.len())
}

fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}
