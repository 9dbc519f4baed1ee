//! What goes where, and when it is asked.

use super::page::Page;
use crate::{
    encode::{Encoder, Format},
    filter::{Filter, pattern::Pattern},
    pipe::{Layer, Pipe, Raise, SINKS, Unattached},
    station::{Station, Traits},
    stats::SignalStats,
    writer::{self, stream::Stream},
};
use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};
use tengen_core::{
    sink::{Level, Signal},
    testing::somebody_listens,
};
use tengen_settings as settings;
use tracing_subscriber::layer::SubscriberExt;

/// A sink that writes at once.
struct Ear(Arc<Station>, Page);

impl Ear {
    fn new(pipe: &Pipe, name: &str, filter: Filter) -> Self {
        let (page, station) = (Page::default(), Station::new(Traits::new(name, "file"), filter));
        writer::at_once(&station, Stream(page.clone()), Encoder(Format::Json));
        pipe.attach(Arc::clone(&station)).unwrap();
        Self(station, page)
    }

    fn heard(&self) -> Vec<String> {
        let text = self.1.text();
        let lines =
            text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        lines.map(|line| line["message"].as_str().unwrap().to_owned()).collect()
    }
}

fn level(level: &str) -> Filter {
    Filter::of_level("test", level).unwrap()
}

fn listening(pipe: &Arc<Pipe>) -> tracing::subscriber::DefaultGuard {
    somebody_listens();
    tracing::subscriber::set_default(tracing_subscriber::registry().with(Layer(Arc::clone(pipe))))
}

fn say(level: Level, user: &str, message: &'static str) -> Signal {
    Signal { user: user.to_owned(), ..Signal::new(level, "test", message) }
}

#[track_caller]
fn adds_up(pipe: &Pipe) -> SignalStats {
    let stats = pipe.stats();
    let kept_out = stats.filtered + stats.sampled_out + stats.limited;
    assert_eq!(stats.created, kept_out + stats.accepted, "{stats:?}");
    stats
}

#[test]
fn each_sink_gets_what_its_own_filter_lets_pass() {
    let pipe = Arc::<Pipe>::default();
    pipe.set_filter(level("debug"));
    let (all, few) =
        (Ear::new(&pipe, "all", level("trace")), Ear::new(&pipe, "few", level("warn")));
    let _log = listening(&pipe);
    tracing::trace!("no");
    tracing::debug!("for one");
    tracing::warn!("for both");
    assert_eq!(all.heard(), ["for one", "for both"]);
    assert_eq!(few.heard(), ["for both"]);
    assert_eq!(few.0.stats().filtered, 1);
    assert_eq!(adds_up(&pipe).created, 2, "what nobody wants is not made");
}

#[test]
fn a_filter_that_changes_is_asked_anew_at_every_call_site() {
    let pipe = Arc::<Pipe>::default();
    let ear = Ear::new(&pipe, "ear", level("trace"));
    let _log = listening(&pipe);
    let here = |message: &str| tracing::debug!("{message}");
    for (filter, message) in
        [("info", "no"), ("debug", "yes"), ("off", "no"), ("tengen=debug", "again")]
    {
        pipe.set_filter(level(filter));
        here(message);
    }
    pipe.set_filter_of(&ear.0, level("warn"));
    here("no");
    assert_eq!(ear.heard(), ["yes", "again"]);
    pipe.turn(false);
    tracing::error!("nothing at all");
    assert!(pipe.is_off());
    pipe.turn(true);
    tracing::error!("on again");
    assert_eq!(ear.heard(), ["yes", "again", "on again"]);
}

#[test]
fn sinks_come_and_go_while_something_is_said() {
    let pipe = Arc::<Pipe>::default();
    let _log = listening(&pipe);
    let here = |message: &str| tracing::info!("{message}");
    here("nobody is there");
    let ear = Ear::new(&pipe, "ear", level("trace"));
    here("one");
    assert_eq!(
        pipe.attach(Station::new(Traits::new("ear", "file"), level("info"))),
        Err(Unattached::Taken)
    );
    pipe.detach(&ear.0);
    here("nobody is there any more");
    assert_eq!(ear.heard(), ["one"]);
    for number in 0..SINKS {
        pipe.attach(Station::new(Traits::new(number.to_string(), "file"), level("off"))).unwrap();
    }
    let more = Station::new(Traits::new("more", "file"), level("off"));
    assert_eq!(pipe.attach(more), Err(Unattached::TooMany));
}

