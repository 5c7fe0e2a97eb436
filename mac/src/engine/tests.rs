use proptest::prelude::*;
use sidelink_security::cipher::Algorithm;
use sidelink_security::counter::memory::Memory;
use sidelink_security::counter::reserve::ReserveConfig;
use sidelink_security::counter::{UtcCounter, UtcTime};
use sidelink_security::group::{GroupConfig, GroupKey, SendError};
use sidelink_security::keys::Pgk;

use super::*;
use crate::mux;
use crate::pdcp::PlainSn;
use sidelink_security::pdu::Assurance;
use sidelink_wire::ids::Lcid;
use sidelink_wire::pdcp::SduType;

const START: u64 = 1_700_000_000_000;
const FOREVER: UtcCounter = UtcCounter::new(u32::MAX);
const GROUP: Address = Address::Group(Layer2Id::from_octets([0x12, 0x34, 0x56]));
const V2X: Address = Address::V2x(Layer2Id::from_octets([0, 0, 1]));

fn at(millis: u64) -> UtcTime {
    UtcTime::from_millis(START + millis)
}

fn id(value: u32) -> Layer2Id {
    Layer2Id::new(value).unwrap()
}

fn lcid(value: u8) -> Lcid {
    Lcid::new(value).unwrap()
}

fn group_config() -> GroupConfig {
    GroupConfig { group_id: GROUP.layer2_id().octets(), eea: Algorithm::Snow3g, mac: Some(Algorithm::Aes) }
}

fn group_key() -> GroupKey {
    let pgk = Pgk::from([3; 32]);
    GroupKey { pgk_id: 5, pgk, valid_from: UtcCounter::new(0), expiry: FOREVER }
}

/// A UE that is a member of the group and sends unprotected V2X messages.
struct Ue {
    engine: Engine,
    store: Memory,
}

/// Small blocks of counters: the tests exhaust many of them.
const RESERVE: ReserveConfig = ReserveConfig { block: 8, low_water: 4 };

impl Ue {
    fn new(source: u32) -> Self {
        let mut engine = Engine::new(Config::new(id(source)));
        let mut store = Memory::default();
        let mut sender = group::Sender::new(group_config(), id(source).octets());
        sender.install(group_key(), RESERVE, &mut store).unwrap();
        engine.add_destination(GROUP, Protection::Group(sender));
        engine.add_destination(V2X, Protection::Plain(PlainSn::Zero));
        let mut receiver = group::Receiver::new(group::ReceiverConfig::new(group_config()));
        receiver.install(group_key()).unwrap();
        engine.add_group(receiver);
        for (address, channel) in [(GROUP, 1), (GROUP, 2), (V2X, 1)] {
            engine.listen(address);
            engine.add_bearer(Bearer::new(address, lcid(channel))).unwrap();
        }
        Self { engine, store }
    }

    fn input(&mut self, input: Input<'_>) -> Heard {
        self.engine.handle_input(input).unwrap();
        self.drain()
    }

    /// Runs the loop of the contract: makes reservations durable, collects the other outputs.
    fn drain(&mut self) -> Heard {
        let mut heard = Heard::default();
        loop {
            match self.engine.poll_output() {
                Output::Timeout(next) => {
                    heard.timeout = next;
                    return heard;
                }
                Output::Reserve(reservation) => {
                    heard.log.push(format!("reserve {:?}", reservation.range()));
                    let granted = reservation.commit(&mut self.store).unwrap();
                    self.engine.handle_input(Input::Granted(granted)).unwrap();
                }
                output => heard.take(output),
            }
        }
    }

    fn send(&mut self, now: UtcTime, address: Address, channel: u8, data: &[u8]) -> Result<(), Error> {
        let input = Input::Send { now, address, lcid: lcid(channel), sdu_type: SduType::Ip, data };
        let result = self.engine.handle_input(input);
        self.drain();
        result
    }
}

/// The outputs, as text and as fields.
#[derive(Default)]
struct Heard {
    log: Vec<String>,
    blocks: Vec<(Address, Vec<u8>)>,
    data: Vec<(Layer2Id, Assurance, Vec<u8>)>,
    drops: Vec<Outcome>,
    /// For the links.
    pdus: Vec<(Layer2Id, Address, Vec<u8>)>,
    timeout: Option<UtcTime>,
}

