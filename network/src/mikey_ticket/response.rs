//! REQUEST_RESP and RESOLVE_RESP. RFC 6043 §4.2.1.2, §4.2.3.2.

use sidelink_security::counter::UtcTime;
use sidelink_security::mikey::ticket::{Direction, Forked, fork};
use sidelink_wire::mikey::{
    CsIdMap, DataType, Encryption, Header, IdRole, KeyKind, Mac, MacAlgorithm, Packet, Payload, RandRole,
    Repr, TicketFlags,
};
use zeroize::Zeroizing;

use super::initial::{Exchange, Proven, Sender};
use super::ticket::{Content, Sealed};
use super::{Key, Refused, encryption, id_payload, key_data, keys_of, ntp, prf, without_tag};

/// What an initiator gets.
#[derive(Debug)]
pub struct Granted {
    /// The ticket, for the responder.
    pub ticket: Sealed,
    /// Protects messages to the initiator.
    pub mpk_i: Zeroizing<Vec<u8>>,
    /// Of a forked ticket: becomes the key that protects messages of each responder.
    pub mpk_r: Option<Zeroizing<Vec<u8>>>,
    /// Keys.
    pub keys: Vec<Key>,
}

/// What a responder gets.
#[derive(Debug)]
pub struct Resolved {
    /// Protects messages to the initiator.
    pub mpk_i: Zeroizing<Vec<u8>>,
    /// Of a forked ticket: protects messages of this responder.
    pub mpk_r: Option<Zeroizing<Vec<u8>>>,
    /// Keys; TGKs are this responder's alone, if the ticket is forked.
    pub keys: Vec<Key>,
    /// RANDRkms, which the initiator needs to make the same: only if the ticket is forked.
    pub rand_kms: Option<Vec<u8>>,
}

/// Makes REQUEST_RESP.
///
/// # Errors
/// Too much for a message.
pub fn granted(
    request: &Proven<'_>,
    now: UtcTime,
    kms: &str,
    ticket: &Sealed,
    content: &Content,
) -> Result<Vec<u8>, Refused> {
    let is_forked = content.policy.flags.has(TicketFlags::I);
    let mut keys = mpks(&content.mpk_i, Some(&content.mpk_r[..]).filter(|_| is_forked));
    keys.extend(content.keys.iter().cloned());
    answer(request, now, kms, &keys, |kemac| vec![Payload::Ticket(ticket.payload()), kemac])
}

/// Makes RESOLVE_RESP. With flag I, MPKr and TGKs are forked for this responder. RFC 6043 §5.1.1.
///
/// # Errors
/// Too much for a message.
pub fn resolved(
    request: &Proven<'_>,
    now: UtcTime,
    kms: &str,
    content: &Content,
    rand_kms: &[u8; 16],
) -> Result<Vec<u8>, Refused> {
    let user = request.user.as_bytes();
    if !content.policy.flags.has(TicketFlags::I) {
        let mut keys = mpks(&content.mpk_i, None);
        keys.extend(content.keys.iter().cloned());
        return answer(request, now, kms, &keys, |kemac| vec![kemac]);
    }
    let forked = |what, key: &[u8]| fork(prf(request.prf), what, key, user, rand_kms);
    let mut keys = mpks(&content.mpk_i, Some(&forked(Forked::MpkR, &content.mpk_r)?));
    for key in &content.keys {
        let mut key = key.clone();
        if key.kind == KeyKind::Tgk {
            key.key = forked(Forked::Tgk, &key.key)?;
        }
        keys.push(key);
    }
    answer(request, now, kms, &keys, |kemac| {
        let rand = Payload::RandRole { role: RandRole::Kms, rand: rand_kms };
        vec![kemac, id_payload(IdRole::Responder, user), rand]
    })
}

/// The keys that protect messages, each called by an SPI: MPKr of forked tickets alone.
fn mpks(mpk_i: &[u8], mpk_r: Option<&[u8]>) -> Vec<Key> {
    let key = |key: &[u8], spi| Key { kind: KeyKind::Mpk, key: Zeroizing::new(key.to_vec()), spi: vec![spi] };
    [Some(key(mpk_i, 0)), mpk_r.map(|mpk_r| key(mpk_r, 1))].into_iter().flatten().collect()
}

