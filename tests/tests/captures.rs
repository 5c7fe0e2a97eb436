//! Other makers' signals, with only rate, bandwidth, mode and pool given: everything that their ground truth lists comes
//! out, bit for bit.
#![allow(clippy::disallowed_methods)]

use sidelink_phy::Sample;
use sidelink_phy::receive::receiver::{Config, Event};
use sidelink_phy::receive::stream::StreamReceiver;
use sidelink_tests::ground_truth::{Reference, ReferenceEvent, Truth, read_cf32, recordings};

/// Subframe, redundancy versions, PRB, message in hex.
type HeardMessage = (u64, Vec<u8>, usize, String);

/// Subframe, MIB in hex, DFN and subframe number.
type HeardMib = (u64, String, Option<(u16, u8)>);

/// Subframe, PRB, cyclic shift, SCI in hex, CRC.
type HeardSci = (u64, usize, u8, String, u16);

/// What was heard, owned.
#[derive(Debug, Default)]
struct Heard {
    slss: Vec<(u64, u16)>,
    mibs: Vec<HeardMib>,
    scis: Vec<HeardSci>,
    blocks: Vec<HeardBlock>,
    messages: Vec<HeardMessage>,
}

#[derive(Debug)]
struct HeardBlock {
    subframe: u64,
    n_ssf: u8,
    rv: Vec<u8>,
    prb_start: usize,
    prbs: usize,
    mcs: u8,
    hex: String,
}

/// MSB first, padded with zeros at the end to a nibble.
fn hex_of_bits(bits: &[u8]) -> String {
    let nibble = |b: &[u8]| (0..4).fold(0, |v, i| v << 1 | b.get(i).copied().unwrap_or(0) as u32);
    bits.chunks(4).filter_map(|b| char::from_digit(nibble(b), 16)).collect()
}

fn hex_of_bytes(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn receive(config: Config, samples: &[Sample]) -> Heard {
    let mut heard = Heard::default();
    let mut receiver = StreamReceiver::new(config);
    let mut emit = |event: Event<'_>, _sample: i64| match event {
        Event::Slss { subframe, id, .. } => heard.slss.push((subframe, id.value())),
        Event::Mib { subframe, bits, time, .. } => {
            heard.mibs.push((subframe, hex_of_bits(bits), time.map(|t| (t.dfn(), t.subframe()))));
        }
        Event::Sci { subframe, prb, cyclic_shift, bits, crc16, .. } => {
            heard.scis.push((subframe, prb, cyclic_shift, hex_of_bits(bits), crc16));
        }
        Event::SlSch(b) => heard.blocks.push(HeardBlock {
            subframe: b.subframe,
            n_ssf: b.grant.n_ssf,
            rv: b.rv.to_vec(),
            prb_start: b.grant.prbs.start,
            prbs: b.grant.prbs.len,
            mcs: b.grant.mcs,
            hex: hex_of_bytes(b.block),
        }),
        Event::SlDch { subframe, rv, prb_start, message, .. } => {
            heard.messages.push((subframe, rv.to_vec(), prb_start, hex_of_bytes(message)));
        }
        _ => {}
    };
    receiver.push(samples, &mut emit);
    receiver.finish(&mut emit);
    heard
}

// TS 36.213 §14.1.1 (4); TS 36.213 §14.1.1 (5); TS 36.213 §14.1.1 (8); TS 36.213 §14.1.1.4C (1)
// TS 36.213 §14.1.1.4C (2); TS 36.213 §14.1.1.4C (6); TS 36.213 §14.1.2 (3); TS 36.213 §14.2.2 (3)
// TS 36.213 §14.2.4 (1)
fn check_capture(name: &str) {
    let Some(folder) = recordings() else { return };
    let truth = Truth::load(&folder);
    let capture = truth.files.iter().find(|f| f.file == name).expect("the file is in truth.json");
    let heard = receive(capture.config(), &read_cf32(&folder.join("captures").join(name)));
    if let Some(id) = capture.n_sl_id {
        assert!(heard.slss.contains(&(capture.psbch[0].subframe, id)), "SLSS {id}: {heard:?}");
    }
    for mib in &capture.psbch {
        assert_eq!(mib.hex.len(), mib.bits / 4);
        let want = (mib.subframe, mib.hex.clone(), Some((mib.dfn, mib.subframe_number)));
        assert!(heard.mibs.contains(&want), "{want:?}: {heard:?}");
    }
    for sci in &capture.sci {
        assert_eq!(sci.hex.len(), sci.bits.div_ceil(4));
        let want = (sci.subframe, sci.prb, sci.cyclic_shift, sci.hex.clone(), sci.crc16);
        assert!(heard.scis.contains(&want), "{want:?}: {heard:?}");
    }
    for tb in &capture.tb {
        assert_eq!(tb.hex.len(), tb.bits.div_ceil(4));
        let found = heard.blocks.iter().any(|b| {
            (b.subframe, b.n_ssf, b.prb_start, b.prbs, b.mcs)
                == (tb.subframe, tb.n_ssf, tb.prb_start, tb.prbs, tb.mcs)
                && b.rv.last() == Some(&(2 * tb.rv_field))
                && b.hex == tb.hex
        });
        assert!(found, "{tb:?}: {heard:?}");
    }
    // and nothing that is not there
    assert_eq!(heard.mibs.len(), capture.psbch.len(), "{heard:?}");
    assert_eq!(heard.scis.len(), capture.sci.len(), "{heard:?}");
    assert_eq!(heard.blocks.len(), capture.tb.len(), "{heard:?}");
}

