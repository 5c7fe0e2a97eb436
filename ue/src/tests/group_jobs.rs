//! What a machine of group keys is told of its jobs and keys when something does not go well.

use super::super::group_keys::{GroupAction, GroupInput, GroupMachine, GroupOutput, GroupWrite};
use super::super::jobs::{Immediate, Job, JobResult, Jobs, NoStore, Owner, Threaded};
use super::super::stack::{Names, Stack};
use super::super::{Event, Warning};
use sidelink_mac::engine::{Bearer, Config, Engine};
use sidelink_mac::mux::Address;
use sidelink_mac::pdcp::Protection;
use sidelink_prose::discovery::agent::{self, Agent};
use sidelink_security::cipher::Algorithm;
use sidelink_security::counter::reserve::{Lease, ReserveConfig, StreamId};
use sidelink_security::counter::{UtcCounter, UtcTime};
use sidelink_security::group::{GroupConfig, GroupKey, Receiver, ReceiverConfig, Sender};
use sidelink_security::keys::Pgk;
use sidelink_wire::ids::{Layer2Id, Lcid};
use sidelink_wire::long_message::Content;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

const UE: Layer2Id = Layer2Id::from_octets([0, 0, 1]);
const GROUP: Layer2Id = Layer2Id::from_octets([0, 1, 0xa2]);
const START: u64 = 1_700_000_000_000;

/// A machine that stores and reserves when it is asked to distribute, and installs a key when a call starts: one for
/// sending, or for listening alone when it joins. It takes the key back at the end.
#[derive(Default)]
struct Asking {
    told: Arc<Mutex<Vec<&'static str>>>,
    octet: u8,
    out: VecDeque<GroupOutput>,
}

impl Asking {
    fn install(&mut self, may_send: bool) {
        let (valid_from, expiry) = (UtcCounter::new(0), UtcCounter::new(u32::MAX));
        self.octet += 1;
        let key = GroupKey { pgk_id: 7, pgk: Pgk::from([self.octet; 32]), valid_from, expiry };
        self.out.push_back(GroupOutput::Install { group: GROUP, key, may_send, config: None });
    }
}

impl GroupMachine for Asking {
    fn content(&self) -> Option<Content> {
        Some(Content::Mikey)
    }

    fn handle_input(&mut self, input: GroupInput<'_>) {
        let told = match input {
            GroupInput::Act { action: GroupAction::Distribute, .. } => {
                let write = GroupWrite::Identity(Vec::new());
                self.out.push_back(GroupOutput::Store { ticket: 3, write });
                let wanted = lease(&mut NoStore::default()).wanted();
                return self.out.extend(wanted.map(GroupOutput::Reserve));
            }
            GroupInput::Act { action: GroupAction::StartCall, .. } => return self.install(true),
            GroupInput::Act { action: GroupAction::Join, .. } => return self.install(false),
            GroupInput::Act { action: GroupAction::EndCall, .. } => {
                return self.out.push_back(GroupOutput::Remove { group: GROUP, pgk_id: 7 });
            }
            GroupInput::Stored { ticket: 3, .. } => "stored",
            GroupInput::StoreFailed { ticket: 3, .. } => "store failed",
            GroupInput::Granted { .. } => "granted",
            GroupInput::ReservationFailed { stream, .. } if stream == StreamId([7; 16]) => {
                "reservation failed"
            }
            _ => return,
        };
        self.told.lock().unwrap().push(told);
    }

    fn poll_output(&mut self) -> GroupOutput {
        self.out.pop_front().unwrap_or(GroupOutput::Timeout(None))
    }
}

/// Reserves the first counters of a stream.
fn lease(store: &mut NoStore) -> Lease {
    let config = ReserveConfig { block: 4, low_water: 4 };
    Lease::open(StreamId([7; 16]), 0, 100, config, store).unwrap()
}

/// A store with the first counters of that stream reserved.
fn store() -> NoStore {
    let mut store = NoStore::default();
    lease(&mut store);
    store
}

/// Too many jobs are pending.
struct Full;

impl Jobs for Full {
    fn begin(&mut self, _t: u64, _owner: Owner, job: Job) -> Option<Job> {
        Some(job)
    }

