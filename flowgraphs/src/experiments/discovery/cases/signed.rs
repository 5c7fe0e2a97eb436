//! Signed announcements in fragments under attack (TR 33.833 §6.2.3).

use super::time::elsewhere;
use super::{AttackCase, Expect, Findings, Game, Scale, small};
use crate::experiments::discovery::attackers::{Blocks, Injector, Replayer, Wormhole};
use crate::experiments::discovery::builds::signed::{Signed, key};
use crate::experiments::discovery::builds::{Proof, World, code};
use crate::experiments::discovery::engine::{Cast, Run, run_world};
use crate::experiments::discovery::judge::Conclusion;
use crate::experiments::discovery::node::Node;
use crate::experiments::discovery::program::{Slot, Who};
use crate::experiments::discovery::setting::Setting;
use sidelink_prose::discovery::signed::{Rotation, SetTiming, SignedSender};
use sidelink_prose::discovery::{AirTime, Announcer, FrameTime, TimePolicy};
use sidelink_security::counter::UtcCounter;
use sidelink_security::discovery::signature::{Hint, Scheme};
use sidelink_security::outcome::Outcome;
use sidelink_wire::pc5_discovery::{LEN, MessageType};

pub(super) const ALL: &[AttackCase] = &[
    AttackCase {
        name: "attack-discovery-signed-insider",
        what: "T2.3-1: A4, an authorised monitor, sends fragments of its own in an announcer's name",
        expect: Expect::Stopped,
        play: insider,
    },
    AttackCase {
        name: "attack-discovery-signed-replay",
        what: "T2.3-2: A2 sends fragments again elsewhere, a period, 10.24 s and an hour later",
        expect: Expect::Stopped,
        play: replay,
    },
    AttackCase {
        name: "attack-discovery-signed-wormhole",
        what: "T2.3-2: A3 with two radios passes samples on within the subframe (X)",
        expect: Expect::Passes,
        play: wormhole,
    },
    AttackCase {
        name: "attack-discovery-signed-poison-plain",
        what: "T2.3-3: A1 sends one false fragment a set, in its first period: sets of the plain build are denied (X)",
        expect: Expect::Passes,
        play: |game, out| poison(game, out, Rotation::Plain),
    },
    AttackCase {
        name: "attack-discovery-signed-poison-coded",
        what: "T2.3-3: the same with an erasure code: the announcer is verified all the same",
        expect: Expect::Stopped,
        play: |game, out| poison(game, out, Rotation::Coded),
    },
    AttackCase {
        name: "attack-discovery-signed-unknown",
        what: "T2.3-4: A1 sends fragments of keys that nobody has",
        expect: Expect::Stopped,
        play: unknown,
    },
    AttackCase {
        name: "attack-discovery-signed-clocks",
        what: "T2.3-5: A9: the monitor's UTC is 2 s, 40 s or an hour off",
        expect: Expect::Stopped,
        play: clocks,
    },
    AttackCase {
        name: "attack-discovery-signed-revoked",
        what: "T2.3-6: keys are revoked in the middle",
        expect: Expect::Stopped,
        play: revoked,
    },
    AttackCase {
        name: "attack-discovery-signed-stolen",
        what: "T2.3-7: A6 has an announcer's key: that one is lost (X), no other",
        expect: Expect::Passes,
        play: stolen,
    },
];

/// The announcer that is attacked.
const VICTIM: usize = 1;
/// Periods of a set where sets are counted.
const SHORT_SETS: u32 = 16;

/// Returns the air time of a slot, as an attacker with a right clock has it.
fn air_time(slot: &Slot) -> AirTime {
    let frame = FrameTime::of_count((slot.t % u64::from(FrameTime::TURN)) as u16);
    AirTime { frame, ..AirTime::at(slot.utc) }
}

