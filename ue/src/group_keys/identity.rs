//! Keys of groups by identities (TR 33.833 §6.3.1), for the stack.

use super::{
    GroupAction, GroupError, GroupEvent, GroupInput, GroupMachine, GroupMessage, GroupOutput, GroupWrite,
};
use sidelink_prose::group_keys::{
    Error, GroupKeys, Identity, Input, LocalIdentity, Member, MessageKind, Messages, Output, Path, Period,
    Ticket,
};
use sidelink_security::cipher::Algorithm;
use sidelink_security::counter::UtcTime;
use sidelink_security::group::GroupConfig;
use sidelink_wire::ids::Layer2Id;
use sidelink_wire::long_message::Content;
use std::collections::{BTreeSet, VecDeque};

/// What a key management server puts before the user info of a UE, which is its identity in links.
const PROSE: &str = "ProSe:";

/// A group that a UE manages: what [`GroupAction::Distribute`] means there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Managed {
    /// The group.
    pub group: Layer2Id,
    /// Its name, where this UE makes it: an ad-hoc group, whose GMK goes over protected links.
    pub ad_hoc: Option<Identity>,
    /// Its members.
    pub members: Vec<Member>,
    /// Seconds until a GMK is used, from the request.
    pub lead: u32,
    /// Seconds for which a GMK is used.
    pub period: u32,
}

impl Managed {
    fn period_at(&self, now: UtcTime) -> Period {
        let activation = now.counter().plus(self.lead);
        Period { activation, expiry: activation.plus(self.period) }
    }
}

/// The machine of group keys by identities of one UE.
pub struct IdentityGroups {
    machine: GroupKeys,
    managed: Vec<Managed>,
    refused: VecDeque<Error>,
    /// Ad-hoc groups that layer 2 knows of.
    opened: BTreeSet<Layer2Id>,
}

impl IdentityGroups {
    /// Wraps a machine with its keys; `managed` are the groups whose identity it signs as, or that it makes.
    pub const fn new(machine: GroupKeys, managed: Vec<Managed>) -> Self {
        Self { machine, managed, refused: VecDeque::new(), opened: BTreeSet::new() }
    }

    /// Distributes a GMK to all members; the first one of an ad-hoc group makes the group.
    fn distribute(&mut self, now: UtcTime, group: Layer2Id) -> Result<(), Error> {
        let managed = self.managed.iter().find(|managed| managed.group == group);
        let managed = managed.ok_or(Error::NotManager(group))?;
        let (members, period) = (managed.members.as_slice(), managed.period_at(now));
        let input = match &managed.ad_hoc {
            None => Input::Distribute { now, group, members, period },
            Some(_) if self.machine.ad_hoc_groups().any(|(known, _)| known == group) => {
                Input::Rekey { now, group, without: &[], period }
            }
            Some(name) => {
                Input::CreateAdHoc { now, group, name, members, period, identity: LocalIdentity::User }
            }
        };
        self.machine.handle_input(input)
    }

    /// Returns the next ad-hoc group that layer 2 must open or close.
    fn open_or_close(&mut self) -> Option<GroupOutput> {
        let new = self.machine.ad_hoc_groups().find(|(group, _)| !self.opened.contains(group));
        if let Some((group, name)) = new {
            let name = String::from_utf8_lossy(&name.value).into_owned();
            self.opened.insert(group);
            // Its GMK comes without algorithms: all members take these.
            let config = GroupConfig { group_id: group.octets(), eea: Algorithm::Aes, mac: None };
            return Some(GroupOutput::Open { name, config });
        }
        let is_there = |group: &Layer2Id| self.machine.ad_hoc_groups().any(|(known, _)| known == *group);
        let over = self.opened.iter().find(|group| !is_there(group)).copied()?;
        self.opened.remove(&over);
        Some(GroupOutput::Close(over))
    }

    fn act(&mut self, now: UtcTime, group: Layer2Id, action: &GroupAction) -> Result<(), Error> {
        let managed = || self.managed.iter().find(|managed| managed.group == group);
        match action {
            GroupAction::Distribute => self.distribute(now, group),
            GroupAction::Exclude(name) => {
                let period = managed().ok_or(Error::NotManager(group))?.period_at(now);
                let without = &[Identity::user(name)];
                self.machine.handle_input(Input::Rekey { now, group, without, period })
            }
            GroupAction::StartCall => self.machine.handle_input(Input::StartCall { now, group }),
            GroupAction::EndCall => self.machine.handle_input(Input::EndCall { now, group }),
            // The groups of an owner.
            GroupAction::Join | GroupAction::Leave => Ok(()),
        }
    }
}

