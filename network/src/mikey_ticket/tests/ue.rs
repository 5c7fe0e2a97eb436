//! The UE's end, for tests: another writing of the same texts, with the checks that a UE has.

use sidelink_security::mikey::MessageKeys;
use sidelink_security::mikey::ticket::{Direction, Rands, initiator_data_keys, message_keys};
use sidelink_wire::mikey::{
    CsIdMap, DataType, Encryption, Header, IdRole, IdType, KeyData, KeyKind, Mac, MacAlgorithm, Packet,
    Payload, Prf, RandRole, Repr, TicketPolicy, TicketTerms, emit_inner,
};

use super::super::initial::Exchange;
use super::super::ticket::{Policy, Sealed};
use super::super::*;

/// Who a UE is to a server, and the chance of one message.
#[derive(Clone)]
pub(crate) struct Ue {
    pub(crate) user: String,
    pub(crate) key_name: String,
    pub(crate) key: Vec<u8>,
    pub(crate) kms: String,
    pub(crate) csb_id: u32,
    pub(crate) rand: [u8; 16],
    pub(crate) timestamp: wire::Timestamp,
}

/// What an answer says.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) ticket: Option<Sealed>,
    pub(crate) mpk_i: Vec<u8>,
    pub(crate) mpk_r: Option<Vec<u8>>,
    pub(crate) keys: Vec<Key>,
    pub(crate) rand_kms: Option<Vec<u8>>,
}

/// TP data of a request.
fn wanted(policy: &Policy) -> Vec<u8> {
    let plain = policy.data().unwrap();
    let zeros: Vec<_> = policy.wanted.iter().map(|(_, len)| vec![0; *len]).collect();
    let spi = |index: usize| -> &'static [u8] { [&[1][..], &[2], &[3], &[4], &[5]][index] };
    let keys: Vec<_> = policy
        .wanted
        .iter()
        .zip(&zeros)
        .enumerate()
        .map(|(at, ((kind, _), key))| KeyData {
            kind: *kind,
            key,
            salt: None,
            validity: wire::Validity::Spi(spi(at)),
        })
        .collect();
    let mut data = vec![0; KeyData::all_len(&keys)];
    KeyData::emit_all(&keys, &mut data).unwrap();
    let terms = TicketTerms::parse(&plain).unwrap();
    TicketTerms { wanted_keys: (!keys.is_empty()).then_some(&data), ..terms }.emit().unwrap()
}

impl Ue {
    pub(crate) fn new(user: &str, octet: u8, now: UtcTime) -> Self {
        Self {
            user: user.to_owned(),
            key_name: format!("b-tid-{octet}@bsf.lab"),
            key: vec![octet; 32],
            kms: "kms.lab".to_owned(),
            csb_id: u32::from(octet) * 1000,
            rand: [octet; 16],
            timestamp: ntp(now),
        }
    }

    pub(crate) fn request(&self, policy: &Policy) -> Vec<u8> {
        let data = wanted(policy);
        let (ticket_type, flags) = (policy.ticket_type, policy.flags);
        let policy = TicketPolicy { ticket_type, prf: Prf::HmacSha256, flags, data: &data };
        self.made(Exchange::Request, Payload::TicketPolicy(policy))
    }

    /// With initiator data where the ticket is forked, made with this MPKr.
    pub(crate) fn resolve(&self, ticket: &Sealed, mpk_r: Option<&[u8]>) -> Vec<u8> {
        let data = mpk_r.map(initiator_data).unwrap_or_default();
        let ticket = wire::Ticket { initiator_data: &data, ..ticket.payload() };
        self.made(Exchange::Resolve, Payload::Ticket(ticket))
    }

