//! Paths at which clients connect.

mod csrf;
mod formats;
mod origins;
mod signals;

pub use csrf::{Csrf, CsrfToken};
pub use signals::ClientSignals;

use crate::{
    origin::Origins,
    schema::{
        Part,
        key::table_if_there,
        kind::{plugin_name, text, truth, url_path, words},
        settings,
        table::Table,
    },
};
use tengen_wire::{dialect::Dialect, id::PluginName, payload::Encoding};

settings! {
    /// A path that takes connections. Without any: `/ws` (tengen), `/chsk` (sente) and `/raw` (raw).
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Endpoint {
        /// path of the upgrade request
        path: String = url_path().required(String::new(), "\"/ws\"", "say where clients connect, as in path = \"/ws\"");
        /// `tengen`, `sente`, `sente-lite` or `raw`
        dialect: Dialect = words(Dialect::ALL.map(|dialect| (dialect.word(), dialect)), &["auto"]).or(Dialect::Tengen);
        /// formats offered, the default first; sente and sente-lite: `edn` or `transit`, one of them; raw: none
        formats: Vec<Encoding> = formats::kind().list().or(formats::of(Dialect::Tengen)).by_hand();
        /// raw: subprotocols that are spoken, as in `["mqtt"]`; the first that is offered comes back, and without any the upgrade is refused. Empty: the first that is offered
        subprotocols: Vec<String> = text().list().or(Vec::new()).by_hand();
        /// pages that may connect, `https://*.app.example` for all names below a domain; absent: the same origin; `["*"]`: any
        origins: Origins = origins::kind().or_unwritten(Origins::Same, "[\"https://app.example\"]");
        /// plugin that says who a connection belongs to; absent: everyone is anonymous
        authenticator: Option<PluginName> = plugin_name().absent("\"token-auth\"");
        /// whether a connection without a user may come in
        anonymous: bool = truth().or(true);
        /// what a client's trace context is for our spans: `link`, or `parent`: they belong to its trace and are recorded where it says so
        traceparent: Traceparent = words([("link", Traceparent::Link), ("parent", Traceparent::Parent)], &[]).or(Traceparent::Link);
        /// sente: whether clients may poll where no WebSocket comes through (`:type :ajax`, and `:auto` after a failure); absent: yes
        ajax: Option<bool> = truth().absent("false");
        /// what tells the application's own pages from others: `off`: the origin; `signed`: a token that pages get at the path and `/csrf`; `plugin`: the authenticator
        csrf: Csrf = words([("off", Csrf::Off), ("signed", Csrf::Signed), ("plugin", Csrf::Plugin)], &[]).or(Csrf::Off);
        /// How tokens are signed, with `csrf = "signed"`.
        csrf_token: Option<CsrfToken> = table_if_there();
        /// Which signals clients may send, in batches; without this table, none.
        telemetry: Option<ClientSignals> = table_if_there();
    }
    also {
        /// short for `formats` with one
        format = formats::kind().absent("\"json\"").by_hand();
    }
    then Endpoint::complete;
}

/// What the trace context that a client sends is for our spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Traceparent {
    /// They are linked to it. Whether they are recorded is for us to say.
    #[default]
    Link,
    /// They belong to the client's trace, and are recorded where it says so.
    Parent,
}

impl Endpoint {
    /// An endpoint with the dialect's default formats: same origin only, everyone anonymous.
    pub fn new(path: impl Into<String>, dialect: Dialect) -> Self {
        Self { path: path.into(), dialect, formats: formats::of(dialect), ..Self::usual() }
    }

    /// Whether its clients may poll where no WebSocket comes through.
    pub fn takes_polls(&self) -> bool {
        self.dialect.profile().polls && self.ajax.unwrap_or(true)
    }

    /// What depends on the dialect, and whether anybody can come in.
    fn complete(&mut self, table: &Table<'_>) {
        self.formats = formats::of(self.dialect);
        formats::read(table, self);
        formats::read_subprotocols(table, self);
        if self.telemetry.is_some() && !self.dialect.profile().is_read() {
            let what = "`telemetry` is not used: frames of the raw dialect are not read";
            table.document.warning(&table.place, what);
        }
        if self.ajax.is_some() && !self.dialect.profile().polls {
            let what = "`ajax` is not used: only clients of the sente dialect poll";
            table.document.warning(&table.place, what);
        }
        csrf::complete(self, table);
        let has_authenticator = table.get("authenticator").is_some();
        if !has_authenticator && !self.anonymous {
            let what = "nobody can come in: without an `authenticator` everyone is anonymous, and `anonymous` is false; name an authenticator";
            table.document.mistake(&table.place, what);
        }
    }
}
