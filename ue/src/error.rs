//! Reasons why a UE cannot be built.

use sidelink_wire::ids::Layer2Id;
use std::fmt;
use std::net::SocketAddr;

/// A fault in the parts of a UE: its keys, its counters, or the network of this computer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuildError {
    /// The key store has a fault.
    Store(sidelink_store::Error),
    /// Identities with a nonce were requested for the table of codes of this UE.
    Untabled(String),
    /// The UE cannot send to a group.
    Bearer {
        /// The group.
        group: String,
        /// Reason.
        why: String,
    },
    /// Counters cannot be reserved.
    Counters {
        /// Name of the stream of counters.
        place: String,
        /// Reason.
        why: String,
    },
    /// A key of discovery is unusable.
    Discovery {
        /// Name of the entry.
        name: String,
        /// Reason.
        why: String,
    },
    /// A code cannot be announced.
    Announcement {
        /// Name of the entry.
        name: String,
        /// Reason.
        why: String,
    },
    /// A UE has two layer-2 IDs.
    TwoIds {
        /// The UE.
        ue: String,
        /// The group in which it has another.
        group: String,
        /// The layer-2 ID in that group.
        here: Layer2Id,
        /// The layer-2 ID elsewhere.
        elsewhere: Layer2Id,
    },
    /// The store does not know the UE.
    Unknown(String),
    /// The system has no random source; the text says why.
    NoRandom(String),
    /// IP has neither a TUN interface nor UDP ports.
    NoPorts,
    /// A UDP port cannot be bound.
    Bind(SocketAddr, String),
    /// The TUN interface has no address.
    NoAddress,
    /// The address of the TUN interface is malformed.
    Address(String),
    /// The TUN interface cannot be made.
    Tun(String),
    /// A relay and its remote UEs need a TUN interface.
    NoInterface,
    /// The MTU is too small or too large.
    Mtu(u16),
    /// The IPv6 prefix of a relay is malformed, or too long.
    Prefix(String),
    /// A file has more octets than can be sent.
    TooLong {
        /// Octets of the file.
        octets: usize,
        /// The most that can be sent.
        most: usize,
    },
}

impl BuildError {
    /// Returns what is wrong.
    pub fn what(&self) -> String {
        match self {
            Self::Store(error) => error.what(),
            Self::Untabled(_) => "identities with a nonce cannot be tabled".to_owned(),
            Self::Bearer { why, .. }
            | Self::Counters { why, .. }
            | Self::Discovery { why, .. }
            | Self::Announcement { why, .. }
            | Self::Tun(why) => why.clone(),
            Self::TwoIds { ue, here, elsewhere, .. } => {
                format!("{ue:?} has the Layer-2 ID {here} there and {elsewhere} elsewhere")
            }
            Self::Unknown(ue) => format!("the store knows no UE {ue:?}"),
            Self::NoRandom(why) => format!("the system's random source: {why}"),
            Self::NoPorts => "neither a TUN interface nor UDP ports".to_owned(),
            Self::Bind(address, why) => format!("cannot listen on {address}: {why}"),
            Self::NoAddress => "no address".to_owned(),
            Self::Address(text) => format!("{text:?} is no address"),
            Self::NoInterface => "no TUN interface".to_owned(),
            Self::Mtu(mtu) => format!("an MTU of {mtu} octets"),
            Self::Prefix(text) => format!("{text:?} is no prefix of 16 to 63 bits"),
            Self::TooLong { octets, most } => {
                format!("a file of {octets} octets; at most {most} can be sent")
            }
        }
    }

    /// Returns the place of the fault; empty where none is known.
    pub fn place(&self) -> String {
        match self {
            Self::Store(error) => error.place(),
            Self::Untabled(ue) => ue.clone(),
            Self::Bearer { group, .. } | Self::TwoIds { group, .. } => format!("group {group:?}"),
            Self::Counters { place, .. } => place.clone(),
            Self::Discovery { name, .. } | Self::Announcement { name, .. } => name.clone(),
            Self::Unknown(_) | Self::NoRandom(_) | Self::TooLong { .. } => String::new(),
            Self::NoPorts | Self::NoAddress | Self::Address(_) | Self::NoInterface => "[ip]".to_owned(),
            Self::Mtu(_) => "[ip] mtu".to_owned(),
            Self::Prefix(_) => "[ip] prefix".to_owned(),
            Self::Bind(..) => "[ip] local".to_owned(),
            Self::Tun(_) => "[ip] tun".to_owned(),
        }
    }

    /// Returns what to do; empty where nothing is known.
    pub fn remedy(&self) -> String {
        let text = match self {
            Self::Store(error) => return error.remedy(),
            Self::Untabled(_) | Self::Discovery { .. } => "",
            Self::Bearer { .. } => "name each group once",
            Self::Counters { .. } => "nothing was sent under it",
            Self::Announcement { .. } => "mend its code",
            Self::TwoIds { .. } => "a UE sends under one identity: give it the same in every group",
            Self::Unknown(_) => {
                "`sidelink keys list` tells whom it knows; a UE without keys needs a layer-2-id"
            }
            Self::NoRandom(_) => "nothing is sent without it: mend the system",
            Self::NoPorts => "write tun = \"sl0\" with an address, or local and remote for UDP",
            Self::Bind(..) => "choose another port",
            Self::NoAddress => "say address = \"10.45.0.1/24\"",
            Self::Address(_) => "as 10.45.0.1/24",
            Self::NoInterface => "say tun = \"sl0\": a relay and its remote UEs have no UDP ports",
            Self::Mtu(_) => "say 1280 to 8188",
            Self::Prefix(_) => "as fd45::/56: each remote UE gets 64 bits of it",
            Self::TooLong { .. } => "split it",
            Self::Tun(_) => "run as root or with CAP_NET_ADMIN; or use local and remote instead",
        };
        text.to_owned()
    }
}

impl From<sidelink_store::Error> for BuildError {
    fn from(error: sidelink_store::Error) -> Self {
        Self::Store(error)
    }
}

impl fmt::Display for BuildError {
    /// Writes the fault, its place and the remedy, with semicolons between them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [self.what(), self.place(), self.remedy()];
        let parts: Vec<&str> = parts.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
        f.write_str(&parts.join("; "))
    }
}

impl std::error::Error for BuildError {}