impl GroupMachine for IdentityGroups {
    fn content(&self) -> Option<Content> {
        Some(Content::Mikey)
    }

    fn handle_input(&mut self, input: GroupInput<'_>) {
        let result = match input {
            GroupInput::Tick { now } => self.machine.handle_input(Input::Tick { now }),
            GroupInput::Message { now, path: Path::Link { peer, identity }, octets } => {
                let identity = &as_member(identity);
                let path = Path::Link { peer, identity };
                self.machine.handle_input(Input::Message { now, path, octets })
            }
            GroupInput::Message { now, path, octets } => {
                self.machine.handle_input(Input::Message { now, path, octets })
            }
            GroupInput::Sealed { now, job } => self.machine.handle_input(Input::Sealed { now, job }),
            GroupInput::LinkUp { now, peer, identity } => {
                let identity = &as_member(identity);
                self.machine.handle_input(Input::LinkUp { now, peer, identity })
            }
            GroupInput::LinkDown { now, peer } => self.machine.handle_input(Input::LinkDown { now, peer }),
            GroupInput::Stored { now, ticket } => {
                self.machine.handle_input(Input::Stored { now, ticket: Ticket(ticket) })
            }
            GroupInput::StoreFailed { now, ticket } => {
                self.machine.handle_input(Input::StoreFailed { now, ticket: Ticket(ticket) })
            }
            // This machine has no counters.
            GroupInput::Granted { .. } | GroupInput::ReservationFailed { .. } => Ok(()),
            GroupInput::Act { now, group, action } => self.act(now, group, action),
        };
        self.refused.extend(result.err());
    }

    fn poll_output(&mut self) -> GroupOutput {
        if let Some(error) = self.refused.pop_front() {
            return GroupOutput::Refused(GroupError::Identity(error));
        }
        // Before a key of its call is installed.
        if let Some(output) = self.open_or_close() {
            return output;
        }
        match self.machine.poll_output() {
            Output::Message(message) => {
                let name = name(message.kind);
                GroupOutput::Message(GroupMessage { to: message.to, name, octets: message.octets })
            }
            Output::Store { ticket, changes } => {
                GroupOutput::Store { ticket: ticket.0, write: GroupWrite::Identity(changes) }
            }
            Output::Install { group, key, may_send } => {
                GroupOutput::Install { group, key, may_send, config: None }
            }
            Output::Remove { group, pgk_id } => GroupOutput::Remove { group, pgk_id },
            Output::Event(event) => GroupOutput::Event(GroupEvent::Identity(event)),
            Output::Connect { peer, identity, local: LocalIdentity::User } => match as_peer(&identity) {
                Some(identity) => GroupOutput::Connect { peer, identity },
                None => GroupOutput::Refused(GroupError::NoLinkIdentity(identity)),
            },
            // The links of a UE have the identity of its user.
            Output::Connect { local: LocalIdentity::Me, .. } => {
                GroupOutput::Refused(GroupError::Identity(Error::NoMeIdentity))
            }
            Output::Seal(job) => GroupOutput::Seal(job),
            Output::Timeout(at) => GroupOutput::Timeout(at),
        }
    }

    fn set_messages(&mut self, messages: Box<dyn Messages>) {
        self.machine.set_messages(messages);
    }
}

/// Returns the identity of a member that a link proved: the one for which the key management server makes its keys.
fn as_member(peer: &Identity) -> Identity {
    peer.kms_user().map_or_else(|| peer.clone(), |user| Identity::user(&user))
}

/// Returns the identity that a member proves in a link; `None` for one that no link proves.
fn as_peer(member: &Identity) -> Option<Identity> {
    let text = std::str::from_utf8(&member.value).ok().filter(|_| member.kind == Identity::USER)?;
    text.strip_prefix(PROSE).map(Identity::user)
}

const fn name(kind: MessageKind) -> &'static str {
    match kind {
        MessageKind::Gmk => "I_MESSAGE",
        MessageKind::AdHocGmk => "ad-hoc GMK",
        MessageKind::Acknowledgement => "acknowledgement",
        MessageKind::Call => "call",
    }
}
