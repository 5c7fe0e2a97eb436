//! One pass over the samples: levels, spectrum, which bands are in use when. The memory does not depend on the length.

use crate::Sample;
use num_complex::Complex64;
use sidelink_phy::impair::ceiling::Ceiling;
use sidelink_phy::impair::measure::Levels;
use sidelink_phy::impair::spectrum::Spectrum;
use sidelink_phy::numerology::SUBCARRIER_SPACING;
use sidelink_phy::units::Bandwidth;
use sidelink_radio::slices;
use sidelink_recordings::{Error, Recording};

/// Frequency bands, relative to the centre, in Hz.
#[derive(Clone, Debug, PartialEq)]
pub struct Bands {
    /// Whether they are the PRBs of a carrier.
    pub are_prbs: bool,
    /// Lower and upper edge of each, the lowest first.
    pub edges: Vec<(f64, f64)>,
}

impl Bands {
    /// The PRBs of a carrier.
    pub fn prbs(bandwidth: Bandwidth) -> Self {
        let width = 12.0 * SUBCARRIER_SPACING.0;
        let lowest = -(bandwidth.prbs() as f64) / 2.0 * width;
        let edge = |q: usize| lowest + q as f64 * width;
        Self { are_prbs: true, edges: (0..bandwidth.prbs()).map(|q| (edge(q), edge(q + 1))).collect() }
    }

    /// `count` equal slices of what a sample rate covers.
    pub fn slices(rate: f64, count: usize) -> Self {
        let edge = |q: usize| rate * (q as f64 / count as f64 - 0.5);
        Self { are_prbs: false, edges: (0..count).map(|q| (edge(q), edge(q + 1))).collect() }
    }
}

/// A stretch of time.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// First sample.
    pub start: u64,
    /// Levels.
    pub levels: Levels,
    /// Mean power of each bin, the lowest frequency first.
    pub spectrum: Vec<f32>,
    /// The largest power that each band had in any block of the stretch.
    pub peaks: Vec<f32>,
}

/// Which bands are in use.
#[derive(Clone, Debug, PartialEq)]
pub struct Occupancy {
    /// Power of a band that is not in use.
    pub floor: f32,
    /// Power from which on a band counts as in use.
    pub threshold: f32,
    /// Share of the blocks in which each band is in use.
    pub share: Vec<f64>,
}

/// What a recording looks like.
#[derive(Clone, Debug, PartialEq)]
pub struct Scan {
    /// Samples a second.
    pub rate: f64,
    /// Samples that were read.
    pub samples: u64,
    /// Samples of a block: about 1 ms.
    pub block: usize,
    /// Levels; nothing counts as clipped.
    pub levels: Levels,
    /// Whether it stands at its limits.
    pub ceiling: Ceiling,
    /// Samples that are exactly zero in whole blocks: gaps, or dropped samples.
    pub silent_blocks: u64,
    /// Number of blocks.
    pub blocks: u64,
    /// Mean power of each bin, the lowest frequency first.
    pub spectrum: Vec<f32>,
    /// The bands that are told apart.
    pub bands: Bands,
    /// At most 360 stretches of equal length.
    pub rows: Vec<Row>,
    /// Which bands are in use.
    pub occupancy: Occupancy,
    /// Magnitude of the correlation with the first channel of the recording: 0 (independent) to 1 (alike); `None` if one of
    /// both is silent, or the recording has one channel.
    pub alike: Option<f64>,
}

/// Stretches of time that are told apart.
pub(super) const MAX_ROWS: usize = 360;

/// A band is in use this far above the floor, in dB. Over 1 ms the power of a PRB of noise spreads by less than 1 dB.
pub(super) const ABOVE_FLOOR_DB: f32 = 6.0;
/// What is this far below the strongest band of the same block is leakage, in dB: two PRBs beside SC-FDMA that is not
/// windowed 25 dB are left.
const BELOW_STRONGEST_DB: f32 = 22.0;
/// Share of the quietest cells that the floor is taken at.
const FLOOR_QUANTILE: f64 = 0.1;

