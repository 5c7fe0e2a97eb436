//! Linking blocks of one UE: by content, by carrier offset and power; and repeated nonces.

use super::{AttackCase, Expect, Findings, Game};
use crate::experiments::discovery::attackers::Recorder;
use crate::experiments::discovery::builds::{build, rotating};
use crate::experiments::discovery::engine::{Cast, Run, run, run_world};
use crate::experiments::discovery::program::HeardBlock;
use crate::experiments::discovery::setting::Setting;
use crate::experiments::discovery::statistics::NORMAL;
use sidelink_security::discovery::ota::{OtaConfig, OtaIdentity, ProseId, Variant};
use sidelink_security::discovery::rotation::RotationPeriod;
use sidelink_security::keys::ApplicationKey;
use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

pub(super) const ALL: &[AttackCase] = &[
    AttackCase {
        name: "attack-discovery-track-period",
        what: "T2.1-1: A0 links blocks by content; identifiers change each discovery period",
        expect: Expect::Stopped,
        play: |game, out| content(game, out, "discovery-rotating-period", 320),
    },
    AttackCase {
        name: "attack-discovery-track-second",
        what: "T2.1-1: the same, identifiers change each second: linked inside one (X), not beyond",
        expect: Expect::Passes,
        play: |game, out| content(game, out, "discovery-rotating", 1000),
    },
    AttackCase {
        name: "attack-discovery-track-literal",
        what: "T2.1-1: the same with the literal variant",
        expect: Expect::Passes,
        play: |game, out| content(game, out, "discovery-rotating-literal", 1000),
    },
    AttackCase {
        name: "attack-discovery-track-nonce",
        what: "T2.1-1: the same with a nonce of 64 bits in each block",
        expect: Expect::Stopped,
        play: |game, out| content(game, out, "discovery-rotating-nonce", 320),
    },
    AttackCase {
        name: "attack-discovery-track-restricted",
        what: "T2.1-1: DUSK, DUIK, DUCK: one scrambling sequence serves 16 s, and links inside them (X), not beyond",
        expect: Expect::Passes,
        play: |game, out| content(game, out, "discovery-restricted", 16_000),
    },
    AttackCase {
        name: "attack-discovery-track-radio",
        what: "T2.1-10: A0 links by carrier offset and power, whatever the content (X)",
        expect: Expect::Passes,
        play: radio,
    },
    AttackCase {
        name: "attack-discovery-dictionary",
        what: "T2.1-1: the literal variant with identifiers of 24 bits: a dictionary finds whose a block is (X)",
        expect: Expect::Passes,
        play: dictionary,
    },
    AttackCase {
        name: "attack-discovery-nonces",
        what: "T2.1-2: nonces of 16 bits repeat within minutes (X)",
        expect: Expect::Passes,
        play: nonces,
    },
];

/// Blocks of a discovery period, each with the UE that sent it: what the judge knows, and not the attacker.
type Period = Vec<(HeardBlock, usize)>;

/// Records a run, and sorts what was heard by periods.
fn record(setting: &Setting, build_name: &str) -> anyhow::Result<(Run, Vec<Period>)> {
    let (recorder, heard) = Recorder::new(setting, 0);
    let cast = Cast { programs: vec![Box::new(recorder)], ..Cast::default() };
    let build = build(build_name).ok_or_else(|| anyhow::anyhow!("no build {build_name}"))?;
    let run = run(build, setting, cast)?;
    let sent: HashMap<(u64, [u8; 29]), usize> =
        run.sent.iter().map(|sent| ((sent.slot.t, sent.message), sent.node)).collect();
    let mut periods: BTreeMap<u64, Period> = BTreeMap::new();
    for block in heard.borrow().iter() {
        let first = block.slot.t - u64::from(block.since_first);
        if let Some(node) = sent.get(&(first, block.message)) {
            periods.entry(block.slot.period).or_default().push((*block, *node));
        }
    }
    Ok((run, periods.into_values().collect()))
}

/// The setting of a tracker: 20 UEs; 10 000 blocks in the whole game. `quick`: seconds of a quick one.
fn tracked(game: Game, quick: f64) -> Setting {
    let seconds = game.scale.of(160.0, quick);
    // None of them has to monitor: the attacker listens.
    Setting { monitors: 1, seconds, seed: game.seed, ..Setting::default() }
}

/// Guesses that were right, and what chance alone gives.
#[derive(Clone, Copy, Default)]
struct Guesses {
    made: f64,
    right: f64,
    /// What guessing gives, and its variance.
    chance: f64,
    variance: f64,
}

impl Guesses {
    fn add(&mut self, is_right: bool, candidates: usize) {
        let p = 1.0 / candidates as f64;
        self.made += 1.0;
        self.right += f64::from(u8::from(is_right));
        self.chance += p;
        self.variance += p * (1.0 - p);
    }

