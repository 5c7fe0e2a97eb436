//! Radios that attack relays and remote UEs of EAP: a listener, and one that asks without end.

use super::EapBy;
use super::network::{REALM, imsi};
use crate::attacks::link::message;
use crate::attacks::relay_flood::{RelayFlood, Sources};
use crate::attacks::tap::{Taken, Tap};
use crate::attacks::{Attack, Attacker};
use crate::config::ue_toml::UeConfig;
use crate::experiments::relays::attackers::GAIN;
use crate::experiments::relays::cases::RelayCase;
use crate::experiments::relays::parties::{Party, SERVICE, head};
use crate::experiments::relays::setup::{NO_ANCHOR, ended};
use sidelink_network::eap_aka::identity::{self, Kind};
use sidelink_network::eap_aka::{Code, Packet, Response, Type};
use sidelink_prose::direct_link::ThroughRelay;
use sidelink_radio::Radio;
use sidelink_ue::{Running, ThreadOptions};
use sidelink_wire::ids::Layer2Id;
use sidelink_wire::pc5_signalling::{AuthenticationPhase, Body};
use std::collections::{BTreeMap, BTreeSet};

/// I_MCS of a radio whose blocks hold a whole request.
const FLOOD_MCS: u8 = 16;

/// A radio that runs.
pub(crate) enum AttackRadio {
    Listener(Running<Attacker<Tap>>),
    Flood(Running<Attacker<RelayFlood>>),
}

/// Whether an attack has a radio of its own.
pub(crate) const fn has_radio(by: EapBy) -> bool {
    matches!(by, EapBy::Collects | EapBy::Flood(_))
}

impl AttackRadio {
    /// Starts the radio of an attack.
    ///
    /// # Errors
    /// A configuration, or the radio.
    pub(crate) fn begin(
        case: &RelayCase<'_>,
        by: EapBy,
        radio: Box<dyn Radio>,
        end: u64,
    ) -> anyhow::Result<Self> {
        Ok(match by {
            // Who has much to say says it fast.
            EapBy::Flood(sources) => {
                let fast = RelayCase { mcs: FLOOD_MCS, ..*case };
                Self::Flood(begin(&fast, 6.0, flood(sources)?, radio, end)?)
            }
            _ => Self::Listener(begin(case, 0.0, Tap::new(), radio, end)?),
        })
    }

    /// Waits for its end: the blocks that it sent, and what it found out.
    ///
    /// # Errors
    /// It failed.
    pub(crate) fn end(self) -> anyhow::Result<(u64, BTreeMap<String, u64>)> {
        match self {
            Self::Listener(running) => Ok((0, identities(ended(running)?.attack().taken()))),
            Self::Flood(running) => {
                let attacker = ended(running)?;
                Ok((attacker.sent(), attacker.attack().findings()))
            }
        }
    }
}

fn flood(sources: Sources) -> anyhow::Result<RelayFlood> {
    let relay = Layer2Id::new(Party::Relay(0).layer2_id()).map_err(|e| anyhow::anyhow!("{e}"))?;
    // That of the first remote UE: an IMSI is no secret.
    let user = format!("{}@{REALM}", identity::permanent(&imsi(0)?));
    Ok(RelayFlood::new(relay, SERVICE, user, sources))
}

fn begin<A: Attack>(
    case: &RelayCase<'_>,
    level: f64,
    attack: A,
    radio: Box<dyn Radio>,
    end: u64,
) -> anyhow::Result<Running<Attacker<A>>> {
    let streams = radio.start()?;
    let anchor = streams.anchor.unwrap_or(NO_ANCHOR);
    let mut config = UeConfig::from_toml(&head(case, "mallory", 0x7f, 77), "the attacker's carrier")?;
    config.device.level = level;
    let mut attacker = Attacker::new(&config, anchor, attack)?;
    attacker.set_duration(end);
    Ok(Running::start(attacker, streams, false, ThreadOptions::default(), None)?)
}

/// The identities that remote UEs said on the air.
fn identities(taken: &[Taken]) -> BTreeMap<String, u64> {
    let (mut imsis, mut pseudonyms, mut names) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let mut links = 0;
    for identity in taken.iter().filter_map(identity_of) {
        links += 1;
        match Kind::of(&identity) {
            Kind::Permanent(imsi) => _ = imsis.insert(imsi.digits().to_owned()),
            Kind::Pseudonym(name) => _ = pseudonyms.insert(name),
            Kind::Reauthentication(name) => _ = names.insert(name),
            Kind::Other => {}
        }
    }
    let found = [
        (format!("{GAIN}IMSIs heard on the air"), imsis.len() as u64),
        ("identities heard on the air".to_owned(), links),
        ("pseudonyms among them".to_owned(), pseudonyms.len() as u64),
        ("names of re-authentications among them".to_owned(), names.len() as u64),
    ];
    found.into()
}

/// The identity in a message of a remote UE, if it is one.
fn identity_of(pdu: &Taken) -> Option<String> {
    let Body::Authentication { phase: AuthenticationPhase::Response, method: ThroughRelay::METHOD, content } =
        message(&pdu.octets, 0)?.body
    else {
        return None;
    };
    let packet = Packet::new_checked(content).ok()?;
    if packet.code() != Code::Response {
        return None;
    }
    match packet.kind()? {
        Type::Identity => String::from_utf8(packet.data().to_vec()).ok(),
        Type::Method(_) => match Response::parse(&packet).ok()?.1 {
            Response::Identity(identity) => Some(identity),
            _ => None,
        },
        _ => None,
    }
}
