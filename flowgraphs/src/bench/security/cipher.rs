//! Ciphers and MACs at the lengths of sidelink PDUs.

use super::{Row, figure, nanos};
use sidelink_security::cipher::{Algorithm, Bearer, Direction, Eea, Eia, Inputs};
use sidelink_security::counter::Count;
use sidelink_security::keys::{Pek, Pik};
use std::hint::black_box;
use std::time::Duration;

/// Octets of the PDUs.
const OCTETS: [usize; 5] = [29, 100, 300, 1500, 8000];

pub(super) const NAMES: [&str; 8] = ["EEA0", "EEA1", "EEA2", "EEA3", "EIA0", "EIA1", "EIA2", "EIA3"];

const ALGORITHMS: [Algorithm; 4] = [Algorithm::Null, Algorithm::Snow3g, Algorithm::Aes, Algorithm::Zuc];

pub(super) fn run(budget: Duration, done: &mut dyn FnMut(Row)) {
    for (algorithm, name) in ALGORITHMS.into_iter().zip(NAMES) {
        let eea = Eea::new(algorithm, &Pek::from([7; 16]));
        for octets in OCTETS {
            let mut data = vec![0x5a; octets];
            let mut count = 0;
            let ns = nanos(budget, || {
                count += 1;
                eea.apply(inputs(count), black_box(&mut data));
            });
            done(row(name, octets, ns));
        }
    }
    for (algorithm, name) in ALGORITHMS.into_iter().zip(&NAMES[4..]) {
        let eia = Eia::new(algorithm, &Pik::from([7; 16]));
        for octets in OCTETS {
            let data = vec![0x5a; octets];
            let mut count = 0;
            let ns = nanos(budget, || {
                count += 1;
                black_box(eia.protect(inputs(count), black_box(&data)));
            });
            done(row(name, octets, ns));
        }
    }
}

const fn inputs(count: u32) -> Inputs {
    Inputs { count: Count::new(count), bearer: Bearer::from_lcid(1), direction: Direction::Zero }
}

fn row(name: &str, octets: usize, ns: f64) -> Row {
    let mbit = 8e3 * octets as f64 / ns.max(1e-3);
    Row::new("cipher", name, &[("octets", octets.into()), ("ns", figure(ns)), ("mbit_s", figure(mbit))])
}
