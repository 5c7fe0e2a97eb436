//! A card as a state machine: keys, one counter a version of keys, applications. TS 102 225 §5.1.4 (from memory).
//!
//! ```text
//!   Command -> known keys, enough security, CC, counter -> Store, Stored -> Execute, Executed -> Response, if one is wanted
//!           -> anything wrong                                                                 -> Response, if one is wanted
//! ```
//!
//! The counter is durable before the application sees the command: a crash does not make it run twice. Only a command with CC
//! moves a counter.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use super::{
    Answer, COUNTER_LIMIT, Command, CommandPacket, CounterRule, Error, Integrity, KeySet, Por, Spi, Status,
};

/// What happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// A command came.
    Command(&'a [u8]),
    /// The counter of [`Output::Store`] is durable.
    Stored,
    /// It could not be made durable.
    StoreFailed,
    /// The application has run.
    Executed {
        /// What it says.
        data: Vec<u8>,
    },
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Make this durable, and hand back [`Input::Stored`] or [`Input::StoreFailed`].
    Store {
        /// Version of the keys.
        version: u8,
        /// The last counter that was taken.
        counter: u64,
    },
    /// Run the application, and hand back [`Input::Executed`].
    Execute {
        /// Which.
        tar: [u8; 3],
        /// With what.
        data: Vec<u8>,
    },
    /// Send this back.
    Response(Vec<u8>),
    /// Nothing is said of a command.
    Silent(Refusal),
}

/// Why nothing is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// It is no packet, or one that is not understood.
    Packet(Error),
    /// No keys of this version.
    Keys(u8),
    /// The one before is not done.
    Busy,
    /// It was not done, and no response is wanted.
    Status(Status),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Packet(error) => error.fmt(f),
            Self::Keys(version) => write!(f, "the card has no keys of version {version}"),
            Self::Busy => f.write_str("the card is still with the command before"),
            Self::Status(status) => write!(f, "the command was not done: {status:?}"),
        }
    }
}

impl std::error::Error for Refusal {}

enum State {
    Idle,
    Storing(Command, u8),
    Executing(Command, u8),
}

/// A card.
pub struct Card {
    keys: BTreeMap<u8, KeySet>,
    counters: BTreeMap<u8, u64>,
    applications: BTreeSet<[u8; 3]>,
    state: State,
    outputs: VecDeque<Output>,
}

impl Card {
    /// With its keys, each with the counter that was stored last (0 when it is new), and the applications that it has.
    pub fn new(
        keys: impl IntoIterator<Item = (KeySet, u64)>,
        applications: impl IntoIterator<Item = [u8; 3]>,
    ) -> Self {
        let (mut known, mut counters) = (BTreeMap::new(), BTreeMap::new());
        for (set, counter) in keys {
            counters.insert(set.version(), counter);
            known.insert(set.version(), set);
        }
        let applications = applications.into_iter().collect();
        Self { keys: known, counters, applications, state: State::Idle, outputs: VecDeque::new() }
    }

    /// Takes an input; one that nothing waits for is passed over.
    pub fn handle_input(&mut self, input: Input<'_>) {
        match (input, std::mem::replace(&mut self.state, State::Idle)) {
            (Input::Command(octets), State::Idle) => {
                if let Err(why) = self.command(octets) {
                    self.outputs.push_back(Output::Silent(why));
                }
            }
            (Input::Command(_), state) => {
                self.state = state;
                self.outputs.push_back(Output::Silent(Refusal::Busy));
            }
            (Input::Stored, State::Storing(command, version)) => {
                self.counters.insert(version, command.counter);
                self.execute(command, version);
            }
            (Input::StoreFailed, State::Storing(command, version)) => {
                self.respond(&command, version, Status::Memory, Vec::new());
            }
            (Input::Executed { data }, State::Executing(command, version)) => {
                self.respond(&command, version, Status::Ok, data);
            }
            (_, state) => self.state = state,
        }
    }

    /// What is to be done next, if anything.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn command(&mut self, octets: &[u8]) -> Result<(), Refusal> {
        let packet = CommandPacket::new_checked(octets).map_err(Refusal::Packet)?;
        let version = packet.version();
        let keys = self.keys.get(&version).ok_or(Refusal::Keys(version))?;
        let (spi, tar) = (packet.spi(), packet.tar());
        let nothing = Command { spi, tar, counter: 0, data: Vec::new() };
        // Anything less would let whoever sends it run an application, or run it twice.
        if spi.integrity == Integrity::None || !is_fresh_demanded(spi) {
            self.respond(&nothing, version, Status::Insufficient, Vec::new());
            return Ok(());
        }
        let command = match packet.open(keys) {
            Ok(command) => command,
            Err(error) => {
                let status = if error == Error::Cc { Status::Cc } else { Status::Ciphering };
                self.respond(&nothing, version, status, Vec::new());
                return Ok(());
            }
        };
        let last = self.counters.get(&version).copied().unwrap_or(0);
        let status = match judge(spi.counter, command.counter, last) {
            Status::Ok if !self.applications.contains(&tar) => Status::Tar,
            status => status,
        };
        if status != Status::Ok {
            self.respond(&command, version, status, Vec::new());
            return Ok(());
        }
        self.outputs.push_back(Output::Store { version, counter: command.counter });
        self.state = State::Storing(command, version);
        Ok(())
    }

    fn execute(&mut self, command: Command, version: u8) {
        self.outputs.push_back(Output::Execute { tar: command.tar, data: command.data.clone() });
        self.state = State::Executing(command, version);
    }

    fn respond(&mut self, command: &Command, version: u8, status: Status, data: Vec<u8>) {
        let is_wanted = match command.spi.response.when {
            Por::Never => false,
            Por::Always => true,
            Por::OnError => status != Status::Ok,
        };
        let answer = Answer { tar: command.tar, counter: command.counter, status, data };
        let made = self.keys.get(&version).map(|keys| answer.protect(command.spi, keys));
        match made {
            Some(Ok(octets)) if is_wanted => self.outputs.push_back(Output::Response(octets)),
            Some(Err(error)) if is_wanted => {
                self.outputs.push_back(Output::Silent(Refusal::Packet(error)));
            }
            _ if status != Status::Ok => self.outputs.push_back(Output::Silent(Refusal::Status(status))),
            _ => {}
        }
    }
}

const fn is_fresh_demanded(spi: Spi) -> bool {
    matches!(spi.counter, CounterRule::Higher | CounterRule::OneHigher)
}

const fn judge(rule: CounterRule, counter: u64, last: u64) -> Status {
    if last >= COUNTER_LIMIT - 1 {
        return Status::CounterBlocked;
    }
    if counter <= last {
        return Status::CounterLow;
    }
    match rule {
        CounterRule::OneHigher if counter > last + 1 => Status::CounterHigh,
        _ => Status::Ok,
    }
}
