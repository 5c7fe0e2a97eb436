//! The standard's way: PGKs that the PKMF gives to each member over the network leg (TS 33.303 §6.2.3). The network side is
//! that of `experiments/network`, on a simulated clock; a UE has each key when its message would have come.

use super::cases::{GroupCase, Incident};
use super::costs::NetworkSpent;
use super::parties::{GROUP_ID, Party};
use super::setup::START;
use super::timeline::Timeline;
use crate::experiments::network::fabric::Fabric;
use crate::experiments::network::messages::UeId;
use crate::experiments::network::meter::Meter;
use crate::experiments::network::scene;
use crate::experiments::network::ways::{Way, Ways};
use sidelink_network::identity::{Impi, Imsi};
use sidelink_network::key_delivery::ServiceId;
use sidelink_network::pc8::MemberId;
use sidelink_network::pkmf::{Kind, Service};
use sidelink_network::pkmf_client::Wanted;
use sidelink_security::cipher::Algorithm;
use sidelink_security::counter::UtcTime;
use sidelink_security::group::GroupKey;
use sidelink_security::keys::Pgk;
use sidelink_ue::{GroupEvent, GroupInput, GroupMachine, GroupOutput, NetworkKey};
use sidelink_wire::ids::Layer2Id;
use sidelink_wire::long_message::Content;
use std::collections::VecDeque;

/// Milliseconds there and back between a UE and the network, and between two functions of it.
const ROUND_TRIP: u64 = 40;

/// Milliseconds between two looks at the keys of a UE.
const LOOK: u64 = 5;

/// What the network did: for each member the times at which keys came and went, and what it took before the re-keying and
/// after it.
pub(crate) struct Delivered {
    pub(crate) members: Vec<NetworkKeys>,
    pub(crate) spent: [NetworkSpent; 2],
}

/// Lets the network give keys to the members of a case, and take them from a stolen one.
///
/// # Errors
/// An identity that is none, or a network that does not fit together.
pub(crate) fn deliver(case: &GroupCase<'_>) -> anyhow::Result<Delivered> {
    let id = |value| Layer2Id::new(value).map_err(|e| anyhow::anyhow!("{e}"));
    let group = id(GROUP_ID)?;
    let members = (1..=case.members).map(|number| id(Party::Member(number).layer2_id()));
    let members = members.collect::<anyhow::Result<Vec<_>>>()?;
    let timeline = Timeline::of(case);
    let start = UtcTime::from_millis(1000 * START);
    let service = ServiceId(group.octets());
    let listed = members.iter().enumerate().map(|(i, id)| Ok((impi(i)?, MemberId(id.octets()))));
    let listed = listed.collect::<anyhow::Result<_>>()?;
    let kind = Kind::Group { algorithm: Algorithm::Aes, members: listed };
    let ways = Ways::all(Way { round_trip: ROUND_TRIP, loss: 0.0 });
    let services = vec![Service { id: service, kind }];
    let mut fabric = Fabric::new(start, (scene::config(), services), ways, case.seed)?;
    fabric.run_until(start.plus_millis(timeline.distribute));
    let mut all = Vec::new();
    for number in 0..members.len() {
        let (config, subscription) = scene::member(1 + number);
        let ue = fabric.add(config, subscription)?;
        fabric.want_keys(ue, &[Wanted::Group(service)]);
        all.push(NetworkKeys { group, due: VecDeque::new(), known: Vec::new(), out: VecDeque::new() });
    }
    let mut spent = Vec::new();
    for (from, until) in [(timeline.distribute, timeline.rekey), (timeline.rekey, timeline.end)] {
        let before = fabric.meter().clone();
        if from == timeline.rekey && case.scenario.incident == Incident::Theft {
            fabric.revoke_member(service, impi(members.len() - 1)?);
        }
        for millis in (from..until).step_by(LOOK as usize) {
            let now = start.plus_millis(millis);
            fabric.run_until(now);
            for (number, keys) in all.iter_mut().enumerate() {
                keys.look(now, &fabric, UeId(number), service);
            }
        }
        spent.push(since(fabric.meter(), &before));
    }
    Ok(Delivered { members: all, spent: [spent[0], spent[1]] })
}

