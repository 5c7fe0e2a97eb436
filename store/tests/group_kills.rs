//! Keys of groups by identities, with the store in place: whatever is killed, no (PGK, member, PTK identity, SN) is used
//! twice, and no UE takes an older GMK than it had (T3.1-4, T3.1-9 of the tests of TR 33.833 §6.3.1).
#![allow(clippy::disallowed_methods, clippy::print_stdout, dead_code, missing_docs)]

/// What the rig of the machine's own tests sees.
mod api {
    pub(crate) use sidelink_prose::group_keys::*;
}
#[path = "../../prose/src/group_keys/tests/disk.rs"]
mod disk;
#[path = "../../prose/src/group_keys/tests/fake.rs"]
mod fake;
#[path = "../../prose/src/group_keys/tests/life.rs"]
mod life;
#[path = "../../prose/src/group_keys/tests/rig.rs"]
mod rig;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use api::{Change, GroupKeyStore, Kept};
use life::{Chance, channel, life, mischief};
use rig::{Disk, Entry, START, World};
use sidelink_security::counter::UtcTime;
use sidelink_security::counter::reserve::{CounterStore, StreamId};
use sidelink_store::KeyStore;

/// Says to the child which folder to work in.
const FOLDER: &str = "SIDELINK_TEST_GROUP";
/// How often the child was started.
const RUN: &str = "SIDELINK_TEST_GROUP_RUN";
/// Number of kills of a campaign.
const KILLS: &str = "SIDELINK_KILLS";

const UES: usize = 4;

/// A key store in a file.
struct Filed {
    path: PathBuf,
    store: Option<KeyStore>,
}

impl Filed {
    fn open(path: PathBuf) -> Self {
        let store = KeyStore::open_or_create(&path).unwrap();
        assert_eq!(store.suspended(), None, "no crash makes a store look like a copy");
        Self { path, store: Some(store) }
    }

    fn store(&mut self) -> &mut KeyStore {
        self.store.as_mut().unwrap()
    }
}

impl Disk for Filed {
    fn apply(&mut self, changes: &[Change]) {
        GroupKeyStore::apply(self.store(), changes).unwrap();
    }

    fn kept(&mut self, now: UtcTime) -> Kept {
        self.store().kept(now).unwrap()
    }

    fn reserved(&self, stream: StreamId) -> u64 {
        self.store.as_ref().unwrap().reserved(&stream).unwrap()
    }

    fn raise(&mut self, stream: StreamId, from: u64, to: u64) -> bool {
        self.store().raise(&stream, from, to).unwrap()
    }

    fn reopen(&mut self) {
        self.store = None;
        *self = Self::open(self.path.clone());
    }
}

fn disks(folder: &Path) -> impl Fn(usize) -> Box<dyn Disk> + '_ {
    |index| Box::new(Filed::open(folder.join(format!("ue{index}.keys"))))
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

/// Lives with crashes at their durable writes and messages, until there were so many.
fn crashes(wanted: u64) {
    let (mut crashes, mut seed, mut points) = (0, 0, 0);
    let begin = Instant::now();
    while crashes < wanted {
        let folder = tempfile::tempdir().unwrap();
        let mut world = World::at(START, seed << 20, UES, disks(folder.path()));
        life(&mut world, seed, seed % 4 == 3, 60);
        crashes += world.crashes;
        points += world.points;
        seed += 1;
        if seed.is_multiple_of(200) {
            println!("{seed} lives, {crashes} crashes at {points} points, {:?}", begin.elapsed());
        }
    }
    println!("{seed} lives, {crashes} crashes at {points} points, {:?}: no COUNT twice", begin.elapsed());
}

#[test]
fn crashes_at_durable_writes_repeat_no_count_and_bring_back_no_gmk() {
    crashes(200);
}

/// `SIDELINK_KILLS=100000 cargo test -p sidelink-store --test group_kills hundred_thousand -- --ignored --nocapture`: about an
/// hour, most of it waiting for the disk.
#[test]
#[ignore = "an hour"]
fn hundred_thousand_crashes_repeat_no_count_and_bring_back_no_gmk() {
    crashes(number(KILLS, 100_000));
}

