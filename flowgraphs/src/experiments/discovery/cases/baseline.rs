//! What the keys of the final specification hide, and who reads what.

use super::{AttackCase, Expect, Findings, Game, small};
use crate::experiments::discovery::attackers::{Heard, Injector, Recorder};
use crate::experiments::discovery::builds::restricted::{ENCRYPTED, Restricted, Way, material};
use crate::experiments::discovery::builds::{Kind, Networked, Proof, code};
use crate::experiments::discovery::engine::{Cast, Run, run_world};
use crate::experiments::discovery::judge::Conclusion;
use crate::experiments::discovery::program::Who;
use crate::experiments::discovery::setting::Setting;
use sidelink_security::counter::{LsbWidth, UtcTime};
use sidelink_security::discovery::Code;
use sidelink_security::discovery::restricted::Material;
use sidelink_wire::pc5_discovery::MessageType;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

pub(super) const ALL: &[AttackCase] = &[
    AttackCase {
        name: "attack-discovery-bitmask",
        what: "T2.0-1: Encrypted-Bitmasks of 0, of 1 and of chance: exactly the marked bits change, and come back",
        expect: Expect::Stopped,
        play: bitmask,
    },
    AttackCase {
        name: "attack-discovery-fewer-keys",
        what: "T2.0-2: receivers with one key less than the sender",
        expect: Expect::Stopped,
        play: fewer_keys,
    },
    AttackCase {
        name: "attack-discovery-unkeyed",
        what: "T2.0-3: A0 without keys reads type and counter LSB, and nothing else",
        expect: Expect::Stopped,
        play: unkeyed,
    },
    AttackCase {
        name: "attack-discovery-report-flood",
        what: "T2.0-4: a flood of match reports of false blocks: limited, and others are still answered",
        expect: Expect::Stopped,
        play: report_flood,
    },
    AttackCase {
        name: "attack-discovery-shared-prefix",
        what: "T2.0-5: two codes with one prefix and different keys: each is told once, under its own",
        expect: Expect::Stopped,
        play: shared_prefix,
    },
];

/// Runs restricted discovery with a recorder.
fn recorded(setting: &Setting, world: Restricted) -> anyhow::Result<(Run, Heard)> {
    let (recorder, heard) = Recorder::new(setting, 0);
    let cast = Cast { programs: vec![Box::new(recorder)], ..Cast::default() };
    Ok((run_world(Box::new(world), setting, cast)?, heard))
}

/// Blocks that UEs sent and that were heard, with their UEs.
fn heard_of(run: &Run, heard: &Heard) -> Vec<(usize, [u8; 29], u64)> {
    let sent: HashMap<(u64, [u8; 29]), usize> =
        run.sent.iter().map(|sent| ((sent.slot.t, sent.message), sent.node)).collect();
    let of = |block: &crate::experiments::discovery::program::HeardBlock| {
        let first = block.slot.t - u64::from(block.since_first);
        Some((*sent.get(&(first, block.message))?, block.message, block.slot.utc.millis()))
    };
    heard.borrow().iter().filter_map(of).collect()
}

fn matches(run: &Run) -> (usize, usize) {
    let of_nodes = || run.entries.iter().filter(|entry| matches!(entry.sender, Some(Who::Node(_))));
    let verified = of_nodes().filter(
        |entry| matches!(entry.conclusion, Conclusion::Match(found) if found.proof == Proof::Verified),
    );
    (verified.count(), of_nodes().count())
}

