//! Inputs, outputs and events of a remote UE.

use core::fmt;

use sidelink_security::counter::UtcTime;
use sidelink_wire::pc5_discovery::Relay;

use crate::relay::selection::{Leave, RelayId, Strength};

/// What happened.
#[derive(Debug, Clone, Copy)]
pub enum Input {
    /// Time has passed.
    Tick {
        /// The time.
        now: UtcTime,
    },
    /// The application wants a relay: as from the beginning on.
    Want {
        /// The time.
        now: UtcTime,
    },
    /// The application wants none any more.
    GiveUp {
        /// The time.
        now: UtcTime,
    },
    /// An announcement or a response of a relay, whose protection was checked.
    Heard {
        /// The time.
        now: UtcTime,
        /// What it says.
        relay: Relay,
        /// How strong its DMRS was.
        strength: Strength,
    },
    /// A link with a relay is up.
    Up {
        /// The time.
        now: UtcTime,
        /// Of which relay.
        relay: RelayId,
    },
    /// A link is over, was refused, or cannot be asked for.
    Ended {
        /// The time.
        now: UtcTime,
        /// Of which relay.
        relay: RelayId,
        /// Why.
        why: Leave,
    },
}

impl Input {
    pub(super) const fn now(&self) -> UtcTime {
        match self {
            Self::Tick { now }
            | Self::Want { now }
            | Self::GiveUp { now }
            | Self::Heard { now, .. }
            | Self::Up { now, .. }
            | Self::Ended { now, .. } => *now,
        }
    }
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Output {
    /// Set up a link to this relay, and hand back [`Input::Up`] or [`Input::Ended`].
    Connect {
        /// Layer-2 identity.
        relay: RelayId,
        /// User Info ID that its discovery said.
        info: [u8; 6],
    },
    /// Release the link to this relay, and hand back [`Input::Ended`].
    Release(RelayId),
    /// Tell whoever listens.
    Event(Event),
    /// Nothing more until then; none: until the next input.
    Timeout(Option<UtcTime>),
}

/// Why a relay is left.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Why {
    /// It is weaker than the rules ask.
    Weak(Strength),
    /// It was not heard.
    Silent,
    /// The application wants no relay.
    Unwanted,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Weak(strength) => write!(f, "too weak ({strength})"),
            Self::Silent => f.write_str("not heard"),
            Self::Unwanted => f.write_str("not wanted any more"),
        }
    }
}

/// An event, for reports.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Event {
    /// A relay was heard for the first time.
    Found {
        /// Layer-2 identity.
        relay: RelayId,
        /// User Info ID.
        info: [u8; 6],
        /// How strong.
        strength: Strength,
        /// Whether it has room for one more.
        has_room: bool,
    },
    /// A relay is selected: a link with it is set up.
    Selected {
        /// Layer-2 identity.
        relay: RelayId,
        /// User Info ID.
        info: [u8; 6],
        /// How strong, filtered.
        strength: Option<Strength>,
        /// The relay that serves until then, and why it is left.
        instead_of: Option<(RelayId, Why)>,
    },
    /// The link with a relay is up.
    Serving {
        /// Layer-2 identity.
        relay: RelayId,
    },
    /// This UE releases the link with a relay.
    Left {
        /// Layer-2 identity.
        relay: RelayId,
        /// Why.
        why: Why,
    },
    /// A link with a relay ended, or did not come to be.
    Lost {
        /// Layer-2 identity.
        relay: RelayId,
        /// Why.
        why: Leave,
    },
}
