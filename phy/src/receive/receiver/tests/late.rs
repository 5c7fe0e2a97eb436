//! Paths that are later than half a cyclic prefix: blocks of 16QAM come by a later window.

use super::super::{CommunicationPlace, Config, Event, Receiver};
use super::collisions::{CP, Encoders, Heard, communication, format_0, format_1, numerology, v2x_receiver};
use crate::Sample;
use crate::channel::pssch::{Grant, REDUNDANCY_VERSIONS};
use crate::pool::V2xPool;
use crate::sci::{Format0, Format1};
use crate::units::{Antennas, Bandwidth, DfnSubframe, PrbRange, SidelinkMode, TransmissionMode};

/// Samples between two paths of the same power; a cyclic prefix has 36, and the usual window begins 18 early.
const APART: usize = 28;

/// Sends what is on the grid on two paths.
fn send(ue: &mut Encoders, cfo: f64, apart: usize, air: &mut [Sample]) {
    let grid = ue.grid.clone();
    for delay in [0, apart] {
        ue.grid.copy_from(&grid);
        ue.send((-3.0, cfo, delay), air);
    }
}

/// Returns how many of `count` blocks arrive in mode 4.
fn in_mode_4(mcs: u8, apart: usize, es_n0: f64, count: u64) -> usize {
    let pool = V2xPool::simple(8, 3);
    let mut ue = Encoders::new(TransmissionMode::Tm4, 41);
    let mut receiver = v2x_receiver(&pool, Antennas::ONE);
    let mut arrived = 0;
    for k in 0..count {
        let mut air = vec![Sample::default(); numerology().subframe_samples()];
        let mut block = Vec::new();
        let sci = Format1 { mcs, ..format_1(&pool, 0, 1, 1) };
        ue.v2x(&pool, &sci, 1, 3, (k % 10) as u8, &mut block);
        send(&mut ue, 180.0, apart, &mut air);
        ue.noise(es_n0, &mut air);
        receiver.process(k, &air, &mut |event| {
            if let Event::SlSch(heard) = event {
                assert_eq!(heard.block, block);
                let cfo = heard.measurement.cfo.0;
                assert!((cfo - 180.0).abs() < 50.0, "{cfo} Hz");
                arrived += 1;
            }
        });
    }
    arrived
}

/// Returns how many of `count` blocks arrive in mode 2 by some transmissions.
fn in_mode_2(mcs: u8, apart: usize, (es_n0, transmissions): (f64, usize), count: u64) -> usize {
    let pool = communication();
    let (control, data) = (pool.control_resource(25, 4).unwrap()[0], pool.pattern_subframes(10));
    let mut ue = Encoders::new(TransmissionMode::Tm2, 42);
    let mut config = Config::new(numerology(), TransmissionMode::Tm2);
    config.communication = vec![CommunicationPlace { pool, control_cp: CP, data_cp: CP }];
    let mut receiver = Receiver::new(config);
    receiver.set_time(0, DfnSubframe::from_count(0));
    let mut arrived = 0;
    for i in 0..count {
        let sci = format_0(3, mcs);
        let mut bits = vec![0; Format0::bits(Bandwidth::Prb25)];
        sci.emit(Bandwidth::Prb25, &mut bits).unwrap();
        ue.control.encode(&bits, control.1, 0, 1.0, &mut ue.grid).unwrap();
        let mut air = vec![Sample::default(); numerology().subframe_samples()];
        send(&mut ue, 180.0, apart, &mut air);
        ue.noise(es_n0, &mut air);
        let mut heard = Heard::default();
        heard.process(&mut receiver, 40 * i + u64::from(control.0), &air);
        let mut block = Vec::new();
        for (j, &(into, index)) in data.iter().take(transmissions).enumerate() {
            let grant = Grant {
                prbs: PrbRange { start: 3, len: 6 },
                mcs,
                rv: REDUNDANCY_VERSIONS[j],
                n_id: 3,
                n_ssf: (index % 10) as u8,
                transmission_format: false,
            };
            if block.is_empty() {
                block = ue.octets(grant.size(SidelinkMode::D2d).unwrap().1 / 8);
            }
            ue.shared.encode(&block, &grant, 1.0, &mut ue.grid).unwrap();
            let mut air = vec![Sample::default(); numerology().subframe_samples()];
            send(&mut ue, 180.0, apart, &mut air);
            ue.noise(es_n0, &mut air);
            heard.process(&mut receiver, 40 * i + u64::from(into), &air);
        }
        assert!(heard.blocks.iter().all(|b| b.0 == block));
        arrived += usize::from(heard.layer(&block).is_some());
    }
    arrived
}

#[test]
fn late_paths_are_received_with_a_later_window() {
    let (four, two) = (in_mode_4(17, APART, 30.0, 12), in_mode_2(19, APART, (30.0, 1), 12));
    assert!(four >= 10 && two >= 10, "{four} {two} of 12");
}
