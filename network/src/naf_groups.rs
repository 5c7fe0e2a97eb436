//! A UE in groups whose keys a NAF gives: it makes them and invites members over PC5, or it is a member. TR 33.833 §6.3.2.
//! [`crate::group_naf`] has the drawing; [`crate::group_naf_client`] makes and reads the messages to the NAF.
//!
//! ```text
//!   owner          member          NAF
//!    |--- create ------------------>|          once it has the key:
//!    |-- invitation ->|             |          a round of invitations, over PC5
//!    |                |-- join ---->|
//!    |--- state: who has joined? -->|          after each round
//!    |-- invitation -> those who have not: some rounds soon, then slowly, until the NAF has all of them
//!    |                |-- state --->|          now and then: is my key the present one? If not, join again
//! ```
//!
//! # What the report leaves open
//!
//! The report's invitation has no answer and is sent once: whoever does not hear it, or comes later, never gets the key. Here
//! the owner repeats it until the NAF, which it asks, knows the member as joined. A repetition is the same message, as
//! long as it is good: an invitation is used once, whatever number of times it is heard. A member does not confirm a
//! pushed key either; it asks for the number of the present one, which takes no vector, and joins again where it missed one.
//!
//! A member cannot verify an invitation: the NAF does. It takes those for itself and for groups that it is to be in; one
//! that the NAF refuses costs a pause, so that false ones take no more than that.
//!
//! What this UE has of keys is not durable: after a crash a member joins again, which takes a vector and no invitation, and an
//! owner that creates its group again is told so and joins it. A Ks_NAF that ends takes a new machine.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use sidelink_security::counter::UtcTime;
use sidelink_security::direct::Entropy;

use crate::group_naf_client::{self as client, GroupNafClient};
use crate::identity::Impi;
use crate::key_delivery::ServiceId;
use crate::usim::Usim;

mod io;
mod members;
mod owner;
mod requests;

pub use io::{Error, Event, Input, Invitee, Output, Part, Passed, Rules};
use requests::{Doing, What};

/// A group, as this UE knows it.
struct Group {
    part: Part,
    /// The key that is installed: its number, and until when it is valid.
    key: Option<(u8, UtcTime)>,
    /// Number of the last key, which may be over.
    last: Option<u8>,
    /// When to invite the next one, to ask the NAF, or to try an invitation.
    next: Option<UtcTime>,
    /// At an owner: when to make a new key.
    renew_at: Option<UtcTime>,
    /// At an owner: who is still to be invited in this round, and rounds that have begun.
    round: VecDeque<Invitee>,
    rounds: u32,
    joined: BTreeSet<Impi>,
    /// Invitations that are good, and until when.
    invitations: BTreeMap<Impi, (Vec<u8>, UtcTime)>,
    /// At a member: an invitation that is to be tried, and when at the earliest.
    invitation: Option<Vec<u8>>,
    not_before: UtcTime,
}

impl Group {
    fn new(part: Part) -> Self {
        Self {
            part,
            key: None,
            last: None,
            next: None,
            renew_at: None,
            round: VecDeque::new(),
            rounds: 0,
            joined: BTreeSet::new(),
            invitations: BTreeMap::new(),
            invitation: None,
            not_before: UtcTime::from_millis(0),
        }
    }

    fn due(&self) -> Option<UtcTime> {
        let expiry = self.key.map(|(_, expires)| expires);
        [self.next, self.renew_at, expiry].into_iter().flatten().min()
    }
}

/// The groups of one UE.
pub struct NafGroups {
    rules: Rules,
    own: Impi,
    now: UtcTime,
    client: GroupNafClient,
    groups: BTreeMap<ServiceId, Group>,
    queue: VecDeque<(ServiceId, What)>,
    doing: Option<Doing>,
    draws_from: Entropy,
    drawn: u64,
    outputs: VecDeque<Output>,
}

