use proptest::prelude::*;

use super::*;
use crate::testing::Folder;
use crate::{Container, Damage, DamageKind, HashCheck, Recording, Writer, WriterOptions};
use std::path::Path;

/// Returns sample `n` of a channel: both numbers can be read off it.
fn sample(channel: usize, n: usize) -> Sample {
    Sample::new(n as f32, channel as f32)
}

fn channel(channel: usize, count: usize) -> Vec<Sample> {
    (0..count).map(|n| sample(channel, n)).collect()
}

/// Returns the bytes of interleaved channels in `cf32`.
fn woven(channels: usize, count: usize) -> Vec<u8> {
    let samples = (0..count).flat_map(|n| (0..channels).map(move |channel| sample(channel, n)));
    samples.flat_map(|s| [s.re, s.im]).flat_map(f32::to_le_bytes).collect()
}

fn open(path: &Path, interleaved: Option<usize>, channels: Channels) -> Result<Recording, Error> {
    Recording::open(path, &OpenOptions { interleaved, channels, ..OpenOptions::default() })
}

/// Reads all channels to the end, in reads of `step`.
fn all(recording: &mut Recording, step: usize) -> Vec<Vec<Sample>> {
    let mut out = vec![Vec::new(); recording.delivered()];
    let mut pieces = vec![vec![Sample::default(); step]; recording.delivered()];
    loop {
        let mut slices: Vec<&mut [Sample]> = pieces.iter_mut().map(Vec::as_mut_slice).collect();
        let read = recording.read_channels(&mut slices).unwrap();
        out.iter_mut().zip(&pieces).for_each(|(out, piece)| out.extend_from_slice(&piece[..read]));
        if read < step {
            return out;
        }
    }
}

fn metadata(channels: usize, captures: &str) -> String {
    format!(
        r#"{{"global": {{"core:datatype": "cf32_le", "core:version": "1.2.6", "core:num_channels": {channels}}},
            "captures": [{captures}], "annotations": []}}"#
    )
}

#[test]
fn every_channel_is_read_and_each_alone() {
    let folder = Folder::new();
    // More than one buffer.
    let count = 20_000;
    for channels in 1..=MAX_CHANNELS {
        folder.put("x.sigmf-data", woven(channels, count));
        let path = folder.put("x.sigmf-meta", metadata(channels, ""));
        for step in [777, 30_000] {
            let mut recording = open(&path, None, Channels::All).unwrap();
            let info = recording.info();
            assert_eq!((info.channels, info.length, recording.delivered()), (channels, 20_000, channels));
            assert_eq!(recording.warnings(), [], "{channels}");
            let expected: Vec<_> = (0..channels).map(|c| channel(c, count)).collect();
            assert!(all(&mut recording, step) == expected, "{channels} in steps of {step}");
            recording.seek(19_999).unwrap();
            assert!(all(&mut recording, 5).iter().enumerate().all(|(c, out)| *out == [sample(c, 19_999)]));
        }
        for one in 0..channels {
            let mut recording = open(&path, None, Channels::One(one)).unwrap();
            let mut out = vec![Sample::default(); count + 1];
            assert_eq!((recording.info().length, recording.read(&mut out).unwrap()), (20_000, count));
            assert!(out[..count] == channel(one, count), "{one} of {channels}");
        }
    }
}

#[test]
fn what_is_written_is_read_in_every_container_and_format() {
    let folder = Folder::new();
    let written: Vec<Vec<Sample>> =
        (0..3).map(|c| channel(c, 40_000).iter().map(|s| s / 65_536.0).collect()).collect();
    for (name, format, container) in [
        ("pair", SampleFormat::CF32_LE, Container::SigmfPair),
        ("whole.sigmf", SampleFormat::CI16_LE, Container::SigmfArchive),
        ("x_3ch.cf32", SampleFormat::CF32_LE, Container::Raw),
    ] {
        let path = folder.path(name);
        let mut writer =
            Writer::create(&path, WriterOptions { format, channels: 3, ..WriterOptions::new(1.92e6) })
                .unwrap();
        for start in (0..40_000).step_by(8000) {
            let pieces: Vec<&[Sample]> = written.iter().map(|c| &c[start..start + 8000]).collect();
            writer.write_channels(&pieces).unwrap();
        }
        assert_eq!((writer.position(), writer.finish().unwrap().samples), (40_000, 40_000));
        let mut recording = open(&path, None, Channels::All).unwrap();
        let info = recording.info();
        assert_eq!((info.container, info.channels, info.length), (container, 3, 40_000), "{name}");
        assert_eq!(recording.warnings(), [], "{name}");
        let step = f32::from(u8::from(format == SampleFormat::CI16_LE)) / 32_768.0;
        for (read, written) in all(&mut recording, 999).iter().zip(&written) {
            assert_eq!(read.len(), written.len());
            assert!(read.iter().zip(written).all(|(a, b)| (a - b).norm() <= step), "{name}");
        }
        if container != Container::Raw {
            assert_eq!(recording.verify_hash().unwrap(), HashCheck::Match, "{name}");
        }
    }
}

