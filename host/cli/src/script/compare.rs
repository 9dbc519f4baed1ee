//! What came against what was expected, and the difference for people.

use serde_json::Value;

/// Stands for any value.
const ANY: &str = "*";
/// What the gateway answers in place of data where something failed.
const ERROR: &str = "tengen/error";
/// By which a plugin hears what becomes of an effect: an SDK gives some by itself, so it counts where it is expected.
const KEY: &str = "key";
/// Of longer lists no common lines are looked for.
const LONGEST: usize = 500;

/// How much of what came has to be expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// All that there is.
    Whole,
    /// Keys that are not expected may be there.
    Part,
}

/// Where a value stands, which says what texts in it are for people: of those a part is enough. What a plugin says as data is
/// never among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    /// What was seen: a decision, a call that broke.
    Seen,
    /// A fault, or a signal.
    Told,
    /// What a connection was sent: `[SENT, CALLBACK]`,
    Frame,
    /// a value or events,
    Sent,
    /// an event: `[ID, DATA]`.
    Event,
    /// What a plugin, a client or a server says.
    Data,
}

impl At {
    /// Whether the text of this key is a message for people.
    fn is_message(self, key: &str) -> bool {
        match self {
            Self::Seen => key == "broke",
            Self::Told => matches!(key, "message" | "error" | "inside"),
            _ => false,
        }
    }

    /// Where the value of this key stands.
    fn under(self, key: &str) -> Self {
        match (self, key) {
            (Self::Seen, "failed" | "fault" | "why" | "signal") | (Self::Sent, ERROR) => Self::Told,
            (Self::Seen, "gateway") => Self::Frame,
            _ => Self::Data,
        }
    }

    /// Where the value at this place of a list stands.
    fn of_item(self, list: &[Value], place: usize) -> Self {
        let begins_with_id = list.first().is_some_and(Value::is_string);
        match (self, place) {
            (Self::Frame, 0) => Self::Sent,
            (Self::Sent, 1) if begins_with_id => Self::Event.of_item(list, place),
            (Self::Sent, _) if !begins_with_id => Self::Event,
            (Self::Event, 1) if list.first().is_some_and(|id| id == ERROR) => Self::Told,
            _ => Self::Data,
        }
    }
}

/// None: all of `came` is as expected, one by one. Some: the lines of both, marked by who has them.
pub(super) fn difference(expected: &[Value], came: &[Value], at: At) -> Option<String> {
    let is_same = expected.len() == came.len()
        && expected.iter().zip(came).all(|(expected, came)| is_it(expected, came, at));
    if is_same { None } else { Some(marked(expected, came, at)) }
}

/// None: each of `expected` is a part of one that came, in this order. Some: what is missing, and what came.
pub(super) fn missing(expected: &[Value], came: &[Value]) -> Option<String> {
    let mut left = came.iter();
    let lost = expected
        .iter()
        .find(|expected| !left.any(|came| fits(expected, came, How::Part, At::Seen)))?;
    let came = came.iter().map(|came| format!("\n      {came}")).collect::<String>();
    let came = if came.is_empty() { " nothing".to_owned() } else { came };
    Some(format!(
        "\n    - {lost}\n    is missing, or not behind what stands before it; what came:{came}"
    ))
}

/// Whether a call that broke is among those that are expected.
pub(super) fn expects_break(expected: &[Value]) -> bool {
    expected.iter().any(is_break)
}

pub(super) fn is_break(what: &Value) -> bool {
    what.get("broke").is_some()
}

/// Whether this is all of what is expected.
fn is_it(expected: &Value, came: &Value, at: At) -> bool {
    if let (None, Value::Object(whole)) = (expected.get(KEY), came)
        && at == At::Seen
        && whole.contains_key(KEY)
    {
        let mut rest = whole.clone();
        rest.remove(KEY);
        return fits(expected, &Value::Object(rest), How::Whole, at);
    }
    fits(expected, came, How::Whole, at)
}

