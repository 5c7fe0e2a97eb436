//! Relays of one UE: as a remote UE it finds one and keeps a link with it, as a relay it is found. Discovery goes past the agent,
//! since what a relay says of itself changes with its remote UEs, and how strong it is decides. TS 24.334 §10A.2.
//!
//! ```text
//! discovery block, power -> discovery::{RemoteDiscovery, RelayDiscovery} -> machine -> links
//! ```

use sidelink_prose::direct_link::{Cause, Closed, Identity};
use sidelink_prose::discovery::{AirTime, TimePolicy};
use sidelink_prose::relay::admission::AdmissionRules;
use sidelink_prose::relay::discovery::{
    Found, Kind, Model, RelayDiscovery, RelayProfile, RemoteDiscovery, ServiceKeys, Solicited,
};
use sidelink_prose::relay::relay_ue::{self, Dismissal, RelayUe};
use sidelink_prose::relay::remote_ue::{self, RemoteUe};
use sidelink_prose::relay::selection::{Leave, RelayId, Rules, Strength};
use sidelink_security::counter::UtcTime;
use sidelink_security::discovery::{Message, Refusal};
use sidelink_security::outcome::{Counters, Outcome};
use sidelink_security::pdu::Assurance;
use sidelink_wire::ids::Layer2Id;
use sidelink_wire::pc5_discovery::{MessageType, More};
use std::collections::VecDeque;
use std::fmt;

/// What a UE is to relays.
pub enum RelayRole {
    /// It uses one.
    Remote {
        /// Keys of the discovery of its service.
        keys: ServiceKeys,
        /// Its User Info ID.
        info: [u8; 6],
        /// Whether it asks for relays, or listens for them.
        model: Model,
        /// Rules of the selection.
        rules: Rules,
        /// What it calls itself towards a relay; where it is none, the network's end says it.
        user: Option<Identity>,
    },
    /// It is one.
    Relay {
        /// What it says of itself.
        profile: RelayProfile,
        /// Whose requests it answers.
        admission: AdmissionRules,
    },
}

/// An event of relays, for applications and reports.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RelayEvent {
    /// Of this remote UE.
    Remote(remote_ue::Event),
    /// A relay tells more of itself.
    More {
        /// The relay.
        relay: RelayId,
        /// What it tells.
        more: More,
    },
    /// Of this relay.
    Relay(relay_ue::Event),
    /// A remote UE asks for this relay, or measures it.
    Solicited(Solicited),
    /// A message was handed over for a discovery resource.
    Sent(Kind),
    /// A message of relay discovery was heard and believed.
    Heard {
        /// What it is for.
        kind: Kind,
        /// The relay that it is of.
        relay: RelayId,
        /// How strong it was.
        strength: Option<Strength>,
    },
    /// A message cannot be sent.
    Silent {
        /// What it was for.
        kind: Kind,
        /// Why.
        refusal: Refusal,
    },
    /// A message was refused.
    Refused {
        /// What it was for.
        kind: Kind,
        /// Why.
        refusal: Refusal,
    },
}

/// What a UE is to relays now, for people and programs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RelayStatus {
    /// The relay that serves this remote UE, and how strong it is.
    Remote(Option<(RelayId, Option<Strength>)>),
    /// The number of remote UEs of this relay, and whether it has room.
    Relay {
        /// Remote UEs.
        remotes: usize,
        /// Whether it says that it has resources.
        has_room: bool,
    },
}

/// What is to be done with links.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Action {
    /// Set up a link to this relay.
    Connect {
        /// Its layer-2 ID.
        peer: Layer2Id,
        /// Its name, as its discovery says.
        identity: Identity,
        /// Relay Service Code.
        service: [u8; 3],
        /// What this UE calls itself.
        user: Option<Identity>,
    },
    /// Release the link with this UE.
    Release(Layer2Id, Cause),
    /// Tell whoever listens.
    Event(RelayEvent),
}

// One a UE.
#[allow(clippy::large_enum_variant)]
enum Part {
    Remote { discovery: RemoteDiscovery, machine: RemoteUe, user: Option<Identity>, asked: Option<u64> },
    Relay { discovery: RelayDiscovery, machine: RelayUe },
}

/// Relays of one UE.
pub struct Relays {
    part: Part,
    /// Rules of the admission, until the links have them.
    admission: Option<AdmissionRules>,
    time: TimePolicy,
    /// Strength of a resource element of power 1 in the receiver's scale.
    reference: Strength,
    counters: Counters,
    actions: VecDeque<Action>,
}

