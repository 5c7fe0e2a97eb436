use proptest::prelude::*;

use super::*;
use sidelink_security::counter::UtcTime;

use crate::rlc_um::{Key, Receiver, ReceiverConfig, Window};

const NOW: UtcTime = UtcTime::from_millis(1_000_000);

fn id(value: u32) -> Layer2Id {
    Layer2Id::new(value).unwrap()
}

fn lcid(value: u8) -> Lcid {
    Lcid::new(value).unwrap()
}

const GROUP: Address = Address::Group(Layer2Id::from_octets([0x12, 0x34, 0x56]));
const OTHER: Address = Address::V2x(Layer2Id::from_octets([0, 0, 1]));

fn multiplexer() -> Multiplexer {
    let mut multiplexer = Multiplexer::new(id(0xab_cdef));
    for (address, lcid, priority) in
        [(GROUP, lcid(1), 2), (GROUP, lcid(2), 5), (GROUP, lcid(3), 5), (OTHER, lcid(1), 3)]
    {
        multiplexer.add_channel(address, lcid, priority, 4000, 16).unwrap();
    }
    multiplexer
}

/// Parses a block and returns its SDUs by channel.
fn taken_apart(block: &[u8], group: Option<GroupDestinationId>) -> (Layer2Id, Address, Vec<(u8, Vec<u8>)>) {
    let pdu = Demultiplexed::parse(block, group).unwrap();
    let sdus = pdu.sdus().map(|(lcid, data)| (lcid.value(), data.to_vec())).collect();
    (pdu.source, pdu.address, sdus)
}

#[test]
// TS 36.321 §5.14.1.3 (1); TS 36.321 §5.14.1.3.1 step 0; TS 36.321 §5.14.1.3.1 steps 1, 2; TS 36.321 §6.1.6 (6)
fn block_carries_one_destination_by_priority() {
    let mut multiplexer = multiplexer();
    multiplexer.push(GROUP, lcid(2), b"later").unwrap();
    multiplexer.push(OTHER, lcid(1), b"other").unwrap();
    assert_eq!(multiplexer.next_address(), Some((OTHER, 3)));
    multiplexer.push(GROUP, lcid(1), b"first").unwrap();
    assert_eq!(multiplexer.next_address(), Some((GROUP, 2)));

    let mut block = [0xee; 40];
    assert_eq!(multiplexer.emit_transport_block(GROUP, &mut block), Ok(Built { sdus: 2, octets: 12 }));
    let (source, address, sdus) = taken_apart(&block, GROUP.group_destination());
    assert_eq!((source, address), (id(0xab_cdef), GROUP));
    assert_eq!(sdus, [(1, b"\x00first".to_vec()), (2, b"\x00later".to_vec())]);
    assert_eq!(multiplexer.next_address(), Some((OTHER, 3)), "the other destination still waits");
}

#[test]
// TS 36.321 §5.14.1.3.1 steps 1, 2
fn equal_priorities_take_turns() {
    let mut multiplexer = multiplexer();
    for _ in 0..4 {
        multiplexer.push(GROUP, lcid(2), &[2; 20]).unwrap();
        multiplexer.push(GROUP, lcid(3), &[3; 20]).unwrap();
    }
    let mut served = Vec::new();
    for _ in 0..4 {
        let mut block = [0; 28];
        multiplexer.emit_transport_block(GROUP, &mut block).unwrap();
        served.push(taken_apart(&block, GROUP.group_destination()).2[0].0);
    }
    assert_eq!(served, [2, 3, 2, 3]);
}

#[test]
fn nothing_waiting_gives_padding() {
    let mut block = [0xee; 10];
    assert_eq!(multiplexer().emit_transport_block(OTHER, &mut block), Ok(Built::default()));
    assert_eq!(block, [0x30, 0xab, 0xcd, 0xef, 0, 0, 1, 0x1f, 0, 0]);
}

#[test]
fn block_sizes_that_cannot_be_filled() {
    let mut multiplexer = multiplexer();
    assert_eq!(multiplexer.emit_transport_block(OTHER, &mut [0; 7]), Err(Error::TransportBlock { len: 7 }));
    let mut huge = vec![0; MAX_TRANSPORT_BLOCK + 1];
    assert!(multiplexer.emit_transport_block(OTHER, &mut huge).is_err());
}

