//! What is said: four values and a sentence, the same everywhere.

/// The signal that passes. What it says follows from a number: the caller has nothing more to compute where it is not said.
#[inline(never)]
pub(crate) fn said(number: u64) {
    tracing::info!(
        number,
        share = number as f64 * 0.25,
        known = number.is_multiple_of(2),
        name = name(number),
        "a message was handled"
    );
}

/// The same at a level that does not pass.
#[inline(never)]
pub(crate) fn unsaid(number: u64) {
    tracing::debug!(
        number,
        share = number as f64 * 0.25,
        known = number.is_multiple_of(2),
        name = name(number),
        "a message was handled"
    );
}

/// The same, about a connection: what does not pass is recorded where there is a recorder.
#[inline(never)]
pub(crate) fn kept(number: u64) {
    tracing::debug!(
        target: "tengen_bench",
        number,
        share = number as f64 * 0.25,
        known = number.is_multiple_of(2),
        connection = name(number),
        "a message was handled"
    );
}

fn name(number: u64) -> &'static str {
    if number.is_multiple_of(3) { "wss/chat" } else { "wss/presence" }
}
