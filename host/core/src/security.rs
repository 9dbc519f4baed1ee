//! The ids of what concerns security: who watches for it watches for these, so they stay as they are.

/// A page of an origin that may not connect asked for a connection, or for an answer.
pub const ORIGIN: &str = "tengen.security.origin";
/// A request came without the token of its session.
pub const CSRF: &str = "tengen.security.csrf";
/// The authenticator, or its verdict's end, refused a connection.
pub const AUTHENTICATION: &str = "tengen.security.authentication";
/// An address has its share of connections, and wanted more.
pub const ADDRESS: &str = "tengen.security.address";
/// A connection was closed for what it sent.
pub const VIOLATION: &str = "tengen.security.violation";
/// The admin listener refused a call.
pub const ADMIN: &str = "tengen.security.admin";
/// A plugin wanted something done that it was not granted.
pub const GRANT: &str = "tengen.security.grant";
/// A component imports what is not offered to it.
pub const IMPORT: &str = "tengen.security.import";

/// How each of them begins.
pub const PREFIX: &str = "tengen.security.";

/// Each id, with what it tells of.
pub const ALL: [(&str, &str); 8] = [
    (ORIGIN, "a page of an origin that may not connect asked for a connection, or for an answer"),
    (CSRF, "a request came without the CSRF token of its session, or with one that is not good"),
    (
        AUTHENTICATION,
        "an authenticator refused a connection, or let in somebody whose token has ended",
    ),
    (ADDRESS, "an address has its share of `limits.per_address` and wanted more"),
    (
        VIOLATION,
        "a connection was closed for what it sent: against the protocol, too large, or malformed too often",
    ),
    (ADMIN, "the admin listener refused a call: for its host, its origin, or its key"),
    (GRANT, "a plugin wanted an effect that it was not granted"),
    (IMPORT, "a component imports what no plugin is offered, or not this one"),
];

/// The same as a Markdown table.
pub fn table() -> String {
    let rows = ALL.iter().map(|(id, about)| format!("| `{id}` | {about} |\n"));
    ["| id | when |\n|---|---|\n".to_owned()].into_iter().chain(rows).collect()
}