/// Read `recording` from its position to its end: a scan for each of its channels. `progress` is told the samples that were
/// read.
///
/// # Errors
/// What the reader says.
pub fn scan(
    recording: &mut Recording,
    rate: f64,
    bands: Bands,
    progress: &mut dyn FnMut(u64),
) -> Result<Vec<Scan>, Error> {
    // bins of a subcarrier where the rate allows it
    let bins = ((rate / SUBCARRIER_SPACING.0).round() as usize).clamp(64, 4096);
    let block = ((rate / 1000.0).round() as usize).max(2 * bins);
    let length = recording.info().length.saturating_sub(recording.position());
    let blocks_per_row = length.div_ceil(block as u64).div_ceil(MAX_ROWS as u64).max(1);
    let channels = recording.delivered();
    let scanner = || Scanner::new(rate, bands.clone(), bins, block, blocks_per_row);
    let mut scanners: Vec<Scanner> = (0..channels).map(|_| scanner()).collect();
    let mut samples = vec![vec![Sample::default(); block]; channels];
    let mut blocks = 0;
    loop {
        let n = recording.read_channels(&mut slices(&mut samples, block)[..channels])?;
        // a last block that is too short for a spectrum would show as silence
        if n == 0 || (n < bins && blocks > 0) {
            return Ok(scanners.into_iter().map(Scanner::finish).collect());
        }
        for (scanner, channel) in scanners.iter_mut().zip(&samples) {
            if channels > 1 {
                scanner.compare(&samples[0][..n], &channel[..n]);
            }
            scanner.add(&channel[..n]);
        }
        blocks += 1;
        progress(scanners[0].scan.samples);
    }
}

/// A scan under way.
struct Scanner {
    scan: Scan,
    /// Blocks of a row.
    blocks_per_row: u64,
    spectrum: Spectrum,
    cells: Cells,
    /// Bins that tell whether a band is in use.
    band_bins: Vec<std::ops::Range<usize>>,
    /// Power of each bin in all blocks so far.
    total: Vec<f64>,
    /// Power of each bin and of each band in the block at hand.
    power: Vec<f32>,
    in_band: Vec<f32>,
    /// Sum of the products with the first channel, and the power of that.
    together: Complex64,
    first: f64,
}

impl Scanner {
    fn new(rate: f64, bands: Bands, bins: usize, block: usize, blocks_per_row: u64) -> Self {
        let count = bands.edges.len();
        Self {
            blocks_per_row,
            spectrum: Spectrum::new(bins),
            cells: Cells::new(count),
            band_bins: band_bins(&bands, bins, rate),
            total: vec![0.0; bins],
            power: vec![0.0; bins],
            in_band: vec![0.0; count],
            together: Complex64::default(),
            first: 0.0,
            scan: Scan {
                rate,
                samples: 0,
                block,
                levels: Levels::default(),
                ceiling: Ceiling::default(),
                silent_blocks: 0,
                blocks: 0,
                spectrum: vec![0.0; bins],
                occupancy: Occupancy { floor: 0.0, threshold: 0.0, share: vec![0.0; count] },
                bands,
                alike: None,
                rows: Vec::new(),
            },
        }
    }

    /// Compare a block with that of the first channel.
    fn compare(&mut self, first: &[Sample], samples: &[Sample]) {
        let together: Sample = first.iter().zip(samples).map(|(a, b)| a.conj() * b).sum();
        self.together += Complex64::new(together.re.into(), together.im.into());
        self.first += first.iter().map(|s| f64::from(s.norm_sqr())).sum::<f64>();
    }

    /// Take in a block.
    fn add(&mut self, samples: &[Sample]) {
        let Self { scan, spectrum, power, total, .. } = self;
        let levels = Levels::of(samples, f32::INFINITY);
        scan.ceiling.add(samples);
        spectrum.add(samples);
        spectrum.take(power);
        total.iter_mut().zip(&*power).for_each(|(t, p)| *t += f64::from(*p));
        scan.silent_blocks += u64::from(levels.peak_power == 0.0);
        scan.levels = scan.levels.merge(levels);
        self.add_to_row(levels);
        self.scan.blocks += 1;
        self.scan.samples += samples.len() as u64;
    }

