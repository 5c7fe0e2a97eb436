//! Control, broadcast and discovery channels on channels that are wide and fast: what the second hypothesis gains.

use super::accuracy::{ETU, EVA, Scene};
use super::*;
use crate::channel::{psbch, pscch, psdch};
use crate::units::SlssId;

/// Sends grids over the channel of a scene.
struct Path {
    scene: Scene,
    numerology: Numerology,
    rng: Rng,
}

impl Path {
    fn new(scene: Scene, cp: CyclicPrefix) -> Self {
        Self { scene, numerology: Numerology::standard(Bandwidth::Prb6, cp), rng: Rng::new(31) }
    }

    fn carry(&mut self, grid: &mut Grid) {
        let times: [f64; 14] =
            std::array::from_fn(
                |l| {
                    if l < grid.symbols() { self.numerology.symbol_distance(0, l) } else { 0.0 }
                },
            );
        let gains = self.scene.gains(&mut self.rng, &times);
        let noise = 10f64.powf(-self.scene.snr_db / 20.0) as f32;
        for k in 0..grid.subcarriers() {
            let turns: Vec<Sample> = self.scene.turns(k).collect();
            for l in 0..grid.symbols() {
                let h: Sample = gains.iter().zip(&turns).map(|(gain, turn)| gain[l] * turn).sum();
                let x = &mut grid.symbol_mut(l)[k];
                *x = *x * h + self.rng.complex_gaussian() * noise;
            }
        }
    }
}

/// Returns how many of `count` arrive: SCIs of a mode, MIBs, messages sent once and received into two processes.
fn arrive(scene: Scene, count: usize) -> [usize; 3] {
    let mut path = Path::new(scene, CyclicPrefix::Normal);
    let (n, r) = (path.numerology, Arc::new(References::new(6)));
    let sidelink = scene.sidelink;
    let mut control = pscch::Encoder::new(n, sidelink, r.clone());
    let mut broadcast = psbch::Encoder::new(n, sidelink, r.clone());
    let mut announced = psdch::Encoder::new(n, r.clone());
    let mut scis = pscch::Decoder::new(n, sidelink, r.clone(), Antennas::ONE);
    let mut mibs = psbch::Decoder::new(n, sidelink, r.clone(), Antennas::ONE);
    let mut discovery = psdch::Decoder::new(n, r, Antennas::ONE);
    let mut sides = [psdch::Process::new(), psdch::Process::new()];
    let mut heard = [0; 3];
    for i in 0..count {
        let mut grids = [0; 3].map(|_| Grid::new(n));
        let sci: Vec<u8> = (0..scis.payload_bits()).map(|b| (b + i) as u8 % 3 % 2).collect();
        let mib: Vec<u8> = (0..psbch::payload_bits(sidelink)).map(|b| (b + i) as u8 % 5 % 2).collect();
        let (message, id) = (std::array::from_fn(|b| (b + i) as u8), SlssId::new(17).unwrap());
        control.encode(&sci, 2, 0, 1.0, &mut grids[0]).unwrap();
        broadcast.encode(&mib, id, 1.0, &mut grids[1]).unwrap();
        announced.encode(&message, 0, 2, 1.0, &mut grids[2]).unwrap();
        grids.iter_mut().for_each(|grid| path.carry(grid));
        let [a, b, c] = grids.each_ref().map(std::slice::from_ref);
        let mut out = (vec![0; sci.len()], vec![0; mib.len()], [0; psdch::MESSAGE_BYTES]);
        let found = scis.decode(a, 2, 0, Hertz(1500.0), &mut out.0);
        heard[0] += usize::from(found.is_some() && out.0 == sci);
        heard[1] += usize::from(mibs.decode(b, id, &mut out.1).is_some() && out.1 == mib);
        sides.iter_mut().for_each(psdch::Process::reset);
        // one offset alone is possible
        discovery.receive_both(c, 2, 0, Hertz(900.0), &mut sides).unwrap();
        heard[2] += usize::from(
            sides.iter_mut().any(|side| discovery.decode(side, &mut out.2).is_some() && out.2 == message),
        );
    }
    heard
}

/// Without the second hypothesis 55 SCIs arrive, 142 MIBs and 72 messages.
#[test]
fn a_second_hypothesis_gains() {
    let [scis, ..] = arrive(Scene { paths: ETU, doppler_hz: 300.0, snr_db: -4.0, ..Scene::D2D }, 200);
    let fast = Scene { paths: ETU, doppler_hz: 500.0, ..Scene::V2X };
    let mibs: usize =
        [-7.0, -5.5, -4.0].into_iter().map(|snr_db| arrive(Scene { snr_db, ..fast }, 100)[1]).sum();
    let [.., messages] = arrive(Scene { paths: EVA, doppler_hz: 600.0, snr_db: 8.0, ..Scene::D2D }, 100);
    assert!(scis >= 61 && mibs >= 153 && messages >= 78, "{scis} of 200, {mibs} of 300, {messages} of 100");
}

/// Whatever the values, all tries end.
#[test]
fn tries_of_damaged_values_end() {
    let n = Numerology::standard(Bandwidth::Prb6, CyclicPrefix::Normal);
    let r = Arc::new(References::new(6));
    for antennas in [Antennas::ONE, Antennas::new(2).unwrap()] {
        for sidelink in [SidelinkMode::D2d, SidelinkMode::V2x] {
            let mut scis = pscch::Decoder::new(n, sidelink, r.clone(), antennas);
            let mut mibs = psbch::Decoder::new(n, sidelink, r.clone(), antennas);
            let mut discovery = psdch::Decoder::new(n, r.clone(), antennas);
            let mut sides = [psdch::Process::new(), psdch::Process::new()];
            for value in [f32::NAN, f32::INFINITY, f32::MAX, 1e20, 1e-30, 0.0] {
                let mut grids = vec![Grid::new(n); antennas.count()];
                for (grid, other) in grids.iter_mut().zip([value, -value]) {
                    (0..14).for_each(|l| grid.symbol_mut(l).fill(Sample::new(value, other)));
                }
                let (mut sci, mut mib) =
                    (vec![0; scis.payload_bits()], vec![0; psbch::payload_bits(sidelink)]);
                assert_eq!(scis.decode(&grids, 2, 0, Hertz(1e5), &mut sci), None, "{value}");
                assert_eq!(mibs.decode(&grids, SlssId::new(17).unwrap(), &mut mib), None, "{value}");
                discovery.receive_both(&grids, 2, 0, Hertz(900.0), &mut sides).unwrap();
            }
        }
    }
}