fn fits(expected: &Value, came: &Value, how: How, at: At) -> bool {
    match (expected, came) {
        (Value::String(any), _) if any == ANY => true,
        (Value::Object(expected), Value::Object(came)) => {
            let has = |(key, expected): (&String, &Value)| match (came.get(key), expected) {
                (Some(Value::String(came)), Value::String(expected)) if at.is_message(key) => {
                    expected == ANY || came.contains(expected.as_str())
                }
                (Some(came), expected) => fits(expected, came, how, at.under(key)),
                (None, _) => false,
            };
            (how == How::Part || expected.len() == came.len()) && expected.iter().all(has)
        }
        (Value::Array(expected), Value::Array(came)) => {
            let mut pairs = expected.iter().zip(came).enumerate();
            expected.len() == came.len()
                && pairs.all(|(place, (wanted, it))| fits(wanted, it, how, at.of_item(came, place)))
        }
        // 1 and 1.0 are the same number to whoever reads them.
        (Value::Number(expected), Value::Number(came)) => {
            let either_is_a_fraction = expected.is_f64() || came.is_f64();
            expected == came || (either_is_a_fraction && expected.as_f64() == came.as_f64())
        }
        (expected, came) => expected == came,
    }
}

/// Both lists as one: what both have, what was expected (`-`), and what came (`+`).
fn marked(expected: &[Value], came: &[Value], at: At) -> String {
    let common = match expected.len().max(came.len()) <= LONGEST {
        true => common(expected, came, at),
        false => Vec::new(),
    };
    let mut lines = String::new();
    let mut line = |mark: char, value: &Value| lines.push_str(&format!("\n    {mark} {value}"));
    let (mut expected, mut came) = (expected.iter().enumerate(), came.iter().enumerate());
    for (of_expected, of_came) in common {
        for (_, value) in expected.by_ref().take_while(|(place, _)| *place < of_expected) {
            line('-', value);
        }
        for (place, value) in came.by_ref() {
            line(if place < of_came { '+' } else { ' ' }, value);
            if place == of_came {
                break;
            }
        }
    }
    expected.for_each(|(_, value)| line('-', value));
    came.for_each(|(_, value)| line('+', value));
    lines
}

