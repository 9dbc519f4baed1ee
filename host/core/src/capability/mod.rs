//! What plugins can have done, and what they hear of it: a file for each capability, and its lines in the list here.
//!
//! A capability's file holds the data of its effects and occurrences, and what an operator can do where one of its effects was
//! refused. From the list come [`Effect`], [`Kind`] and [`Occurrence`]; all matches on them name every member, so that the
//! compiler asks the engine for how guests say it, and the server for how it is carried out.

pub mod ask;
pub mod close;
pub mod connection;
mod content;
pub mod data;
pub mod fetch;
pub mod key_value;
pub mod publish;
pub mod push;
pub mod reply;
pub mod subscription;
mod texts;
pub mod timers;
pub mod unsupported;

pub use content::Content;
use texts::Texts;

use tengen_wire::{
    fault::{Fault, FaultId},
    id::{Channel, UserId},
};

/// What there is to know of an effect, whatever it is.
trait Wanted {
    /// What an operator can do where it was refused for this reason; else what holds for every effect.
    const REMEDIES: &'static [(FaultId, &'static str)] = &[];

    /// What it sends to whoever gets it.
    fn content(&self) -> Option<&Content> {
        None
    }

    fn content_mut(&mut self) -> Option<&mut Content> {
        None
    }
}

