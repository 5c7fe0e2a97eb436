//! Model B: monitors ask, announcers answer. By a pre-shared secret (TR 33.833 §6.2.2), or by restricted material
//! (TS 33.303 §6.1.3.4.2.2).

use super::{ALWAYS, Build, Match, Predicted, Proof, Verifier, World, agent_config, code, profile};
use crate::experiments::discovery::setting::Setting;
use sidelink_prose::discovery::agent::{Agent, Event};
use sidelink_prose::discovery::{Answering, Asking, Discoverer, Finding};
use sidelink_security::discovery::request_response::{Binding, Session};
use sidelink_security::discovery::restricted::{Material, MicCheck, Receiver, Sender};
use sidelink_security::discovery::{Code, CodeFilter};
use sidelink_security::keys::{Duik, Dusk, PresharedSecret};
use sidelink_wire::pc5_discovery::{Content, MessageType};

const PREDICTED: Predicted = Predicted { blocks: 2, of: 2, overhead_bits: 40, verifier: Verifier::Monitor };

pub(super) const ALL: &[Build] = &[
    Build {
        name: "discovery-preshared",
        what: "model B with pre-shared secrets: a query, and responses that are bound to it",
        predicted: PREDICTED,
        world: |setting| Ok(Box::new(Questions::new(setting, Form::Preshared(Binding::Bound)))),
    },
    Build {
        name: "discovery-preshared-unbound",
        what: "the same with responses that fit any query of the window, as the final specification has them",
        predicted: PREDICTED,
        world: |setting| Ok(Box::new(Questions::new(setting, Form::Preshared(Binding::Unbound)))),
    },
    Build {
        name: "discovery-restricted-b",
        what: "model B with DUSK and DUIK: one set of keys for queries, one for responses",
        predicted: PREDICTED,
        world: |setting| Ok(Box::new(Questions::new(setting, Form::Restricted))),
    },
];

/// Milliseconds for which a response is waited for.
const PATIENCE_MS: u64 = 10_000;

/// How questions are protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// By secrets for each role.
    Preshared(Binding),
    /// By material for each role.
    Restricted,
}

/// Returns the query code of a run, which all share.
pub(crate) fn query_code(setting: &Setting) -> Code {
    setting.rng("query").octets()
}

/// Returns the secrets of queries and of responses of a run.
pub(crate) fn secrets(setting: &Setting) -> [PresharedSecret; 2] {
    ["query secret", "response secret"].map(|part| PresharedSecret::from(setting.rng(part).octets::<32>()))
}

fn material(setting: &Setting, part: &str) -> Material {
    let mut rng = setting.rng(part);
    Material {
        dusk: Some(Dusk::from(rng.octets::<32>())),
        duik: Some(Duik::from(rng.octets::<32>())),
        duck: None,
    }
}

pub(crate) struct Questions {
    setting: Setting,
    form: Form,
}

impl Questions {
    pub(crate) fn new(setting: &Setting, form: Form) -> Self {
        Self { setting: setting.clone(), form }
    }

    fn session(&self, binding: Binding) -> Session {
        let [query, response] = secrets(&self.setting);
        Session::with_secrets([&query, &response], query_code(&self.setting), binding, profile(&self.setting))
    }

    fn query(&self) -> Content {
        Content::read(MessageType::RestrictedQuery, &query_code(&self.setting))
    }
}

impl World for Questions {
    fn agent(&mut self, ue: usize) -> anyhow::Result<Agent> {
        let setting = &self.setting;
        let profile = profile(setting);
        let mut agent = Agent::new(agent_config(setting))?;
        let codes =
            || (0..setting.announcers).filter(|n| *n != ue).map(|n| CodeFilter::exact(code(setting, n)));
        if ue < setting.monitors {
            let asking = match self.form {
                Form::Preshared(binding) => Asking::Preshared(self.session(binding)),
                Form::Restricted => Asking::Restricted {
                    query: self.query(),
                    sender: Sender::new(&material(setting, "query"), profile),
                    receiver: Receiver::new(
                        &material(setting, "response"),
                        MicCheck::Local,
                        codes().collect(),
                        profile,
                    ),
                    response: MessageType::RestrictedResponse,
                },
            };
            agent.add_discoverer(Discoverer::new(asking, ALWAYS, PATIENCE_MS));
        }
        let answering = match self.form {
            Form::Preshared(binding) => Answering::Preshared(self.session(binding), code(setting, ue)),
            Form::Restricted => Answering::Restricted {
                receiver: Receiver::new(
                    &material(setting, "query"),
                    MicCheck::Local,
                    vec![CodeFilter::exact(query_code(setting))],
                    profile,
                ),
                query: MessageType::RestrictedQuery,
                response: Content::read(MessageType::RestrictedResponse, &code(setting, ue)),
                sender: Sender::new(&material(setting, "response"), profile),
            },
        };
        agent.discoveree().answer(answering, ALWAYS);
        Ok(agent)
    }

    fn messages(&self, ue: usize) -> usize {
        usize::from(ue < self.setting.monitors)
    }

    fn hears(&self, _ue: usize) -> bool {
        true
    }

    fn judge(&self, _monitor: usize, event: &Event) -> Option<Match> {
        let Event::Answered { finding, .. } = event else { return None };
        let (found, proof) = match finding {
            Finding::Verified(found) => (&**found, Proof::Verified),
            Finding::ToReport(found) => (found, Proof::ToReport),
            Finding::Unprotected(found) => (found, Proof::Unprotected),
            _ => return None,
        };
        let announcer = (0..self.setting.announcers).find(|n| code(&self.setting, *n) == found.code)?;
        Some(Match { announcer, proof })
    }
}
