//! Announcements that only their announcer can make, in one block: delayed keys and chains of codes (TR 33.833 §6.2.3,
//! options C and D).

use super::{ALWAYS, Build, Followed, Match, NetworkCost, Predicted, Verifier, World, agent_config};
use crate::experiments::discovery::engine;
use crate::experiments::discovery::setting::Setting;
use sidelink_prose::discovery::Announcer;
use sidelink_prose::discovery::agent::{Agent, Event};
use sidelink_prose::discovery::chained::FollowChained;
use sidelink_prose::discovery::delayed::ShortFilter;
use sidelink_security::discovery::chain::{ChainSeed, Plan};
use sidelink_security::discovery::code_chain::{CodeAnchor, CodeChain, CodeChainFollower};
use sidelink_security::discovery::delayed_key::{
    KeyAnchor, KeyChain, KeyChainFollower, ShortCode, lossless_delay,
};
use sidelink_security::discovery::rotation::RotationPeriod;
use sidelink_security::discovery::signature::{Scheme, SigningKey};

/// Largest difference between the clocks of two UEs, in milliseconds, that monitors count on.
pub(crate) const DIFFERENCE: u64 = 20;

pub(super) const ALL: &[Build] = &[
    Build {
        name: "discovery-delayed",
        what: "a MIC whose key is disclosed some slots later; clocks within 20 ms",
        predicted: Predicted { blocks: 2, of: 2, overhead_bits: 128, verifier: Verifier::Monitor },
        world: |setting| Ok(Box::new(Chains::new(setting, Kind::Delayed)?)),
    },
    Build {
        name: "discovery-chain",
        what: "codes of a one-way chain whose begin is signed; another one each discovery period",
        predicted: Predicted { blocks: 1, of: 1, overhead_bits: 48, verifier: Verifier::Monitor },
        world: |setting| Ok(Box::new(Chains::new(setting, Kind::Codes)?)),
    },
];

/// The protection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Keys that are disclosed later.
    Delayed,
    /// A chain of codes.
    Codes,
}

/// What one announcer has.
pub(crate) struct Material {
    /// Times and length of its chain.
    pub(crate) plan: Plan,
    /// Secret of its chain.
    pub(crate) seed: ChainSeed,
    /// Its private key, which signs the anchor.
    pub(crate) key: SigningKey,
    /// Its code, of delayed keys.
    pub(crate) code: ShortCode,
    /// Slots from a MIC to its key.
    pub(crate) delay: u16,
}

/// Returns the material of announcer `number`: a chain for the whole run, from its begin on.
pub(crate) fn material(setting: &Setting, number: usize) -> anyhow::Result<Material> {
    let mut rng = setting.rng(&format!("chain {number}"));
    let period = u64::from(setting.period);
    // A replay comes up to 256 slots after the run.
    let length = u32::try_from(setting.periods() + 600)?;
    // Slots begin half a period before the pool's: the uncertainty of clocks reaches no neighbour then.
    let start = engine::start(setting).minus_millis(period / 2);
    let plan = Plan::new(start, RotationPeriod::from_millis(period)?, length, rng.octets())?;
    Ok(Material {
        plan,
        seed: ChainSeed::from(rng.octets::<32>()),
        key: SigningKey::new(Scheme::Ed25519, &rng.octets())?,
        code: rng.octets(),
        delay: u16::try_from(lossless_delay(DIFFERENCE, period))?,
    })
}

struct Chains {
    setting: Setting,
    kind: Kind,
    materials: Vec<Material>,
    followed: Followed,
}

impl Chains {
    fn new(setting: &Setting, kind: Kind) -> anyhow::Result<Self> {
        let materials = (0..setting.announcers).map(|number| material(setting, number));
        let materials = materials.collect::<anyhow::Result<_>>()?;
        Ok(Self { setting: setting.clone(), kind, materials, followed: Followed::default() })
    }

    /// Octets of an anchor with its signature and the scheme's octet.
    const fn anchor_octets(&self) -> u64 {
        let octets = match self.kind {
            Kind::Delayed => KeyAnchor::OCTETS,
            Kind::Codes => CodeAnchor::OCTETS,
        };
        octets as u64 + 1 + Scheme::Ed25519.octets() as u64
    }

    fn announcer(&self, number: usize) -> Announcer {
        let Material { plan, seed, code, delay, .. } = &self.materials[number];
        let now = plan.start();
        match self.kind {
            Kind::Delayed => {
                let anchor = KeyAnchor::of(*plan, *delay, seed);
                Announcer::delayed(KeyChain::new(&anchor, seed, now), *code, ALWAYS)
            }
            Kind::Codes => {
                Announcer::of_chain(CodeChain::new(&CodeAnchor::of(*plan, seed), seed, now), ALWAYS)
            }
        }
    }

    fn follow(&self, monitor: usize, number: usize) -> anyhow::Result<FollowChained> {
        let Material { plan, seed, key, code, delay } = &self.materials[number];
        let public = key.verifying_key();
        Ok(match self.kind {
            Kind::Delayed => {
                let anchor = KeyAnchor::of(*plan, *delay, seed);
                let signature = anchor.sign(key, [0; 32]);
                let anchor = anchor.verify(&public, signature.as_octets())?;
                let random = self.setting.rng(&format!("reservoir {monitor} {number}")).next_u64();
                FollowChained::Delayed(
                    ShortFilter::exact(*code),
                    KeyChainFollower::new(anchor, random),
                    ALWAYS,
                )
            }
            Kind::Codes => {
                let anchor = CodeAnchor::of(*plan, seed);
                let signature = anchor.sign(key, [0; 32]);
                let anchor = anchor.verify(&public, signature.as_octets())?;
                FollowChained::Chain(CodeChainFollower::new(anchor), ALWAYS)
            }
        })
    }
}

impl World for Chains {
    fn agent(&mut self, ue: usize) -> anyhow::Result<Agent> {
        let mut config = agent_config(&self.setting);
        config.time.uncertainty_millis = DIFFERENCE;
        let mut agent = Agent::new(config)?;
        agent.add_announcer(self.announcer(ue));
        if ue < self.setting.monitors {
            for number in (0..self.setting.announcers).filter(|number| *number != ue) {
                let who = agent.monitor().follow_chained(self.follow(ue, number)?);
                self.followed.add(ue, who, number);
            }
        }
        Ok(agent)
    }

    fn judge(&self, monitor: usize, event: &Event) -> Option<Match> {
        self.followed.judge(monitor, event)
    }

    fn network_cost(&self) -> NetworkCost {
        let pairs = self.setting.monitors * (self.setting.announcers - 1);
        NetworkCost {
            provisioning_octets: pairs as u64 * self.anchor_octets(),
            provisioning_round_trips: self.setting.monitors as u64,
            ..NetworkCost::default()
        }
    }
}
