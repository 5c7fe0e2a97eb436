//! The receiver hears by a pool what the generator sends by the same pool.

use super::*;
use crate::config::receiver_config;
use sidelink_phy::receive::receiver::{Event as Heard, Receiver};
use sidelink_phy::units::DfnSubframe;
use std::collections::BTreeSet;

/// Blocks and messages of a scenario.
#[derive(Debug, Default, PartialEq, Eq)]
struct Air {
    blocks: BTreeSet<Vec<u8>>,
    messages: BTreeSet<Vec<u8>>,
    scis: usize,
}

/// What is sent, and what is heard of it by who knows the pool, and the time where `first` tells it.
fn air(text: &str, first: Option<u64>) -> (Air, Air) {
    let s = scenario(text);
    let (samples, events) = run(&s);
    let mut sent = Air::default();
    for event in &events {
        match &event.transmission.content {
            Content::SlSch { block, .. } => drop(sent.blocks.insert(block.clone())),
            Content::SlDch { message, .. } => drop(sent.messages.insert(message.to_vec())),
            Content::Sci { .. } => sent.scis += 1,
            _ => {}
        }
    }
    let numerology = Generator::new(&s).unwrap().numerology();
    let mut receiver = Receiver::new(receiver_config(&s.radio.resolve().unwrap(), numerology));
    if let Some(first) = first {
        receiver.set_time(0, DfnSubframe::from_count(first));
    }
    let mut heard = Air::default();
    for (k, samples) in samples.chunks_exact(numerology.subframe_samples()).enumerate() {
        receiver.process(k as u64, samples, &mut |event| match event {
            Heard::SlSch(block) => drop(heard.blocks.insert(block.block.to_vec())),
            Heard::SlDch { message, .. } => drop(heard.messages.insert(message.to_vec())),
            Heard::Sci { .. } => heard.scis += 1,
            _ => {}
        });
    }
    (sent, heard)
}

/// TS 36.213 §14.1.1.4: in mode 2 a hop is an index of the pool, here of PRBs 5 to 12 and 15 to 22.
#[test]
// TS 36.211 §9.3.6 (12); TS 36.213 §14.1.1.4 (3)
fn hopping_blocks_arrive() {
    let text = |prb: u32, bits: u32, hopping: &str, data: &str| {
        format!(
            "duration = 160\nsnr = 25\n[radio]\nprb = {prb}\ntm = 2\n[[radio.communication]]\nperiod = 40\n\
             control-bitmap = \"0111 1000\"\ncontrol-prb = {{ start = 1, end = 23, num = 10 }}\n{data}\
             hopping = {{ {hopping} }}\n[[ue]]\ncommunication = [{{ resource = 7, group = 101, trp = 40, mcs = 5, \
             start = 1, len = 3, hopping = {bits} }}]\n"
        )
    };
    let pool = "data-bitmap = \"1\"\ndata-offset = 8\ndata-prb = { start = 5, end = 22, num = 8 }\n";
    let cases = [
        (25, 0, "parameter = 0, subbands = 1", pool),
        (25, 1, "parameter = 0, subbands = 1", pool),
        (25, 1, "subbands = 2, parameter = 504, rb-offset = 1", pool),
        (50, 2, "parameter = 0, subbands = 1, rb-offset = 2", pool),
        (
            50,
            3,
            "subbands = 4, parameter = 77",
            "data-bitmap = \"1\"\ndata-offset = 8\ndata-prb = { start = 4, end = 47, num = 22 }\n",
        ),
        // mode 1: over the carrier
        (25, 0, "parameter = 0, subbands = 1", ""),
    ];
    for (prb, bits, hopping, data) in cases {
        let text = text(prb, bits, hopping, data);
        let text = if data.is_empty() { text.replace("tm = 2", "tm = 1") } else { text };
        let (sent, heard) = air(&text, Some(0));
        assert!(sent.blocks.len() > 8, "{text}");
        assert_eq!(heard.blocks, sent.blocks, "{text}");
        // the time unknown, the reference signals tell n_ssf: of each period the first block may be missed
        let (_, heard) = air(&text, None);
        assert!(heard.blocks.is_subset(&sent.blocks) && heard.blocks.len() * 2 > sent.blocks.len(), "{text}");
    }
}

/// TS 36.213 §14.2.3, §14.3.3: the period that begins at 10220 (10230) ends at 19 (309) of the next DFN cycle.
#[test]
// TS 36.211 §9.5.6 (5); TS 36.213 §14.2.3 (2); TS 36.213 §14.3.3 (1)
fn the_last_period_of_a_dfn_cycle_is_whole() {
    let text = "duration = 120\nfirst-subframe = 10200\nsnr = 20\n[radio]\nprb = 25\ntm = 2\n\
                [[radio.communication]]\nperiod = 40\noffset = 20\ncontrol-bitmap = \"0000 0000 0000 0000 0000 0011 1100\"\n\
                control-prb = { start = 1, end = 23, num = 10 }\ndata-bitmap = \"1\"\ndata-offset = 30\n\
                [[radio.discovery]]\nperiod = 320\noffset = 310\n\
                bitmap = \"0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0011 1100\"\ntransmissions = 2\n\
                prb = { start = 0, end = 24, num = 12 }\n\
                [[ue]]\ncommunication = [{ resource = 7, group = 101, trp = 105, mcs = 5, start = 2, len = 8 }]\n\
                [[ue]]\ndiscovery = [{ message = \"random\", resource = 3 }]\n";
    let (_, events) = run(&scenario(text));
    let (sent, heard) = air(text, Some(10_200));
    // two periods begin, at 10220 and 20: the first one has its SCIs and all of its blocks in the next cycle
    assert_eq!((count(&events, "PSCCH"), sent.scis, heard.scis), (4, 4, 4));
    assert_eq!(count(&events, "PSSCH"), 4 * sent.blocks.len());
    assert!(events.iter().any(|e| e.transmission.channel() == "PSSCH" && e.at.count() < 20));
    assert_eq!(heard.blocks, sent.blocks);
    assert_eq!((count(&events, "PSDCH"), sent.messages.len()), (2, 1));
    assert_eq!(heard.messages, sent.messages);
}
