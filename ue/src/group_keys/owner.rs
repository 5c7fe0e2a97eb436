//! Group owner mode (TR 33.833 §6.3.4), for the stack.

use super::{
    GroupAction, GroupError, GroupEvent, GroupInput, GroupMachine, GroupMessage, GroupOutput, GroupWrite,
};
use sidelink_prose::direct_link::{Identity, Ticket};
use sidelink_prose::group_keys::{Destination, Path};
use sidelink_prose::group_owner::{Error, Forget, Input, Member, Output, Owner};
use sidelink_security::counter::UtcTime;
use sidelink_wire::group_owner::Kind;
use sidelink_wire::ids::Layer2Id;
use sidelink_wire::long_message::Content;
use std::collections::VecDeque;

/// What a UE is in a group with an owner.
pub enum OwnerRole {
    /// It admits members and makes the keys.
    Owner(Box<Owner>),
    /// It joins.
    Member {
        /// The machine.
        machine: Box<Member>,
        /// Layer-2 identity of the owner.
        owner: Layer2Id,
        /// Identity that the owner must prove.
        identity: Identity,
    },
}

/// The machine of a group with an owner.
pub struct OwnerGroup {
    group: Layer2Id,
    role: OwnerRole,
    out: VecDeque<GroupOutput>,
}

impl OwnerGroup {
    /// Wraps a machine with its credential.
    pub const fn new(group: Layer2Id, role: OwnerRole) -> Self {
        Self { group, role, out: VecDeque::new() }
    }

    fn input(&mut self, input: Input<'_>) {
        let result = match &mut self.role {
            OwnerRole::Owner(machine) => machine.handle_input(input),
            OwnerRole::Member { machine, .. } => machine.handle_input(input),
        };
        if let Err(error) = result {
            self.out.push_back(GroupOutput::Refused(GroupError::Owner(error)));
        }
    }

    fn act(&mut self, now: UtcTime, action: &GroupAction) {
        match (action, &self.role) {
            (GroupAction::Distribute, _) => self.input(Input::Renew { now }),
            (GroupAction::Exclude(name), _) => {
                self.input(Input::Expel { now, member: Identity::user(name) });
            }
            (GroupAction::Join, OwnerRole::Member { owner, identity, .. }) => {
                let (owner, identity) = (*owner, identity.clone());
                self.input(Input::Join { now, owner, identity });
            }
            (GroupAction::Join, OwnerRole::Owner(_)) => {
                let error = Error::Role { what: "join" };
                self.out.push_back(GroupOutput::Refused(GroupError::Owner(error)));
            }
            (GroupAction::Leave, _) => self.input(Input::Leave { now }),
            // Whoever has the key of the group talks under it: there are no calls.
            (GroupAction::StartCall | GroupAction::EndCall, _) => {}
        }
    }

    /// Converts an output; keys that replace others are two.
    fn convert(&mut self, output: Output) -> GroupOutput {
        let group = self.group;
        match output {
            Output::Message(message) => GroupOutput::Message(GroupMessage {
                to: match message.kind {
                    Kind::Notice => Destination::Group(message.to),
                    _ => Destination::Ue(message.to),
                },
                name: name(message.kind),
                octets: message.octets.into(),
            }),
            Output::GroupKeys(keys) => {
                let install =
                    GroupOutput::Install { group, key: keys.key, may_send: true, config: Some(keys.config) };
                match keys.replaces {
                    None => install,
                    Some(pgk_id) => {
                        self.out.push_back(install);
                        GroupOutput::Remove { group, pgk_id }
                    }
                }
            }
            Output::UnicastKey(key) => GroupOutput::LinkKey(Box::new(key.record)),
            Output::Forget(Forget::Group(pgk_id)) => GroupOutput::Remove { group, pgk_id },
            // The links keep it until its expiry: the owner accepts no link under it any more.
            Output::Forget(Forget::Unicast(..)) => self.poll_output(),
            Output::Reserve(reservation) => GroupOutput::Reserve(reservation),
            Output::Store { ticket, number } => {
                GroupOutput::Store { ticket: ticket.0, write: GroupWrite::ListNumber(number) }
            }
            Output::Event(event) => GroupOutput::Event(GroupEvent::Owner(event)),
            Output::Timeout(at) => GroupOutput::Timeout(at),
        }
    }
}

impl GroupMachine for OwnerGroup {
    fn content(&self) -> Option<Content> {
        Some(Content::GroupOwner)
    }

    fn handle_input(&mut self, input: GroupInput<'_>) {
        match input {
            GroupInput::Tick { now } => self.input(Input::Tick { now }),
            GroupInput::Message { now, path: Path::Ue { source }, octets } => {
                self.input(Input::Message { now, from: source, message: octets });
            }
            GroupInput::Message { now, path: Path::Group { source, .. }, octets }
                if octets.first() == Some(&Kind::Notice.octet()) =>
            {
                self.input(Input::Message { now, from: source, message: octets });
            }
            // All of its other messages are to one UE.
            GroupInput::Message { .. } => {}
            GroupInput::Stored { now, ticket } => self.input(Input::Stored { now, ticket: Ticket(ticket) }),
            GroupInput::StoreFailed { now, ticket } => {
                self.input(Input::StoreFailed { now, ticket: Ticket(ticket) });
            }
            GroupInput::Granted { now, granted } => self.input(Input::Granted { now, granted }),
            GroupInput::ReservationFailed { now, stream } => {
                self.input(Input::ReservationFailed { now, stream });
            }
            GroupInput::Act { now, group, action } if group == self.group => self.act(now, action),
            GroupInput::Act { .. }
            | GroupInput::Sealed { .. }
            | GroupInput::LinkUp { .. }
            | GroupInput::LinkDown { .. } => {}
        }
    }

    fn poll_output(&mut self) -> GroupOutput {
        if let Some(output) = self.out.pop_front() {
            return output;
        }
        let output = match &mut self.role {
            OwnerRole::Owner(machine) => machine.poll_output(),
            OwnerRole::Member { machine, .. } => machine.poll_output(),
        };
        self.convert(output)
    }
}

const fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::JoinRequest => "join request",
        Kind::Cookie => "cookie",
        Kind::Challenge => "challenge",
        Kind::Proof => "proof",
        Kind::Keys => "keys",
        Kind::Confirm => "confirm",
        Kind::Leave => "leave",
        Kind::LeaveAccept => "leave accept",
        Kind::Removal => "removal",
        Kind::Refusal => "refusal",
        Kind::Notice => "notice",
    }
}
