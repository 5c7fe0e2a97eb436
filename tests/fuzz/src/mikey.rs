//! MIKEY: what parses comes back, and so does what is inside of tickets and extensions.

use super::Target;
use super::wire::blame_bytes;
use sidelink_wire::mikey;

/// MIKEY messages, and the keys in them.
pub const MIKEY: Target = Target { name: "wire_mikey", run, seeds };

fn run(data: &[u8]) -> bool {
    if let Ok(keys) = mikey::KeyData::parse_all(data) {
        let mut out = vec![0; mikey::KeyData::all_len(&keys)];
        mikey::KeyData::emit_all(&keys, &mut out).expect("what was parsed can be emitted");
        assert_eq!(out, data);
    }
    let packet = match mikey::Packet::new_checked(data) {
        Ok(packet) => packet,
        Err(e) => return blame_bytes(e),
    };
    let inside: usize = packet.payloads().map(|raw| raw.body.len()).sum();
    assert!(inside < data.len());
    let repr = match mikey::Repr::parse(&packet) {
        Ok(repr) => repr,
        Err(e) => return blame_bytes(e),
    };
    repr.payloads.iter().for_each(inside_of);
    // Reserved bits of ERR, DH and tickets need not come back: the meaning does.
    let mut out = vec![0; repr.buffer_len()];
    repr.emit(&mut out).expect("what was parsed can be emitted");
    assert_eq!(out.len(), data.len());
    let again = mikey::Packet::new_checked(&out[..]).and_then(|p| mikey::Repr::parse(&p));
    assert_eq!(again.as_ref(), Ok(&repr));
    true
}

/// What a payload has inside comes back too.
fn inside_of(payload: &mikey::Payload<'_>) {
    match payload {
        mikey::Payload::TicketPolicy(policy) => chain(policy.data),
        mikey::Payload::Ticket(ticket) => {
            chain(ticket.policy.data);
            chain(ticket.initiator_data);
            if let Ok(data) = mikey::TicketData::parse(ticket.data) {
                let again = data.emit().expect("what was parsed can be emitted");
                assert_eq!(mikey::TicketData::parse(&again).as_ref(), Ok(&data));
            }
        }
        mikey::Payload::Extension(extension) => inside_of_extension(extension.data),
        _ => {}
    }
}

fn chain(bytes: &[u8]) {
    if let Ok(payloads) = mikey::inner_payloads(bytes) {
        let again = mikey::emit_inner(&payloads).expect("what was parsed can be emitted");
        assert_eq!(mikey::inner_payloads(&again).as_ref(), Ok(&payloads));
    }
}

