//! Reads OpenMetrics text (version 1.0.0) as the specification has it, and refuses everything else. No code of the gateway's.

use anyhow::{Context, Result, bail, ensure};
use std::collections::{BTreeMap, BTreeSet, HashSet};

pub type Labels = BTreeMap<String, String>;

/// One family, with its samples in their order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Family {
    pub name: String,
    pub kind: String,
    pub unit: String,
    pub help: String,
    pub samples: Vec<Sample>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// What follows the family's name: nothing, `_total`, `_bucket` …
    pub end: String,
    pub labels: Labels,
    pub value: f64,
    pub exemplar: Option<Exemplar>,
}

/// What follows a value: where that was measured, and what exactly.
#[derive(Debug, Clone, PartialEq)]
pub struct Exemplar {
    pub labels: Labels,
    pub value: f64,
    /// Seconds since 1970.
    pub at: Option<f64>,
}

/// A whole exposition.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Exposition(pub Vec<Family>);

impl Exposition {
    pub fn family(&self, name: &str) -> Option<&Family> {
        self.0.iter().find(|family| family.name == name)
    }

    /// All values of a sample's name whose labels are these, whatever else they have.
    pub fn sum(&self, sample: &str, labels: &[(&str, &str)]) -> f64 {
        let its = self.0.iter().flat_map(|family| {
            family.samples.iter().filter(move |one| {
                sample.strip_prefix(family.name.as_str()) == Some(one.end.as_str())
            })
        });
        let has = |one: &&Sample| {
            labels.iter().all(|(name, value)| one.labels.get(*name).is_some_and(|has| has == value))
        };
        its.filter(has).map(|one| one.value).sum()
    }
}

/// Reads an exposition; Err says in which line it is none.
pub fn parse(text: &str) -> Result<Exposition> {
    let text = text.strip_suffix("# EOF\n").context("it does not end with `# EOF`")?;
    ensure!(text.is_empty() || text.ends_with('\n'), "the last line has no end");
    let mut families: Vec<Family> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let read = match line.strip_prefix("# ") {
            Some(about) => descriptor(&mut families, about),
            None => sample(&mut families, line),
        };
        read.with_context(|| format!("line {number}: {line}"))?;
    }
    let mut names = HashSet::new();
    for family in &families {
        ensure!(names.insert(&family.name), "`{}` is there twice", family.name);
        check(family).with_context(|| family.name.clone())?;
    }
    Ok(Exposition(families))
}

/// `TYPE`, `HELP` or `UNIT`, each once, before the samples.
fn descriptor(families: &mut Vec<Family>, about: &str) -> Result<()> {
    let (what, rest) = about.split_once(' ').context("no descriptor")?;
    let (name, text) = rest.split_once(' ').context("no name")?;
    ensure!(is_name(name), "`{name}` is no name");
    if families.last().is_none_or(|family| family.name != name) {
        families.push(Family { name: name.to_owned(), ..Family::default() });
    }
    let family = families.last_mut().context("it was put there")?;
    ensure!(family.samples.is_empty(), "a descriptor after its samples");
    let place = match what {
        "TYPE" => &mut family.kind,
        "HELP" => &mut family.help,
        "UNIT" => &mut family.unit,
        other => bail!("there is no `{other}`"),
    };
    ensure!(place.is_empty(), "`{what}` twice");
    *place = text.to_owned();
    Ok(())
}

fn sample(families: &mut [Family], line: &str) -> Result<()> {
    let end = line.find(['{', ' ']).context("no value")?;
    let (name, rest) = line.split_at(end);
    ensure!(is_name(name), "`{name}` is no name");
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (Labels::new(), rest),
    };
    let value = rest.strip_prefix(' ').context("no space before the value")?;
    let family = families.last_mut().context("a sample without a family")?;
    let end = name.strip_prefix(family.name.as_str()).context("a sample of another family")?;
    let (value, exemplar) = match value.split_once(" # ") {
        Some((value, rest)) => (value, Some(exemplar(rest)?)),
        None => (value, None),
    };
    let value = number(value)?;
    family.samples.push(Sample { end: end.to_owned(), labels, value, exemplar });
    Ok(())
}

/// `{labels} value`, and a time after that if there is one. Labels are short: 128 characters with their values.
fn exemplar(text: &str) -> Result<Exemplar> {
    let (labels, rest) = labels(text.strip_prefix('{').context("an exemplar without labels")?)?;
    let length = labels.iter().map(|(name, value)| name.chars().count() + value.chars().count());
    ensure!(length.sum::<usize>() <= 128, "too much in an exemplar");
    let rest = rest.strip_prefix(' ').context("no space before the exemplar's value")?;
    let (value, at) = match rest.split_once(' ') {
        Some((value, at)) => (value, Some(number(at)?)),
        None => (rest, None),
    };
    Ok(Exemplar { labels, value: number(value)?, at })
}

