//! What is changed in a signal on its way to one sink.

use crate::{filter::pattern::Pattern, redact::MASK};
use std::sync::Arc;
use tengen_core::sink::{Signal, Text, Value};
use tengen_settings as settings;

/// Carried out in order, when a delivery takes the signal: who says it pays nothing for them.
#[derive(Debug, Default)]
pub(crate) struct Rules(Vec<Rule>);

#[derive(Debug)]
enum Rule {
    Redact(Pattern),
    Set(String, String),
    Drop(Pattern),
}

impl Rules {
    pub(crate) fn new(rules: &[settings::Rule]) -> Self {
        let rule = |rule: &settings::Rule| match rule {
            settings::Rule { redact: Some(field), .. } => Some(Rule::Redact(Pattern::new(field))),
            settings::Rule { set: Some(name), value: Some(value), .. } => {
                Some(Rule::Set(name.clone(), value.clone()))
            }
            settings::Rule { drop: Some(id), .. } => Some(Rule::Drop(Pattern::new(id))),
            // No settings that were checked have such a rule.
            _ => None,
        };
        Self(rules.iter().filter_map(rule).collect())
    }

    /// None: it is dropped. A signal that other sinks have is copied before it is changed.
    pub(crate) fn apply(&self, mut signal: Arc<Signal>) -> Option<Arc<Signal>> {
        for rule in &self.0 {
            match rule {
                Rule::Drop(id) if id.matches(&signal.id) => return None,
                Rule::Drop(_) => {}
                Rule::Redact(field) if touches(field, &signal) => {
                    redact(field, Arc::make_mut(&mut signal));
                }
                Rule::Redact(_) => {}
                Rule::Set(name, value) => {
                    let data = &mut Arc::make_mut(&mut signal).data;
                    data.retain(|(other, _)| *other != **name);
                    data.push((Text::Owned(name.clone()), Value::Text(value.clone())));
                }
            }
        }
        Some(signal)
    }
}

fn touches(field: &Pattern, signal: &Signal) -> bool {
    signal.data.iter().any(|(name, _)| field.matches(name))
        || ["message", "error", "user", "connection"].iter().any(|name| field.matches(name))
}

fn redact(field: &Pattern, signal: &mut Signal) {
    for (name, value) in &mut signal.data {
        if field.matches(name) {
            *value = Value::Text(MASK.to_owned());
        }
    }
    if field.matches("message") {
        signal.message = MASK.into();
    }
    if field.matches("error") && signal.error.is_some() {
        signal.error = Some(MASK.to_owned().into());
    }
    for (name, text) in [("user", &mut signal.user), ("connection", &mut signal.connection)] {
        if field.matches(name) && !text.is_empty() {
            MASK.clone_into(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tengen_core::sink::Level;

    fn rule(key: &str, what: &str) -> settings::Rule {
        let (mut rule, what) = (settings::Rule::none(), what.to_owned());
        match key {
            "redact" => rule.redact = Some(what),
            "drop" => rule.drop = Some(what),
            _ => (rule.set, rule.value) = (Some(key.to_owned()), Some(what)),
        }
        rule
    }

    fn signal() -> Arc<Signal> {
        let mut signal = Signal::new(Level::Info, "test", "hello");
        signal.id = "chat/said".into();
        signal.user = "ada".into();
        signal.data =
            vec![("e.mail".into(), Value::Text("a@b".into())), ("n".into(), Value::Integer(1))];
        Arc::new(signal)
    }

    #[test]
    fn rules_change_what_one_sink_gets_and_not_what_the_others_have() {
        let rules = [rule("redact", "e.*"), rule("redact", "user"), rule("region", "eu")];
        let (before, rules) = (signal(), Rules::new(&rules));
        let after = rules.apply(Arc::clone(&before)).unwrap();
        let text = |text: &str| Value::Text(text.to_owned());
        assert_eq!(
            after.data,
            [
                ("e.mail".into(), text(MASK)),
                ("n".into(), Value::Integer(1)),
                ("region".into(), text("eu"))
            ]
        );
        assert_eq!((after.user.as_str(), before.user.as_str()), (MASK, "ada"));
        assert_eq!(*before, Signal { at: before.at, ..Signal::clone(&signal()) });
    }

    #[test]
    fn what_a_rule_drops_is_gone_and_what_none_touches_is_not_copied() {
        let rules = Rules::new(&[rule("drop", "chat/*"), rule("redact", "other")]);
        assert_eq!(rules.apply(signal()), None);
        let other = Arc::new(Signal::new(Level::Info, "test", ""));
        assert!(Arc::ptr_eq(&rules.apply(Arc::clone(&other)).unwrap(), &other));
    }
}