impl NafGroups {
    /// With the groups that this UE makes or is to be in. `seed` is secret and of this start alone.
    pub fn new(
        config: client::Config,
        usim: Usim,
        rules: Rules,
        seed: &[u8; 32],
        groups: impl IntoIterator<Item = (ServiceId, Part)>,
    ) -> Self {
        let mut draws_from = Entropy::new(seed);
        let of_client = draws_from.draw(0);
        Self {
            rules,
            own: config.impi.clone(),
            now: UtcTime::from_millis(0),
            client: GroupNafClient::new(config, usim, &of_client, []),
            groups: groups.into_iter().map(|(group, part)| (group, Group::new(part))).collect(),
            queue: VecDeque::new(),
            doing: None,
            draws_from,
            drawn: 0,
            outputs: VecDeque::new(),
        }
    }

    /// Takes an input.
    ///
    /// # Errors
    /// A request of the user that this UE cannot carry out; everything else is an event.
    pub fn handle_input(&mut self, input: Input<'_>) -> Result<(), Error> {
        self.now = self.now.max(input.time());
        let now = self.now;
        let result = match input {
            Input::Tick { .. } => Ok(()),
            Input::Distribute { group, .. } => self.distribute(group),
            Input::Exclude { group, user, .. } => self.exclude(group, user),
            Input::Join { group, .. } => self.join(group),
            Input::Leave { group, .. } => self.leave(group),
            Input::Message { from, octets, .. } => {
                if let Err(why) = self.invitation(octets) {
                    self.report(Event::Passed { from, why });
                }
                Ok(())
            }
            Input::Answer { octets, .. } => {
                self.client.handle_input(client::Input::Answer { now, octets });
                Ok(())
            }
            Input::Stored { .. } => {
                self.client.handle_input(client::Input::Stored { now });
                Ok(())
            }
            Input::StoreFailed { .. } => {
                self.client.handle_input(client::Input::StoreFailed { now });
                Ok(())
            }
        };
        self.follow();
        self.act();
        self.pump();
        result
    }

    /// Returns what is to be done next; [`Output::Timeout`] when that is all.
    pub fn poll_output(&mut self) -> Output {
        self.outputs.pop_front().unwrap_or_else(|| {
            let groups = self.groups.values().filter_map(Group::due);
            Output::Timeout(groups.chain(self.doing.as_ref().map(Doing::due)).min())
        })
    }

    /// Does what is due in the groups.
    fn act(&mut self) {
        let now = self.now;
        let due = self.groups.iter().filter(|(_, group)| group.due().is_some_and(|due| due <= now));
        for id in due.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.expire(id);
            match self.groups.get(&id).map(|group| group.part.is_owner()) {
                Some(true) => self.act_as_owner(id),
                Some(false) => self.act_as_member(id),
                None => {}
            }
        }
    }

    /// Forgets a key that is over. Whether there is another one, a member asks.
    fn expire(&mut self, id: ServiceId) {
        let now = self.now;
        let Some(group) = self.groups.get_mut(&id) else { return };
        let Some((pgk_id, _)) = group.key.filter(|(_, expires)| *expires <= now) else { return };
        group.key = None;
        group.next = Some(now);
        self.outputs.push_back(Output::Remove { group: id, pgk_id });
        self.report(Event::Expired { group: id, pgk_id });
    }

    /// The NAF gave a key.
    fn key(&mut self, key: client::GroupKey) {
        let client::GroupKey { group: id, pgk_id, expires, .. } = key;
        let Some(group) = self.groups.get_mut(&id) else { return };
        let before = group.key.replace((pgk_id, expires)).map(|(before, _)| before);
        (group.last, group.invitation) = (Some(pgk_id), None);
        if before != Some(pgk_id) {
            self.outputs.push_back(Output::Install(key));
            if let Some(before) = before {
                self.outputs.push_back(Output::Remove { group: id, pgk_id: before });
            }
            self.report(Event::Key { group: id, pgk_id });
        }
        self.has_key(id, before, expires);
    }

    /// Milliseconds from `least` to twice as many, by chance.
    fn about(&mut self, least: u64) -> u64 {
        self.drawn += 1;
        let [a, b, c, d, ..] = self.draws_from.draw(self.drawn);
        least + u64::from(u32::from_be_bytes([a, b, c, d])) % least.max(1)
    }

    fn report(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }
}

#[cfg(test)]
mod tests;
