//! `${NAME}` in a string stands for an environment variable; `$${` is a plain `${`.

/// The text with every variable put in. Err: what is missing and what to do.
pub(super) fn expand(text: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(escaped) = before.strip_suffix('$') {
            out.push_str(escaped);
            out.push_str("${");
            rest = after;
            continue;
        }
        let Some((name, tail)) = after.split_once('}') else {
            return Err(
                "has a `${` without its `}`; write `${NAME}`, or `$${` for a plain `${`".into()
            );
        };
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(format!(
                "`${{{name}}}` does not name an environment variable; write letters, digits and `_`"
            ));
        }
        let value = env(name).ok_or_else(|| {
            format!("the environment variable `{name}` is not set; set it, or write the value in its place")
        })?;
        out.push_str(before);
        out.push_str(&value);
        rest = tail;
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(name: &str) -> Option<String> {
        (name == "HOME_PORT").then(|| "80${X}80".into())
    }

    #[test]
    fn variables_are_put_in_once_and_a_doubled_dollar_stays() {
        for (text, expected) in [
            ("plain $5 }", "plain $5 }"),
            ("a:${HOME_PORT}!", "a:80${X}80!"),
            ("$${HOME_PORT}", "${HOME_PORT}"),
            ("${HOME_PORT}${HOME_PORT}", "80${X}8080${X}80"),
        ] {
            assert_eq!(expand(text, &env).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_not_set_is_a_mistake() {
        assert!(expand("${NOBODY}", &env).unwrap_err().contains("`NOBODY` is not set"));
        assert!(expand("${HOME_PORT", &env).unwrap_err().contains("without its `}`"));
        assert!(expand("${}", &env).unwrap_err().contains("does not name"));
        assert!(expand("${A-B}", &env).unwrap_err().contains("does not name"));
    }
}