    /// Add the block at hand to its row.
    fn add_to_row(&mut self, levels: Levels) {
        let Self { scan, power, in_band, .. } = self;
        for (band, range) in in_band.iter_mut().zip(&self.band_bins) {
            *band = power[range.clone()].iter().sum();
        }
        self.cells.add(in_band);
        if scan.blocks.is_multiple_of(self.blocks_per_row) {
            let (spectrum, peaks) = (vec![0.0; power.len()], vec![0.0; in_band.len()]);
            scan.rows.push(Row { start: scan.samples, levels: Levels::default(), spectrum, peaks });
        }
        let Some(row) = scan.rows.last_mut() else { return };
        row.levels = row.levels.merge(levels);
        let weight = 1.0 / self.blocks_per_row as f32;
        row.spectrum.iter_mut().zip(&*power).for_each(|(r, p)| *r += p * weight);
        row.peaks.iter_mut().zip(&*in_band).for_each(|(peak, p)| *peak = peak.max(*p));
    }

    fn finish(self) -> Scan {
        let Self { mut scan, blocks_per_row, cells, total, together, first, .. } = self;
        let both = (first * scan.levels.power() * scan.samples as f64).sqrt();
        scan.alike = (both > 0.0).then(|| (together.norm() / both).min(1.0));
        // the last row may have fewer blocks than the others
        let last = scan.blocks % blocks_per_row;
        if let Some(row) = scan.rows.last_mut().filter(|_| last != 0) {
            row.spectrum.iter_mut().for_each(|r| *r *= blocks_per_row as f32 / last as f32);
        }
        let blocks = scan.blocks.max(1) as f64;
        scan.spectrum = total.iter().map(|t| (t / blocks) as f32).collect();
        scan.occupancy = cells.occupancy();
        scan
    }
}

/// Bins that tell whether a band is in use: those into which a neighbour does not leak through the window's main lobe,
/// two bins wide to either side.
fn band_bins(bands: &Bands, bins: usize, rate: f64) -> Vec<std::ops::Range<usize>> {
    let bin = |hz: f64| ((hz / rate + 0.5) * bins as f64).round().clamp(0.0, bins as f64) as usize;
    let inner = |low: usize, high: usize| if high - low >= 8 { low + 2..high - 1 } else { low..high };
    bands.edges.iter().map(|&(low, high)| inner(bin(low), bin(high))).collect()
}

/// How often each band had which power, in steps of half a decibel.
struct Cells {
    /// Of all bands together.
    all: [u64; Self::STEPS],
    /// Of each band, without leakage.
    counts: Vec<[u32; Self::STEPS]>,
    blocks: u64,
}

impl Cells {
    const STEPS: usize = 480;
    const LOWEST_DB: f32 = -180.0;

    fn new(bands: usize) -> Self {
        Self { all: [0; Self::STEPS], counts: vec![[0; Self::STEPS]; bands], blocks: 0 }
    }

    fn step(power: f32) -> usize {
        // NaN and minus infinity become 0
        (((10.0 * power.log10() - Self::LOWEST_DB) * 2.0) as usize).min(Self::STEPS - 1)
    }

    /// Take in the power of each band in a block.
    fn add(&mut self, powers: &[f32]) {
        self.blocks += 1;
        let leakage = powers.iter().copied().fold(0.0, f32::max) * 10f32.powf(-BELOW_STRONGEST_DB / 10.0);
        for (counts, &power) in self.counts.iter_mut().zip(powers) {
            let step = Self::step(power);
            self.all[step] += 1;
            if power > leakage {
                counts[step] = counts[step].saturating_add(1);
            }
        }
    }

    fn occupancy(&self) -> Occupancy {
        let of_step = |s: usize| 10f32.powf((Self::LOWEST_DB + s as f32 / 2.0) / 10.0);
        // step 0 is silence, which says nothing about the noise
        let cells: u64 = self.all[1..].iter().sum();
        let mut seen = 0;
        let floor = (1..Self::STEPS).find(|&s| {
            seen += self.all[s];
            seen as f64 >= (cells as f64 * FLOOR_QUANTILE).max(1.0)
        });
        let floor = floor.map_or(0.0, of_step);
        let threshold = (floor * 10f32.powf(ABOVE_FLOOR_DB / 10.0)).max(f32::MIN_POSITIVE);
        let from = (Self::step(threshold) + 1).min(Self::STEPS);
        let share = |c: &[u32; Self::STEPS]| {
            let used: u64 = c[from..].iter().map(|&n| u64::from(n)).sum();
            used as f64 / self.blocks.max(1) as f64
        };
        Occupancy { floor, threshold, share: self.counts.iter().map(share).collect() }
    }
}
