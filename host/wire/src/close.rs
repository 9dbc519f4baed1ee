//! Why a connection ends, and the close code its peer sees (RFC 6455 section 7.4, and codes of our own).

/// Why the gateway or the peer ended a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The peer sent a close frame with this code (1005 when it sent none).
    Peer(u16),
    /// The socket ended without a close frame.
    Lost,
    /// The peer broke the WebSocket protocol.
    Protocol,
    /// Text that is not UTF-8.
    NotUtf8,
    /// A message over `limits.message`.
    TooLarge,
    /// Nothing was heard for longer than the heartbeat allows.
    HeartbeatMissed,
    /// The outbox was full, or the peer took too little for longer than `outbox.write_deadline`.
    SlowConsumer,
    /// It was dead, and its client had come back on another connection.
    Replaced,
    /// The gateway's memory was nearly used up, and this connection held most of it.
    Memory,
    /// A client was greeted and did not poll, and too many others were.
    Unpolled,
    /// A message took too long to become whole.
    Unfinished,
    /// What the authenticator said of the user has ended: come back with a new token.
    TokenEnded,
    /// Too many malformed messages.
    Violation,
    /// The gateway is going away.
    Drained,
    /// What the peer sent found no place, and its dialect has no words to say so.
    Overloaded,
    /// A plugin asked for it.
    Plugin { code: u16, reason: String },
    /// The gateway failed.
    Internal,
}

impl Reason {
    /// The close code for the peer. For [`Reason::Peer`] the peer's own; [`Reason::Lost`] has none on the wire (1006).
    pub fn code(&self) -> u16 {
        match self {
            Self::Peer(code) => *code,
            Self::Lost => 1006,
            Self::Protocol => 1002,
            Self::NotUtf8 => 1007,
            Self::TooLarge => 1009,
            Self::HeartbeatMissed => 4001,
            Self::SlowConsumer => 4000,
            Self::Replaced => 4002,
            Self::TokenEnded => 4003,
            Self::Memory => 4000,
            Self::Unpolled => 1013,
            Self::Unfinished => 1008,
            Self::Violation => 4503,
            Self::Drained => 1012,
            Self::Overloaded => 1013,
            Self::Plugin { code, .. } => *code,
            Self::Internal => 1011,
        }
    }

    /// The reason text of the close frame and the label in logs and metrics.
    pub fn word(&self) -> &str {
        match self {
            Self::Peer(_) => "peer",
            Self::Lost => "lost",
            Self::Protocol => "protocol",
            Self::NotUtf8 => "malformed",
            Self::TooLarge => "too-large",
            Self::HeartbeatMissed => "heartbeat-missed",
            Self::SlowConsumer => "slow-consumer",
            Self::Replaced => "replaced",
            Self::TokenEnded => "token-ended",
            Self::Memory => "overloaded",
            Self::Unpolled => "unpolled",
            Self::Unfinished => "timeout",
            Self::Violation => "malformed",
            Self::Drained => "drain",
            Self::Overloaded => "overloaded",
            Self::Plugin { reason, .. } => reason,
            Self::Internal => "internal",
        }
    }

    /// Words for statistics, one for each kind of reason.
    pub const KINDS: [&'static str; 17] = [
        "peer",
        "lost",
        "protocol",
        "not-utf8",
        "too-large",
        "heartbeat-missed",
        "slow-consumer",
        "replaced",
        "malformed",
        "drain",
        "plugin",
        "internal",
        "overloaded",
        "token-ended",
        "memory",
        "unfinished",
        "unpolled",
    ];

    /// The code that each kind has, nearly always: a peer and a plugin may choose another.
    pub const USUAL: [u16; Self::KINDS.len()] = [
        1000, 1006, 1002, 1007, 1009, 4001, 4000, 4002, 4503, 1012, 1000, 1011, 1013, 4003, 4000,
        1008, 1013,
    ];