/// Makes an attacker's blocks, one a period: of a key that it has, under the hint of another one, if given.
fn forger(setting: &Setting, scheme: Scheme, own: usize, name: Option<Hint>) -> anyhow::Result<Blocks> {
    let mut sender = SignedSender::new(key(setting, scheme, own)?, code(setting, VICTIM), Rotation::Coded);
    if let Some(hint) = name {
        sender = sender.pretending(hint);
    }
    let mut announcer = Announcer::signed(sender, UtcCounter::new(u32::MAX));
    let policy = TimePolicy { sets: crate::config::set_timing(&setting.pool()), ..TimePolicy::default() };
    let mut rng = setting.rng("forger");
    Ok(Box::new(move |slot: &Slot| {
        if slot.into != 0 {
            return Vec::new();
        }
        let now = air_time(slot);
        announcer.announce(&now, &policy, &mut || rng.next_u64()).into_iter().collect()
    }))
}

/// Counts the blocks of a sender that a monitor took for proven ones of an announcer.
fn verified(run: &Run, who: Who, announcer: usize) -> usize {
    let proven = |conclusion: &Conclusion| {
        matches!(conclusion, Conclusion::Match(found)
            if found.proof == Proof::Verified && found.announcer == announcer)
    };
    run.of(who).filter(|entry| proven(&entry.conclusion)).count()
}

fn all_verified(run: &Run, who: Who, setting: &Setting) -> usize {
    (0..setting.announcers).map(|announcer| verified(run, who, announcer)).sum()
}

fn silence(_: &Slot, nodes: &mut [Node], _: &mut dyn World) -> anyhow::Result<()> {
    nodes.iter_mut().for_each(|node| node.silent = true);
    Ok(())
}

fn insider(game: Game, out: &mut Findings) -> anyhow::Result<()> {
    for scheme in [Scheme::Ed25519, Scheme::EcdsaP256, Scheme::EccsiFull] {
        let setting = Setting { seconds: game.scale.of(51.2, 12.8), ..small(game) };
        let hint = key(&setting, scheme, VICTIM)?.verifying_key().hint();
        let attacker = Injector::new(&setting, (0, 0), forger(&setting, scheme, 2, Some(hint))?);
        let cast =
            Cast { programs: vec![Box::new(attacker)], script: Some(Box::new(silence)), ..Cast::default() };
        let run = run_world(Box::new(Signed::new(&setting, scheme, Rotation::Coded)), &setting, cast)?;
        let all = run.of(Who::Program(0)).count();
        let taken = all_verified(&run, Who::Program(0), &setting) + run.waited.len();
        // Their hint and period are right: they are kept, and refused with the signature that they make.
        let kept = run.taken(Who::Program(0));
        out.expect(
            all > 10 && taken == 0 && kept > 2,
            format!("{scheme}: {taken} of {all} forged blocks accepted; {kept} were kept until the signature was wrong"),
        );
    }
    Ok(())
}

fn replay(game: Game, out: &mut Findings) -> anyhow::Result<()> {
    let delays = if game.scale == Scale::Whole { &[320, 10_240, 3_600_000][..] } else { &[320, 10_240] };
    for rotation in [Rotation::Plain, Rotation::Coded] {
        for &delay in delays {
            let setting = Setting { seconds: delay as f64 / 1000.0 + 9.6, ..small(game) };
            let cast = elsewhere(vec![Box::new(Replayer::new(&setting, 0, [0, 1], delay))]);
            let run = run_world(Box::new(Signed::new(&setting, Scheme::Ed25519, rotation)), &setting, cast)?;
            let (taken, all) = (run.taken(Who::Program(0)), run.of(Who::Program(0)).count());
            out.expect(
                all > 10 && taken == 0,
                format!(
                    "{}, {:.2} s later: {taken} of {all} kept or accepted",
                    rotation.as_str(),
                    delay as f64 / 1000.0
                ),
            );
        }
    }
    Ok(())
}

fn wormhole(game: Game, out: &mut Findings) -> anyhow::Result<()> {
    let setting = Setting { seconds: 12.8, ..small(game) };
    let cast = elsewhere(vec![Box::new(Wormhole::new(0, [0, 1], 4))]);
    let world = Signed::new(&setting, Scheme::Ed25519, Rotation::Coded);
    let run = run_world(Box::new(world), &setting, cast)?;
    let proven = run.entries.iter().filter(|entry| {
        let proven = matches!(entry.conclusion, Conclusion::Match(found) if found.proof == Proof::Verified);
        entry.monitor == 0 && proven
    });
    let proven = proven.count();
    out.expect(proven > 0, format!("{proven} blocks verified elsewhere (X)"));
    Ok(())
}

