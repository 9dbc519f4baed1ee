//! Secrets in what is shown beside signals: which values are some, and a text without them.

use crate::redact;
use tengen_settings::Settings;

/// What the settings themselves know to be secret: keys, and what plugins are given under the name of one. `env` looks up a
/// variable of the environment.
pub fn of(settings: &Settings, env: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
    let mut values = Vec::new();
    if let Some(admin) = &settings.admin {
        values.extend(admin.keys.iter().map(|key| key.0.clone()));
    }
    for plugin in settings.plugins.values() {
        let config = plugin.config.iter().filter(|(name, _)| redact::is_secret(name));
        values.extend(config.map(|(_, value)| value.clone()));
        let granted = plugin.grant.env.iter().filter(|name| redact::is_secret(name));
        values.extend(granted.filter_map(|name| env(name)));
    }
    values
}

/// From now on these values are masked wherever the process says them; those of before are forgotten. One of fewer than six
/// bytes is not: it would be found in words that are no secrets.
pub fn keep(values: impl IntoIterator<Item = String>) {
    redact::keep_values(values);
}

/// The text as signals would have it: `***` for each value that is known, and for what stands behind the name of a secret.
pub fn hide(text: &str) -> String {
    let mut text = redact::scrubbed(text).into_owned();
    redact::without_values(&mut text);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use tengen_settings::{Plugin, Secret, Settings};

    #[test]
    fn what_is_named_like_a_secret_is_one_wherever_it_was_given() {
        let mut settings = Settings::default();
        let mut plugin = Plugin::new("it.wasm");
        plugin.config.insert("api_key".into(), "from-the-file".into());
        plugin.config.insert("room".into(), "tea-room".into());
        plugin.grant.env = vec!["DB_PASSWORD".into(), "HOME".into()];
        settings.plugins.insert("it".into(), plugin);
        if let Some(admin) = &mut settings.admin {
            admin.keys = vec![Secret("key-of-the-admin".into())];
        }
        let env = |name: &str| Some(format!("value-of-{name}"));
        let mut found = of(&settings, &env);
        found.retain(|value| value != "key-of-the-admin");
        assert_eq!(found, ["from-the-file", "value-of-DB_PASSWORD"]);
    }
}
