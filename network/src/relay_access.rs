//! Remote UEs that the AAA server authenticates through a relay: who may, and the KD of the link. TR 33.833 §6.5.1.
//!
//! ```text
//!   relay, known by its tunnel -- service, remote UE's name, EAP --> admits: is it a relay of this service?
//!   aaa::Grant                                                    -> grant: may this subscriber, is the name its own? KD
//! ```
//!
//! The text leaves open who makes the KD. Here the network does ([`KdMaker::Network`]): it is bound to the relay's name and to the
//! service, so that a relay that poses as another has a KD that fits nothing. In the draft the relay gets the MSK
//! ([`KdMaker::Relay`]), and any relay can play any other.

use std::fmt;

use sidelink_security::kdf::eap_aka::ExportedKeys;
use sidelink_security::kdf::own;
use sidelink_security::keys::Kd;

use crate::aaa::Grant;
use crate::identity::Imsi;
use crate::pc8::Code;

/// Who makes the KD.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum KdMaker {
    /// The network, for one relay and service.
    #[default]
    Network,
    /// The relay, from the MSK that it gets: the draft.
    Relay,
}

/// A relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayGrant {
    /// Its name, as its tunnel proves it and its discovery says it: at most 64 octets.
    pub name: Vec<u8>,
    /// Its services.
    pub services: Vec<Code>,
}

/// A remote UE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteGrant {
    /// The subscriber.
    pub imsi: Imsi,
    /// The name that it has on the air.
    pub name: Vec<u8>,
    /// The services that it may use.
    pub services: Vec<Code>,
}

/// Settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// Relays.
    pub relays: Vec<RelayGrant>,
    /// Remote UEs.
    pub remotes: Vec<RemoteGrant>,
    /// Who makes the KD.
    pub maker: KdMaker,
    /// Seconds that a KD lives.
    pub lifetime: u32,
}

/// A remote UE that a relay asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked<'a> {
    /// The relay, as its tunnel proves it.
    pub relay: &'a [u8],
    /// For which service.
    pub service: Code,
    /// The name of the remote UE, as it claims.
    pub remote: &'a [u8],
}

/// What a relay gets.
#[derive(Debug)]
pub struct Granted {
    /// For this link alone.
    pub kd: Kd,
    /// Seconds that it lives.
    pub lifetime: u32,
}

/// Why a remote UE may not be served.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// The relay does not say for which service.
    NoService,
    /// The relay says that it is another one.
    OtherRelay,
    /// The relay is none, or none of this service.
    Relay(Code),
    /// The subscriber may not use the service.
    Remote(Code),
    /// The subscriber has another name than the one that was claimed.
    Name,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Relay(Code([a, b, c])) => {
                write!(f, "this UE is no relay of service {a:02x}{b:02x}{c:02x}: see [[aaa.relays]]")
            }
            Self::Remote(Code([a, b, c])) => {
                write!(f, "this subscriber may not use service {a:02x}{b:02x}{c:02x}: see [[aaa.remotes]]")
            }
            Self::NoService => f.write_str("the relay names no service: Called-Station-Id is NAME:000001"),
            Self::OtherRelay => f.write_str("the relay gives itself the name of another one"),
            Self::Name => f.write_str("the remote UE claims the name of another subscriber"),
        }
    }
}

impl std::error::Error for Refused {}

/// What the AAA server knows of relays.
#[derive(Clone, Debug)]
pub struct RelayAccess(Config);

impl RelayAccess {
    /// With these relays and remote UEs.
    pub const fn new(config: Config) -> Self {
        Self(config)
    }

    /// Without relays.
    pub fn none() -> Self {
        let (relays, remotes) = (Vec::new(), Vec::new());
        Self(Config { relays, remotes, maker: KdMaker::Network, lifetime: 3600 })
    }

    /// Who makes the KD.
    pub const fn maker(&self) -> KdMaker {
        self.0.maker
    }

    /// Whether a relay may ask for anybody: before a packet of EAP costs a vector.
    ///
    /// # Errors
    /// It is no relay of the service.
    pub fn admits(&self, asked: &Asked<'_>) -> Result<(), Refused> {
        let serves =
            |relay: &RelayGrant| relay.name == asked.relay && relay.services.contains(&asked.service);
        if self.0.relays.iter().any(serves) { Ok(()) } else { Err(Refused::Relay(asked.service)) }
    }

