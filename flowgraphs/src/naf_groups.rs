//! Groups whose keys a NAF gives, for the stack of a UE: the network's machine ([`NafGroups`]) as one of its machines of group
//! keys, and the way to the NAF beside it. TR 33.833 §6.3.2.

use sidelink_network::group_naf_client as client;
use sidelink_network::identity::Impi;
use sidelink_network::key_delivery::ServiceId;
use sidelink_network::naf_groups::{Event, Input, NafGroups, Output};
use sidelink_network::usim::{SqnArray, Usim};
use sidelink_prose::group_keys::{Destination, Path};
use sidelink_security::counter::UtcTime;
use sidelink_security::group::GroupKey;
use sidelink_ue::{
    GroupAction, GroupError, GroupEvent, GroupInput, GroupMachine, GroupMessage, GroupOutput, NafEvent,
};
use sidelink_wire::ids::Layer2Id;
use sidelink_wire::long_message::Content;
use std::collections::VecDeque;

/// Milliseconds between two looks for messages of the NAF.
const LOOK: u64 = 5;

/// The way from a UE to its NAF.
pub(crate) trait NafPath: Send {
    /// Sends a message to the NAF.
    fn send(&mut self, now: UtcTime, octets: Vec<u8>);

    /// Returns a message of the NAF that has come by now.
    fn receive(&mut self, now: UtcTime) -> Option<Vec<u8>>;

    /// Makes the state of the USIM durable.
    ///
    /// # Errors
    /// It is not.
    fn keep(&mut self, array: &SqnArray) -> std::io::Result<()>;
}

/// What a UE needs to be in groups of a NAF.
pub(crate) struct NafAccess {
    /// Its name and its key.
    pub(crate) config: client::Config,
    /// Its USIM.
    pub(crate) usim: Usim,
    /// The way to the NAF.
    pub(crate) path: Box<dyn NafPath>,
}

/// The machine of one UE.
pub(crate) struct NafGroupMachine {
    machine: NafGroups,
    path: Box<dyn NafPath>,
    now: UtcTime,
    out: VecDeque<GroupOutput>,
}

impl NafGroupMachine {
    pub(crate) fn new(machine: NafGroups, path: Box<dyn NafPath>) -> Self {
        Self { machine, path, now: UtcTime::from_millis(0), out: VecDeque::new() }
    }

    fn input(&mut self, input: Input<'_>) {
        if let Err(error) = self.machine.handle_input(input) {
            self.out.push_back(GroupOutput::Refused(GroupError::Naf(error.to_string())));
        }
    }

    fn act(&mut self, now: UtcTime, group: ServiceId, action: &GroupAction) {
        match action {
            GroupAction::Distribute => self.input(Input::Distribute { now, group }),
            GroupAction::Exclude(name) => match Impi::new(name) {
                Ok(user) => self.input(Input::Exclude { now, group, user: &user }),
                Err(error) => {
                    let why = format!("{name:?} is no user of a NAF: {error}");
                    self.out.push_back(GroupOutput::Refused(GroupError::Naf(why)));
                }
            },
            GroupAction::Join => self.input(Input::Join { now, group }),
            GroupAction::Leave => self.input(Input::Leave { now, group }),
            // Whoever has the key of the group talks under it: there are no calls.
            GroupAction::StartCall | GroupAction::EndCall => {}
        }
    }

    /// Takes what the NAF said.
    fn receive(&mut self, now: UtcTime) {
        while let Some(octets) = self.path.receive(now) {
            self.input(Input::Answer { now, octets: &octets });
        }
    }

