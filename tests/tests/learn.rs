//! Pools that nobody told: a random pool with three UEs is received without it, what was learnt is written as a file, and a
//! receiver that is told the file hears what one hears that is told the truth.

use sidelink_flowgraphs::config::RadioConfig;
use sidelink_flowgraphs::config::receiver_config;
use sidelink_flowgraphs::receive::{LearntRadio, SyncSeen};
use sidelink_flowgraphs::scenario::{Generator, Scenario};
use sidelink_phy::Sample;
use sidelink_phy::impair::rng::Rng;
use sidelink_phy::receive::receiver::{Config, Event};
use sidelink_phy::receive::stream::StreamReceiver;
use sidelink_phy::units::{CyclicPrefix, SidelinkMode, TransmissionMode};
use std::collections::BTreeSet;

/// Blocks and messages, each with the subframe in which it was first reported.
type Heard = BTreeSet<(u64, Vec<u8>)>;

/// What a receiver hears of a scenario, how often it reports a block or message anew, and what it learns.
fn receive(scenario: &Scenario, config: Config) -> (Heard, usize, LearntRadio) {
    let mut generator = Generator::new(scenario).unwrap();
    let mut receiver = StreamReceiver::new(config);
    let mut samples = vec![Sample::default(); generator.subframe_samples()];
    let (mut heard, mut reported, mut sync) = (Heard::new(), 0, SyncSeen::default());
    let mut emit = |event: Event<'_>, _: i64| {
        sync.event(&event, SidelinkMode::D2d);
        let new = match event {
            Event::SlSch(block) if !block.repeat => (block.subframe, block.block),
            Event::SlDch { subframe, message, repeat: false, .. } => (subframe, message),
            _ => return,
        };
        reported += 1;
        heard.insert((new.0, new.1.to_vec()));
    };
    for _ in 0..scenario.duration {
        generator.next_subframe(&mut samples);
        receiver.push(&samples, &mut emit);
    }
    receiver.finish(&mut emit);
    (heard, reported, LearntRadio::new(receiver.receiver_mut(), sync))
}

/// Contents alone.
fn contents(heard: &Heard) -> BTreeSet<&[u8]> {
    heard.iter().map(|(_, bytes)| &bytes[..]).collect()
}

fn told(text: &str) -> Config {
    let config = RadioConfig::from_toml(text, "radio.toml").unwrap_or_else(|e| panic!("{e}\n{text}"));
    let numerology = config.numerology(CyclicPrefix::Normal).unwrap();
    let mut receiver =
        receiver_config(&config.resolve().unwrap_or_else(|e| panic!("{e}\n{text}")), numerology);
    receiver.mode = TransmissionMode::Tm2;
    receiver
}

fn blind(prb: u32) -> Config {
    told(&format!("prb = {prb}\ntm = 2\n"))
}

fn bits(rng: &mut Rng, len: usize) -> String {
    let mut bits: Vec<bool> = (0..len).map(|_| rng.below(3) > 0).collect();
    bits[rng.below(len as u64) as usize] = true;
    bits.iter().map(|&b| if b { '1' } else { '0' }).collect()
}

/// A pool of modes 1 and 2 and three UEs at 25 dB.
fn random_communication(rng: &mut Rng) -> String {
    let prb = [15u64, 25][rng.below(2) as usize];
    let period = [40u64, 60, 70, 80, 120, 140, 160, 240, 280, 320][rng.below(10) as usize];
    let span = 2 + rng.below(if period == 40 { 10 } else { 20 });
    let num = prb / 3 + rng.below(prb / 2 - prb / 3);
    let start = rng.below(prb - 2 * num + 1);
    let end = start + 2 * num - 1 + rng.below(prb - start - 2 * num + 1);
    let mut text = format!(
        "duration = {}\nfirst-subframe = {}\nsnr = 25\nseed = {}\n[radio]\nprb = {prb}\ntm = 2\n[radio.sync]\noffset = 0\n",
        (9 * period).max(600),
        rng.below(4000),
        rng.below(1 << 30)
    );
    text += &format!("[[radio.communication]]\nperiod = {period}\noffset = {}\n", rng.below(period));
    text += &format!("control-bitmap = \"{}\"\n", bits(rng, span as usize));
    text += &format!("control-prb = {{ start = {start}, end = {end}, num = {num} }}\n");
    if rng.below(3) > 0 {
        let len = [8, 12, 16, 20, 30][rng.below(5) as usize];
        text += &format!("data-bitmap = \"{}\"\ndata-offset = {}\n", bits(rng, len), span + rng.below(4));
    }
    text += &format!("data-prb = {{ start = {start}, end = {end}, num = {num} }}\n");
    for ue in 0..3u64 {
        let len = [2, 3, 4][rng.below(3) as usize].min(prb / 3);
        let sync = if ue == 0 { "sync = { id = 170 }\n" } else { "" };
        text += &format!(
            "[[ue]]\nname = \"{ue}\"\ncfo = {}\n{sync}communication = [{{ resource = \"random\", group = {}, trp = {}, mcs = {}, start = {}, len = {len} }}]\n",
            rng.below(300),
            rng.below(256),
            rng.below(106),
            2 + rng.below(7),
            ue * (prb / 3),
        );
    }
    text
}

