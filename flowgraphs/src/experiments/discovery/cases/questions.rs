//! Model B: queries and responses (T2.2-*).

use super::time::elsewhere;
use super::{AttackCase, Expect, Findings, Game, Scale, small};
use crate::experiments::discovery::attackers::{Injector, Recorder, Replayer};
use crate::experiments::discovery::builds::questions::{Form, Questions, query_code, secrets};
use crate::experiments::discovery::builds::{Kind, Networked, World, profile};
use crate::experiments::discovery::engine::{Cast, Run, run_world};
use crate::experiments::discovery::judge::{Conclusion, Entry};
use crate::experiments::discovery::node::Node;
use crate::experiments::discovery::program::{Program, Slot, Who};
use crate::experiments::discovery::setting::Setting;
use crate::experiments::discovery::statistics::{is_near, poisson};
use sidelink_security::discovery::Freshness;
use sidelink_security::discovery::request_response::{Binding, QUERY_TYPE, RESPONSE_TYPE, Session};
use sidelink_security::outcome::Outcome;
use sidelink_wire::pc5_discovery::LEN;
use std::collections::HashSet;
use std::rc::Rc;

pub(super) const ALL: &[AttackCase] = &[
    AttackCase {
        name: "attack-discovery-solicit",
        what: "T2.2-1: A1 sends solicitations without a key at the rate of the pool: nobody responds",
        expect: Expect::Stopped,
        play: solicit,
    },
    AttackCase {
        name: "attack-discovery-solicit-replay",
        what: "T2.2-2: A2 replays solicitations: answered once, refused after the window",
        expect: Expect::Stopped,
        play: solicit_replay,
    },
    AttackCase {
        name: "attack-discovery-response-replay",
        what: "T2.2-3: A2 replays responses to later queries of another, bound to the query: they fit inside one second (X) alone",
        expect: Expect::Stopped,
        play: |game, out| response_replay(game, out, Binding::Bound),
    },
    AttackCase {
        name: "attack-discovery-response-replay-unbound",
        what: "T2.2-3: the same, not bound to the query: what is older than the query is refused by its time all the same",
        expect: Expect::Stopped,
        play: |game, out| response_replay(game, out, Binding::Unbound),
    },
    AttackCase {
        name: "attack-discovery-bit-flips",
        what: "T2.2-4: each of the 232 bits of a solicitation is turned: none is accepted",
        expect: Expect::Stopped,
        play: bit_flips,
    },
    AttackCase {
        name: "attack-discovery-roles",
        what: "T2.2-5: A4 with the keys of responses sends solicitations: refused",
        expect: Expect::Stopped,
        play: roles,
    },
    AttackCase {
        name: "attack-discovery-unauthorised",
        what: "T2.2-6: a UE without permission reports a match: the network refuses, and tells no name",
        expect: Expect::Stopped,
        play: unauthorised,
    },
    AttackCase {
        name: "attack-discovery-forge-mic",
        what: "T2.2-7: MICs of 8 bits are guessed: what follows for 32",
        expect: Expect::Measured,
        play: forge,
    },
];

/// UE 0 asks, the others answer.
fn world(setting: &Setting, binding: Binding) -> Box<dyn World> {
    Box::new(Questions::new(setting, Form::Preshared(binding)))
}

/// Number of responses that were sent.
fn responses(run: &Run) -> usize {
    run.sent.iter().filter(|sent| sent.message[0] == RESPONSE_TYPE).count()
}

fn is_asked(entry: &&Entry) -> bool {
    entry.conclusion == Conclusion::Asked
}

/// Nobody asks.
fn unasked(_: &Slot, nodes: &mut [Node], _: &mut dyn World) -> anyhow::Result<()> {
    nodes[0].silent = true;
    Ok(())
}

/// Runs what a program sends while nobody else asks.
fn attacked(setting: &Setting, programs: Vec<Box<dyn Program>>) -> anyhow::Result<Run> {
    let cast = Cast { programs, script: Some(Box::new(unasked)), ..Cast::default() };
    run_world(world(setting, Binding::Bound), setting, cast)
}

/// A query of this second with this MIC.
fn query(setting: &Setting, slot: &Slot, mic: [u8; 4]) -> [u8; LEN] {
    let mut block = [0; LEN];
    block[0] = QUERY_TYPE;
    block[1..24].copy_from_slice(&query_code(setting));
    block[24..28].copy_from_slice(&mic);
    block[LEN - 1] = slot.counter_lsb();
    block
}

