//! SRTP against libsrtp, through pylibsrtp of Python.

#![allow(clippy::disallowed_methods)] // tests start programs

use sidelink_security::srtp::{MasterKey, Receiver, Sender, SrtpProfile};
use sidelink_tests::program::program;
use sidelink_wire::hex::of_bytes;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const SSRC: u32 = 0x6d61_7279;

fn in_project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// The interpreter, if it has pylibsrtp.
fn python() -> Option<String> {
    let python = program("SIDELINK_PYTHON", ["python", "python3"], &["-c", "import json"])?;
    let has = Command::new(&python).args(["-c", "import pylibsrtp"]).stderr(Stdio::null()).status();
    if has.is_ok_and(|status| status.success()) {
        return Some(python);
    }
    eprintln!("SKIPPED: no pylibsrtp (pip install pylibsrtp, or run ./test without --offline)");
    None
}

fn rtp(sequence: u16, payload: &[u8]) -> Vec<u8> {
    let [high, low] = sequence.to_be_bytes();
    [&[0x80, 97, high, low, 0, 0, 0, 1][..], &SSRC.to_be_bytes(), payload].concat()
}

/// Runs the script over lines; each has an answer.
fn ask(python: &str, profile: &str, key: &[u8], lines: &[String]) -> Vec<Option<Vec<u8>>> {
    let mut child = Command::new(python)
        .arg(in_project("tests/python/srtp_peer.py"))
        .args([profile, &of_bytes(key)])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all((lines.join("\n") + "\n").as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let answers: Vec<_> =
        String::from_utf8(output.stdout).unwrap().lines().map(sidelink_wire::hex::bytes).collect();
    assert_eq!(answers.len(), lines.len());
    answers
}

/// Sequence numbers across two wraps, of which the second half of each window is skipped.
const SEQUENCES: [u16; 9] = [65_000, 65_001, 65_535, 3, 30_000, 60_000, 1, 2, 9];

#[test]
fn packets_of_libsrtp_open_here_and_ours_there() {
    let Some(python) = python() else { return };
    let key: Vec<u8> = (1..=16).collect();
    let salt: Vec<u8> = (0xa1..=0xae).collect();
    let long = MasterKey::new(key.clone().try_into().unwrap(), salt.clone().try_into().unwrap());
    let gcm = MasterKey::with_gcm_salt(key.clone().try_into().unwrap(), salt[..12].try_into().unwrap());
    for (name, profile, master, salt) in [
        ("80", SrtpProfile::AesCm128HmacSha1Tag80, &long, &salt[..]),
        ("32", SrtpProfile::AesCm128HmacSha1Tag32, &long, &salt[..]),
        ("gcm", SrtpProfile::AeadAes128Gcm, &gcm, &salt[..12]),
    ] {
        let (mut sender, mut receiver) =
            (Sender::new(profile, master, SSRC), Receiver::new(profile, master, SSRC));
        let plain: Vec<Vec<u8>> =
            SEQUENCES.iter().map(|sequence| rtp(*sequence, format!("voice {sequence}").as_bytes())).collect();
        let protect = |packet: &Vec<u8>| {
            let mut packet = packet.clone();
            sender.protect(&mut packet).unwrap();
            packet
        };
        let ours: Vec<Vec<u8>> = plain.iter().map(protect).collect();
        let mut altered = ours[8].clone();
        altered[14] ^= 1;
        let mut lines: Vec<String> =
            plain.iter().map(|packet| format!("protect {}", of_bytes(packet))).collect();
        // The last one altered first, then all in their order, and the last one once more.
        let last = &ours[8];
        let opened = [&ours[..8], &[altered, last.clone(), last.clone()]].concat();
        lines.extend(opened.iter().map(|packet| format!("open {}", of_bytes(packet))));
        let key_and_salt = [&key[..], salt].concat();
        let answers = ask(&python, name, &key_and_salt, &lines);
        let (protected, opened) = answers.split_at(plain.len());
        for ((theirs, ours), plain) in protected.iter().zip(&ours).zip(&plain) {
            let mut theirs = theirs.clone().unwrap();
            assert_eq!(&theirs, ours, "{name}: the same octets");
            receiver.unprotect(&mut theirs).unwrap();
            assert_eq!(&theirs, plain);
        }
        let expected: Vec<_> =
            plain[..8].iter().cloned().map(Some).chain([None, Some(plain[8].clone()), None]).collect();
        assert_eq!(opened, expected, "{name}");
    }
}
