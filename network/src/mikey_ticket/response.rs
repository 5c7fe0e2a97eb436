//! REQUEST_RESP and RESOLVE_RESP. RFC 6043 §4.2.1.2, §4.2.3.2.

use sidelink_security::counter::UtcTime;
use sidelink_security::mikey::ticket::{Forked, fork};
use sidelink_wire::mikey::{
    CsIdMap, DataType, Encryption, Header, IdRole, KeyKind, Mac, MacAlgorithm, Payload, RandRole, Repr,
    TicketFlags,
};
use zeroize::Zeroizing;

use super::initial::{Exchange, Proven};
use super::ticket::{Content, Sealed};
use super::{Key, Refused, encryption, id_payload, key_data, ntp, prf};

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
    answer(request, now, kms, &keys, [Some(Payload::Ticket(ticket.payload())), None, None])
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
        return answer(request, now, kms, &keys, [None, None, None]);
    }
    let forked = |what, key: &[u8]| fork(prf(content.prf), what, key, user, rand_kms);
    let mut keys = mpks(&content.mpk_i, Some(&forked(Forked::MpkR, &content.mpk_r)?));
    for key in &content.keys {
        let mut key = key.clone();
        if key.kind == KeyKind::Tgk {
            key.key = forked(Forked::Tgk, &key.key)?;
        }
        keys.push(key);
    }
    let rand = Payload::RandRole { role: RandRole::Kms, rand: rand_kms };
    answer(request, now, kms, &keys, [None, Some(id_payload(IdRole::Responder, user)), Some(rand)])
}

/// The keys that protect messages, each called by an SPI: MPKr of forked tickets alone.
fn mpks(mpk_i: &[u8], mpk_r: Option<&[u8]>) -> Vec<Key> {
    let key = |key: &[u8], spi| Key { kind: KeyKind::Mpk, key: Zeroizing::new(key.to_vec()), spi: vec![spi] };
    [Some(key(mpk_i, 0)), mpk_r.map(|mpk_r| key(mpk_r, 1))].into_iter().flatten().collect()
}

/// Makes an answer: T, IDRkms, one payload in front of KEMAC and two behind it, V.
fn answer(
    request: &Proven<'_>,
    now: UtcTime,
    kms: &str,
    keys: &[Key],
    [before, after, last]: [Option<Payload<'_>>; 3],
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
    payloads.extend(before);
    payloads.push(kemac);
    payloads.extend(after.into_iter().chain(last));
    let empty = [0; 32];
    let tag_len = request.mac.octets();
    payloads.push(Payload::Verification(Mac { algorithm: request.mac, tag: &empty[..tag_len] }));
    let mut octets = Repr { header, payloads }.to_octets()?;
    let end = octets.len() - tag_len;
    let tag = request.answer_keys.mac(&[&octets[..end], request.octets]);
    octets[end..].copy_from_slice(&tag);
    Ok(octets)
}
