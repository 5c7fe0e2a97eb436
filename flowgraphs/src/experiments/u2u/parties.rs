//! Who takes part: configurations as text of `ue.toml`, and credentials with roles.

use super::cases::{By, EndPolicy, KeySource, U2uCase};
use super::log::TEXT;
use crate::config::ue_toml::UeConfig;
use crate::experiments::setup::NARROW;
use sidelink_security::counter::UtcTime;
use sidelink_security::direct::signed::issue::{self, Issuer};
use sidelink_security::direct::signed::{Credential, Role, Roles, Root, Trust};
use sidelink_ue::Ue;
use sidelink_wire::u2u::Layer;
use std::fmt::Write;

/// The Relay Service Code of all exercises.
const SERVICE: &str = "000001";
const SERVICE_CODE: [u8; 3] = [0, 0, 1];

/// A UE of an exercise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Party {
    /// The source.
    Mary,
    /// The target.
    John,
    /// The relay.
    Ruth,
    /// The relay that takes over.
    Paul,
}

impl Party {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Mary => "mary",
            Self::John => "john",
            Self::Ruth => "ruth",
            Self::Paul => "paul",
        }
    }

    pub(crate) const fn id(self) -> u32 {
        0x10 + self as u32
    }

    const fn is_relay(self) -> bool {
        matches!(self, Self::Ruth | Self::Paul)
    }
}

/// The parties of a case.
pub(crate) fn parties(case: &U2uCase<'_>) -> Vec<Party> {
    let mut all = vec![Party::Mary, Party::John, Party::Ruth];
    if case.scenario.change {
        all.push(Party::Paul);
    }
    all
}

/// Milliseconds after the start at which the path is asked for.
pub(crate) const CONNECT: u64 = 200;

/// SC periods of the set-up, the relay's certificates included, and some more.
const SET_UP: u64 = 34;

/// Milliseconds after the start at which another relay takes over.
pub(crate) fn change_at(period: u64) -> u64 {
    CONNECT + (SET_UP + 14) * period
}

/// Subframes that a case takes.
pub(crate) fn duration(case: &U2uCase<'_>) -> u64 {
    if let Some(seconds) = case.seconds {
        return 1000 * seconds;
    }
    let change = if case.scenario.change { 28 } else { 0 };
    CONNECT + (SET_UP + 36 + change) * case.period
}

/// The configuration of a party.
///
/// # Errors
/// A carrier or pool that cannot be.
pub(crate) fn config(case: &U2uCase<'_>, party: Party) -> anyhow::Result<UeConfig> {
    let text = text(case, party);
    let mut config = UeConfig::from_toml(&text, &format!("the scenario's {}", party.name()))?;
    // so that `--snr` is Es/N0 of what they send
    config.device.level = 0.0;
    Ok(config)
}

/// The configuration of a party, as an operator would write it.
pub(crate) fn text(case: &U2uCase<'_>, party: Party) -> String {
    let mut text = head(case, party);
    match party {
        Party::Ruth | Party::Paul => relay(&mut text, case, party),
        Party::Mary | Party::John => end(&mut text, case, party),
    }
    text
}

fn head(case: &U2uCase<'_>, party: Party) -> String {
    let (name, id) = (party.name(), party.id());
    let seed = 10 * case.seed + u64::from(id & 0xf);
    let carrier = NARROW.text(case.period, case.mcs);
    format!("name = \"{name}\"\nlayer2-id = \"{id:06x}\"\nseed = {seed}\n{carrier}")
}

/// A KD of two UEs, where they share one.
fn kd(case: &U2uCase<'_>, one: Party, other: Party) -> String {
    let ends = [one, other].iter().all(|party| !party.is_relay());
    let octet = match case.scenario.keys {
        KeySource::Certificates => return String::new(),
        // mary's with john; john has one of this ID with somebody else.
        KeySource::SameKdId if ends && one == Party::Mary => 0xa0,
        KeySource::SameKdId => return String::new(),
        KeySource::Shared => (1 << one as u8) | (1 << other as u8) | 0x80,
    };
    format!("kd = \"{}\"\nkd-id = 7\n", format!("{octet:02x}").repeat(32))
}

fn relay(text: &mut String, case: &U2uCase<'_>, party: Party) {
    for end in [Party::Mary, Party::John] {
        let (name, id, kd) = (end.name(), end.id(), kd(case, party, end));
        let _ = write!(text, "[[link]]\npeer = \"{name}\"\nid = \"{id:06x}\"\nue-end = \"{SERVICE}\"\n{kd}");
    }
    let layer = if case.scenario.layer == Layer::Two { 2 } else { 3 };
    let _ = writeln!(text, "[u2u-relay]\nservice = [{{ code = \"{SERVICE}\", layer = {layer} }}]");
}

