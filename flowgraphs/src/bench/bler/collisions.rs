//! Two UEs of mode 4 on one sub-channel of one subframe: which of their blocks arrive.
//!
//! Each UE has a channel, a phase and a carrier offset of its own. The receiver is the whole one: it searches the
//! sub-channels of the pool for control information, and takes what it announces.

use super::air::{Air, AirConfig};
use super::{Effort, Knowledge};
use sidelink_phy::Sample;
use sidelink_phy::channel::{pscch, pssch};
use sidelink_phy::grid::Grid;
use sidelink_phy::impair::rng::Rng;
use sidelink_phy::numerology::Numerology;
use sidelink_phy::pool::V2xPool;
use sidelink_phy::receive::receiver::{Config, Event, Receiver};
use sidelink_phy::sci::{Format1, riv_encode};
use sidelink_phy::sequence::dmrs::References;
use sidelink_phy::units::{Bandwidth, CyclicPrefix, Decibel, Hertz, SidelinkMode, TransmissionMode};
use std::sync::Arc;

/// Sub-channels of the pool; both UEs take the second.
const SUB_CHANNELS: usize = 5;

/// Largest carrier offset of a UE against the common one, in Hz.
const MOST_OFFSET: f64 = 100.0;

/// Subframe of a radio frame.
const SUBFRAME: u8 = 3;

/// Results of a number of subframes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Subframes.
    pub trials: u32,
    /// Blocks of the stronger UE that arrived.
    pub stronger: u32,
    /// Blocks of the weaker UE that arrived.
    pub weaker: u32,
    /// Subframes of which both arrived.
    pub both: u32,
    /// Blocks that nobody sent.
    pub wrong: u32,
}

impl Outcome {
    fn add(&mut self, other: Self) {
        self.trials += other.trials;
        self.stronger += other.stronger;
        self.weaker += other.weaker;
        self.both += other.both;
        self.wrong += other.wrong;
    }
}

/// Sends the blocks of two UEs of which the weaker is received `gap` below the stronger, whose Es/N0 is `es_n0`; QPSK of
/// I_MCS `mcs`, eight PRBs.
pub fn run(es_n0: Decibel, gap: Decibel, mcs: u8, air: &AirConfig, effort: Effort) -> Outcome {
    let mut all = Outcome::default();
    for i in 0..u64::from(effort.seeds) {
        let air = AirConfig { seed: air.seed.wrapping_add(i), ..*air };
        all.add(Scene::new(es_n0, gap, mcs, &air).run(effort.trials));
    }
    all
}

/// Both UEs, their air and the receiver.
struct Scene {
    ues: [Ue; 2],
    common: Hertz,
    mcs: u8,
    pool: V2xPool,
    control: pscch::Encoder,
    shared: pssch::Encoder,
    receiver: Receiver,
    rng: Rng,
    grid: Grid,
}

struct Ue {
    air: Air,
    amplitude: f32,
    block: Vec<u8>,
}

impl Scene {
    fn new(es_n0: Decibel, gap: Decibel, mcs: u8, config: &AirConfig) -> Self {
        let numerology = Numerology::standard(Bandwidth::Prb50, CyclicPrefix::Normal);
        let references = Arc::new(References::new(50));
        let pool = V2xPool::simple(10, SUB_CHANNELS);
        let ue = |salt: u64, amplitude: f64, es_n0: Decibel| {
            let config = AirConfig { seed: config.seed ^ salt, ..*config };
            let mut air = Air::new(numerology, config, Knowledge::Estimated);
            air.set_es_n0(es_n0);
            Ue { air, amplitude: amplitude as f32, block: Vec::new() }
        };
        let mut receives = Config::new(numerology, TransmissionMode::Tm4);
        receives.v2x = Some(pool.clone());
        receives.antennas = config.antennas;
        Self {
            // the noise comes with the stronger UE
            ues: [ue(0, 1.0, es_n0), ue(1 << 50, 1.0 / gap.amplitude_ratio(), Decibel(300.0))],
            common: config.cfo,
            mcs,
            pool,
            control: pscch::Encoder::new(numerology, SidelinkMode::V2x, references.clone()),
            shared: pssch::Encoder::new(numerology, TransmissionMode::Tm4, references),
            receiver: Receiver::new(receives),
            rng: Rng::new(config.seed ^ 0xc011),
            grid: Grid::new(numerology),
        }
    }

