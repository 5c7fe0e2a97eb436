//! Relays that are not honest: what they do with what they carry.

use super::cases::{By, U2uCase};
use super::log::TEXT;
use super::parties::{Party, credential};
use sidelink_prose::direct_link::{Config, Identity, Input, LinkManager, Output, Way};
use sidelink_prose::relay::u2u::far;
use sidelink_security::counter::UtcTime;
use sidelink_security::counter::memory::Memory;
use sidelink_ue::{Meddler, RelayCarriage};
use sidelink_wire::ids::{Layer2Id, Lcid};
use sidelink_wire::pdcp::HEADER_LEN;
use sidelink_wire::u2u::{self, Adaptation};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What an attacker found and did, and how often; a copy is the same.
#[derive(Clone, Default)]
pub(crate) struct Findings(Arc<Mutex<BTreeMap<String, u64>>>);

impl Findings {
    pub(crate) fn count(&self, what: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *all.entry(what.to_owned()).or_default() += 1;
    }

    pub(crate) fn take(&self) -> BTreeMap<String, u64> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Finding: data that the relay read.
pub(crate) const READ: &str = "data read by the relay";
/// Finding: data that it had no key for.
const SEALED: &str = "data that the relay has no key for";

/// Returns the meddler of a case, if its relay is not honest.
///
/// # Errors
/// The credential of an impostor.
pub(crate) fn meddler(
    case: &U2uCase<'_>,
    now: UtcTime,
    findings: &Findings,
) -> anyhow::Result<Option<Box<dyn Meddler>>> {
    let kind = match case.by() {
        Some(
            by @ (By::Curious
            | By::FlipSignalling
            | By::FlipData
            | By::Drop
            | By::Reorder
            | By::Replay
            | By::BidDown
            | By::Reflect),
        ) => by,
        Some(By::Impostor) => return Ok(Some(Box::new(Impostor::new(case, now, findings)?))),
        _ => return Ok(None),
    };
    let findings = findings.clone();
    Ok(Some(Box::new(Simple { kind, findings, carried: 0, flipped: 0, kept: Vec::new() })))
}

/// Octets before the message in a PDU behind an adaptation header.
const BEFORE: usize = u2u::HEADER_LEN + HEADER_LEN;

/// Messages that are flipped: a set-up has three tries.
const FLIPS: u64 = 2;

/// A relay that needs no key for what it does.
struct Simple {
    kind: By,
    findings: Findings,
    /// Data PDUs so far.
    carried: u64,
    flipped: u64,
    kept: Vec<RelayCarriage>,
}

impl Meddler for Simple {
    fn meddle(&mut self, _now: UtcTime, carriage: RelayCarriage) -> Vec<RelayCarriage> {
        let inner = carriage.lcid.carried().unwrap_or(carriage.lcid);
        let is_data = inner == Lcid::LINK_DATA;
        self.carried += u64::from(is_data);
        match self.kind {
            By::Curious if is_data => self.read(carriage),
            By::FlipSignalling if !is_data && inner != Lcid::PC5_S_UNPROTECTED => self.flip_last(carriage),
            By::FlipData if is_data => self.flip(carriage, BEFORE),
            By::Drop if is_data && self.carried.is_multiple_of(3) => {
                self.findings.count("data dropped");
                Vec::new()
            }
            By::Reorder if is_data => self.reorder(carriage),
            By::Replay if is_data => self.replay(carriage),
            By::BidDown if inner == Lcid::PC5_S_UNPROTECTED => self.bid_down(carriage),
            By::Reflect if inner == Lcid::PC5_S_UNPROTECTED => self.reflect(&carriage),
            _ => vec![carriage],
        }
    }
}

impl Simple {
    fn read(&self, carriage: RelayCarriage) -> Vec<RelayCarriage> {
        let plain = format!("{TEXT} ");
        let has_text = carriage.octets.windows(plain.len()).any(|part| part == plain.as_bytes());
        let has_padding = carriage.octets.windows(8).any(|part| part == b"........");
        self.findings.count(if has_text && has_padding { READ } else { SEALED });
        vec![carriage]
    }

    fn flip_last(&mut self, carriage: RelayCarriage) -> Vec<RelayCarriage> {
        if self.flipped >= FLIPS {
            return vec![carriage];
        }
        let last = carriage.octets.len() - 1;
        self.flip(carriage, last)
    }

    fn flip(&mut self, mut carriage: RelayCarriage, at: usize) -> Vec<RelayCarriage> {
        self.flipped += 1;
        if let Some(octet) = carriage.octets.get_mut(at) {
            *octet ^= 1;
            self.findings.count("bits flipped");
        }
        vec![carriage]
    }

