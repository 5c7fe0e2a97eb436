//! tshark reads our MIKEY messages on UDP port 2269: what it knows, which is neither tickets nor HMAC-SHA-256-256.
//!
//! Skipped, loudly, where it is not installed. `SIDELINK_TSHARK` names the program; what is named must work.
#![allow(clippy::disallowed_methods)] // another program is run

use std::io::Write;
use std::process::{Command, Stdio};

use sidelink_prose::mikey::NtpTime;
use sidelink_prose::mikey::i_message::{self, Content, Draws, Form, Recipient, Sender};
use sidelink_prose::mikey::identity::{Kms, PublicKey};
use sidelink_prose::mikey::psk::{self, Message};
use sidelink_prose::mikey::suite::Hash;
use sidelink_security::counter::UtcTime;
use sidelink_security::identity::master::{AuthenticationSecret, EncryptionSecret};
use sidelink_security::key_period::KeyPeriods;
use sidelink_wire::mikey::{
    CsIdMap, IdType, KeyData, KeyKind, PORT, Policy, SrtpId, SrtpParameter, Timestamp, Validity,
};

fn tshark() -> Option<String> {
    let named = std::env::var("SIDELINK_TSHARK").ok();
    let program = named.clone().unwrap_or_else(|| "tshark".to_owned());
    if Command::new(&program).arg("--version").output().is_ok_and(|output| output.status.success()) {
        return Some(program);
    }
    assert!(named.is_none(), "SIDELINK_TSHARK={program} does not work");
    eprintln!("SKIPPED: no tshark (set SIDELINK_TSHARK)");
    None
}