#[test]
fn floats_are_scaled_to_the_peak_of_all_channels() {
    let folder = Folder::new();
    let path = folder.path("x.sigmf");
    let options = WriterOptions { channels: 2, peak: Some(0.5), ..WriterOptions::new(1.92e6) };
    let mut writer = Writer::create(&path, options).unwrap();
    let strong = vec![Sample::new(0.0, 8.0); 20_000];
    writer
        .write_channels(&[&channel(0, 20_000).iter().map(|s| s / 20_000.0).collect::<Vec<_>>(), &strong])
        .unwrap();
    writer.finish().unwrap();
    let mut recording = open(&path, None, Channels::All).unwrap();
    let read = all(&mut recording, 30_000);
    assert!(read[1].iter().all(|s| (s - Sample::new(0.0, 0.5)).norm() < 1e-6));
    assert!((read[0][10_000].re - 0.5 / 16.0).abs() < 1e-6, "{}", read[0][10_000]);
    assert_eq!(recording.verify_hash().unwrap(), HashCheck::Match);
}

#[test]
fn what_cannot_be_written_or_read_says_what_to_do() {
    let folder = Folder::new();
    let refused = |name: &str, channels| {
        let options = WriterOptions { channels, ..WriterOptions::new(1.92e6) };
        Writer::create(&folder.path(name), options).unwrap_err().to_string()
    };
    assert!(refused("x", 0).contains("channels: must be 1 to 4, and is 0"));
    assert!(refused("x", 5).contains("must be 1 to 4"));
    let told = refused("x.cf32", 2);
    assert!(
        told.contains("2 are to be written, and the name") && told.contains("says 1: write _2ch into it"),
        "{told}"
    );
    assert!(refused("x_3ch.cf32", 2).contains("says 3: write _2ch in its place"));
    assert!(refused("x_3ch.cf32", 1).contains("says 3: leave _3ch out of it"));
    let options = WriterOptions { channels: 2, ..WriterOptions::new(1.92e6) };
    let mut writer = Writer::create(&folder.path("y"), options).unwrap();
    let piece: &[Sample] = &[Sample::default(); 3];
    assert!(writer.write(piece).is_err());
    assert!(writer.write_channels(&[piece]).is_err());
    assert!(writer.write_channels(&[piece, &piece[1..]]).is_err());
    assert_eq!(writer.position(), 0);

    folder.put("x.sigmf-data", woven(6, 4));
    let path = folder.put("x.sigmf-meta", metadata(6, ""));
    for (interleaved, channels, words) in [
        (None, Channels::Single, "has 6 channels, and one is needed here: choose it with --channel 0 to 5"),
        (
            None,
            Channels::All,
            "has 6 channels, and at most 4 are received together: choose one with --channel 0 to 5",
        ),
        (
            None,
            Channels::One(6),
            "has channels 0 to 5, and channel 6 was chosen: choose one with --channel 0 to 5",
        ),
        (Some(1), Channels::One(1), "has one channel, and channel 1 was chosen: leave --channel out"),
        (Some(0), Channels::All, "channels: must be 1 to 256, and is 0"),
        (Some(257), Channels::All, "channels: must be 1 to 256, and is 257"),
    ] {
        let message = open(&path, interleaved, channels).unwrap_err().to_string();
        assert!(message.contains(words), "{message}");
    }
    let mut recording = open(&path, None, Channels::One(5)).unwrap();
    assert_eq!(all(&mut recording, 9), [channel(5, 4)]);
    // The operator goes before the file.
    let mut recording = open(&path, Some(3), Channels::All).unwrap();
    assert_eq!(recording.warnings(), [Warning::ChannelsDiffer { said: 3, file: 6 }]);
    assert_eq!(recording.info().length, 8);
    let [mut a, mut b] = [[Sample::default(); 4]; 2];
    assert!(recording.read(&mut a).is_err());
    assert!(recording.read_channels(&mut [&mut a, &mut b]).is_err());
    // Metadata that say nothing of channels contradict nothing.
    let silent = metadata(6, "").replace(r#", "core:num_channels": 6"#, "");
    let path = folder.put("x.sigmf-meta", silent);
    let recording = open(&path, Some(3), Channels::All).unwrap();
    assert_eq!((recording.warnings(), recording.delivered()), (&[][..], 3));
    let too_many = metadata(6, "").replace(": 6", ": 9223372036854775807");
    let path = folder.put("x.sigmf-meta", too_many);
    assert!(
        open(&path, None, Channels::All).unwrap_err().to_string().contains("at most 256 are read: split it")
    );
}

#[test]
fn a_file_that_ends_within_a_sample_of_all_channels() {
    let folder = Folder::new();
    let bytes = woven(2, 3);
    let path = folder.put("x_2ch.cf32", &bytes[..40]);
    let message = open(&path, None, Channels::All).unwrap_err().to_string();
    assert!(
        message.ends_with(
            "x_2ch.cf32: 40 bytes is not a whole number of cf32 samples of 2 channels (16 bytes together): has it one \
             channel? try --channels 1; if it was cut short, --format cf32 reads all but its last 8 bytes"
        ),
        "{message}"
    );
    let options = OpenOptions {
        format: Some(SampleFormat::CF32_LE),
        channels: Channels::All,
        ..OpenOptions::default()
    };
    let mut recording = Recording::open(&path, &options).unwrap();
    assert_eq!(recording.warnings(), [Warning::PartialSample { bytes: 8, channels: 2 }]);
    assert!(recording.warnings()[0].to_string().contains("less than a sample of every channel"));
    assert_eq!(all(&mut recording, 10), [channel(0, 2), channel(1, 2)]);
}

#[test]
fn headers_and_damage_are_counted_in_samples_of_all_channels() {
    let folder = Folder::new();
    let mut data = woven(2, 7);
    // Sample 4 of channel 0, samples 4 and 5 of channel 1.
    for component in [4 * 4 + 1, 4 * 4 + 2, 4 * 5 + 3] {
        data[4 * component..4 * component + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    }
    let bytes = [&[0xff; 5][..], &data[..32], &[0xff; 3], &data[32..]].concat();
    folder.put("x.sigmf-data", bytes);
    let captures = r#"{"core:sample_start": 0, "core:header_bytes": 5}, {"core:sample_start": 2, "core:header_bytes": 3}"#;
    let path = folder.put("x.sigmf-meta", metadata(2, captures));
    let mut recording = open(&path, None, Channels::All).unwrap();
    assert_eq!(recording.info().length, 7);
    let mut expected = [channel(0, 7), channel(1, 7)];
    for (channel, n) in [(0, 4), (1, 4), (1, 5)] {
        expected[channel][n] = Sample::default();
    }
    assert_eq!(all(&mut recording, 10), expected);
    let damage = Damage { sample: 4, count: 2, what: DamageKind::NotFinite };
    assert_eq!(recording.damage().runs(), [damage]);
}

proptest! {
    #[test]
    fn any_bytes_and_any_number_of_channels(bytes: Vec<u8>, interleaved in 0_usize..6, one: Option<u8>) {
        let folder = Folder::new();
        let path = folder.put("x.ci8", &bytes);
        let choice = one.map_or(Channels::All, |one| Channels::One(usize::from(one % 6)));
        if let Ok(mut recording) = open(&path, Some(interleaved), choice) {
            let length = recording.info().length as usize;
            prop_assert_eq!(length, bytes.len() / 2 / interleaved);
            prop_assert!(all(&mut recording, 7).iter().all(|channel| channel.len() == length));
        }
    }
}