#[test]
fn what_is_raised_for_a_user_passes_for_a_while_and_whatever_the_sinks_level_is() {
    let pipe = Arc::<Pipe>::default();
    pipe.set_filter(level("warn"));
    let ear = Ear::new(&pipe, "ear", level("error"));
    let denied = settings::Names { deny: vec!["test".into()], ..settings::Names::default() };
    let deaf = settings::Filter { namespaces: denied, ..settings::Filter::default() };
    let deaf = Ear::new(&pipe, "deaf", Filter::new(&deaf, "trace").unwrap());
    let until = Instant::now() + Duration::from_secs(3600);
    let of = |user: &str, until| Raise {
        level: Level::Debug,
        namespace: Some(Pattern::new("t*")),
        id: None,
        user: Some(user.to_owned()),
        connection: None,
        until,
    };
    pipe.raise(of("42", until));
    pipe.put(say(Level::Debug, "42", "asked for"), None);
    pipe.put(say(Level::Trace, "42", "too little"), None);
    pipe.put(say(Level::Debug, "43", "of another"), None);
    assert_eq!((ear.heard(), deaf.heard().len()), (vec!["asked for".to_owned()], 0));
    assert_eq!((adds_up(&pipe).filtered, pipe.raised().len()), (2, 1));
    pipe.raise(of("44", Instant::now()));
    pipe.put(say(Level::Debug, "44", "over"), None);
    pipe.expire();
    assert_eq!((ear.heard().len(), pipe.raised().len()), (1, 1));
}

#[test]
fn call_sites_are_open_as_long_as_something_is_raised() {
    let pipe = Arc::<Pipe>::default();
    pipe.set_filter(level("warn"));
    let ear = Ear::new(&pipe, "ear", level("trace"));
    let _log = listening(&pipe);
    let here = |user: &str, message: &str| tracing::debug!(user, "{message}");
    here("42", "before");
    let raise = Raise {
        level: Level::Debug,
        namespace: None,
        id: None,
        user: Some("42".into()),
        connection: None,
        until: Instant::now() + Duration::from_secs(3600),
    };
    pipe.raise(raise);
    here("42", "asked for");
    here("7", "of another");
    assert_eq!(ear.heard(), ["asked for"]);
}

#[test]
fn shares_and_limits_are_counted_apart() {
    let pipe = Arc::<Pipe>::default();
    let filter = settings::Filter { sample: 0.5, ..settings::Filter::default() };
    pipe.set_filter(Filter::new(&filter, "info").unwrap());
    let limited = settings::Filter {
        limit: Some(settings::Rate::per_minute(10)),
        limit_by: settings::LimitBy::User,
        ..settings::Filter::default()
    };
    let ear = Ear::new(&pipe, "ear", Filter::new(&limited, "trace").unwrap());
    (0..100).for_each(|_| pipe.put(say(Level::Info, "ada", "x"), None));
    (0..20).for_each(|_| pipe.put(say(Level::Warn, "bob", "y"), None));
    let stats = adds_up(&pipe);
    assert!((45..=55).contains(&stats.sampled_out), "{stats:?}");
    let seen = ear.0.stats();
    assert_eq!((seen.offered, seen.accepted), (stats.accepted, 20));
    assert_eq!(seen.limited, seen.offered - 20);
}

#[test]
fn plugins_are_asked_by_their_own_name_and_id() {
    let pipe = Arc::<Pipe>::default();
    pipe.set_filter(level("info,plugin.noisy=off,plugin.chat=debug"));
    let ear = Ear::new(&pipe, "ear", level("trace"));
    let _log = listening(&pipe);
    tracing::debug!(target: "plugin", plugin = "chat", "one");
    tracing::error!(target: "plugin", plugin = "noisy", "no");
    tracing::debug!(target: "plugin", plugin = "other", "no");
    assert_eq!(ear.heard(), ["one"]);
    assert_eq!(adds_up(&pipe).filtered, 2);
}

#[test]
fn what_a_sink_says_in_the_midst_of_writing_holds_up_nobody() {
    struct Talkative(Page, Arc<Pipe>);
    impl io::Write for Talkative {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if !String::from_utf8_lossy(bytes).contains("by the way") {
                self.1.put(say(Level::Info, "", "by the way"), None);
            }
            self.0.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let (pipe, page) = (Arc::<Pipe>::default(), Page::default());
    let station = Station::new(Traits::new("ear", "file"), level("trace"));
    let talkative = Talkative(page.clone(), Arc::clone(&pipe));
    writer::at_once(&station, Stream(talkative), Encoder(Format::Json));
    pipe.attach(Arc::clone(&station)).unwrap();
    pipe.put(say(Level::Info, "", "hello"), None);
    assert_eq!(page.text().lines().count(), 2, "{}", page.text());
    assert_eq!(station.stats().processed, 2);
}
