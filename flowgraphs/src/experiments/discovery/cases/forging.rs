//! Blocks of an attacker's own: of chance, without keys, with the keys of a monitor, and floods.

use super::{AttackCase, Expect, Findings, Game, small};
use crate::experiments::discovery::attackers::{Injector, Recorder};
use crate::experiments::discovery::builds::restricted::material;
use crate::experiments::discovery::builds::{build, code, profile, rotating};
use crate::experiments::discovery::engine::{Cast, Run, run, run_world};
use crate::experiments::discovery::node::Node;
use crate::experiments::discovery::program::{Slot, Who};
use crate::experiments::discovery::setting::Setting;
use crate::experiments::discovery::statistics::{is_near, poisson};
use sidelink_security::discovery::Freshness;
use sidelink_security::discovery::ota::{OtaConfig, OtaIdentity, Variant};
use sidelink_security::discovery::restricted::Sender;
use sidelink_security::discovery::rotation::RotationPeriod;
use sidelink_wire::pc5_discovery::{Content, LEN, MessageType, Repr};
use std::rc::Rc;

pub(super) const ALL: &[AttackCase] = &[
    AttackCase {
        name: "attack-discovery-random",
        what: "T2.1-5: A1 sends blocks of chance: false matches of codes of 8, 12 and 16 bits, and what follows for 32",
        expect: Expect::Measured,
        play: random,
    },
    AttackCase {
        name: "attack-discovery-impersonate",
        what: "T2.1-6: A0 without a key alters what it heard: nothing is accepted",
        expect: Expect::Stopped,
        play: impersonate,
    },
    AttackCase {
        name: "attack-discovery-insider",
        what: "T2.1-6: A4 with a monitor's keys speaks for the announcer (X)",
        expect: Expect::Passes,
        play: insider,
    },
    AttackCase {
        name: "attack-discovery-flood",
        what: "T2.1-9: A1 fills half of the pool: honest blocks are lost by collisions alone, whatever the build",
        expect: Expect::Measured,
        play: flood,
    },
];

/// Nobody but the attacker sends.
fn alone(
    _: &Slot,
    nodes: &mut [Node],
    _: &mut dyn crate::experiments::discovery::builds::World,
) -> anyhow::Result<()> {
    nodes.iter_mut().for_each(|node| node.silent = true);
    Ok(())
}

/// Blocks that a full pool carries in a second, as the digest has it: 176 each 320 ms.
const FULL_POOL: f64 = 550.0;

fn random(game: Game, out: &mut Findings) -> anyhow::Result<()> {
    let seconds = game.scale.of(64.0, 3.2);
    let setting = Setting { announcers: 20, monitors: 1, seconds, seed: game.seed, ..Setting::default() };
    let followed = (setting.announcers - 1) as f64;
    for bits in [8, 12, 16] {
        let config = OtaConfig::new(Variant::Keyed, bits, 0, RotationPeriod::SECOND)?;
        let world = rotating::Rotating::new(&setting, config, Box::new(rotating::identity));
        let mut rng = setting.rng("chance");
        let blocks = move |slot: &Slot| {
            let one = || {
                let chance = (rng.next_u64() as u16) & (u16::MAX << (16 - bits));
                let mut block = [0; LEN];
                block[0] = MessageType::ChangingId.octet();
                block[1..3].copy_from_slice(&chance.to_be_bytes());
                block[LEN - 1] = (slot.utc.millis() / 1000) as u8;
                block
            };
            std::iter::repeat_with(one).take(22).collect()
        };
        let attacker = Injector::new(&setting, (0, 0), Box::new(blocks));
        let cast =
            Cast { programs: vec![Box::new(attacker)], script: Some(Box::new(alone)), ..Cast::default() };
        let run = run_world(Box::new(world), &setting, cast)?;
        let (taken, all) = (run.taken(Who::Program(0)), run.of(Who::Program(0)).count());
        // A block counts once, however many identities have its code.
        let predicted = all as f64 * (1.0 - (1.0 - f64::from(1_u32 << bits).recip()).powf(followed));
        let (low, high) = poisson(taken as u64);
        out.expect(
            is_near(taken, predicted),
            format!(
                "{bits} bits: {taken} false matches of {all} blocks against {followed} identities [{low:.0} to {high:.0}], {predicted:.1} predicted",
            ),
        );
        let daily = |k: i32| {
            86_400.0 * FULL_POOL * taken as f64 / all as f64 * 2_f64.powi(i32::from(bits) - k) / followed
        };
        out.note(format!(
            "{bits} bits: a day of a full pool and one identity: {:.2} at 24 bits, {:.4} at 32, {:.1e} at 64",
            daily(24),
            daily(32),
            daily(64)
        ));
    }
    Ok(())
}

fn impersonate(game: Game, out: &mut Findings) -> anyhow::Result<()> {
    for name in ["discovery-restricted", "discovery-rotating", "discovery-restricted-tables"] {
        let setting = Setting { seconds: game.scale.of(25.6, 6.4), ..small(game) };
        let (recorder, heard) = Recorder::new(&setting, 0);
        let mut rng = setting.rng("alter");
        let of = Rc::clone(&heard);
        let blocks = move |slot: &Slot| {
            let Some(block) = of.borrow().last().map(|block| block.message) else { return Vec::new() };
            let now = slot.counter_lsb();
            // The message that it heard, of the present second; another MIC; a bit of the code.
            let mut all = vec![block; 3];
            all[0][LEN - 1] = now;
            all[1][24..28].copy_from_slice(&rng.octets::<4>());
            all[2][1 + (rng.next_u64() % 23) as usize] ^= 1 << (rng.next_u64() % 8);
            all.retain(|altered| *altered != block);
            all
        };
        let attacker = Injector::new(&setting, (1, 0), Box::new(blocks));
        let cast = Cast { programs: vec![Box::new(recorder), Box::new(attacker)], ..Cast::default() };
        let build = build(name).ok_or_else(|| anyhow::anyhow!("no build {name}"))?;
        let run = run(build, &setting, cast)?;
        let (taken, all) = (run.taken(Who::Program(1)), run.of(Who::Program(1)).count());
        out.expect(all > 0 && taken == 0, format!("{name}: {taken} of {all} forged blocks accepted"));
    }
    Ok(())
}

