//! Configuration of IP: `[ip]` of `ue.toml`.

use crate::error::BuildError;
use serde::Deserialize;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

/// The destination of packets of a relay: all links.
const ALL_LINKS: &str = "links";
/// The destination of packets of a remote UE whose relay is whichever UE it has a link with.
pub const ANY_RELAY: &str = "relay";

/// The largest MTU: an SDU of PDCP has at most 8188 octets (TS 36.323 §4.3.1).
const LARGEST_MTU: u16 = 8188;
/// The smallest MTU: that of IPv6.
const SMALLEST_MTU: u16 = 1280;

/// Configuration of IP.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct IpConfig {
    /// Where the packets go: the name of a group; `link:NAME`; `relay`, the UE that there is a link with; `links`, all of
    /// them, of which this UE is the relay.
    pub to: String,
    /// Name of a TUN interface to make, which needs privileges.
    #[serde(default)]
    pub tun: Option<String>,
    /// Address of that interface, such as `10.45.0.1/24`. Of a relay: the rest of that network is for its remote UEs. Without
    /// it the UE takes the address that its relay gives.
    #[serde(default)]
    pub address: Option<String>,
    /// Without a TUN interface: the address at which datagrams to be sent are received, such as `127.0.0.1:5001`.
    #[serde(default)]
    pub local: Option<SocketAddr>,
    /// Address to which received datagrams go.
    #[serde(default)]
    pub remote: Option<SocketAddr>,
    /// Octets of the largest packet, of a remote UE at most.
    #[serde(default = "mtu")]
    pub mtu: u16,
    /// Relay: IPv6 prefix of which each remote UE gets 64 bits, such as `fd45::/56`.
    #[serde(default)]
    pub prefix: Option<String>,
    /// Relay: seconds for which an address is given.
    #[serde(default = "lease")]
    pub lease: u32,
    /// Relay: seconds after the end of its link for which the address of a remote UE goes to nobody else.
    #[serde(default = "hold")]
    pub hold: u32,
    /// Relay: name server that its remote UEs are told.
    #[serde(default)]
    pub dns: Option<Ipv4Addr>,
    /// Octets that are queued for one remote UE, at most.
    #[serde(default = "queue")]
    pub queue: usize,
    /// Octets that are queued for all remote UEs together, at most.
    #[serde(default = "queue_total")]
    pub queue_total: usize,
    /// Remote UE: which addresses to take where the relay gives both kinds.
    #[serde(default)]
    pub version: Version,
    /// Remote UE: which routes through the relay to add.
    #[serde(default)]
    pub route: Route,
    /// Remote UE: metric of that route; that of a better path is lower.
    #[serde(default = "metric")]
    pub metric: u32,
}

/// Which addresses a remote UE takes. TS 24.334 §10.4.6.2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Version {
    /// By DHCPv4.
    #[default]
    Ipv4,
    /// By router advertisement.
    Ipv6,
    /// Both.
    Both,
}

/// Which routes through the relay a remote UE adds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Route {
    /// The default route, while the link is up.
    #[default]
    Default,
    /// None.
    None,
}

const fn mtu() -> u16 {
    1500
}

const fn lease() -> u32 {
    3600
}

const fn hold() -> u32 {
    60
}

const fn queue() -> usize {
    64 << 10
}

const fn queue_total() -> usize {
    256 << 10
}

const fn metric() -> u32 {
    100
}

/// Whom packets go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// One group, or one peer, with addresses that are configured.
    Fixed,
    /// The remote UEs of this relay.
    Relay,
    /// The relay of this remote UE, which gives it its addresses.
    Remote,
}

impl IpConfig {
    /// Returns a configuration without anything but a destination.
    pub fn new(to: &str) -> Self {
        Self {
            to: to.to_owned(),
            tun: None,
            address: None,
            local: None,
            remote: None,
            mtu: mtu(),
            prefix: None,
            lease: lease(),
            hold: hold(),
            dns: None,
            queue: queue(),
            queue_total: queue_total(),
            version: Version::default(),
            route: Route::default(),
            metric: metric(),
        }
    }

