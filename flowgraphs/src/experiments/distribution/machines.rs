//! Solutions whose messages go over PC5: the machines of UEs on layer 2 without a modem.

use super::layer2::{self, Heard, Layer2};
use super::trial::{Presence, Solution};
use sidelink_mac::mux::Address;
use sidelink_prose::group_keys::{self, Destination, Path};
use sidelink_prose::group_owner;
use sidelink_prose::long_message::{Receiver, Sender, Way};
use sidelink_security::counter::UtcTime;
use sidelink_security::counter::memory::Memory;
use sidelink_ue::{GroupAction, GroupEvent, GroupInput, GroupMachine, GroupOutput};
use sidelink_wire::ids::Layer2Id;
use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

/// A UE: its machine, its counters, and what it reassembles.
struct Ue {
    machine: Box<dyn GroupMachine>,
    receiver: Receiver,
    disk: Memory,
    sequence: u16,
    due: Option<UtcTime>,
    cpu: Duration,
}

/// All UEs of a group; the manager or owner is the first.
pub(crate) struct Machines {
    group: Layer2Id,
    way: Way,
    ues: Vec<Ue>,
    away: BTreeSet<usize>,
    /// The name by which the manager excludes a member.
    name: fn(usize) -> String,
    /// What the manager does first, and what members do.
    begins: Begins,
    got: Vec<(UtcTime, usize)>,
    /// Members that ask to join, and when.
    joining: VecDeque<(UtcTime, usize)>,
    /// Milliseconds between two of them.
    spacing: u64,
    /// The one who was left out.
    removed: Option<usize>,
    /// Why a machine refused the last request.
    refused: Option<String>,
}

/// Turns after which a member that did not reach the owner asks again, and as many more, by its number: those who met one
/// another shall not meet again.
const AGAIN: u64 = 8;

/// Who begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begins {
    /// The manager sends keys to its members.
    Manager,
    /// Each member asks to join.
    Members,
}

impl Machines {
    /// Of these machines, each of the station of its number.
    pub(crate) fn new(
        (group, name, begins): (Layer2Id, fn(usize) -> String, Begins),
        (way, spacing): (Way, u64),
        machines: Vec<Box<dyn GroupMachine>>,
    ) -> Self {
        let ue = |machine| Ue {
            machine,
            receiver: Receiver::default(),
            disk: Memory::default(),
            sequence: 0,
            due: None,
            cpu: Duration::ZERO,
        };
        let ues = machines.into_iter().map(ue).collect();
        let (away, joining) = (BTreeSet::new(), VecDeque::new());
        Self {
            group,
            way,
            ues,
            away,
            name,
            begins,
            got: Vec::new(),
            joining,
            spacing,
            removed: None,
            refused: None,
        }
    }

    /// Lets members ask to join, one after another.
    fn join(&mut self, now: UtcTime, members: &[usize]) {
        let turn = |(turn, member): (usize, &usize)| (now.plus_millis(turn as u64 * self.spacing), *member);
        let turns: Vec<_> = members.iter().enumerate().map(turn).collect();
        self.joining.extend(turns);
    }

    fn act(&mut self, air: &mut Layer2, station: usize, action: &GroupAction) -> anyhow::Result<()> {
        match self.try_to_act(air, station, action)? {
            Some(refused) => anyhow::bail!(refused),
            None => Ok(()),
        }
    }

    /// Returns why the machine refuses, if it does.
    fn try_to_act(
        &mut self,
        air: &mut Layer2,
        station: usize,
        action: &GroupAction,
    ) -> anyhow::Result<Option<String>> {
        let (now, group) = (air.now(), self.group);
        self.input(air, station, GroupInput::Act { now, group, action })?;
        Ok(self.refused.take())
    }

    /// Hands an input to a UE, and does what it says.
    fn input(&mut self, air: &mut Layer2, station: usize, input: GroupInput<'_>) -> anyhow::Result<()> {
        let now = air.now();
        let ue = &mut self.ues[station];
        let clock = Instant::now();
        ue.machine.handle_input(input);
        ue.cpu += clock.elapsed();
        loop {
            let clock = Instant::now();
            let ue = &mut self.ues[station];
            let output = ue.machine.poll_output();
            ue.cpu += clock.elapsed();
            match output {
                GroupOutput::Message(message) => self.send(air, station, message.to, &message.octets)?,
                GroupOutput::Store { ticket, .. } => {
                    let clock = Instant::now();
                    ue.machine.handle_input(GroupInput::Stored { now, ticket });
                    ue.cpu += clock.elapsed();
                }
                GroupOutput::Seal(mut job) => {
                    let clock = Instant::now();
                    job.run();
                    ue.machine.handle_input(GroupInput::Sealed { now, job });
                    ue.cpu += clock.elapsed();
                }
                GroupOutput::Reserve(reservation) => {
                    let granted = reservation.commit(&mut ue.disk)?;
                    ue.machine.handle_input(GroupInput::Granted { now, granted });
                }
                GroupOutput::Event(event) => match Meaning::of(&event) {
                    Meaning::Key => self.got.push((now, station)),
                    // as a user would who wants to be in it
                    Meaning::Out if self.removed != Some(station) => {
                        let turns = AGAIN + station as u64 % AGAIN;
                        self.joining.push_back((now.plus_millis(turns * self.spacing), station));
                    }
                    Meaning::Out | Meaning::Nothing => {}
                },
                GroupOutput::Refused(error) => self.refused = Some(format!("UE {station}: {error}")),
                GroupOutput::Connect { .. } => {
                    anyhow::bail!("UE {station} asks for a link; there are none here")
                }
                GroupOutput::Install { .. }
                | GroupOutput::Remove { .. }
                | GroupOutput::LinkKey(_)
                | GroupOutput::Open { .. }
                | GroupOutput::Close(_) => {}
                GroupOutput::Timeout(at) => {
                    ue.due = at;
                    return Ok(());
                }
            }
        }
    }

