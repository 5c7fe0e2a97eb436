//! What somebody reads of a recorded link who comes by its KD.

use crate::attacks::link::{header, message};
use crate::attacks::methods::{InClear, key_in_clear};
use crate::attacks::tap::Taken;
use crate::experiments::log::TEXT;
use crate::experiments::overlay::is_read;
use crate::experiments::setup::SHARED_KD;
use sidelink_security::cipher::Algorithm;
use sidelink_security::direct::keying::{kd_from_sdes, kd_from_ssv};
use sidelink_security::direct::signed::Subject;
use sidelink_security::direct::{
    Active, Capabilities, Chosen, Command, Kind, Offer, Profile, Proposed, Terms,
};
use sidelink_security::identity::sakke::ReceiverKey;
use sidelink_security::keys::Kd;
use sidelink_wire::ids::{Layer2Id, Lcid};
use sidelink_wire::mikey::{Packet, Payload, Repr};
use sidelink_wire::pc5_signalling::{Body, CommunicationRequest, SecurityModeCommand};
use sidelink_wire::pdcp::{HEADER_LEN, MAC_I_LEN};
use sidelink_wire::sdes::KEY;
use std::collections::BTreeMap;

/// What is found of data that others than UE_2 read.
pub(crate) const READ: &str = "messages of UE_1 read by others";

/// What is found of data that stay closed though the link's keys are there.
const CLOSED: &str = "messages of UE_1 deciphered to more ciphertext";

/// What the reader has besides its recording.
pub(crate) enum Knowledge {
    /// Nothing: what was said on the air has to do.
    Air,
    /// Keys that passed through its hands: of offers and of answers.
    Attributes(Vec<[[u8; KEY]; 2]>),
    /// The KD of the link, and the keys of overlays in crypto attributes, of offers and of answers.
    Operator(Vec<[[u8; KEY]; 2]>),
    /// Keys of the identity to which SAKKE payloads were sent.
    Receiver(Box<ReceiverKey>),
}

