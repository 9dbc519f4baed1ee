//! The plugin's own configuration: `config = { … }` in the gateway's file.
//!
//! The same keys and values for the whole life of an instance: a change is a reload.

use std::{fmt, str::FromStr};

/// The value of a key.
pub fn get(key: &str) -> Option<String> {
    source::get(key)
}

/// The value of a key, read as a type; the text of an `Err` names the key.
pub fn parse<T: FromStr<Err: fmt::Display>>(key: &str) -> Result<Option<T>, String> {
    let Some(text) = get(key) else { return Ok(None) };
    match text.parse() {
        Ok(value) => Ok(Some(value)),
        Err(error) => Err(format!("config `{key}` cannot be `{text}`: {error}")),
    }
}

/// All keys and values, sorted by key.
pub fn all() -> Vec<(String, String)> {
    let mut all = source::all();
    all.sort();
    all
}

#[cfg(target_family = "wasm")]
mod source {
    pub(super) use crate::bindings::plugin_role::tengen::gateway::config::{all, get};
}

/// Outside of a gateway the values are those of [`crate::testing::set_config`].
#[cfg(not(target_family = "wasm"))]
pub(crate) mod source {
    use std::cell::RefCell;

    thread_local! {
        pub(crate) static VALUES: RefCell<Vec<(String, String)>> = const { RefCell::new(Vec::new()) };
    }

    pub(super) fn get(key: &str) -> Option<String> {
        all().into_iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    pub(super) fn all() -> Vec<(String, String)> {
        VALUES.with_borrow(Clone::clone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::set_config;

    #[test]
    fn a_value_is_read_as_a_type_or_its_key_is_named() {
        set_config(&[("seats", "12"), ("name", "blue")]);
        assert_eq!(parse::<u32>("seats"), Ok(Some(12)));
        assert_eq!(parse::<u32>("absent"), Ok(None));
        assert!(parse::<u32>("name").unwrap_err().starts_with("config `name` cannot be `blue`"));
        assert_eq!(all().first().map(|(key, _)| key.as_str()), Some("name"));
    }
}