#[test]
// TS 36.300 §23.10.2.1 (4); TS 36.322 §5.4
fn channels_are_what_they_were_set_up_to_be() {
    let mut multiplexer = multiplexer();
    assert_eq!(multiplexer.add_channel(GROUP, lcid(1), 2, 1, 1), Err(Error::Channel(lcid(1))));
    assert_eq!(multiplexer.add_channel(GROUP, lcid(9), 9, 1, 1), Err(Error::Priority(9)));
    assert_eq!(multiplexer.push(OTHER, lcid(2), b"x"), Err(Error::Channel(lcid(2))));
    multiplexer.push(OTHER, lcid(1), b"x").unwrap();
    multiplexer.remove_channel(OTHER, lcid(1)).unwrap();
    assert_eq!(multiplexer.next_address(), None);
    let full = multiplexer.push(GROUP, lcid(1), &[0; 4001]);
    assert!(matches!(full, Err(Error::Rlc(rlc_um::Error::QueueFull { .. }))));
}

/// TS 36.321 §5.14.1.3.1: what one RLC PDU cannot hold goes into a second one of the same block.
#[test]
// TS 36.321 §5.14.1.3.1 (4)
fn a_block_takes_all_that_fits() {
    let mut multiplexer = Multiplexer::new(id(1));
    multiplexer.add_channel(GROUP, lcid(1), 1, 10_000, 100).unwrap();
    for _ in 0..40 {
        multiplexer.push(GROUP, lcid(1), &[7]).unwrap();
    }
    multiplexer.push(GROUP, lcid(1), &[8; 3000]).unwrap();
    multiplexer.push(GROUP, lcid(1), &[9; 10]).unwrap();
    let mut block = [0; 4000];
    let built = multiplexer.emit_transport_block(GROUP, &mut block).unwrap();
    assert_eq!((multiplexer.queued(GROUP), built.sdus), (0, 3));
    let mut receiver = Receiver::new(ReceiverConfig::default());
    let pdu = Demultiplexed::parse(&block, GROUP.group_destination()).unwrap();
    let mut got = Vec::new();
    for (lcid, data) in pdu.sdus() {
        let key = Key { source: id(1), destination: GROUP.layer2_id(), lcid, window: Window::None };
        receiver.receive(key, NOW, data, |sdu| got.push(sdu.len())).unwrap();
    }
    assert_eq!(got, [vec![1; 40], vec![3000, 10]].concat());
}

/// TS 36.321 §5.14.1.3.1: a block of a grant of 10 octets or 11 carries data, not padding alone.
#[test]
fn the_smallest_blocks_carry_data() {
    for len in [10, 11] {
        let mut multiplexer = Multiplexer::new(id(1));
        multiplexer.add_channel(GROUP, lcid(1), 1, 100, 10).unwrap();
        multiplexer.push(GROUP, lcid(1), &[7; 50]).unwrap();
        let built = multiplexer.emit_transport_block(GROUP, &mut vec![0; len]).unwrap();
        assert_eq!((built.sdus, built.octets), (1, len - 6 - 1));
    }
}

/// TS 36.321 §6.2.4: V is 1 towards a group and 2 towards one UE.
#[test]
fn the_version_says_for_whom_a_block_is() {
    for (address, version) in [(Address::Group(id(5)), 1), (Address::Ue(id(5)), 2), (Address::V2x(id(5)), 3)]
    {
        let mut block = [0; 20];
        Multiplexer::new(id(1)).emit_transport_block(address, &mut block).unwrap();
        assert_eq!(block[0], version << 4);
        let pdu = Demultiplexed::parse(&block, Some(GroupDestinationId(5))).unwrap();
        assert_eq!(pdu.address, address);
    }
}