impl Heard {
    fn take(&mut self, output: Output<'_>) {
        match output {
            Output::SlSch { address, built, block } => {
                self.log.push(format!("block {address:?} {built:?} {block:02x?}"));
                self.blocks.push((address, block.to_vec()));
            }
            Output::Event(Event::Received(received)) => {
                self.log.push(format!("{received:?}"));
                self.data.push((received.source, received.assurance, received.data.to_vec()));
            }
            Output::Event(Event::Dropped(drop)) => {
                self.log.push(format!("{drop:?}"));
                self.drops.push(drop.cause.outcome());
            }
            Output::OneToOne { source, address, pdu, .. }
            | Output::GroupSignalling { source, address, pdu } => {
                self.pdus.push((source, address, pdu.to_vec()));
            }
            Output::Reserve(_) | Output::Timeout(_) => unreachable!("taken by the loop"),
        }
    }
}

/// Carries everything queued at `from` to `to`, in blocks of `len` octets.
fn carry(from: &mut Ue, to: &mut Ue, now: UtcTime, len: usize) -> Heard {
    let mut all = Heard::default();
    loop {
        let sent = from.input(Input::Opportunity { address: None, len });
        let Some((address, block)) = sent.blocks.into_iter().next() else { return all };
        let heard = to.input(Input::SlSch { now, group: address.group_destination(), block: &block });
        all.data.extend(heard.data);
        all.drops.extend(heard.drops);
        all.blocks.push((address, block));
    }
}

#[test]
fn group_data_is_proven_at_the_other_end() {
    let (mut alice, mut bob) = (Ue::new(1), Ue::new(2));
    let long = vec![0x5a; 1500];
    for n in 0..30 {
        alice.send(at(n), GROUP, 1, &long).unwrap();
        alice.send(at(n), GROUP, 2, b"short").unwrap();
        let heard = carry(&mut alice, &mut bob, at(n), 209);
        assert_eq!(heard.drops, []);
        let mut data: Vec<&[u8]> = heard.data.iter().map(|(_, _, data)| &data[..]).collect();
        data.sort_by_key(|data| data.len());
        assert_eq!(data, [&b"short"[..], &long]);
        assert!(heard.data.iter().all(|(source, how, _)| (*source, *how) == (id(1), Assurance::Verified)));
    }
    assert_eq!(bob.engine.counters().of(Outcome::Verified), 60);
    assert_eq!(bob.engine.rlc_counters().lost_sdus, 0);
    assert!(
        alice.store.streams().any(|(_, reserved)| reserved > 60),
        "the counters were reserved on the way"
    );
}

#[test]
fn what_is_not_believed_is_counted_with_its_reason() {
    let (mut alice, mut bob) = (Ue::new(1), Ue::new(2));
    alice.send(at(0), GROUP, 1, b"once").unwrap();
    let heard = carry(&mut alice, &mut bob, at(0), 40);
    let (address, block) = &heard.blocks[0];
    let group = address.group_destination();
    let mut judge = |group, block: &[u8]| bob.input(Input::SlSch { now: at(1), group, block }).drops;
    assert_eq!(judge(group, block), [Outcome::Replay]);
    assert_eq!(judge(Some(GroupDestinationId(0x57)), block), [], "another group: counted, not told");
    assert_eq!(judge(None, block), [Outcome::Misused]);
    assert_eq!(judge(group, &block[..5]), [Outcome::Malformed]);
    alice.send(at(1), GROUP, 1, b"twice").unwrap();
    let sent = alice.input(Input::Opportunity { address: None, len: 40 });
    let block = &sent.blocks[0].1;
    let mut forged = block.clone();
    forged[16] ^= 1;
    assert_eq!(judge(group, &forged), [Outcome::BadMac]);
    let mut impostor = block.clone();
    impostor[3] ^= 1;
    assert_eq!(judge(group, &impostor), [Outcome::BadMac]);
    let counted: Vec<(&str, u64)> =
        bob.engine.counters().iter().map(|(outcome, count)| (outcome.as_str(), count)).collect();
    let expected =
        [("verified", 1), ("bad_mac", 2), ("replay", 1), ("malformed", 1), ("not_for_us", 1), ("misused", 1)];
    assert_eq!(counted, expected);
}

