//! Replays, wormholes, wrong clocks and revocation.

use super::{AttackCase, Expect, Findings, Game, Scale, small};
use crate::experiments::discovery::attackers::{Replayer, Wormhole};
use crate::experiments::discovery::builds::{ALWAYS, World, build, rotating};
use crate::experiments::discovery::engine::{Cast, Run, run, run_world};
use crate::experiments::discovery::judge::Conclusion;
use crate::experiments::discovery::node::Node;
use crate::experiments::discovery::program::{Program, Slot, Who};
use crate::experiments::discovery::setting::Setting;
use sidelink_prose::discovery::Announcer;
use sidelink_security::discovery::ota::{OtaConfig, Variant};
use sidelink_security::discovery::rotation::RotationPeriod;
use sidelink_security::keys::ApplicationKey;
use sidelink_security::outcome::Outcome;
use std::collections::BTreeMap;

pub(super) const ALL: &[AttackCase] = &[
    AttackCase {
        name: "attack-discovery-replay",
        what: "T2.1-3: A2 replays elsewhere after 0.32 to 256 s: restricted, MAX_OFFSET of 32 s",
        expect: Expect::Passes,
        play: |game, out| replay(game, out, ("discovery-restricted", None), 32_000),
    },
    AttackCase {
        name: "attack-discovery-replay-strict",
        what: "T2.1-3: the same in strict mode, 1 s",
        expect: Expect::Passes,
        play: |game, out| replay(game, out, ("discovery-restricted", Some(1)), 1000),
    },
    AttackCase {
        name: "attack-discovery-replay-rotating",
        what: "T2.1-3: the same with identifiers of one second",
        expect: Expect::Passes,
        play: |game, out| replay(game, out, ("discovery-rotating", None), 999),
    },
    AttackCase {
        name: "attack-discovery-wormhole",
        what: "T2.1-4: A3 with two radios passes samples on within the subframe (X)",
        expect: Expect::Passes,
        play: wormhole,
    },
    AttackCase {
        name: "attack-discovery-wormhole-second",
        what: "T2.1-4: A3 says what it heard elsewhere in the next subframe of the pool, within the second (X)",
        expect: Expect::Passes,
        play: wormhole_second,
    },
    AttackCase {
        name: "attack-discovery-revoked",
        what: "T2.1-7: A4, revoked, keeps the old pair; a monitor that has not refreshed yet is blind",
        expect: Expect::Stopped,
        play: revoked,
    },
    AttackCase {
        name: "attack-discovery-clocks",
        what: "T2.1-8: A9: a monitor's clock is 40 s ahead, and an announcer's goes back",
        expect: Expect::Stopped,
        play: clocks,
    },
];

/// UE 0 is elsewhere: it hears what a program says there, and nothing else.
pub(crate) fn elsewhere(programs: Vec<Box<dyn Program>>) -> Cast {
    let script = |_: &Slot, nodes: &mut [Node], _: &mut dyn World| {
        nodes[0].place = 1;
        Ok(())
    };
    Cast { programs, script: Some(Box::new(script)), more_places: 1 }
}

fn ran(name: &str, setting: &Setting, cast: Cast) -> anyhow::Result<Run> {
    run(build(name).ok_or_else(|| anyhow::anyhow!("no build {name}"))?, setting, cast)
}

fn dropped(run: &Run, monitor: usize) -> String {
    let mut why: BTreeMap<&str, u64> = BTreeMap::new();
    for entry in run.entries.iter().filter(|entry| entry.monitor == monitor) {
        if let Conclusion::Dropped(outcome) = entry.conclusion {
            *why.entry(outcome.as_str()).or_default() += 1;
        }
    }
    why.iter().map(|(why, count)| format!("{count} {why}")).collect::<Vec<_>>().join(", ")
}

fn replay(
    game: Game,
    out: &mut Findings,
    (name, strict): (&str, Option<u32>),
    window_ms: u64,
) -> anyhow::Result<()> {
    let all = [320, 1000, 5000, 31_000, 33_000, 256_000];
    let delays = if game.scale == Scale::Whole { &all[..] } else { &all[..5] };
    for &delay in delays {
        let seconds = delay as f64 / 1000.0 + game.scale.of(12.8, 6.4);
        let setting = Setting { strict, seconds, ..small(game) };
        let cast = elsewhere(vec![Box::new(Replayer::new(&setting, 0, [0, 1], delay))]);
        let run = ran(name, &setting, cast)?;
        let (taken, all) = (run.taken(Who::Program(0)), run.of(Who::Program(0)).count());
        // The counter has whole seconds, and the slot is the next of the pool.
        let is_so = match delay {
            _ if delay + 1000 < window_ms || delay == 31_000 && window_ms == 32_000 => taken == all,
            _ if delay <= window_ms => taken > 0,
            _ => taken == 0,
        };
        let why = dropped(&run, 0);
        out.expect(
            is_so && all > 0,
            format!("{:.2} s later: {taken} of {all} accepted; refused: {why}", delay as f64 / 1000.0),
        );
    }
    Ok(())
}

fn wormhole(game: Game, out: &mut Findings) -> anyhow::Result<()> {
    for name in ["discovery-restricted", "discovery-rotating-period", "discovery-unprotected"] {
        let setting = small(game);
        let cast = elsewhere(vec![Box::new(Wormhole::new(0, [0, 1], 4))]);
        let run = ran(name, &setting, cast)?;
        let all = run.entries.iter().filter(|entry| entry.monitor == 0);
        let taken = all.clone().filter(|entry| matches!(entry.conclusion, Conclusion::Match(_))).count();
        let all = all.count();
        out.expect(
            all > 0 && taken == all,
            format!("{name}: {taken} of {all} blocks accepted elsewhere (X)"),
        );
    }
    Ok(())
}