impl Relays {
    /// Makes the relays of a UE. `reference` is the strength of a resource element of power 1 in the receiver's scale.
    pub fn new(role: RelayRole, time: TimePolicy, reference: Strength) -> Self {
        let (part, admission) = match role {
            RelayRole::Remote { keys, info, model, rules, user } => {
                let machine = RemoteUe::new(rules, keys.service(), model);
                let discovery = RemoteDiscovery::new(keys, info);
                (Part::Remote { discovery, machine, user, asked: None }, None)
            }
            RelayRole::Relay { profile, admission } => {
                let machine = RelayUe::new(admission.most);
                let discovery = RelayDiscovery::new(profile, &time);
                (Part::Relay { discovery, machine }, Some(admission))
            }
        };
        let counters = Counters::default();
        Self { part, admission, time, reference, counters, actions: VecDeque::new() }
    }

    /// Returns what this UE is to relays now.
    pub fn status(&self) -> RelayStatus {
        match &self.part {
            Part::Remote { machine, .. } => {
                let relay = machine.relay();
                RelayStatus::Remote(relay.map(|relay| (relay, machine.strength(relay))))
            }
            Part::Relay { machine, .. } => RelayStatus::Relay {
                remotes: machine.remotes().count(),
                has_room: machine.status().resources,
            },
        }
    }

    /// Begins or ends what this UE is to relays: a remote UE looks for one or releases its own; a relay takes remote UEs, or lets
    /// all of them go since it is not available any more.
    pub fn set_active(&mut self, now: UtcTime, active: Active) {
        match (&mut self.part, active) {
            (Part::Remote { machine, .. }, Active::On) => {
                machine.handle_input(&remote_ue::Input::Want { now });
            }
            (Part::Remote { machine, .. }, Active::Off) => {
                machine.handle_input(&remote_ue::Input::GiveUp { now });
            }
            (Part::Relay { machine, .. }, Active::On) => machine.handle_input(relay_ue::Input::Resume),
            (Part::Relay { machine, .. }, Active::Off) => {
                machine.handle_input(relay_ue::Input::Stop(Dismissal::NotAvailable));
            }
        }
        self.drain();
    }

    /// Takes the rules of the admission.
    pub(crate) fn take_admission(&mut self) -> Option<AdmissionRules> {
        self.admission.take()
    }

    /// Returns the counters of outcomes of everything that was received.
    pub(crate) const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Returns the number of messages that want a resource in the next discovery period.
    pub(crate) fn wanted(&self) -> usize {
        match &self.part {
            Part::Remote { machine, .. } => usize::from(machine.wants_to_solicit()),
            Part::Relay { discovery, .. } => discovery.wanted(),
        }
    }

    pub(crate) fn tick(&mut self, now: UtcTime) {
        if let Part::Remote { machine, .. } = &mut self.part {
            machine.handle_input(&remote_ue::Input::Tick { now });
        }
        self.drain();
    }

    /// Takes a discovery block if it is one of relays; `check` is what the guard of the clock says. `power` is that of a resource
    /// element in the receiver's scale.
    pub(crate) fn hear(
        &mut self,
        now: &AirTime,
        check: Result<(), Refusal>,
        block: &[u8],
        power: Option<f32>,
    ) -> bool {
        let Ok(message) = <&Message>::try_from(block) else { return false };
        let Ok(message_type) = MessageType::from_octet(message[0]) else { return false };
        let Some(kind) = Kind::of(message_type) else { return false };
        let strength = power.map(|power| self.reference.plus(10.0 * power.max(1e-20).log10()));
        let result = check.and_then(|()| self.take(now, (kind, message_type), message, strength));
        if let Err(refusal) = result {
            self.counters.count(refusal.into());
            self.event(RelayEvent::Refused { kind, refusal });
        }
        self.drain();
        true
    }