#[test]
fn what_comes_under_our_own_identity_is_dropped() {
    let mut alice = Ue::new(1);
    alice.send(at(0), GROUP, 1, b"mine").unwrap();
    let sent = alice.input(Input::Opportunity { address: None, len: 40 });
    let (address, block) = &sent.blocks[0];
    // replayed by an attacker: the MAC-I is right, and the replay windows hold nothing of our own
    let heard = alice.input(Input::SlSch { now: at(1), group: address.group_destination(), block });
    assert_eq!((heard.data.len(), heard.drops), (0, vec![Outcome::Reflected]));
}

#[test]
fn monitor_without_keys_hears_everything_and_opens_nothing() {
    let mut alice = Ue::new(1);
    let config = Config { promiscuous: true, ..Config::new(id(9)) };
    let mut decoder = Ue { engine: Engine::new(config), store: Memory::default() };
    alice.send(at(0), GROUP, 1, b"secret").unwrap();
    alice.send(at(0), V2X, 1, b"public").unwrap();
    let heard = carry(&mut alice, &mut decoder, at(0), 60);
    assert_eq!(heard.drops, [Outcome::UnknownKey]);
    assert_eq!(heard.data, [(id(1), Assurance::Unprotected, b"public".to_vec())]);
}

/// What is for this UE alone goes to its links as it is, where it has links; nothing of it is judged before.
#[test]
fn what_is_for_this_ue_alone_goes_to_its_links() {
    let bob = Address::Ue(id(2));
    let pdu = [0x0f; 20];
    for one_to_one in [true, false] {
        let config = |source| Config { one_to_one, ..Config::new(id(source)) };
        let [mut from, mut to] =
            [1, 2].map(|source| Ue { engine: Engine::new(config(source)), store: Memory::default() });
        from.engine.add_bearer(Bearer::new(bob, lcid(1))).unwrap();
        to.engine.listen(bob);
        from.engine.handle_input(Input::SendPdu { address: bob, lcid: lcid(1), pdu: &pdu }).unwrap();
        let sent = from.input(Input::Opportunity { address: None, len: 60 });
        let (group, block) = (bob.group_destination(), &sent.blocks[0].1);
        let heard = to.input(Input::SlSch { now: at(0), group, block });
        let expected = if one_to_one { vec![(id(1), bob, pdu.to_vec())] } else { Vec::new() };
        assert_eq!(heard.pdus, expected);
        assert_eq!((heard.data.len(), heard.drops.len()), (0, usize::from(!one_to_one)), "{:?}", heard.log);
    }
}

/// Signalling to a group goes to the machines of group keys as it is, and data of the group, on another channel, does
/// not; without such machines a group with keys refuses both as unprotected.
#[test]
fn signalling_to_a_group_goes_to_the_machines_of_its_keys() {
    let pdu = [0x80, 0, 0, 0, 0, 1, 2, 3];
    for (group_signalling, channel, unopened) in [(true, 28, 1), (true, 1, 0), (false, 28, 0)] {
        let (mut alice, mut bob) = (Ue::new(1), Ue::new(2));
        bob.engine.config.group_signalling = group_signalling;
        let _ = alice.engine.add_bearer(Bearer::new(GROUP, lcid(28)));
        alice.engine.handle_input(Input::SendPdu { address: GROUP, lcid: lcid(channel), pdu: &pdu }).unwrap();
        let sent = alice.input(Input::Opportunity { address: None, len: 60 });
        let (group, block) = (GROUP.group_destination(), &sent.blocks[0].1);
        let heard = bob.input(Input::SlSch { now: at(0), group, block });
        let expected = vec![(id(1), GROUP, pdu.to_vec()); unopened];
        assert_eq!((heard.pdus, heard.drops.len()), (expected, 1 - unopened), "{:?}", heard.log);
    }
}

