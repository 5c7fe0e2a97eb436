//! Transmissions that go together in one subframe, and those that give way.

use super::*;
use crate::mapping::transmit::SciFields;
use sidelink_phy::channel::pssch::Grant;
use sidelink_phy::sci::{Format0, Format1};
use sidelink_phy::units::{Modulation, PrbRange, SlssId};

fn sync() -> Transmission {
    let id = SlssId::new(1).unwrap();
    let content = Content::Sync { id, mib: vec![0; 5], at: Clock::dfn(0), in_coverage: true };
    Transmission { cp: CyclicPrefix::Normal, amplitude: 1.0, content }
}

fn sci(fields: SciFields, prb: usize) -> Transmission {
    let content = Content::Sci { fields, bits: vec![0; 32], prb, n_cs: 0, crc16: 0 };
    Transmission { cp: CyclicPrefix::Normal, amplitude: 1.0, content }
}

fn sl_sch(start: usize) -> Transmission {
    let prbs = PrbRange { start, len: 4 };
    let grant = Grant { prbs, mcs: 5, rv: 0, n_id: 0, n_ssf: 0, transmission_format: false };
    let content = Content::SlSch { grant, modulation: Modulation::Qpsk, block: vec![0; 40], number: 0 };
    Transmission { cp: CyclicPrefix::Normal, amplitude: 1.0, content }
}

fn sl_dch(prb: usize) -> Transmission {
    let content = Content::SlDch { message: [0; 29], rv: 0, prb, transmission: 1 };
    Transmission { cp: CyclicPrefix::Normal, amplitude: 1.0, content }
}

const FORMAT0: Format0 =
    Format0 { hopping: false, rb_assignment: 0, trp: 0, mcs: 5, timing_advance: 0, group_destination: 0 };

const FORMAT1: Format1 = Format1 {
    priority: 0,
    reservation: 0,
    frequency_resource: 0,
    time_gap: 0,
    mcs: 5,
    retransmission: false,
    transmission_format: false,
    reserved: 0,
};

const D2D: Subframe = Subframe { synchronisation: false, control: false, sidelink: SidelinkMode::D2d };

/// Returns the letters of the transmissions that are kept of `planned`.
fn kept(subframe: Subframe, planned: Vec<Transmission>) -> String {
    let numerology = Numerology::standard(sidelink_phy::units::Bandwidth::Prb25, CyclicPrefix::Normal);
    let (mut used, mut left) = (Vec::new(), String::new());
    for transmission in planned {
        let range = transmission.subcarriers(numerology.bandwidth());
        if subframe.allows(&transmission.content, &range, &used) {
            used.push(range);
            left.push(match transmission.content {
                Content::Sync { .. } => 's',
                Content::Sci { .. } => 'c',
                Content::SlSch { .. } => 'd',
                Content::SlDch { .. } => 'a',
            });
        }
    }
    left
}

/// TS 36.321 §5.14.1.2.2, §5.15.1.2.2, TS 36.300 §23.10.1.
#[test]
// TS 36.211 §9.1.3 (6); TS 36.300 §23.10.1; TS 36.321 §5.14.1.2.2 (4); TS 36.321 §5.15.1.2.2 (2)
fn discovery_gives_way_to_communication() {
    let format0 = || sci(SciFields::Format0(FORMAT0), 3);
    assert_eq!(kept(D2D, vec![sl_sch(0), sl_dch(20)]), "d");
    assert_eq!(kept(D2D, vec![format0(), sl_dch(20)]), "c");
    assert_eq!(kept(D2D, vec![sl_dch(20)]), "a");
    assert_eq!(kept(Subframe { control: true, ..D2D }, vec![sl_dch(20)]), "", "PSCCH is heard");
    assert_eq!(kept(Subframe { control: true, ..D2D }, vec![format0()]), "c");
}

/// TS 36.321 §5.14.1.1 NOTE 11: one cluster a subframe in modes 1 and 2.
#[test]
// TS 36.321 §5.14.1.1 (29); TS 36.321 §5.14.1.3 (2)
fn modes_1_and_2_send_one_cluster() {
    assert_eq!(kept(D2D, vec![sl_sch(0), sl_sch(10)]), "d");
    assert_eq!(kept(D2D, vec![sl_dch(0), sl_dch(10)]), "a");
}

#[test]
fn modes_3_and_4_send_control_and_data_together_and_no_prb_twice() {
    let v2x = Subframe { sidelink: SidelinkMode::V2x, ..D2D };
    let format1 = || sci(SciFields::Format1(FORMAT1, 5), 0);
    assert_eq!(kept(v2x, vec![format1(), sl_sch(2), sl_dch(20)]), "cd");
    assert_eq!(kept(v2x, vec![format1(), sl_sch(2), sl_sch(4)]), "cd");
}

#[test]
fn a_subframe_of_synchronisation_carries_nothing_else() {
    let reserved = Subframe { synchronisation: true, ..D2D };
    assert_eq!(kept(reserved, vec![sync(), sl_sch(0), sl_dch(20)]), "s");
    assert_eq!(kept(reserved, vec![sl_sch(0)]), "");
}