    /// Does what the machine says until something is for the stack.
    fn advance(&mut self) -> GroupOutput {
        let now = self.now;
        loop {
            match self.machine.poll_output() {
                Output::ToNaf(octets) => self.path.send(now, octets),
                Output::Store(array) => match self.path.keep(&array) {
                    Ok(()) => self.input(Input::Stored { now }),
                    Err(error) => {
                        self.input(Input::StoreFailed { now });
                        let why = format!("the state of the USIM is not stored: {error}");
                        return GroupOutput::Refused(GroupError::Naf(why));
                    }
                },
                Output::Invite { to, octets } => {
                    return GroupOutput::Message(GroupMessage {
                        to: Destination::Ue(to),
                        name: "invitation",
                        octets: octets.into(),
                    });
                }
                Output::Install(key) => return install(now, key),
                Output::Remove { group, pgk_id } => {
                    return GroupOutput::Remove { group: layer2(group), pgk_id };
                }
                Output::Event(event) => return GroupOutput::Event(GroupEvent::Naf(words(event))),
                // The NAF may say something by itself.
                Output::Timeout(at) => {
                    let look = now.plus_millis(LOOK);
                    return GroupOutput::Timeout(Some(at.map_or(look, |at| at.min(look))));
                }
            }
        }
    }
}

impl GroupMachine for NafGroupMachine {
    fn content(&self) -> Option<Content> {
        Some(Content::GroupInvitation)
    }

    fn handle_input(&mut self, input: GroupInput<'_>) {
        match input {
            GroupInput::Tick { now } => {
                self.now = now;
                self.receive(now);
                self.input(Input::Tick { now });
            }
            GroupInput::Message { now, path: Path::Ue { source }, octets } => {
                self.now = now;
                self.input(Input::Message { now, from: source, octets });
            }
            // An invitation is for one UE; and this machine makes nothing durable by way of the stack.
            GroupInput::Message { .. }
            | GroupInput::Stored { .. }
            | GroupInput::StoreFailed { .. }
            | GroupInput::Granted { .. }
            | GroupInput::ReservationFailed { .. }
            // It asks for neither links nor seals.
            | GroupInput::Sealed { .. }
            | GroupInput::LinkUp { .. }
            | GroupInput::LinkDown { .. } => {}
            GroupInput::Act { now, group, action } => {
                self.now = now;
                self.act(now, ServiceId(group.octets()), action);
            }
        }
    }

    fn poll_output(&mut self) -> GroupOutput {
        match self.out.pop_front() {
            Some(output) => output,
            None => self.advance(),
        }
    }
}

/// The layer-2 ID of a group.
pub(crate) const fn layer2(group: ServiceId) -> Layer2Id {
    Layer2Id::from_octets(group.0)
}

/// A key for the stack, valid from now on.
pub(crate) fn install(now: UtcTime, key: client::GroupKey) -> GroupOutput {
    let client::GroupKey { group, pgk_id, pgk, expires } = key;
    let key = GroupKey { pgk_id, pgk, valid_from: now.counter(), expiry: expires.counter() };
    GroupOutput::Install { group: layer2(group), key, may_send: true, config: None }
}

/// An event in the words of the UE.
fn words(event: Event) -> NafEvent {
    match event {
        Event::Key { group, pgk_id } => NafEvent::Key { group: layer2(group), pgk_id },
        Event::Expired { group, pgk_id } => NafEvent::Expired { group: layer2(group), pgk_id },
        Event::Inviting { group, missing, round } => {
            NafEvent::Inviting { group: layer2(group), missing, round }
        }
        Event::Joined { group, user } => NafEvent::Joined { group: layer2(group), user: user.to_string() },
        Event::Complete { group } => NafEvent::Complete { group: layer2(group) },
        Event::Joining { group } => NafEvent::Joining { group: layer2(group) },
        Event::Out { group } => NafEvent::Out { group: layer2(group) },
        Event::Refused { group, cause } => NafEvent::Refused { group: layer2(group), why: cause.to_string() },
        Event::Dropped(why) => NafEvent::Dropped(why.to_string()),
        Event::Passed { from, why } => NafEvent::Passed { from, why: why.to_string() },
        // One of a later version.
        other => NafEvent::Dropped(format!("{other:?}")),
    }
}