    /// Hands on two PDUs in the wrong order.
    fn reorder(&mut self, carriage: RelayCarriage) -> Vec<RelayCarriage> {
        match self.kept.pop() {
            Some(before) => {
                self.findings.count("pairs turned round");
                vec![carriage, before]
            }
            None => {
                self.kept.push(carriage);
                Vec::new()
            }
        }
    }

    /// Hands on a PDU twice, and the one before once more.
    fn replay(&mut self, carriage: RelayCarriage) -> Vec<RelayCarriage> {
        let before = self.kept.pop();
        self.kept.push(carriage.clone());
        self.findings.count("data carried again");
        [Some(carriage.clone()), Some(carriage), before].into_iter().flatten().collect()
    }

    /// Leaves null ciphering alone in the request.
    fn bid_down(&self, mut carriage: RelayCarriage) -> Vec<RelayCarriage> {
        // Type, sequence number; User Info with its length; IP configuration, inactivity, nonce.
        let user_info = BEFORE + 3;
        let len = carriage.octets.get(user_info).map_or(0, |len| usize::from(*len));
        let ciphering = user_info + 1 + len + 1 + 4 + 16;
        let is_request = carriage.octets.get(BEFORE) == Some(&1);
        if let Some(octet) = carriage.octets.get_mut(ciphering).filter(|_| is_request) {
            *octet = 0x80;
            self.findings.count("requests without a ciphering algorithm");
        }
        vec![carriage]
    }

    /// Gives the source its own request in the name of the target.
    fn reflect(&self, carriage: &RelayCarriage) -> Vec<RelayCarriage> {
        let Ok((header, pdu)) = Adaptation::parse(&carriage.octets) else { return Vec::new() };
        let back = Adaptation { source: header.target, target: header.source };
        self.findings.count("requests reflected");
        let to = if carriage.to == id(Party::John) { id(Party::Mary) } else { id(Party::John) };
        vec![RelayCarriage { to, lcid: carriage.lcid, octets: back.emit(pdu) }]
    }
}

fn id(party: Party) -> Layer2Id {
    let [_, a, b, c] = party.id().to_be_bytes();
    Layer2Id::from_octets([a, b, c])
}

/// A relay that answers in the place of the target, with the credential that it has.
struct Impostor {
    manager: LinkManager,
    findings: Findings,
}

impl Impostor {
    fn new(case: &U2uCase<'_>, now: UtcTime, findings: &Findings) -> anyhow::Result<Self> {
        let john = Identity::user(Party::John.name());
        let mut config = Config::new(far(&john), john, 2 * case.period);
        config.way = Way::ThroughRelay;
        let mut manager = LinkManager::open(config, &[0x77; 32], &mut Memory::default())
            .map_err(|_| anyhow::anyhow!("no session numbers"))?;
        let (credential, trust) = credential(case, Party::Ruth, now, &[0x78; 32])?;
        manager.authenticate_with(credential, trust);
        Ok(Self { manager, findings: findings.clone() })
    }
}

impl Meddler for Impostor {
    fn meddle(&mut self, now: UtcTime, carriage: RelayCarriage) -> Vec<RelayCarriage> {
        let parsed = Adaptation::parse(&carriage.octets).ok().zip(carriage.lcid.carried());
        let Some(((header, pdu), lcid)) = parsed.filter(|_| carriage.to == id(Party::John)) else {
            return vec![carriage];
        };
        let back = Adaptation { source: header.target, target: header.source };
        let source = far(&Identity::user(Party::Mary.name()));
        let mut answers = Vec::new();
        let _ = self.manager.handle_input(Input::Pdu { now, source, lcid, pdu });
        loop {
            let input = match self.manager.poll_output() {
                Output::Timeout(_) => return answers,
                Output::Pdu(pdu) => {
                    self.findings.count("answers in the place of the target");
                    answers.extend(pdu.lcid.carrying().map(|lcid| RelayCarriage {
                        to: id(Party::Mary),
                        lcid,
                        octets: back.emit(&pdu.octets),
                    }));
                    continue;
                }
                Output::Store { ticket, .. } => Input::Stored { now, ticket },
                Output::Reserve(reservation) => {
                    Input::ReservationFailed { now, stream: reservation.stream() }
                }
                Output::Ask { ticket, .. } => Input::Answered { now, ticket, answer: None },
                Output::Upper(_) | Output::Event(_) => continue,
            };
            let _ = self.manager.handle_input(input);
        }
    }
}
