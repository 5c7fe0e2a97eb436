//! The base ticket of MIKEY and of 3GPP. RFC 6043 Appendix A, TS 33.328 Annex D.4.

use sidelink_security::counter::UtcTime;
use sidelink_security::mikey::ticket as crypto;
use sidelink_wire::mikey::{
    Encryption, Id, IdType, KeyKind, MacAlgorithm, Payload, Prf, Ticket, TicketData, TicketFlags,
    TicketPolicy, TicketTerms, TicketType, inner_payloads,
};
use zeroize::Zeroizing;

use super::{Key, Refused, encryption, key_data, keys_of, mac, ntp, prf, text, time_of, without_tag};

/// A name as a URI.
fn uri(name: &String) -> Id<'_> {
    (IdType::Uri, name.as_bytes())
}

/// Application of tickets of 3GPP. TS 33.328 Annex D.3.1.
pub const APPLICATION: &str = "IMS-MEDIASEC";

/// What a ticket is for: who, for whom, when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Type, subtype and version.
    pub ticket_type: TicketType,
    /// Flags.
    pub flags: TicketFlags,
    /// The server.
    pub kms: Option<String>,
    /// The initiator.
    pub initiator: Option<String>,
    /// When it begins to count.
    pub start: Option<UtcTime>,
    /// When it ends.
    pub end: Option<UtcTime>,
    /// Applications.
    pub applications: Vec<String>,
    /// Who may resolve it.
    pub responders: Vec<String>,
    /// Kinds and lengths of the keys that are asked for; in a request alone.
    pub wanted: Vec<(KeyKind, usize)>,
}

impl Policy {
    /// From a policy on the wire.
    ///
    /// # Errors
    /// What is not as RFC 6043 §6.10 has it.
    pub fn of(policy: &TicketPolicy<'_>) -> Result<Self, Refused> {
        policy.flags.check()?;
        let terms = TicketTerms::parse(policy.data)?;
        let name = |id: &Id<'_>| text(id.1).ok_or(Refused::Unexpected("an identity that is a text"));
        let wanted = keys_of(terms.wanted_keys.unwrap_or_default())?;
        Ok(Self {
            ticket_type: policy.ticket_type,
            flags: policy.flags,
            kms: terms.kms.as_ref().map(name).transpose()?,
            initiator: terms.initiator.as_ref().map(name).transpose()?,
            start: terms.start.and_then(time_of),
            end: terms.end.and_then(time_of),
            applications: terms.applications.iter().map(name).collect::<Result<_, _>>()?,
            responders: terms.responders.iter().map(name).collect::<Result<_, _>>()?,
            wanted: wanted.iter().map(|key| (key.kind, key.key.len())).collect(),
        })
    }

    /// TP data of a ticket: without the keys that are asked for, which are inside.
    ///
    /// # Errors
    /// Too many identities, or one that is too long.
    pub fn data(&self) -> Result<Vec<u8>, Refused> {
        let terms = TicketTerms {
            kms: self.kms.as_ref().map(|name| (IdType::Nai, name.as_bytes())),
            initiator: self.initiator.as_ref().map(uri),
            start: self.start.map(ntp),
            end: self.end.map(ntp),
            rekeying: None,
            wanted_keys: None,
            applications: self.applications.iter().map(uri).collect(),
            responders: self.responders.iter().map(uri).collect(),
        };
        Ok(terms.emit()?)
    }
}

/// What the keys of a ticket follow from: chance of the server.
pub struct Chance<'a> {
    /// MPK, 16 octets.
    pub mpk: &'a [u8; 16],
    /// RAND, 16 octets.
    pub rand: &'a [u8; 16],
    /// THDR: the first six octets name the server (TS 33.328 Annex D.4).
    pub header: &'a [u8],
}

/// What a ticket holds, opened or just made.
#[derive(Debug)]
pub struct Content {
    /// What it is for.
    pub policy: Policy,
    /// What keys are forked with: that of the policy, which both users know too.
    pub prf: Prf,
    /// Protects messages to the initiator.
    pub mpk_i: Zeroizing<Vec<u8>>,
    /// Protects messages to the responder.
    pub mpk_r: Zeroizing<Vec<u8>>,
    /// Keys.
    pub keys: Vec<Key>,
}

/// Policy data and ticket data of a ticket, as owned octets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    policy: Vec<u8>,
    ticket_type: TicketType,
    flags: TicketFlags,
    prf: Prf,
    data: Vec<u8>,
    initiator_data: Vec<u8>,
}

impl Sealed {
    /// As a payload has it.
    pub fn payload(&self) -> Ticket<'_> {
        let Self { ticket_type, flags, prf, .. } = *self;
        let policy = TicketPolicy { ticket_type, prf, flags, data: &self.policy };
        Ticket { policy, data: &self.data, initiator_data: &self.initiator_data }
    }

    /// From a payload.
    pub fn of(ticket: &Ticket<'_>) -> Self {
        Self {
            policy: ticket.policy.data.to_vec(),
            ticket_type: ticket.policy.ticket_type,
            flags: ticket.policy.flags,
            prf: ticket.policy.prf,
            data: ticket.data.to_vec(),
            initiator_data: ticket.initiator_data.to_vec(),
        }
    }
}

