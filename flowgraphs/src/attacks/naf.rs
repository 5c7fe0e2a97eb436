//! Subscribers who want the key of a group of a NAF that is not theirs, and who runs the NAF. TR 33.833 §6.3.2. They have what a
//! UE has, a USIM and a key of their own with the NAF, and say what they like.

use crate::naf_groups::{NafPath, install, layer2};
use sidelink_network::group_naf::message::{Answer, Policy};
use sidelink_network::group_naf_client::{self as client, GroupKey, GroupNafClient};
use sidelink_network::key_delivery::ServiceId;
use sidelink_network::usim::Usim;
use sidelink_security::counter::UtcTime;
use sidelink_security::keys::Pgk;
use sidelink_ue::{GroupEvent, GroupInput, GroupMachine, GroupOutput, NafEvent};
use sidelink_wire::long_message::Content;
use std::collections::VecDeque;

/// Milliseconds between two looks.
const LOOK: u64 = 5;

/// What a subscriber does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plot {
    /// Joins by every invitation that it hears, whoever is meant.
    Thief,
    /// Joins without one.
    Uninvited,
    /// Makes and joins groups as fast as it can, by tags that are wrong and by such that are right.
    Flood,
}

impl Plot {
    /// Milliseconds between two requests.
    const fn interval(self) -> u64 {
        match self {
            Self::Thief | Self::Uninvited => 400,
            Self::Flood => 5,
        }
    }
}

/// A subscriber that attacks.
pub(crate) struct NafAttacker {
    plot: Plot,
    group: ServiceId,
    client: GroupNafClient,
    path: Box<dyn NafPath>,
    now: UtcTime,
    /// When it begins, and makes its next request.
    next: UtcTime,
    until: UtcTime,
    /// Invitations that it heard.
    invitations: Vec<Vec<u8>>,
    asked: u64,
    out: VecDeque<GroupOutput>,
}

impl NafAttacker {
    /// An attacker that acts between two times.
    pub(crate) fn new(
        plot: Plot,
        group: ServiceId,
        (config, usim): (client::Config, Usim),
        path: Box<dyn NafPath>,
        (from, until): (UtcTime, UtcTime),
    ) -> Self {
        Self {
            plot,
            group,
            client: GroupNafClient::new(config, usim, &[0x66; 32], []),
            path,
            now: UtcTime::from_millis(0),
            next: from,
            until,
            invitations: Vec::new(),
            asked: 0,
            out: VecDeque::new(),
        }
    }

    /// Takes what came, and makes a request if it is time.
    pub(crate) fn act(&mut self, now: UtcTime) {
        self.now = now;
        while let Some(octets) = self.path.receive(now) {
            // Also of a request that is not its last one.
            if let Ok(Answer::Reject { cause, .. }) = Answer::parse(&octets) {
                self.tell(NafEvent::Refused { group: layer2(self.group), why: cause.to_string() });
                continue;
            }
            self.client.handle_input(client::Input::Answer { now, octets: &octets });
            self.follow();
        }
        let may = self.plot != Plot::Thief || !self.invitations.is_empty();
        if self.next > now || now >= self.until || !may {
            return;
        }
        self.next = now.plus_millis(self.plot.interval());
        self.asked += 1;
        let (group, turn) = (self.group, self.asked as usize);
        self.client.handle_input(match (self.plot, turn % 3) {
            (Plot::Flood, 0) => client::Input::Create { now, group, policy: Policy::Invitation },
            (Plot::Flood, 1) => return self.say_falsely(),
            _ => {
                let at = turn % self.invitations.len().max(1);
                client::Input::Join { now, group, invitation: self.invitations.get(at).cloned() }
            }
        });
        self.tell(NafEvent::Joining { group: layer2(self.group) });
        self.follow();
    }

    /// A request under a key that the NAF does not share with it.
    fn say_falsely(&mut self) {
        let mut octets = Vec::new();
        self.client.handle_input(client::Input::Join { now: self.now, group: self.group, invitation: None });
        while let Some(output) = self.client.poll_output() {
            if let client::Output::Request(good) = output {
                octets = good;
            }
        }
        if let Some(last) = octets.last_mut() {
            *last ^= 1;
        }
        self.tell(NafEvent::Joining { group: layer2(self.group) });
        self.path.send(self.now, octets);
    }

    fn follow(&mut self) {
        let (now, group) = (self.now, layer2(self.group));
        while let Some(output) = self.client.poll_output() {
            match output {
                client::Output::Request(octets) => self.path.send(now, octets),
                client::Output::Store(_) => self.client.handle_input(client::Input::Stored { now }),
                client::Output::Key(key) => {
                    self.tell(NafEvent::Key { group, pgk_id: key.pgk_id });
                    self.out.push_back(install(now, key));
                }
                client::Output::Dropped(why) => self.tell(NafEvent::Dropped(why.to_string())),
                // It asks for none, and takes refusals itself.
                client::Output::State(_) | client::Output::Refused(_) => {}
            }
        }
    }

