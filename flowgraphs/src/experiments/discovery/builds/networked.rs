//! MICs that the network checks: codes, filters and keys come over PC3, and so do the answers to match reports
//! (TS 33.303 §6.1.3.3, §6.1.3.4.2.1). The functions are those of `sidelink_network`, on a simulated clock.

use super::{Build, Match, NetworkCost, Predicted, Proof, Verifier, World, agent_config};
use crate::experiments::discovery::engine;
use crate::experiments::discovery::setting::Setting;
use crate::experiments::network::entries::{entries, heard_of};
use crate::experiments::network::fabric::Fabric;
use crate::experiments::network::messages::UeId;
use crate::experiments::network::meter::ReferencePoint;
use crate::experiments::network::scene;
use crate::experiments::network::subscriber::Told;
use crate::experiments::network::ways::{Way, Ways};
use sidelink_mac::engine as layer2;
use sidelink_mac::mux::Address;
use sidelink_network::pc3::Rpauid;
use sidelink_network::pc3_client::{Heard, Input, Output, Wanted};
use sidelink_network::prose_function::{Permission, Revocation};
use sidelink_prose::discovery::agent::{Agent, Event};
use sidelink_prose::discovery::{Discovered, Finding};
use sidelink_security::counter::UtcTime;
use sidelink_security::counter::reserve::ReserveConfig;
use sidelink_security::discovery::Code;
use sidelink_store::{Discovery, Keys};
use sidelink_ue::NoStore;
use sidelink_ue::provision::{Wish, provision};
use sidelink_wire::ids::Layer2Id;
use std::collections::HashMap;

pub(super) const ALL: &[Build] = &[
    Build {
        name: "discovery-open",
        what: "open codes whose MIC the network checks by match report",
        predicted: PREDICTED,
        world: |setting| Ok(Box::new(Networked::new(setting, Kind::Open)?)),
    },
    Build {
        name: "discovery-restricted-network",
        what: "restricted codes with DUSK, whose MIC the network checks by match report",
        predicted: PREDICTED,
        world: |setting| Ok(Box::new(Networked::new(setting, Kind::Restricted)?)),
    },
];

const PREDICTED: Predicted = Predicted { blocks: 1, of: 1, overhead_bits: 40, verifier: Verifier::Network };

/// Milliseconds before the run in which everybody gets codes, filters and keys.
const BEFORE: u64 = 600_000;

/// Users that a monitor may name in one request.
const MOST_NAMED: usize = 16;

/// Kind of discovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Codes that anybody may read.
    Open,
    /// Codes under a DUSK.
    Restricted,
}

/// The network, and what it gave to UEs.
pub(crate) struct Networked {
    setting: Setting,
    fabric: Fabric,
    ues: Vec<UeId>,
    entries: Vec<Vec<Discovery>>,
    codes: HashMap<Code, usize>,
    cost: NetworkCost,
    /// Reports that were refused.
    refused: u64,
}

fn rpauid(number: usize) -> anyhow::Result<Rpauid> {
    Rpauid::new(&format!("user{number}@rescue.example")).map_err(|error| anyhow::anyhow!("{error}"))
}

impl Networked {
    pub(crate) fn new(setting: &Setting, kind: Kind) -> anyhow::Result<Self> {
        let mut config = scene::config();
        config.permissions.clear();
        for watcher in 0..setting.monitors {
            for target in (0..setting.announcers).filter(|n| *n != watcher) {
                config.permissions.push(Permission { target: rpauid(target)?, watcher: rpauid(watcher)? });
            }
        }
        config.limits.entries_per_ue = config.limits.entries_per_ue.max(2 * setting.announcers);
        let ways = Ways::all(Way { round_trip: setting.network_rtt, loss: 0.0 });
        let begin = engine::start(setting).minus_millis(BEFORE);
        let mut fabric = Fabric::new(begin, (config, scene::groups()?), ways, setting.seed)?;
        let mut ues = Vec::new();
        for number in 0..setting.announcers {
            let (mut config, mut subscription) = scene::subscriber(1);
            config.ue = scene::member(number + 1).0.ue;
            config.rpauid = Some(rpauid(number)?);
            subscription.rpauids = vec![rpauid(number)?];
            ues.push(fabric.add(config, subscription)?);
        }
        let mut world = Self {
            setting: setting.clone(),
            fabric,
            entries: vec![Vec::new(); ues.len()],
            ues,
            codes: HashMap::new(),
            cost: NetworkCost::default(),
            refused: 0,
        };
        world.provision(kind)?;
        Ok(world)
    }