    fn run(&mut self, trials: u32) -> Outcome {
        let mut outcome = Outcome { trials, ..Outcome::default() };
        for i in 0..u64::from(trials) {
            if (0..2).any(|ue| self.send(ue).is_none()) {
                continue;
            }
            let arrived = self.receive(10 * i + u64::from(SUBFRAME), &mut outcome.wrong);
            outcome.stronger += u32::from(arrived[0]);
            outcome.weaker += u32::from(arrived[1]);
            outcome.both += u32::from(arrived == [true; 2]);
        }
        outcome
    }

    /// Sends the control information and the block of a UE.
    fn send(&mut self, ue: usize) -> Option<()> {
        let sci = Format1 {
            priority: self.rng.below(8) as u8,
            reservation: self.rng.below(11) as u8,
            frequency_resource: riv_encode(SUB_CHANNELS, 0, 1)? as u8,
            time_gap: 0,
            mcs: self.mcs,
            retransmission: false,
            transmission_format: false,
            reserved: 0,
        };
        let mut bits = [0; Format1::BITS];
        sci.emit(SUB_CHANNELS, &mut bits).ok()?;
        self.grid.clear();
        let (at, shift) = (self.pool.control(1).start, 3 * self.rng.below(4) as u8);
        let Ue { air, amplitude, block } = &mut self.ues[ue];
        let n_id = self.control.encode(&bits, at, shift, *amplitude, &mut self.grid).ok()?;
        let prbs = self.pool.data(1, 1)?;
        let grant =
            pssch::Grant { prbs, mcs: self.mcs, rv: 0, n_id, n_ssf: SUBFRAME, transmission_format: false };
        let (_, size) = grant.size(SidelinkMode::V2x).ok()?;
        block.resize(size / 8, 0);
        block.fill_with(|| self.rng.below(256) as u8);
        self.shared.encode(block, &grant, *amplitude, &mut self.grid).ok()?;
        air.config.cfo = self.common + Hertz(MOST_OFFSET * (2.0 * self.rng.uniform() - 1.0));
        air.carry(&self.grid);
        Some(())
    }

    /// Receives what all antennas have of both; returns whose block arrived.
    fn receive(&mut self, k: u64, wrong: &mut u32) -> [bool; 2] {
        let [first, second] = &self.ues;
        let sum = |(a, b): (&[Sample], &[Sample])| a.iter().zip(b).map(|(a, b)| a + b).collect();
        let samples: Vec<Vec<Sample>> =
            first.air.samples().into_iter().zip(second.air.samples()).map(sum).collect();
        let samples: Vec<&[Sample]> = samples.iter().map(Vec::as_slice).collect();
        let mut arrived = [false; 2];
        self.receiver.process_antennas(k, &samples, &mut |event| {
            if let Event::SlSch(shared) = event {
                match self.ues.iter().position(|ue| ue.block == shared.block) {
                    Some(ue) => arrived[ue] = true,
                    None => *wrong += 1,
                }
            }
        });
        arrived
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sidelink_phy::units::Antennas;

    /// Whatever is done about collisions: the stronger UE arrives, and a UE that is not there does not.
    #[test]
    fn the_stronger_block_arrives_and_nothing_is_made_up() {
        let channel = "awgn".parse().unwrap();
        let air = AirConfig { channel, cfo: Hertz(0.0), antennas: Antennas::ONE, seed: 1 };
        let effort = Effort { trials: 20, seeds: 2 };
        let alone = run(Decibel(20.0), Decibel(60.0), 5, &air, effort);
        assert_eq!((alone.trials, alone.stronger, alone.weaker, alone.wrong), (40, 40, 0, 0));
        let apart = run(Decibel(20.0), Decibel(10.0), 5, &air, effort);
        assert!(apart.stronger >= 36 && apart.wrong == 0, "{apart:?}");
        assert!(apart.both <= apart.weaker.min(apart.stronger));
    }
}
