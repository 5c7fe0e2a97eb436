//! Restricted discovery: a code under DUSK, DUIK and DUCK of its own (TS 33.303 §6.1.3.4), or under keys of a PSDK.

use super::{ALWAYS, Build, Followed, Match, Predicted, Verifier, World, agent_config, code, profile};
use crate::experiments::discovery::setting::Setting;
use sidelink_prose::discovery::agent::{Agent, Event};
use sidelink_prose::discovery::{Announcer, AnnouncerKey, Follow};
use sidelink_security::counter::UtcCounter;
use sidelink_security::discovery::CodeFilter;
use sidelink_security::discovery::public_safety::{PsdkUse, PublicSafetyKey};
use sidelink_security::discovery::restricted::{Material, MicCheck, Receiver, Sender};
use sidelink_security::keys::{Duck, Duik, Dusk, Psdk};
use sidelink_wire::pc5_discovery::{Content, MessageType};

const PREDICTED: Predicted = Predicted { blocks: 1, of: 1, overhead_bits: 40, verifier: Verifier::Monitor };

pub(super) const ALL: &[Build] = &[
    Build {
        name: "discovery-restricted",
        what: "DUSK, DUIK and DUCK: a filter under keys of each announcer, MIC checked by the UE",
        predicted: PREDICTED,
        world: |setting| Ok(Box::new(Restricted::new(setting, Way::Filters))),
    },
    Build {
        name: "discovery-restricted-tables",
        what: "the same keys, with the codes of each second computed ahead into a table",
        predicted: PREDICTED,
        world: |setting| Ok(Box::new(Restricted::new(setting, Way::Tables))),
    },
    Build {
        name: "discovery-public-safety",
        what: "DUSK and DUIK of one PSDK that all have: everybody of it can speak for everybody",
        predicted: PREDICTED,
        world: |setting| Ok(Box::new(Restricted::new(setting, Way::PublicSafety))),
    },
];

/// The bits that DUCK encrypts: the second half of the code.
const ENCRYPTED: [u8; 23] = {
    let mut mask = [0; 23];
    let mut i = 12;
    while i < 23 {
        mask[i] = 0xff;
        i += 1;
    }
    mask
};

/// How codes are followed, and where their keys are from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Filters, one after the other, within MAX_OFFSET.
    Filters,
    /// A table of the codes of this second.
    Tables,
    /// Filters under keys of a PSDK.
    PublicSafety,
}

/// Returns the material of announcer `number`.
pub(crate) fn material(setting: &Setting, number: usize) -> Material {
    let mut rng = setting.rng(&format!("material {number}"));
    Material {
        dusk: Some(Dusk::from(rng.octets::<32>())),
        duik: Some(Duik::from(rng.octets::<32>())),
        duck: Some((Duck::from(rng.octets::<32>()), ENCRYPTED)),
    }
}

fn of_psdk(setting: &Setting) -> Material {
    let psdk = Psdk::from(setting.rng("psdk").octets::<32>());
    let key = PublicSafetyKey {
        psdk,
        serves: PsdkUse::KeyType,
        expiry: ALWAYS,
        scramble: true,
        integrity: true,
        confidentiality: None,
    };
    key.material(UtcCounter::new(0)).unwrap_or_default()
}

pub(crate) struct Restricted {
    setting: Setting,
    way: Way,
    followed: Followed,
}

impl Restricted {
    pub(crate) fn new(setting: &Setting, way: Way) -> Self {
        Self { setting: setting.clone(), way, followed: Followed::default() }
    }

    fn material(&self, number: usize) -> Material {
        match self.way {
            Way::PublicSafety => of_psdk(&self.setting),
            Way::Filters | Way::Tables => material(&self.setting, number),
        }
    }
}

impl World for Restricted {
    fn agent(&mut self, ue: usize) -> anyhow::Result<Agent> {
        let setting = &self.setting;
        let mut agent = Agent::new(agent_config(setting))?;
        let content = Content::read(MessageType::RestrictedAnnouncement, &code(setting, ue));
        let key = AnnouncerKey::Restricted(Sender::new(&self.material(ue), profile(setting)));
        agent.add_announcer(Announcer::new(&content, key, ALWAYS)?);
        if ue >= setting.monitors {
            return Ok(agent);
        }
        for announcer in (0..setting.announcers).filter(|n| *n != ue) {
            let (code, material) = (code(setting, announcer), self.material(announcer));
            let kind = MessageType::RestrictedAnnouncement;
            let who = match self.way {
                Way::Tables => agent.monitor().follow_code(kind, code, &material, ALWAYS)?,
                Way::Filters | Way::PublicSafety => {
                    let filter = vec![CodeFilter::exact(code)];
                    let receiver = Receiver::new(&material, MicCheck::Local, filter, profile(setting));
                    agent.monitor().follow(Follow::Filter(kind, receiver, ALWAYS))
                }
            };
            self.followed.add(ue, who, announcer);
        }
        Ok(agent)
    }

    fn judge(&self, monitor: usize, event: &Event) -> Option<Match> {
        self.followed.judge(monitor, event)
    }
}
