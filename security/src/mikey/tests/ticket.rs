//! Tickets: values of an independent program; no published ones exist.

use super::super::ticket::*;
use super::super::{MacAlgorithm, Prf, TrafficKey};
use super::hex_text as hex;

const PSK_I: &str = "c196560eeb7c6f4aeb2796235e20642e";
const MPK: &str = "eaeaa6917cb2cea9285c66fa14dab730";
const TGK: &str = "856f245da974a8a89f077f6bade7dfef";
const RAND_I: &str = "1b06e4f2e5f1ed54b00e31ee2265d192";
const RAND_R: &str = "ef305de0af764360b18433b73bb86614";
const RAND_KMS: &str = "224b4fbdf2a2133ab696efed78efb459";
const TICKET_RAND: &str = "0927a608c0043e810a46cc7ebc90ab66";
const MPKI: &str = "086e80f717c5c0df138cb907ebc18ac9";
const MPKR: &str = "347ab438d441c911b3fc5b7ac88bb455";
const TPK: &str = "3d20f7742d434f1b5e55c44ce3d912ba";
const MPKR_FORKED: &str = "10b9c235c39d1372e143b02c95053739";
const TGK_FORKED: &str = "49d2e55dae5a17c1bcb6f9a1cee81d0d";
/// TEK of CS ID 0: both RANDs, without and with forking.
const TEK: [&str; 2] = ["6b10bc572a192848ad0008bac05c3ba8", "f0fe75529894af8597a54b44a493400e"];

/// REQUEST_INIT_PSK, whose MAC covers the identities too.
const REQUEST: &str = "010b05010101010100010f00e9000001000000000e01101b06e4f2e5f1ed54b00e31ee2265d1920e0101000f7369703a7565314074657374626564100301000b6b6d732e74657374626564090001010103f5e000470e0e0301000b6b6d732e746573746265640d0101000f7369703a75653140746573746265640d0203e90000000e0303e9000e10000201000f7369703a75653240746573746265640002613b93ba52d17d54bdefcbf155ded952315be61fdc7a3c374c24c7ebc7498c83";

/// REQUEST_RESP.
const RESPONSE: &str = "010d05010101010100010e00e900000300000000110301000b6b6d732e74657374626564010001010103f5e000470e0e0301000b6b6d732e746573746265640d0101000f7369703a75653140746573746265640d0203e90000000e0303e9000e10000201000f7369703a756532407465737462656400720500000b00e90000020000000001100927a608c0043e810a46cc7ebc90ab660901002c48f2d2f3ce8b885589153a7ea7a6e43b4bc44b522ce96494aa1c8602f4fc4fb78e4cc82bfd4d2d8d6c911c9c0000026b7451f0d2486a5e45b522172ea0a55141c6623f6cc1038ab9aa63f1e48a225800000901002c5ec953df7b77d472c54c7321d29c55ba57348f38991040ae27d59f3d556f25886b59dbaca357745854cffc9a00000211b6b0c199ad05f64793b331283aacb8ae3f041ed9e780e9fff25012579ecc98";
/// Initiator data of TRANSFER_INIT: Vi, Vr.
const INITIATOR_DATA: &str = "0909021ec863fbf6a8b6f7d71d8507fcc6a11345a25dfbc9a6e7b3292128fa1f6b63c00002faba2d7660da1b7a838006cea2a7725cef4b895bd8a2d8b8525f3e7ecbc7fe1d";

const RESPONDER: &[u8] = b"sip:ue2@testbed";
const CSB_ID: u32 = 0x0101_0101;

fn rands(initiator: &str, responder: &str) -> Rands {
    Rands::new(&hex(initiator), &hex(responder)).unwrap()
}

#[test]
fn keys_of_a_ticket_and_what_becomes_of_them() {
    let [mpk_i, mpk_r] = mpks(Prf::HmacSha256, &hex(MPK), &hex(TICKET_RAND)).unwrap();
    assert_eq!((&mpk_i[..], &mpk_r[..]), (&hex(MPKI)[..], &hex(MPKR)[..]));
    let forked = |what, key: &[u8]| fork(Prf::HmacSha256, what, key, RESPONDER, &hex(RAND_KMS)).unwrap();
    assert_eq!(forked(Forked::MpkR, &mpk_r)[..], hex(MPKR_FORKED));
    assert_eq!(forked(Forked::Tgk, &hex(TGK))[..], hex(TGK_FORKED));
    for (tgk, expected) in [TGK, TGK_FORKED].into_iter().zip(TEK) {
        let mut tek = [0; 16];
        let rands = rands(RAND_I, RAND_R);
        traffic_key(Prf::HmacSha256, TrafficKey::Tek, &hex(tgk), 1, &rands, &mut tek);
        assert_eq!(tek[..], hex(expected));
    }
}