fn poison(game: Game, out: &mut Findings, rotation: Rotation) -> anyhow::Result<()> {
    let setting = Setting { seconds: game.scale.of(204.8, 51.2), ..small(game) };
    let sets = SetTiming::new(setting.period, 0, SHORT_SETS)?;
    let hint = key(&setting, Scheme::Ed25519, VICTIM)?.verifying_key().hint();
    let mut rng = setting.rng("poison");
    let mut poisoned = Vec::new();
    let blocks = move |slot: &Slot| {
        let header = sets.header(&air_time(slot), hint);
        // Before anybody else in the first period of the set.
        if header[0] != 0 || slot.into != 0 {
            return Vec::new();
        }
        poisoned.push(slot.period);
        let mut block: [u8; LEN] = rng.octets();
        block[0] = MessageType::Fragment.octet();
        block[1..4].copy_from_slice(&header);
        vec![block]
    };
    let attacker = Injector::new(&setting, (0, 0), Box::new(blocks));
    let cast = Cast { programs: vec![Box::new(attacker)], ..Cast::default() };
    let world = Signed::new(&setting, Scheme::Ed25519, rotation).with_sets(sets);
    let run = run_world(Box::new(world), &setting, cast)?;
    let is_proven = |conclusion: &Conclusion| matches!(conclusion, Conclusion::Match(found) if found.proof == Proof::Verified);
    // The number of a set follows from the period in which it was verified.
    let of_set = |slot: &Slot| {
        let header = sets.header(&air_time(slot), hint);
        slot.period.saturating_sub(u64::from(header[0]))
    };
    let begun: std::collections::BTreeSet<u64> =
        run.of(Who::Program(0)).filter(|entry| entry.monitor == 0).map(|entry| of_set(&entry.slot)).collect();
    let found: std::collections::BTreeSet<u64> = run
        .of(Who::Node(VICTIM))
        .filter(|entry| entry.monitor == 0 && is_proven(&entry.conclusion))
        .map(|entry| of_set(&entry.slot))
        .filter(|set| begun.contains(set))
        .collect();
    let words = format!(
        "{}: the announcer was verified in {} of {} sets with one false fragment that the monitor heard",
        rotation.as_str(),
        found.len(),
        begun.len()
    );
    let is_so = match rotation {
        // Where the true one is in the first subframe as well, it may come before the false one: once in L = 8 sets.
        Rotation::Plain => 2 * found.len() <= begun.len(),
        // The last one may end with the run.
        Rotation::Coded => found.len() + 1 >= begun.len(),
    };
    out.expect(begun.len() >= 4 && is_so, words);
    Ok(())
}

fn unknown(game: Game, out: &mut Findings) -> anyhow::Result<()> {
    let setting = Setting { seconds: game.scale.of(25.6, 6.4), ..small(game) };
    let mut rng = setting.rng("hints");
    let blocks = move |_: &Slot| {
        let one = || {
            let mut block: [u8; LEN] = rng.octets();
            block[0] = MessageType::Fragment.octet();
            block
        };
        std::iter::repeat_with(one).take(4).collect()
    };
    let attacker = Injector::new(&setting, (0, 0), Box::new(blocks));
    let cast =
        Cast { programs: vec![Box::new(attacker)], script: Some(Box::new(silence)), ..Cast::default() };
    let world = Signed::new(&setting, Scheme::Ed25519, Rotation::Coded);
    let run = run_world(Box::new(world), &setting, cast)?;
    let all = run.of(Who::Program(0)).count();
    let dropped = run.of(Who::Program(0)).filter(|entry| {
        let why = |outcome| entry.conclusion == Conclusion::Dropped(outcome);
        why(Outcome::Unknown) || why(Outcome::Replay)
    });
    let dropped = dropped.count();
    out.expect(all > 100 && dropped == all, format!("{dropped} of {all} blocks dropped by their hint alone"));
    Ok(())
}