fn inside_of_extension(data: &[u8]) {
    if let Ok(ids) = mikey::key_ids(data) {
        assert_eq!(mikey::emit_key_ids(&ids).as_deref(), Ok(data));
    }
    if let Ok(sakke) = mikey::Sakke::parse_to_self(data) {
        let again = sakke.emit_to_self().expect("what was parsed can be emitted");
        assert_eq!(mikey::Sakke::parse_to_self(&again), Ok(sakke));
    }
    if let Ok(payload) = mikey::ProtectedParameters::parse(data) {
        let again = payload.emit().expect("what was parsed can be emitted");
        assert_eq!(mikey::ProtectedParameters::parse(&again), Ok(payload));
    }
    if let Ok(parameters) = mikey::KeyParameters::parse(data) {
        assert_eq!(parameters.emit().as_deref(), Ok(data));
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let tag = [0x5a; 32];
    let mac = |algorithm: mikey::MacAlgorithm| mikey::Mac { algorithm, tag: &tag[..algorithm.octets()] };
    let id = mikey::Payload::Id { kind: mikey::IdType::Nai, data: b"0123456789abcdef@pkmf.example.org" };
    let sakke = mikey::Sakke {
        parameters: mikey::SakkeParameters::Set1,
        scheme: mikey::IdentifierScheme::HashedUid,
        data: &[4, 5, 6],
    };
    let to_self = sakke.emit_to_self().expect("three octets fit");
    let sign =
        mikey::Payload::Signature(mikey::Signature { kind: mikey::SignatureType::Eccsi, octets: &[7, 8] });
    let policy = mikey::TicketPolicy {
        ticket_type: mikey::TicketType::GPP_BASE,
        prf: mikey::Prf::HmacSha256,
        flags: mikey::TicketFlags::GPP_BASE,
        data: &[14, 0, 1, 2, 0, 1, 9],
    };
    let ticket = mikey::Ticket { policy, data: &[0, 0, 1, 3], initiator_data: &[] };
    let generic =
        mikey::GenericId { cs_id: 4, protocol: 0, sender: true, policies: &[1], session: &[2, 3], spi: &[4] };
    let srtp = mikey::SrtpId { policy: 0, ssrc: 7, roc: 1 };
    let messages = [
        (
            mikey::DataType::PresharedKey,
            mikey::CsIdMap::Empty,
            vec![
                mikey::Payload::Timestamp(mikey::Timestamp::Counter(9)),
                mikey::Payload::Rand(&[3; 16]),
                id.clone(),
                mikey::Payload::Kemac {
                    encryption: mikey::Encryption::AesCm128,
                    data: &[6; 48],
                    mac: mac(mikey::MacAlgorithm::HmacSha1),
                },
            ],
        ),
        (
            mikey::DataType::PresharedKeyVerification,
            mikey::CsIdMap::Srtp(vec![srtp]),
            vec![
                mikey::Payload::Timestamp(mikey::Timestamp::NtpUtc(77)),
                id,
                mikey::Payload::Verification(mac(mikey::MacAlgorithm::HmacSha256)),
            ],
        ),
        (
            mikey::DataType::Sakke,
            mikey::CsIdMap::Generic(vec![generic]),
            vec![
                mikey::Payload::Extension(mikey::Extension {
                    kind: mikey::ExtensionType::SAKKE_TO_SELF,
                    data: &to_self,
                }),
                mikey::Payload::Policy(mikey::Policy {
                    number: 1,
                    protocol: 0,
                    parameters: vec![(mikey::SrtpParameter::ENCRYPTION, &[1])],
                }),
                mikey::Payload::Error(mikey::ErrorNumber::Unspecified),
                mikey::Payload::Sakke(sakke),
                sign,
            ],
        ),
        (
            mikey::DataType::TransferInit,
            mikey::CsIdMap::Empty,
            vec![
                mikey::Payload::TimestampRole {
                    role: mikey::TimestampRole::End,
                    timestamp: mikey::Timestamp::NtpUtc32(5),
                },
                mikey::Payload::RandRole { role: mikey::RandRole::Initiator, rand: &[3; 16] },
                mikey::Payload::IdRole {
                    role: mikey::IdRole::Responder,
                    kind: mikey::IdType::Uri,
                    data: b"sip:b@example.org",
                },
                mikey::Payload::TicketPolicy(policy),
                mikey::Payload::Ticket(ticket),
            ],
        ),
        (
            mikey::DataType::Dh,
            mikey::CsIdMap::Empty,
            vec![
                mikey::Payload::EnvelopeKey(mikey::EnvelopeKey {
                    cache: mikey::EnvelopeCache::Yes,
                    data: &[1, 2],
                }),
                mikey::Payload::Dh(mikey::DhValue {
                    group: mikey::DhGroup::Oakley1,
                    value: &[9; 96],
                    validity: mikey::Validity::Spi(&[1]),
                }),
                mikey::Payload::Certificate(mikey::Certificate {
                    kind: mikey::CertificateType::X509,
                    data: &[6],
                }),
                mikey::Payload::CertificateHash(mikey::CertificateHash {
                    algorithm: mikey::HashAlgorithm::Md5,
                    hash: &[5; 16],
                }),
            ],
        ),
    ];
    let mut seeds = Vec::new();
    for (data_type, sessions, payloads) in messages {
        let header = mikey::Header {
            data_type,
            wants_verification: true,
            prf: mikey::Prf::HmacSha256,
            csb_id: 0x0102_0304,
            sessions,
        };
        let repr = mikey::Repr { header, payloads };
        let mut out = vec![0; repr.buffer_len()];
        repr.emit(&mut out).expect("has room");
        seeds.push(out);
    }
    seeds
}
