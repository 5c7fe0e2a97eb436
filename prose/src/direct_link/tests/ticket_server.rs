//! A key management server of tickets, for the tests: it makes tickets and resolves them (RFC 6043 §4.2).

use std::collections::BTreeMap;

use sidelink_security::counter::UtcTime;
use sidelink_security::mikey::ticket::{Direction, Forked, Rands, fork, message_keys};
use sidelink_security::mikey::{self as crypto, MessageKeys};
use sidelink_wire::mikey::{
    CsIdMap, DataType, Encryption, Header, IdRole, IdType, KeyData, KeyKind, Mac, MacAlgorithm, Packet,
    Payload, Prf, RandRole, Repr, Ticket, TicketPolicy, TicketTerms, Timestamp, Validity,
};

use crate::mikey::NtpTime;

pub(super) const KMS: &str = "kms.example.org";

/// The key that a user shares with the server.
pub(super) fn shared(user: &str) -> Vec<u8> {
    let mut key = vec![0x6b; 32];
    key.iter_mut().zip(user.bytes()).for_each(|(key, octet)| *key ^= octet);
    key
}

/// Refusals, for what a test asserts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Malformed,
    WrongMac,
    NotForThisUser,
    UnknownTicket,
}

/// MPKi, MPKr and TGK of a ticket.
type Keys = [[u8; 16]; 3];

#[derive(Default)]
pub(super) struct Server {
    tickets: BTreeMap<Vec<u8>, Keys>,
    pub(super) refused: Vec<Refusal>,
    pub(super) resolved: usize,
}

/// A request, as far as the server needs it.
struct Asked<'a> {
    octets: &'a [u8],
    repr: Repr<'a>,
    user: String,
    rand: &'a [u8],
    tail: Vec<u8>,
}

impl<'a> Asked<'a> {
    fn parse(octets: &'a [u8]) -> Option<Self> {
        let repr = Repr::parse(&Packet::new_checked(octets).ok()?).ok()?;
        let (mut user, mut rand, mut tail) = (None, None, Vec::new());
        for payload in &repr.payloads {
            match payload {
                Payload::IdRole { role: IdRole::Initiator | IdRole::Responder, data, .. } => {
                    user = Some(String::from_utf8(data.to_vec()).ok()?);
                    tail.extend_from_slice(data);
                }
                Payload::IdRole { role: IdRole::Kms, data, .. } => tail.extend_from_slice(data),
                Payload::RandRole { rand: octets, .. } => rand = Some(*octets),
                _ => {}
            }
        }
        Some(Self { octets, user: user?, rand: rand?, tail, repr })
    }

    fn rands(&self) -> Rands {
        match self.repr.header.data_type {
            DataType::RequestInitPsk => Rands::new(self.rand, &[]).unwrap(),
            _ => Rands::new(&[], self.rand).unwrap(),
        }
    }

    fn keys(&self, direction: Direction) -> MessageKeys {
        let (prf, mac) = (crypto::Prf::HmacSha256, crypto::MacAlgorithm::HmacSha256);
        message_keys(&shared(&self.user), prf, mac, self.repr.header.csb_id, direction, &self.rands())
    }

    fn is_authentic(&self) -> bool {
        let end = self.octets.len() - 32;
        let parts = [&self.octets[..end], &self.tail];
        self.keys(Direction::Initial).verify(&parts, &self.octets[end..]).is_ok()
    }

    /// The answer, with V over it and the request.
    fn answer(&self, data_type: DataType, mut payloads: Vec<Payload<'_>>) -> Vec<u8> {
        let tag = &[0; 32];
        payloads.push(Payload::Verification(Mac { algorithm: MacAlgorithm::HmacSha256, tag }));
        let header = Header {
            data_type,
            wants_verification: false,
            prf: Prf::HmacSha256,
            csb_id: self.repr.header.csb_id,
            sessions: CsIdMap::Empty,
        };
        let mut octets = Repr { header, payloads }.to_octets().unwrap();
        let end = octets.len() - 32;
        let mac = self.keys(Direction::Response).mac(&[&octets[..end], self.octets]);
        octets[end..].copy_from_slice(&mac);
        octets
    }

    fn sealed_keys(&self, keys: &Keys, time: u64) -> Vec<u8> {
        let kinds = [KeyKind::Mpk, KeyKind::Mpk, KeyKind::Tgk];
        let data: Vec<_> = kinds
            .iter()
            .zip(keys)
            .map(|(kind, key)| KeyData { kind: *kind, key, salt: None, validity: Validity::Spi(&[1]) })
            .collect();
        let mut plain = vec![0; KeyData::all_len(&data)];
        KeyData::emit_all(&data, &mut plain).unwrap();
        self.keys(Direction::Response).encrypt(crypto::Encryption::AesCm128, time, &plain).unwrap()
    }
}