/// A discovery pool and three UEs at 25 dB.
fn random_discovery(rng: &mut Rng) -> String {
    let prb = [15u64, 25][rng.below(2) as usize];
    let period = [40u64, 60, 70, 80, 120, 140, 160, 240, 280, 320][rng.below(10) as usize];
    let len = 12 + rng.below(29);
    let repetitions = 1 + rng.below((period / len).clamp(1, 4));
    let num = 2 * (2 + rng.below(prb / 4 - 1));
    let start = rng.below(prb - 2 * num + 1);
    let end = start + 2 * num - 1 + rng.below(prb - start - 2 * num + 1);
    let mut text = format!(
        "duration = {}\nfirst-subframe = {}\nsnr = 25\nseed = {}\n[radio]\nprb = {prb}\ntm = 2\n[radio.sync]\noffset = 0\n",
        (22 * period).clamp(800, 5000),
        rng.below(3000),
        rng.below(1 << 30)
    );
    text += &format!("[[radio.discovery]]\nperiod = {period}\noffset = {}\n", rng.below(period));
    text += &format!("bitmap = \"{}\"\nrepetitions = {repetitions}\n", bits(rng, len as usize));
    text += &format!(
        "transmissions = {}\nprb = {{ start = {start}, end = {end}, num = {num} }}\n",
        1 + rng.below(4)
    );
    for ue in 0..3 {
        let sync = if ue == 0 { "sync = { id = 170 }\n" } else { "" };
        text += &format!("[[ue]]\nname = \"{ue}\"\n{sync}discovery = [{{ resource = \"random\" }}]\n");
    }
    text
}

/// What comes of a pool.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Learnt,
    Open,
    Wrong(String),
}

/// Learn the pool of a scenario; a receiver that is told what was learnt must hear what one hears that is told the truth.
fn learn(text: &str) -> Fate {
    let scenario = Scenario::from_toml(text, "scenario.toml").unwrap_or_else(|e| panic!("{e}\n{text}"));
    let prb = scenario.radio.prb.unwrap();
    let (sent, ..) = receive(&scenario, told(text));
    let (first, reported, learnt) = receive(&scenario, blind(prb));
    // a block that is reported twice comes in two subframes
    if contents(&first).len() != reported {
        return Fate::Wrong(format!("{reported} reported, {} different", contents(&first).len()));
    }
    if learnt.pools() == 0 {
        return Fate::Open;
    }
    let file = learnt.to_toml("the air");
    let (second, reported, _) = receive(&scenario, told(&file));
    let missing = contents(&sent).difference(&contents(&second)).count();
    if missing > 0 || reported != contents(&second).len() || learnt.pools() > 1 {
        return Fate::Wrong(format!("{missing} of {} missing, {reported} reported\n{file}", sent.len()));
    }
    Fate::Learnt
}

fn campaign(pools: u64, seed: u64, least: u64) {
    let mut rng = Rng::new(seed);
    let mut learnt = 0;
    let mut wrong = Vec::new();
    for n in 0..pools {
        let text = if n % 2 == 0 { random_communication(&mut rng) } else { random_discovery(&mut rng) };
        match learn(&text) {
            Fate::Learnt => learnt += 1,
            Fate::Open => eprintln!("pool {n} is not learnt:\n{text}"),
            Fate::Wrong(why) => wrong.push(format!("pool {n}: {why}\n{text}")),
        }
    }
    eprintln!("{learnt} of {pools} learnt, {} wrong", wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(learnt >= least, "{learnt} of {pools}");
}

#[test]
fn random_pools_are_learnt_and_a_receiver_that_is_told_them_hears_all() {
    campaign(6, 5, 5);
}

#[test]
#[ignore = "long: two minutes"]
fn of_80_random_pools_nine_in_ten_are_learnt_and_none_is_wrong() {
    campaign(80, 1, 72);
}
