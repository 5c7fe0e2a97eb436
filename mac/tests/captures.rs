//! Transport blocks that devices of other makers sent: each parses to the layer-2 fields that were read off by hand,
//! and emits to the same octets. The captures are not part of the project: without them the test prints that it is
//! skipped.

use std::path::PathBuf;

use sidelink_mac::mux::{Address, Demultiplexed};
use sidelink_mac::rlc_um::{Key, MAX_SDU_LEN, Receiver, ReceiverConfig};
use sidelink_security::counter::UtcTime;
use sidelink_wire::ids::{Layer2Id, Lcid};
use sidelink_wire::{Error, mib_sl, pdcp, rlc_um, sl_sch};

/// The transport blocks and SL-BCH blocks of one file, in order.
struct Capture {
    transport_blocks: Vec<Vec<u8>>,
    mibs: Vec<Vec<u8>>,
}

/// Returns the truth of one file, or `None` when the captures are absent.
fn capture(file: &str) -> Option<Capture> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/recordings/captures/truth.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("SKIPPED: no ../shared ({})", path.display());
        return None;
    };
    let truth: serde_json::Value = serde_json::from_str(&text).unwrap();
    let files = truth["files"].as_array().unwrap();
    let entry = files.iter().find(|entry| entry["file"] == file).expect("the file is in the list");
    let blocks = |name: &str| -> Vec<Vec<u8>> {
        let list = entry[name].as_array().unwrap();
        list.iter().map(|block| unhex(block["hex"].as_str().unwrap())).collect()
    };
    Some(Capture { transport_blocks: blocks("tb"), mibs: blocks("psbch") })
}

fn unhex(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect()
}

/// Fields of one block, read off by hand.
struct Fields {
    source: u32,
    destination: u32,
    lcid: u8,
    /// Length of the MAC SDU, octets.
    len: usize,
    /// RLC: FI and SN.
    rlc: (u8, u8),
}

fn check(block: &[u8], expected: &Fields) {
    let packet = sl_sch::Packet::new_checked(block).unwrap();
    assert_eq!(packet.version(), 3);
    let pdu = sl_sch::Repr::parse(&packet).unwrap();
    assert_eq!(Layer2Id::from_octets(pdu.source).value(), expected.source);
    let sl_sch::Destination::Whole(destination) = pdu.destination else { panic!("{:?}", pdu.destination) };
    assert_eq!(Layer2Id::from_octets(destination).value(), expected.destination);
    let [sdu] = pdu.sdus() else { panic!("one SDU, not {}", pdu.sdus().len()) };
    assert_eq!((sdu.lcid, sdu.data.len()), (expected.lcid, expected.len));

    let rlc = rlc_um::Repr::parse(&rlc_um::Packet::new_checked(sdu.data).unwrap()).unwrap();
    assert_eq!((rlc.framing.bits(), rlc.sn), expected.rlc);
    let mut again = vec![0xee; rlc.buffer_len()];
    rlc.emit(&mut again).unwrap();
    assert_eq!(again, sdu.data, "RLC emits the same octets");

    if !rlc.framing.continues {
        check_pdcp(rlc.elements()[0]);
    }
    let mut again = vec![0xee; block.len()];
    pdu.emit(&mut again).unwrap();
    assert_eq!(again, block, "MAC emits the same octets, padding included");
}

/// All devices sent non-IP data, not ciphered: every field but the type is zero.
fn check_pdcp(pdu: &[u8]) {
    let packet = pdcp::Packet::new_checked(pdu).unwrap();
    let header = pdcp::OneToManyRepr::parse(&packet).unwrap();
    let plain = pdcp::OneToManyRepr { sdu_type: pdcp::SduType::NonIp, pgk_index: 0, ptk_id: 0, sn: 0 };
    assert_eq!(header, plain);
    let mut again = [0xee; pdcp::HEADER_LEN];
    header.emit(&mut again).unwrap();
    assert_eq!(again, pdu[..pdcp::HEADER_LEN]);
}

