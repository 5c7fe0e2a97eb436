//! Who takes part in a case, and what they live through.

use super::meter::{Case, Played};
use crate::keystore::Keys;
use crate::number::Number;
use crate::radio::air::{Air, AirConfig, Pace, PortConfig};
use crate::radio::{Anchor, Radio};
use crate::ue::{
    Application, Happening, LinkEvent, Moment, NoStore, Participant, RadioFacts, Replayer, Running,
    Send as SendData, Stage, ThreadOptions, Ue, UeConfig, certify, link_event,
};
use std::sync::{Arc, Mutex};

/// A case.
pub(super) struct Scenario {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    /// Method 2 instead of a shared KD.
    pub(super) certificates: bool,
    /// Milliseconds between re-keyings, in SC periods of 40.
    pub(super) rekey: Option<u64>,
    pub(super) reauthenticate: bool,
    /// Somebody says everything again.
    pub(super) replay: bool,
    /// Somebody asks in the name of the peer, with another key.
    pub(super) forge: bool,
}

const PLAIN: Scenario = Scenario {
    name: "",
    what: "",
    certificates: false,
    rekey: None,
    reauthenticate: false,
    replay: false,
    forge: false,
};

pub(super) const ALL: &[Scenario] = &[
    Scenario { name: "direct-psk", what: "a link under a pre-shared KD (S4.1 with a cached key)", ..PLAIN },
    Scenario {
        name: "direct-certificate",
        what: "a link by signed ephemeral keys and X.509 certificates (S4.1 method 2)",
        certificates: true,
        ..PLAIN
    },
    Scenario {
        name: "rekey",
        what: "a link whose session keys are made anew, traffic going on",
        rekey: Some(25),
        ..PLAIN
    },
    Scenario {
        name: "rekey-reauth",
        what: "the same with a new KD each time (Re-auth)",
        certificates: true,
        rekey: Some(25),
        reauthenticate: true,
        ..PLAIN
    },
    Scenario {
        name: "attack-replay",
        what: "a link under a pre-shared KD while A2 says everything again later",
        replay: true,
        ..PLAIN
    },
    Scenario {
        name: "attack-forge",
        what: "A1 asks for links in the name of the peer without its key",
        forge: true,
        ..PLAIN
    },
];

/// Subframes before the link is asked for.
const CONNECT: u64 = 200;

/// Subframes between two pieces of traffic.
const TALK: u64 = 120;

const RATE: f64 = 3.84e6;

fn carrier(period: u64) -> String {
    // one pool of PSSCH behind eight subframes of PSCCH; the first four of a pattern of weight 4 hold a block
    format!(
        r#"
lead = 4
[radio]
prb = 15
tm = 2
[[radio.communication]]
period = {period}
control-bitmap = "1111 1111"
control-prb = {{ start = 0, end = 14, num = 7 }}
data-bitmap = "1111 1111"
data-offset = 8
data-prb = {{ start = 0, end = 14, num = 7 }}
[communication]
mcs = 5
prbs = 10
trpt-subset = 4
"#
    )
}

/// Writes down what the meter needs.
#[derive(Clone, Default)]
struct Ledger(Arc<Mutex<Vec<(u64, LinkEvent)>>>);

