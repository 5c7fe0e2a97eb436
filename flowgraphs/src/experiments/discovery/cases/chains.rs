//! T2.3-*: attacks on chains of codes, delayed keys, and pointers to the SL-SCH.

use super::time::elsewhere;
use super::{AttackCase, Expect, Findings, Game, small};
use crate::experiments::discovery::attackers::{Heard, Injector, Recorder, Replayer, Wormhole};
use crate::experiments::discovery::builds::chains::{Material, material};
use crate::experiments::discovery::builds::{Proof, World, build};
use crate::experiments::discovery::engine::{Cast, Run, run};
use crate::experiments::discovery::judge::{Conclusion, Entry};
use crate::experiments::discovery::node::Node;
use crate::experiments::discovery::pointer::{PERIOD, PointerSetting, SC_PERIOD, play};
use crate::experiments::discovery::program::{Program, Slot, Who};
use crate::experiments::discovery::setting::Setting;
use sidelink_security::discovery::code_chain::CodeAnchor;
use sidelink_security::discovery::delayed_key::MESSAGE_TYPE;
use sidelink_security::kdf::{fc, kdf};
use std::collections::BTreeMap;

pub(super) const ALL: &[AttackCase] = &[
    AttackCase {
        name: "attack-discovery-chain-replay",
        what: "T2.3-2: A2 replays codes of a chain elsewhere, 1 to 256 slots later",
        expect: Expect::Stopped,
        play: |game, out| replay(game, out, "discovery-chain", 0),
    },
    AttackCase {
        name: "attack-discovery-delayed-replay",
        what: "T2.3-2: A2 replays messages of delayed keys: accepted until their keys are due (X), not later",
        expect: Expect::Passes,
        play: |game, out| replay(game, out, "discovery-delayed", 320),
    },
    AttackCase {
        name: "attack-discovery-chain-wormhole",
        what: "T2.3-2: A3 passes samples on within the subframe, chains of codes and delayed keys (X)",
        expect: Expect::Passes,
        play: wormhole,
    },
    AttackCase {
        name: "attack-discovery-chain-insider",
        what: "T2.3-1: A4 has everything public of all chains, and all keys that were disclosed",
        expect: Expect::Stopped,
        play: insider,
    },
    AttackCase {
        name: "attack-discovery-chain-clock",
        what: "T2.3-5: A9: the clock of a monitor is behind: delayed keys and chains fail openly (X)",
        expect: Expect::Passes,
        play: false_clock,
    },
    AttackCase {
        name: "attack-discovery-pointer-replay",
        what: "T2.3-2: A2 replays PSDCH, PSCCH and PSSCH of pointers, six discovery periods later",
        expect: Expect::Stopped,
        play: pointer_replay,
    },
    AttackCase {
        name: "discovery-pointer",
        what: "whole UEs: time from the match of a pointer to its proof on the SL-SCH, and what is sent",
        expect: Expect::Measured,
        play: pointer,
    },
];

const BOTH: [&str; 2] = ["discovery-chain", "discovery-delayed"];

fn ran(name: &str, setting: &Setting, cast: Cast) -> anyhow::Result<Run> {
    run(build(name).ok_or_else(|| anyhow::anyhow!("no build {name}"))?, setting, cast)
}

/// Whether something was proven by a block.
fn is_proof(entry: &&Entry) -> bool {
    matches!(entry.conclusion, Conclusion::Match(found) if found.proof == Proof::Verified)
}

fn refused<'a>(entries: impl Iterator<Item = &'a Entry>) -> String {
    let mut why: BTreeMap<&str, u64> = BTreeMap::new();
    for entry in entries {
        if let Conclusion::Dropped(outcome) = entry.conclusion {
            *why.entry(outcome.as_str()).or_default() += 1;
        }
    }
    why.iter().map(|(why, count)| format!("{count} {why}")).collect::<Vec<_>>().join(", ")
}

fn replay(game: Game, out: &mut Findings, name: &str, accepted_ms: u64) -> anyhow::Result<()> {
    for delay in [320, 640, 10_240, 256 * 320] {
        let seconds = delay as f64 / 1000.0 + game.scale.of(12.8, 3.2);
        let setting = Setting { seconds, ..small(game) };
        let cast = elsewhere(vec![Box::new(Replayer::new(&setting, 0, [0, 1], delay))]);
        let run = ran(name, &setting, cast)?;
        let all = run.of(Who::Program(0)).count();
        let proven = run.of(Who::Program(0)).filter(is_proof).count();
        let why = refused(run.of(Who::Program(0)));
        out.expect(
            all > 0 && (proven > 0) == (delay <= accepted_ms),
            format!(
                "{name}, {:.2} s later: {proven} proofs by {all} blocks; refused: {why}",
                delay as f64 / 1000.0
            ),
        );
    }
    Ok(())
}

