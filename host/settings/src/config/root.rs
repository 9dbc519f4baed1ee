//! The tables at the top of the file, in the order in which they are documented.

use crate::{
    Admin, ChannelRule, Endpoint, Heartbeat, Limits, Outbox, Plugin, Route, Server, Sink, Static,
    Store, Telemetry,
    schema::{
        Part,
        section::{At, Section, Shown},
    },
};
use std::sync::LazyLock;

static SECTIONS: LazyLock<Vec<Section>> = LazyLock::new(|| {
    let top = Section::new(&At::table("").inline(), String::new(), &[]);
    let mut all = vec![top];
    Server::declare(&At::table("server"), &mut all);
    Admin::declare(&At::table("admin"), &mut all);
    Heartbeat::declare(&At::table("heartbeat"), &mut all);
    Outbox::declare(&At::table("outbox"), &mut all);
    Limits::declare(&At::table("limits"), &mut all);
    Store::declare(&At::table("store"), &mut all);
    Endpoint::declare(&At::list("endpoint"), &mut all);
    Plugin::declare(&At::named("plugin", "chat").example(), &mut all);
    Route::declare(&At::list("route").example(), &mut all);
    ChannelRule::declare(&At::list("channel").example(), &mut all);
    Telemetry::declare(&At::table("telemetry"), &mut all);
    Sink::declare(&At::list("sink").at_once().example(), &mut all);
    Static::declare(&At::list("static").example(), &mut all);
    all
});

/// All that can stand in a file.
pub(super) fn sections() -> &'static [Section] {
    &SECTIONS
}

/// Those with a header of their own.
pub(super) fn shown() -> impl Iterator<Item = &'static Section> {
    sections().iter().filter(|section| section.at.shown != Shown::Inline)
}
