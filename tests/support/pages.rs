//! What pages of documentation hold that tests compare with the code: sections, tables, blocks.

/// A part of a page, from behind its heading to the next one that is not below it.
pub fn section(page: &str, heading: &str) -> String {
    let level = heading.split(' ').next().unwrap_or_default();
    let Some((_, body)) = page.split_once(&format!("\n{heading}\n")) else {
        return String::new();
    };
    let ends = |line: &str| {
        let marks = line.split(' ').next().unwrap_or_default();
        line.starts_with('#') && marks.len() <= level.len()
    };
    body.lines().take_while(|line| !ends(line)).map(|line| format!("{line}\n")).collect()
}

/// The cells of all tables in a text, row by row, without their heads.
pub fn rows(text: &str) -> Vec<Vec<&str>> {
    let lines: Vec<_> = text.lines().collect();
    let is_head = |line: usize| lines.get(line + 1).is_some_and(|next| next.starts_with("|--"));
    let rows =
        lines.iter().enumerate().filter(|(place, line)| line.starts_with("| ") && !is_head(*place));
    rows.map(|(_, line)| line.trim_matches(['|', ' ']).split(" | ").map(str::trim).collect())
        .collect()
}

/// A cell's text without its backticks; none where it has none.
pub fn quoted(cell: &str) -> Option<&str> {
    cell.strip_prefix('`')?.strip_suffix('`')
}

/// The blocks of a page whose language is `text` with words behind it, with these words.
pub fn blocks(page: &str) -> impl Iterator<Item = (&str, Vec<&str>)> {
    let starts = page.split("\n```text ").skip(1);
    starts.filter_map(|rest| {
        let (words, rest) = rest.split_once('\n')?;
        let (body, _) = rest.split_once("\n```")?;
        Some((words, body.lines().collect()))
    })
}
