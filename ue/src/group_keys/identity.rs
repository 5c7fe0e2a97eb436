//! Keys of groups by identities (TR 33.833 §6.3.1), for the stack.

use super::{
    GroupAction, GroupError, GroupEvent, GroupInput, GroupMachine, GroupMessage, GroupOutput, GroupWrite,
};
use sidelink_prose::group_keys::{
    Error, GroupKeys, Identity, Input, Member, MessageKind, Output, Period, Ticket,
};
use sidelink_security::counter::UtcTime;
use sidelink_wire::ids::Layer2Id;
use sidelink_wire::long_message::Content;
use std::collections::VecDeque;

/// A group that a UE manages: what [`GroupAction::Distribute`] means there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Managed {
    /// The group.
    pub group: Layer2Id,
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
}

impl IdentityGroups {
    /// Wraps a machine with its keys; `managed` are the groups whose identity it signs as.
    pub const fn new(machine: GroupKeys, managed: Vec<Managed>) -> Self {
        Self { machine, managed, refused: VecDeque::new() }
    }

    fn act(&mut self, now: UtcTime, group: Layer2Id, action: &GroupAction) -> Result<(), Error> {
        let managed = || self.managed.iter().find(|managed| managed.group == group);
        match action {
            GroupAction::Distribute => {
                let managed = managed().ok_or(Error::NotManager(group))?;
                let (members, period) = (managed.members.as_slice(), managed.period_at(now));
                self.machine.handle_input(Input::Distribute { now, group, members, period })
            }
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
            GroupInput::Message { now, path, octets } => {
                self.machine.handle_input(Input::Message { now, path, octets })
            }
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
            Output::Connect { peer, .. } => GroupOutput::Connect(peer),
            Output::Timeout(at) => GroupOutput::Timeout(at),
        }
    }
}

const fn name(kind: MessageKind) -> &'static str {
    match kind {
        MessageKind::Gmk => "I_MESSAGE",
        MessageKind::AdHocGmk => "ad-hoc GMK",
        MessageKind::Acknowledgement => "acknowledgement",
        MessageKind::Call => "call",
    }
}
