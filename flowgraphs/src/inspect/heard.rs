//! Receptions of a recording, for pictures: error vectors, one constellation, one channel.

use crate::Sample;
use crate::antennas::Quality;
use crate::input::Input;
use crate::receive::{self, Threads};
use sidelink_phy::channel::layout::Layout;
use sidelink_phy::channel::pssch::{self, Grant};
use sidelink_phy::grid::Grid;
use sidelink_phy::numerology::Numerology;
use sidelink_phy::receive::receiver::Event;
use sidelink_phy::sc_fdma::Demodulator;
use sidelink_phy::sequence::dmrs::References;
use sidelink_phy::units::{Antennas, Hertz, SidelinkMode};
use sidelink_radio::slices;
use std::sync::Arc;

/// Number of transport blocks whose symbols are drawn.
const BLOCKS: usize = 12;

/// Receptions of a recording.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// Error vector magnitude by channel: name, and (seconds, percent) of each reception.
    pub evm: Vec<(String, Vec<(f64, f64)>)>,
    /// Symbols of the first transport blocks after equalisation.
    pub points: Vec<Sample>,
    /// Channel of the first transport block to each antenna: name, and (MHz from the centre, dB).
    pub channel: Vec<(String, Vec<(f64, f64)>)>,
    /// Signal to noise ratio at each antenna, if there are several: name, and (seconds, dB) of each reception.
    pub snr: Vec<(String, Vec<(f64, f64)>)>,
    /// Signal and noise of each antenna over the whole recording.
    pub quality: Quality,
}

/// Receives the whole recording, then its first transport blocks once more for their symbols.
///
/// # Errors
/// The error of the reader or of the receiver's plan.
pub fn hear(input: &mut Input, name: &str) -> anyhow::Result<Heard> {
    input.recording.seek(0)?;
    let mut plan = receive::plan(input, name)?;
    plan.threads = Threads::for_each_of(1);
    let rate = input.rate;
    let mut heard = Heard::default();
    let mut blocks: Vec<(i64, Grant, Hertz)> = Vec::new();
    let mut emit = |event: Event<'_>, sample: i64| {
        let (channel, evm) = match &event {
            Event::Mib { evm_percent, .. } => ("PSBCH", *evm_percent),
            Event::Sci { evm_percent, .. } => ("PSCCH", *evm_percent),
            Event::SlDch { evm_percent, .. } => ("PSDCH", *evm_percent),
            Event::SlSch(b) => {
                if blocks.len() < BLOCKS {
                    blocks.push((sample, b.grant, b.measurement.cfo));
                }
                ("PSSCH", b.evm_percent)
            }
            _ => return Ok(()),
        };
        let seconds = sample as f64 / rate;
        if let Some(measured) = event.measurement().map(|m| m.antennas).filter(|m| m.count() > 1) {
            let antennas = (0..measured.count()).map(|antenna| (antenna, measured.ratio(antenna)));
            for (antenna, ratio) in antennas.filter(|(_, ratio)| *ratio > 0.0) {
                while heard.snr.len() <= antenna {
                    heard.snr.push((name_of(heard.snr.len()), Vec::new()));
                }
                heard.snr[antenna].1.push((seconds, 10.0 * f64::from(ratio).log10()));
            }
        }
        let place = (seconds, f64::from(evm));
        match heard.evm.iter_mut().find(|(name, _)| name == channel) {
            Some((_, curve)) => curve.push(place),
            None => heard.evm.push((channel.to_owned(), vec![place])),
        }
        Ok(())
    };
    let outcome = receive::run(input, &plan, &mut emit, &mut |_| ())?;
    heard.quality = outcome.quality;
    // at another rate the samples of a subframe would have to be resampled again
    if !plan.resample {
        look_again(input, &plan, &blocks, &mut heard)?;
    }
    Ok(heard)
}

fn look_again(
    input: &mut Input,
    plan: &receive::Plan,
    blocks: &[(i64, Grant, Hertz)],
    heard: &mut Heard,
) -> anyhow::Result<()> {
    let sidelink = plan.config.mode.sidelink();
    let cp = plan.config.communication.first().map_or(plan.config.numerology.cp(), |p| p.data_cp);
    let numerology = plan.config.numerology.with_cp(cp);
    let carrier = numerology.bandwidth().prbs();
    let references = Arc::new(References::new(carrier));
    let mut decoder =
        pssch::Decoder::new(numerology, plan.config.mode, references.clone(), plan.config.antennas);
    // The channel to each antenna, for itself.
    let mut alone = pssch::Decoder::new(numerology, plan.config.mode, references, Antennas::ONE);
    let mut process = pssch::Process::new(carrier);
    let mut demodulator = Demodulator::new(numerology, numerology.fft() * 72 / 2048);
    let (n, antennas) = (numerology.subframe_samples(), plan.config.antennas.count());
    let mut grids: Vec<Grid> = (0..antennas).map(|_| Grid::new(numerology)).collect();
    let mut samples = vec![vec![Sample::default(); n]; antennas];
    for (sample, grant, cfo) in blocks {
        let (Ok(from), Ok((modulation, size))) = (u64::try_from(*sample), grant.size(sidelink)) else {
            continue;
        };
        input.recording.seek(from)?;
        let read = input.recording.read_channels(&mut slices(&mut samples, n)[..antennas])?;
        if read < n || process.start(size).is_err() {
            continue;
        }
        for (samples, grid) in samples.iter().zip(&mut grids) {
            demodulator.demodulate(samples, *cfo, grid);
        }
        if decoder.receive(&grids, grant, Hertz(0.0), &mut process).is_err() {
            continue;
        }
        let layout = Layout::shared(sidelink, cp);
        let layout = if sidelink == SidelinkMode::V2x && grant.transmission_format {
            layout.without_last()
        } else {
            layout
        };
        let (estimator, equaliser) = decoder.front_end();
        equaliser.constellation(estimator, &grids, layout, modulation, &mut heard.points);
        if heard.channel.is_empty() {
            for (antenna, grid) in grids.iter().enumerate() {
                let received = alone.receive(std::slice::from_ref(grid), grant, Hertz(0.0), &mut process);
                let name = if antennas == 1 { "|h|".to_owned() } else { name_of(antenna) };
                if received.is_ok() {
                    heard.channel.push((name, channel(&mut alone, grant, numerology)));
                }
            }
        }
    }
    Ok(())
}

fn name_of(antenna: usize) -> String {
    format!("antenna {antenna}")
}

/// Returns the channel of the last block of a decoder: (MHz from the centre, dB).
fn channel(decoder: &mut pssch::Decoder, grant: &Grant, numerology: Numerology) -> Vec<(f64, f64)> {
    let mut channel = vec![Sample::default(); grant.prbs.subcarriers()];
    decoder.front_end().0.channel(&mut channel);
    let first = grant.prbs.first_subcarrier() as f64 - numerology.subcarriers() as f64 / 2.0;
    let level = |h: &Sample| 10.0 * f64::from(h.norm_sqr().max(1e-12)).log10();
    channel.iter().enumerate().map(|(k, h)| ((first + k as f64 + 0.5) * 0.015, level(h))).collect()
}