#[test]
fn messages_of_another_program_prove_themselves() {
    let keys = |direction| {
        let rands = rands(RAND_I, "");
        message_keys(&hex(PSK_I), Prf::HmacSha256, MacAlgorithm::HmacSha256, CSB_ID, direction, &rands)
    };
    let (request, response) = (hex(REQUEST), hex(RESPONSE));
    let (covered, tag) = request.split_at(request.len() - 32);
    let identities: [&[u8]; 2] = [b"sip:ue1@testbed", b"kms.testbed"];
    assert_eq!(keys(Direction::Initial).verify(&[covered, identities[0], identities[1]], tag), Ok(()));
    assert!(keys(Direction::Response).verify(&[covered, identities[0], identities[1]], tag).is_err());
    let (covered, tag) = response.split_at(response.len() - 32);
    assert_eq!(keys(Direction::Response).verify(&[covered, &request], tag), Ok(()));
    assert!(keys(Direction::Initial).verify(&[covered, &request], tag).is_err());
}

#[test]
fn a_base_ticket_of_another_program_proves_itself() {
    let response = hex(RESPONSE);
    // From behind the octet of the next payload to the end of the ticket data.
    let issued = &response[37..233];
    let keys = ticket_keys(&hex(TPK), Prf::HmacSha256, MacAlgorithm::HmacSha256, &hex(TICKET_RAND)).unwrap();
    let (covered, tag) = issued.split_at(issued.len() - 32);
    assert_eq!(keys.verify(&[covered], tag), Ok(()));
    let other = ticket_keys(&hex(TPK), Prf::HmacSha256, MacAlgorithm::HmacSha256, &[1; 16]).unwrap();
    assert!(other.verify(&[covered], tag).is_err());
}

#[test]
fn initiator_data_of_another_program_prove_themselves() {
    let data = hex(INITIATOR_DATA);
    let keys = initiator_data_keys(&hex(MPKR), Prf::HmacSha256, MacAlgorithm::HmacSha256);
    let (covered, tag) = data.split_at(data.len() - 32);
    assert_eq!(keys.verify(&[covered], tag), Ok(()));
}

#[test]
fn what_does_not_fit_a_label_is_refused() {
    let long = vec![0; 256];
    assert_eq!(Rands::new(&long, &[]), Err(TooLong { what: "RANDRi", octets: 256 }));
    assert!(Rands::new(&long[1..], &[]).is_ok());
    assert_eq!(Rands::new(&[], &long), Err(TooLong { what: "RANDRr", octets: 256 }));
    assert!(mpks(Prf::Mikey1, &[1], &long).is_err());
    assert!(ticket_keys(&[1], Prf::Mikey1, MacAlgorithm::HmacSha1, &long).is_err());
    let id = vec![0; 0x1_0000];
    assert_eq!(
        fork(Prf::Mikey1, Forked::Tgk, &[1], &id, &[]),
        Err(TooLong { what: "IDRr", octets: 0x1_0000 })
    );
    assert!(fork(Prf::Mikey1, Forked::Tgk, &[1], &id[1..], &[]).is_ok());
    assert!(fork(Prf::Mikey1, Forked::Tgk, &[1], &[], &long).is_err());
}

/// Each label has its own constant, direction and lengths: no two keys are alike.
#[test]
fn no_two_keys_are_alike() {
    let key = [3; 32];
    let rands = |a: &[u8], b: &[u8]| Rands::new(a, b).unwrap();
    let mut seen: Vec<Vec<u8>> = Vec::new();
    for (a, b) in [(&[1, 2][..], &[3][..]), (&[1], &[2, 3]), (&[], &[1, 2, 3])] {
        let rands = rands(a, b);
        for direction in [Direction::Initial, Direction::Response] {
            let keys = message_keys(&key, Prf::HmacSha256, MacAlgorithm::HmacSha256, 1, direction, &rands);
            seen.push(keys.mac(&[b"x"]));
        }
        for purpose in [TrafficKey::Tek, TrafficKey::Authentication, TrafficKey::Encryption, TrafficKey::Salt]
        {
            let mut out = vec![0; 32];
            traffic_key(Prf::HmacSha256, purpose, &key, 0xff, &rands, &mut out);
            seen.push(out);
        }
    }
    seen.push(initiator_data_keys(&key, Prf::HmacSha256, MacAlgorithm::HmacSha256).mac(&[b"x"]));
    for what in [Forked::MpkR, Forked::Tgk] {
        seen.push(fork(Prf::HmacSha256, what, &key, b"a", b"b").unwrap().to_vec());
    }
    seen.extend(mpks(Prf::HmacSha256, &key, b"b").unwrap().map(|key| key.to_vec()));
    let count = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!((seen.len(), count), (23, 23));
}