fn wormhole(game: Game, out: &mut Findings) -> anyhow::Result<()> {
    for name in BOTH {
        let setting = small(game);
        let cast = elsewhere(vec![Box::new(Wormhole::new(0, [0, 1], 4))]);
        let run = ran(name, &setting, cast)?;
        let all: Vec<_> = run.entries.iter().filter(|entry| entry.monitor == 0).collect();
        let proven = all.iter().filter(|entry| is_proof(entry)).count();
        out.expect(proven > 0, format!("{name}: {proven} proofs by {} blocks from elsewhere (X)", all.len()));
    }
    Ok(())
}

/// Keys of one chain that were disclosed, by their index, as everybody can collect them.
fn disclosed(setting: &Setting, heard: &Heard, victim: &Material, now: &Slot) -> BTreeMap<u64, [u8; 10]> {
    let mut keys = BTreeMap::new();
    for block in heard.borrow().iter().filter(|block| block.message[0] == MESSAGE_TYPE) {
        if block.message[1..14] != victim.code || block.slot.t > now.t {
            continue;
        }
        let index = victim.plan.index(block.slot.utc).saturating_sub(u64::from(victim.delay));
        let mut key = [0; 10];
        key.copy_from_slice(&block.message[18..28]);
        keys.insert(index, key);
    }
    debug_assert!(keys.len() as u64 <= setting.periods());
    keys
}

/// Makes a message of the victim for a slot, of disclosed keys alone.
fn forge(victim: &Material, index: u64, mac_key: &[u8; 10], shown: &[u8; 10]) -> anyhow::Result<[u8; 29]> {
    let mut message = [0; 29];
    message[0] = MESSAGE_TYPE;
    message[1..14].copy_from_slice(&victim.code);
    message[18..28].copy_from_slice(shown);
    message[28] = index as u8;
    let covered = [&message[..14], &message[18..28]].concat();
    let key = kdf(mac_key, fc::OWN_CHAIN_MAC, &[&victim.plan.salt()])?;
    let mic = kdf(&*key, fc::OWN_DELAYED_MIC, &[&covered, &u32::try_from(index)?.to_be_bytes()])?;
    message[14..18].copy_from_slice(&mic[28..]);
    Ok(message)
}

const VICTIM: usize = 1;

/// The discovery period from which on the victim is silent.
const GONE: u64 = 8;

fn insider(game: Game, out: &mut Findings) -> anyhow::Result<()> {
    for name in BOTH {
        let setting = Setting { seconds: game.scale.of(25.6, 6.4), ..small(game) };
        let (recorder, heard) = Recorder::new(&setting, 0);
        let victim = material(&setting, VICTIM)?;
        let over = GONE + u64::from(victim.delay) + 2;
        let attacker = Injector::new(&setting, (1, 0), Box::new(forgeries(&setting, victim, heard)));
        let script = |slot: &Slot, nodes: &mut [Node], _: &mut dyn World| {
            nodes[VICTIM].silent = slot.period >= GONE;
            Ok(())
        };
        let cast = Cast {
            programs: vec![Box::new(recorder), Box::new(attacker)],
            script: Some(Box::new(script)),
            ..Cast::default()
        };
        let run = ran(name, &setting, cast)?;
        // Proofs of the victim from now on are forged: its last true message has its key.
        let late: Vec<_> = run.of(Who::Program(1)).filter(|entry| entry.slot.period >= over).collect();
        let of_victim = |entry: &&&Entry| {
            let Conclusion::Match(found) = entry.conclusion else { return false };
            found.announcer == VICTIM && found.proof == Proof::Verified
        };
        let proven = late.iter().filter(of_victim).count();
        let before = run.sent.iter().filter(|sent| sent.node == VICTIM).count();
        let (all, why) = (late.len(), refused(late.into_iter()));
        out.expect(
            all > 0 && before > 0 && proven == 0,
            format!("{name}: {proven} proofs by {all} forged blocks; refused: {why}"),
        );
    }
    Ok(())
}