fn clocks(game: Game, out: &mut Findings) -> anyhow::Result<()> {
    for offset_ms in [-2000.0, 2000.0, 40_000.0, 3_600_000.0] {
        let setting = Setting { seconds: 9.6, ..small(game) };
        let script = move |_: &Slot, nodes: &mut [Node], _: &mut dyn World| {
            nodes[0].clock.offset_ms = offset_ms;
            Ok(())
        };
        let cast = Cast { script: Some(Box::new(script)), ..Cast::default() };
        let world = Signed::new(&setting, Scheme::Ed25519, Rotation::Coded);
        let run = run_world(Box::new(world), &setting, cast)?;
        let taken: usize = (1..setting.announcers)
            .map(|node| {
                run.of(Who::Node(node)).filter(|entry| entry.monitor == 0).filter(|entry| {
                matches!(entry.conclusion, Conclusion::Match(found) if found.proof == Proof::Verified)
            }).count()
            })
            .sum();
        let heard = run.entries.iter().filter(|entry| entry.monitor == 0).count();
        out.expect(
            heard > 10 && taken == 0,
            format!("UTC {:+.0} s: {taken} of {heard} blocks verified", offset_ms / 1000.0),
        );
    }
    Ok(())
}

fn revoked(game: Game, out: &mut Findings) -> anyhow::Result<()> {
    const REVOKED_MS: u64 = 12_800;
    let setting = Setting { seconds: 25.6, ..small(game) };
    let digests: Vec<_> = (0..setting.announcers)
        .map(|number| Ok(key(&setting, Scheme::Ed25519, number)?.verifying_key().digest()))
        .collect::<anyhow::Result<_>>()?;
    let script = move |slot: &Slot, nodes: &mut [Node], _: &mut dyn World| {
        if slot.t >= REVOKED_MS {
            nodes[0].agent.monitor().signed().revoke(1, &digests)?;
        }
        Ok(())
    };
    let cast = Cast { script: Some(Box::new(script)), ..Cast::default() };
    let world = Signed::new(&setting, Scheme::Ed25519, Rotation::Coded);
    let run = run_world(Box::new(world), &setting, cast)?;
    let after = REVOKED_MS + u64::from(setting.period);
    let is_match = |conclusion: &Conclusion| matches!(conclusion, Conclusion::Match(_));
    let heard = run.entries.iter().filter(|entry| entry.monitor == 0);
    let before = heard.clone().filter(|e| e.slot.t < REVOKED_MS && is_match(&e.conclusion)).count();
    let later = heard.filter(|e| e.slot.t >= after && is_match(&e.conclusion)).count();
    out.expect(before > 0 && later == 0, format!("{before} matches before the revocation, {later} after it"));
    Ok(())
}

fn stolen(game: Game, out: &mut Findings) -> anyhow::Result<()> {
    let setting = Setting { seconds: 19.2, ..small(game) };
    for (own, name) in [(VICTIM, None), (VICTIM, Some(2))] {
        let hint = name
            .map(|name| Ok::<_, anyhow::Error>(key(&setting, Scheme::Ed25519, name)?.verifying_key().hint()))
            .transpose()?;
        let attacker = Injector::new(&setting, (0, 0), forger(&setting, Scheme::Ed25519, own, hint)?);
        let cast =
            Cast { programs: vec![Box::new(attacker)], script: Some(Box::new(silence)), ..Cast::default() };
        let world = Signed::new(&setting, Scheme::Ed25519, Rotation::Coded);
        let run = run_world(Box::new(world), &setting, cast)?;
        let own = verified(&run, Who::Program(0), VICTIM);
        let all = all_verified(&run, Who::Program(0), &setting);
        match name {
            None => out.expect(own > 0 && own == all, format!("{own} blocks verified as the victim (X)")),
            Some(_) => out.expect(all == 0, format!("{all} blocks verified in the name of another")),
        }
    }
    Ok(())
}