fn bitmask(game: Game, out: &mut Findings) -> anyhow::Result<()> {
    let setting = Setting { seconds: 25.6, ..small(game) };
    let random: Code = setting.rng("mask").octets();
    for (words, mask) in [("all 0", [0; 23]), ("all 1", [0xff; 23]), ("of chance", random)] {
        let keys = move |setting: &Setting, number: usize| {
            let of = material(setting, number);
            Material { dusk: None, duik: of.duik, duck: of.duck.map(|(duck, _)| (duck, mask)) }
        };
        let mut world = Restricted::new(&setting, Way::Filters);
        world.sends = Some(Box::new(keys));
        world.receives = Some(Box::new(keys));
        let (run, heard) = recorded(&setting, world)?;
        let mut changed = [0_u8; 23];
        for (node, message, _) in heard_of(&run, &heard) {
            let plain = code(&setting, node);
            changed.iter_mut().zip(&message[1..24]).zip(plain).for_each(|((c, m), p)| *c |= m ^ p);
        }
        let count = |bits: &Code| bits.iter().map(|octet| octet.count_ones()).sum::<u32>();
        let (verified, decoded) = matches(&run);
        out.expect(
            changed == mask,
            format!("mask {words}: {} bits marked, {} change on the air", count(&mask), count(&changed)),
        );
        out.expect(
            decoded > 0 && verified == decoded,
            format!("mask {words}: {verified} of {decoded} blocks verified by the UE with all keys"),
        );
    }
    Ok(())
}

/// Keys of a material: DUSK, DUIK, DUCK.
type Keys = [bool; 3];

fn some_of(keys: Keys) -> impl Fn(&Setting, usize) -> Material {
    move |setting: &Setting, number: usize| {
        let of = material(setting, number);
        Material {
            dusk: of.dusk.filter(|_| keys[0]),
            duik: of.duik.filter(|_| keys[1]),
            duck: of.duck.filter(|_| keys[2]),
        }
    }
}

fn fewer_keys(game: Game, out: &mut Findings) -> anyhow::Result<()> {
    const NAMES: [&str; 3] = ["DUSK", "DUIK", "DUCK"];
    let setting = Setting { seconds: 3.2, ..small(game) };
    for sends in [[true, false, false], [false, true, false], [true, true, true]] {
        let missing = (0..3).filter(|key| sends[*key]).map(Some);
        for missing in std::iter::once(None).chain(missing) {
            let mut has = sends;
            if let Some(key) = missing {
                has[key] = false;
            }
            let mut world = Restricted::new(&setting, Way::Filters);
            world.sends = Some(Box::new(some_of(sends)));
            world.receives = Some(Box::new(some_of(has)));
            let (run, _) = recorded(&setting, world)?;
            let (verified, decoded) = matches(&run);
            let taken = (0..setting.announcers).map(|node| run.taken(Who::Node(node))).sum::<usize>();
            let of: Vec<&str> = (0..3).filter(|key| sends[*key]).map(|key| NAMES[key]).collect();
            let of = of.join(", ");
            let is_so = match missing {
                None => taken == decoded && (verified == decoded) == sends[1],
                // TS 33.303 NOTE 2 of §6.1.3.4.3.3: without the DUIK a message is received, and not proven.
                Some(1) => verified == 0,
                Some(_) => taken == 0,
            };
            let who = missing.map_or("all of them".to_owned(), |key| format!("all but {}", NAMES[key]));
            out.expect(
                is_so && decoded > 0,
                format!("sender with {of}, receiver with {who}: {taken} matches of {decoded} blocks, {verified} verified"),
            );
        }
    }
    Ok(())
}

fn unkeyed(game: Game, out: &mut Findings) -> anyhow::Result<()> {
    // Blocks of different scrambling sequences: 16 s each.
    let setting = Setting { seconds: game.scale.of(640.0, 200.0), period: 1280, ..small(game) };
    let (run, heard) = recorded(&setting, Restricted::new(&setting, Way::Filters))?;
    let blocks = heard_of(&run, &heard);
    let (mut equal, mut bits) = (0_u32, 0_u32);
    let mut windows = HashSet::new();
    let mut readable = true;
    for (node, message, ms) in &blocks {
        readable &= message[0] == MessageType::RestrictedAnnouncement.octet();
        let counter = UtcTime::from_millis(*ms).counter();
        readable &= message[28] == counter.lsb(LsbWidth::of(message[0]));
        if windows.insert((*node, ms / 16_000)) {
            let plain = code(&setting, *node);
            equal += message[1..24].iter().zip(plain).map(|(m, p)| (m ^ p).count_zeros()).sum::<u32>();
            bits += 184;
        }
    }
    let share = f64::from(equal) / f64::from(bits.max(1));
    let reach = 2.6 * 0.5 / f64::from(bits.max(1)).sqrt();
    out.expect(readable, format!("type and counter LSB are read from all of {} blocks", blocks.len()));
    out.expect(
        (share - 0.5).abs() < reach,
        format!(
            "bits of the code as they are sent agree with the code in {:.2} %: half +-{:.2}",
            100.0 * share,
            100.0 * reach
        ),
    );
    Ok(())
}