fn insider(game: Game, out: &mut Findings) -> anyhow::Result<()> {
    const VICTIM: usize = 1;
    let setting = small(game);
    let restricted = |setting: &Setting| {
        let (setting, sender) = (setting.clone(), Sender::new(&material(setting, VICTIM), profile(setting)));
        move |slot: &Slot| {
            let mut block = [0; LEN];
            let content = Content::read(MessageType::RestrictedAnnouncement, &code(&setting, VICTIM));
            let plain = Repr::Standard { content, mic: [0; 4], utc_lsb: 0 };
            let made = plain.emit(&mut block).is_ok();
            let protected = sender.protect(&Freshness::at(slot.utc.counter()), &mut block).is_ok();
            if made && protected { vec![block] } else { Vec::new() }
        }
    };
    let config = OtaConfig::new(Variant::Keyed, 216, 0, RotationPeriod::SECOND)?;
    let (id, key) = rotating::identity(&setting, VICTIM);
    let identity = OtaIdentity::new(config, id, &key);
    let rotating = move |slot: &Slot| identity.announce(slot.utc, &[]).into_iter().collect();
    let attacks: [(&str, crate::experiments::discovery::attackers::Blocks); 2] = [
        ("discovery-restricted", Box::new(restricted(&setting))),
        ("discovery-rotating", Box::new(rotating)),
    ];
    for (name, blocks) in attacks {
        let attacker = Injector::new(&setting, (0, 0), blocks);
        let cast =
            Cast { programs: vec![Box::new(attacker)], script: Some(Box::new(alone)), ..Cast::default() };
        let build = build(name).ok_or_else(|| anyhow::anyhow!("no build {name}"))?;
        let run = run(build, &setting, cast)?;
        let (taken, all) = (run.taken(Who::Program(0)), run.of(Who::Program(0)).count());
        out.expect(all > 0 && taken == all, format!("{name}: {taken} of {all} forged blocks accepted (X)"));
    }
    Ok(())
}

/// Share of honest blocks that a monitor hears.
fn share(run: &Run, setting: &Setting) -> (u64, u64) {
    let of_node = |node: &usize| run.of(Who::Node(*node)).filter(|entry| entry.monitor == 0).count() as u64;
    let sent = run.sent.iter().filter(|sent| sent.node != 0).count() as u64;
    ((1..setting.announcers).map(|node| of_node(&node)).sum(), sent)
}

fn flood(game: Game, out: &mut Findings) -> anyhow::Result<()> {
    let mut costs = Vec::new();
    for (name, followed) in [
        ("discovery-rotating", 10),
        ("discovery-rotating", 100),
        ("discovery-rotating-nonce", 10),
        ("discovery-rotating-nonce", 100),
    ] {
        let setting = Setting {
            announcers: followed + 1,
            monitors: 1,
            seconds: game.scale.of(12.8, 2.56),
            seed: game.seed,
            ..Setting::default()
        };
        let mut rng = setting.rng("flood");
        let blocks = move |_: &Slot| {
            let mut one = || {
                let mut block: [u8; LEN] = rng.octets();
                block[0] = MessageType::ChangingId.octet();
                block
            };
            (0..11).map(|_| one()).collect()
        };
        let attacker = Injector::new(&setting, (0, 0), Box::new(blocks));
        // Ten of them announce: the honest load is the same.
        let quiet =
            move |_: &Slot, nodes: &mut [Node], _: &mut dyn crate::experiments::discovery::builds::World| {
                nodes.iter_mut().skip(11).for_each(|node| node.silent = true);
                Ok(())
            };
        let cast =
            Cast { programs: vec![Box::new(attacker)], script: Some(Box::new(quiet)), ..Cast::default() };
        let build = build(name).ok_or_else(|| anyhow::anyhow!("no build {name}"))?;
        let run = run(build, &setting, cast)?;
        let (heard, sent) = share(&run, &setting);
        let s = heard as f64 / sent as f64;
        let own = (1.0 - 1.0 / 16.0) * (1.0 - 1.0 / 352.0_f64).powi(9);
        let reach = 3.5 * (0.25 / sent as f64).sqrt();
        out.expect(
            (s - own / 2.0).abs() < reach,
            format!(
                "{name}, {followed} followed: {:.1} % of honest blocks heard, {:.1} predicted",
                100.0 * s,
                50.0 * own
            ),
        );
        out.expect(
            run.taken(Who::Program(0)) == 0,
            format!("{name}: {} false matches", run.taken(Who::Program(0))),
        );
        let receive = run.cpu.receive;
        costs.push(receive.time.as_secs_f64() * 1e6 / receive.count.max(1) as f64);
    }
    if let [few, many, few_nonces, many_nonces] = costs[..] {
        out.note(format!("a block against 10 and 100 identities: {few:.2} and {many:.2} us in a table"));
        out.note(format!("and {few_nonces:.2} and {many_nonces:.2} us with nonces: one computation each"));
    }
    Ok(())
}
