//! The meter's air beside whole UEs on the virtual air: the same pool, the same share of blocks heard.

use super::builds::build;
use super::costs::DiscoveryCosts;
use super::engine::{Cast, run};
use super::setting::Setting;
use crate::config::ue_toml::{Draws, RadioFacts, UeConfig};
use crate::experiments::setup::{NO_ANCHOR, ended};
use sidelink_phy::units::Bandwidth;
use sidelink_radio::air::{Air, AirConfig, Pace, PortConfig};
use sidelink_radio::number::Number;
use sidelink_store::{Discovery, Hex, Keys, Protection, Secret};
use sidelink_ue::{NoStore, Running, ThreadOptions};

/// Blocks that UEs heard, and those that others sent.
fn of_ues(setting: &Setting) -> (f64, f64) {
    let names: Vec<String> = (0..setting.announcers).map(|ue| format!("ue{ue}")).collect();
    let entry = |name: &String| {
        let mut entry = Discovery::new(name, Protection::Restricted, u32::MAX);
        let mut rng = setting.rng(name);
        entry.announcer = Some(name.clone());
        entry.monitors = names.iter().filter(|other| *other != name).cloned().collect();
        entry.code = Some(Hex(rng.octets::<23>().to_vec()));
        entry.dusk = Some(Secret::new(rng.octets::<32>().to_vec()));
        entry.duik = Some(Secret::new(rng.octets::<32>().to_vec()));
        entry
    };
    let keys = Keys { discovery: names.iter().map(entry).collect(), ..Keys::default() };
    let air = Air::new(AirConfig {
        rate: Number(3.84e6),
        prb: Some(15),
        pace: Pace::Free,
        seed: setting.seed,
        snr: Some(setting.snr.0),
        utc: Some(1_800_000_000),
        wait_for: names.len(),
        stall: 120.0,
        ..AirConfig::default()
    })
    .unwrap();
    let ports: Vec<_> =
        names.iter().map(|name| air.attach(PortConfig::named(name.clone())).unwrap()).collect();
    let mut running = Vec::new();
    for (number, (name, radio)) in names.iter().zip(ports).enumerate() {
        let text = format!(
            r#"name = "{name}"
layer2-id = "{number:06x}"
seed = {}
lead = 4
[radio]
prb = 15
tm = 2
[[radio.discovery]]
period = {}
bitmap = "1111 1111"
prb = {{ start = 0, end = 13, num = 7 }}
"#,
            1000 * setting.seed + number as u64,
            setting.period,
        );
        let mut config = UeConfig::from_toml(&text, name).unwrap();
        config.device.level = 0.0;
        let streams = radio.start().unwrap();
        let anchor = streams.anchor.unwrap_or(NO_ANCHOR);
        let facts = RadioFacts { anchor, real_time: false, draws: Draws::Seeded };
        let mut ue = config.build_with(&keys, NoStore::default(), facts, Vec::new()).unwrap();
        ue.set_duration((1000.0 * setting.seconds) as u64);
        running.push(Running::start(ue, streams, false, ThreadOptions::default(), None).unwrap());
    }
    let totals: Vec<_> = running.into_iter().map(|ue| *ended(ue).unwrap().totals()).collect();
    let sent: u64 = totals.iter().map(|totals| totals.sent[3]).sum();
    let heard: u64 = totals.iter().map(|totals| totals.heard[3]).sum();
    (heard as f64, sent as f64 * (setting.announcers - 1) as f64)
}

fn compared(announcers: usize, seconds: f64, reach: f64) {
    let setting = Setting {
        announcers,
        monitors: announcers,
        bandwidth: Bandwidth::Prb15,
        prbs: 14,
        subframes: 8,
        seconds,
        ..Setting::default()
    };
    let (heard, chances) = of_ues(&setting);
    let build = build("discovery-restricted").unwrap();
    let costs = DiscoveryCosts::of(build, &setting, &run(build, &setting, Cast::default()).unwrap());
    let (of_ues, here) = (heard / chances, costs.heard as f64 / costs.chances as f64);
    eprintln!("{announcers} UEs: {of_ues:.3} of {chances} by whole UEs, {here:.3} of {} here", costs.chances);
    assert!((of_ues - here).abs() < reach, "{of_ues:.3} by whole UEs, {here:.3} here");
}

/// The standard deviation of either is 0.015.
#[test]
fn whole_ues_hear_as_much() {
    compared(5, 25.6, 0.07);
}

#[test]
#[ignore = "long: 12 UEs on the virtual air for two minutes"]
fn many_whole_ues_hear_as_much() {
    compared(12, 128.0, 0.02);
}