// TS 36.213 §14.1.2 (2); TS 36.213 §14.2.2 (1); TS 36.213 §14.3.2
fn check_reference(name: &str) {
    let Some(folder) = recordings() else { return };
    let folder = folder.join("reference");
    let text = std::fs::read_to_string(folder.join(format!("{name}.json"))).expect("sidecar");
    let reference: Reference = serde_json::from_str(&text).expect("sidecar parses");
    let mut config = reference.config();
    if name.ends_with("allrv0") {
        config.discovery_rv = [0; 4];
    }
    let heard = receive(config, &read_cf32(&folder.join(format!("{name}.cf32"))));
    for event in &reference.events {
        match event.channel.as_str() {
            "PSBCH+PSSS+SSSS" => {
                assert!(
                    heard.slss.contains(&(event.capture_subframe, reference.n_sl_id)),
                    "{event:?}: {heard:?}"
                );
                let hex = event.mib_sl_hex.as_deref().expect("a MIB");
                let found = heard.mibs.iter().any(|m| m.0 == event.capture_subframe && m.1 == hex);
                assert!(found, "{event:?}: {heard:?}");
            }
            "PSCCH" => check_sci(event, event.prbs[0], &heard),
            "PSSCH" => check_block(event, &reference, &heard),
            "PSCCH+PSSCH" => {
                check_sci(event, event.pscch_prbs[0], &heard);
                check_block(event, &reference, &heard);
            }
            "PSDCH" => {
                let ue = event.ue.expect("a UE");
                let message = reference.messages.iter().find(|m| m.ue == ue).expect("its message");
                let found = heard.messages.iter().any(|(k, rv, prb, hex)| {
                    *k == event.capture_subframe
                        && *prb == event.prbs[0]
                        && hex.eq_ignore_ascii_case(&message.payload_hex)
                        && rv.last() == event.rv.as_ref()
                });
                assert!(found, "{event:?}: {heard:?}");
            }
            other => panic!("{other}: a channel that this test does not know"),
        }
    }
}

fn check_sci(event: &ReferenceEvent, prb: usize, heard: &Heard) {
    let hex = event.sci_hex.as_deref().expect("an SCI");
    let shift = event.pscch_cyclic_shift.unwrap_or(0);
    let found =
        heard.scis.iter().any(|s| (s.0, s.1, s.2, s.3.as_str()) == (event.capture_subframe, prb, shift, hex));
    assert!(found, "{event:?}: {heard:?}");
}

fn check_block(event: &ReferenceEvent, reference: &Reference, heard: &Heard) {
    let ue = &reference.ues[event.ue.expect("a UE")];
    let hex = ue.block(event.tb.unwrap_or(0));
    let found = heard.blocks.iter().any(|b| {
        b.subframe == event.capture_subframe
            && Some(b.n_ssf) == event.n_ssf
            && b.prb_start == event.prbs[0]
            && b.prbs == event.prbs.len()
            && b.mcs == ue.mcs
            && b.rv.last() == event.rv.as_ref()
            && b.hex == hex
    });
    assert!(found, "{event:?}: {heard:?}");
}

macro_rules! captures {
    ($($name:ident),* $(,)?) => { $(
        #[test]
        fn $name() {
            check_capture(concat!(stringify!($name), ".cf32"));
        }
    )* };
}

captures!(
    ideal_tm2_6prb,
    ideal_tm2_25prb,
    // TS 36.211 Table 9.8-2 (1); TS 36.211 §9.2.1 (1); TS 36.211 §9.2.3; TS 36.211 §9.3.6 (4); TS 36.211 §9.4.6
    // TS 36.211 §9.8 (3)
    ideal_tm2_50prb,
    // TS 36.211 §9.2.3; TS 36.212 §5.4.3 (1); TS 36.212 §5.4.3 (3)
    ideal_tm2_50prb_extcp,
    ideal_tm2_100prb,
    ideal_tm4_25prb,
    // TS 36.211 Table 9.8-1 (2); TS 36.211 Table 9.8-2 (2); TS 36.211 §9.3.1 (3); TS 36.211 §9.4.2
    // TS 36.211 §9.8 (4); TS 36.212 §5.4.2 (3); TS 36.212 §5.4.3.1.2 (1)
    ideal_tm4_50prb,
    cmw500_slss,
    cmw500_pssch,
    qc9150,
    // TS 36.212 §5.4.2 with §5.1.4.1.2 (2); TS 36.212 §5.4.2 with §5.1.5
    uxm_50prb_mcs12,
);

