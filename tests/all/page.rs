//! What the demo's page shows can be read: by its style sheet, in light and in dark.

use std::collections::BTreeMap;
use support::repository::read;

/// The least contrast of text with its ground (WCAG 2.2, success criterion 1.4.3).
const CONTRAST: f64 = 4.5;

/// Which ink stands on which ground.
const PAIRS: [(&str, &str); 10] = [
    ("ink", "ground"),
    ("ink", "card"),
    ("ink", "mine"),
    ("quiet", "ground"),
    ("quiet", "card"),
    ("quiet", "mine"),
    ("wood", "card"),
    ("wood", "mine"),
    ("on-wood", "wood"),
    ("bad", "ground"),
];

#[test]
fn every_ink_of_the_page_can_be_read_on_its_grounds() {
    let style = read("examples/chat/page/style.css").unwrap();
    let schemes = schemes(&style);
    assert_eq!(schemes.len(), 2, "light and dark");
    for colours in schemes {
        for (ink, ground) in PAIRS {
            let contrast = contrast(colours[ink], colours[ground]);
            assert!(contrast >= CONTRAST, "{ink} on {ground}: {contrast:.1}");
        }
    }
}

/// Half way between two pairs of ink and ground there may be no contrast at all.
#[test]
fn no_ink_and_no_ground_change_gradually() {
    let style = read("examples/chat/page/style.css").unwrap();
    let gradual = gradual(&style);
    assert!(!gradual.is_empty(), "the greeting shows that it has changed");
    for rule in gradual {
        assert!(!rule.contains("color") && !rule.contains("background"), "{rule}");
    }
}

#[test]
fn contrasts_and_animations_are_found() {
    assert!((contrast([0, 0, 0], [255, 255, 255]) - 21.0).abs() < 1e-9);
    assert!((contrast([0x77, 0x77, 0x77], [255, 255, 255]) - 4.48).abs() < 0.01);
    let planted = "a { transition: color 2s; }\n@keyframes b { from { background: red; } }\n";
    assert_eq!(gradual(planted).len(), 2);
}

/// The lines that let something change over time.
fn gradual(style: &str) -> Vec<&str> {
    let gradual = |line: &&str| line.contains("@keyframes") || line.contains("transition:");
    style.lines().filter(gradual).collect()
}

type Colour = [u8; 3];

/// The colours by name, for each `:root` that sets them.
fn schemes(style: &str) -> Vec<BTreeMap<&str, Colour>> {
    let blocks = style.split(":root {").skip(1).filter_map(|rest| rest.split('}').next());
    blocks.map(colours).collect()
}

fn colours(block: &str) -> BTreeMap<&str, Colour> {
    let pairs =
        block.split(';').filter_map(|pair| pair.trim().strip_prefix("--")?.split_once(": "));
    pairs.map(|(name, colour)| (name, parse(colour))).collect()
}

/// `#rgb` or `#rrggbb`.
fn parse(colour: &str) -> Colour {
    let digits: Vec<char> = colour.trim_start_matches('#').chars().collect();
    let each = digits.len() / 3;
    [0, 1, 2].map(|place| {
        let digits: String = digits[place * each..][..each].iter().collect();
        let number = u8::from_str_radix(&digits, 16).expect("a colour in hexadecimal digits");
        if each == 1 { number * 17 } else { number }
    })
}

/// WCAG 2.2, "contrast ratio".
fn contrast(one: Colour, other: Colour) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

/// WCAG 2.2, "relative luminance".
fn luminance(colour: Colour) -> f64 {
    let [red, green, blue] = colour.map(|value| {
        let value = f64::from(value) / 255.0;
        if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    });
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}
