//! Rules and timers of the links of one UE.

use sidelink_security::direct::{Policy, Profile};

use super::kd::Identity;
use super::key_establishment::Asks;
use sidelink_wire::ids::Layer2Id;

/// When the target UE makes a new KD in a re-keying. The texts differ; all keep to the Auth Flag.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum NewKd {
    /// When the initiating UE's Auth Flag asks for it: TS 33.536, and what an implementation of TS 33.303 does.
    #[default]
    WhenAsked,
    /// Also when three quarters of the life of the KD are over, in time or in sessions: TR 33.833 §6.4.1.4.5 leaves it
    /// to the target UE.
    WhenDue,
    /// Always: TR 33.847.
    Always,
}

/// What becomes of a link of LTE whose requests to re-key had no answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum FailedRekeying {
    /// It is released: TS 24.334 §10.4.8.6.1.
    #[default]
    Release,
    /// It goes on under the key that it has, as in NR.
    KeepKey,
}

/// How a UE gives addresses to its peers. TS 24.334 §12.5.1.4.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Allocation {
    /// It is a DHCPv4 server.
    Dhcpv4Server,
    /// It is an IPv6 router. UEs that are no relays say so and are none: their addresses are configured.
    #[default]
    Ipv6Router,
    /// It is both.
    Both,
    /// It is neither.
    NotSupported,
}

impl Allocation {
    /// Returns the octet.
    // TS 24.334 §12.5.1.4
    pub const fn octet(self) -> u8 {
        match self {
            Self::Dhcpv4Server => 0,
            Self::Ipv6Router => 1,
            Self::Both => 2,
            Self::NotSupported => 3,
        }
    }

    /// Returns what an octet stands for; `None` for a reserved one.
    pub const fn new(octet: u8) -> Option<Self> {
        match octet {
            0 => Some(Self::Dhcpv4Server),
            1 => Some(Self::Ipv6Router),
            2 => Some(Self::Both),
            3 => Some(Self::NotSupported),
            _ => None,
        }
    }
}

/// Rules of one UE. Times in milliseconds.
#[derive(Debug, Clone)]
pub struct Config {
    /// Profile of formulas and messages. In NR every identity is an application layer ID ([`Identity::user`]).
    pub profile: Profile,
    /// Layer-2 identity of this UE.
    pub source: Layer2Id,
    /// Identity of this UE.
    pub identity: Identity,
    /// Security policy of this UE.
    pub policy: Policy,
    /// How this UE gives addresses, as its accept says, and its requests to UEs that are no relays.
    pub allocation: Allocation,
    /// Whether requests of other UEs are answered.
    pub accept: bool,
    /// P, the period of the PSCCH pool: every message of a handshake takes one.
    pub sc_period: u64,
    /// Time that one UE needs for a reply.
    pub processing: u64,
    /// Time that a network may need for an answer, at most. Where a method asks one, an end waits so much longer for its own
    /// network, and the target UE for the peer's. The initiating UE waits for the peer's network a quarter of it, or four
    /// times what its own network took, so that a lost message does not cost all of it; and in the last try all of it.
    pub network_time: u64,
    /// Tries of every request, each with a nonce of its own.
    pub tries: u8,
    /// Largest number of links (TS 24.554 recommends at most 8).
    pub links: usize,
    /// For how long a peer that refused a link, proven, for its policy or for lack of room, or that ended one for its policy,
    /// is not asked again.
    pub refused: u64,
    /// Requests that may wait for their proof. Where the table is full the oldest goes.
    pub half_open: usize,
    /// Largest number of replies to unproven UEs in one SC period: commands, signatures and cookies. A pool has room
    /// for about four destinations a period; requests of a flood beyond that get no reply, honest ones among them
    /// included.
    pub answers: u32,
    /// Largest number of unproven containers that are verified in one SC period, counted for each half-open entry that
    /// one may belong to. A signature takes some 50 µs to verify.
    pub judged: u32,
    /// Number of false proofs of one layer-2 source in one second after which one a SC period is verified until the second
    /// is over; the others are dropped. Anybody can send from any source: it is never shut out.
    pub refuted: u32,
    /// Time without a reception after which a keep-alive is sent.
    pub keepalive: u64,
    /// The link is released after so long without anything heard.
    pub inactivity: u64,
    /// What becomes of a link whose requests to re-key had no answer: LTE only.
    pub failed_rekeying: FailedRekeying,
    /// Least time between two re-keyings that the peer may ask for.
    pub rekey_interval: u64,
    /// Time for which an old key still opens PDUs that are in flight.
    pub overlap: u64,
    /// Lifetime of a KD that a method agreed on.
    pub kd_lifetime: u64,
    /// Give connection identities to peers, and request with those that they gave: the draft's privacy of set-ups, LTE
    /// only. The last try of a set-up does without.
    pub connection_ids: bool,
    /// Request each link from a layer-2 identity of its own; see [`Self::updates`] for the duties of the driver.
    pub fresh_source: bool,
    /// When a re-keying makes a new KD. Except with [`NewKd::WhenAsked`] every request to re-key offers to
    /// authenticate, since the target UE decides.
    pub new_kd: NewKd,
    /// Change identifiers when the peer or the application requests it: the driver must then receive for
    /// [`super::LinkManager::addresses`] and send from [`super::Pdu::source`]. NR only.
    pub updates: bool,
    /// Interval of automatic changes: T5090, the privacy timer.
    pub privacy: Option<u64>,
    /// Number of old session keys that are kept for receiving.
    pub retired: usize,
    /// Let keys in the clear onto the air: for the attack that is measured by it, never set otherwise.
    pub(super) in_the_clear: bool,
}

