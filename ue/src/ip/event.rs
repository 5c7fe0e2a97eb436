//! What is to be told of IP: events, and the status for people and programs.

use serde::Serialize;
use sidelink_prose::direct_link::Identity;
use sidelink_security::counter::UtcTime;
use sidelink_wire::ids::Layer2Id;
use sidelink_wire::ip::ndisc::{self, PREFIX, PREFIX_BITS};
use sidelink_wire::remote_ue_report::{Address, Context, Report, User};
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// A remote UE and what it got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// Its layer-2 ID.
    pub peer: Layer2Id,
    /// The identity that it has proven.
    pub identity: Identity,
    /// Its IPv4 address.
    pub address: Option<Ipv4Addr>,
    /// Its IPv6 prefix.
    pub prefix: Option<[u8; PREFIX]>,
    /// Since when its link is up.
    pub since: UtcTime,
}

impl Remote {
    /// Returns its addresses as a text.
    fn addresses(&self) -> String {
        let v6 = self.prefix.map(|prefix| format!("{}/{PREFIX_BITS}", ndisc::address(prefix, [0; 8])));
        let both: Vec<_> = self.address.map(|address| address.to_string()).into_iter().chain(v6).collect();
        both.join(", ")
    }

    /// Returns the REMOTE UE REPORT that tells a network of it: with its IMSI where that is what it has proven, and without
    /// identity otherwise. As TS 24.301 §6.6.3.
    pub fn report(&self, standing: Standing) -> Vec<u8> {
        let imsi = std::str::from_utf8(&self.identity.value).ok();
        let imsi = imsi.filter(|_| self.identity.kind == Identity::IMSI).and_then(User::imsi);
        let address = match (self.address, self.prefix) {
            (Some(address), _) => Address::V4 { address, port: 0 },
            (None, Some(prefix)) => Address::V6 { prefix },
            (None, None) => Address::None,
        };
        let context = Context { users: imsi.into_iter().collect(), address };
        match standing {
            Standing::Connected => Report { connected: vec![context], disconnected: vec![] },
            Standing::Disconnected => Report { connected: vec![], disconnected: vec![context] },
        }
        .emit()
        .unwrap_or_default()
    }
}

/// What a report says of a remote UE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It has an address.
    Connected,
    /// It has none any more.
    Disconnected,
}

/// An event of IP.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IpEvent {
    /// Relay: a remote UE has an address or a prefix.
    Connected(Remote),
    /// Relay: a remote UE has none any more.
    Disconnected(Remote),
    /// Relay: there is no address for a remote UE.
    Exhausted {
        /// Its layer-2 ID.
        peer: Layer2Id,
        /// The identity that it has proven.
        identity: Identity,
    },
    /// Remote UE: the relay gave an address.
    Configured(Lease),
    /// Remote UE: the relay advertised a prefix.
    Advertised {
        /// The prefix.
        prefix: [u8; PREFIX],
        /// Octets that the link carries.
        mtu: u16,
    },
    /// Remote UE: the relay does not answer, or refuses, for so many requests.
    NoAddress {
        /// Requests.
        asked: u32,
    },
    /// Remote UE: the address is no more to be used.
    Lost(Ipv4Addr),
}

/// An address that a relay gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The address.
    pub address: Ipv4Addr,
    /// Bits of its network.
    pub bits: u8,
    /// The relay.
    pub router: Ipv4Addr,
    /// Name server.
    pub dns: Option<Ipv4Addr>,
    /// Octets that the link carries.
    pub mtu: Option<u16>,
    /// Seconds for which it is given.
    pub seconds: u32,
}