/// Places of the longest list that both have in common.
fn common(expected: &[Value], came: &[Value], place: At) -> Vec<(usize, usize)> {
    // `longest[a][b]`: how much is in common from these places on.
    let width = came.len() + 1;
    let mut longest = vec![0_usize; (expected.len() + 1) * width];
    let at =
        |longest: &[usize], a: usize, b: usize| longest.get(a * width + b).copied().unwrap_or(0);
    for (a, wanted) in expected.iter().enumerate().rev() {
        for (b, value) in came.iter().enumerate().rev() {
            let best = match is_it(wanted, value, place) {
                true => at(&longest, a + 1, b + 1) + 1,
                false => at(&longest, a + 1, b).max(at(&longest, a, b + 1)),
            };
            if let Some(place) = longest.get_mut(a * width + b) {
                *place = best;
            }
        }
    }
    let (mut a, mut b, mut pairs) = (0, 0, Vec::new());
    while let (Some(wanted), Some(value)) = (expected.get(a), came.get(b)) {
        if is_it(wanted, value, place) {
            pairs.push((a, b));
            (a, b) = (a + 1, b + 1);
        } else if at(&longest, a + 1, b) >= at(&longest, a, b + 1) {
            a += 1;
        } else {
            b += 1;
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn list(values: Value) -> Vec<Value> {
        serde_json::from_value(values).unwrap()
    }

    #[test]
    fn a_difference_shows_what_is_common_what_is_missing_and_what_is_too_much() {
        let expected = list(json!([{ "a": 1 }, { "b": 1 }, { "c": 1 }]));
        let came = list(json!([{ "x": 0 }, { "a": 1 }, { "c": 1 }, { "d": 1 }]));
        let told = difference(&expected, &came, At::Seen).unwrap();
        let lines: Vec<_> = told.lines().map(str::trim_end).collect();
        let wanted = [
            "",
            "    + {\"x\":0}",
            "      {\"a\":1}",
            "    - {\"b\":1}",
            "      {\"c\":1}",
            "    + {\"d\":1}",
        ];
        assert_eq!(lines, wanted);
        assert_eq!(difference(&came, &came, At::Seen), None);
        assert!(
            difference(&[], &came, At::Seen).is_some()
                && difference(&came, &[], At::Seen).is_some()
        );
    }

    #[test]
    fn order_and_every_key_count_where_all_is_expected() {
        let (one, two) = (json!({ "reply": 1 }), json!({ "reply": 1, "of": "a/b" }));
        let both = [[one.clone(), two.clone()], [two, one]];
        assert!(difference(&both[0][..1], &both[1][..1], At::Seen).is_some());
        assert!(difference(&both[0], &both[1], At::Seen).is_some());
    }

    #[test]
    fn a_key_counts_where_one_is_expected() {
        let came = json!({ "set-timer": "t", "key": "t" });
        let is_it = |expected: Value| is_it(&expected, &came, At::Seen);
        assert!(is_it(json!({ "set-timer": "t" })) && is_it(came.clone()));
        assert!(!is_it(json!({ "set-timer": "t", "key": "u" })));
        let data = (json!({ "reply": {} }), json!({ "reply": { "key": 1 } }));
        assert!(!super::is_it(&data.0, &data.1, At::Seen), "that of data always does");
    }

    #[test]
    fn what_is_included_may_have_more_around_it_and_in_it() {
        let came =
            list(json!([{ "a": 1, "more": 2 }, { "b": { "c": 1, "d": 2 } }, { "e": [1, 2] }]));
        let is_there = |expected: Value| missing(&list(expected), &came).is_none();
        assert!(is_there(json!([{ "a": 1 }, { "b": { "d": 2 } }])));
        assert!(!is_there(json!([{ "b": {} }, { "a": 1 }])), "in this order");
        assert!(!is_there(json!([{ "e": [1] }])), "lists have no parts");
    }

    #[test]
    fn a_star_is_any_value_and_of_messages_a_part_is_enough() {
        let came = json!({ "failed": { "id": "application", "message": "the room is full" } });
        let fits = |expected: &Value| fits(expected, &came, How::Whole, At::Seen);
        assert!(fits(&json!({ "failed": { "id": "*", "message": "full" } })));
        assert!(!fits(&json!({ "failed": { "id": "full", "message": "*" } })));
        assert!(fits(&json!({ "failed": "*" })) && !fits(&json!({ "failed": "full" })));
        assert!(super::fits(&json!(1), &json!(1.0), How::Whole, At::Data));
    }

    #[test]
    fn what_a_plugin_says_as_data_is_compared_to_the_letter_whatever_its_fields_are_called() {
        let is_it = |expected: Value, came: Value, at| super::is_it(&expected, &came, at);
        for key in ["message", "broke", "failed", "why"] {
            let (part, whole) = (
                json!({ "reply": { key: "full" } }),
                json!({ "reply": { key: "the room is full" } }),
            );
            assert!(!is_it(part, whole.clone(), At::Seen), "{key}");
            assert!(is_it(whole.clone(), whole, At::Seen), "{key}");
        }
        let deep = |text| json!({ "push": "a/b", "data": { "failed": { "message": text } } });
        assert!(!is_it(deep("full"), deep("the room is full"), At::Seen));
        let event = |text| json!([[["room/said", { "message": text }]], null]);
        assert!(!is_it(event("full"), event("the room is full"), At::Frame));
        let reply = |text| json!([{ "message": text }, "reply"]);
        assert!(!is_it(reply("full"), reply("the room is full"), At::Frame));
    }

    #[test]
    fn of_what_the_gateway_tells_people_a_part_is_enough() {
        let is_it = |expected: Value, came: Value, at| super::is_it(&expected, &came, at);
        let refused = |text| json!({ "refused": "push", "why": { "message": text } });
        assert!(is_it(refused("grant"), refused("it has no grant"), At::Seen));
        let error = |text| json!([{ "tengen/error": { "message": text } }, "reply"]);
        assert!(is_it(error("grant"), error("it has no grant"), At::Frame));
        let event = |text| json!([[["tengen/error", { "message": text }]], null]);
        assert!(is_it(event("grant"), event("it has no grant"), At::Frame));
        let answered = |text| json!({ "gateway": error(text), "to": "ann" });
        assert!(is_it(answered("grant"), answered("it has no grant"), At::Seen));
        let said = |text| json!({ "signal": { "message": text } });
        assert!(is_it(said("grant"), said("it has no grant"), At::Seen));
    }
}