/// A capture of IPv4 packets, one datagram each.
fn pcap(datagrams: &[Vec<u8>]) -> Vec<u8> {
    const RAW_IP: u32 = 101;
    let mut out = Vec::new();
    for word in [0xa1b2_c3d4, 0x0002_0004, 0, 0, 0xffff, RAW_IP] {
        out.extend(u32::to_be_bytes(word));
    }
    for datagram in datagrams {
        let (udp, ip) = (8 + datagram.len() as u16, 28 + datagram.len() as u16);
        for word in [1, 0, u32::from(ip), u32::from(ip)] {
            out.extend(word.to_be_bytes());
        }
        out.extend([0x45, 0]);
        out.extend(ip.to_be_bytes());
        out.extend([0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        for half in [PORT, PORT, udp, 0] {
            out.extend(half.to_be_bytes());
        }
        out.extend(datagram);
    }
    out
}

/// The fields of each packet, one string per field; several values of one field are joined by commas.
fn fields(program: &str, datagrams: &[Vec<u8>], names: &[&str]) -> Vec<Vec<String>> {
    let names = names.iter().flat_map(|name| ["-e", name]);
    let mut command = Command::new(program);
    command.args(["-r", "-", "-T", "fields"]).args(names);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A few kilooctets: a pipe takes them at once.
    child.stdin.take().unwrap().write_all(&pcap(datagrams)).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

const TIME: UtcTime = UtcTime::from_millis(1_795_989_600_000);

fn i_messages() -> Vec<Vec<u8>> {
    let authentication = AuthenticationSecret::generate(&[5; 64]).unwrap();
    let encryption = EncryptionSecret::generate(&[5; 144]).unwrap();
    let kms = Kms { uri: "kms.example.org", periods: KeyPeriods::Months, kpak: authentication.public_key() };
    let identifier = kms.identifier("tel:+15550100", TIME).unwrap();
    let key = authentication.issue(&identifier, &[6; 64]).unwrap();
    let sender = Sender { identity: "tel:+15550100", kms, key: &key };
    let public_key = PublicKey::Once(encryption.public_key());
    let recipient = Recipient { identity: "tel:+15550101", kms, public_key };
    let stream = SrtpId { policy: 0, ssrc: 0xcafe_babe, roc: 1 };
    let policy = Policy { number: 0, protocol: 0, parameters: SrtpParameter::PCK_PROFILE.to_vec() };
    let plain = Content::new(0x1234_5678, NtpTime::from_utc(TIME));
    let srtp = Content { sessions: CsIdMap::Srtp(vec![stream]), policies: vec![policy], ..plain.clone() };
    let draws = Draws { rand: [0x11; 16], iv: [0x22; 16], nonce: [0x33; 32] };
    let make =
        |content, form| i_message::make(&sender, &recipient, &[7; 16], content, &form, &draws).unwrap();
    let copied = Form { copy_to_self: Some(public_key), ..Form::default() };
    vec![make(&plain, Form::default()), make(&srtp, copied)]
}

#[test]
fn i_messages_are_shown_whole() {
    let Some(tshark) = tshark() else { return };
    let messages = i_messages();
    let rows = fields(
        &tshark,
        &messages,
        &[
            "mikey.type",
            "mikey.csb_id",
            "mikey.prf_func",
            "mikey.cs_id_map_type",
            "mikey.srtp_id.ssrc",
            "mikey.t.ts_type",
            "mikey.rand.data",
            "mikey.id.role",
            "mikey.id.data",
            "mikey.sp.param.type",
            "mikey.sakke.params",
            "mikey.sakke.idscheme",
            "mikey.sakke.len",
            "mikey.ext.type",
            "mikey.sign.type",
            "mikey.sign.len",
            "_ws.malformed",
        ],
    );
    let [plain, srtp] = &rows[..] else { panic!("{rows:?}") };
    let (rand, names) = ("11".repeat(16), "tel:+15550100,tel:+15550101,kms.example.org,kms.example.org");
    let common = ["26", "0x12345678", "1"];
    let ends = ["1", "1", "273"];
    let signed = ["2", "129", ""];
    let middle = ["0", &rand, "1,2,6,7", names];
    assert_eq!(plain[..], [&common[..], &["1", ""], &middle, &[""], &ends, &[""], &signed].concat());
    let srtp_map = ["0", "0xcafebabe"];
    let expected = [&common[..], &srtp_map, &middle, &["0,1,4,5,6,20"], &ends, &["6"], &signed].concat();
    assert_eq!(srtp[..], expected);
}

#[test]
fn messages_under_a_pre_shared_key_are_shown_whole() {
    let Some(tshark) = tshark() else { return };
    let key = KeyData {
        kind: KeyKind::Tek,
        key: &[7; 32],
        salt: None,
        validity: Validity::Interval { from: &[1], to: &[2] },
    };
    let message = Message {
        initiator: Some((IdType::Nai, b"a@example.org")),
        responder: Some((IdType::Nai, b"b@example.org")),
        keys: vec![key],
        hash: Hash::HmacSha1,
        answer: psk::Answer::Wanted,
        ..Message::new(9, Timestamp::NtpUtc(0xee00_0000_0000_0000), &[0x11; 16])
    };
    let octets = psk::make(&[1; 32], &message, None).unwrap();
    let received = psk::Received::parse(&octets).unwrap();
    let answer = received.verify(&[1; 32], None).unwrap().verification(None).unwrap();
    let rows = fields(
        &tshark,
        &[octets.clone(), answer.clone()],
        &[
            "mikey.type",
            "mikey.v.set",
            "mikey.csb_id",
            "mikey.id.data",
            "mikey.kemac.encr_alg",
            "mikey.kemac.key_data_len",
            "mikey.kemac.mac_alg",
            "mikey.kemac.mac",
            "mikey.v.auth_alg",
            "mikey.v.ver_data",
            "_ws.malformed",
        ],
    );
    let [message, verification] = &rows[..] else { panic!("{rows:?}") };
    let mac = |octets: &[u8]| sidelink_wire::hex::of_bytes(&octets[octets.len() - 20..]);
    let names = "a@example.org,b@example.org";
    assert_eq!(message[..], ["0", "1", "0x00000009", names, "1", "40", "1", &mac(&octets), "", "", ""]);
    assert_eq!(verification[..], ["1", "0", "0x00000009", "", "", "", "", "", "1", &mac(&answer), ""]);
}