    /// The reason's place in [`Reason::KINDS`].
    pub fn kind(&self) -> usize {
        match self {
            Self::Peer(_) => 0,
            Self::Lost => 1,
            Self::Protocol => 2,
            Self::NotUtf8 => 3,
            Self::TooLarge => 4,
            Self::HeartbeatMissed => 5,
            Self::SlowConsumer => 6,
            Self::Replaced => 7,
            Self::Violation => 8,
            Self::Drained => 9,
            Self::Plugin { .. } => 10,
            Self::Internal => 11,
            Self::Overloaded => 12,
            Self::TokenEnded => 13,
            Self::Memory => 14,
            Self::Unfinished => 15,
            Self::Unpolled => 16,
        }
    }

    /// Whether the peer ended it by a close handshake.
    pub fn is_clean(&self) -> bool {
        matches!(self, Self::Peer(_))
    }
}

/// Codes as statistics name them: those with a meaning (RFC 6455 section 7.4.1, and our own), and one word for all others of
/// a range. A peer can end with any of four thousand.
pub const LABELS: [&str; 24] = [
    "1000", "1001", "1002", "1003", "1005", "1006", "1007", "1008", "1009", "1010", "1011", "1012",
    "1013", "1014", "1015", "4000", "4001", "4002", "4003", "4503", "3xxx", "4xxx", "1xxx",
    "other",
];

/// A code's place in [`LABELS`].
pub fn label(code: u16) -> usize {
    match code {
        1000..=1003 => usize::from(code - 1000),
        1005..=1015 => usize::from(code - 1001),
        4000..=4003 => usize::from(code - 4000) + 15,
        4503 => 19,
        _ => match code / 1000 {
            3 => 20,
            4 => 21,
            1 => 22,
            _ => 23,
        },
    }
}

/// Close codes a plugin may use: normal closure, and the ranges for libraries and applications (RFC 6455 section 7.4.2).
pub fn plugin_may_close_with(code: u16) -> bool {
    code == 1000 || (3000..=4999).contains(&code)
}

/// The longest reason text of a close frame, in bytes (RFC 6455 section 5.5).
pub const REASON_MAX: usize = 123;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_named_by_its_number_or_by_its_range() {
        for code in 0..=u16::MAX {
            let label = LABELS[label(code)];
            let range = match code / 1000 {
                3 => "3xxx",
                4 => "4xxx",
                1 => "1xxx",
                _ => "other",
            };
            let named = LABELS.contains(&&*code.to_string());
            let expected = if named { code.to_string() } else { range.to_owned() };
            assert_eq!(label, expected, "{code}");
        }
    }

    #[test]
    fn every_kind_has_its_usual_code() {
        for reason in [
            Reason::Lost,
            Reason::Protocol,
            Reason::NotUtf8,
            Reason::TooLarge,
            Reason::HeartbeatMissed,
            Reason::SlowConsumer,
            Reason::Replaced,
            Reason::Memory,
            Reason::Unfinished,
            Reason::Unpolled,
            Reason::TokenEnded,
            Reason::Violation,
            Reason::Drained,
            Reason::Overloaded,
            Reason::Internal,
        ] {
            assert_eq!(Reason::USUAL[reason.kind()], reason.code(), "{reason:?}");
        }
    }

    #[test]
    fn every_kind_has_its_word() {
        let plugin = Reason::Plugin { code: 4000, reason: "anything".into() };
        for (reason, word) in [
            (Reason::Peer(1000), "peer"),
            (Reason::NotUtf8, "not-utf8"),
            (Reason::Violation, "malformed"),
            (plugin, "plugin"),
            (Reason::Internal, "internal"),
            (Reason::Memory, "memory"),
            (Reason::Unfinished, "unfinished"),
            (Reason::Unpolled, "unpolled"),
        ] {
            assert_eq!(Reason::KINDS.get(reason.kind()), Some(&word));
        }
        let named = [Reason::Lost, Reason::Protocol, Reason::TooLarge, Reason::Replaced];
        let others = [Reason::Drained, Reason::TokenEnded, Reason::Overloaded];
        for reason in named.into_iter().chain(others) {
            assert_eq!(Reason::KINDS.get(reason.kind()), Some(&reason.word()));
        }
    }
}
