//! Who is on the air of a case besides the two ends of its link.

use crate::attacks::link::{Kind, LinkAttack};
use crate::attacks::methods::{Captured, Resigning};
use crate::attacks::tap::Tap;
use crate::attacks::{Attack, Attacker, Replayer};
use crate::experiments::cases::{By, KdSource, With};
use crate::experiments::credentials::{Issue, Server, issue, keys_of, with_method};
use crate::experiments::log::Log;
use crate::experiments::metrics::Case;
use crate::experiments::networks::Networks;
use crate::experiments::overlay::Overlay;
use crate::experiments::reading::{Knowledge, read};
use crate::experiments::setup::{CONNECT, NO_ANCHOR, OTHER, PAIR, begin_with, config, ended, link, pair};
use crate::experiments::signalling::Proxy;
use sidelink_phy::units::Decibel;
use sidelink_radio::{Anchor, Radio};
use sidelink_ue::{Running, ThreadOptions, Ue};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The layer-2 identity and the name of a UE that is no party to the link.
pub(super) const THIRD: (u32, &str) = (0x12, "peter");

/// Returns the names of the radios that an attack has.
pub(crate) const fn radios_of(by: By) -> &'static [&'static str] {
    match by {
        By::Storm
        | By::Proxy(Proxy::Alters)
        | By::Impostor
        | By::Omit
        | By::Cut(_)
        | By::Expire
        | By::Persuade
        | By::Offline => &[],
        By::Resign => &["mallory", "peter"],
        By::Replay | By::Forge | By::Insider | By::Attacker(_) | By::Read(_) | By::Proxy(Proxy::Reads) => {
            &["mallory"]
        }
    }
}

/// Somebody who is no party to the link.
pub(crate) enum Other {
    /// Nobody with a radio.
    None,
    Replayer(Running<Replayer>),
    Ue(Running<Ue>),
    Attacker(Running<Attacker<LinkAttack>>),
    /// A recorder, and what it comes by.
    Tap(Running<Attacker<Tap>>, Option<With>, Anchor),
    /// A recorder and a UE that uses what it hears.
    Resigner(Running<Attacker<Tap>>, Running<Ue>),
}

impl Other {
    /// The attacker of a case on its radios.
    ///
    /// # Errors
    /// The scenario's configuration, or a radio.
    pub(crate) fn begin(
        case: &Case<'_>,
        by: By,
        radios: Vec<Box<dyn Radio>>,
        duration: u64,
    ) -> anyhow::Result<Self> {
        let mut radios = radios.into_iter();
        let Some(radio) = radios.next() else { return Ok(Self::None) };
        Ok(match by {
            By::Replay => {
                let streams = radio.start()?;
                let anchor = streams.anchor.unwrap_or(NO_ANCHOR);
                let numerology = config(case, "mallory", 0x7f, 77, 0.0, "")?.numerology()?;
                // whole periods later, so that every copy lies where its original lay
                let mut replayer = Replayer::new("echo", numerology, anchor, 2 * case.period, Decibel(3.0));
                replayer.set_duration(duration);
                let running = Running::start(replayer, streams, false, ThreadOptions::default(), None)?;
                Self::Replayer(running)
            }
            By::Forge | By::Insider => Self::Ue(impostor(case, by, radio, duration)?),
            By::Attacker(kind) => {
                let attack = LinkAttack::new(kind, pair()?, case.seed);
                // who drowns others must be louder; who has much to say says it fast
                let level = if matches!(kind, Kind::Middle(_)) { 10.0 } else { 6.0 };
                let mcs = if matches!(kind, Kind::Flood { .. }) { 16 } else { case.mcs };
                let case = Case { mcs, ..*case };
                Self::Attacker(radio_of(&case, level, attack, radio, duration)?.0)
            }
            By::Read(_) | By::Proxy(_) => {
                let with = if let By::Read(with) = by { Some(with) } else { None };
                let (running, anchor) = radio_of(case, 0.0, Tap::new(), radio, duration)?;
                Self::Tap(running, with, anchor)
            }
            By::Resign => {
                let captured = Captured::default();
                let tap = Tap::capturing(pair()?[0], Arc::clone(&captured));
                let (tap, _) = radio_of(case, 0.0, tap, radio, duration)?;
                let Some(radio) = radios.next() else { anyhow::bail!("a second radio is missing") };
                Self::Resigner(tap, resigner(case, captured, radio, duration)?)
            }
            By::Storm | By::Impostor | By::Omit | By::Cut(_) | By::Expire | By::Persuade | By::Offline => {
                Self::None
            }
        })
    }