    fn send(
        &mut self,
        air: &mut Layer2,
        station: usize,
        to: Destination,
        octets: &[u8],
    ) -> anyhow::Result<()> {
        let address = match to {
            Destination::Ue(id) => Address::Ue(id),
            Destination::Group(id) => Address::Group(id),
            Destination::Link(_) => anyhow::bail!("UE {station} sends over a link; there are none here"),
        };
        let ue = &mut self.ues[station];
        ue.sequence = ue.sequence.wrapping_add(1);
        let Some(content) = ue.machine.content() else {
            anyhow::bail!("UE {station} sends nothing over PC5")
        };
        for part in Sender::new(self.way, ue.sequence, content, octets)? {
            air.send(station, address, &layer2::signalling(&part))?;
        }
        Ok(())
    }

    fn hear(&mut self, air: &mut Layer2, heard: &Heard) -> anyhow::Result<()> {
        let now = air.now();
        let ue = &mut self.ues[heard.by];
        // A fragment, or one too many, is no message yet.
        let message = ue.receiver.handle(heard.from, layer2::message(&heard.pdu), now).ok().flatten();
        let Some(message) = message.filter(|message| Some(message.content) == ue.machine.content()) else {
            return Ok(());
        };
        let source = heard.from;
        let path = match heard.to {
            Address::Ue(_) => Path::Ue { source },
            Address::Group(group) | Address::V2x(group) => Path::Group { source, group },
        };
        self.input(air, heard.by, GroupInput::Message { now, path, octets: &message.octets })
    }
}

/// What an event of a member means for its key.
enum Meaning {
    /// It has a new key of its group.
    Key,
    /// It is in no group: it did not reach the owner, or was left out.
    Out,
    Nothing,
}

impl Meaning {
    fn of(event: &GroupEvent) -> Self {
        match event {
            GroupEvent::Identity(group_keys::Event::GmkReceived { .. })
            | GroupEvent::Owner(group_owner::Event::In { .. }) => Self::Key,
            GroupEvent::Owner(group_owner::Event::Out(_)) => Self::Out,
            GroupEvent::Identity(_) | GroupEvent::Owner(_) | GroupEvent::Naf(_) | GroupEvent::Network(_) => {
                Self::Nothing
            }
        }
    }
}

impl Solution for Machines {
    fn begin(&mut self, air: &mut Layer2) -> anyhow::Result<()> {
        match self.begins {
            Begins::Manager => self.act(air, 0, &GroupAction::Distribute),
            Begins::Members => {
                let now = air.now();
                self.input(air, 0, GroupInput::Tick { now })?;
                let there: Vec<usize> = (1..self.ues.len()).filter(|ue| !self.away.contains(ue)).collect();
                self.join(now, &there);
                Ok(())
            }
        }
    }

    fn rekey(&mut self, air: &mut Layer2, without: usize) -> anyhow::Result<()> {
        self.removed = Some(without);
        // Whom the manager has given up for lost it cannot leave out: the others get a new key as well.
        match self.try_to_act(air, 0, &GroupAction::Exclude((self.name)(without)))? {
            Some(_) => self.act(air, 0, &GroupAction::Distribute),
            None => Ok(()),
        }
    }

    fn step(&mut self, air: &mut Layer2) -> anyhow::Result<Vec<(UtcTime, usize)>> {
        for heard in air.step()? {
            if !self.away.contains(&heard.by) {
                self.hear(air, &heard)?;
            }
        }
        let now = air.now();
        let (due, later) = self.joining.drain(..).partition::<VecDeque<_>, _>(|(at, _)| *at <= now);
        self.joining = later;
        for (_, member) in due {
            self.act(air, member, &GroupAction::Join)?;
        }
        for station in 0..self.ues.len() {
            if self.ues[station].due.is_some_and(|due| due <= now) {
                self.input(air, station, GroupInput::Tick { now })?;
            }
        }
        Ok(std::mem::take(&mut self.got))
    }

    fn set_away(&mut self, air: &mut Layer2, members: &[usize], away: Presence) -> anyhow::Result<()> {
        match away {
            Presence::Away => self.away.extend(members),
            Presence::There => {
                self.away.retain(|member| !members.contains(member));
                if self.begins == Begins::Members {
                    self.join(air.now(), members);
                }
            }
        }
        Ok(())
    }

    fn cpu(&self) -> [Duration; 2] {
        let others = self.ues.iter().skip(1).map(|ue| ue.cpu).sum();
        [self.ues.first().map_or(Duration::ZERO, |ue| ue.cpu), others]
    }
}