/// What a monitor makes of everything that the victim has shown.
fn forgeries(
    setting: &Setting,
    victim: Material,
    heard: Heard,
) -> impl FnMut(&Slot) -> Vec<[u8; 29]> + use<> {
    let setting = setting.clone();
    let hint = CodeAnchor::of(victim.plan, &victim.seed).hint();
    move |slot: &Slot| {
        let present = victim.plan.index(slot.utc);
        let is_victims = |message: &[u8; 29]| message[1..14] == victim.code || message[24..28] == hint;
        let last = heard.borrow().iter().rev().map(|block| block.message).find(is_victims);
        let Some(last) = last else { return Vec::new() };
        // Its last code, for the present slot and the next one; with another hint or MIC.
        let mut all = vec![last; 3];
        all[0][28] = present as u8;
        all[1][28] = (present + 1) as u8;
        all[2][16] ^= 1;
        let keys = disclosed(&setting, &heard, &victim, slot);
        if let (Some((newest, key)), Some((_, oldest))) = (keys.last_key_value(), keys.first_key_value()) {
            // With the newest key: for its own slot, and for the present one.
            all.extend(forge(&victim, *newest, key, oldest));
            all.extend(forge(&victim, present, key, key));
        }
        all
    }
}

/// Slots by which the monitor's clock is behind.
const BEHIND: u64 = 4;

fn false_clock(game: Game, out: &mut Findings) -> anyhow::Result<()> {
    for name in BOTH {
        let setting = Setting { seconds: game.scale.of(25.6, 9.6), ..small(game) };
        let behind = BEHIND * u64::from(setting.period);
        let victim = material(&setting, VICTIM)?;
        let (recorder, heard) = Recorder::new(&setting, 0);
        let at = setting.clone();
        let forger = move |slot: &Slot| {
            // The monitor believes this slot; all its keys were disclosed.
            let index = victim.plan.index(slot.utc).saturating_sub(BEHIND);
            let keys = disclosed(&at, &heard, &victim, slot);
            let of = |index: u64| keys.get(&index).copied();
            let shown = index.checked_sub(u64::from(victim.delay)).and_then(of);
            match (of(index), shown) {
                (Some(key), Some(shown)) => forge(&victim, index, &key, &shown).into_iter().collect(),
                _ => Vec::new(),
            }
        };
        let program: Box<dyn Program> = if name == "discovery-delayed" {
            Box::new(Injector::new(&setting, (1, 1), Box::new(forger)))
        } else {
            Box::new(Replayer::new(&setting, 1, [0, 1], behind))
        };
        let mut cast = elsewhere(vec![Box::new(recorder), program]);
        let script = move |_: &Slot, nodes: &mut [Node], _: &mut dyn World| {
            nodes[0].place = 1;
            nodes[0].clock.offset_ms = -(behind as f64);
            Ok(())
        };
        cast.script = Some(Box::new(script));
        let run = ran(name, &setting, cast)?;
        let all = run.of(Who::Program(1)).count();
        let proven = run.of(Who::Program(1)).filter(is_proof).count();
        let what = if name == "discovery-delayed" { "forged" } else { "replayed" };
        out.expect(
            proven > 0,
            format!("{name}: {proven} proofs by {all} {what} blocks, {behind} ms behind (X)"),
        );
    }
    Ok(())
}

fn pointer_replay(game: Game, out: &mut Findings) -> anyhow::Result<()> {
    let setting = PointerSetting { replay: Some(6 * PERIOD), seed: game.seed, ..PointerSetting::default() };
    let run = play(&setting)?;
    let proven = run.verified.get("ue0").map_or(&[][..], Vec::as_slice);
    let span = proven.first().zip(proven.last()).map_or(0, |(first, last)| last - first);
    let replays = run.dropped.get("replay").copied().unwrap_or(0);
    out.expect(
        run.replayed > 0 && !proven.is_empty() && span <= setting.periods * PERIOD && replays > 0,
        format!(
            "{} subframes said again, {} proofs within {span} ms, {replays} refused as replays",
            run.replayed,
            proven.len()
        ),
    );
    Ok(())
}

fn pointer(game: Game, out: &mut Findings) -> anyhow::Result<()> {
    let periods = game.scale.of(40.0, 6.0) as u64;
    for announcers in [1, 2] {
        let run =
            play(&PointerSetting { announcers, periods, seed: game.seed, ..PointerSetting::default() })?;
        let mut waits = Vec::new();
        for (name, matched) in &run.matched {
            for proof in run.verified.get(name).into_iter().flatten() {
                let before = matched.iter().rev().find(|matched| *matched <= proof);
                waits.extend(before.map(|matched| proof - matched));
            }
        }
        let [scis, blocks, messages] = run.sent;
        let mean = waits.iter().sum::<u64>() as f64 / waits.len().max(1) as f64;
        let most = waits.iter().max().copied().unwrap_or(0);
        out.expect(
            !waits.is_empty() && most <= 2 * SC_PERIOD,
            format!(
                "{announcers} announcers, SC period {SC_PERIOD}: {mean:.0} ms from match to proof, at most {most}; sent: {messages} messages, {scis} SCI, {blocks} SL-SCH",
            ),
        );
    }
    Ok(())
}