/// Not a test of itself: the process of four UEs, until it is killed.
#[test]
fn group_process() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let run = number(RUN, 0);
    let (entries, latest) = journal(&folder);
    let parent = std::os::unix::process::parent_id();
    let mut world = World::at(latest.max(START) + 5000, run << 20, UES, disks(&folder));
    let mut file = OpenOptions::new().create(true).append(true).open(folder.join("journal")).unwrap();
    world.journal = Some(Box::new(move |now, entry| {
        let mut line = [0; LINE];
        line[..8].copy_from_slice(&now.to_be_bytes());
        match entry {
            Entry::Count { pgk, ue, count } => {
                line[8] = 1;
                line[9] = ue as u8;
                line[10..14].copy_from_slice(&count.to_be_bytes());
                line[14..46].copy_from_slice(&pgk);
            }
            Entry::Gmk { ue, time } => {
                line[8] = 2;
                line[9] = ue as u8;
                line[14..22].copy_from_slice(&time.to_be_bytes());
            }
        }
        file.write_all(&line).unwrap();
    }));
    let mut chance = Chance::new(run * 7919 + entries.len() as u64);
    // Nobody kills an orphan.
    while std::os::unix::process::parent_id() == parent {
        world.channel = channel(chance.next(u64::MAX), false);
        mischief(&mut world, &mut chance);
    }
}

/// Octets of an entry.
const LINE: usize = 46;

/// Returns the whole entries of the journal, and the latest time in it.
fn journal(folder: &Path) -> (Vec<Entry>, u64) {
    let bytes = std::fs::read(folder.join("journal")).unwrap_or_default();
    assert_eq!(bytes.len() % LINE, 0, "an entry is one write");
    let number = |bytes: &[u8]| u64::from_be_bytes(bytes.try_into().unwrap());
    let mut latest = 0;
    let mut entry = |line: &[u8]| {
        latest = latest.max(number(&line[..8]));
        let ue = usize::from(line[9]);
        match line[8] {
            1 => Entry::Count {
                pgk: line[14..46].try_into().unwrap(),
                ue,
                count: u32::from_be_bytes(line[10..14].try_into().unwrap()),
            },
            _ => Entry::Gmk { ue, time: number(&line[14..22]) },
        }
    };
    let entries = bytes.chunks_exact(LINE).map(&mut entry).collect();
    (entries, latest)
}

fn start(folder: &Path, run: u32) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "group_process", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .env(RUN, run.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

/// Kills the process of four UEs so often, at random instants.
fn kills(wanted: u32) {
    let folder = tempfile::tempdir().unwrap();
    // A store is made before it is used.
    (0..UES).for_each(|index| drop(disks(folder.path())(index)));
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for run in 1..=wanted {
        let mut child = start(folder.path(), run);
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        // Some are killed while they open their stores, most while they live.
        std::thread::sleep(Duration::from_millis(20 + random % 400));
        assert_eq!(child.try_wait().unwrap(), None, "the process ended by itself");
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let (entries, _) = journal(folder.path());
    let (mut counts, mut gmks) = (BTreeSet::new(), BTreeMap::<usize, Vec<u64>>::new());
    for entry in &entries {
        match *entry {
            Entry::Count { pgk, ue, count } => {
                assert!(counts.insert((pgk, ue, count)), "UE {ue} used COUNT {count:08x} twice");
            }
            Entry::Gmk { ue, time } => gmks.entry(ue).or_default().push(time),
        }
    }
    for (ue, times) in &gmks {
        assert!(times.is_sorted_by(|a, b| a < b), "UE {ue} took an older GMK, or one twice");
    }
    let taken: usize = gmks.values().map(Vec::len).sum();
    println!("{wanted} kills: {} PDUs, {taken} GMKs taken; none twice", counts.len());
    assert!(counts.len() as u32 > wanted && taken as u32 > wanted / 2, "hardly any load");
}

#[test]
fn kills_repeat_no_count_and_bring_back_no_gmk() {
    kills(15);
}

/// `SIDELINK_KILLS=500 cargo test -p sidelink-store --test group_kills many_kills -- --ignored --nocapture`: some minutes.
#[test]
#[ignore = "minutes"]
fn many_kills_repeat_no_count_and_bring_back_no_gmk() {
    kills(number(KILLS, 500) as u32);
}
