//! One-way changing identifiers (TR 33.833 §6.2.1).

use super::{ALWAYS, Build, Followed, Match, Predicted, Verifier, World, agent_config};
use crate::experiments::discovery::setting::Setting;
use sidelink_prose::discovery::agent::{Agent, Event};
use sidelink_prose::discovery::{Announcer, Follow};
use sidelink_security::discovery::ota::{OtaConfig, OtaIdentity, ProseId, Variant};
use sidelink_security::discovery::rotation::RotationPeriod;
use sidelink_security::keys::ApplicationKey;

const fn predicted(overhead_bits: u32) -> Predicted {
    Predicted { blocks: 1, of: 1, overhead_bits, verifier: Verifier::Monitor }
}

pub(super) const ALL: &[Build] = &[
    Build {
        name: "discovery-rotating",
        what: "identifiers keyed by the Application Key, another each second; looked up in a table",
        predicted: predicted(8),
        world: |setting| rotating(setting, Variant::Keyed, (216, 0), 1000),
    },
    Build {
        name: "discovery-rotating-period",
        what: "the same, another identifier each discovery period",
        predicted: predicted(8),
        world: |setting| rotating(setting, Variant::Keyed, (216, 0), u64::from(setting.period)),
    },
    Build {
        name: "discovery-rotating-literal",
        what: "identifiers as the study has them: HMAC-SHA-1 with the time as key",
        predicted: predicted(8 + 56),
        world: |setting| rotating(setting, Variant::Literal, (160, 0), 1000),
    },
    Build {
        name: "discovery-rotating-nonce",
        what: "keyed identifiers of 152 bits beside a nonce of 64: each block is computed for each announcer",
        predicted: predicted(8 + 64),
        world: |setting| rotating(setting, Variant::Keyed, (152, 64), 1000),
    },
    Build {
        name: "discovery-rotating-nonce-16",
        what: "the same with a nonce of 16 bits beside 200",
        predicted: predicted(8 + 16),
        world: |setting| rotating(setting, Variant::Keyed, (200, 16), 1000),
    },
];

fn rotating(
    setting: &Setting,
    variant: Variant,
    (code, nonce): (u16, u16),
    period_ms: u64,
) -> anyhow::Result<Box<dyn World>> {
    let config = OtaConfig::new(variant, code, nonce, RotationPeriod::from_millis(period_ms)?)?;
    Ok(Box::new(Rotating { setting: setting.clone(), config, followed: Followed::default() }))
}

/// Returns identifier and key of announcer `number`.
pub(crate) fn identity(setting: &Setting, number: usize) -> (ProseId, ApplicationKey) {
    let mut rng = setting.rng(&format!("identity {number}"));
    (rng.octets(), ApplicationKey::from(rng.octets::<32>()))
}

struct Rotating {
    setting: Setting,
    config: OtaConfig,
    followed: Followed,
}

impl World for Rotating {
    fn agent(&mut self, ue: usize) -> anyhow::Result<Agent> {
        let (setting, config) = (&self.setting, self.config);
        let mut of_agent = agent_config(setting);
        of_agent.monitor.rotating = (config.nonce_bits() == 0).then_some(config);
        let mut agent = Agent::new(of_agent)?;
        let (id, key) = identity(setting, ue);
        agent.add_announcer(Announcer::changing(config, id, &key, ALWAYS));
        if ue >= setting.monitors {
            return Ok(agent);
        }
        let others = (0..setting.announcers).filter(|n| *n != ue);
        let others: Vec<_> = others.map(|n| (n, identity(setting, n))).collect();
        let tabled = others.iter().map(|(_, (id, key))| (*id, key, ALWAYS));
        match agent.monitor().follow_rotating(tabled) {
            Some(followed) => {
                followed.into_iter().zip(&others).for_each(|(who, (n, _))| self.followed.add(ue, who, *n));
            }
            None => {
                for (n, (id, key)) in &others {
                    let follow = Follow::Nonce(config, OtaIdentity::new(config, *id, key), ALWAYS);
                    self.followed.add(ue, agent.monitor().follow(follow), *n);
                }
            }
        }
        Ok(agent)
    }

    fn judge(&self, monitor: usize, event: &Event) -> Option<Match> {
        self.followed.judge(monitor, event)
    }
}
