//! Two UEs on the same resources: which of their blocks arrive.
//!
//! Each UE has a channel, a phase and a carrier offset of its own in every subframe. The receiver is the whole one: it
//! knows the pool and the time, searches the pool, and takes what control information announces.

mod traffic;

use super::air::{Air, AirConfig};
use super::{Effort, Knowledge};
use sidelink_phy::Sample;
use sidelink_phy::grid::Grid;
use sidelink_phy::impair::rng::Rng;
use sidelink_phy::receive::receiver::{Config, Event, Receiver};
use sidelink_phy::units::{Decibel, DfnSubframe, Hertz, TransmissionMode};
use traffic::{Discovery, Mode2, Mode4, Traffic};

/// Largest carrier offset of a UE against the common one, in Hz.
const MOST_OFFSET: f64 = 100.0;

/// I_MCS of the blocks: QPSK.
pub const MCS: u8 = 5;

/// Resources that two UEs share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shared {
    /// PSCCH and PSSCH of mode 4 on one sub-channel, one transmission.
    Mode4,
    /// PSCCH and PSSCH of mode 2, four transmissions, to different groups.
    Mode2,
    /// The same to one group.
    Mode2OneGroup,
    /// PSDCH, one transmission.
    Discovery,
}

impl Shared {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Mode4, Self::Mode2, Self::Mode2OneGroup, Self::Discovery];

    /// Returns the name of its case.
    pub const fn case(self) -> &'static str {
        match self {
            Self::Mode4 => "collisions-tm4",
            Self::Mode2 => "collisions-tm2",
            Self::Mode2OneGroup => "collisions-one-group-tm2",
            Self::Discovery => "collisions-discovery",
        }
    }

    /// Returns its I_MCS, if it has one.
    pub const fn mcs(self) -> Option<u8> {
        match self {
            Self::Discovery => None,
            _ => Some(MCS),
        }
    }

    const fn mode(self) -> TransmissionMode {
        match self {
            Self::Mode4 => TransmissionMode::Tm4,
            _ => TransmissionMode::Tm2,
        }
    }

    fn traffic(self) -> Box<dyn Traffic> {
        match self {
            Self::Mode4 => Box::new(Mode4::new(MCS)),
            Self::Mode2 => Box::new(Mode2::new(MCS, [3, 80])),
            Self::Mode2OneGroup => Box::new(Mode2::new(MCS, [3, 3])),
            Self::Discovery => Box::new(Discovery::new()),
        }
    }
}

/// Results of a number of blocks of each UE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Blocks of each.
    pub trials: u32,
    /// Blocks of the stronger UE that arrived.
    pub stronger: u32,
    /// Blocks of the weaker UE that arrived.
    pub weaker: u32,
    /// Times that both arrived.
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

/// Sends blocks of two UEs on `shared`, of which the weaker is received `gap` below the stronger, whose Es/N0 is `es_n0`.
pub fn run(shared: Shared, es_n0: Decibel, gap: Decibel, air: &AirConfig, effort: Effort) -> Outcome {
    let mut all = Outcome::default();
    for i in 0..u64::from(effort.seeds) {
        let air = AirConfig { seed: air.seed.wrapping_add(i), ..*air };
        all.add(Scene::new(shared, es_n0, gap, &air).run(effort.trials));
    }
    all
}

/// Both UEs, their air and the receiver.
struct Scene {
    ues: [Ue; 2],
    common: Hertz,
    traffic: Box<dyn Traffic>,
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
    fn new(shared: Shared, es_n0: Decibel, gap: Decibel, config: &AirConfig) -> Self {
        let numerology = traffic::numerology();
        let ue = |salt: u64, amplitude: f64, es_n0: Decibel| {
            let config = AirConfig { seed: config.seed ^ salt, ..*config };
            let mut air = Air::new(numerology, config, Knowledge::Estimated);
            air.set_es_n0(es_n0);
            Ue { air, amplitude: amplitude as f32, block: Vec::new() }
        };
        let traffic = shared.traffic();
        let mut receives = Config::new(numerology, shared.mode());
        traffic.tell(&mut receives);
        receives.antennas = config.antennas;
        let mut receiver = Receiver::new(receives);
        receiver.set_time(0, DfnSubframe::from_count(0));
        Self {
            // the noise comes with the stronger UE
            ues: [ue(0, 1.0, es_n0), ue(1 << 50, 1.0 / gap.amplitude_ratio(), Decibel(300.0))],
            common: config.cfo,
            traffic,
            receiver,
            rng: Rng::new(config.seed ^ 0xc011),
            grid: Grid::new(numerology),
        }
    }

    fn run(&mut self, trials: u32) -> Outcome {
        let mut outcome = Outcome { trials, ..Outcome::default() };
        let (period, subframes) = (self.traffic.period(), self.traffic.subframes());
        for i in 0..u64::from(trials) {
            for (ue, own) in self.ues.iter_mut().enumerate() {
                own.block = self.traffic.draw(ue, &mut self.rng);
            }
            let mut arrived = [false; 2];
            for (at, k) in subframes.iter().enumerate() {
                if (0..2).all(|ue| self.send(ue, at).is_some()) {
                    self.receive(period * i + k, &mut arrived, &mut outcome.wrong);
                }
            }
            outcome.stronger += u32::from(arrived[0]);
            outcome.weaker += u32::from(arrived[1]);
            outcome.both += u32::from(arrived == [true; 2]);
        }
        outcome
    }

    /// Sends transmission number `at` of a UE.
    fn send(&mut self, ue: usize, at: usize) -> Option<()> {
        let Ue { air, amplitude, block } = &mut self.ues[ue];
        self.grid.clear();
        self.traffic.write(ue, at, block, *amplitude, &mut self.grid)?;
        air.config.cfo = self.common + Hertz(MOST_OFFSET * (2.0 * self.rng.uniform() - 1.0));
        air.carry(&self.grid);
        Some(())
    }

    /// Receives what all antennas have of both; notes whose block arrived.
    fn receive(&mut self, k: u64, arrived: &mut [bool; 2], wrong: &mut u32) {
        let [first, second] = &self.ues;
        let sum = |(a, b): (&[Sample], &[Sample])| a.iter().zip(b).map(|(a, b)| a + b).collect();
        let samples: Vec<Vec<Sample>> =
            first.air.samples().into_iter().zip(second.air.samples()).map(sum).collect();
        let samples: Vec<&[Sample]> = samples.iter().map(Vec::as_slice).collect();
        self.receiver.process_antennas(k, &samples, &mut |event| {
            let block = match &event {
                Event::SlSch(shared) => shared.block,
                Event::SlDch { message, .. } => &message[..],
                _ => return,
            };
            match self.ues.iter().position(|ue| ue.block == block) {
                Some(ue) => arrived[ue] = true,
                None => *wrong += 1,
            }
        });
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
        let effort = Effort { trials: 10, seeds: 2 };
        for shared in Shared::ALL {
            let alone = run(shared, Decibel(20.0), Decibel(60.0), &air, effort);
            assert_eq!(
                (alone.trials, alone.stronger, alone.weaker, alone.wrong),
                (20, 20, 0, 0),
                "{}",
                shared.case()
            );
            let apart = run(shared, Decibel(20.0), Decibel(10.0), &air, effort);
            assert!(apart.both >= 17 && apart.wrong == 0, "{}: {apart:?}", shared.case());
            assert!(apart.both <= apart.weaker.min(apart.stronger));
        }
    }
}
