//! transit-js and we read and write the same: values by chance, of every kind, in both directions.
//!
//! `TENGEN_VALUES` says how many (10,000 by hand), `TENGEN_SEED` which ones.

use super::values::{Chance, KINDS};
use anyhow::{Context, Result, bail, ensure};
use data_encoding::HEXLOWER;
use serde_json::Value as Json;
use std::{
    io::Write as _,
    process::Stdio,
    time::{SystemTime, UNIX_EPOCH},
};
use support::node;
use tengen_wire::format::{edn, transit, value::Value};

/// A value in ASCII, as `describe.js` has it: the elements of sets and maps in order, so that it does not depend on who says it.
/// What JavaScript has one type for is described alike; what it cannot hold is left out. `lossy`: as it comes back from there.
fn described(value: &Value<'_>, lossy: bool) -> String {
    let again = |value: &Value<'_>| described(value, lossy);
    let text = |sign: char, text: &str| format!("{sign}{}", HEXLOWER.encode(text.as_bytes()));
    let joined = |items: &[Value<'_>]| items.iter().map(again).collect::<Vec<_>>().join(" ");
    let number = |number: f64| {
        let number = if lossy && number == 0.0 { 0.0 } else { number };
        let number = if number.is_nan() { f64::NAN } else { number };
        format!("d{:016x}", number.to_bits())
    };
    match value {
        Value::Nil => "nil".into(),
        Value::Bool(truth) => truth.to_string(),
        Value::Integer(integer) if integer.unsigned_abs() < 1 << 53 => number(*integer as f64),
        Value::Integer(integer) => format!("i{integer}"),
        Value::Float(float) => number(*float),
        Value::BigInteger(digits) => format!("{} {}", text('#', "n"), text('s', digits)),
        Value::BigDecimal(digits) => format!("{} {}", text('#', "f"), text('s', digits)),
        Value::Ratio(ratio) => {
            let part = |part: &str| again(&Value::BigInteger(part.to_owned().into()));
            let parts: Vec<_> = ratio.split('/').map(part).collect();
            format!("{} [{}]", text('#', "ratio"), parts.join(" "))
        }
        Value::Char(character) => text('s', &character.to_string()),
        Value::String(string) => text('s', string),
        Value::Symbol(name) => text('y', name),
        Value::Keyword(name) => text('k', name),
        Value::Inst(inst) => {
            format!("t{}", inst.seconds * 1000 + i64::from(inst.nanos / 1_000_000))
        }
        Value::Uuid(uuid) => format!("u{uuid}"),
        Value::Bytes(bytes) => format!("b{}", HEXLOWER.encode(bytes)),
        Value::Vector(items) => format!("[{}]", joined(items)),
        Value::List(items) => format!("{} [{}]", text('#', "list"), joined(items)),
        Value::Set(items) => {
            let mut items: Vec<_> = items.iter().map(again).collect();
            items.sort_unstable();
            format!("#{{{}}}", items.join(" "))
        }
        Value::Map(pairs) => {
            let pair = |(key, value): &(_, _)| format!("{} {}", again(key), again(value));
            let mut pairs: Vec<_> = pairs.iter().map(pair).collect();
            pairs.sort_unstable();
            format!("{{{}}}", pairs.join(" "))
        }
        Value::Tagged(tag, value) => match &**value {
            Value::String(uri) if tag == "uri" => text('r', uri),
            value => format!("{} {}", text('#', tag), again(value)),
        },
    }
}

/// The values whose sizes and depths are not left to chance.
fn by_hand() -> Vec<String> {
    let count = |count: usize| vec!["7"; count].join(" ");
    vec![
        "[]".into(),
        "{}".into(),
        "#{}".into(),
        "\"\"".into(),
        "#base64 \"\"".into(),
        format!("{}nil{}", "[".repeat(64), "]".repeat(64)),
        format!("{}nil{}", "{:key [".repeat(32), "]}".repeat(32)),
        format!("{}1{}", "#my/tag (".repeat(32), ")".repeat(32)),
        format!("[{}]", count(65_536)),
        format!("[{}]", (0..65_536).map(|number| format!(":name{number} ")).collect::<String>()),
        format!(
            "{{{}}}",
            (0..65_536)
                .map(|number| format!(":name{number} :name{} ", number / 2))
                .collect::<String>()
        ),
        format!("\"{}\"", "😀".repeat(65_536)),
    ]
}

#[test]
fn transit_js_reads_what_we_write_and_we_read_what_it_writes() -> Result<()> {
    let Some(folder) = node::package("transit-js", "0.8.874")? else { return Ok(()) };
    let asked = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let count = asked("TENGEN_VALUES").unwrap_or(600);
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos() as u64;
    let seed = asked("TENGEN_SEED").unwrap_or(now);
    println!("TENGEN_SEED={seed} TENGEN_VALUES={count}");
    let mut chance = Chance::new(seed);
    let mut texts = by_hand();
    for number in 0..count as usize {
        let kind = KINDS[number % KINDS.len()];
        texts.push(chance.value(kind, number % 5));
    }
    println!("{:?}", chance.counts);
    let few = KINDS.iter().find(|kind| chance.counts[*kind] < count / 60);
    ensure!(few.is_none(), "too few of {few:?}");
    compare(&folder, &texts)
}

fn compare(folder: &std::path::Path, texts: &[String]) -> Result<()> {
    let mut written = String::new();
    let mut values = Vec::new();
    for text in texts {
        let value = edn::read(text).with_context(|| format!("not EDN: {text}"))?;
        transit::write(&mut written, &value)?;
        written.push('\n');
        values.push(value);
    }
    let answers = ask(folder, written.clone())?;
    let lines: Vec<_> = answers.lines().collect();
    ensure!(lines.len() == values.len(), "{} answers for {}", lines.len(), values.len());
    for (((text, value), ours), line) in texts.iter().zip(&values).zip(written.lines()).zip(lines) {
        let short: String = text.chars().take(500).collect();
        let theirs: Json = serde_json::from_str(line)?;
        let said = theirs["said"].as_str().context("a description")?;
        if let Some(differ) = difference(said, &described(value, false)) {
            bail!("{short}\n{ours:.500}\n{differ}");
        }
        let expected = described(value, true);
        for form in ["plain", "verbose"] {
            let written = theirs[form].as_str().context("a text")?;
            let back =
                transit::read(written).with_context(|| format!("{short}: {written:.500}"))?;
            if let Some(differ) = difference(&expected, &described(&back, true)) {
                bail!("{short}\n{form}: {written:.500}\n{differ}");
            }
        }
    }
    Ok(())
}

/// The first place where two descriptions differ, with what stands around it.
fn difference(theirs: &str, ours: &str) -> Option<String> {
    let at = theirs.bytes().zip(ours.bytes()).position(|(one, other)| one != other);
    let at = at.or((theirs.len() != ours.len()).then(|| theirs.len().min(ours.len())))?;
    let around =
        |text: &str| text.chars().skip(at.saturating_sub(60)).take(160).collect::<String>();
    Some(format!("theirs: …{}…\nours: …{}…", around(theirs), around(ours)))
}

/// What node says of these lines.
fn ask(folder: &std::path::Path, lines: String) -> Result<String> {
    let mut node = node::node();
    node.args(["-e", include_str!("describe.js")]).current_dir(folder);
    node.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = node.spawn().context("starting node")?;
    let mut stdin = child.stdin.take().context("it has one")?;
    // Node answers while it is told more.
    let told = std::thread::spawn(move || stdin.write_all(lines.as_bytes()));
    let output = child.wait_with_output()?;
    told.join().map_err(|_| anyhow::anyhow!("telling node panicked"))??;
    ensure!(output.status.success(), "node failed: {}", output.status);
    Ok(String::from_utf8(output.stdout)?)
}
