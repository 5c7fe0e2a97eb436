//! One thread and two tell the same of a recording.

use super::*;
use crate::Sample;
use crate::args::RadioArgs;
use crate::input;
use crate::receive::{self, Outcome};
use crate::scenario::{Generator, Scenario};
use sidelink_phy::receive::receiver::Event;
use sidelink_radio::{slices, views};
use sidelink_recordings::{Writer, WriterOptions};
use std::path::{Path, PathBuf};
use tempfile::{TempDir, tempdir};

/// Three cars, of which one is off the carrier and one sends 16QAM.
const CARS: &str = "duration = 400\nsnr = 15\n[radio]\nprb = 15\ntm = 4\nsync = { offset = 0 }\n\
    v2x = { size = 5, num = 3, start = 0, adjacent = true }\n\
    [[ue]]\nsync = { id = 7 }\nv2x = [{ from = 1, interval = 20, subchannel = 0, length = 1, mcs = 5 }]\n\
    [[ue]]\ncfo = 700\nv2x = [{ from = 3, interval = 20, subchannel = 1, length = 1, mcs = 5 }]\n\
    [[ue]]\ncfo = -300\nv2x = [{ from = 3, interval = 20, subchannel = 2, length = 1, mcs = 14 }]\n";

/// Writes a recording of the cars, from which `lost` samples are missing at a place that its metadata name.
fn record(folder: &TempDir, antennas: usize, lost: usize) -> PathBuf {
    let scenario = Scenario { antennas, ..Scenario::from_toml(CARS, "test").unwrap() };
    let mut generator = Generator::new(&scenario).unwrap();
    let (n, rate) = (generator.subframe_samples(), generator.numerology().sample_rate().0);
    let place = 200 * n + 1234;
    let path = folder.path().join("x.sigmf-meta");
    let options = WriterOptions { channels: antennas, ..WriterOptions::new(rate) };
    let mut writer = Writer::create(&path, options).unwrap();
    let mut samples = vec![vec![Sample::default(); n]; antennas];
    let mut all = vec![Vec::new(); antennas];
    for _ in 0..scenario.duration {
        generator.next_subframe_of(&mut slices(&mut samples, n)[..antennas]);
        all.iter_mut().zip(&samples).for_each(|(all, samples)| all.extend_from_slice(samples));
    }
    all.iter_mut().for_each(|all| drop(all.drain(place..place + lost)));
    writer.write_channels(&views(&all, all[0].len())[..antennas]).unwrap();
    writer.finish().unwrap();
    if lost > 0 {
        let text = std::fs::read_to_string(&path).unwrap();
        let mut metadata: serde_json::Value = serde_json::from_str(&text).unwrap();
        metadata["captures"] = serde_json::json!([
            { "core:sample_start": 0, "core:global_index": 0 },
            { "core:sample_start": place, "core:global_index": place + lost },
        ]);
        std::fs::write(&path, metadata.to_string()).unwrap();
    }
    path
}

/// Receives a recording; `rate` in samples a second instead of its own.
fn hear(
    path: &Path,
    threads: Threads,
    rate: Option<f64>,
    most: usize,
) -> (Vec<String>, anyhow::Result<Outcome>) {
    let config = path.with_extension("toml");
    std::fs::write(&config, CARS).unwrap();
    let args = RadioArgs { config: Some(config), ..RadioArgs::default() };
    let mut input = input::open(path, &args).unwrap();
    input.rate = rate.unwrap_or(input.rate);
    let mut plan = receive::plan(&mut input, "test").unwrap();
    plan.threads = threads;
    let mut heard = Vec::new();
    let mut emit = |event: Event<'_>, sample: i64| {
        anyhow::ensure!(heard.len() < most, "enough");
        heard.push(format!("{sample} {event:?}"));
        Ok(())
    };
    let mut read = 0;
    let outcome = receive::run(&mut input, &plan, &mut emit, &mut |samples| {
        assert!(samples >= read);
        read = samples;
    });
    (heard, outcome)
}

#[test]
fn two_threads_tell_what_one_tells() {
    let folder = tempdir().unwrap();
    // at another rate the cars are off the grid, but for the resampler
    for (antennas, lost, rate) in [(1, 0, None), (2, 12_345, None), (1, 5000, Some(4e6))] {
        let path = record(&folder, antennas, lost);
        let (wanted, one) = hear(&path, Threads::One, rate, usize::MAX);
        let (heard, two) = hear(&path, Threads::Two, rate, usize::MAX);
        assert!(rate.is_some() || wanted.len() > 100, "{antennas} antennas: {} events", wanted.len());
        assert!(heard == wanted, "{antennas} antennas, {lost} samples lost");
        let (one, two) = (one.unwrap(), two.unwrap());
        assert_eq!(
            (one.subframes, one.samples, one.first_sample),
            (two.subframes, two.samples, two.first_sample)
        );
        assert_eq!((one.cfo, one.alignment, &one.warnings), (two.cfo, two.alignment, &two.warnings));
    }
}

/// An error of the caller ends both threads, and is what the run returns.
#[test]
fn a_full_disk_ends_both_threads() {
    let folder = tempdir().unwrap();
    let path = record(&folder, 1, 0);
    for threads in [Threads::One, Threads::Two] {
        let (heard, outcome) = hear(&path, threads, None, 5);
        assert_eq!((heard.len(), outcome.unwrap_err().to_string().as_str()), (5, "enough"));
    }
}