    /// Advantage over guessing, and half the width of its 95 % interval where there is none.
    fn advantage(&self) -> (f64, f64) {
        let made = self.made.max(1.0);
        ((self.right - self.chance) / made, NORMAL * self.variance.sqrt() / made)
    }
}

/// For each block of one period, guesses the block of the same UE in another by the least distance.
fn link(a: &Period, b: &Period, distance: impl Fn(&HeardBlock, &HeardBlock) -> f64, out: &mut Guesses) {
    for (block, node) in a {
        // A guess can only be right where the UE was heard in both.
        if !b.iter().any(|(_, other)| other == node) {
            continue;
        }
        let nearest = b.iter().min_by(|x, y| distance(block, &x.0).total_cmp(&distance(block, &y.0)));
        out.add(nearest.is_some_and(|(_, other)| other == node), b.len());
    }
}

/// Number of bits of code and MIC that differ.
fn differing(a: &HeardBlock, b: &HeardBlock) -> f64 {
    let octets = a.message[1..28].iter().zip(&b.message[1..28]);
    f64::from(octets.map(|(x, y)| (x ^ y).count_ones()).sum::<u32>())
}

/// Links by content, inside and beyond the time `tick_ms` for which content may stay the same.
fn content(game: Game, out: &mut Findings, build_name: &str, tick_ms: u64) -> anyhow::Result<()> {
    // A quick game too has blocks on both sides of a change.
    let setting = tracked(game, if tick_ms > 1000 { 26.0 } else { 12.8 });
    let (run, periods) = record(&setting, build_name)?;
    let tick = |period: &Period| period.first().map(|(block, _)| block.slot.utc.millis() / tick_ms);
    // The tick of every block of a period must be the same, or not, in both.
    let last = |period: &Period| period.last().map(|(block, _)| block.slot.utc.millis() / tick_ms);
    let (mut inside, mut beyond) = (Guesses::default(), Guesses::default());
    let lag = (tick_ms / u64::from(setting.period) + 1) as usize;
    for (a, b) in periods.iter().zip(periods.iter().skip(1)) {
        if tick(a) == last(a) && tick(a) == last(b) {
            link(a, b, differing, &mut inside);
        }
    }
    for (a, b) in periods.iter().zip(periods.iter().skip(lag)) {
        if last(a) < tick(b) {
            link(a, b, differing, &mut beyond);
        }
    }
    let blocks: usize = periods.iter().map(Vec::len).sum();
    out.note(format!("{blocks} of {} blocks of {} UEs heard", run.sent.len(), setting.announcers));
    let (gained, by_chance) = beyond.advantage();
    // Guesses of one tick are alike: they count as one.
    let by_chance = by_chance * (tick_ms as f64 / f64::from(setting.period)).max(1.0).sqrt();
    // The digest: below 1 %, which 10 000 blocks can show.
    let least = 0.01_f64.max(1.5 * by_chance);
    out.expect(
        gained.abs() < least,
        format!(
            "beyond {tick_ms} ms: {:.0} guesses, advantage {:.2} % +-{:.2}",
            beyond.made,
            100.0 * gained,
            100.0 * by_chance
        ),
    );
    if inside.made > 0.0 {
        let (gained, _) = inside.advantage();
        out.expect(
            gained > 0.8,
            format!("inside {tick_ms} ms: {:.0} guesses, advantage {:.1} % (X)", inside.made, 100.0 * gained),
        );
    }
    Ok(())
}

fn radio(game: Game, out: &mut Findings) -> anyhow::Result<()> {
    let setting = Setting { spread_db: 10.0, ..tracked(game, 9.6) };
    let (_, periods) = record(&setting, "discovery-rotating-period")?;
    // In units of what one measurement is off by at 20 dB.
    let carrier = |a: &HeardBlock, b: &HeardBlock| ((a.carrier - b.carrier) / 10.0).powi(2);
    let power = |a: &HeardBlock, b: &HeardBlock| ((a.power - b.power) / 0.3).powi(2);
    let both = |a: &HeardBlock, b: &HeardBlock| carrier(a, b) + power(a, b);
    let guess = |distance: &dyn Fn(&HeardBlock, &HeardBlock) -> f64| {
        let mut guesses = Guesses::default();
        periods.iter().zip(periods.iter().skip(1)).for_each(|(a, b)| link(a, b, distance, &mut guesses));
        guesses.advantage().0
    };
    let [by_carrier, by_power, by_both] = [guess(&carrier), guess(&power), guess(&both)];
    out.expect(
        by_both > 0.2,
        format!(
            "advantage by carrier offset (within 100 Hz) {:.1} %, by power (within 10 dB) {:.1} %, by both {:.1} % (X)",
            100.0 * by_carrier,
            100.0 * by_power,
            100.0 * by_both
        ),
    );
    Ok(())
}

