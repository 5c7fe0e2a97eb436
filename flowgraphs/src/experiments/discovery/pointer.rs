//! Pointers to signatures on the SL-SCH, with whole UEs on one air: their planners send discovery, PSCCH and PSSCH.
//!
//! The meter's own air has no SL-SCH; here each UE is one of `sidelink ue`, in lock-step, with a discovery pool and a
//! communication pool side by side.

use crate::attacks::Replayer;
use crate::config::ue_toml::{Draws, RadioFacts, UeConfig};
use sidelink_phy::units::Decibel;
use sidelink_prose::discovery::agent;
use sidelink_radio::air::{Air, AirConfig, Pace, PortConfig};
use sidelink_radio::number::Number;
use sidelink_radio::{Anchor, Radio};
use sidelink_security::discovery::signature::{Scheme, SigningKey};
use sidelink_store::{Discovery, Hex, Keys, PointerEntry, Protection};
use sidelink_ue::air_rng::AirRng;
use sidelink_ue::{Application, Event, Moment, NoStore, Participant, Running, Send, ThreadOptions, Ue};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Samples per second of the air.
const RATE: f64 = 3.84e6;

/// Subframes of a discovery period.
pub(crate) const PERIOD: u64 = 320;

/// Subframes of an SC period.
pub(crate) const SC_PERIOD: u64 = 40;

const NO_ANCHOR: Anchor = Anchor { utc_ns: 0, uncertainty_ns: 0 };

/// A run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PointerSetting {
    /// UEs that announce; one more monitors them.
    pub(crate) announcers: usize,
    /// MCS of PSSCH, on 10 PRBs.
    pub(crate) mcs: u8,
    /// Seed of keys, draws and noise.
    pub(crate) seed: u64,
    /// Discovery periods on the air.
    pub(crate) periods: u64,
    /// Es/N0.
    pub(crate) snr: Decibel,
    /// A radio says all subframes again, this many later.
    pub(crate) replay: Option<u64>,
}

impl Default for PointerSetting {
    fn default() -> Self {
        Self { announcers: 1, mcs: 6, seed: 1, periods: 6, snr: Decibel(20.0), replay: None }
    }
}

/// What became of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct PointerRun {
    /// By announcer: subframes of its first matches.
    pub(crate) matched: BTreeMap<String, Vec<u64>>,
    /// By announcer: subframes of its proofs.
    pub(crate) verified: BTreeMap<String, Vec<u64>>,
    /// Messages and announcements that were dropped, by why.
    pub(crate) dropped: BTreeMap<&'static str, u64>,
    /// SCIs, SL-SCH blocks and SL-DCH messages that the announcers sent.
    pub(crate) sent: [u64; 3],
    /// Subframes that were said again.
    pub(crate) replayed: u64,
}

/// What the monitor lived through; a copy is the same log.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<PointerRun>>);

impl Application for Log {
    fn work(&mut self, _now: Moment, _send: &mut Send<'_>) {}

    fn event(&mut self, now: Moment, event: &Event<'_>) {
        let Event::Discovery { name, event } = event else { return };
        let mut run = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            agent::Event::Matched(_) => run.matched.entry((*name).to_owned()).or_default().push(now.t),
            agent::Event::Discovered(_) => run.verified.entry((*name).to_owned()).or_default().push(now.t),
            agent::Event::Dropped(dropped) => {
                *run.dropped.entry(dropped.outcome().as_str()).or_default() += 1
            }
            _ => {}
        }
    }
}

/// Returns the keys of everybody: announcers `ue0`, .. and the monitor `bob`.
pub(crate) fn keys(setting: &PointerSetting) -> anyhow::Result<Keys> {
    let mut rng = AirRng::seeded(setting.seed, "pointers");
    let mut keys = Keys::default();
    for number in 0..setting.announcers {
        let name = format!("ue{number}");
        let mut entry = Discovery::new(&name, Protection::Pointer, u32::MAX);
        entry.announcer = Some(name);
        entry.monitors = vec!["bob".to_owned()];
        entry.code = Some(Hex(rng.octets::<23>().to_vec()));
        entry.pointer = Some(PointerEntry::of(&SigningKey::new(Scheme::Ed25519, &rng.octets())?));
        keys.discovery.push(entry);
    }
    Ok(keys)
}

fn config(setting: &PointerSetting, name: &str, id: usize) -> anyhow::Result<UeConfig> {
    let seed = 1000 * setting.seed + id as u64;
    let mcs = setting.mcs;
    let text = format!(
        r#"name = "{name}"
layer2-id = "{id:06x}"
seed = {seed}
lead = 4
[radio]
prb = 15
tm = 2
[[radio.communication]]
period = {SC_PERIOD}
control-bitmap = "1111 1111"
control-prb = {{ start = 0, end = 14, num = 7 }}
data-bitmap = "1111 1111 1111 1111 1111 1111 0000 0000"
data-offset = 8
data-prb = {{ start = 0, end = 14, num = 15 }}
[[radio.discovery]]
period = {PERIOD}
offset = 32
bitmap = "1111 1111"
transmissions = 2
prb = {{ start = 0, end = 14, num = 7 }}
[communication]
mcs = {mcs}
prbs = 10
trpt-subset = 4
"#
    );
    Ok(UeConfig::from_toml(&text, "the scenario's UE")?)
}