    /// Waits for its end: the blocks that it sent, and what it found out.
    ///
    /// # Errors
    /// It failed.
    pub(crate) fn end(
        self,
        networks: &Networks,
        overlay: Option<&Overlay>,
    ) -> anyhow::Result<(u64, BTreeMap<String, u64>)> {
        Ok(match self {
            Self::None => (0, BTreeMap::new()),
            Self::Replayer(running) => (ended(running)?.replayed(), BTreeMap::new()),
            Self::Ue(running) => (ended(running)?.totals().sent[2], BTreeMap::new()),
            Self::Attacker(running) => {
                let attacker = ended(running)?;
                (attacker.sent(), attacker.attack().findings())
            }
            Self::Tap(running, with, anchor) => {
                let tap = ended(running)?;
                let knowledge = match (with, networks) {
                    (Some(With::Stolen), _) => Knowledge::Receiver(Box::new(keys_of("john", anchor)?.1)),
                    // To whom the final variant sends its key.
                    (Some(With::Server), _) => Knowledge::Receiver(Box::new(keys_of("mary", anchor)?.1)),
                    (Some(With::Operator), _) => {
                        Knowledge::Operator(overlay.map_or_else(Vec::new, Overlay::seen))
                    }
                    (None, Networks::Signalling(networks)) => Knowledge::Attributes(networks.seen()),
                    _ => Knowledge::Air,
                };
                (0, read(tap.attack().taken(), pair()?, &knowledge))
            }
            Self::Resigner(tap, ue) => {
                ended(tap)?;
                (ended(ue)?.totals().sent[2], BTreeMap::new())
            }
        })
    }
}

/// A radio with an attack, and its time.
fn radio_of<A: Attack>(
    case: &Case<'_>,
    level: f64,
    attack: A,
    radio: Box<dyn Radio>,
    duration: u64,
) -> anyhow::Result<(Running<Attacker<A>>, Anchor)> {
    let streams = radio.start()?;
    let anchor = streams.anchor.unwrap_or(NO_ANCHOR);
    let config = config(case, "mallory", 0x7f, 77, level, "")?;
    let mut attacker = Attacker::new(&config, anchor, attack)?;
    attacker.set_duration(duration);
    Ok((Running::start(attacker, streams, false, ThreadOptions::default(), None)?, anchor))
}

/// A UE that asks in the name of UE_1.
fn impostor(case: &Case<'_>, by: By, radio: Box<dyn Radio>, duration: u64) -> anyhow::Result<Running<Ue>> {
    let scenario = case.scenario;
    let kd_id = if by == By::Insider { 2 } else { 1 };
    let connect = format!("connect = {}\n", CONNECT / 2);
    let text = link(scenario, "john", PAIR[1], &connect, kd_id, OTHER);
    let config = config(case, "mary", PAIR[0], 77, 0.0, &text)?;
    begin_with(&config, radio, &Log::default(), duration, |ue, anchor| match scenario.kd {
        KdSource::Identities(variant) => {
            issue(ue, "mary", anchor, Issue { server: Server::Another, ..Issue::common(variant) })
        }
        _ => Ok(()),
    })
}

/// A UE with keys of its own identity that signs again what was captured, once that must have been sent.
fn resigner(
    case: &Case<'_>,
    captured: Captured,
    radio: Box<dyn Radio>,
    duration: u64,
) -> anyhow::Result<Running<Ue>> {
    let (id, name) = THIRD;
    let connect = format!("connect = {}\n", CONNECT + 14 * case.period);
    let text = link(case.scenario, "john", PAIR[1], &connect, 3, OTHER);
    let config = config(case, name, id, 77, 0.0, &text)?;
    begin_with(&config, radio, &Log::default(), duration, |ue, anchor| {
        let signing = Arc::new(keys_of(name, anchor)?.0);
        with_method(ue, Box::new(Resigning { captured, signing }))
    })
}
