//! Codes without protection: the least that discovery costs.

use super::{ALWAYS, Build, Followed, Match, Predicted, Verifier, World, agent_config, code, profile};
use crate::experiments::discovery::setting::Setting;
use sidelink_prose::discovery::agent::{Agent, Event};
use sidelink_prose::discovery::{Announcer, AnnouncerKey, Follow};
use sidelink_security::discovery::CodeFilter;
use sidelink_security::discovery::restricted::{Material, MicCheck, Receiver};
use sidelink_wire::pc5_discovery::{Content, MessageType};

pub(super) const ALL: &[Build] = &[Build {
    name: "discovery-unprotected",
    what: "restricted codes without keys: anybody reads, follows and forges them",
    predicted: Predicted { blocks: 1, of: 1, overhead_bits: 0, verifier: Verifier::Nobody },
    world: |setting| Ok(Box::new(Plain { setting: setting.clone(), followed: Followed::default() })),
}];

struct Plain {
    setting: Setting,
    followed: Followed,
}

impl World for Plain {
    fn agent(&mut self, ue: usize) -> anyhow::Result<Agent> {
        let setting = &self.setting;
        let mut agent = Agent::new(agent_config(setting))?;
        let content = Content::read(MessageType::RestrictedAnnouncement, &code(setting, ue));
        agent.add_announcer(Announcer::new(&content, AnnouncerKey::Unprotected, ALWAYS)?);
        if ue < setting.monitors {
            for announcer in (0..setting.announcers).filter(|n| *n != ue) {
                let filter = vec![CodeFilter::exact(code(setting, announcer))];
                let receiver = Receiver::new(&Material::default(), MicCheck::Local, filter, profile(setting));
                let follow = Follow::Filter(MessageType::RestrictedAnnouncement, receiver, ALWAYS);
                self.followed.add(ue, agent.monitor().follow(follow), announcer);
            }
        }
        Ok(agent)
    }

    fn judge(&self, monitor: usize, event: &Event) -> Option<Match> {
        self.followed.judge(monitor, event)
    }
}
