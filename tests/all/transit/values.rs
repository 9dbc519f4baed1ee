//! Values by chance, of every kind: as EDN, because that has a form for each of them.

use std::collections::BTreeMap;

/// The kinds of values, as they are counted.
pub(super) const KINDS: [&str; 21] = [
    "nil",
    "boolean",
    "small integer",
    "edge integer",
    "big integer",
    "ratio",
    "decimal",
    "edge decimal",
    "big decimal",
    "character",
    "string",
    "astral string",
    "symbol",
    "keyword",
    "instant",
    "uuid",
    "bytes",
    "uri and extension",
    "sequence",
    "set",
    "map",
];

/// Integers where a type ends, or JSON's exactness.
const EDGES: [&str; 10] = [
    "9007199254740991",
    "9007199254740992",
    "9007199254740993",
    "-9007199254740991",
    "-9007199254740992",
    "-9007199254740993",
    "9223372036854775807",
    "-9223372036854775808",
    "0",
    "-1",
];
const FLOATS: [&str; 9] = [
    "##NaN",
    "##Inf",
    "##-Inf",
    "-0.0",
    "0.5",
    "1e300",
    "5e-324",
    "1.7976931348623157e308",
    "-1e-7",
];
const TEXTS: [&str; 8] =
    ["", "~tilde", "^ ", "^0", "`tick", "quo\\\"te\\\\ \\n", "~:not/a-keyword", "#{"];
const ASTRAL: [&str; 4] = ["😀", "𝔘nicode 𐍈", "é😀é", "\u{10ffff}😀"];

/// Numbers that come again from the same seed.
pub(super) struct Chance {
    state: u64,
    pub(super) counts: BTreeMap<&'static str, u64>,
}

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self { state: seed, counts: BTreeMap::new() }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ self.state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    fn digits(&mut self, most: usize) -> String {
        let count = 1 + self.below(most);
        let mut digits: String =
            (0..count).map(|_| char::from(b'0' + self.below(10) as u8)).collect();
        digits.replace_range(..1, &(1 + self.below(9)).to_string());
        digits
    }

    fn name(&mut self) -> String {
        let part = |chance: &mut Self| {
            let length = 1 + chance.below(6);
            (0..length)
                .map(|_| chance.one_of(&["a", "b", "key", "é", "?", "-x", "z9"]))
                .collect::<String>()
        };
        let first = format!("n{}", part(self));
        if self.below(2) == 0 { first } else { format!("{first}/m{}", part(self)) }
    }

    /// A number, if this is a kind of numbers.
    fn number(&mut self, kind: &str) -> Option<String> {
        Some(match kind {
            "small integer" => (self.below(20_000) as i64 - 10_000).to_string(),
            "edge integer" => self.one_of(&EDGES).into(),
            "big integer" => {
                format!("{}1{}N", self.one_of(&["", "-"]), self.digits(40) + &"0".repeat(20))
            }
            "ratio" => format!("{}{}/{}", self.one_of(&["", "-"]), self.digits(9), self.digits(30)),
            "decimal" => format!("{}{}.5", self.one_of(&["", "-"]), self.digits(12)),
            "edge decimal" => self.one_of(&FLOATS).into(),
            "big decimal" => format!("{}.{}M", self.digits(20), self.digits(20)),
            _ => return None,
        })
    }

    /// A value of this kind. Values that JavaScript does not tell apart never stand as keys of one map.
    pub(super) fn value(&mut self, kind: &'static str, depth: usize) -> String {
        *self.counts.entry(kind).or_default() += 1;
        if let Some(number) = self.number(kind) {
            return number;
        }
        match kind {
            "nil" => "nil".into(),
            "boolean" => self.one_of(&["true", "false"]).into(),
            "character" => self.one_of(&[r"\α", r"\newline", r"\u20ac", "\\字"]).into(),
            "string" => match self.below(3) {
                0 => format!("\"{}\"", self.one_of(&TEXTS)),
                _ => format!("\"{} {}\"", self.name(), self.digits(3)),
            },
            "astral string" => format!("\"{}{}\"", self.one_of(&ASTRAL), self.digits(2)),
            "symbol" => self.name(),
            "keyword" => format!(":{}", self.name()),
            "instant" => {
                // transit-js writes years before 1000 without their zeros, which it does not read itself.
                let (year, nanos) =
                    (1000 + self.below(9_000), self.one_of(&["", ".5", ".123", ".123456789"]));
                format!(
                    "#inst \"{year:04}-0{}-2{}T23:5{}:59{nanos}Z\"",
                    1 + self.below(9),
                    self.below(9),
                    self.below(10)
                )
            }
            "uuid" => {
                let (a, b) = (self.next(), self.next());
                format!(
                    "#uuid \"{:08x}-{:04x}-{:04x}-{:04x}-{:012x}\"",
                    a >> 32,
                    a >> 16 & 0xffff,
                    a & 0xffff,
                    b >> 48,
                    b & 0xffff_ffff_ffff
                )
            }
            "bytes" => {
                // To transit-js few bytes are the same key as an array of the same numbers.
                let bytes: Vec<u8> = (0..8 + self.below(20)).map(|_| self.next() as u8).collect();
                format!("#base64 \"{}\"", data_encoding::BASE64.encode(&bytes))
            }
            "uri and extension" => match self.below(3) {
                0 => format!("#uri \"http://example.com/{}\"", self.digits(5)),
                1 => format!("#Q \"{}\"", self.digits(5)),
                _ => format!("#my/tag {}", self.any(depth)),
            },
            "sequence" => {
                let (open, close) = self.one_of(&[("[", "]"), ("(", ")")]);
                let count = self.below(5);
                let items: Vec<_> = (0..count).map(|_| self.any(depth)).collect();
                format!("{open}{}{close}", items.join(" "))
            }
            "set" => format!("#{{{}}}", self.distinct(depth, |_| String::new())),
            _ => format!("{{{}}}", self.distinct(depth, |chance| chance.any(depth))),
        }
    }

    /// A value of any kind, without parts where it is deep enough.
    pub(super) fn any(&mut self, depth: usize) -> String {
        let kinds = if depth == 0 { &KINDS[..17] } else { &KINDS[..] };
        let kind = self.one_of(kinds);
        self.value(kind, depth.saturating_sub(1))
    }

    /// Elements or keys, each of another kind.
    fn distinct(&mut self, depth: usize, mut value: impl FnMut(&mut Self) -> String) -> String {
        let kinds = if depth == 0 { &KINDS[..17] } else { &KINDS[..] };
        let mut parts = Vec::new();
        for kind in kinds {
            // A whole number is a small integer to JavaScript wherever it stands.
            if self.below(4) == 0 && *kind != "edge integer" && *kind != "edge decimal" {
                let key = self.value(kind, depth.saturating_sub(1));
                parts.push(format!("{key} {}", value(self)));
            }
        }
        // Many keys of one kind are in JavaScript's other kind of map.
        if self.below(8) == 0 {
            for number in 0..20 {
                parts.push(format!(":many/key{number} {}", value(self)));
            }
        }
        parts.join(" ")
    }
}