impl fmt::Display for IpEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connected(r) => write!(f, "remote UE {} ({}) has {}", r.identity, r.peer, r.addresses()),
            Self::Disconnected(r) => {
                write!(f, "remote UE {} ({}) has {} no more", r.identity, r.peer, r.addresses())
            }
            Self::Exhausted { peer, identity } => write!(
                f,
                "no address is free for remote UE {identity} ({peer}): take a larger network in [ip] address, a shorter prefix, or a shorter hold"
            ),
            Self::Configured(lease) => {
                write!(f, "address {}/{} of relay {}", lease.address, lease.bits, lease.router)?;
                lease.mtu.map_or(Ok(()), |mtu| write!(f, ", MTU {mtu}"))?;
                lease.dns.map_or(Ok(()), |dns| write!(f, ", name server {dns}"))
            }
            Self::Advertised { prefix, mtu } => {
                write!(f, "prefix {}/{PREFIX_BITS} of the relay, MTU {mtu}", ndisc::address(*prefix, [0; 8]))
            }
            Self::NoAddress { asked } => {
                write!(f, "the relay has given no address to {asked} requests: has it [ip] to = \"links\"?")
            }
            Self::Lost(address) => write!(f, "address {address} is no more to be used"),
        }
    }
}

/// Status of IP.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct IpStatus {
    /// Relay: its remote UEs.
    pub remotes: Vec<RemoteStatus>,
    /// Relay: addresses that are free.
    pub free: Option<u32>,
    /// Remote UE: its address.
    pub address: Option<Ipv4Addr>,
    /// Remote UE: its IPv6 prefix, without interface identifier.
    pub prefix: Option<Ipv6Addr>,
    /// Packets that went on: towards the air, from it.
    pub packets: [u64; 2],
    /// Octets in these packets.
    pub octets: [u64; 2],
    /// Packets that were dropped.
    pub dropped: Dropped,
}

/// A remote UE in the status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RemoteStatus {
    /// The identity that it has proven.
    pub identity: String,
    /// Its layer-2 ID.
    pub layer2_id: String,
    /// Its IPv4 address.
    pub address: Option<Ipv4Addr>,
    /// Its IPv6 prefix, without interface identifier.
    pub prefix: Option<Ipv6Addr>,
    /// UTC since which its link is up, in milliseconds.
    pub since_ms: u64,
    /// Octets that wait for it.
    pub queued: usize,
}

impl From<&Remote> for RemoteStatus {
    fn from(remote: &Remote) -> Self {
        Self {
            identity: remote.identity.to_string(),
            layer2_id: remote.peer.to_string(),
            address: remote.address,
            prefix: remote.prefix.map(|prefix| ndisc::address(prefix, [0; 8])),
            since_ms: remote.since.millis(),
            queued: 0,
        }
    }
}

/// Packets that were dropped, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Dropped {
    /// The queue of the peer, or that of all, was full.
    pub queue: u64,
    /// The queue towards the system was full.
    pub system: u64,
    /// From the air, with a source address that is not the sender's own.
    pub source: u64,
    /// Larger than the MTU; their senders were told.
    pub too_big: u64,
    /// For an address that nobody has.
    pub nobody: u64,
    /// No packets of IP, or with wrong lengths.
    pub malformed: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(identity: Identity) -> Remote {
        Remote {
            peer: Layer2Id::from_octets([0, 0, 0xa1]),
            identity,
            address: Some(Ipv4Addr::new(10, 45, 0, 2)),
            prefix: Some([0xfd, 0x45, 0, 0, 0, 0, 0, 2]),
            since: UtcTime::from_millis(7),
        }
    }

    #[test]
    fn a_line_says_who_has_what() {
        let remote = remote(Identity::user("alice"));
        assert_eq!(
            IpEvent::Connected(remote.clone()).to_string(),
            "remote UE \"alice\" (0000a1) has 10.45.0.2, fd45:0:0:2::/64"
        );
        let status = RemoteStatus::from(&remote);
        assert_eq!((status.identity.as_str(), status.since_ms), ("\"alice\"", 7));
    }

    #[test]
    fn the_report_names_an_imsi_and_no_other_identity() {
        let imsi = Identity { kind: Identity::IMSI, value: b"001010000000001".to_vec() };
        let named = Report::parse(&remote(imsi).report(Standing::Connected)).unwrap();
        assert_eq!(named.connected[0].users, [User::imsi("001010000000001").unwrap()]);
        assert_eq!(named.connected[0].address, Address::V4 { address: Ipv4Addr::new(10, 45, 0, 2), port: 0 });
        let unnamed = Report::parse(&remote(Identity::user("alice")).report(Standing::Disconnected)).unwrap();
        assert_eq!((unnamed.connected.len(), unnamed.disconnected[0].users.len()), (0, 0));
    }
}
