//! What clients may do by themselves on which channel, as the configuration says: the first rule whose name matches decides.
//!
//! What a channel costs here follows from the rules that match it, and hardly from how many there are.

use crate::routes::index::Index;
use std::ops::ControlFlow;
use tengen_settings::{ChannelRule, Named, Pattern, Who};
use tengen_wire::id::{Channel, EndpointIndex};

/// What a client wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    Subscribe,
    Publish,
}

/// Why it may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forbidden {
    /// No rule says that anybody may.
    Everybody,
    /// It would have to be somebody, and is anonymous.
    Anonymous,
    /// The channel is another user's.
    Others,
}

/// The rules of a configuration.
#[derive(Debug)]
pub struct Rules {
    rules: Box<[ChannelRule]>,
    index: Index,
}

impl Default for Rules {
    fn default() -> Self {
        Self::new(&[])
    }
}

impl Rules {
    /// Rules in the order in which they decide.
    pub fn new(rules: &[ChannelRule]) -> Self {
        let beginning = |rule: &ChannelRule| {
            let (text, goes_on) = rule.name.beginning();
            (Pattern([text, if goes_on { "*" } else { "" }].concat()), None)
        };
        Self { rules: rules.into(), index: Index::of(rules.iter().map(beginning).collect()) }
    }

    /// Whether a client may do this. `user`: who it is, if it is anybody.
    pub fn judge(&self, wish: Wish, channel: &str, user: Option<&str>) -> Result<(), Forbidden> {
        let Some((rule, named)) = self.rule_of(channel) else { return Err(Forbidden::Everybody) };
        let who = match wish {
            Wish::Subscribe => rule.subscribe,
            Wish::Publish => rule.publish,
        };
        match (who, user) {
            (Who::Nobody, _) => Err(Forbidden::Everybody),
            (Who::Any, _) | (Who::Users, Some(_)) => Ok(()),
            (Who::Users | Who::Owner, None) => Err(Forbidden::Anonymous),
            (Who::Owner, Some(user)) if named == Named::After(user) => Ok(()),
            (Who::Owner, Some(_)) => Err(Forbidden::Others),
        }
    }

    /// The channels of a user's own that its connections begin with.
    pub fn personal(&self, user: &str) -> impl Iterator<Item = Channel> {
        let own = self.rules.iter().filter(|rule| rule.personal);
        own.filter_map(|rule| rule.name.of(user).map(Channel::from))
    }

    fn rule_of<'c>(&self, channel: &'c str) -> Option<(&ChannelRule, Named<'c>)> {
        let mut found = None;
        // Channels are of no endpoint: all rules are for all of them.
        self.index.visit(EndpointIndex(0), channel, |place| {
            let Some(rule) = self.rules.get(place as usize) else {
                return ControlFlow::Continue(());
            };
            match rule.name.names(channel) {
                Named::No => ControlFlow::Continue(()),
                named => {
                    found = Some((rule, named));
                    ControlFlow::Break(())
                }
            }
        });
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tengen_settings::ChannelName;

    fn rule(name: &str, subscribe: Who, publish: Who) -> ChannelRule {
        let name = ChannelName::parse(name).unwrap();
        ChannelRule { name, subscribe, publish, personal: false }
    }

    #[test]
    fn each_word_says_who_may() {
        let rules = Rules::new(&[
            rule("any", Who::Any, Who::Nobody),
            rule("users", Who::Users, Who::Any),
            rule("user/{user}", Who::Owner, Who::Users),
        ]);
        let may = |wish, channel, user| rules.judge(wish, channel, user);
        for (channel, user, subscribe, publish) in [
            ("any", None, Ok(()), Err(Forbidden::Everybody)),
            ("any", Some("ann"), Ok(()), Err(Forbidden::Everybody)),
            ("users", None, Err(Forbidden::Anonymous), Ok(())),
            ("users", Some("ann"), Ok(()), Ok(())),
            ("user/ann", None, Err(Forbidden::Anonymous), Err(Forbidden::Anonymous)),
            ("user/ann", Some("ann"), Ok(()), Ok(())),
            ("user/ann", Some("an"), Err(Forbidden::Others), Ok(())),
            ("user/ann", Some("ann/x"), Err(Forbidden::Others), Ok(())),
            ("other", Some("ann"), Err(Forbidden::Everybody), Err(Forbidden::Everybody)),
        ] {
            assert_eq!(may(Wish::Subscribe, channel, user), subscribe, "{channel} {user:?}");
            assert_eq!(may(Wish::Publish, channel, user), publish, "{channel} {user:?}");
        }
        assert_eq!(Rules::default().judge(Wish::Subscribe, "any", None), Err(Forbidden::Everybody));
    }

    #[test]
    fn the_first_that_matches_decides_and_not_the_nearest() {
        let rules = Rules::new(&[
            rule("room/staff", Who::Nobody, Who::Nobody),
            rule("room/*", Who::Any, Who::Any),
            rule("room/open", Who::Nobody, Who::Nobody),
        ]);
        let may = |channel| rules.judge(Wish::Subscribe, channel, None).is_ok();
        assert!(!may("room/staff") && may("room/open") && may("room/x") && !may("hall"));
    }

    #[test]
    fn a_user_begins_with_its_own_channels() {
        let own =
            |name: &str| ChannelRule { personal: true, ..rule(name, Who::Nobody, Who::Nobody) };
        let rules = Rules::new(&[
            own("user/{user}"),
            rule("room/{user}", Who::Any, Who::Any),
            own("inbox/{user}/new"),
        ]);
        let channels: Vec<_> = rules.personal("ann").map(|channel| channel.to_string()).collect();
        assert_eq!(channels, ["user/ann", "inbox/ann/new"]);
    }

    proptest! {
        /// However many rules there are, and in whatever order they are looked at.
        #[test]
        fn many_rules_say_what_the_first_of_them_would(
            names in proptest::collection::vec("([ab]{0,2}/)?[ab]{0,2}(\\{user\\}/?)?\\*?", 0..40),
            channel in "([ab]{0,2}/)?[ab]{0,3}(/[ab])?",
        ) {
            let rules: Vec<_> = names
                .iter()
                .filter_map(|name| ChannelName::parse(name).ok())
                .zip([Who::Any, Who::Nobody, Who::Owner].into_iter().cycle())
                .map(|(name, who)| ChannelRule { name, subscribe: who, publish: who, personal: false })
                .collect();
            let first = rules.iter().find_map(|rule| match rule.name.names(&channel) {
                Named::No => None,
                named => Some((rule.subscribe, named)),
            });
            let expected = match first {
                Some((Who::Any, _)) => Ok(()),
                Some((Who::Owner, Named::After("a"))) => Ok(()),
                Some((Who::Owner, _)) => Err(Forbidden::Others),
                _ => Err(Forbidden::Everybody),
            };
            prop_assert_eq!(Rules::new(&rules).judge(Wish::Subscribe, &channel, Some("a")), expected);
        }
    }
}
