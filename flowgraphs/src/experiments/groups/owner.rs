//! Radios of group owner mode that do not do what they should, or cannot: thieves that keep keys, an owner that crashes, a
//! man in the middle, insiders, UEs of other groups (TR 33.833 §6.3.4).

use super::cases::{By, GroupCase, Incident, Solution};
use super::keys;
use super::parties::{GROUP_ID, Party};
use super::setup::START;
use super::timeline::Timeline;
use sidelink_prose::direct_link::Identity;
use sidelink_prose::group_keys::{Destination, Path};
use sidelink_prose::group_owner::{Config, Member, Owner};
use sidelink_security::cipher::Algorithm;
use sidelink_security::counter::memory::Memory;
use sidelink_security::counter::{UtcCounter, UtcTime};
use sidelink_security::group::{GroupConfig, GroupKey};
use sidelink_security::keys::Pgk;
use sidelink_ue::air_rng::AirRng;
use sidelink_ue::{GroupInput, GroupMachine, GroupMessage, GroupOutput, OwnerGroup, OwnerRole};
use sidelink_wire::group_owner::Kind;
use sidelink_wire::ids::Layer2Id;
use sidelink_wire::long_message::Content;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// Milliseconds for which an owner that crashed is away.
const AWAY: u64 = 400;

/// Milliseconds after which an impostor looks again for keys.
const LOOK: u64 = 40;

/// The octets of a proof in which the member's key stands.
const PROOF_KEY: std::ops::Range<usize> = 20..52;

/// Keys that an insider hands to another radio.
pub(crate) type Handed = Arc<Mutex<Vec<GroupKey>>>;

/// Whether the machine of a party is one of these, and not one of its configuration.
pub(crate) fn is_special(case: &GroupCase<'_>, party: Party) -> bool {
    if case.scenario.solution != Solution::Owner {
        return false;
    }
    let by = case.scenario.attack.map(|attack| attack.by);
    match party {
        Party::Member(number) => case.scenario.incident.has_thief() && number == case.members,
        Party::Manager => case.scenario.incident == Incident::Crash,
        Party::Mallory => matches!(by, Some(By::Between | By::AsOwner | By::OtherGroup)),
        Party::Spy | Party::Impostor => true,
        Party::Thief(_) | Party::Again => false,
    }
}

/// Makes the machine of such a party.
///
/// # Errors
/// A bug: a certificate or a machine that its own check refuses.
pub(crate) fn machine(
    case: &GroupCase<'_>,
    party: Party,
    handed: &Handed,
) -> anyhow::Result<Option<Box<dyn GroupMachine>>> {
    if !is_special(case, party) {
        return Ok(None);
    }
    let group = Layer2Id::new(GROUP_ID)?;
    let machine: Box<dyn GroupMachine> = match party {
        Party::Manager => Box::new(Restarting::new(case)?),
        Party::Member(_) => Box::new(Without::removals(member(case, party)?)),
        Party::Spy => Box::new(Without::messages(member(case, party)?)),
        Party::Impostor => Box::new(Shared {
            group,
            handed: Arc::clone(handed),
            next: UtcTime::from_millis(0),
            out: VecDeque::new(),
        }),
        Party::Mallory => match case.scenario.attack.map(|attack| attack.by) {
            Some(By::Between) => Box::new(Between::new()?),
            Some(By::AsOwner) => {
                Box::new(Sharing { machine: member(case, party)?, handed: Arc::clone(handed) })
            }
            _ => Box::new(Foreign::new(member(case, party)?)?),
        },
        Party::Thief(_) | Party::Again => return Ok(None),
    };
    Ok(Some(machine))
}

fn rules(case: &GroupCase<'_>, party: Party) -> anyhow::Result<Config> {
    let group = Layer2Id::new(GROUP_ID)?;
    let traffic = GroupConfig { group_id: group.octets(), eea: Algorithm::Aes, mac: None };
    let own = Identity::user(&party.name());
    Ok(Config::new(traffic, own, Layer2Id::new(party.layer2_id())?, case.period))
}

/// Draws that are the same in every run: no secret.
fn seed(case: &GroupCase<'_>, name: &str) -> [u8; 32] {
    AirRng::seeded(case.seed, name).octets()
}

fn member(case: &GroupCase<'_>, party: Party) -> anyhow::Result<OwnerGroup> {
    let (rules, credential) = (rules(case, party)?, keys::certificate(case, party)?);
    let seed = seed(case, &party.name());
    let machine = Member::open(rules, &seed, credential, &mut Memory::default());
    let machine = Box::new(machine.map_err(|e| anyhow::anyhow!("{e}"))?);
    let owner = Layer2Id::new(Party::Manager.layer2_id())?;
    let identity = Identity::user(&Party::Manager.name());
    Ok(OwnerGroup::new(Layer2Id::new(GROUP_ID)?, OwnerRole::Member { machine, owner, identity }))
}

