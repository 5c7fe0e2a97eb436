//! Counters of protected frames across kill -9: the sender of these tests is this very program, run again.
#![allow(clippy::disallowed_methods, clippy::print_stdout)]

use sidelink_security::counter::UtcCounter;
use sidelink_security::counter::reserve::ReserveConfig;
use sidelink_security::group::{SendError, Sender};
use sidelink_store::{Cipher, Group, Hex, KeyStore, Keys};
use sidelink_tests::command::Folder;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// Says to the child which folder to work in.
const FOLDER: &str = "SIDELINK_TEST_SENDER";
/// How often the sender is killed; `SIDELINK_KILLS` says otherwise.
const KILLS: u32 = 100;
/// Small blocks: many reservations, so that a kill falls into one.
const RESERVE: ReserveConfig = ReserveConfig { block: 64, low_water: 32 };
const MEMBER: [u8; 3] = [0, 0, 0xa1];
const NOW: UtcCounter = UtcCounter::new(1000);

fn store_of(folder: &Path) -> PathBuf {
    folder.join("keys")
}

fn sent_of(folder: &Path) -> PathBuf {
    folder.join("sent")
}

/// Not a test of itself: the sender process. It sends as fast as it can, until it is killed. On air is what was written to
/// the file: COUNT and PGK ID of each PDU, then the PDU's protected octets.
#[test]
fn sender_process() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let mut store = KeyStore::open(&store_of(&folder)).unwrap_or_else(|e| {
        eprintln!("{e}");
        std::process::exit(3)
    });
    let group = store.keys().unwrap().group.remove(0);
    let mut sender = Sender::new(group.config().unwrap(), MEMBER);
    let key = group.pgk(&group.pgk[0]).unwrap().unwrap();
    sender.install(key, RESERVE, &mut store).unwrap();
    // The store is on a thread of its own: the sender never waits for it.
    let (wanted, reservations) = mpsc::channel::<sidelink_security::counter::reserve::Reservation>();
    let (durable, granted) = mpsc::channel();
    std::thread::spawn(move || {
        for reservation in reservations {
            if durable.send(reservation.commit(&mut store).unwrap()).is_err() {
                return;
            }
        }
    });
    let mut air = OpenOptions::new().create(true).append(true).open(sent_of(&folder)).unwrap();
    let parent = std::os::unix::process::parent_id();
    loop {
        for reservation in sender.wanted().collect::<Vec<_>>() {
            wanted.send(reservation).unwrap();
        }
        for granted in granted.try_iter() {
            sender.grant(granted);
        }
        match sender.begin(NOW) {
            Ok(ticket) => {
                let count = u32::from(ticket.ptk_identity()) << 16 | u32::from(ticket.sn());
                let mut frame = [0; 16];
                frame[..4].copy_from_slice(&count.to_be_bytes());
                frame[4] = ticket.pgk_id();
                sender.protect(ticket, 1, &mut frame[5..], 5).unwrap();
                air.write_all(&frame).unwrap();
            }
            Err(SendError::Waiting) => {
                // Nobody kills an orphan.
                if std::os::unix::process::parent_id() != parent {
                    return;
                }
                std::thread::yield_now();
            }
            Err(error) => panic!("{error}"),
        }
    }
}

fn start(folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "sender_process", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn prepare(folder: &Path) {
    let mut group = Group {
        name: "fire".into(),
        group_id: Hex(vec![0, 1, 0xa2]),
        cipher: Cipher::Aes,
        mac: None,
        member: Vec::new(),
        pgk: Vec::new(),
    };
    group.new_pgk(0, u32::MAX).unwrap();
    KeyStore::create(&store_of(folder))
        .unwrap()
        .put(&Keys { group: vec![group], ..Keys::default() })
        .unwrap();
    File::create(sent_of(folder)).unwrap();
}

/// The COUNT of every frame that was written whole.
fn sent(folder: &Path) -> Vec<u32> {
    let mut bytes = Vec::new();
    File::open(sent_of(folder)).unwrap().read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes.len() % 16, 0, "a frame is one write of 16 octets");
    bytes.chunks_exact(16).map(|frame| u32::from_be_bytes(frame[..4].try_into().unwrap())).collect()
}

fn len(folder: &Path) -> u64 {
    std::fs::metadata(sent_of(folder)).unwrap().len()
}

fn wait_for_frames(folder: &Path, child: &mut Child, beyond: u64) {
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while len(folder) <= beyond {
        if let Some(status) = child.try_wait().unwrap() {
            let mut text = String::new();
            child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
            panic!("the sender ended with {status}: {text}");
        }
        assert!(std::time::Instant::now() < deadline, "the sender sends nothing");
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// kill -9 at random instants of a sender at full rate: no COUNT twice, and a crash skips no more than is stated.
#[test]
// TS 33.303 §6.2.3.2 (7)
fn no_count_twice_whatever_is_killed() {
    let kills = std::env::var("SIDELINK_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(KILLS);
    let folder = Folder::new("kill");
    prepare(folder.as_path());
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut before = Vec::new();
    for _ in 0..kills {
        let beyond = len(folder.as_path());
        before.push(beyond / 16);
        let mut child = start(folder.as_path());
        // Most are killed while they send, some while they open the store.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        if !random.is_multiple_of(8) {
            wait_for_frames(folder.as_path(), &mut child, beyond);
        }
        std::thread::sleep(Duration::from_micros(random >> 8 & 0x7fff));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let counts = sent(folder.as_path());
    assert!(counts.len() as u32 > 10 * kills, "{} frames", counts.len());
    let mut most = 0;
    for (i, pair) in counts.windows(2).enumerate() {
        assert!(pair[0] < pair[1], "COUNT {:08x} after {:08x}", pair[1], pair[0]);
        let skipped = u64::from(pair[1] - pair[0] - 1);
        // A process that was killed before it sent anything may have reserved, too.
        let crashes = before.iter().filter(|&&b| b == i as u64 + 1).count() as u64;
        // SN 0 is never sent: one more where the PTK identity changes.
        let allowed = crashes * RESERVE.max_skip() + u64::from(pair[1] >> 16 != pair[0] >> 16);
        assert!(skipped <= allowed, "{skipped} skipped by {crashes} crashes at {:08x}", pair[0]);
        most = most.max(skipped);
    }
    println!("{kills} kills, {} frames, at most {most} COUNT values skipped at once", counts.len());
}

/// A second sender on the same store is refused with a clear message, and the first goes on.
#[test]
fn the_second_of_two_senders_is_refused() {
    let folder = Folder::new("two");
    prepare(folder.as_path());
    let mut first = start(folder.as_path());
    wait_for_frames(folder.as_path(), &mut first, 0);
    let second = start(folder.as_path()).wait_with_output().unwrap();
    assert_eq!(second.status.code(), Some(3));
    let text = String::from_utf8_lossy(&second.stderr);
    assert!(text.contains("another process uses this key store"), "{text}");
    let so_far = len(folder.as_path());
    wait_for_frames(folder.as_path(), &mut first, so_far);
    first.kill().unwrap();
    first.wait().unwrap();
    let counts = sent(folder.as_path());
    assert!(counts.windows(2).all(|pair| pair[0] < pair[1]));
}