const RAND_KMS: [u8; 16] = [0x4b; 16];

const NO_MAC: Mac<'_> = Mac { algorithm: MacAlgorithm::Null, tag: &[] };

impl Server {
    /// Answers REQUEST_INIT and RESOLVE_INIT.
    pub(super) fn ask(&mut self, now: UtcTime, octets: &[u8]) -> Option<Vec<u8>> {
        let answer = self.answer(NtpTime::from_utc(now).0, octets);
        answer.map_err(|refusal| self.refused.push(refusal)).ok()
    }

    fn answer(&mut self, time: u64, octets: &[u8]) -> Result<Vec<u8>, Refusal> {
        let asked = Asked::parse(octets).ok_or(Refusal::Malformed)?;
        if !asked.is_authentic() {
            return Err(Refusal::WrongMac);
        }
        match asked.repr.header.data_type {
            DataType::RequestInitPsk => self.grant(time, &asked),
            DataType::ResolveInitPsk => self.resolve(time, &asked),
            _ => Err(Refusal::Malformed),
        }
    }

    fn grant(&mut self, time: u64, asked: &Asked<'_>) -> Result<Vec<u8>, Refusal> {
        let policy = asked.repr.payloads.iter().find_map(|payload| match payload {
            Payload::TicketPolicy(policy) => Some(*policy),
            _ => None,
        });
        let policy: TicketPolicy<'_> = policy.ok_or(Refusal::Malformed)?;
        let terms = TicketTerms::parse(policy.data).map_err(|_| Refusal::Malformed)?;
        if terms.initiator != Some((IdType::Uri, asked.user.as_bytes())) {
            return Err(Refusal::NotForThisUser);
        }
        let number = self.tickets.len() as u8 + 1;
        let keys = [[number; 16], [number ^ 0x40; 16], [number ^ 0x80; 16]];
        let data = vec![number; 8];
        self.tickets.insert([&data[..], policy.data].concat(), keys);
        let sealed = asked.sealed_keys(&keys, time);
        let payloads = vec![
            Payload::Timestamp(Timestamp::NtpUtc(time)),
            Payload::IdRole { role: IdRole::Kms, kind: IdType::Uri, data: KMS.as_bytes() },
            Payload::Ticket(Ticket { policy, data: &data, initiator_data: &[] }),
            Payload::Kemac { encryption: Encryption::AesCm128, data: &sealed, mac: NO_MAC },
        ];
        Ok(asked.answer(DataType::RequestResp, payloads))
    }

    fn resolve(&mut self, time: u64, asked: &Asked<'_>) -> Result<Vec<u8>, Refusal> {
        let ticket = asked.repr.payloads.iter().find_map(|payload| match payload {
            Payload::Ticket(ticket) => Some(*ticket),
            _ => None,
        });
        let ticket = ticket.ok_or(Refusal::Malformed)?;
        let terms = TicketTerms::parse(ticket.policy.data).map_err(|_| Refusal::Malformed)?;
        if !terms.admits(asked.user.as_bytes()) {
            return Err(Refusal::NotForThisUser);
        }
        let name = [ticket.data, ticket.policy.data].concat();
        let keys = *self.tickets.get(&name).ok_or(Refusal::UnknownTicket)?;
        self.resolved += 1;
        let forked = |what, key: &[u8; 16]| {
            let key = fork(crypto::Prf::HmacSha256, what, key, asked.user.as_bytes(), &RAND_KMS).unwrap();
            <[u8; 16]>::try_from(&key[..]).unwrap()
        };
        let keys = [keys[0], forked(Forked::MpkR, &keys[1]), forked(Forked::Tgk, &keys[2])];
        let sealed = asked.sealed_keys(&keys, time);
        let payloads = vec![
            Payload::Timestamp(Timestamp::NtpUtc(time)),
            Payload::IdRole { role: IdRole::Kms, kind: IdType::Uri, data: KMS.as_bytes() },
            Payload::Kemac { encryption: Encryption::AesCm128, data: &sealed, mac: NO_MAC },
            Payload::IdRole { role: IdRole::Responder, kind: IdType::Uri, data: asked.user.as_bytes() },
            Payload::RandRole { role: RandRole::Kms, rand: &RAND_KMS },
        ];
        Ok(asked.answer(DataType::ResolveResp, payloads))
    }
}