/// What stands between the braces, and what is behind them.
fn labels(mut text: &str) -> Result<(Labels, &str)> {
    let mut labels = Labels::new();
    loop {
        let (name, rest) = text.split_once("=\"").context("no label")?;
        ensure!(is_name(name) && !name.contains(':'), "`{name}` is no name of a label");
        let (value, rest) = quoted(rest)?;
        ensure!(labels.insert(name.to_owned(), value).is_none(), "`{name}` twice");
        match rest.strip_prefix(',') {
            Some(rest) => text = rest,
            None => return Ok((labels, rest.strip_prefix('}').context("no end of the labels")?)),
        }
    }
}

/// A text up to its closing quote, and what is behind that.
fn quoted(text: &str) -> Result<(String, &str)> {
    let (mut value, mut signs) = (String::new(), text.char_indices());
    while let Some((place, sign)) = signs.next() {
        match sign {
            '"' => return Ok((value, text.split_at(place + 1).1)),
            '\\' => value.push(match signs.next().map(|(_, sign)| sign) {
                Some('n') => '\n',
                Some(sign @ ('"' | '\\')) => sign,
                other => bail!("no escape: {other:?}"),
            }),
            sign => value.push(sign),
        }
    }
    bail!("no end of the text")
}

fn number(text: &str) -> Result<f64> {
    if let "+Inf" | "-Inf" | "NaN" = text {
        return Ok(text.trim_start_matches('+').parse()?);
    }
    let digits = |sign: char| sign.is_ascii_digit() || matches!(sign, '+' | '-' | '.' | 'e' | 'E');
    ensure!(text.chars().all(digits), "`{text}` is no number, or something follows it");
    text.parse().with_context(|| format!("`{text}` is no number"))
}

fn is_name(name: &str) -> bool {
    let sign = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '_' | ':');
    !name.is_empty()
        && name.chars().all(sign)
        && !name.starts_with(|sign: char| sign.is_ascii_digit())
}

/// What holds of one family, by its type.
fn check(family: &Family) -> Result<()> {
    let Family { name, kind, unit, samples, .. } = family;
    ensure!(
        unit.is_empty() || name.ends_with(&format!("_{unit}")),
        "the name does not end with its unit"
    );
    let ends: &[&str] = match kind.as_str() {
        "counter" => &["_total"],
        "gauge" => &[""],
        "info" => &["_info"],
        "histogram" => &["_bucket", "_sum", "_count"],
        other => bail!("no type: `{other}`"),
    };
    let mut seen = BTreeSet::new();
    for sample in samples {
        ensure!(ends.contains(&sample.end.as_str()), "`{}` of a {kind}", sample.end);
        ensure!(seen.insert((&sample.end, &sample.labels)), "the same sample twice: {sample:?}");
        let counts = kind != "gauge";
        ensure!(!counts || sample.value >= 0.0 && sample.value.is_finite(), "{sample:?}");
        ensure!(kind != "info" || sample.value == 1.0, "{sample:?}");
        let may_be_shown = ["_bucket", "_total"].contains(&sample.end.as_str());
        ensure!(may_be_shown || sample.exemplar.is_none(), "an exemplar of what is no range");
    }
    if kind == "histogram" { histogram(samples) } else { Ok(()) }
}