/// Plays a setting.
///
/// # Errors
/// A configuration, or the air.
pub(crate) fn play(setting: &PointerSetting) -> anyhow::Result<PointerRun> {
    let keys = keys(setting)?;
    let air = Air::new(AirConfig {
        rate: Number(RATE),
        prb: Some(15),
        pace: Pace::Free,
        seed: setting.seed,
        snr: Some(setting.snr.0),
        utc: Some(1_800_000_000),
        wait_for: setting.announcers + 1 + usize::from(setting.replay.is_some()),
        stall: 120.0,
        ..AirConfig::default()
    })?;
    let mut names: Vec<String> = (0..setting.announcers).map(|number| format!("ue{number}")).collect();
    names.push("bob".to_owned());
    let ports = names.iter().map(|name| air.attach(PortConfig::named(name)));
    let ports = ports.collect::<Result<Vec<_>, _>>()?;
    let eve =
        setting.replay.map(|delay| Ok::<_, anyhow::Error>((delay, air.attach(PortConfig::named("eve"))?)));
    let eve = eve.transpose()?;
    let log = Log::default();
    let duration = setting.periods * PERIOD;
    let mut running = Vec::new();
    for (number, (name, radio)) in names.iter().zip(ports).enumerate() {
        let streams = radio.start()?;
        let anchor = streams.anchor.unwrap_or(NO_ANCHOR);
        let facts = RadioFacts { anchor, real_time: false, draws: Draws::Seeded };
        let is_monitor = number == setting.announcers;
        let applications: Vec<Box<dyn Application>> =
            if is_monitor { vec![Box::new(log.clone())] } else { Vec::new() };
        let config = config(setting, name, 0x30 + number)?;
        let mut ue = config.build_with(&keys.for_ue(name), NoStore::default(), facts, applications)?;
        ue.set_duration(if is_monitor { duration + setting.replay.unwrap_or(0) } else { duration });
        running.push((is_monitor, Running::start(ue, streams, false, ThreadOptions::default(), None)?));
    }
    let eve = eve.map(|(delay, radio)| replay(setting, delay, radio, duration)).transpose()?;
    let mut sent = [0; 3];
    for (is_monitor, one) in running {
        let ue: Ue = ended(one)?;
        if !is_monitor {
            sent.iter_mut().zip(&ue.totals().sent[1..]).for_each(|(sum, sent)| *sum += sent);
        }
    }
    let replayed = eve.map(ended).transpose()?.map_or(0, |eve| eve.replayed());
    let run = log.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok(PointerRun { sent, replayed, ..run })
}

/// A radio that says everything again.
fn replay(
    setting: &PointerSetting,
    delay: u64,
    radio: Box<dyn Radio>,
    duration: u64,
) -> anyhow::Result<Running<Replayer>> {
    let streams = radio.start()?;
    let numerology = config(setting, "eve", 0x2f)?.numerology()?;
    let anchor = streams.anchor.unwrap_or(NO_ANCHOR);
    let mut replayer = Replayer::new("eve", numerology, anchor, delay, Decibel(3.0));
    replayer.set_duration(duration + delay);
    Ok(Running::start(replayer, streams, false, ThreadOptions::default(), None)?)
}

fn ended<P: Participant>(running: Running<P>) -> anyhow::Result<P> {
    let (participant, result) =
        running.join().map_err(|_| anyhow::anyhow!("a thread failed; this is a bug"))?;
    result?;
    Ok(participant)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sidelink_phy::tables::transport_block_size;

    #[test]
    fn whole_ues_match_and_verify_a_pointer() {
        let setting = PointerSetting { announcers: 2, ..PointerSetting::default() };
        let run = play(&setting).unwrap();
        for number in 0..2 {
            let name = format!("ue{number}");
            let (matched, verified) = (&run.matched[&name], &run.verified[&name]);
            assert!(matched.len() >= 3 && verified.len() >= 3, "{run:?}");
            // From the last message before it, of which one or the other may have been lost.
            let wait = |proof: &u64| Some(proof - matched.iter().rev().find(|at| *at <= proof)?);
            let mut waits: Vec<u64> = verified.iter().filter_map(wait).collect();
            waits.sort_unstable();
            assert!(waits[waits.len() / 2] <= 2 * SC_PERIOD, "{waits:?} ms from the match to the proof");
        }
        assert_eq!(run.dropped.get("bad_signature"), None, "{run:?}");
        // One SL-SCH block in four transmissions, and its SCI in two, for each message in two.
        let [scis, blocks, messages] = run.sent;
        assert_eq!((scis, blocks), (messages, 2 * messages), "{run:?}");
    }

    /// A2 over IQ: all subframes again, one discovery period later.
    #[test]
    fn a_late_replay_of_both_channels_is_refused() {
        let setting = PointerSetting { replay: Some(6 * PERIOD), periods: 6, ..PointerSetting::default() };
        let run = play(&setting).unwrap();
        assert!(run.replayed > 0, "{run:?}");
        let last = run.verified["ue0"].last().unwrap();
        let first = run.verified["ue0"].first().unwrap();
        assert!(last - first <= 6 * PERIOD, "nothing that was said again is proven: {run:?}");
        assert!(run.dropped.get("replay").is_some_and(|count| *count > 0), "{run:?}");
    }

    /// The digest's arithmetic for option E, from the tables of TS 36.213: octets of a transport block of 10 PRBs.
    #[test]
    fn announcements_fit_the_transport_blocks_of_the_digest() {
        // MCS up to 10 are I_TBS (TS 36.213 §8.6.1, QPSK).
        let octets = |mcs: usize| transport_block_size(mcs, 10).unwrap() / 8;
        assert_eq!([5, 6, 9].map(octets), [109, 129, 193]);
        // SL-SCH subheader 6, that of the SDU 1, RLC 1; PDCP 5.
        let needed = |announcement: usize| announcement + 5 + 6 + 1 + 1;
        assert_eq!((needed(97), needed(162)), (110, 175));
        assert!(octets(5) < needed(97) && needed(97) <= octets(6));
        // 162 octets need MCS 9 with the padding's subheaders: MCS 8 has 173.
        assert!(octets(8) < needed(162) && needed(162) <= octets(9));
    }
}