    fn take(
        &mut self,
        now: &AirTime,
        (kind, message_type): (Kind, MessageType),
        message: &Message,
        strength: Option<Strength>,
    ) -> Result<(), Refusal> {
        let counted = |counters: &mut Counters, assurance| {
            counters.count(match assurance {
                Assurance::Verified => Outcome::Verified,
                _ => Outcome::Unprotected,
            });
        };
        match &mut self.part {
            Part::Remote { discovery, machine, .. } => {
                match discovery.hear(&self.time, now, message_type, message)? {
                    Found::Relay { relay, assurance, .. } => {
                        counted(&mut self.counters, assurance);
                        let id = RelayId(relay.relay);
                        self.actions.push_back(Action::Event(RelayEvent::Heard {
                            kind,
                            relay: id,
                            strength,
                        }));
                        if let Some(strength) = strength {
                            let now = now.slot;
                            machine.handle_input(&remote_ue::Input::Heard { now, relay, strength });
                        }
                    }
                    Found::More { relay, more, assurance } => {
                        counted(&mut self.counters, assurance);
                        let relay = RelayId(relay);
                        self.actions.push_back(Action::Event(RelayEvent::Heard { kind, relay, strength }));
                        // Of its own relay alone: as TS 24.334 §10A.2.11.2.
                        if machine.relay() == Some(relay) {
                            self.actions.push_back(Action::Event(RelayEvent::More { relay, more }));
                        }
                    }
                }
            }
            Part::Relay { discovery, .. } => {
                let solicited = discovery.hear(&self.time, now, message_type, message)?;
                self.counters.count(Outcome::Verified);
                self.event(RelayEvent::Solicited(solicited));
            }
        }
        Ok(())
    }

    /// Returns the message for a resource of this discovery period, if one is due.
    pub(crate) fn message(&mut self, now: &AirTime, period: u64) -> Option<Message> {
        let (kind, message) = match &mut self.part {
            Part::Remote { discovery, machine, asked, .. } => {
                if asked.replace(period) == Some(period) {
                    return None;
                }
                let relay = machine.take_solicitation()?.map(|relay| relay.0);
                (Kind::Solicitation, discovery.solicit(&self.time, now, relay))
            }
            Part::Relay { discovery, machine } => {
                discovery.message(&self.time, now, period, machine.status())?
            }
        };
        match message {
            Ok(message) => {
                self.event(RelayEvent::Sent(kind));
                Some(message)
            }
            Err(refusal) => {
                self.event(RelayEvent::Silent { kind, refusal });
                None
            }
        }
    }

    /// A link with this UE is up.
    pub(crate) fn link_up(&mut self, now: UtcTime, peer: Layer2Id) {
        match &mut self.part {
            Part::Remote { machine, .. } => {
                machine.handle_input(&remote_ue::Input::Up { now, relay: RelayId(peer.octets()) });
            }
            Part::Relay { machine, .. } => {
                machine.handle_input(relay_ue::Input::Up { now, remote: peer });
            }
        }
        self.drain();
    }

    /// A link with this UE has ended, or did not come to be.
    pub(crate) fn link_ended(&mut self, now: UtcTime, peer: Layer2Id, why: Leave) {
        match &mut self.part {
            Part::Remote { machine, .. } => {
                machine.handle_input(&remote_ue::Input::Ended { now, relay: RelayId(peer.octets()), why });
            }
            Part::Relay { machine, .. } => {
                machine.handle_input(relay_ue::Input::Ended { now, remote: peer });
            }
        }
        self.drain();
    }

    /// Returns the next action.
    pub(crate) fn poll(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Returns when the machine wants a tick.
    pub(crate) fn due(&mut self) -> Option<UtcTime> {
        match &mut self.part {
            Part::Remote { machine, .. } => match machine.poll_output() {
                remote_ue::Output::Timeout(at) => at,
                // Everything was drained.
                _ => None,
            },
            Part::Relay { .. } => None,
        }
    }

    fn event(&mut self, event: RelayEvent) {
        self.actions.push_back(Action::Event(event));
    }

    /// Turns the outputs of the machine into actions.
    fn drain(&mut self) {
        match &mut self.part {
            Part::Remote { discovery, machine, user, .. } => loop {
                self.actions.push_back(match machine.poll_output() {
                    remote_ue::Output::Connect { relay, info } => Action::Connect {
                        peer: Layer2Id::from_octets(relay.0),
                        identity: name_of(info),
                        service: discovery.service(),
                        user: user.clone(),
                    },
                    remote_ue::Output::Release(relay) => {
                        Action::Release(Layer2Id::from_octets(relay.0), Cause::NoLongerNeeded)
                    }
                    remote_ue::Output::Event(event) => Action::Event(RelayEvent::Remote(event)),
                    remote_ue::Output::Timeout(_) => return,
                });
            },
            Part::Relay { machine, .. } => loop {
                self.actions.push_back(match machine.poll_output() {
                    relay_ue::Output::Dismiss(remote, why) => Action::Release(
                        remote,
                        match why {
                            Dismissal::NotAllowed => Cause::NoLongerAllowed,
                            Dismissal::NotAvailable => Cause::NotAvailable,
                        },
                    ),
                    relay_ue::Output::Event(event) => Action::Event(RelayEvent::Relay(event)),
                    relay_ue::Output::Done => return,
                });
            },
        }
    }
}

/// Whether a UE uses a relay, or is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Active {
    /// It does.
    On,
    /// It does not.
    Off,
}