/// A member some of whose machine's outputs come to nothing.
struct Without {
    machine: OwnerGroup,
    drops: fn(&GroupOutput) -> bool,
}

impl Without {
    /// Its radio keeps every key that it ever had.
    const fn removals(machine: OwnerGroup) -> Self {
        Self { machine, drops: |output| matches!(output, GroupOutput::Remove { .. }) }
    }

    /// Its messages do not go out.
    const fn messages(machine: OwnerGroup) -> Self {
        Self { machine, drops: |output| matches!(output, GroupOutput::Message(_)) }
    }
}

impl GroupMachine for Without {
    fn content(&self) -> Option<Content> {
        self.machine.content()
    }

    fn handle_input(&mut self, input: GroupInput<'_>) {
        self.machine.handle_input(input);
    }

    fn poll_output(&mut self) -> GroupOutput {
        loop {
            let output = self.machine.poll_output();
            if !(self.drops)(&output) {
                return output;
            }
        }
    }
}

/// A member that hands its keys to another radio.
struct Sharing {
    machine: OwnerGroup,
    handed: Handed,
}

impl GroupMachine for Sharing {
    fn content(&self) -> Option<Content> {
        self.machine.content()
    }

    fn handle_input(&mut self, input: GroupInput<'_>) {
        self.machine.handle_input(input);
    }

    fn poll_output(&mut self) -> GroupOutput {
        let output = self.machine.poll_output();
        if let GroupOutput::Install { key, .. } = &output {
            self.handed.lock().unwrap_or_else(PoisonError::into_inner).push(copy(key));
        }
        output
    }
}

fn copy(key: &GroupKey) -> GroupKey {
    let GroupKey { pgk_id, ref pgk, valid_from, expiry } = *key;
    GroupKey { pgk_id, pgk: Pgk::from(*pgk.as_bytes()), valid_from, expiry }
}

/// A radio that uses the keys of an insider.
struct Shared {
    group: Layer2Id,
    handed: Handed,
    /// When it looks again.
    next: UtcTime,
    out: VecDeque<GroupOutput>,
}

impl GroupMachine for Shared {
    fn content(&self) -> Option<Content> {
        None
    }

    fn handle_input(&mut self, input: GroupInput<'_>) {
        if let GroupInput::Tick { now } = input {
            self.next = now.plus_millis(LOOK);
        }
        let group = self.group;
        let mut handed = self.handed.lock().unwrap_or_else(PoisonError::into_inner);
        for key in handed.drain(..) {
            self.out.push_back(GroupOutput::Install { group, key, may_send: true, config: None });
        }
    }

    fn poll_output(&mut self) -> GroupOutput {
        self.out.pop_front().unwrap_or(GroupOutput::Timeout(Some(self.next)))
    }
}

/// A UE of another group, with that group's key.
struct Foreign {
    machine: OwnerGroup,
    out: VecDeque<GroupOutput>,
}

impl Foreign {
    fn new(machine: OwnerGroup) -> anyhow::Result<Self> {
        let group = Layer2Id::new(GROUP_ID)?;
        let mut rng = AirRng::seeded(0, "another group");
        // Under every index, for whatever index the other group uses.
        let key = |pgk_id| GroupKey {
            pgk_id,
            pgk: Pgk::from(rng.octets::<32>()),
            valid_from: UtcCounter::new(1),
            expiry: UtcCounter::new(u32::MAX),
        };
        let keys = (1..32).map(key);
        let install = |key| GroupOutput::Install { group, key, may_send: false, config: None };
        Ok(Self { machine, out: keys.map(install).collect() })
    }
}

impl GroupMachine for Foreign {
    fn content(&self) -> Option<Content> {
        self.machine.content()
    }

    fn handle_input(&mut self, input: GroupInput<'_>) {
        self.machine.handle_input(input);
    }

    fn poll_output(&mut self) -> GroupOutput {
        self.out.pop_front().unwrap_or_else(|| self.machine.poll_output())
    }
}

/// Stands between the first member and the owner, passes on what each says, and puts its own key into the member's proof.
struct Between {
    member: Layer2Id,
    owner: Layer2Id,
    out: VecDeque<GroupOutput>,
}

impl Between {
    fn new() -> anyhow::Result<Self> {
        let [member, owner] =
            [Party::Member(1), Party::Manager].map(|party| Layer2Id::new(party.layer2_id()));
        Ok(Self { member: member?, owner: owner?, out: VecDeque::new() })
    }
}

impl GroupMachine for Between {
    fn content(&self) -> Option<Content> {
        Some(Content::GroupOwner)
    }