    fn tell(&mut self, event: NafEvent) {
        self.out.push_back(GroupOutput::Event(GroupEvent::Naf(event)));
    }

    pub(crate) fn pop(&mut self) -> Option<GroupOutput> {
        self.out.pop_front()
    }
}

impl GroupMachine for NafAttacker {
    fn content(&self) -> Option<Content> {
        Some(Content::GroupInvitation)
    }

    fn handle_input(&mut self, input: GroupInput<'_>) {
        match input {
            GroupInput::Tick { now } => self.act(now),
            GroupInput::Message { octets, .. } => self.invitations.push(octets.to_vec()),
            _ => {}
        }
    }

    fn poll_output(&mut self) -> GroupOutput {
        let look = self.now.plus_millis(LOOK);
        self.pop().unwrap_or(GroupOutput::Timeout(Some(look)))
    }
}

/// The radio of a stolen member: it keeps what it is told to forget, and from a time on asks for the next key by the invitation
/// that it has used.
pub(crate) struct StolenMember {
    member: Box<dyn GroupMachine>,
    attacker: NafAttacker,
    invitations: Vec<Vec<u8>>,
    from: UtcTime,
    now: UtcTime,
}

impl StolenMember {
    /// The machine of the member until then, and `attacker`, with the same key and USIM, afterwards.
    pub(crate) fn new(member: Box<dyn GroupMachine>, attacker: NafAttacker, from: UtcTime) -> Self {
        Self { member, attacker, invitations: Vec::new(), from, now: UtcTime::from_millis(0) }
    }
}

impl GroupMachine for StolenMember {
    fn content(&self) -> Option<Content> {
        self.member.content()
    }

    fn handle_input(&mut self, input: GroupInput<'_>) {
        match input {
            GroupInput::Tick { now } if now >= self.from => {
                self.now = now;
                if !self.invitations.is_empty() {
                    self.attacker.invitations = std::mem::take(&mut self.invitations);
                }
                self.attacker.act(now);
            }
            GroupInput::Message { octets, .. } if self.invitations.is_empty() => {
                self.invitations.push(octets.to_vec());
                self.member.handle_input(input);
            }
            input if self.now < self.from => self.member.handle_input(input),
            _ => {}
        }
    }

    fn poll_output(&mut self) -> GroupOutput {
        if let Some(output) = self.attacker.pop() {
            return output;
        }
        loop {
            match self.member.poll_output() {
                // Of a group without a key it keeps its last one.
                GroupOutput::Remove { .. } => {}
                GroupOutput::Timeout(at) if self.now < self.from => {
                    return GroupOutput::Timeout(Some(at.map_or(self.from, |at| at.min(self.from))));
                }
                GroupOutput::Timeout(_) => return GroupOutput::Timeout(Some(self.now.plus_millis(LOOK))),
                output => return output,
            }
        }
    }
}

/// What a network knows of a group: number, key, and until when.
pub(crate) type KnownKey = (u8, [u8; 32], UtcTime);

/// A radio that has the keys of a group from whoever runs the NAF. A7.
pub(crate) struct CuriousNaf {
    group: ServiceId,
    look: Box<dyn FnMut() -> Option<KnownKey> + Send>,
    has: Option<u8>,
    now: UtcTime,
    out: VecDeque<GroupOutput>,
}

impl CuriousNaf {
    pub(crate) fn new(group: ServiceId, look: Box<dyn FnMut() -> Option<KnownKey> + Send>) -> Self {
        Self { group, look, has: None, now: UtcTime::from_millis(0), out: VecDeque::new() }
    }
}

impl GroupMachine for CuriousNaf {
    fn content(&self) -> Option<Content> {
        None
    }

    fn handle_input(&mut self, input: GroupInput<'_>) {
        let GroupInput::Tick { now } = input else { return };
        self.now = now;
        let Some((pgk_id, pgk, expires)) = (self.look)().filter(|(id, ..)| self.has != Some(*id)) else {
            return;
        };
        self.has = Some(pgk_id);
        let (group, event) = (self.group, NafEvent::Key { group: layer2(self.group), pgk_id });
        self.out.push_back(install(now, GroupKey { group, pgk_id, pgk: Pgk::from(pgk), expires }));
        self.out.push_back(GroupOutput::Event(GroupEvent::Naf(event)));
    }

    fn poll_output(&mut self) -> GroupOutput {
        let look = self.now.plus_millis(LOOK);
        self.out.pop_front().unwrap_or(GroupOutput::Timeout(Some(look)))
    }
}