    fn made(&self, exchange: Exchange, body: Payload<'_>) -> Vec<u8> {
        let (data_type, id, rand) = match exchange {
            Exchange::Request => (DataType::RequestInitPsk, IdRole::Initiator, RandRole::Initiator),
            Exchange::Resolve => (DataType::ResolveInitPsk, IdRole::Responder, RandRole::Responder),
        };
        let header = Header {
            data_type,
            wants_verification: true,
            prf: Prf::HmacSha256,
            csb_id: self.csb_id,
            sessions: CsIdMap::Empty,
        };
        let name = |role, kind, data| Payload::IdRole { role, kind, data };
        let tag = Mac { algorithm: MacAlgorithm::HmacSha256, tag: &[0; 32] };
        let payloads = vec![
            Payload::Timestamp(self.timestamp),
            Payload::RandRole { role: rand, rand: &self.rand },
            name(id, IdType::Uri, self.user.as_bytes()),
            name(IdRole::Kms, IdType::Nai, self.kms.as_bytes()),
            body,
            name(IdRole::PresharedKey, IdType::Octets, self.key_name.as_bytes()),
            Payload::Verification(tag),
        ];
        let mut octets = Repr { header, payloads }.to_octets().unwrap();
        let end = octets.len() - 32;
        let keys = self.keys(exchange, Direction::Initial);
        let tag = keys.mac(&[&octets[..end], self.user.as_bytes(), self.kms.as_bytes()]);
        octets[end..].copy_from_slice(&tag);
        octets
    }

    fn keys(&self, exchange: Exchange, direction: Direction) -> MessageKeys {
        let rands = match exchange {
            Exchange::Request => Rands::new(&self.rand, &[]),
            Exchange::Resolve => Rands::new(&[], &self.rand),
        };
        let (function, algorithm) = (crypto::Prf::HmacSha256, crypto::MacAlgorithm::HmacSha256);
        message_keys(&self.key, function, algorithm, self.csb_id, direction, &rands.unwrap())
    }

    /// Opens the answer to a message.
    pub(crate) fn open(&self, exchange: Exchange, asked: &[u8], octets: &[u8]) -> Result<Answer, Refused> {
        let message = Repr::parse(&Packet::new_checked(octets)?)?;
        let find = |wanted: &dyn Fn(&Payload<'_>) -> bool| message.payloads.iter().find(|p| wanted(p));
        if let Some(Payload::Error(number)) = find(&|payload| matches!(payload, Payload::Error(_))) {
            return Err(Refused::Error(*number));
        }
        let due = match exchange {
            Exchange::Request => DataType::RequestResp,
            Exchange::Resolve => DataType::ResolveResp,
        };
        assert_eq!((message.header.data_type, message.header.csb_id), (due, self.csb_id));
        let Some(Payload::Verification(v)) = message.payloads.last() else { panic!("no V") };
        let keys = self.keys(exchange, Direction::Response);
        keys.verify(&[without_tag(octets, v.tag), asked], v.tag)?;
        let Payload::Timestamp(timestamp) = &message.payloads[0] else { panic!("no T") };
        let kemac = find(&|payload| matches!(payload, Payload::Kemac { .. }));
        let Some(Payload::Kemac { encryption: Encryption::AesCm128, data, .. }) = kemac else { panic!() };
        let opened = keys.decrypt(crypto::Encryption::AesCm128, timestamp.as_64_bits(), data).unwrap();
        let (mpks, keys): (Vec<_>, Vec<_>) =
            keys_of(&opened)?.into_iter().partition(|key| key.kind == KeyKind::Mpk);
        let mut mpks = mpks.into_iter().map(|key| key.key.to_vec());
        let ticket = message.payloads.iter().find_map(|payload| match payload {
            Payload::Ticket(ticket) => Some(Sealed::of(ticket)),
            _ => None,
        });
        let rand_kms = message.payloads.iter().find_map(|payload| match payload {
            Payload::RandRole { role: RandRole::Kms, rand } => Some(rand.to_vec()),
            _ => None,
        });
        Ok(Answer { ticket, mpk_i: mpks.next().unwrap(), mpk_r: mpks.next(), keys, rand_kms })
    }
}

/// A copy of the tag of TRANSFER_INIT, and Vr. RFC 6043 §5.3.
fn initiator_data(mpk_r: &[u8]) -> Vec<u8> {
    let of = |tag| Payload::Verification(Mac { algorithm: MacAlgorithm::HmacSha256, tag });
    let mut octets = emit_inner(&[of(&[7; 32]), of(&[0; 32])]).unwrap();
    let end = octets.len() - 32;
    let keys = initiator_data_keys(mpk_r, crypto::Prf::HmacSha256, crypto::MacAlgorithm::HmacSha256);
    let tag = keys.mac(&[&octets[..end]]);
    octets[end..].copy_from_slice(&tag);
    octets
}
