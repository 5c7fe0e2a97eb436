//! The UEs in one air, in lock-step: what bob hears is reported while he hears it.

use super::provisioning::{GROUP, NAMES};
use super::story::Story;
use crate::config::ue_toml::{Draws, RadioFacts, UeConfig};
use crate::experiments::network::entries::heard_of;
use crate::experiments::network::fabric::Fabric;
use crate::experiments::network::messages::UeId;
use crate::experiments::network::meter::ReferencePoint;
use crate::experiments::network::scene;
use crate::experiments::network::subscriber::Told;
use sidelink_mac::engine;
use sidelink_network::pc3_client::{EndCause, Heard, Input, Name, Output, Target};
use sidelink_network::prose_function::{Permission, Revocation};
use sidelink_prose::discovery::Finding;
use sidelink_prose::discovery::agent;
use sidelink_radio::air::{Air, AirConfig, Pace, PortConfig};
use sidelink_radio::number::Number;
use sidelink_radio::{Anchor, Radio};
use sidelink_security::counter::UtcTime;
use sidelink_store::Keys;
use sidelink_ue::{Application, Event, Moment, NoStore, Running, Send, ThreadOptions, Ue};
use std::collections::BTreeSet;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

/// The carrier of `sidelink demo`.
const CARRIER: &str = include_str!("../../demo/ue.toml");

/// Subframes on the air.
const DURATION: u64 = 20_000;

/// Subframe in which alice begins.
const ALICE_BEGINS: u64 = 6_000;

/// Subframe in which carol ends.
const CAROL_ENDS: u64 = 5_000;

/// Subframe in which the operator takes bob's permission back.
const REVOKED: u64 = 18_000;

const BOB: UeId = UeId(1);

/// What bob found out.
pub(super) struct Found {
    pub(super) fabric: Fabric,
    /// Messages of the group that bob received.
    pub(super) received: u64,
    /// Names that the ProSe Function gave.
    pub(super) verified: BTreeSet<String>,
    /// Answers that bob heard to his question, and reported.
    pub(super) answered: u64,
    /// Reports that it refused.
    pub(super) refused: u64,
    /// Codes of carol that were verified.
    pub(super) believed: u64,
    /// Milliseconds from the operator's word until bob had to end.
    withdrawn_after: Option<u64>,
    lines: Vec<(UtcTime, Line)>,
}

/// What is shown later: the air does not wait for a terminal.
enum Line {
    Text(&'static str, String),
    Told(UeId, Box<Told>),
}

/// Puts the UEs into one air until the end.
pub(super) fn run<W: Write>(
    fabric: Fabric,
    keys: [Keys; 3],
    seed: u64,
    story: &mut Story<W>,
) -> anyhow::Result<Found> {
    // The air counts whole seconds.
    let begin = UtcTime::from_millis(fabric.now().millis().div_ceil(1000) * 1000);
    let configs = NAMES.iter().zip(1..).map(|(name, k)| config(name, seed.wrapping_mul(1000) + k));
    let configs = configs.collect::<anyhow::Result<Vec<_>>>()?;
    let rate = configs[0].rate()?;
    let air = Air::new(air(seed, rate, begin))?;
    let radios = NAMES.map(|name| air.attach_named(name));
    let found = Arc::new(Mutex::new(Found::new(fabric)));
    let mut running = Vec::new();
    for (((name, config), radio), keys) in NAMES.iter().zip(&configs).zip(radios).zip(&keys) {
        let reports = || Reports { found: Arc::clone(&found), begin, revokes: true };
        let (applications, subframes): (Vec<Box<dyn Application>>, _) = match *name {
            "alice" => (Vec::new(), DURATION - ALICE_BEGINS),
            "carol" => (Vec::new(), CAROL_ENDS),
            _ => (vec![Box::new(reports())], DURATION),
        };
        running.push(start(config, keys, radio?, applications, subframes)?);
    }
    for ue in running {
        let (_, result) = ue.join().map_err(|_| anyhow::anyhow!("a thread failed; this is a bug"))?;
        result?;
    }
    let found = Arc::into_inner(found).map(Mutex::into_inner);
    let Some(Ok(mut found)) = found else { anyhow::bail!("a thread failed; this is a bug") };
    for (at, line) in std::mem::take(&mut found.lines) {
        match line {
            Line::Text(who, text) => story.line(at, who, &text)?,
            Line::Told(ue, told) => story.told(at, NAMES[ue.0], &told)?,
        }
    }
    Ok(found)
}

fn air(seed: u64, rate: f64, begin: UtcTime) -> AirConfig {
    let port = |name: &str, cfo: f64, start: u64| PortConfig {
        cfo: Number(cfo),
        start: Some(Number(start as f64 * rate / 1000.0)),
        ..PortConfig::named(name)
    };
    AirConfig {
        rate: Number(rate),
        prb: Some(25),
        pace: Pace::Free,
        seed,
        snr: Some(20.0),
        utc: Some((begin.millis() / 1000) as i64),
        wait_for: NAMES.len(),
        port: vec![port(NAMES[0], 0.0, ALICE_BEGINS), port(NAMES[1], 250.0, 0), port(NAMES[2], -200.0, 0)],
        ..AirConfig::default()
    }
}

fn config(name: &str, seed: u64) -> anyhow::Result<UeConfig> {
    let talk = match name {
        "alice" => format!("[[talk]]\nto = \"{GROUP}\"\nevery = 2000\ntext = \"alice: on my way\"\n"),
        _ => String::new(),
    };
    let text = format!("name = \"{name}\"\nseed = {seed}\n{CARRIER}\n[time]\nsource = \"utc\"\n{talk}");
    Ok(UeConfig::from_toml(&text, "the carrier of the demo")?)
}

fn start(
    config: &UeConfig,
    keys: &Keys,
    radio: Box<dyn Radio>,
    applications: Vec<Box<dyn Application>>,
    subframes: u64,
) -> anyhow::Result<Running<Ue>> {
    let streams = radio.start()?;
    let anchor = streams.anchor.unwrap_or(Anchor { utc_ns: 0, uncertainty_ns: 0 });
    let facts = RadioFacts { anchor, real_time: false, draws: Draws::Seeded };
    let mut ue = config.build_with(keys, NoStore::default(), facts, applications)?;
    ue.set_duration(subframes);
    Ok(Running::start(ue, streams, false, ThreadOptions::default(), None)?)
}

/// Reports what bob hears, and lets the network run by his clock.
struct Reports {
    found: Arc<Mutex<Found>>,
    begin: UtcTime,
    /// Whether the operator has yet to take the permission back.
    revokes: bool,
}

impl Application for Reports {
    fn work(&mut self, now: Moment, _send: &mut Send<'_>) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.run_until(now.utc, self.begin);
        if self.revokes && now.utc >= self.begin.plus_millis(REVOKED) {
            self.revokes = false;
            let permission = Permission { target: scene::rpauid(1), watcher: scene::rpauid(2) };
            found.fabric.revoke(Revocation::Permission(permission));
            let text = "the operator takes back that bob may discover alice".to_owned();
            found.lines.push((now.utc, Line::Text("network", text)));
        }
    }