macro_rules! references {
    ($($name:ident),* $(,)?) => { $(
        #[test]
        fn $name() {
            check_reference(stringify!($name));
        }
    )* };
}

references!(
    // TS 36.211 Table 9.8-1 (1); TS 36.211 Table 9.8-2 (1); TS 36.211 §9.2.4 (1); TS 36.211 §9.3.1 (1)
    // TS 36.211 §9.3.1 (2); TS 36.211 §9.3.2; TS 36.211 §9.3.6 (1); TS 36.211 §9.3.6 (3); TS 36.211 §9.3.6 (4)
    // TS 36.211 §9.4.1; TS 36.211 §9.4.2; TS 36.211 §9.4.4; TS 36.211 §9.8 (6); TS 36.211 §9.8 with §5.5.1.1
    // TS 36.211 §9.8 with §5.5.1.2; TS 36.211 §9.8 with §5.5.1.3; TS 36.212 §5.4.2 (1); TS 36.212 §5.4.2 (2)
    // TS 36.212 §5.4.2 with Table 5.1.3-3; TS 36.212 §5.4.2 with §5.1.3.2; TS 36.212 §5.4.2 with §5.1.4.1.1
    // TS 36.212 §5.4.2 with §5.1.4.1.2 (1); TS 36.212 §5.4.3 (1); TS 36.212 §5.4.3 (2); TS 36.212 §5.4.3 (3)
    // TS 36.212 §5.4.3.1; TS 36.212 §5.4.3.1.1 (1); TS 36.212 §5.4.3.1.1 (2)
    d2d_25prb_2ues,
    // TS 36.211 Table 9.8-1 (1); TS 36.211 §9.2.4 (1); TS 36.212 §5.4.2 with Table 5.1.3-3
    d2d_50prb_2ues_16qam,
    // TS 36.211 §9.2.1 (1)
    d2d_6prb_1ue,
    // TS 36.211 §9.2.1 (3); TS 36.211 §9.6.6 (1); TS 36.211 §9.6.6 (3); TS 36.211 §9.7.1.2 (2)
    // TS 36.211 §9.7.2.2 (2); TS 36.212 §5.4.1 (1); TS 36.212 §5.4.1.3 (2)
    psbch_25prb_nid150_extcp,
    // TS 36.211 Table 9.8-3 (2); TS 36.211 §9.6.1; TS 36.211 §9.6.2; TS 36.211 §9.6.4; TS 36.211 §9.6.6 (1)
    // TS 36.211 §9.6.6 (2); TS 36.211 §9.6.6 (3); TS 36.211 §9.7; TS 36.211 §9.7.1; TS 36.211 §9.7.1.1
    // TS 36.212 §5.4.1 (1); TS 36.212 §5.4.1.1 (1); TS 36.212 §5.4.1.2; TS 36.212 §5.4.1.3 (1)
    // TS 36.212 §5.4.1.3 (2)
    psbch_25prb_nid150_incov,
    // TS 36.211 Table 9.8-3 (3); TS 36.211 §9.8 (5); TS 36.212 §5.4.1 (2)
    psbch_25prb_nid77_v2x,
    // TS 36.211 §9.6.1; TS 36.211 §9.6.6 (2); TS 36.211 §9.7.2.1
    psbch_50prb_nid13_incov,
    // TS 36.211 Table 9.8-3 (2); TS 36.211 §9.7; TS 36.211 §9.7.1.1; TS 36.211 §9.7.2.1
    psbch_6prb_nid301_oocov,
    psbch_6prb_nid37_incov,
    psbch_6prb_nid86_period40,
    // TS 36.211 Table 9.8-3 (1); TS 36.211 §9.5.6 (1); TS 36.212 §5.4.4 (1); TS 36.212 §5.4.4 (2)
    psdch_25prb_extcp_2tx,
    psdch_25prb_type1_1tx,
    // TS 36.211 Table 9.8-3 (1); TS 36.211 §9.5.1; TS 36.211 §9.5.2; TS 36.211 §9.5.4; TS 36.211 §9.5.6 (1)
    // TS 36.211 §9.5.6 (2); TS 36.211 §9.8 with §5.5.1.2; TS 36.212 §5.4.4 (1); TS 36.212 §5.4.4 (2)
    // TS 36.212 §5.4.4 with TS 36.321 §5.15.1.2.2 (1)
    psdch_25prb_type1_4tx,
    psdch_25prb_type1_4tx_allrv0,
    psdch_50prb_type1_1tx,
    // TS 36.211 §9.5.6 (4)
    psdch_6prb_type1_2tx_2periods,
    // TS 36.211 Table 9.8-1 (2); TS 36.211 Table 9.8-2 (2); TS 36.211 §9.3.1 (1); TS 36.211 §9.3.1 (3)
    // TS 36.211 §9.4.1; TS 36.211 §9.8 (6); TS 36.211 §9.8 (7); TS 36.212 §5.4.2 (1); TS 36.212 §5.4.2 (3)
    // TS 36.212 §5.4.3 (2); TS 36.212 §5.4.3.1; TS 36.212 §5.4.3.1.2 (1)
    v2x_25prb_adjacent,
);