fn wormhole_second(game: Game, out: &mut Findings) -> anyhow::Result<()> {
    for name in ["discovery-restricted", "discovery-rotating", "discovery-rotating-period"] {
        let setting = Setting { seconds: 12.8, ..small(game) };
        let cast = elsewhere(vec![Box::new(Replayer::new(&setting, 0, [0, 1], 1))]);
        let run = ran(name, &setting, cast)?;
        let (taken, all) = (run.taken(Who::Program(0)), run.of(Who::Program(0)).count());
        out.expect(
            taken > 0,
            format!("{name}: {taken} of {all} blocks accepted elsewhere, a subframe or a period later (X)"),
        );
    }
    Ok(())
}

fn revoked(game: Game, out: &mut Findings) -> anyhow::Result<()> {
    const ANNOUNCER: usize = 2;
    /// When the pair is replaced, and how much later monitor 0 has the new one.
    const REVOKED_MS: u64 = 5000;
    const REFRESHED_MS: u64 = 4000;
    let setting = Setting { monitors: 2, seconds: 16.0, ..small(game) };
    let config = OtaConfig::new(Variant::Keyed, 216, 0, RotationPeriod::SECOND)?;
    let world = rotating::Rotating::new(&setting, config, Box::new(rotating::identity));
    let of_script = setting.clone();
    let (mut is_revoked, mut is_refreshed) = (false, false);
    let script = move |slot: &Slot, nodes: &mut [Node], world: &mut dyn World| {
        let mut rng = of_script.rng("new pair");
        let (id, key) = (rng.octets(), ApplicationKey::from(rng.octets::<32>()));
        if slot.t >= REVOKED_MS && !std::mem::replace(&mut is_revoked, true) {
            let announcer = Announcer::changing(config, id, &key, ALWAYS);
            if let Some(old) = nodes[ANNOUNCER].agent.announcer(0) {
                old.replace(announcer);
            }
        }
        if slot.t >= REVOKED_MS + REFRESHED_MS && !std::mem::replace(&mut is_refreshed, true) {
            let followed = nodes[0].agent.monitor().follow_rotating([(id, &key, ALWAYS)]);
            followed.into_iter().flatten().for_each(|who| world.follows(0, who, ANNOUNCER));
        }
        Ok(())
    };
    let cast = Cast { script: Some(Box::new(script)), ..Cast::default() };
    let run = run_world(Box::new(world), &setting, cast)?;
    let of = |monitor: usize, after: u64| {
        run.of(Who::Node(ANNOUNCER)).filter(move |entry| {
            let is_match = matches!(entry.conclusion, Conclusion::Match(_));
            entry.monitor == monitor && entry.slot.t >= after && is_match
        })
    };
    // A period may have begun before.
    let after = REVOKED_MS + u64::from(setting.period);
    let before = of(1, 0).count() - of(1, after).count();
    out.expect(before > 0, format!("the revoked monitor had {before} matches before"));
    out.expect(of(1, after).count() == 0, format!("and {} after the revocation", of(1, after).count()));
    let first = of(0, after).map(|entry| entry.slot.t).min();
    let blind = first.map(|first| first.saturating_sub(REVOKED_MS));
    let words = match blind {
        Some(blind) => format!("was blind for {blind} ms"),
        None => "stayed blind".to_owned(),
    };
    out.expect(
        blind.is_some_and(|blind| (REFRESHED_MS..REFRESHED_MS + 2000).contains(&blind)),
        format!("the authorised monitor, refreshed after {REFRESHED_MS} ms, {words}"),
    );
    Ok(())
}

fn clocks(game: Game, out: &mut Findings) -> anyhow::Result<()> {
    for name in ["discovery-restricted", "discovery-rotating"] {
        let setting = Setting { seconds: 12.8, ..small(game) };
        let script = |slot: &Slot, nodes: &mut [Node], _: &mut dyn World| {
            nodes[0].clock.offset_ms = 40_000.0;
            // UE 1 goes back by 5 s in the middle.
            nodes[1].clock.offset_ms = if slot.t < 6400 { 0.0 } else { -5000.0 };
            Ok(())
        };
        let cast = Cast { script: Some(Box::new(script)), ..Cast::default() };
        let run = ran(name, &setting, cast)?;
        let heard = run.entries.iter().filter(|entry| entry.monitor == 0);
        let taken = heard.clone().filter(|entry| matches!(entry.conclusion, Conclusion::Match(_))).count();
        let is_told = heard.clone().all(|entry| {
            let Conclusion::Dropped(why) = entry.conclusion else { return false };
            matches!(why, Outcome::Clock | Outcome::OutsideMaxOffset | Outcome::Replay)
        });
        let why = dropped(&run, 0);
        let heard = heard.count();
        out.expect(
            heard > 0 && taken == 0,
            format!("{name}: monitor 40 s ahead: {taken} of {heard} accepted"),
        );
        out.expect(is_told || name == "discovery-rotating", format!("{name}: it says why: {why}"));
        let silent = run.silent.get(Outcome::Clock.as_str()).copied().unwrap_or(0);
        out.expect(
            silent > 0,
            format!("{name}: the announcer whose clock went back kept silent {silent} times"),
        );
        let after =
            run.sent.iter().filter(|sent| sent.node == 1 && (6400..11_000).contains(&sent.slot.t)).count();
        out.expect(after == 0, format!("{name}: and sent {after} blocks of the past"));
    }
    Ok(())
}