    fn event(&mut self, now: Moment, event: &Event<'_>) {
        if let Event::Mac(engine::Event::Received(sdu)) = event {
            let text = format!("receives {:?} under the PGK of the team", String::from_utf8_lossy(sdu.data));
            let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
            found.received += 1;
            if found.received == 1 {
                found.lines.push((now.utc, Line::Text(NAMES[BOB.0], text)));
            }
        }
        let finding = match event {
            Event::Discovery { event: agent::Event::Discovered(discovered), .. } => discovered.finding,
            Event::Discovery { event: agent::Event::Answered { finding, .. }, .. } => *finding,
            _ => return,
        };
        let Finding::ToReport(announcement) = finding else { return };
        let heard = heard_of(&announcement);
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.run_until(now.utc, self.begin);
        found.hear(now.utc, heard);
    }
}

impl Found {
    const fn new(fabric: Fabric) -> Self {
        Self {
            fabric,
            received: 0,
            verified: BTreeSet::new(),
            answered: 0,
            refused: 0,
            believed: 0,
            withdrawn_after: None,
            lines: Vec::new(),
        }
    }

    /// Bob heard a message whose MIC the network checks.
    fn hear(&mut self, now: UtcTime, heard: Heard) {
        let messages = |found: &Self| found.fabric.meter().cost(ReferencePoint::Pc3).messages;
        let before = messages(self);
        self.fabric.pc3(BOB, |now| Input::Heard { now, heard });
        if messages(self) > before {
            let code: String = heard.code.iter().take(8).map(|o| format!("{o:02x}")).collect();
            let kind = match heard.target {
                Target::Open => "an open code",
                Target::Restricted => "a restricted code",
                Target::Answer => "an answer,",
            };
            self.answered += u64::from(heard.target == Target::Answer);
            let text = format!("hears {kind} {code}.. on the air, and asks the ProSe Function");
            self.lines.push((now, Line::Text(NAMES[BOB.0], text)));
        }
    }

    fn run_until(&mut self, now: UtcTime, begin: UtcTime) {
        self.fabric.run_until(now);
        for (at, ue, told) in self.fabric.told() {
            match &told {
                Told::Pc3(Output::Verified { name, .. }) => {
                    self.believed += u64::from(at < begin.plus_millis(ALICE_BEGINS));
                    self.verified.insert(match name {
                        Name::Application { id, .. } => id.to_string(),
                        Name::User(rpauid) => rpauid.to_string(),
                    });
                }
                Told::Pc3(Output::NotVerified { .. }) => self.refused += 1,
                Told::Pc3(Output::Ended { why: EndCause::Withdrawn, .. }) => {
                    self.withdrawn_after = at.millis().checked_sub(begin.millis() + REVOKED);
                }
                _ => {}
            }
            self.lines.push((at, Line::Told(ue, Box::new(told))));
        }
    }

    /// All of it as one object.
    pub(super) fn json(&self, seed: u64) -> serde_json::Value {
        let meter = self.fabric.meter();
        let costs = ReferencePoint::ALL.iter().map(|at| {
            let cost = meter.cost(*at);
            let octets = (cost.octets > 0).then_some(cost.octets);
            let cost = serde_json::json!({
                "net_msgs": cost.messages, "net_octets": octets, "net_rtts": cost.round_trips,
            });
            (at.to_string(), cost)
        });
        serde_json::json!({
            "type": "network-demo",
            "seed": seed,
            "received": self.received,
            "verified": self.verified,
            "answered": self.answered,
            "refused": self.refused,
            "believed": self.believed,
            "withdrawn_after_ms": self.withdrawn_after,
            "reference_points": costs.collect::<serde_json::Map<_, _>>(),
        })
    }

    /// Fails if the demo did not show what it should.
    pub(super) fn judge(&self) -> anyhow::Result<()> {
        if self.believed > 0 {
            anyhow::bail!("a forged announcement was verified: this build is broken");
        }
        if self.received == 0
            || self.verified.len() < 2
            || self.answered == 0
            || self.refused == 0
            || self.withdrawn_after.is_none()
        {
            anyhow::bail!(
                "bob did not hear everybody ({} verified, {} answers, {} refused): try another seed, or fewer losses",
                self.verified.len(),
                self.answered,
                self.refused
            );
        }
        Ok(())
    }
}
