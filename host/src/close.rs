//! Why a connection ends, and the close code its peer sees (RFC 6455 section 7.4; wire.md, "Close codes").

/// Why the gateway or the peer ended a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The peer sent a close frame with this code (1005 when it sent none).
    Peer(u16),
    /// The socket ended without a close frame.
    Lost,
    /// The peer broke the WebSocket protocol.
    Protocol,
    /// A frame kind that this endpoint does not take.
    UnsupportedFrame,
    /// Text that is not UTF-8.
    NotUtf8,
    /// A message over `limits.message`.
    TooLarge,
    /// Nothing was heard for longer than the heartbeat allows.
    HeartbeatMissed,
    /// The outbox was full, or a write took longer than `outbox.write_deadline`.
    SlowConsumer,
    /// It was dead, and its client had come back on another connection.
    Replaced,
    /// What the authenticator said of the user has ended: come back with a new token.
    TokenEnded,
    /// Too many malformed messages.
    Violation,
    /// The gateway is going away.
    Drained,
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
            Self::UnsupportedFrame => 1003,
            Self::NotUtf8 => 1007,
            Self::TooLarge => 1009,
            Self::HeartbeatMissed => 4001,
            Self::SlowConsumer => 4000,
            Self::Replaced => 4002,
            Self::TokenEnded => 4003,
            Self::Violation => 4503,
            Self::Drained => 1012,
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
            Self::UnsupportedFrame => "unsupported",
            Self::NotUtf8 => "malformed",
            Self::TooLarge => "too-large",
            Self::HeartbeatMissed => "heartbeat-missed",
            Self::SlowConsumer => "slow-consumer",
            Self::Replaced => "replaced",
            Self::TokenEnded => "token-ended",
            Self::Violation => "malformed",
            Self::Drained => "drain",
            Self::Plugin { reason, .. } => reason,
            Self::Internal => "internal",
        }
    }

    /// Words for statistics, one for each kind of reason.
    pub const KINDS: [&'static str; 14] = [
        "peer",
        "lost",
        "protocol",
        "unsupported",
        "not-utf8",
        "too-large",
        "heartbeat-missed",
        "slow-consumer",
        "replaced",
        "malformed",
        "drain",
        "plugin",
        "internal",
        "token-ended",
    ];

    /// The reason's place in [`Reason::KINDS`].
    pub fn kind(&self) -> usize {
        match self {
            Self::Peer(_) => 0,
            Self::Lost => 1,
            Self::Protocol => 2,
            Self::UnsupportedFrame => 3,
            Self::NotUtf8 => 4,
            Self::TooLarge => 5,
            Self::HeartbeatMissed => 6,
            Self::SlowConsumer => 7,
            Self::Replaced => 8,
            Self::Violation => 9,
            Self::Drained => 10,
            Self::Plugin { .. } => 11,
            Self::Internal => 12,
            Self::TokenEnded => 13,
        }
    }

    /// Whether the peer ended it by a close handshake.
    pub fn is_clean(&self) -> bool {
        matches!(self, Self::Peer(_))
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
    fn every_kind_has_its_word() {
        let plugin = Reason::Plugin { code: 4000, reason: "anything".into() };
        for (reason, word) in [
            (Reason::Peer(1000), "peer"),
            (Reason::NotUtf8, "not-utf8"),
            (Reason::Violation, "malformed"),
            (plugin, "plugin"),
            (Reason::Internal, "internal"),
        ] {
            assert_eq!(Reason::KINDS.get(reason.kind()), Some(&word));
        }
        let named = [Reason::Lost, Reason::Protocol, Reason::TooLarge, Reason::Replaced];
        for reason in named.into_iter().chain([Reason::Drained, Reason::TokenEnded]) {
            assert_eq!(Reason::KINDS.get(reason.kind()), Some(&reason.word()));
        }
    }
}