    /// Returns the KD of a link whose remote UE is authenticated.
    ///
    /// # Errors
    /// The subscriber may not use the service, or has another name.
    pub fn grant(&self, asked: &Asked<'_>, grant: &Grant) -> Result<Granted, Refused> {
        self.admits(asked)?;
        let known = self.0.remotes.iter().find(|remote| remote.imsi == grant.imsi);
        let known = known.filter(|remote| remote.services.contains(&asked.service));
        let remote = known.ok_or(Refused::Remote(asked.service))?;
        if remote.name != asked.remote {
            return Err(Refused::Name);
        }
        let kd = kd(self.0.maker, &grant.keys, asked.relay, asked.service);
        Ok(Granted { kd, lifetime: self.0.lifetime })
    }
}

/// Returns the KD of a link: at the network, and at the remote UE for the relay that it believes to be at.
pub fn kd(maker: KdMaker, keys: &ExportedKeys, relay: &[u8], service: Code) -> Kd {
    match maker {
        KdMaker::Network => own::kd_from_msk(&keys.msk, relay, service.0),
        KdMaker::Relay => {
            let mut half = zeroize::Zeroizing::new([0; 32]);
            half.copy_from_slice(&keys.msk[..32]);
            Kd::from(*half)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::eap::{World, peer};
    use crate::testing::imsi;

    const SERVICE: Code = Code([0, 0, 1]);
    const OTHER: Code = Code([0, 0, 2]);

    fn network(maker: KdMaker) -> RelayAccess {
        let relay = |name: &str, services: &[Code]| RelayGrant {
            name: name.as_bytes().to_vec(),
            services: services.to_vec(),
        };
        RelayAccess::new(Config {
            relays: vec![relay("ruth", &[SERVICE, OTHER]), relay("rolf", &[SERVICE])],
            remotes: vec![RemoteGrant { imsi: imsi(), name: b"mary".to_vec(), services: vec![SERVICE] }],
            maker,
            lifetime: 3600,
        })
    }

    fn asked(relay: &'static str, service: Code, remote: &'static str) -> Asked<'static> {
        Asked { relay: relay.as_bytes(), service, remote: remote.as_bytes() }
    }

    #[test]
    fn relay_and_remote_ue_get_one_kd_and_each_relay_another() {
        let access = network(KdMaker::Network);
        let (mut world, mut peer) = (World::new(|_| {}), peer());
        let outcome = world.run(&mut peer);
        let grant = outcome.granted();
        let Some(Ok(success)) = &outcome.peer else { panic!() };
        let granted = access.grant(&asked("ruth", SERVICE, "mary"), grant).unwrap();
        let of_remote = kd(KdMaker::Network, &success.keys, b"ruth", SERVICE);
        assert_eq!(granted.kd.as_bytes(), of_remote.as_bytes());
        // T5.1-2: another relay, and another service, have another.
        let rolf = access.grant(&asked("rolf", SERVICE, "mary"), grant).unwrap();
        assert_ne!(rolf.kd.as_bytes(), granted.kd.as_bytes());
        let other = kd(KdMaker::Network, &success.keys, b"ruth", OTHER);
        assert_ne!(other.as_bytes(), granted.kd.as_bytes());
        // In the draft they have the same.
        let draft = network(KdMaker::Relay);
        let [one, two] =
            ["ruth", "rolf"].map(|relay| draft.grant(&asked(relay, SERVICE, "mary"), grant).unwrap());
        assert_eq!(one.kd.as_bytes(), two.kd.as_bytes());
        assert_eq!(one.kd.as_bytes()[..], success.keys.msk[..32]);
    }

    #[test]
    fn who_may_not_gets_nothing() {
        let access = network(KdMaker::Network);
        let (mut world, mut peer) = (World::new(|_| {}), peer());
        let outcome = world.run(&mut peer);
        let grant = outcome.granted();
        let refusal =
            |relay, service, remote| access.grant(&asked(relay, service, remote), grant).unwrap_err();
        assert_eq!(refusal("rolf", OTHER, "mary"), Refused::Relay(OTHER));
        assert_eq!(refusal("rogue", SERVICE, "mary"), Refused::Relay(SERVICE));
        assert_eq!(refusal("ruth", OTHER, "mary"), Refused::Remote(OTHER));
        assert_eq!(refusal("ruth", SERVICE, "john"), Refused::Name);
        assert_eq!(access.admits(&asked("rolf", OTHER, "mary")), Err(Refused::Relay(OTHER)));
        assert_eq!(access.admits(&asked("ruth", OTHER, "anybody")), Ok(()));
    }
}