fn since(meter: &Meter, before: &Meter) -> NetworkSpent {
    let cost = meter.since(before);
    NetworkSpent {
        messages: cost.messages,
        octets: cost.octets,
        round_trips: cost.round_trips,
        vectors: None,
    }
}

fn impi(index: usize) -> anyhow::Result<Impi> {
    Ok(Imsi::new(&format!("00101{:010}", index + 1))?.impi(2)?)
}

impl Delivered {
    /// Returns what brings its keys to a party: to a thief those of the member, which it does not give back.
    pub(crate) fn machine(&self, party: Party) -> Option<Box<dyn GroupMachine>> {
        let (number, keeps) = match party {
            Party::Member(number) => (number, false),
            Party::Thief(number) => (number, true),
            Party::Manager | Party::Again | Party::Mallory | Party::Spy | Party::Impostor => return None,
        };
        let NetworkKeys { group, due, .. } = self.members.get(number - 1)?;
        let due = due.iter().filter(|(_, change)| !keeps || matches!(change, Change::Comes(_)));
        let due = due.map(|(at, change)| (*at, change.copy())).collect();
        Some(Box::new(NetworkKeys { group: *group, due, known: Vec::new(), out: VecDeque::new() }))
    }
}

/// The keys of one UE, with the times at which each comes and goes.
pub(crate) struct NetworkKeys {
    group: Layer2Id,
    due: VecDeque<(UtcTime, Change)>,
    /// PGK IDs that the UE has, while the network is played.
    known: Vec<u8>,
    out: VecDeque<GroupOutput>,
}

/// A key comes, or goes.
enum Change {
    Comes(GroupKey),
    Goes(u8),
}

impl Change {
    fn copy(&self) -> Self {
        match self {
            Self::Comes(key) => {
                let GroupKey { pgk_id, ref pgk, valid_from, expiry } = *key;
                Self::Comes(GroupKey { pgk_id, pgk: Pgk::from(*pgk.as_bytes()), valid_from, expiry })
            }
            Self::Goes(pgk_id) => Self::Goes(*pgk_id),
        }
    }
}

impl NetworkKeys {
    /// Notes what changed.
    fn look(&mut self, now: UtcTime, fabric: &Fabric, ue: UeId, service: ServiceId) {
        let keys = fabric.keys(ue).group_keys(service);
        let gone = self.known.iter().filter(|id| keys.iter().all(|key| key.pgk_id != **id));
        let gone: Vec<_> = gone.map(|id| (now, Change::Goes(*id))).collect();
        self.due.extend(gone);
        for key in &keys {
            if !self.known.contains(&key.pgk_id) {
                let (pgk_id, valid_from, expiry) = (key.pgk_id, key.valid_from, key.expiry);
                let pgk = Pgk::from(*key.pgk.as_bytes());
                self.due.push_back((now, Change::Comes(GroupKey { pgk_id, pgk, valid_from, expiry })));
            }
        }
        self.known = keys.iter().map(|key| key.pgk_id).collect();
    }

    /// Puts out what is due.
    fn advance(&mut self, now: UtcTime) {
        let group = self.group;
        while self.due.front().is_some_and(|(at, _)| *at <= now) {
            let Some((_, change)) = self.due.pop_front() else { return };
            match change {
                Change::Comes(key) => {
                    let pgk_id = key.pgk_id;
                    self.out.push_back(GroupOutput::Install { group, key, may_send: true, config: None });
                    let event = GroupEvent::Network(NetworkKey::Given { group, pgk_id });
                    self.out.push_back(GroupOutput::Event(event));
                }
                Change::Goes(pgk_id) => {
                    self.out.push_back(GroupOutput::Remove { group, pgk_id });
                    let event = GroupEvent::Network(NetworkKey::Withdrawn { group, pgk_id });
                    self.out.push_back(GroupOutput::Event(event));
                }
            }
        }
    }
}

impl GroupMachine for NetworkKeys {
    fn content(&self) -> Option<Content> {
        None
    }

    fn handle_input(&mut self, input: GroupInput<'_>) {
        if let GroupInput::Tick { now } = input {
            self.advance(now);
        }
    }

    fn poll_output(&mut self) -> GroupOutput {
        let next = self.due.front().map(|(at, _)| *at);
        self.out.pop_front().unwrap_or(GroupOutput::Timeout(next))
    }
}
