//! Rules of the selection, what goes into it and what comes out.

use core::fmt;

use sidelink_security::counter::UtcTime;
use sidelink_wire::pc5_discovery::Relay;

/// ProSe Relay UE ID: the layer-2 identity of a relay for one service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelayId(pub [u8; 3]);

/// SD-RSRP, dBm: power of a resource element of the DMRS of PSDCH whose CRC holds. TS 36.214 §5.1.22.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Strength(pub f32);

impl Strength {
    /// Returns the layer-3 filtered value of this one and a new one: coefficient k of TS 36.331 §5.5.3.2, a = 2^(-k/4).
    #[must_use]
    pub fn filtered(self, new: Self, k: u8) -> Self {
        let a = (-f32::from(k) / 4.0).exp2();
        Self((1.0 - a) * self.0 + a * new.0)
    }

    /// Returns the value that is stronger by `decibels`.
    #[must_use]
    pub fn plus(self, decibels: f32) -> Self {
        Self(self.0 + decibels)
    }
}

impl fmt::Display for Strength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} dBm", self.0)
    }
}

/// Rules. Times in milliseconds.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Least strength of a relay in use: q-RxLevMin.
    pub threshold: Strength,
    /// Decibels above it that a relay needs to be connected to: minHyst.
    pub hysteresis: f32,
    /// Coefficient of the layer-3 filter: 0 for none, filterCoefficient.
    pub filter: u8,
    /// The only User Info ID that is used, if the service is provisioned for one relay. TS 24.334 §5.1.3.
    pub only: Option<[u8; 6]>,
    /// How long a relay counts after it was heard.
    pub memory: u64,
    /// T4110: how long the serving relay may be unheard until it is asked for.
    pub t4110: u64,
    /// T4109: how long its answer is waited for.
    pub t4109: u64,
    /// Solicitations without an answer until it is given up.
    pub solicitations: u8,
    /// How long a relay that does not allow the link is not asked again.
    pub not_allowed: u64,
    /// How long a relay without room is not asked again.
    pub no_room: u64,
    /// How long no relay is asked again where this UE has no key or name to show yet.
    pub no_key: u64,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            threshold: Strength(-110.0),
            hysteresis: 3.0,
            filter: 4,
            only: None,
            memory: 20_000,
            t4110: 5000,
            t4109: 1000,
            solicitations: 3,
            not_allowed: 300_000,
            no_room: 10_000,
            no_key: 1000,
        }
    }
}

/// Why a link to a relay is over, or does not come to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Leave {
    /// The relay does not allow it: cause 1 of a rejection, reason 2 of a release.
    NotAllowed,
    /// The relay has no room: cause 4.
    NoRoom,
    /// The relay cannot serve any more: reason 3.
    NotAvailable,
    /// It does not answer.
    NoAnswer,
    /// It did not prove itself, or this UE did not.
    NotAuthenticated,
    /// This UE wanted it.
    Wanted,
    /// This UE has no key or name to show to a relay yet.
    NoKey,
}

impl Leave {
    /// Milliseconds for which the relay is not asked again.
    // As TS 24.334 §10A.2.13.2 (c), (d); §10.4.2.5 for cause 4
    pub(super) const fn bars(self, rules: &Rules) -> Option<u64> {
        match self {
            Self::NotAllowed | Self::NotAuthenticated => Some(rules.not_allowed),
            Self::NoRoom | Self::NoAnswer => Some(rules.no_room),
            Self::NoKey => Some(rules.no_key),
            Self::NotAvailable | Self::Wanted => None,
        }
    }
}

impl fmt::Display for Leave {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAllowed => "the relay does not allow it",
            Self::NoRoom => "the relay has no room",
            Self::NotAvailable => "the relay cannot serve any more",
            Self::NoAnswer => "the relay does not answer",
            Self::NotAuthenticated => "relay and remote UE have no common key of the network",
            Self::Wanted => "this UE wanted it",
            Self::NoKey => "this UE has no key or name to show to a relay yet",
        })
    }
}

/// What happened.
#[derive(Debug, Clone, Copy)]
pub enum Input {
    /// Time has passed.
    Tick {
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
    /// The link of [`Output::Connect`] is up.
    Up {
        /// The time.
        now: UtcTime,
        /// Of which relay.
        relay: RelayId,
    },
    /// The link of [`Output::Connect`] did not come to be, without a reason of the relay.
    Failed {
        /// The time.
        now: UtcTime,
        /// Of which relay.
        relay: RelayId,
    },
    /// A link is over, or was refused.
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
            | Self::Heard { now, .. }
            | Self::Up { now, .. }
            | Self::Failed { now, .. }
            | Self::Ended { now, .. } => *now,
        }
    }
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Output {
    /// Set up a link to this relay, and hand back [`Input::Up`], [`Input::Failed`] or [`Input::Ended`].
    Connect {
        /// Layer-2 identity.
        relay: RelayId,
        /// User Info ID that its discovery said.
        info: [u8; 6],
    },
    /// Release the link to this relay: another one serves, or it is not heard any more.
    Release(RelayId),
    /// Send a solicitation, for this relay alone if one is named.
    Solicit(Option<RelayId>),
    /// This relay serves no more, or did not come to.
    Lost(RelayId, Leave),
    /// Nothing more until then; none: until the next input.
    Timeout(Option<UtcTime>),
}
