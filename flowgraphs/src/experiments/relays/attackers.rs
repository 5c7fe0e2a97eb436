//! Radios that attack relays and their remote UEs, and what they gained.

use super::cases::{By, Names, RelayCase};
use super::eap::radios::{self, AttackRadio};
use super::parties::{Party, SERVICE, head};
use super::setup::{NO_ANCHOR, ended};
use crate::attacks::Attacker;
use crate::attacks::relay::{Kind, RelayRadio};
use crate::config::ue_toml::UeConfig;
use sidelink_radio::Radio;
use sidelink_ue::{Running, ThreadOptions};
use sidelink_wire::ids::Layer2Id;
use std::collections::BTreeMap;

/// What an attacker gained, in findings: an attack with any of it was not stopped.
pub(crate) const GAIN: &str = "gain: ";

/// Requests of a flood.
const FLOOD: u64 = 200;

/// I_MCS of a radio whose blocks hold a command with a GPI.
const MCS: u8 = 14;

/// Level of an attacker over the others, dB.
const LEVEL: f64 = 3.0;

/// What an attacker comes by beside the air.
#[derive(Default)]
pub(crate) struct Loot {
    /// A GPI that a remote UE has used.
    pub(crate) gpi: Vec<u8>,
    /// User Info of a remote UE with its IMSI.
    pub(crate) victim: Vec<u8>,
}

/// A radio that attacks.
pub(super) enum Attacking {
    /// Around PRUKs.
    Radio(Running<Attacker<RelayRadio>>),
    /// Around EAP.
    Eap(AttackRadio),
}

/// Returns what the radio of an attack does; `None` for an attack without a radio of its own.
fn kind_of(by: By, loot: &Loot) -> Option<Kind> {
    Some(match by {
        By::Listen => Kind::Listen,
        By::Refuse => Kind::Refuse,
        By::Garbage => {
            // The form of a GPI: TS 33.223 Table 5.2.1.1, U/M = 0.
            let gpi = (0..103).map(|at: u8| if at == 0 { 0x10 } else { at ^ 0x5a }).collect();
            Kind::Commands { gpi }
        }
        By::OldGpi => Kind::Commands { gpi: loot.gpi.clone() },
        By::Flood(Names::Random) => {
            let names = (0..FLOOD).map(|number| (2, (0xbad0_0000 + number).to_be_bytes().to_vec()));
            Kind::Flood { requests: FLOOD, names: names.collect(), service: SERVICE }
        }
        By::Flood(Names::Victim) => {
            Kind::Flood { requests: FLOOD, names: vec![(3, loot.victim.clone())], service: SERVICE }
        }
        By::Jam => Kind::JamAccept,
        By::Cut | By::Unauthorised | By::Revoked | By::Nameless | By::Mixup | By::Eap(_) => return None,
    })
}

/// Whether an attack has a radio of its own.
pub(super) fn has_radio(by: By) -> bool {
    match by {
        By::Eap(by) => radios::has_radio(by),
        by => kind_of(by, &Loot::default()).is_some(),
    }
}

impl Attacking {
    /// Starts the radio of an attack.
    ///
    /// # Errors
    /// The scenario's configuration, or the radio.
    pub(super) fn begin(
        case: &RelayCase<'_>,
        by: By,
        loot: &Loot,
        radio: Box<dyn Radio>,
        end: u64,
    ) -> anyhow::Result<Self> {
        if let By::Eap(by) = by {
            return Ok(Self::Eap(AttackRadio::begin(case, by, radio, end)?));
        }
        let Some(kind) = kind_of(by, loot) else { anyhow::bail!("the attack has no radio") };
        let streams = radio.start()?;
        let anchor = streams.anchor.unwrap_or(NO_ANCHOR);
        let relay = Layer2Id::new(Party::Relay(0).layer2_id()).map_err(|e| anyhow::anyhow!("{e}"))?;
        let case = RelayCase { mcs: MCS, ..*case };
        let text = head(&case, "mallory", 0x7f, 0x7f);
        let mut config = UeConfig::from_toml(&text, "the scenario's carrier")?;
        config.device.level = LEVEL;
        let mut attacker = Attacker::new(&config, anchor, RelayRadio::new(kind, relay, case.seed))?;
        attacker.set_duration(end);
        Ok(Self::Radio(Running::start(attacker, streams, false, ThreadOptions::default(), None)?))
    }

    /// Waits for its end: its transmissions, and what it saw and gained.
    ///
    /// # Errors
    /// It failed.
    pub(super) fn end(self, by: By) -> anyhow::Result<(u64, BTreeMap<String, u64>)> {
        let attacker = match self {
            Self::Radio(running) => ended(running)?,
            Self::Eap(radio) => return radio.end(),
        };
        let radio = attacker.attack();
        let mut found: BTreeMap<_, _> =
            radio.found().iter().map(|(what, n)| (format!("{what} (radio)"), *n)).collect();
        let learnt = radio.learnt();
        match by {
            By::Refuse => _ = found.insert(format!("{GAIN}IMSIs that a false refusal brought"), learnt.imsis),
            By::Listen => {
                found.insert(format!("{GAIN}IMSIs that were said in the clear"), learnt.imsis);
                found.insert(format!("{GAIN}requests that a name links to another"), learnt.linked);
            }
            _ => {}
        }
        Ok((attacker.sent(), found))
    }
}