/// Returns the identifier with this number: the rest is zero.
fn small_id(number: u32) -> ProseId {
    let mut id = [0; 20];
    id[16..].copy_from_slice(&number.to_be_bytes());
    id
}

fn dictionary(game: Game, out: &mut Findings) -> anyhow::Result<()> {
    const WHOLE: u32 = 24;
    let bits = game.scale.of(f64::from(WHOLE), 14.0) as u32;
    let setting = Setting { seconds: 0.32, monitors: 1, seed: game.seed, ..Setting::default() };
    let config = OtaConfig::new(Variant::Literal, 160, 0, RotationPeriod::SECOND)?;
    let number = move |setting: &Setting, ue: usize| {
        (setting.rng(&format!("small {ue}")).next_u64() % (1 << bits)) as u32
    };
    let world = rotating::Rotating::new(
        &setting,
        config,
        Box::new(move |setting, ue| (small_id(number(setting, ue)), ApplicationKey::from([0; 32]))),
    );
    let (recorder, heard) = Recorder::new(&setting, 0);
    let cast = Cast { programs: vec![Box::new(recorder)], ..Cast::default() };
    let run = run_world(Box::new(world), &setting, cast)?;
    let heard = heard.borrow();
    let block = heard.first().ok_or_else(|| anyhow::anyhow!("nothing was heard"))?;
    let key = ApplicationKey::from([0; 32]);
    let began = Instant::now();
    let is_it = |n: &u32| {
        let identity = OtaIdentity::new(config, small_id(*n), &key);
        identity.announce(block.slot.utc, &[]) == Some(block.message)
    };
    let found = (0..1_u32 << bits).find(is_it);
    let tried = f64::from(found.unwrap_or(1 << bits) + 1);
    let rate = tried / began.elapsed().as_secs_f64();
    let truth =
        run.sent.iter().find(|sent| sent.message == block.message).map(|sent| number(&setting, sent.node));
    out.expect(
        found.is_some() && found == truth,
        format!("the identifier of {bits} bits was found after {tried:.0} tries (X)"),
    );
    out.note(format!(
        "{:.2} million tries a second on one core: all of {WHOLE} bits in {:.1} s",
        rate / 1e6,
        f64::from(1 << WHOLE) / rate
    ));
    Ok(())
}

fn nonces(game: Game, out: &mut Findings) -> anyhow::Result<()> {
    let announcers = 20;
    let setting = Setting {
        announcers,
        monitors: 1,
        seconds: game.scale.of(320.0, 60.0),
        seed: game.seed,
        ..Setting::default()
    };
    for (words, period_ms) in [("each second", 1000), ("each hour", 3_600_000)] {
        let config = OtaConfig::new(Variant::Keyed, 200, 16, RotationPeriod::from_millis(period_ms)?)?;
        let world = rotating::Rotating::new(&setting, config, Box::new(rotating::identity));
        let (recorder, heard) = Recorder::new(&setting, 0);
        let cast = Cast { programs: vec![Box::new(recorder)], ..Cast::default() };
        let run = run_world(Box::new(world), &setting, cast)?;
        let (mut nonces, mut blocks) = (HashMap::new(), HashMap::new());
        let (mut first_nonce, mut equal) = (HashMap::new(), 0);
        let heard_at: HashMap<(u64, [u8; 29]), ()> =
            heard.borrow().iter().map(|block| ((block.slot.t, block.message), ())).collect();
        for sent in run.sent.iter().filter(|sent| heard_at.contains_key(&(sent.slot.t, sent.message))) {
            let nonce = [sent.message[1], sent.message[2]];
            if nonces.insert((sent.node, nonce), ()).is_some() {
                first_nonce.entry(sent.node).or_insert(sent.slot.t as f64 / 1000.0);
            }
            equal += usize::from(blocks.insert(sent.message, ()).is_some());
        }
        // P(repeat within t) = 1 - exp(-n^2 / 2^17), n = 0.88 t / 0.32: as many are heard.
        let n = 0.88 * setting.seconds / 0.32;
        let predicted = announcers as f64 * (1.0 - (-n * n / 131_072.0_f64).exp());
        let repeats = first_nonce.len() as f64;
        let spread = 3.0 * (predicted * (1.0 - predicted / announcers as f64)).sqrt().max(1.0);
        out.expect(
            (repeats - predicted).abs() <= spread,
            format!(
                "codes change {words}: nonces of {repeats} of {announcers} UEs repeat within {} s, {predicted:.1} predicted",
                setting.seconds
            ),
        );
        // Where the clock is hashed too, an equal nonce of another second gives another block.
        let is_so = if period_ms == 1000 { equal <= 2 } else { equal as f64 >= repeats };
        out.expect(is_so, format!("codes change {words}: {equal} equal blocks"));
    }
    Ok(())
}