    /// Gets codes and keys of all announcers, then filters of all monitors.
    fn provision(&mut self, kind: Kind) -> anyhow::Result<()> {
        let application = scene::application_id();
        for ue in self.ues.clone() {
            let wanted = match kind {
                Kind::Open => Wanted::Announce(application.clone()),
                Kind::Restricted => Wanted::AnnounceRestricted,
            };
            self.want(ue, wanted);
        }
        self.settle(BEFORE / 2);
        for (number, entries) in self.entries.iter().enumerate() {
            for code in entries.iter().filter_map(|entry| entry.code().ok()) {
                self.codes.insert(code, number);
            }
        }
        for monitor in 0..self.setting.monitors {
            let others: Vec<usize> = (0..self.setting.announcers).filter(|n| *n != monitor).collect();
            match kind {
                Kind::Open => self.want(self.ues[monitor], Wanted::Monitor(application.clone())),
                Kind::Restricted => {
                    for named in others.chunks(MOST_NAMED) {
                        let named = named.iter().map(|n| rpauid(*n)).collect::<anyhow::Result<Vec<_>>>()?;
                        self.want(self.ues[monitor], Wanted::MonitorRestricted(named));
                    }
                }
            }
        }
        self.settle(0);
        let spent = self.fabric.meter().cost(ReferencePoint::Pc3);
        self.cost.provisioning_octets = spent.octets;
        self.cost.provisioning_round_trips = spent.round_trips;
        Ok(())
    }

    /// Takes all permissions from a monitor: its UE goes on with what it has.
    pub(crate) fn revoke(&mut self, watcher: usize) -> anyhow::Result<()> {
        for target in (0..self.setting.announcers).filter(|n| *n != watcher) {
            let permission = Permission { target: rpauid(target)?, watcher: rpauid(watcher)? };
            self.fabric.revoke(Revocation::Permission(permission));
        }
        Ok(())
    }

    fn want(&mut self, ue: UeId, wanted: Wanted) {
        self.fabric.pc3(ue, |now| Input::Want { now, wanted, earlier: None });
    }

    /// Lets the network work until so many milliseconds before the run.
    fn settle(&mut self, before: u64) {
        self.fabric.run_until(engine::start(&self.setting).minus_millis(before));
        for (_, ue, told) in self.fabric.told() {
            let Some(number) = self.ues.iter().position(|known| *known == ue) else { continue };
            if let Told::Pc3(Output::Allotted { allotment, until, .. }) = told {
                let name = format!("{number} {}", self.entries[number].len());
                self.entries[number].extend(entries(&name_of(number), &name, &allotment, until));
            }
        }
    }
}

fn name_of(number: usize) -> String {
    format!("ue {number}")
}

impl World for Networked {
    fn agent(&mut self, ue: usize) -> anyhow::Result<Agent> {
        let mut keys = Keys { discovery: self.entries[ue].clone(), ..Keys::default() };
        // Several entries of one allotment have one name.
        for (number, entry) in keys.discovery.iter_mut().enumerate() {
            entry.name = format!("{} {number}", entry.name);
        }
        let name = name_of(ue);
        let wish = Wish {
            ue: &name,
            layer2_id: None,
            to_group: Address::Group,
            v2x_priority: 3,
            reserve: ReserveConfig::default(),
            layer2: layer2::Config::new(Layer2Id::from_octets([0; 3])),
            discovery: agent_config(&self.setting),
        };
        Ok(provision(&wish, &keys, &mut NoStore::default())?.agent)
    }

    fn judge(&self, _monitor: usize, event: &Event) -> Option<Match> {
        let Event::Discovered(Discovered { finding, .. }) = event else { return None };
        let (found, proof) = match finding {
            Finding::ToReport(found) => (found, Proof::ToReport),
            Finding::Unprotected(found) => (found, Proof::Unprotected),
            _ => return None,
        };
        Some(Match { announcer: *self.codes.get(&found.code)?, proof })
    }

    fn report(&mut self, now: UtcTime, monitor: usize, event: &Event) {
        let Event::Discovered(Discovered { finding: Finding::ToReport(found), report: true, .. }) = event
        else {
            return;
        };
        self.fabric.run_until(now);
        let heard: Heard = heard_of(found);
        self.cost.reports += 1;
        self.fabric.pc3(self.ues[monitor], |now| Input::Heard { now, heard });
    }

    fn network(&mut self, now: UtcTime) -> Vec<(UtcTime, usize, Match)> {
        self.fabric.run_until(now);
        let mut verified = Vec::new();
        for (at, ue, told) in self.fabric.told() {
            let Some(monitor) = self.ues.iter().position(|known| *known == ue) else { continue };
            match told {
                Told::Pc3(Output::Verified { code, .. }) => {
                    if let Some(announcer) = self.codes.get(&code) {
                        let found = Match { announcer: *announcer, proof: Proof::Verified };
                        verified.push((at, monitor, found));
                    }
                }
                Told::Pc3(Output::NotVerified { .. }) => self.refused += 1,
                _ => {}
            }
        }
        verified
    }

    fn network_cost(&self) -> NetworkCost {
        let spent = self.fabric.meter().cost(ReferencePoint::Pc3);
        NetworkCost {
            report_octets: spent.octets - self.cost.provisioning_octets,
            report_round_trips: spent.round_trips - self.cost.provisioning_round_trips,
            not_verified: self.refused,
            ..self.cost
        }
    }
}