/// `name { effects { Effect = "word", } counts { Part = "word", } occurrences { Occurrence = "word", } }`: an effect's data
/// is the type of its name in the capability's file; `counts` is what is refused and counted beside whole effects.
macro_rules! capabilities {
    ($(
        $module:ident {
            $(effects { $($(#[$wanted:meta])* $effect:ident = $word:literal,)+ })?
            $(counts { $($(#[$counted:meta])* $part:ident = $part_word:literal,)+ })?
            $(occurrences { $(
                $(#[$happened:meta])*
                $occurrence:ident $(($data:ty))? $({ $($field:ident: $type:ty,)+ })? = $said:literal,
            )+ })?
        }
    )+) => {
        /// What a handler wants done.
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub enum Effect {
            $($($($(#[$wanted])* $effect($module::$effect),)+)?)+
        }

        /// What was wanted, as counts and log lines name it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Kind {
            $($($($(#[$wanted])* $effect,)+)?)+
            $($($($(#[$counted])* $part,)+)?)+
        }

        /// What happened.
        #[derive(Debug, Clone)]
        pub enum Occurrence {
            $($($(
                $(#[$happened])*
                $occurrence $(($data))? $({ $($field: $type,)+ })?,
            )+)?)+
        }

        impl Effect {
            pub fn kind(&self) -> Kind {
                match self {
                    $($($(Self::$effect(_) => Kind::$effect,)+)?)+
                }
            }

            /// What it sends to whoever gets it, if it sends anything.
            pub fn content(&self) -> Option<&Content> {
                match self {
                    $($($(Self::$effect(it) => it.content(),)+)?)+
                }
            }

            /// As [`Effect::content`].
            pub fn content_mut(&mut self) -> Option<&mut Content> {
                match self {
                    $($($(Self::$effect(it) => it.content_mut(),)+)?)+
                }
            }
        }

        impl Kind {
            pub const ALL: &[Self] = &[
                $($($(Self::$effect,)+)?)+
                $($($(Self::$part,)+)?)+
            ];

            pub fn word(self) -> &'static str {
                match self {
                    $($($(Self::$effect => $word,)+)?)+
                    $($($(Self::$part => $part_word,)+)?)+
                }
            }

            /// What an operator can do about it beside what holds for every effect.
            fn remedies(self) -> &'static [(FaultId, &'static str)] {
                match self {
                    $($($(Self::$effect => <$module::$effect as Wanted>::REMEDIES,)+)?)+
                    $($($(Self::$part => $module::REMEDIES,)+)?)+
                }
            }
        }

        impl Occurrence {
            /// The word that it has in the interface of plugins.
            pub fn word(&self) -> &'static str {
                match self {
                    $($($(Self::$occurrence { .. } => $said,)+)?)+
                }
            }

            /// Gives back what it holds beside its data: it is kept only to be looked at again.
            pub fn let_go(&mut self) {
                match self {
                    Self::Fetched(fetched) => {
                        fetched.place = std::sync::Arc::new(fetch::Place::new(()));
                    }
                    Self::Missed(missed) => {
                        missed.place = std::sync::Arc::new(fetch::Place::new(()));
                    }
                    Self::Answered(answered) => {
                        answered.place = std::sync::Arc::new(fetch::Place::new(()));
                    }
                    _ => {}
                }
            }

            /// Bytes of all its texts: what of it is copied into a guest, beside what describes the connection.
            pub fn texts(&self) -> usize {
                $($($(
                    $(if let Self::$occurrence(data) = self {
                        let data: &$data = data;
                        return data.texts();
                    })?
                    $(if let Self::$occurrence { $($field,)+ } = self {
                        return [$($field.texts(),)+].iter().sum();
                    })?
                )+)?)+
                0
            }
        }
    };
}

capabilities! {
    connection {
        counts {
            /// What a plugin said of an event that failed.
            Failure = "failure",
            /// What a plugin said beside its decision about an event.
            Decision = "decision",
        }
        occurrences {
            Opened = "opened",
            /// It was open before this instance began: plugin added later, trap, reload without a snapshot.
            Adopted = "adopted",
            /// An effect that carried a key was not carried out.
            Refused { key: String, why: Fault, } = "refused",
            /// A user's first connection, of those of the plugin's endpoints.
            UserOnline(UserId) = "user-online",
            /// A user has none of them any more.
            UserOffline(UserId) = "user-offline",
            /// The connection's outbox has left something out.
            Missed(connection::Missed) = "missed",
        }
    }
    reply {
        effects {
            Reply = "reply",
        }
        occurrences {
            Message(reply::Message) = "message",
        }
    }
    push {
        effects {
            Push = "push",
        }
    }
    publish {
        effects {
            Publish = "publish",
        }
        counts {
            /// A publication was delivered, and is not kept as it should be.
            Keep = "keep",
        }
        occurrences {
            /// A channel has its first subscriber.
            ChannelOccupied(Channel) = "channel-occupied",
            /// A channel has lost its last subscriber.
            ChannelVacated(Channel) = "channel-vacated",
        }
    }
    subscription {
        effects {
            Subscribe = "subscribe",
            Unsubscribe = "unsubscribe",
        }
        occurrences {
            /// The connection has come into these channels.
            Subscribed(Vec<Channel>) = "subscribed",
            /// The connection has left channels.
            Unsubscribed(subscription::Left) = "unsubscribed",
        }
    }
    close {
        effects {
            Close = "close",
        }
        occurrences {
            Closed(close::Closing) = "closed",
        }
    }
    timers {
        effects {
            SetTimer = "set-timer",
            CancelTimer = "cancel-timer",
        }
        occurrences {
            /// The timer with this key is due.
            Timer(String) = "timer",
        }
    }
    key_value {
        effects {
            Put = "put",
        }
    }
    fetch {
        effects {
            Fetch = "fetch",
        }
        occurrences {
            /// A request has ended.
            Fetched(fetch::Fetched) = "fetched",
        }
    }
    ask {
        effects {
            Ask = "ask",
        }
        occurrences {
            /// A question has been answered, or will not be.
            Answered(ask::Answered) = "answered",
        }
    }
    data {
        effects {
            SetData = "set-data",
        }
    }
    unsupported {
        effects {
            /// A kind of a later version.
            Other = "other",
        }
    }
}

impl Kind {
    /// What an operator can do where this was refused for that reason.
    pub fn remedy(self, why: FaultId) -> &'static str {
        let own = self.remedies().iter().find(|(of, _)| *of == why);
        own.map_or_else(|| common(why), |(_, remedy)| remedy)
    }
}

/// What can be done about any effect.
fn common(why: FaultId) -> &'static str {
    match why {
        FaultId::NotAllowed => {
            "Give the plugin this grant or a route of that endpoint, or correct the plugin"
        }
        FaultId::Unsupported => "The plugin does without it on this version of the gateway",
        FaultId::LimitReached | FaultId::TooLarge | FaultId::RateLimited => {
            "Ask for less, or raise the limit in the configuration"
        }
        _ => "The plugin has to be corrected",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_remedy_says_something() {
        for &kind in Kind::ALL {
            for &id in FaultId::ALL {
                assert!(kind.remedy(id).len() > 20, "{kind:?} {id:?}");
            }
        }
    }

    #[test]
    fn each_kind_has_a_word_of_its_own() {
        let mut words: Vec<_> = Kind::ALL.iter().map(|kind| kind.word()).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Kind::ALL.len());
        for (place, kind) in Kind::ALL.iter().enumerate() {
            assert_eq!(*kind as usize, place, "{kind:?}");
        }
    }
}