    fn handle_input(&mut self, input: GroupInput<'_>) {
        let GroupInput::Message { path: Path::Ue { source }, octets, .. } = input else { return };
        let mut octets = octets.to_vec();
        let to = if source == self.owner { self.member } else { self.owner };
        if octets.first() == Some(&Kind::Proof.octet())
            && let Some(key) = octets.get_mut(PROOF_KEY)
        {
            key.copy_from_slice(&AirRng::seeded(0, "mallory's key").octets::<32>());
        }
        let to = Destination::Ue(to);
        let message = GroupMessage { to, name: "passed on", octets: octets.into() };
        self.out.push_back(GroupOutput::Message(message));
    }

    fn poll_output(&mut self) -> GroupOutput {
        self.out.pop_front().unwrap_or(GroupOutput::Timeout(None))
    }
}

/// Makes the machine of an owner from its store.
type Start = Box<dyn Fn(&mut Memory) -> Option<OwnerGroup> + Send>;

/// An owner that crashes and starts again: nothing but its store survives.
struct Restarting {
    make: Start,
    disk: Memory,
    machine: Option<OwnerGroup>,
    /// The end of the first run, and the begin of the second.
    away: [UtcTime; 2],
    crashed: bool,
    installed: Vec<(Layer2Id, u8)>,
    out: VecDeque<GroupOutput>,
}

impl Restarting {
    fn new(case: &GroupCase<'_>) -> anyhow::Result<Self> {
        let rules = rules(case, Party::Manager)?;
        // The same octets after each start, as from a source of randomness that is broken.
        let seed = seed(case, "manager");
        let certify = {
            let GroupCase { scenario, members, period, snr, mcs, way, seed } = *case;
            let scenario = *scenario;
            move || {
                let scenario = &scenario;
                keys::certificate(
                    &GroupCase { scenario, members, period, snr, mcs, way, seed },
                    Party::Manager,
                )
            }
        };
        let group = Layer2Id::new(GROUP_ID)?;
        let make = move |disk: &mut Memory| {
            let machine = Owner::open(rules.clone(), &seed, certify().ok()?, disk).ok()?;
            Some(OwnerGroup::new(group, OwnerRole::Owner(Box::new(machine))))
        };
        let mut disk = Memory::default();
        let machine = Some(make(&mut disk).ok_or_else(|| anyhow::anyhow!("no owner; this is a bug"))?);
        let crash = UtcTime::from_millis(1000 * START + Timeline::of(case).rekey);
        let away = [crash, crash.plus_millis(AWAY)];
        let (installed, out) = (Vec::new(), VecDeque::new());
        Ok(Self { make: Box::new(make), disk, machine, away, crashed: false, installed, out })
    }

    fn pass(&mut self, now: UtcTime) {
        let [end, begin] = self.away;
        if now >= end && !self.crashed {
            (self.crashed, self.machine) = (true, None);
            let gone = self.installed.drain(..);
            self.out.extend(gone.map(|(group, pgk_id)| GroupOutput::Remove { group, pgk_id }));
        }
        if now >= begin && self.machine.is_none() {
            self.machine = (self.make)(&mut self.disk);
        }
    }
}

impl GroupMachine for Restarting {
    fn content(&self) -> Option<Content> {
        Some(Content::GroupOwner)
    }

    fn handle_input(&mut self, input: GroupInput<'_>) {
        let now = match &input {
            GroupInput::Tick { now }
            | GroupInput::Message { now, .. }
            | GroupInput::Stored { now, .. }
            | GroupInput::StoreFailed { now, .. }
            | GroupInput::Granted { now, .. }
            | GroupInput::ReservationFailed { now, .. }
            | GroupInput::Sealed { now, .. }
            | GroupInput::LinkUp { now, .. }
            | GroupInput::LinkDown { now, .. }
            | GroupInput::Act { now, .. } => *now,
        };
        self.pass(now);
        if let Some(machine) = &mut self.machine {
            machine.handle_input(input);
        }
    }

    fn poll_output(&mut self) -> GroupOutput {
        loop {
            if let Some(output) = self.out.pop_front() {
                return output;
            }
            let [end, begin] = self.away;
            let wake = if self.crashed { begin } else { end };
            let Some(machine) = &mut self.machine else { return GroupOutput::Timeout(Some(wake)) };
            match machine.poll_output() {
                GroupOutput::Reserve(reservation) => {
                    let Ok(granted) = reservation.commit(&mut self.disk) else { continue };
                    // Nothing of the machine depends on the time of this.
                    machine.handle_input(GroupInput::Granted { now: UtcTime::from_millis(0), granted });
                }
                GroupOutput::Timeout(at) if !self.crashed => {
                    return GroupOutput::Timeout(at.into_iter().chain([wake]).min());
                }
                output => {
                    if let GroupOutput::Install { group, key, .. } = &output {
                        self.installed.push((*group, key.pgk_id));
                    }
                    return output;
                }
            }
        }
    }
}