/// A group that is removed neither receives nor sends, and others stay.
#[test]
fn a_group_is_removed_with_its_keys_and_bearers() {
    let (mut alice, mut bob) = (Ue::new(1), Ue::new(2));
    alice.send(at(0), GROUP, 1, b"before").unwrap();
    let sent = alice.input(Input::Opportunity { address: None, len: 60 });
    alice.send(at(0), GROUP, 2, b"queued").unwrap();
    for ue in [&mut alice, &mut bob] {
        ue.engine.remove_group(GROUP.layer2_id());
        assert!(ue.engine.group(GROUP.layer2_id()).is_none() && ue.engine.destination(GROUP).is_none());
        assert_eq!((ue.engine.bearers(), ue.engine.queued(GROUP)), (1, 0), "that of V2X stays");
    }
    assert_eq!(alice.send(at(0), GROUP, 1, b"x"), Err(Error::NoDestination(GROUP)));
    let heard =
        bob.input(Input::SlSch { now: at(0), group: GROUP.group_destination(), block: &sent.blocks[0].1 });
    assert_eq!((heard.data.len(), heard.drops.len()), (0, 0), "not even refused: {:?}", heard.log);
    assert!(alice.engine.destination(V2X).is_some());
}

#[test]
// TS 36.321 §5.14.1.1 (1)
fn our_own_mistakes_are_errors() {
    let mut alice = Ue::new(1);
    let nobody = Address::Group(id(0x77));
    assert_eq!(alice.send(at(0), nobody, 1, b"x"), Err(Error::NoDestination(nobody)));
    assert_eq!(alice.send(at(0), GROUP, 9, b"x"), Err(Error::Mux(mux::Error::Channel(lcid(9)))));
    assert!(matches!(alice.send(at(0), GROUP, 1, b""), Err(Error::Pdcp(pdcp::Error::SduLen { len: 0 }))));
    alice.send(at(0), GROUP, 1, b"x").unwrap();
    let input = Input::Opportunity { address: Some(GROUP), len: 3 };
    assert_eq!(alice.engine.handle_input(input), Err(Error::Mux(mux::Error::TransportBlock { len: 3 })));
    let empty = alice.input(Input::Opportunity { address: Some(V2X), len: 50 });
    assert!(empty.blocks.is_empty(), "nothing waits for this one");
}

#[test]
fn full_queue_spends_no_counter() {
    let mut alice = Ue::new(1);
    let big = vec![1; 8000];
    let mut sent = 0;
    while alice.send(at(0), GROUP, 1, &big).is_ok() {
        sent += 1;
    }
    assert_eq!(sent, 8, "64 KiB of queue");
    let reserved = alice.store.clone();
    for _ in 0..100 {
        assert!(matches!(
            alice.send(at(0), GROUP, 1, &big),
            Err(Error::Mux(mux::Error::Rlc(rlc_um::Error::QueueFull { .. })))
        ));
    }
    assert_eq!(alice.store, reserved);
}

#[test]
fn slow_store_stops_the_sender_and_nothing_else() {
    let mut alice = Ue::new(1);
    let mut outcomes = Vec::new();
    let mut held = Vec::new();
    for _ in 0..40 {
        let input =
            Input::Send { now: at(0), address: GROUP, lcid: lcid(1), sdu_type: SduType::Ip, data: b"x" };
        outcomes.push(alice.engine.handle_input(input));
        loop {
            match alice.engine.poll_output() {
                Output::Reserve(reservation) => held.push(reservation),
                Output::Timeout(_) => break,
                _ => {}
            }
        }
    }
    let waiting = Err(Error::Pdcp(pdcp::Error::Send(SendError::Waiting)));
    assert_eq!(outcomes.last(), Some(&waiting));
    assert_eq!(held.len(), 1, "asked once, not again while it is on its way");
    let sent = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert!(sent >= 4, "{sent} were sent before");
    // The store fails: the reservation is repeated, and then sending continues.
    let stream = held[0].stream();
    alice.engine.handle_input(Input::ReservationFailed(stream)).unwrap();
    let heard = alice.drain();
    assert!(heard.log.iter().any(|line| line.starts_with("reserve")));
    assert!(alice.send(at(0), GROUP, 1, b"x").is_ok());
}