fn solicit(game: Game, out: &mut Findings) -> anyhow::Result<()> {
    let setting = small(game);
    let (of, mut rng) = (setting.clone(), setting.rng("mics"));
    let blocks = move |slot: &Slot| (0..7).map(|_| query(&of, slot, rng.octets())).collect();
    let run = attacked(&setting, vec![Box::new(Injector::new(&setting, (0, 0), Box::new(blocks)))])?;
    let all = run.of(Who::Program(0)).count();
    let asked = run.of(Who::Program(0)).filter(is_asked).count();
    out.expect(all > 0 && asked == 0, format!("{asked} of {all} solicitations accepted"));
    out.expect(responses(&run) == 0, format!("{} responses", responses(&run)));
    let receive = run.cpu.receive;
    let us = receive.time.as_secs_f64() * 1e6 / receive.count.max(1) as f64;
    out.note(format!("{us:.2} us of the agent for each"));
    Ok(())
}

fn solicit_replay(game: Game, out: &mut Findings) -> anyhow::Result<()> {
    for (words, delay) in [("inside the time of the cache", 2000), ("after the window", 34_000)] {
        let setting = Setting { announcers: 3, seconds: delay as f64 / 1000.0 + 9.6, ..small(game) };
        let replayer = Replayer::new(&setting, 0, [0, 0], delay);
        let cast = Cast { programs: vec![Box::new(replayer)], ..Cast::default() };
        let run = run_world(world(&setting, Binding::Bound), &setting, cast)?;
        let is_query = |entry: &&Entry| entry.message[0] == QUERY_TYPE && entry.monitor != 0;
        let copies = || run.of(Who::Program(0)).filter(is_query);
        let (asked, all) = (copies().filter(is_asked).count(), copies().count());
        let first = run.of(Who::Node(0)).filter(is_asked).count();
        out.expect(first > 0, format!("{words}: {first} solicitations answered"));
        // One that was lost is new when it comes again.
        let most = if delay > 32_000 { 0 } else { all / 20 };
        out.expect(all > 0 && asked <= most, format!("{words}: {asked} of {all} copies answered"));
    }
    Ok(())
}

fn response_replay(game: Game, out: &mut Findings, binding: Binding) -> anyhow::Result<()> {
    // UE 1 asks here, and others respond; UE 0 asks elsewhere, with the same query code.
    let setting = Setting { monitors: 2, seconds: 12.8, ..small(game) };
    let way = match binding {
        Binding::Bound => "bound to the query",
        Binding::Unbound => "not bound to the query",
    };
    for delay in [640, 3000] {
        let cast = elsewhere(vec![Box::new(Replayer::new(&setting, 0, [0, 1], delay))]);
        let run = run_world(world(&setting, binding), &setting, cast)?;
        let is_response = |entry: &&Entry| entry.message[0] == RESPONSE_TYPE && entry.monitor == 0;
        let copies = || run.of(Who::Program(0)).filter(is_response);
        let taken = copies().filter(|entry| matches!(entry.conclusion, Conclusion::Match(_))).count();
        let all = copies().count();
        let words = format!("{way}: {taken} of {all} responses of {delay} ms ago accepted");
        if delay < 1000 {
            // Queries of one second have one MIC: inside it a response fits both.
            out.note(format!("{words} (X)"));
        } else {
            out.expect(all > 0 && taken == 0, words);
        }
    }
    Ok(())
}

fn bit_flips(game: Game, out: &mut Findings) -> anyhow::Result<()> {
    let setting = Setting { seconds: 12.8, ..small(game) };
    let (recorder, heard) = Recorder::new(&setting, 0);
    let mut bit = 0;
    let of = Rc::clone(&heard);
    let blocks = move |_: &Slot| {
        let query =
            of.borrow().iter().find(|block| block.message[0] == QUERY_TYPE).map(|block| block.message);
        let Some(query) = query else { return Vec::new() };
        let some: Vec<_> = (bit..(bit + 7).min(8 * LEN))
            .map(|bit| {
                let mut turned = query;
                turned[bit / 8] ^= 0x80 >> (bit % 8);
                turned
            })
            .collect();
        bit += some.len();
        some
    };
    let attacker = Injector::new(&setting, (1, 1), Box::new(blocks));
    // UE 1 hears the turned ones, and never the whole one.
    let away = |_: &Slot, nodes: &mut [Node], _: &mut dyn World| {
        nodes[1].place = 1;
        Ok(())
    };
    let cast = Cast {
        programs: vec![Box::new(recorder), Box::new(attacker)],
        script: Some(Box::new(away)),
        more_places: 1,
    };
    let run = run_world(world(&setting, Binding::Bound), &setting, cast)?;
    let turned: HashSet<[u8; LEN]> = run.of(Who::Program(1)).map(|entry| entry.message).collect();
    let asked = run.of(Who::Program(1)).filter(is_asked).count();
    out.expect(turned.len() >= 220, format!("{} of {} turned bits heard", turned.len(), 8 * LEN));
    out.expect(asked == 0, format!("{asked} accepted"));
    Ok(())
}

