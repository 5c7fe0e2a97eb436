//! Octets on the air and outputs of the machine, for fixed seeds: this test detects changes of the code that were meant
//! to change neither. `TRANSCRIPT=FOLDER` writes every transcript into a folder, to be compared line by line;
//! `TRANSCRIPT_ACCEPT=1` rewrites the hashes.

mod world;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sidelink_security::direct::Profile;
use world::{Lcg, Rules, World};

const GOLDEN: &str = include_str!("golden.txt");

/// Returns every script with its transcript.
fn transcripts() -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for profile in [Profile::Lte, Profile::Nr] {
        for lost in 0u32..64 {
            let rules = Rules { profile, ..Rules::default() };
            all.insert(format!("{profile:?} shared lost {lost:06b}"), life(rules, lost));
        }
        for lost in [0, 1, 2, 4, 8, 16, 32, 64, 128, 3, 12, 48, 192] {
            let rules = Rules { profile, shared: false, signed: true, ..Rules::default() };
            all.insert(format!("{profile:?} signed lost {lost:08b}"), life(rules, lost));
        }
        for seed in 0..64 {
            let rules = Rules::of_flags(profile, seed as u8);
            all.insert(format!("{profile:?} random {seed:02}"), random(rules, seed));
        }
        let rules = Rules { profile, ..Rules::default() };
        all.insert(format!("{profile:?} glare"), glare(rules));
        all.insert(format!("{profile:?} cookies"), cookies(profile));
        all.insert(format!("{profile:?} identifiers"), identifiers(profile));
    }
    all
}

/// Runs set-up, data, re-keying by either side, a silence, release; the bits of `lost` select the first PDUs that are
/// lost.
fn life(rules: Rules, lost: u32) -> String {
    let mut world = World::new(2, rules);
    world.lost = lost;
    world.connect(0, 1);
    world.run(1500);
    world.send(0, 1, b"one");
    world.send(1, 0, b"two");
    for (from, to) in [(0, 1), (1, 0)] {
        world.lost = lost;
        world.rekey(from, to, rules.signed);
        world.send(to, from, b"under way");
        world.run(1500);
    }
    world.trigger(0, 1);
    world.run(3000);
    world.lost = lost;
    world.release(1, 0);
    world.run(1000);
    world.out
}

/// Both ends request at once: a link, keys, identifiers.
fn glare(rules: Rules) -> String {
    let mut world = World::new(3, rules);
    world.connect(0, 1);
    world.connect(1, 0);
    world.connect(2, 0);
    world.run(1500);
    world.rekey(0, 1, false);
    world.rekey(1, 0, false);
    world.run(1500);
    world.update(1, 0);
    world.rekey(0, 1, false);
    world.run(1500);
    world.restart(0);
    world.connect(0, 1);
    world.run(30_000);
    world.out
}

fn cookies(profile: Profile) -> String {
    let rules = Rules { profile, shared: false, signed: true, ..Rules::default() };
    let mut world = World::new(3, rules);
    world.connect(0, 1);
    let request = world.flying[0].clone();
    for number in 0u32..80 {
        world.inject(&request, number);
        world.run(4);
    }
    world.connect(2, 1);
    world.run(3000);
    world.out
}

fn identifiers(profile: Profile) -> String {
    let mut world = World::new(2, Rules { profile, privacy: true, ..Rules::default() });
    world.connect(0, 1);
    world.run(5000);
    for lost in 0..8 {
        world.lost = lost;
        world.update((lost & 1) as usize, 1 - (lost & 1) as usize);
        world.send(0, 1, b"a");
        world.send(1, 0, b"b");
        world.run(1200);
    }
    world.out
}

/// Runs random events over an air that loses, repeats and delays.
fn random(rules: Rules, seed: u64) -> String {
    let mut chance = Lcg(seed * 0x9e37_79b9 + 1);
    let mut world = World::new(3, rules);
    world.channel = Some(Lcg(seed + 99));
    for _ in 0..120 {
        let (a, b) = [(0, 1), (1, 0), (0, 2), (2, 1)][chance.below(4)];
        match chance.below(12) {
            0..=2 => world.connect(a, b),
            3 => world.rekey(a, b, false),
            4 => world.rekey(a, b, true),
            5 => world.update(a, b),
            6 => world.trigger(a, b),
            7 if chance.below(4) == 0 => world.release(a, b),
            8 if chance.below(6) == 0 => world.restart(a),
            9 => world.failing = chance.below(8) == 0,
            _ => world.send(a, b, b"data"),
        }
        world.run([20, 40, 80, 200, 1000, 1400][chance.below(6)]);
    }
    world.out
}

fn fnv(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[test]
#[expect(clippy::disallowed_methods, reason = "transcripts are written on request")]
// TS 24.334 §10.4.3.3 (1); TS 24.334 §10.4.3.5.1 (1); TS 36.321 §6.2.4 LCID (3)
fn the_same_seeds_give_the_same_octets() {
    let all = transcripts();
    let mut golden = String::new();
    for (name, text) in &all {
        writeln!(golden, "{:016x} {:4} {name}", fnv(text), text.lines().count()).unwrap();
    }
    if let Ok(folder) = std::env::var("TRANSCRIPT") {
        for (name, text) in &all {
            std::fs::write(format!("{folder}/{}", name.replace(' ', "_")), text).unwrap();
        }
    }
    if std::env::var("TRANSCRIPT_ACCEPT").is_ok() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/transcript/golden.txt"), golden).unwrap();
        return;
    }
    let differing: Vec<_> =
        golden.lines().filter(|line| !GOLDEN.lines().any(|known| known == *line)).collect();
    assert!(differing.is_empty(), "transcripts changed:\n{}", differing.join("\n"));
    assert_eq!(golden.lines().count(), GOLDEN.lines().count());
}