/// Returns the name of a User Info ID: its octets without the zeros behind them.
fn name_of(info: [u8; 6]) -> Identity {
    let len = info.iter().rposition(|octet| *octet != 0).map_or(0, |last| last + 1);
    Identity { kind: Identity::USER, value: info[..len].to_vec() }
}

/// What the end of a link means for the selection. A refusal that nothing proves counts as none: anybody can send one.
pub(crate) const fn leave(why: Closed) -> Leave {
    match why {
        Closed::Released => Leave::Wanted,
        Closed::ByPeer { reason: Cause::NoLongerAllowed | Cause::NotAllowed } => Leave::NotAllowed,
        Closed::ByPeer { reason: Cause::LackOfResources }
        | Closed::NoAnswer { hint: Some(Cause::LackOfResources) } => Leave::NoRoom,
        Closed::ByPeer { .. } | Closed::Replaced => Leave::NotAvailable,
        Closed::NotEstablished | Closed::CannotAuthenticate => Leave::NotAuthenticated,
        _ => Leave::NoAnswer,
    }
}

/// A User Info ID for people: its text, or its octets.
struct Info([u8; 6]);

impl fmt::Display for Info {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        name_of(self.0).fmt(f)
    }
}

/// As reports write it.
impl fmt::Display for RelayEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use remote_ue::Event as Remote;
        let id = |relay: &RelayId| Layer2Id::from_octets(relay.0);
        match self {
            Self::Remote(Remote::Found { relay, info, strength, has_room }) => {
                let room = if *has_room { "" } else { ", no room" };
                write!(f, "found {} at {}: {strength}{room}", Info(*info), id(relay))
            }
            Self::Remote(Remote::Selected { relay, info, strength, instead_of }) => {
                write!(f, "asks {} at {} for a link", Info(*info), id(relay))?;
                strength.iter().try_for_each(|strength| write!(f, ", {strength}"))?;
                instead_of.iter().try_for_each(|(old, why)| write!(f, ", instead of {}: {why}", id(old)))
            }
            Self::Remote(Remote::Serving { relay }) => write!(f, "{} serves", id(relay)),
            Self::Remote(Remote::Left { relay, why }) => write!(f, "leaves {}: {why}", id(relay)),
            Self::Remote(Remote::Lost { relay, why }) => write!(f, "no link with {}: {why}", id(relay)),
            Self::More { relay, more: More::Ecgi(ecgi) } => {
                write!(f, "{} is in the cell {}", id(relay), sidelink_wire::hex::of_bytes(ecgi))
            }
            Self::More { relay, .. } => write!(f, "{} tells more of itself", id(relay)),
            Self::Relay(relay_ue::Event::Joined { remote, of: [now, most] }) => {
                write!(f, "remote UE {remote} is linked, {now} of {most}")
            }
            Self::Relay(relay_ue::Event::Gone { remote, after, of: [now, most] }) => {
                write!(f, "remote UE {remote} is gone after {after} ms, {now} of {most}")
            }
            Self::Solicited(Solicited { info, alone, .. }) => {
                let what = if *alone { "measures this relay" } else { "asks for a relay" };
                write!(f, "{} {what}", Info(*info))
            }
            Self::Sent(kind) => write!(f, "{} sent", kind.as_str()),
            Self::Heard { kind, relay, strength } => {
                write!(f, "{} of {}", kind.as_str(), id(relay))?;
                strength.iter().try_for_each(|strength| write!(f, ", {strength}"))
            }
            Self::Silent { kind, refusal } => write!(f, "no {} is sent: {refusal}", kind.as_str()),
            Self::Refused { kind, refusal } => write!(f, "{} refused: {refusal}", kind.as_str()),
        }
    }
}

#[cfg(test)]
mod tests;
