//! Signed announcements in fragments (TR 33.833 §6.2.3, option A): each signature, plain and coded.

use super::{ALWAYS, Build, Followed, Match, NetworkCost, Predicted, Verifier, World, agent_config, code};
use crate::config::set_timing;
use crate::experiments::discovery::setting::Setting;
use sidelink_prose::discovery::Announcer;
use sidelink_prose::discovery::agent::{Agent, Event};
use sidelink_prose::discovery::signed::{Rotation, SetTiming, SignedFollow, SignedSender, fragments};
use sidelink_security::discovery::signature::{Scheme, SigningKey};
use sidelink_security::identity::master::AuthenticationSecret;

const fn predicted(scheme: Scheme, rotation: Rotation) -> Predicted {
    let blocks = fragments(scheme) as u32;
    let of = match rotation {
        Rotation::Plain => blocks,
        Rotation::Coded => 255,
    };
    // Of each block type, period and tag, and its share of what is not the code.
    let overhead_bits = 232 - 184 / blocks;
    Predicted { blocks, of, overhead_bits, verifier: Verifier::Monitor }
}

pub(super) const ALL: &[Build] = &[
    Build {
        name: "discovery-signed-rotate",
        what: "Ed25519 in 4 fragments, over and over",
        predicted: predicted(Scheme::Ed25519, Rotation::Plain),
        world: |setting| Ok(Box::new(Signed::new(setting, Scheme::Ed25519, Rotation::Plain))),
    },
    Build {
        name: "discovery-signed-fragments",
        what: "Ed25519 in fragments with an erasure code, any 4 of which do",
        predicted: predicted(Scheme::Ed25519, Rotation::Coded),
        world: |setting| Ok(Box::new(Signed::new(setting, Scheme::Ed25519, Rotation::Coded))),
    },
    Build {
        name: "discovery-signed-ecdsa",
        what: "the same with ECDSA P-256",
        predicted: predicted(Scheme::EcdsaP256, Rotation::Coded),
        world: |setting| Ok(Box::new(Signed::new(setting, Scheme::EcdsaP256, Rotation::Coded))),
    },
    Build {
        name: "discovery-signed-eccsi",
        what: "the same with ECCSI: 7 fragments, and keys are identities",
        predicted: predicted(Scheme::EccsiFull, Rotation::Coded),
        world: |setting| Ok(Box::new(Signed::new(setting, Scheme::EccsiFull, Rotation::Coded))),
    },
    Build {
        name: "discovery-signed-eccsi-rotate",
        what: "ECCSI in 7 fragments, over and over",
        predicted: predicted(Scheme::EccsiFull, Rotation::Plain),
        world: |setting| Ok(Box::new(Signed::new(setting, Scheme::EccsiFull, Rotation::Plain))),
    },
    Build {
        name: "discovery-signed-eccsi-compressed",
        what: "ECCSI with a compressed PVT: 5 fragments",
        predicted: predicted(Scheme::EccsiCompressed, Rotation::Coded),
        world: |setting| Ok(Box::new(Signed::new(setting, Scheme::EccsiCompressed, Rotation::Coded))),
    },
    Build {
        name: "discovery-signed-eccsi-cached",
        what: "ECCSI whose PVT the monitors have: 4 fragments",
        predicted: predicted(Scheme::EccsiCachedPvt, Rotation::Coded),
        world: |setting| Ok(Box::new(Signed::new(setting, Scheme::EccsiCachedPvt, Rotation::Coded))),
    },
];

/// Returns the private key of announcer `number`.
pub(crate) fn key(setting: &Setting, scheme: Scheme, number: usize) -> anyhow::Result<SigningKey> {
    let mut rng = setting.rng(&format!("signing key {number}"));
    if !scheme.is_eccsi() {
        return Ok(SigningKey::new(scheme, &rng.octets())?);
    }
    let kms = AuthenticationSecret::generate(&setting.rng("kms").octets())?;
    let identity: [u8; 32] = rng.octets();
    Ok(SigningKey::eccsi(scheme, kms.public_key(), &kms.issue(&identity, &rng.octets())?)?)
}

/// Keys of one signature for all, and how they send.
pub(crate) struct Signed {
    setting: Setting,
    scheme: Scheme,
    rotation: Rotation,
    sets: SetTiming,
    followed: Followed,
}

impl Signed {
    pub(crate) fn new(setting: &Setting, scheme: Scheme, rotation: Rotation) -> Self {
        let (setting, sets) = (setting.clone(), set_timing(&setting.pool()));
        Self { setting, scheme, rotation, sets, followed: Followed::default() }
    }

    /// Has other sets than the usual ones.
    pub(crate) fn with_sets(self, sets: SetTiming) -> Self {
        Self { sets, ..self }
    }

    fn followed_by_each(&self) -> u64 {
        self.setting.announcers as u64 - 1
    }
}

impl World for Signed {
    fn agent(&mut self, ue: usize) -> anyhow::Result<Agent> {
        let setting = &self.setting;
        let mut config = agent_config(setting);
        config.time.sets = self.sets;
        // One for each announcer: all of them are on the air at once.
        config.monitor.signed.sets = config.monitor.signed.sets.max(setting.announcers);
        let mut agent = Agent::new(config)?;
        let sender = SignedSender::new(key(setting, self.scheme, ue)?, code(setting, ue), self.rotation);
        agent.add_announcer(Announcer::signed(sender, ALWAYS));
        if ue < setting.monitors {
            for number in (0..setting.announcers).filter(|number| *number != ue) {
                let key = key(setting, self.scheme, number)?.verifying_key();
                let (rotation, valid_until) = (self.rotation, ALWAYS);
                let follow = SignedFollow { key, rotation, valid_until, filter: None, group: None };
                let who = agent.monitor().follow_signed(follow)?;
                self.followed.add(ue, who, number);
            }
        }
        Ok(agent)
    }

    fn judge(&self, monitor: usize, event: &Event) -> Option<Match> {
        self.followed.judge(monitor, event)
    }

    fn network_cost(&self) -> NetworkCost {
        let monitors = self.setting.monitors as u64;
        let key = key(&self.setting, self.scheme, 0).map_or(0, |key| key.verifying_key().to_octets().len());
        // Octets of keys and the end of their validity alone: the messages of PC3 are counted with the network.
        NetworkCost {
            provisioning_octets: monitors * self.followed_by_each() * (key as u64 + 4),
            provisioning_round_trips: monitors,
            ..NetworkCost::default()
        }
    }
}