fn roles(game: Game, out: &mut Findings) -> anyhow::Result<()> {
    let setting = small(game);
    let of = setting.clone();
    let blocks = move |slot: &Slot| {
        let [_, response] = secrets(&of);
        let own = [&response, &response];
        let session = Session::with_secrets(own, query_code(&of), Binding::Bound, profile(&of));
        let made = session.solicit(&Freshness::at(slot.utc.counter()));
        made.into_iter().map(|(block, _)| block).collect()
    };
    let run = attacked(&setting, vec![Box::new(Injector::new(&setting, (0, 0), Box::new(blocks)))])?;
    let all = run.of(Who::Program(0)).count();
    let asked = run.of(Who::Program(0)).filter(is_asked).count();
    out.expect(
        all > 0 && asked == 0,
        format!("{asked} of {all} solicitations under the key of responses accepted"),
    );
    Ok(())
}

fn unauthorised(game: Game, out: &mut Findings) -> anyhow::Result<()> {
    let setting = Setting { monitors: 2, ..small(game) };
    let mut world = Networked::new(&setting, Kind::Restricted)?;
    world.revoke(1)?;
    let run = run_world(Box::new(world), &setting, Cast::default())?;
    let of = |monitor: usize| {
        let all = run.verified.iter().filter(move |(_, ue, _)| *ue == monitor);
        all.map(|(.., found)| found.announcer).collect::<HashSet<usize>>().len()
    };
    let heard = run.entries.iter().filter(|entry| entry.monitor == 1).count();
    out.expect(of(0) == 3, format!("UE 0, which may: {} of 3 announcers verified", of(0)));
    out.expect(
        heard > 0 && of(1) == 0,
        format!(
            "UE 1, which may no more: {heard} blocks decoded, {} verified, {} refused by the network",
            of(1),
            run.network.not_verified
        ),
    );
    Ok(())
}

fn forge(game: Game, out: &mut Findings) -> anyhow::Result<()> {
    const BITS: u8 = 8;
    let seconds = if game.scale == Scale::Whole { 128.0 } else { 25.6 };
    let setting = Setting { announcers: 2, mic_bits: BITS, seconds, ..small(game) };
    let (of, mut rng) = (setting.clone(), setting.rng("mics"));
    let blocks =
        move |slot: &Slot| (0..4).map(|_| query(&of, slot, [0, 0, 0, rng.octets::<1>()[0]])).collect();
    let run = attacked(&setting, vec![Box::new(Injector::new(&setting, (0, 0), Box::new(blocks)))])?;
    // UE 1 alone: a MIC that is right again in the same second is a copy.
    let of_ue = || run.of(Who::Program(0)).filter(|entry| entry.monitor == 1);
    let is_right = |entry: &&Entry| {
        matches!(
            entry.conclusion,
            Conclusion::Asked | Conclusion::Dropped(Outcome::Replay | Outcome::RateLimited)
        )
    };
    let (right, all) = (of_ue().filter(is_right).count(), of_ue().count());
    let predicted = all as f64 / f64::from(1 << BITS);
    let (low, high) = poisson(right as u64);
    out.expect(
        is_near(right, predicted),
        format!(
            "{right} of {all} guesses of {BITS} bits right [{low:.0} to {high:.0}], {predicted:.1} predicted"
        ),
    );
    let tries = all as f64 / (right as f64).max(1.0) * 2_f64.powi(32 - i32::from(BITS));
    out.note(format!(
        "at 32 bits and 550 blocks a second: {:.0} days until one is right, on average",
        tries / 550.0 / 86_400.0
    ));
    Ok(())
}