fn end(text: &mut String, case: &U2uCase<'_>, party: Party) {
    let relays = parties(case).into_iter().filter(|party| party.is_relay());
    for relay in relays {
        let (name, id, kd) = (relay.name(), relay.id(), kd(case, party, relay));
        let _ =
            write!(text, "[[link]]\npeer = \"{name}\"\nid = \"{id:06x}\"\nue-relay = \"{SERVICE}\"\n{kd}");
    }
    let other = if party == Party::Mary { Party::John } else { Party::Mary };
    let kd = kd(case, party, other);
    let via = match (party, case.scenario.change) {
        (Party::Mary, false) => format!("via = \"ruth\"\nconnect = {CONNECT}\n"),
        (Party::Mary, true) => {
            let change = change_at(case.period);
            format!(
                "via = [{{ relay = \"ruth\", connect = {CONNECT} }}, {{ relay = \"paul\", connect = {change} }}]\n"
            )
        }
        _ => "via = \"ruth\"\n".to_owned(),
    };
    let other = other.name();
    let _ = write!(text, "[[link]]\npeer = \"{other}\"\n{via}{kd}");
    if party == Party::John && case.scenario.keys == KeySource::SameKdId {
        let kd = "a1".repeat(32);
        let _ = write!(text, "[[link]]\npeer = \"anna\"\nvia = \"ruth\"\nkd = \"{kd}\"\nkd-id = 7\n");
    }
    if party == Party::Mary {
        let (every, count) = (2 * case.period, if case.scenario.change { 30 } else { 8 });
        let _ = write!(
            text,
            "[[talk]]\nto = \"link:{other}\"\nevery = {every}\ncount = {count}\ntext = \"{TEXT}\"\noctets = 40\n"
        );
    }
    let ciphering = match (party, case.scenario.policy) {
        (Party::John, EndPolicy::Preferred) => "preferred",
        (Party::John, EndPolicy::NotNeeded) => "not-needed",
        _ => "required",
    };
    let _ = writeln!(text, "[end-to-end]\nciphering = \"{ciphering}\"");
}

/// The validity of a credential, in seconds about the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Validity {
    /// It is valid.
    Now,
    EndedAgo(u64),
    BeginsIn(u64),
    /// It has ended, and those who see it say that it is an emergency.
    EndedAgoInEmergency(u64),
}

/// Gives a UE its credential with a role, where a case has certificates.
///
/// # Errors
/// A certificate that its own reader refuses.
pub(crate) fn certify(case: &U2uCase<'_>, party: Party, ue: &mut Ue, now: UtcTime) -> anyhow::Result<()> {
    if case.scenario.keys == KeySource::Shared {
        return Ok(());
    }
    let secret = sidelink_store::random(32)?;
    let mut seed = zeroize::Zeroizing::new([0; 32]);
    seed.copy_from_slice(secret.as_bytes());
    if let Some(links) = ue.stack().links() {
        let (credential, trust) = credential(case, party, now, &seed)?;
        links.authenticate_with(credential, trust);
    }
    if let Some(u2u) = ue.stack().u2u() {
        let (credential, trust) = credential(case, party, now, &seed)?;
        u2u.ends().authenticate_with(credential, trust);
    }
    Ok(())
}

/// Makes the credential of a party.
///
/// # Errors
/// A certificate that its own reader refuses.
pub(crate) fn credential(
    case: &U2uCase<'_>,
    party: Party,
    now: UtcTime,
    seed: &[u8; 32],
) -> anyhow::Result<(Credential, Trust)> {
    let is_late = party.is_relay();
    let validity = match case.by() {
        Some(By::Clock(validity)) if is_late => validity,
        _ => Validity::Now,
    };
    let hour = 3_600_000;
    let (from, until) = match validity {
        Validity::Now => (now.minus_millis(hour), now.plus_millis(24 * hour)),
        // Asked for CONNECT later; a second counts from its beginning.
        Validity::EndedAgo(s) | Validity::EndedAgoInEmergency(s) => {
            (now.minus_millis(48 * hour), now.minus_millis(1000 * s))
        }
        Validity::BeginsIn(s) => (now.plus_millis(1000 * s), now.plus_millis(24 * hour)),
    };
    let role = match (party.is_relay(), case.by()) {
        (true, Some(By::Role)) | (false, _) => Role::End,
        (true, _) => Role::Relay,
    };
    let roles = Roles::new(&[role], &[SERVICE_CODE]).ok_or_else(|| anyhow::anyhow!("no role"))?;
    let issuer = Issuer::new("sidelink exercise", &[0x11; 32]);
    let public = Credential::raw(seed).public();
    let of_issuer = issue::Validity { from: now.minus_millis(96 * hour), until: now.plus_millis(96 * hour) };
    let serial = 7 + party as u32;
    let name = party.name().as_bytes();
    let der = issuer.issue_with_roles(name, serial, &public, issue::Validity { from, until }, &roles);
    let root = Root::from_der(&issuer.certificate(of_issuer)).map_err(|e| anyhow::anyhow!("{e}"))?;
    let is_emergency = matches!(case.by(), Some(By::Clock(Validity::EndedAgoInEmergency(_))));
    let grace = if is_emergency { Trust::EMERGENCY_GRACE } else { 0 };
    let trust = Trust { roots: vec![root], guard: 32_000, grace, ..Trust::default() };
    Ok((Credential::certified(seed, der), trust))
}