    fn take(&mut self, _t: u64) -> Option<(Owner, JobResult)> {
        None
    }

    fn late(&self) -> u64 {
        0
    }
}

struct One<J> {
    stack: Stack<J>,
    told: Arc<Mutex<Vec<&'static str>>>,
    t: u64,
    warnings: Vec<Warning>,
}

impl<J: Jobs> One<J> {
    fn new(jobs: J) -> Self {
        let config = GroupConfig { group_id: GROUP.octets(), eea: Algorithm::Aes, mac: None };
        let mut engine = Engine::new(Config { group_signalling: true, ..Config::new(UE) });
        let address = Address::Group(GROUP);
        engine.add_group(Receiver::new(ReceiverConfig::new(config)));
        engine.add_destination(address, Protection::Group(Sender::new(config, UE.octets())));
        engine.add_bearer(Bearer::new(address, Lcid::GROUP_DATA)).unwrap();
        let agent = Agent::new(agent::Config::default()).unwrap();
        let names = Names { groups: [("group".to_owned(), address)].into(), ..Names::default() };
        let machine = Asking::default();
        let told = Arc::clone(&machine.told);
        let stack = Stack::new((engine, agent), names, jobs).with_group_machine(Box::new(machine));
        Self { stack, told, t: 0, warnings: Vec::new() }
    }

    fn pass(&mut self, subframes: u64) {
        let Self { stack, t, warnings, .. } = self;
        for _ in 0..subframes {
            *t += 1;
            stack.begin(*t, UtcTime::from_millis(START + *t), &mut |event| {
                if let Event::Warning(warning) = event {
                    warnings.push(warning.clone());
                }
            });
        }
    }

    fn act(&mut self, action: &GroupAction) {
        let Self { stack, warnings, .. } = self;
        let mut tell = |event: Event<'_>| {
            if let Event::Warning(warning) = event {
                warnings.push(warning.clone());
            }
        };
        stack.act_on_group("group", action, &mut tell).unwrap();
    }

    fn may_say(&mut self) -> bool {
        self.stack.say("group", b"x", &mut |_| {}).is_ok()
    }
}

fn real() -> One<Threaded> {
    One::new(Threaded::new(store(), true))
}

#[test]
fn a_machine_is_told_what_came_of_its_jobs() {
    let mut one = real();
    one.act(&GroupAction::Distribute);
    one.pass(50);
    assert_eq!(*one.told.lock().unwrap(), ["stored", "granted"]);
    // A store that does not keep keys of groups.
    let mut one = One::new(Immediate::new(store()));
    one.act(&GroupAction::Distribute);
    one.pass(50);
    assert_eq!(*one.told.lock().unwrap(), ["store failed", "granted"]);
    assert!(matches!(one.warnings[..], [Warning::GroupKeys(_)]), "{:?}", one.warnings);
    // No room for jobs: at once.
    let mut one = One::new(Full);
    one.act(&GroupAction::Distribute);
    assert_eq!(*one.told.lock().unwrap(), ["store failed", "reservation failed"]);
}

#[test]
fn a_key_sends_where_it_may_and_while_it_is_there() {
    let mut one = real();
    one.act(&GroupAction::Join);
    one.pass(200);
    assert!(!one.may_say(), "it is for listening");
    one.act(&GroupAction::EndCall);
    // Taken back while its counters are being read.
    one.act(&GroupAction::StartCall);
    one.pass(10);
    one.act(&GroupAction::EndCall);
    one.pass(200);
    assert!(!one.may_say());
    one.act(&GroupAction::StartCall);
    one.pass(200);
    assert!(one.may_say() && one.warnings.is_empty());
    // Another key with its index is refused, and the first goes on.
    one.act(&GroupAction::StartCall);
    one.pass(200);
    assert_eq!(one.warnings, [Warning::PgkIndexTaken { group: GROUP, pgk_id: 7 }]);
    assert!(one.may_say());
    // Nothing is sent where its counters cannot be read.
    let mut one = One::new(Full);
    one.act(&GroupAction::StartCall);
    one.pass(100);
    assert!(!one.may_say());
}