#[test]
fn driver_that_does_not_drain_loses_outputs_and_is_told() {
    let config = Config { promiscuous: true, outputs: 4, output_octets: 64, ..Config::new(id(2)) };
    let mut engine = Engine::new(config);
    for _ in 0..10 {
        engine.handle_input(Input::SlSch { now: at(0), group: None, block: &[0; 5] }).unwrap();
    }
    assert_eq!(engine.counters().of(Outcome::OutputFull), 6);
    assert_eq!(engine.counters().of(Outcome::Malformed), 10);
}

/// Runs a seeded exchange of three UEs over a channel that loses, copies and damages blocks. Returns all outputs.
fn exchange(seed: u64) -> Vec<String> {
    let mut random = crate::grant::tests::entropy(seed);
    let mut ues = [Ue::new(1), Ue::new(2), Ue::new(3)];
    let mut log = Vec::new();
    for step in 0..400u64 {
        let now = at(step * 17);
        let from = random() as usize % 3;
        let data = vec![step as u8; random() as usize % 400 + 1];
        let address = [GROUP, V2X][random() as usize % 2];
        let _ = ues[from].send(now, address, 1, &data);
        let len = random() as usize % 300 + 12;
        let heard = ues[from].input(Input::Opportunity { address: None, len });
        let air = heard.blocks.clone();
        log.extend(heard.log);
        for (address, mut block) in air {
            let fate = random() % 8;
            if fate == 1 {
                let bit = random() as usize % (8 * block.len());
                block[bit / 8] ^= 1 << (bit % 8);
            }
            for to in (0..3).filter(|&to| to != from && fate != 0) {
                for _ in 0..if fate == 2 { 2 } else { 1 } {
                    let group = address.group_destination();
                    let heard = ues[to].input(Input::SlSch { now, group, block: &block });
                    log.extend(heard.log);
                }
            }
        }
    }
    for ue in &ues {
        log.push(format!("{:?} {:?}", ue.engine.counters(), ue.engine.rlc_counters()));
    }
    log
}

#[test]
fn same_inputs_give_the_same_outputs() {
    let first = exchange(7);
    assert_eq!(first, exchange(7));
    assert_ne!(first, exchange(8));
    for expected in ["Verified", "Replay", "Malformed", "Unprotected", "BadMac"] {
        let shown = first.iter().any(|line| line.contains(expected));
        assert!(shown, "the exchange never showed {expected}");
    }
}

proptest! {
    #[test]
    fn any_blocks_are_judged_without_a_panic(
        blocks in prop::collection::vec(
            (prop::collection::vec(any::<u8>(), 0..80), prop::option::of(any::<u8>()), 0u64..5000),
            1..20,
        ),
    ) {
        let config = Config { promiscuous: true, ..Config::new(id(2)) };
        let mut ue = Ue { engine: Engine::new(config), store: Memory::default() };
        for (block, group, millis) in &blocks {
            let now = at(*millis);
            let heard = ue.input(Input::SlSch { now, group: group.map(GroupDestinationId), block });
            for (_, assurance, _) in heard.data {
                prop_assert_eq!(assurance, Assurance::Unprotected);
            }
        }
    }

    /// Damage behind a valid header reaches deeper than random bytes.
    #[test]
    fn damaged_blocks_are_never_proven(
        damage in prop::collection::vec((any::<prop::sample::Index>(), 1u8..=255), 1..4),
        len in 60usize..120,
    ) {
        let (mut alice, mut bob) = (Ue::new(1), Ue::new(2));
        alice.send(at(0), GROUP, 1, b"a message of some length").unwrap();
        let sent = alice.input(Input::Opportunity { address: None, len });
        let (address, mut block) = sent.blocks[0].clone();
        for (at, value) in &damage {
            let at = at.index(block.len());
            block[at] ^= value;
        }
        prop_assume!(block != sent.blocks[0].1);
        let heard = bob.input(Input::SlSch { now: at(0), group: address.group_destination(), block: &block });
        for (_, assurance, data) in heard.data {
            // Damage in the padding or in a spare bit does not alter the message.
            prop_assert!(assurance != Assurance::Verified || data == b"a message of some length");
        }
    }
}