    /// Returns whom packets go to.
    pub fn part(&self) -> Part {
        let is_link = self.to == ANY_RELAY || self.to.starts_with("link:");
        match (self.to.as_str(), &self.address) {
            (ALL_LINKS, _) => Part::Relay,
            (_, None) if is_link && self.local.is_none() => Part::Remote,
            _ => Part::Fixed,
        }
    }

    /// Returns the address of the interface and the bits of its network.
    ///
    /// # Errors
    /// There is none, or it is malformed.
    pub(super) fn network(&self) -> Result<(Ipv4Addr, u8), BuildError> {
        let text = self.address.as_deref().ok_or(BuildError::NoAddress)?;
        let parsed = text.split_once('/').and_then(|(ip, bits)| {
            Some((ip.parse().ok()?, bits.parse::<u8>().ok().filter(|bits| *bits <= 32)?))
        });
        parsed.ok_or_else(|| BuildError::Address(text.to_owned()))
    }

    /// Returns the name of the interface.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn interface(&self) -> Result<&str, BuildError> {
        self.tun.as_deref().ok_or(BuildError::NoInterface)
    }

    /// Returns the MTU.
    ///
    /// # Errors
    /// It is too small for IPv6, or too large for PDCP.
    pub(super) fn checked_mtu(&self) -> Result<u16, BuildError> {
        let fits = (SMALLEST_MTU..=LARGEST_MTU).contains(&self.mtu);
        fits.then_some(self.mtu).ok_or(BuildError::Mtu(self.mtu))
    }

    /// Returns the IPv6 prefix of a relay and its bits.
    ///
    /// # Errors
    /// It is malformed, or has no room for 64 bits for each remote UE.
    pub(super) fn checked_prefix(&self) -> Result<Option<(Ipv6Addr, u8)>, BuildError> {
        let Some(text) = &self.prefix else { return Ok(None) };
        let parsed = text.split_once('/').and_then(|(ip, bits)| {
            let (ip, bits) = (ip.parse::<Ipv6Addr>().ok()?, bits.parse::<u8>().ok()?);
            let is_prefix = (16..64).contains(&bits) && u128::from(ip) << bits == 0;
            is_prefix.then_some((ip, bits))
        });
        parsed.map(Some).ok_or_else(|| BuildError::Prefix(text.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_a_ue_is_says_its_destination() {
        for (to, address, part) in [
            ("links", Some("10.45.0.1/24"), Part::Relay),
            ("link:bob", None, Part::Remote),
            ("relay", None, Part::Remote),
            ("link:bob", Some("10.45.0.2/24"), Part::Fixed),
            ("fire", None, Part::Fixed),
        ] {
            let config = IpConfig { address: address.map(str::to_owned), ..IpConfig::new(to) };
            assert_eq!(config.part(), part, "{to}");
        }
        let local = Some("127.0.0.1:5001".parse().unwrap());
        assert_eq!(IpConfig { local, ..IpConfig::new("link:bob") }.part(), Part::Fixed);
    }

    #[test]
    fn what_no_interface_can_have_is_refused() {
        let config = IpConfig::new("links");
        assert_eq!(config.network(), Err(BuildError::NoAddress));
        assert_eq!(config.interface(), Err(BuildError::NoInterface));
        for text in ["10.45.0.1", "10.45.0/24", "10.45.0.1/33"] {
            let config = IpConfig { address: Some(text.to_owned()), ..IpConfig::new("links") };
            assert_eq!(config.network(), Err(BuildError::Address(text.to_owned())));
        }
        for (mtu, is_good) in [(1279, false), (1280, true), (8188, true), (8189, false)] {
            let config = IpConfig { mtu, ..IpConfig::new("links") };
            assert_eq!(config.checked_mtu().is_ok(), is_good, "{mtu}");
        }
        for (text, is_good) in [
            ("fd45::/56", true),
            ("fd45::/63", true),
            ("fd45::/64", false),
            ("fd45::1/56", false),
            ("fd45::", false),
        ] {
            let config = IpConfig { prefix: Some(text.to_owned()), ..IpConfig::new("links") };
            assert_eq!(config.checked_prefix().is_ok(), is_good, "{text}");
        }
    }
}