/// Makes a ticket under the server's key (TPK).
///
/// # Errors
/// Too much for a message.
pub fn seal(
    tpk: &[u8],
    now: UtcTime,
    policy: Policy,
    keys: Vec<Key>,
    chance: &Chance<'_>,
) -> Result<(Sealed, Content), Refused> {
    let algorithm = mac(MacAlgorithm::HmacSha256)?;
    let message_keys = crypto::ticket_keys(tpk, prf(Prf::HmacSha256), algorithm, chance.rand)?;
    let mpk = Key { kind: KeyKind::Mpk, key: Zeroizing::new(chance.mpk.to_vec()), spi: vec![0] };
    let mut all = vec![mpk];
    all.extend(keys.iter().cloned());
    let timestamp = ntp(now);
    let data = key_data(&all)?;
    let cipher = encryption(Encryption::AesCm128)?;
    let ciphered = message_keys.encrypt(cipher, timestamp.as_64_bits(), &data);
    let ciphered = ciphered.map_err(|_| Refused::TooLong)?;
    let none = sidelink_wire::mikey::Mac { algorithm: MacAlgorithm::Null, tag: &[] };
    let payloads = vec![
        Payload::Timestamp(timestamp),
        Payload::Rand(chance.rand),
        Payload::Kemac { encryption: Encryption::AesCm128, data: &ciphered, mac: none },
        super::no_tag(),
    ];
    let mut sealed = Sealed {
        policy: policy.data()?,
        ticket_type: policy.ticket_type,
        flags: policy.flags,
        prf: Prf::HmacSha256,
        data: TicketData { header: chance.header, payloads }.emit()?,
        initiator_data: Vec::new(),
    };
    let issued = sealed.payload().issued_octets()?;
    let tag = message_keys.mac(&[without_tag(&issued, &[0; 32])]);
    let end = sealed.data.len() - tag.len();
    sealed.data[end..].copy_from_slice(&tag);
    let [mpk_i, mpk_r] = crypto::mpks(prf(Prf::HmacSha256), chance.mpk, chance.rand)?;
    Ok((sealed, Content { policy, prf: Prf::HmacSha256, mpk_i, mpk_r, keys }))
}

/// Opens a ticket under the server's key (TPK), and checks what the initiator has put into it.
///
/// # Errors
/// It is another's, or altered.
pub fn open(tpk: &[u8], ticket: &Ticket<'_>) -> Result<Content, Refused> {
    let data = TicketData::parse(ticket.data)?;
    let [
        Payload::Timestamp(timestamp),
        Payload::Rand(rand),
        Payload::Kemac { encryption: cipher, data: ciphered, .. },
        ..,
        Payload::Verification(v),
    ] = &data.payloads[..]
    else {
        return Err(Refused::Unexpected("ticket data of T, RAND, KEMAC and V"));
    };
    let function = prf(ticket.policy.prf);
    let keys = crypto::ticket_keys(tpk, function, mac(v.algorithm)?, rand)?;
    let issued = ticket.issued_octets()?;
    keys.verify(&[without_tag(&issued, v.tag)], v.tag)?;
    let opened = keys.decrypt(encryption(*cipher)?, timestamp.as_64_bits(), ciphered);
    let mut all = keys_of(&opened.map_err(|_| Refused::WrongMac)?)?;
    if all.first().is_none_or(|first| first.kind != KeyKind::Mpk) {
        return Err(Refused::Unexpected("an MPK first"));
    }
    let mpk = all.remove(0);
    let [mpk_i, mpk_r] = crypto::mpks(function, &mpk.key, rand)?;
    check_initiator_data(ticket, &mpk_r)?;
    let (policy, prf) = (Policy::of(&ticket.policy)?, ticket.policy.prf);
    Ok(Content { policy, prf, mpk_i, mpk_r, keys: all })
}

/// Vr, which only whoever has MPKr can make: the ticket was sent by its initiator. RFC 6043 §5.3.
fn check_initiator_data(ticket: &Ticket<'_>, mpk_r: &[u8]) -> Result<(), Refused> {
    if !ticket.policy.flags.has(TicketFlags::I) {
        return Ok(());
    }
    match &inner_payloads(ticket.initiator_data)?[..] {
        [Payload::Verification(_), Payload::Verification(v)] => {
            let keys = crypto::initiator_data_keys(mpk_r, prf(ticket.policy.prf), mac(v.algorithm)?);
            Ok(keys.verify(&[without_tag(ticket.initiator_data, v.tag)], v.tag)?)
        }
        _ => Err(Refused::Unexpected("initiator data of Vi and Vr")),
    }
}