impl Config {
    /// Returns the timers of the NIST model if they suffice, and longer ones if the SC period requires them.
    pub fn new(source: Layer2Id, identity: Identity, sc_period: u64) -> Self {
        let config = Self {
            profile: Profile::Lte,
            source,
            identity,
            policy: Policy::default(),
            allocation: Allocation::default(),
            accept: true,
            sc_period,
            processing: 20,
            network_time: 12_000,
            tries: 3,
            links: 8,
            refused: 5000,
            half_open: 128,
            answers: 8,
            judged: 32,
            refuted: 10,
            keepalive: 1000,
            inactivity: 0,
            failed_rekeying: FailedRekeying::Release,
            rekey_interval: 1000,
            overlap: 5000,
            kd_lifetime: 24 * 3600 * 1000,
            connection_ids: false,
            fresh_source: false,
            new_kd: NewKd::WhenAsked,
            updates: false,
            privacy: None,
            retired: 4,
            in_the_clear: false,
        };
        let keepalive = config.keepalive.max(4 * sc_period);
        let inactivity = (2 * keepalive).max(keepalive + u64::from(config.tries) * config.t4101());
        Self { keepalive, inactivity, ..config }
    }

    /// Returns T4100, and the timer of a re-keying request: `turns` SC periods pass until the answer. 400 ms of the
    /// NIST model, or n + 2 periods.
    // TS 24.334 §13.2 table 1 (1)
    pub(super) fn t4100(&self, turns: u64) -> u64 {
        ((turns + 2) * self.sc_period + self.processing).max(400)
    }

    /// Returns how much longer the target UE waits where a method asks a network.
    pub(super) const fn time_of_network(&self, asks: Asks) -> u64 {
        match asks {
            Asks::Network => self.network_time,
            Asks::Nobody => 0,
        }
    }

    /// Returns how much longer the initiating UE waits for the peer's network in a try, where its own took `own`.
    pub(super) fn time_of_peer(&self, asks: Asks, tries: u8, own: u64) -> u64 {
        match asks {
            Asks::Nobody => 0,
            Asks::Network if tries >= self.tries => self.network_time,
            Asks::Network => own.saturating_mul(4).clamp(self.network_time / 4, self.network_time),
        }
    }

    /// Returns T4111, the wait for the complete: 200 ms, or 3 periods.
    pub(super) fn t4111(&self) -> u64 {
        self.t4111_after(0)
    }

    /// T4111 of a command that takes more periods than one: it carries a key, or stands behind a long container.
    pub(super) fn t4111_after(&self, periods: u64) -> u64 {
        ((3 + periods) * self.sc_period + self.processing).max(200)
    }

    /// T4101, T4103, T4113: until the answer to keep-alive and release, and until the request that a trigger asks for. 100 ms, or 3 periods.
    pub(super) fn t4101(&self) -> u64 {
        (3 * self.sc_period + self.processing).max(100)
    }
}
