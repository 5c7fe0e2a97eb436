use super::*;
use crate::Sample;
use crate::args::RadioArgs;
use crate::input;
use crate::receive::{self, Outcome};
use crate::report::Counts;
use crate::scenario::{Generator, Scenario};
use sidelink_radio::{slices, views};
use sidelink_recordings::{Writer, WriterOptions};
use std::path::{Path, PathBuf};
use tempfile::{TempDir, tempdir};

/// Three cars, each with a block every 20 ms.
const CARS: &str = "duration = 160\n[radio]\nprb = 15\ntm = 4\nsync = { offset = 0 }\n\
    v2x = { size = 5, num = 3, start = 0, adjacent = true }\n\
    [[ue]]\nsync = { id = 7 }\nv2x = [{ from = 1, interval = 20, subchannel = 0, length = 1, mcs = 5 }]\n\
    [[ue]]\nv2x = [{ from = 3, interval = 20, subchannel = 1, length = 1, mcs = 5 }]\n\
    [[ue]]\nv2x = [{ from = 6, interval = 20, subchannel = 2, length = 1, mcs = 5 }]\n";

/// Blocks in the scenario.
const BLOCKS: u64 = 24;

/// Writes a recording of the cars, after `change` to its samples.
fn record(folder: &TempDir, scenario: &Scenario, change: impl Fn(usize, &mut [Sample])) -> PathBuf {
    let mut generator = Generator::new(scenario).unwrap();
    let (n, antennas) = (generator.subframe_samples(), generator.antennas().count());
    let path = folder.path().join("x.sigmf-meta");
    let options =
        WriterOptions { channels: antennas, ..WriterOptions::new(generator.numerology().sample_rate().0) };
    let mut writer = Writer::create(&path, options).unwrap();
    let mut samples = vec![vec![Sample::default(); n]; antennas];
    for _ in 0..scenario.duration {
        generator.next_subframe_of(&mut slices(&mut samples, n)[..antennas]);
        samples.iter_mut().enumerate().for_each(|(antenna, samples)| change(antenna, samples));
        writer.write_channels(&views(&samples, n)[..antennas]).unwrap();
    }
    writer.finish().unwrap();
    path
}

fn scenario(snr: f64, antennas: usize) -> Scenario {
    Scenario { snr: Some(snr), antennas, ..Scenario::from_toml(CARS, "test").unwrap() }
}

/// Returns the blocks that were decoded with all channels, or with one.
fn decode(path: &Path, channel: Option<u8>) -> (u64, Outcome) {
    let config = path.with_extension("toml");
    std::fs::write(&config, CARS).unwrap();
    let args = RadioArgs { channel, config: Some(config), ..RadioArgs::default() };
    let mut input = input::open(path, &args).unwrap();
    let plan = receive::plan(&mut input, "test").unwrap();
    assert_eq!(
        plan.config.antennas.count(),
        if channel.is_some() { 1 } else { input.recording.info().channels }
    );
    let mut counts = Counts::default();
    let mut emit = |event: Event<'_>, _| {
        counts.add(&event);
        Ok(())
    };
    let outcome = receive::run(&mut input, &plan, &mut emit, &mut |_| {}).unwrap();
    (counts.sl_sch, outcome)
}

#[test]
fn two_antennas_of_a_recording_gain_three_decibels() {
    let folder = tempdir().unwrap();
    let (mut one, mut two) = (0, 0);
    for snr in -4..6 {
        let path = record(&folder, &scenario(f64::from(snr), 2), |_, _| {});
        let (alone, outcome) = decode(&path, Some(1));
        assert!(outcome.quality.snr().is_empty());
        let (both, outcome) = decode(&path, None);
        assert!(both == 0 || outcome.quality.snr().len() == 2);
        (one, two) = (one + alone, two + both);
    }
    // A block that is decoded from 1 dB on is decoded at as many levels as there are decibels above it.
    let gain = (two - one) as f64 / BLOCKS as f64;
    assert!((2.0..4.5).contains(&gain), "{gain} dB: {one} and {two} blocks");
}

#[test]
fn an_antenna_that_is_dead_or_weak_is_named_and_does_no_harm() {
    let folder = tempdir().unwrap();
    for (gain, words) in [(0.0, "antenna 1 received nothing"), (f32::NAN, "antenna 1 received nothing")] {
        let path = record(&folder, &scenario(20.0, 2), |antenna, samples| {
            if antenna == 1 {
                samples.iter_mut().for_each(|s| *s *= gain);
            }
        });
        let (blocks, outcome) = decode(&path, None);
        assert_eq!(blocks, BLOCKS, "{gain}");
        assert!(outcome.warnings.iter().any(|w| w.contains(words)), "{gain}: {:?}", outcome.warnings);
    }
    // One that hears noise alone.
    let noise = std::cell::RefCell::new(sidelink_phy::impair::rng::Rng::new(5));
    let path = record(&folder, &scenario(20.0, 2), |antenna, samples| {
        if antenna == 1 {
            samples.iter_mut().for_each(|s| *s = noise.borrow_mut().complex_gaussian() * 0.1);
        }
    });
    let (blocks, outcome) = decode(&path, None);
    assert_eq!(blocks, BLOCKS);
    let words = "less above the noise at antenna 1 than at antenna 0";
    assert!(outcome.warnings.iter().any(|w| w.contains(words)), "{:?}", outcome.warnings);
    // Another gain at one antenna is no fault.
    let path = record(&folder, &scenario(20.0, 2), |antenna, samples| {
        if antenna == 1 {
            samples.iter_mut().for_each(|s| *s *= 0.03);
        }
    });
    let (blocks, outcome) = decode(&path, None);
    assert_eq!((blocks, &outcome.warnings[..]), (BLOCKS, &[] as &[String]));
}

#[test]
fn the_first_antenna_of_a_scenario_is_the_same_whatever_their_number() {
    for channel in ["awgn", "epa70"] {
        let of = |antennas| {
            let scenario =
                Scenario { channel: channel.parse().unwrap(), correlation: 0.3, ..scenario(10.0, antennas) };
            let mut generator = Generator::new(&scenario).unwrap();
            let n = generator.subframe_samples();
            let mut subframe = vec![vec![Sample::default(); n]; antennas];
            let mut all = vec![Vec::new(); antennas];
            for _ in 0..8 {
                generator.next_subframe_of(&mut slices(&mut subframe, n)[..antennas]);
                all.iter_mut().zip(&subframe).for_each(|(all, subframe)| all.extend_from_slice(subframe));
            }
            all
        };
        let (one, three) = (of(1), of(3));
        assert!(one[0] == three[0] && three[1] != three[0] && three[2] != three[1], "{channel}");
    }
    for (antennas, correlation, word) in
        [(0, 0.0, "antennas 0"), (5, 0.0, "1 to 4"), (2, 1.5, "correlation 1.5")]
    {
        let wrong = Scenario { correlation, ..scenario(10.0, antennas) };
        assert!(Generator::new(&wrong).err().unwrap().to_string().contains(word), "{word}");
    }
}