impl Application for Ledger {
    fn work(&mut self, _now: Moment, _send: &mut SendData<'_>) {}

    fn happened(&mut self, now: Moment, happening: &Happening<'_>) {
        if let Some(event) = link_event(happening) {
            self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((now.t, event));
        }
    }
}

impl Ledger {
    fn take(&self) -> Vec<(u64, LinkEvent)> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

/// Play a case.
pub(super) fn play(case: &Case<'_>) -> anyhow::Result<Played> {
    let scenario = case.scenario;
    let extra = usize::from(scenario.replay) + usize::from(scenario.forge);
    let port =
        |name: &str, cfo: f64, delay: f64| PortConfig { cfo: Number(cfo), delay, ..PortConfig::named(name) };
    let air = Air::new(AirConfig {
        rate: Number(RATE),
        prb: Some(15),
        pace: Pace::Free,
        seed: case.seed,
        snr: Some(case.snr),
        utc: Some(1_800_000_000),
        wait_for: 2 + extra,
        port: vec![port("mary", 0.0, 0.0), port("john", 90.0, 2.5)],
        stall: 60.0,
        ..AirConfig::default()
    })?;
    let turns = if scenario.certificates { 14 } else { 10 };
    let rekey = scenario.rekey.map(|periods| (periods * 40).max(12 * case.period));
    let duration = CONNECT + rekey.map_or(turns * case.period + 400, |every| 4 * every);
    let ledgers = [Ledger::default(), Ledger::default()];
    let kd = "5a".repeat(32);
    let link = |peer: &str, id: u8, more: &str, kd: &str| {
        let key = if scenario.certificates { String::new() } else { format!("kd = \"{kd}\"\n") };
        format!("[[link]]\npeer = \"{peer}\"\nid = \"0000{id:02x}\"\n{key}{more}")
    };
    let talk = if rekey.is_some() {
        format!("[[talk]]\nto = \"link:john\"\nevery = {TALK}\ntext = \"n\"\n")
    } else {
        String::new()
    };
    let connect = match rekey {
        Some(every) => {
            format!("connect = {CONNECT}\nrekey = {every}\nreauthenticate = {}\n", scenario.reauthenticate)
        }
        None => format!("connect = {CONNECT}\n"),
    };
    let config = |name: &str, id: u8, seed: u64, more: &str| {
        let text = format!(
            "name = \"{name}\"\nlayer2-id = \"0000{id:02x}\"\nseed = {seed}\n{}\n{more}",
            carrier(case.period)
        );
        UeConfig::from_toml(&text, "the scenario's carrier")
    };
    let mary = config("mary", 0x10, 10 * case.seed + 1, &(link("john", 0x11, &connect, &kd) + &talk))?;
    let john = config("john", 0x11, 10 * case.seed + 2, &link("mary", 0x10, "rekey-interval = 100\n", &kd))?;
    let radios = [air.attach_named("mary")?, air.attach_named("john")?];
    let mut others: Vec<Box<dyn Radio>> = Vec::new();
    for name in ["echo", "mallory"].into_iter().take(extra) {
        others.push(air.attach(PortConfig::named(name))?);
    }
    let numerology = mary.numerology()?;
    let mut running = Vec::new();
    for ((config, radio), ledger) in [mary, john].into_iter().zip(radios).zip(&ledgers) {
        let ears: Vec<Box<dyn Application>> = vec![Box::new(ledger.clone())];
        running.push(begin(&config, scenario.certificates, radio, ears, duration)?);
    }
    let mut echo = None;
    let mut mallory = None;
    for radio in others {
        if scenario.replay {
            let streams = radio.start()?;
            let anchor = streams.anchor.unwrap_or(Anchor { utc_ns: 0, uncertainty_ns: 0 });
            // whole periods later, so that every copy lies where its original lay
            let mut replayer = Replayer::new("echo", numerology, anchor, 2 * case.period, 3.0);
            replayer.set_duration(duration);
            echo = Some(Running::start(replayer, streams, false, ThreadOptions::default(), None)?);
        } else {
            let wrong = "a5".repeat(32);
            let config = config(
                "john",
                0x11,
                77,
                &link("mary", 0x10, &format!("connect = {}\n", CONNECT / 2), &wrong),
            )?;
            mallory = Some(begin(&config, false, radio, Vec::new(), duration)?);
        }
    }
    let mut ues = Vec::new();
    for one in running {
        ues.push(ended(one)?);
    }
    let replayed = echo.map(ended).transpose()?.map_or(0, |e| e.replayed());
    let forged = mallory.map(ended).transpose()?.map_or(0, |m| m.totals().sent[2] / 4);
    let mut worst = |i: usize| ues[i].budget().microseconds(Stage::Layer2)[3];
    let layer2_us = [worst(0), worst(1)];
    Ok(Played {
        events: ledgers.each_ref().map(Ledger::take),
        totals: [*ues[0].totals(), *ues[1].totals()],
        layer2_us,
        connect: CONNECT,
        attacks: replayed + forged,
    })
}

fn begin(
    config: &UeConfig,
    certificates: bool,
    radio: Box<dyn Radio>,
    applications: Vec<Box<dyn Application>>,
    duration: u64,
) -> anyhow::Result<Running<Ue>> {
    let streams = radio.start()?;
    let anchor = streams.anchor.unwrap_or(Anchor { utc_ns: 0, uncertainty_ns: 0 });
    let facts = RadioFacts { anchor, real_time: false };
    let mut ue = config.build_with(&Keys::default(), NoStore::default(), facts, applications)?;
    if certificates {
        certify(&mut ue, &config.name, anchor)?;
    }
    ue.set_duration(duration);
    Ok(Running::start(ue, streams, false, ThreadOptions::default(), None)?)
}

fn ended<P: Participant>(running: Running<P>) -> anyhow::Result<P> {
    let (participant, result) =
        running.join().map_err(|_| anyhow::anyhow!("a thread failed; this is a bug"))?;
    result?;
    Ok(participant)
}