/// TS 36.321 §6.1.6: the number of SDUs has no limit but the size of the block.
#[test]
// TS 36.321 §6.1.6 (5)
fn any_number_of_sdus_is_taken_apart() {
    let mut block = vec![0x30, 0, 0, 1, 0, 0, 1];
    block.extend([0x21, 1].repeat(99));
    block.push(0x01);
    block.extend([7; 100]);
    let pdu = Demultiplexed::parse(&block, None).unwrap();
    assert_eq!(pdu.sdus().count(), 100);
    assert!(pdu.sdus().all(|(lcid, data)| lcid.value() == 1 && data == [7]) && pdu.ignored().is_none());
}

#[test]
// TS 24.334 §10.2.4.1 (2); TS 36.321 §5.14.2.2.2 (3); TS 36.321 §5.14.2.2.2 (4)
fn filter_needs_both_halves_of_the_destination() {
    let mut filter = Filter::new();
    filter.insert(GROUP);
    assert!(filter.accepts(GROUP));
    let address = |dst, group| {
        Address::from_wire(&sl_sch::Destination::Group(dst), Some(GroupDestinationId(group))).unwrap()
    };
    assert!(filter.accepts(address([0x12, 0x34], 0x56)));
    assert!(!filter.accepts(address([0x12, 0x34], 0x57)), "SCI of another group");
    assert!(!filter.accepts(address([0x12, 0x35], 0x56)), "DST of another group");
    assert!(!filter.accepts(Address::Ue(GROUP.layer2_id())), "a UE with the number of the group");
    assert!(!filter.accepts(Address::V2x(GROUP.layer2_id())));
    filter.remove(GROUP);
    assert!(!filter.accepts(GROUP));
    assert!(Filter::everything().accepts(GROUP));
    assert_eq!(Address::from_wire(&sl_sch::Destination::Ue([1, 2]), None), Err(Error::NoGroupDestination));
}

proptest! {
    /// All queued SDUs arrive in order, and no block wastes room that data could take.
    #[test]
    // TS 36.321 §5.14.1.3.1 (4); TS 36.321 §5.14.1.3.1 (5); TS 36.321 §5.14.2.3; TS 36.322 §4.2.1 (2)
    fn any_sdus_through_blocks_of_any_size(
        sdus in prop::collection::vec((1u8..=3, prop::collection::vec(any::<u8>(), 1..400)), 1..12),
        sizes in prop::collection::vec(12usize..600, 1..6),
    ) {
        let mut multiplexer = multiplexer();
        let mut expected: [Vec<Vec<u8>>; 4] = Default::default();
        for (channel, sdu) in &sdus {
            multiplexer.push(GROUP, lcid(*channel), sdu).unwrap();
            expected[usize::from(*channel)].push(sdu.clone());
        }
        let mut receiver = Receiver::new(ReceiverConfig::default());
        let mut got: [Vec<Vec<u8>>; 4] = Default::default();
        for size in sizes.iter().cycle() {
            if multiplexer.queued(GROUP) == 0 {
                break;
            }
            let mut block = vec![0xee; *size];
            let built = multiplexer.emit_transport_block(GROUP, &mut block).unwrap();
            prop_assert!(built.octets > 0);
            let pdu = Demultiplexed::parse(&block, GROUP.group_destination()).unwrap();
            for (lcid, data) in pdu.sdus() {
                let window = pdu.address.window();
                let key = Key { source: pdu.source, destination: pdu.address.layer2_id(), lcid, window };
                let out = &mut got[usize::from(lcid.value())];
                receiver.receive(key, NOW, data, |sdu| out.push(sdu.to_vec())).unwrap();
            }
            if multiplexer.queued(GROUP) > 0 && sdus.len() < 3 {
                let spare = size - 6 - built.octets;
                prop_assert!(spare <= 3 * built.sdus + 4, "{spare} octets were left in a block of {size}");
            }
        }
        prop_assert_eq!(got, expected);
        prop_assert_eq!(receiver.counters().lost_pdus, 0);
    }

    #[test]
    fn any_block_is_judged_without_a_panic(
        block in prop::collection::vec(any::<u8>(), 0..60),
        group in prop::option::of(any::<u8>()),
    ) {
        if let Ok(pdu) = Demultiplexed::parse(&block, group.map(GroupDestinationId)) {
            prop_assert!(pdu.sdus().map(|(_, data)| data.len()).sum::<usize>() <= block.len());
        }
    }
}
