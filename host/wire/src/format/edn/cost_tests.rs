//! What reading EDN costs, counted in values that are looked at: in proportion to the text, whatever its shape.

use super::{super::work::steps, check, read};

/// A text of about this many bytes, and what is twice as long.
const SIZE: usize = 30_000;

/// As many pieces as there is room for, between brackets.
fn filled(open: &str, piece: impl Fn(usize) -> String, close: &str, size: usize) -> String {
    let mut text = open.to_owned();
    for number in 0.. {
        let piece = piece(number);
        if text.len() + piece.len() + close.len() > size {
            break;
        }
        text.push_str(&piece);
    }
    text + close
}

fn nested(open: &str, inner: &str, close: &str, depth: usize) -> String {
    open.repeat(depth) + inner + &close.repeat(depth)
}

/// What has looked, or might look, at the same bytes again on each level.
fn shapes(size: usize) -> Vec<String> {
    let numbers = filled("[", |number| format!("{number} "), "]", size);
    let set = filled("#{", |number| format!("+{number} "), "}", size);
    let namespaced = nested("#:n{a/b #{", &numbers, "}}", 30);
    vec![
        nested("{", &numbers, " 1}", 60),
        nested("{", &set, " 1}", 60),
        nested("#{", &numbers, "}", 60),
        nested("#{[", &set, "]}", 30),
        nested("#{(", &set, ")}", 30),
        nested("{#t ", &numbers, " 1}", 30),
        nested("#{#{0}", &numbers, "}", 60),
        nested("{{} 1 ", &numbers, " 1}", 60),
        nested("#{1 +2 ", &numbers, "}", 60),
        nested("#_", &numbers, " 1", 60),
        namespaced,
        filled("#{", |number| nested("{", &number.to_string(), " 1}", 55), "}", size),
        filled("#{", |number| format!("[{number}]"), "}", size),
        filled("#{", |number| format!("#{{[{number}]}}"), "}", size),
        filled("#:n{", |number| format!("a/k{number} 1 "), "}", size),
        filled("{", |number| format!("\"\\n{number}\" {{[] #{{}}}} "), "}", size),
        filled("[", |_| "{[]1}".into(), "]", size),
        filled("[", |_| "#{+1 2 3 4 5 6 7 8 9}".into(), "]", size),
    ]
}

#[test]
fn no_value_is_looked_at_again_on_each_level_that_it_is_nested_in() {
    for (text, double) in shapes(SIZE).iter().zip(shapes(2 * SIZE)) {
        let start = text.get(..40).unwrap_or(text);
        assert!(check(text).is_ok(), "{start}: {:?}", check(text));
        let checking = steps(|| drop(check(text)));
        // Every value takes two bytes at least, and a leaf that is a key may be looked at twice.
        assert!(checking <= text.len(), "{start}: {checking} steps for {} bytes", text.len());
        let reading = steps(|| drop(read(text)));
        assert!(reading <= 2 * text.len(), "{start}: {reading} steps for {} bytes", text.len());
        let doubled = steps(|| drop(check(&double)));
        assert!(doubled * 10 <= checking * 22, "{start}: {checking} steps, then {doubled}");
    }
}

#[test]
fn finding_an_element_twice_costs_no_more_than_the_text() {
    let numbers = filled("[", |number| format!("{number} "), "]", SIZE);
    let element = nested("{", &numbers, " 1}", 50);
    let text = format!("#{{{element} {element}}}");
    let checking = steps(|| {
        let error = check(&text).unwrap_err().to_string();
        assert!(error.starts_with(&format!("byte {}: this key or element", element.len() + 3)));
    });
    assert!(checking <= 2 * text.len(), "{checking} steps for {} bytes", text.len());
}

#[test]
fn keys_that_are_equal_on_a_level_below_are_found() {
    for (text, at) in [
        ("#{#{[1 {:a #{2}}]} #{(1 {:a #{2N}})}}", 19),
        ("#{{[1] :x {2 #{}} :y} {{2 #{}} :y (1) :x}}", 22),
        ("#{#t [1] #t (1)}", 9),
        ("#{#{[]} 1 2 3 4 5 6 7 8 9 #{()}}", 26),
        ("#:n{[:a] 1 (:a) 2}", 11),
        ("#:n{:a 1 #_x :n/a 2}", 13),
        ("#{##Inf 1e999}", 8),
        ("#{1N 2N 3 4 5 6 7 8 9 10 1 2}", 25),
    ] {
        let expected = format!(
            "byte {at}: this key or element occurs twice; maps and sets hold each one once"
        );
        assert_eq!(check(text).unwrap_err().to_string(), expected, "{text}");
    }
    for good in [
        "#{#t [1] #u [1]}",
        "#{[[1] 2] [[1 2]] [[] 1 2] [1 2 []]}",
        "#{#{[]} #{{}} #{#{}} [] {} #{}}",
        "#{{1 2} {2 1} [1 2] #{1 2}}",
        "#{{[1] [2]} {[2] [1]}}",
        "#{\"1\" 1 1.0 1M :1 [1] [\"1\"] [:1] [a]}",
        "#:n{[a] 1 [n/a] 2}",
    ] {
        assert!(check(good).is_ok(), "{good}: {:?}", check(good));
    }
}