fn answer<'b>(
    request: &'b Proven<'_>,
    now: UtcTime,
    kms: &'b str,
    keys: &[Key],
    body: impl for<'c> FnOnce(Payload<'c>) -> Vec<Payload<'c>> + 'b,
) -> Result<Vec<u8>, Refused> {
    let timestamp = ntp(now);
    let data = key_data(keys)?;
    let cipher = encryption(Encryption::AesCm128)?;
    let ciphered = request.answer_keys.encrypt(cipher, timestamp.as_64_bits(), &data);
    let ciphered = ciphered.map_err(|_| Refused::TooLong)?;
    let none = Mac { algorithm: MacAlgorithm::Null, tag: &[] };
    let kemac = Payload::Kemac { encryption: Encryption::AesCm128, data: &ciphered, mac: none };
    let header = Header {
        data_type: match request.exchange {
            Exchange::Request => DataType::RequestResp,
            Exchange::Resolve => DataType::ResolveResp,
        },
        wants_verification: false,
        prf: request.prf,
        csb_id: request.csb_id,
        sessions: CsIdMap::Empty,
    };
    let mut payloads = vec![Payload::Timestamp(timestamp), id_payload(IdRole::Kms, kms.as_bytes())];
    payloads.extend(body(kemac));
    let empty = [0; 32];
    let tag_len = request.mac.octets();
    payloads.push(Payload::Verification(Mac { algorithm: request.mac, tag: &empty[..tag_len] }));
    let mut octets = Repr { header, payloads }.to_octets()?;
    let end = octets.len() - tag_len;
    let tag = request.answer_keys.mac(&[&octets[..end], request.octets]);
    octets[end..].copy_from_slice(&tag);
    Ok(octets)
}

/// Opens an answer as its asker: proves it, deciphers its keys. `asked` is the message that it answers.
fn open<'a>(
    sender: &Sender<'_>,
    exchange: Exchange,
    asked: &[u8],
    octets: &'a [u8],
) -> Result<(Repr<'a>, Vec<Key>), Refused> {
    let message = Repr::parse(&Packet::new_checked(octets)?)?;
    if message.header.data_type == DataType::Error {
        let number = message.payloads.iter().find_map(|payload| match payload {
            Payload::Error(number) => Some(*number),
            _ => None,
        });
        return Err(number.map_or(Refused::Unexpected("an error with its number"), Refused::Error));
    }
    let due = match exchange {
        Exchange::Request => DataType::RequestResp,
        Exchange::Resolve => DataType::ResolveResp,
    };
    if message.header.data_type != due || message.header.csb_id != sender.csb_id {
        return Err(Refused::Unexpected("the answer to what was asked"));
    }
    let Some(Payload::Verification(v)) = message.payloads.last() else {
        return Err(Refused::Unexpected("V last"));
    };
    if v.algorithm != MacAlgorithm::HmacSha256 {
        return Err(Refused::Unexpected("HMAC-SHA-256, as it was asked with"));
    }
    let rands = exchange.rands(sender.rand)?;
    let keys = sender.keys(Direction::Response, &rands)?;
    keys.verify(&[without_tag(octets, v.tag), asked], v.tag)?;
    let Some(Payload::Timestamp(timestamp)) = message.payloads.first() else {
        return Err(Refused::Unexpected("T first"));
    };
    let kemac = message.payloads.iter().find_map(|payload| match payload {
        Payload::Kemac { encryption, data, .. } => Some((*encryption, *data)),
        _ => None,
    });
    let (cipher, data) = kemac.ok_or(Refused::Unexpected("KEMAC"))?;
    let opened = keys.decrypt(encryption(cipher)?, timestamp.as_64_bits(), data);
    let opened = keys_of(&opened.map_err(|_| Refused::WrongMac)?)?;
    Ok((message, opened))
}

/// MPKi, MPKr, and the rest.
type Opened = (Zeroizing<Vec<u8>>, Option<Zeroizing<Vec<u8>>>, Vec<Key>);

fn split(keys: Vec<Key>) -> Result<Opened, Refused> {
    let (mpks, rest): (Vec<_>, Vec<_>) = keys.into_iter().partition(|key| key.kind == KeyKind::Mpk);
    let mut mpks = mpks.into_iter().map(|key| key.key);
    match (mpks.next(), mpks.next(), mpks.next()) {
        (Some(mpk_i), mpk_r, None) => Ok((mpk_i, mpk_r, rest)),
        _ => Err(Refused::Unexpected("MPKi, and MPKr of a forked ticket")),
    }
}

/// Opens REQUEST_RESP, as the initiator.
///
/// # Errors
/// A refusal of the server, or it is not its answer.
pub fn open_granted(sender: &Sender<'_>, asked: &[u8], octets: &[u8]) -> Result<Granted, Refused> {
    let (message, keys) = open(sender, Exchange::Request, asked, octets)?;
    let ticket = message.payloads.iter().find_map(|payload| match payload {
        Payload::Ticket(ticket) => Some(Sealed::of(ticket)),
        _ => None,
    });
    let (mpk_i, mpk_r, keys) = split(keys)?;
    Ok(Granted { ticket: ticket.ok_or(Refused::Unexpected("TICKET"))?, mpk_i, mpk_r, keys })
}

/// Opens RESOLVE_RESP, as the responder.
///
/// # Errors
/// A refusal of the server, or it is not its answer.
pub fn open_resolved(sender: &Sender<'_>, asked: &[u8], octets: &[u8]) -> Result<Resolved, Refused> {
    let (message, keys) = open(sender, Exchange::Resolve, asked, octets)?;
    let rand_kms = message.payloads.iter().find_map(|payload| match payload {
        Payload::RandRole { role: RandRole::Kms, rand } => Some(rand.to_vec()),
        _ => None,
    });
    let (mpk_i, mpk_r, keys) = split(keys)?;
    Ok(Resolved { mpk_i, mpk_r, keys, rand_kms })
}
