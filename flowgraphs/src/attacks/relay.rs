//! Radios around a relay and its remote UEs: what A0, A1 and A5 can do on the air (TR-1 to TR-12).

use super::link::{block, group_of, heard, message, plain};
use super::{Attack, AttackContext, Injection};
use sidelink_wire::ids::{Layer2Id, Lcid};
use sidelink_wire::pc5_signalling::{
    self as pc5, Algorithms, Body, Coding, CommunicationRequest, Repr, SecurityModeCommand, UserInfo,
};
use sidelink_wire::pdcp::{HEADER_LEN, MAC_I_LEN, OneToOneRepr, SduType};
use std::collections::{BTreeMap, BTreeSet};

/// Cause of a DIRECT_COMMUNICATION_REJECT: authentication failure. TS 24.334 §10.4.2.5.
const AUTHENTICATION_FAILURE: u8 = 2;

/// Type of User Info: an IMSI.
const IMSI: u8 = 3;

/// Forged commands for each request.
const COMMANDS: u8 = 3;

/// What the radio does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A0: listens to names.
    Listen,
    /// A1, or a relay without a network: refuses every request.
    Refuse,
    /// A1: answers every request with commands that carry this as GPI.
    Commands {
        /// GPI.
        gpi: Vec<u8>,
    },
    /// A1: sends so many requests to the relay under these names, in turn, each from a layer-2 identity of its own.
    Flood {
        /// How many.
        requests: u64,
        /// User Info: types and values.
        names: Vec<(u8, Vec<u8>)>,
        /// Relay Service Code.
        service: [u8; 3],
    },
    /// A3: drowns what the relay says after the first DIRECT_SECURITY_MODE_COMPLETE.
    JamAccept,
}

/// When the radio jams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Jam {
    Waits,
    Due,
    Jams,
    Over,
}

/// The radio, and what it saw.
pub(crate) struct RelayRadio {
    kind: Kind,
    relay: Layer2Id,
    /// Names in requests, with the relays that they went to.
    names: BTreeMap<(u8, Vec<u8>), BTreeSet<Layer2Id>>,
    found: BTreeMap<&'static str, u64>,
    jam: Jam,
    drawn: u64,
}

/// What a radio learnt of the remote UEs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Learnt {
    /// IMSIs.
    pub(crate) imsis: u64,
    /// Requests to other relays that a name links to the first.
    pub(crate) linked: u64,
}

impl RelayRadio {
    pub(crate) fn new(kind: Kind, relay: Layer2Id, seed: u64) -> Self {
        let (names, found) = (BTreeMap::new(), BTreeMap::new());
        Self { kind, relay, names, found, jam: Jam::Waits, drawn: seed << 32 }
    }

    /// Returns what it learnt.
    pub(crate) fn learnt(&self) -> Learnt {
        let linked = self.names.values().map(|relays| relays.len() as u64 - 1).sum();
        Learnt { imsis: self.names.keys().filter(|(kind, _)| *kind == IMSI).count() as u64, linked }
    }