#[test]
fn cmw500() {
    let Some(capture) = capture("cmw500_pssch.cf32") else { return };
    let fields = Fields { source: 0x00_9c40, destination: 0x00_c350, lcid: 1, len: 56, rlc: (0, 12) };
    check(&capture.transport_blocks[0], &fields);
}

#[test]
fn qc9150() {
    let Some(capture) = capture("qc9150.cf32") else { return };
    let fields = Fields { source: 0x72_e066, destination: 0xaa_aaaa, lcid: 3, len: 193, rlc: (0, 24) };
    check(&capture.transport_blocks[0], &fields);
}

#[test]
// TS 36.322 §6.2.2.6
fn uxm_segments_make_one_sdu() {
    let Some(capture) = capture("uxm_50prb_mcs12.cf32") else { return };
    let [first, second] = &capture.transport_blocks[..] else { panic!("two blocks") };
    let fields = |len, rlc| Fields { source: 0x0b_8b03, destination: 1, lcid: 1, len, rlc };
    check(first, &fields(201 - 8, (0b01, 6)));
    check(second, &fields(0x65, (0b10, 7)));

    let mut receiver = Receiver::new(ReceiverConfig { entities: 1, max_sdu_len: MAX_SDU_LEN });
    let mut sdus = Vec::new();
    for block in [first, second] {
        let pdu = Demultiplexed::parse(block, None).unwrap();
        assert_eq!(pdu.address, Address::V2x(Layer2Id::new(1).unwrap()));
        for (lcid, data) in pdu.sdus() {
            assert_eq!(lcid, Lcid::new(1).unwrap());
            let window = pdu.address.window();
            let key = Key { source: pdu.source, destination: pdu.address.layer2_id(), lcid, window };
            let now = UtcTime::from_millis(0);
            receiver.receive(key, now, data, |sdu| sdus.push(sdu.to_vec())).unwrap();
        }
    }
    let [sdu] = &sdus[..] else { panic!("one SDU, not {}", sdus.len()) };
    assert_eq!(sdu.len(), (201 - 8 - 1) + (0x65 - 1));
    check_pdcp(sdu);
    assert_eq!(receiver.counters().lost_sdus + receiver.counters().lost_pdus, 0);
}

/// Blocks of two octets with random content: too short for any MAC PDU.
#[test]
fn ideal_waveforms_carry_no_mac_pdu() {
    for file in ["ideal_tm2_6prb.cf32", "ideal_tm2_25prb.cf32", "ideal_tm2_100prb.cf32"] {
        let Some(capture) = capture(file) else { return };
        for block in &capture.transport_blocks {
            let error = sl_sch::Packet::new_checked(&block[..]).err();
            assert_eq!(error, Some(Error::Truncated { what: "SL-SCH subheader", needed: 6, have: 2 }));
        }
    }
}

#[test]
// TS 36.321 §5.16.2
fn mibs_parse_and_emit_the_same() {
    let expected = [
        ("ideal_tm2_6prb.cf32", mib_sl::Bandwidth::N6, 0, true),
        ("ideal_tm2_100prb.cf32", mib_sl::Bandwidth::N100, 0, true),
        ("ideal_tm2_50prb_extcp.cf32", mib_sl::Bandwidth::N50, 0, false),
        ("ideal_tm4_25prb.cf32", mib_sl::Bandwidth::N25, 0, false),
        ("cmw500_slss.cf32", mib_sl::Bandwidth::N50, 272, false),
    ];
    for (file, bandwidth, frame, in_coverage) in expected {
        let Some(capture) = capture(file) else { return };
        let [block] = &capture.mibs[..] else { panic!("one block") };
        let mib = mib_sl::Repr::parse(&mib_sl::Packet::new_checked(&block[..]).unwrap()).unwrap();
        let read = (mib.bandwidth, mib.direct_frame_number, mib.in_coverage, mib.tdd_config, mib.reserved);
        assert_eq!(read, (bandwidth, frame, in_coverage, None, 0), "{file}");
        let mut again = vec![0xee; mib.buffer_len()];
        mib.emit(&mut again).unwrap();
        assert_eq!(&again, block, "{file}");
    }
}