/// The names of UE_1 and UE_2, in that order.
const ENDS: [Subject<'static>; 2] =
    [Subject { kind: 1, value: b"mary" }, Subject { kind: 1, value: b"john" }];

/// Reads a recording of the links that UE_1 asked UE_2 for. Returns what came of it.
pub(crate) fn read(taken: &[Taken], pair: [Layer2Id; 2], knowledge: &Knowledge) -> BTreeMap<String, u64> {
    let attributes = taken.iter().filter(|pdu| sidelink_wire::sdes::is_carried(&pdu.octets)).count();
    let kds = kds(taken, pair, knowledge);
    let (mut links, mut data, mut closed) = (0, 0, 0);
    for offer in taken.iter().filter(|pdu| pdu.source == pair[0]).filter_map(offer) {
        for (id, command) in taken.iter().filter(|pdu| pdu.source == pair[1]).filter_map(command) {
            let mut opened = kds.iter().filter_map(|kd| session(taken, pair, kd, (&offer, &command, id)));
            if let Some(mut active) = opened.next() {
                links += 1;
                let read = read_data(taken, pair, &mut active, knowledge);
                (data, closed) = (data + read[0], closed + read[1]);
            }
        }
    }
    let found = [
        ("crypto attributes heard on the air", attributes as u64),
        ("KDs obtained", kds.len() as u64),
        ("session keys obtained", links),
        (CLOSED, closed),
        (READ, data),
    ];
    let found = found.into_iter().filter(|(what, count)| *what != CLOSED || *count > 0);
    found.map(|(what, count)| (what.to_owned(), count)).collect()
}

/// The KDs that follow from what the reader has.
fn kds(taken: &[Taken], pair: [Layer2Id; 2], knowledge: &Knowledge) -> Vec<Kd> {
    match knowledge {
        Knowledge::Attributes(seen) => {
            seen.iter().map(|[offer, answer]| kd_from_sdes(offer, answer, ENDS)).collect()
        }
        Knowledge::Operator(_) => vec![Kd::from(SHARED_KD)],
        Knowledge::Receiver(key) => {
            let payloads = taken.iter().filter_map(payload);
            let keys = payloads.filter_map(|payload| key.decapsulate(&payload).ok());
            keys.map(|ssv| kd_from_ssv(&ssv, None, ENDS)).collect()
        }
        Knowledge::Air => {
            let said = |by: Layer2Id| {
                let all = taken.iter().filter(move |pdu| pdu.source == by);
                all.filter_map(|pdu| match message(&pdu.octets, 0)?.body {
                    Body::Authentication { method: InClear::METHOD, content, .. } => key_in_clear(content),
                    _ => None,
                })
            };
            let pairs = said(pair[0]).flat_map(|offer| said(pair[1]).map(move |answer| [offer, answer]));
            pairs.map(|[offer, answer]| kd_from_sdes(&offer, &answer, ENDS)).collect()
        }
    }
}

/// The SAKKE payload of an I_MESSAGE, or of a command.
fn payload(pdu: &Taken) -> Option<Vec<u8>> {
    let tail = if pdu.lcid == Lcid::PC5_S_SECURITY_MODE { MAC_I_LEN } else { 0 };
    match message(&pdu.octets, tail)?.body {
        Body::Authentication { content, .. } => {
            let repr = Repr::parse(&Packet::new_checked(content).ok()?).ok()?;
            repr.payloads.iter().find_map(|payload| match payload {
                Payload::Sakke(sakke) => Some(sakke.data.to_vec()),
                _ => None,
            })
        }
        Body::SecurityModeCommand(command) => command.encrypted_payload.map(<[u8]>::to_vec),
        _ => None,
    }
}

fn offer(pdu: &Taken) -> Option<Offer> {
    match message(&pdu.octets, 0)?.body {
        Body::CommunicationRequest(CommunicationRequest { nonce, capabilities, kd_sess_msb, .. }) => {
            let capabilities = Capabilities { eea: capabilities.eea, eia: capabilities.eia };
            Some(Offer { nonce_1: nonce, msb: kd_sess_msb, capabilities, stated: None })
        }
        _ => None,
    }
}

/// A command, and the KD-sess ID in the header of its PDU.
fn command(pdu: &Taken) -> Option<(u16, Command)> {
    if pdu.lcid != Lcid::PC5_S_SECURITY_MODE {
        return None;
    }
    let id = header(&pdu.octets)?.kd_sess_id;
    match message(&pdu.octets, MAC_I_LEN)?.body {
        Body::SecurityModeCommand(SecurityModeCommand {
            capabilities,
            nonce,
            algorithms,
            kd_sess_lsb,
            ..
        }) => {
            let chosen = Chosen {
                eea: Algorithm::try_from(algorithms.eea).ok()?,
                eia: Algorithm::try_from(algorithms.eia).ok()?,
            };
            let echo = Capabilities { eea: capabilities.eea, eia: capabilities.eia };
            Some((id, Command { nonce_2: nonce, lsb: kd_sess_lsb, chosen, echo, echo_stated: None }))
        }
        _ => None,
    }
}

/// The keys of a session, as the complete of UE_1 proves them.
fn session(
    taken: &[Taken],
    pair: [Layer2Id; 2],
    kd: &Kd,
    (offer, command, id): (&Offer, &Command, u16),
) -> Option<Active> {
    let terms = Terms { profile: Profile::Lte, up_integrity: false, in_use: None };
    let mut proposed = Proposed::new(terms, kd, offer, command).ok()?;
    if proposed.id().value() != id {
        return None;
    }
    let completes = taken.iter().filter(|pdu| pdu.source == pair[0] && pdu.lcid == Lcid::PC5_S_SECURITY_MODE);
    for pdu in completes {
        let Some(header) = header(&pdu.octets).filter(|header| header.kd_sess_id == id) else { continue };
        let mut octets = pdu.octets.clone();
        match proposed.complete(header.sn, pdu.lcid.value(), &mut octets, HEADER_LEN) {
            Ok((active, _)) => return Some(active),
            Err((still, _)) => proposed = still,
        }
    }
    None
}

/// Counts the data of UE_1 that become text, and those that do not.
fn read_data(taken: &[Taken], pair: [Layer2Id; 2], active: &mut Active, knowledge: &Knowledge) -> [u64; 2] {
    let id = active.id().value();
    let attributes = if let Knowledge::Operator(attributes) = knowledge { &attributes[..] } else { &[] };
    let mut read = [0; 2];
    for pdu in taken.iter().filter(|pdu| pdu.source == pair[0] && pdu.lcid == Lcid::LINK_DATA) {
        let Some(header) = header(&pdu.octets).filter(|header| header.kd_sess_id == id) else { continue };
        let mut octets = pdu.octets.clone();
        let opened = active.open(header.sn, pdu.lcid.value(), Kind::User, &mut octets, HEADER_LEN);
        let starts = [TEXT.as_bytes(), b" "].concat();
        let sdu = &octets[HEADER_LEN..];
        match opened {
            Ok(_) if sdu.starts_with(&starts) || is_read(sdu, attributes) => read[0] += 1,
            Ok(_) => read[1] += 1,
            Err(_) => {}
        }
    }
    read
}