    /// Returns what it saw and did, in words.
    pub(crate) fn found(&self) -> &BTreeMap<&'static str, u64> {
        &self.found
    }

    fn count(&mut self, what: &'static str) {
        *self.found.entry(what).or_default() += 1;
    }

    fn nonce(&mut self) -> [u8; 16] {
        self.drawn += 1;
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&self.drawn.to_be_bytes());
        nonce
    }

    fn request_heard(
        &mut self,
        [source, destination]: [Layer2Id; 2],
        request: &CommunicationRequest<'_>,
        context: &mut AttackContext,
    ) {
        let name = (request.user_info.kind, request.user_info.value.to_vec());
        self.names.entry(name).or_default().insert(destination);
        self.count("requests heard");
        let said: Vec<_> = match &self.kind {
            Kind::Refuse => {
                self.count("refusals said");
                let body = Body::CommunicationReject { cause: AUTHENTICATION_FAILURE };
                plain(1, body).map(|pdu| (Lcid::PC5_S_UNPROTECTED, pdu)).into_iter().collect()
            }
            Kind::Commands { gpi } => {
                let gpi = gpi.clone();
                (1..=COMMANDS).filter_map(|number| self.command(request, number, &gpi)).collect()
            }
            Kind::Listen | Kind::Flood { .. } | Kind::JamAccept => Vec::new(),
        };
        // One a block: a command with a GPI fills it.
        for pdu in said {
            let block = block(destination, source, &[pdu], context.octets);
            context.injections.extend(block.map(|block| Injection { group: group_of(source), block }));
        }
    }

    /// A command of nobody, for this request.
    fn command(
        &mut self,
        request: &CommunicationRequest<'_>,
        number: u8,
        gpi: &[u8],
    ) -> Option<(Lcid, Vec<u8>)> {
        let (nonce, freshness) = (self.nonce(), self.nonce());
        let body = Body::SecurityModeCommand(SecurityModeCommand {
            capabilities: request.capabilities,
            nonce,
            algorithms: Algorithms { eea: 2, eia: 2 },
            kd_sess_lsb: number,
            kd_id_msb: Some([1, number]),
            kd_freshness: Some(freshness),
            gpi: Some(gpi),
            user_info: None,
            signature: None,
            encrypted_payload: None,
            policy: None,
        });
        let repr = Repr { sequence: u16::from(number), body };
        let mut pdu = vec![0; HEADER_LEN + repr.buffer_len(Coding::Lte) + MAC_I_LEN];
        let kd_sess_id = u16::from_be_bytes([request.kd_sess_msb, number]);
        OneToOneRepr { sdu_type: SduType::Pc5Signalling, kd_sess_id, sn: 0 }.emit(&mut pdu).ok()?;
        let end = pdu.len() - MAC_I_LEN;
        repr.emit(Coding::Lte, &mut pdu[HEADER_LEN..end]).ok()?;
        self.count("commands forged");
        Some((Lcid::PC5_S_SECURITY_MODE, pdu))
    }

    /// The next request of a flood; `None` when all are sent.
    fn flood(&mut self) -> Option<(Layer2Id, Vec<u8>)> {
        let Kind::Flood { requests, names, service } = &self.kind else { return None };
        let sent = self.found.get("requests sent").copied().unwrap_or(0);
        let (kind, value) =
            names.get(sent as usize % names.len().max(1)).filter(|_| sent < *requests)?.clone();
        let (service, nonce) = (*service, self.nonce());
        self.count("requests sent");
        let body = Body::CommunicationRequest(CommunicationRequest {
            user_info: UserInfo { kind, value: &value },
            ip_config: 1,
            maximum_inactivity: 4,
            nonce,
            capabilities: pc5::Capabilities { eea: 0xe0, eia: 0xe0 },
            kd_sess_msb: self.drawn as u8,
            kd_id: None,
            relay_service_code: Some(service),
            signature: None,
            link_local: None,
            key_info: None,
            connection: None,
            policy: None,
            target: None,
        });
        let source = Layer2Id::new(0x30_0000 + (self.drawn as u32 & 0xffff)).ok()?;
        Some((source, plain(sent as u16, body)?))
    }
}

impl Attack for RelayRadio {
    fn heard(&mut self, _: u64, group: u8, block: &[u8], context: &mut AttackContext) {
        for pdu in heard(group, block).unwrap_or_default() {
            let completes = self.kind == Kind::JamAccept
                && pdu.lcid == Lcid::PC5_S_SECURITY_MODE
                && pdu.destination == self.relay;
            if completes && self.jam == Jam::Waits {
                self.jam = Jam::Due;
            }
            if let Some(Body::CommunicationRequest(request)) = message(pdu.octets, 0).map(|m| m.body)
                && pdu.lcid == Lcid::PC5_S_UNPROTECTED
            {
                self.request_heard([pdu.source, pdu.destination], &request, context);
            }
        }
    }

    fn period(&mut self, _: u64, context: &mut AttackContext) {
        self.jam = match self.jam {
            Jam::Due => {
                self.count("periods jammed");
                Jam::Jams
            }
            Jam::Jams => Jam::Over,
            jam => jam,
        };
        context.jam = self.jam == Jam::Jams;
        while context.injections.len() < 4
            && let Some((source, pdu)) = self.flood()
        {
            let pdus = [(Lcid::PC5_S_UNPROTECTED, pdu)];
            let Some(block) = block(source, self.relay, &pdus, context.octets) else { return };
            context.injections.push_back(Injection { group: group_of(self.relay), block });
        }
    }
}