/// For each set of labels: ranges in order that only grow, the last without an end and as large as the count, and a sum.
fn histogram(samples: &[Sample]) -> Result<()> {
    let mut ranges = BTreeMap::<Labels, Vec<(f64, f64)>>::new();
    for sample in samples.iter().filter(|sample| sample.end == "_bucket") {
        let mut labels = sample.labels.clone();
        let end = number(&labels.remove("le").context("a range without an end")?)?;
        let ranges = ranges.entry(labels).or_default();
        let begin = ranges.last().map_or(f64::NEG_INFINITY, |(end, _)| *end);
        let is_in = |one: &Exemplar| begin < one.value && one.value <= end;
        ensure!(sample.exemplar.as_ref().is_none_or(is_in), "an exemplar of another range");
        ranges.push((end, sample.value));
    }
    for (labels, ranges) in &ranges {
        let of = |end: &str| {
            let found = samples.iter().find(|one| one.end == end && one.labels == *labels);
            found.map(|one| one.value).with_context(|| format!("no `{end}` of {labels:?}"))
        };
        ensure!(
            ranges
                .iter()
                .zip(ranges.iter().skip(1))
                .all(|(one, next)| one.0 < next.0 && one.1 <= next.1),
            "{labels:?}: {ranges:?}"
        );
        let (end, all) = *ranges.last().context("ranges")?;
        ensure!(end.is_infinite() && all == of("_count")?, "{labels:?}: {ranges:?}");
        of("_sum")?;
    }
    let counts = samples.iter().filter(|one| one.end != "_bucket");
    ensure!(counts.count() == 2 * ranges.len(), "a count without ranges");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_standard_allows_is_read() {
        let text = "# TYPE a_seconds histogram\n# UNIT a_seconds seconds\n# HELP a_seconds Some time\n\
                    a_seconds_bucket{le=\"0.5\",x=\"1\"} 1\na_seconds_bucket{le=\"+Inf\",x=\"1\"} 3\n\
                    a_seconds_count{x=\"1\"} 3\na_seconds_sum{x=\"1\"} 1.5e3\n\
                    # TYPE b counter\nb_total{l=\"a \\\"b\\\" \\\\ \\n c\"} 7\n# EOF\n";
        let read = parse(text).unwrap();
        assert_eq!(read.family("a_seconds").unwrap().unit, "seconds");
        assert_eq!(read.sum("a_seconds_sum", &[("x", "1")]), 1500.0);
        assert_eq!(read.sum("b_total", &[("l", "a \"b\" \\ \n c")]), 7.0);
    }

    #[test]
    fn exemplars_are_read_with_their_labels_values_and_times() {
        let text = "# TYPE a histogram\na_bucket{le=\"1\"} 1\na_bucket{le=\"+Inf\"} 2 # {trace_id=\"ab\",x=\"} # {\"} 60 1.25\n\
                    a_count 2\na_sum 61\n# EOF\n";
        let read = parse(text).unwrap();
        let samples = &read.family("a").unwrap().samples;
        let shown: Vec<_> = samples.iter().filter_map(|one| one.exemplar.clone()).collect();
        let labels = [("trace_id", "ab"), ("x", "} # {")];
        let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        assert_eq!(shown, [Exemplar { labels, value: 60.0, at: Some(1.25) }]);
    }

    #[test]
    fn what_is_wrong_is_refused() {
        for wrong in [
            "# TYPE a gauge\na 1 # {x=\"y\"} 1\n# EOF\n",
            "# TYPE a counter\na_total 1 # x 1\n# EOF\n",
            "# TYPE a counter\na_total 1 # {x=\"y\"}\n# EOF\n",
            "# TYPE a counter\na_total 1 # {x=\"y\"} 1 2 3\n# EOF\n",
            "# TYPE a histogram\na_bucket{le=\"1\"} 0\na_bucket{le=\"+Inf\"} 1 # {x=\"y\"} 0.5\na_count 1\na_sum 1\n# EOF\n",
            "# TYPE a counter\na_total 1\n",
            "# TYPE a counter\na_total 1\n\n# EOF\n",
            "# TYPE a counter\na 1\n# EOF\n",
            "# TYPE a counter\na_total -1\n# EOF\n",
            "# TYPE a counter\na_total NaN\n# EOF\n",
            "# TYPE a counter\na_total 1\na_total 2\n# EOF\n",
            "# TYPE a counter\n# TYPE b gauge\nb 1\n# TYPE a counter\n# EOF\n",
            "# TYPE a counter\na_total 1\n# HELP a too late\n# EOF\n",
            "# TYPE a gauge\n# UNIT a seconds\na 1\n# EOF\n",
            "# TYPE a gauge\na{x=\"1} 1\n# EOF\n",
            "# TYPE a gauge\na{x=\"\\t\"} 1\n# EOF\n",
            "# TYPE a gauge\na{x=\"1\",x=\"2\"} 1\n# EOF\n",
            "# TYPE a gauge\na{x=\"1\"}  1\n# EOF\n",
            "# TYPE a gauge\nb 1\n# EOF\n",
            "# TYPE a info\na_info 2\n# EOF\n",
            "# TYPE a histogram\na_bucket{le=\"1\"} 2\na_bucket{le=\"+Inf\"} 1\na_count 1\na_sum 1\n# EOF\n",
            "# TYPE a histogram\na_bucket{le=\"1\"} 1\na_count 1\na_sum 1\n# EOF\n",
            "# TYPE a histogram\na_bucket{le=\"+Inf\"} 1\na_count 2\na_sum 1\n# EOF\n",
            "# TYPE a histogram\na_bucket{le=\"+Inf\"} 1\na_count 1\n# EOF\n",
            "# TYPE a histogram\na_count 1\na_sum 1\n# EOF\n",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