/// Changes what makes a code one of another announcer; the prefix stays.
fn falsified(block: [u8; 29], chance: [u8; 15]) -> [u8; 29] {
    let mut false_block = block;
    false_block[13..28].copy_from_slice(&chance);
    false_block
}

fn report_flood(game: Game, out: &mut Findings) -> anyhow::Result<()> {
    let setting = Setting { monitors: 2, seconds: game.scale.of(25.6, 6.4), ..small(game) };
    let world = Networked::new(&setting, Kind::Open)?;
    let (recorder, heard) = Recorder::new(&setting, 0);
    let mut rng = setting.rng("flood");
    let of = Rc::clone(&heard);
    let blocks = move |_: &_| {
        let Some(block) = of.borrow().last().map(|block| block.message) else { return Vec::new() };
        (0..7).map(|_| falsified(block, rng.octets())).collect()
    };
    let flood = Injector::new(&setting, (1, 1), Box::new(blocks));
    let cast = Cast {
        programs: vec![Box::new(recorder), Box::new(flood)],
        // UE 0 hears the flood, and nothing else.
        script: Some(Box::new(|_, nodes, _| {
            nodes[0].place = 1;
            Ok(())
        })),
        more_places: 1,
    };
    let run = run_world(Box::new(world), &setting, cast)?;
    let of = |monitor: usize| {
        run.verified.iter().filter(move |(_, ue, _)| *ue == monitor).map(|(.., m)| m.announcer)
    };
    let (flooded, honest): (HashSet<usize>, HashSet<usize>) = (of(0).collect(), of(1).collect());
    out.note(format!(
        "{} false blocks decoded, {} match reports of all UEs, {} found wrong",
        run.of(Who::Program(1)).count(),
        run.network.reports,
        run.network.not_verified
    ));
    out.expect(flooded.is_empty(), format!("{} announcers verified from false blocks", flooded.len()));
    // UE 0 is elsewhere.
    let there = setting.announcers - 2;
    out.expect(
        honest.len() == there,
        format!("the other monitor: {} of {there} announcers verified", honest.len()),
    );
    Ok(())
}

fn shared_prefix(game: Game, out: &mut Findings) -> anyhow::Result<()> {
    let setting = Setting { announcers: 3, seconds: 12.8, ..small(game) };
    let mut world = Restricted::new(&setting, Way::Filters);
    // The first half is the same, and nothing else is compared.
    world.codes = Some(Box::new(|setting, number| {
        let (mut code, of_all) = (code(setting, number), code(setting, 0));
        code[..12].copy_from_slice(&of_all[..12]);
        code
    }));
    world.compared = std::array::from_fn(|octet| !ENCRYPTED[octet]);
    let (run, _) = recorded(&setting, world)?;
    for node in [1, 2] {
        let own = run
            .of(Who::Node(node))
            .filter(|entry| matches!(entry.conclusion, Conclusion::Match(found) if found.announcer == node));
        let (own, all) = (own.count(), run.of(Who::Node(node)).count());
        let told = run.of(Who::Node(node)).filter(|entry| entry.reported).count();
        out.expect(
            own == all && all > 0 && told == 1,
            format!("UE {node}: {own} of {all} blocks under its own key, told {told} times"),
        );
    }
    Ok(())
}