fn texts(heard: &Heard) -> Vec<Vec<u8>> {
    heard.data.iter().map(|(_, _, data)| data.clone()).collect()
}

/// One MAC PDU of V2X with these SDUs, each an RLC PDU of a whole PDCP PDU.
fn v2x_block(source: u32, sdus: &[(u8, u8, &[u8])]) -> Vec<u8> {
    let [_, a, b, c] = source.to_be_bytes();
    let mut block = vec![0x30, a, b, c, 0, 0, 1];
    for (lcid, _, data) in sdus {
        block.extend([0x20 | lcid, 1 + 5 + data.len() as u8]);
    }
    block.push(0x1f);
    for (_, sn, data) in sdus {
        block.extend([*sn, 0x60, 0, 0, 0, 0]);
        block.extend(*data);
    }
    block
}

/// TS 36.321 §5.11: the SDUs beside a reserved channel are delivered, and that one was left out is counted.
#[test]
// TS 36.321 §5.11
fn a_reserved_channel_costs_its_own_sdu_only() {
    let mut bob = Ue::new(2);
    let block = v2x_block(1, &[(1, 0, b"one"), (21, 0, b"reserved"), (2, 0, b"two")]);
    let heard = bob.input(Input::SlSch { now: at(0), group: None, block: &block });
    assert_eq!(texts(&heard), [b"one".to_vec(), b"two".to_vec()]);
    assert_eq!(heard.drops.len(), 1);
    assert_eq!(bob.engine.counters().of(Outcome::Malformed), 1);
}

/// TS 36.321 Table 6.2.4-1: n + 10 has an RLC entity of its own and reaches the application as n; for one UE it is
/// reserved.
#[test]
// TS 36.300 §23.14.1.1 (1); TS 36.321 §6.2.4 LCID (2); TS 36.323 §5.1.4 (3)
fn copies_come_up_on_the_channel_that_they_copy() {
    let mut bob = Ue::new(2);
    let block = v2x_block(1, &[(1, 4, b"one"), (11, 9, b"copy")]);
    let heard = bob.input(Input::SlSch { now: at(0), group: None, block: &block });
    assert_eq!(texts(&heard), [b"one".to_vec(), b"copy".to_vec()]);
    assert_eq!(bob.engine.rlc_counters().lost_pdus, 0);
    assert!(heard.log.iter().all(|line| line.contains("lcid: Lcid(1)")), "{:?}", heard.log);
    assert_eq!(
        bob.engine.add_bearer(Bearer::new(V2X, lcid(11))),
        Err(Error::Mux(mux::Error::Copies(lcid(11))))
    );
    bob.engine.listen(Address::Ue(id(2)));
    let block = [0x20, 0, 0, 1, 0, 0, 11, 0, 0x60, 0, 0, 0, 0, b'x'];
    let heard = bob.input(Input::SlSch { now: at(0), group: Some(GroupDestinationId(2)), block: &block });
    assert!(heard.data.is_empty() && heard.drops.len() == 1);
}

/// TS 36.322 §5.1.2.2.4: what a missing PDU of V2X holds back comes when t-Reordering expires, which the engine asks for.
#[test]
// TS 36.322 §5.1.2.2.4
fn a_missing_pdu_of_v2x_is_waited_for_in_time() {
    let mut bob = Ue::new(2);
    let mut hear = |now, sn, data: &[u8]| {
        bob.input(Input::SlSch { now, group: None, block: &v2x_block(1, &[(1, sn, data)]) })
    };
    assert_eq!(hear(at(0), 0, b"zero").timeout, None);
    let waits = hear(at(10), 2, b"two");
    assert!(waits.data.is_empty());
    let expiry = waits.timeout.unwrap();
    assert_eq!(texts(&bob.input(Input::Tick { now: expiry })), [b"two".to_vec()]);
    assert_eq!(bob.drain().timeout, None);
}
