use super::*;
use crate::air::{Air, AirConfig, Fault, PortConfig};
use crate::number::Number;
use sidelink_recordings::{OpenOptions, Recording};

const PATIENCE: Duration = Duration::from_secs(20);

fn folder() -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(format!("sidelink-record-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn what_is_received_is_in_the_file_with_its_gaps() {
    let config =
        AirConfig { rate: Number(1.92e6), snr: Some(10.0), utc: Some(1_000_000_000), ..AirConfig::default() };
    let air = Air::new(config).unwrap();
    let path = folder().join("received.sigmf-meta");
    let radio =
        Recorded::new(air.attach(PortConfig::named("a")).unwrap(), &path, WriterOptions::new(1.0)).unwrap();
    let state = radio.state();
    let mut streams = Box::new(radio).start().unwrap();
    let mut all = Vec::new();
    let mut into = vec![Sample::default(); 7777];
    for turn in 0..20 {
        let got = streams.receive.receive(&mut into, PATIENCE).unwrap();
        all.resize(got.first as usize, Sample::default());
        all.extend_from_slice(&into[..got.count]);
        if turn == 7 {
            assert!(air.inject("a", Fault::Overflow { samples: 5000 }));
        }
    }
    drop(streams);
    assert!(state.has_ended());
    assert_eq!((state.written(), state.lost()), (all.len() as u64, 5000));
    let mut recording = Recording::open(&path, &OpenOptions::default()).unwrap();
    let info = recording.info().clone();
    assert_eq!((info.rate, info.frequency, info.length), (Some(1.92e6), Some(5.92e9), all.len() as u64));
    assert_eq!(info.start, Some(UtcMicros(1_000_000_000_000_000)));
    let mut annotations = Vec::new();
    recording.annotations(&mut |annotation| annotations.push(annotation)).unwrap();
    let annotation = &annotations[0];
    assert_eq!((annotation.sample_start, annotation.sample_count), (8 * 7777, Some(5000)));
    let mut read = vec![Sample::default(); all.len()];
    assert_eq!(recording.read(&mut read).unwrap(), all.len());
    assert!(read == all);
}

#[test]
fn all_antennas_are_in_the_file_whichever_are_taken() {
    let config = AirConfig { rate: Number(1.92e6), snr: Some(10.0), ..AirConfig::default() };
    let air = Air::new(config).unwrap();
    let path = folder().join("antennas.sigmf-meta");
    let port = PortConfig { antennas: 3, ..PortConfig::named("a") };
    let radio = Recorded::new(air.attach(port).unwrap(), &path, WriterOptions::new(1.0)).unwrap();
    let mut streams = Box::new(radio).start().unwrap();
    assert_eq!(streams.receive.antennas().count(), 3);
    let mut buffers = vec![vec![Sample::default(); 7777]; 3];
    let mut all = vec![Vec::new(); 3];
    for turn in 0..9 {
        let taken = [3, 1, 2][turn % 3];
        let got = streams
            .receive
            .receive_antennas(&mut crate::slices(&mut buffers, 7777)[..taken], PATIENCE)
            .unwrap();
        for (antenna, all) in all.iter_mut().enumerate() {
            all.resize(got.first as usize, Sample::default());
            let heard = if antenna < taken { &buffers[antenna][..] } else { &[Sample::default(); 7777] };
            all.extend_from_slice(heard);
        }
        if turn == 4 {
            assert!(air.inject("a", Fault::Overflow { samples: 5000 }));
        }
    }
    drop(streams);
    let options = OpenOptions { channels: sidelink_recordings::Channels::All, ..OpenOptions::default() };
    let mut recording = Recording::open(&path, &options).unwrap();
    let length = 9 * 7777 + 5000;
    assert_eq!((recording.info().channels, recording.info().length), (3, length as u64));
    let mut read = vec![vec![Sample::default(); length]; 3];
    assert_eq!(recording.read_channels(&mut crate::slices(&mut read, length)[..3]).unwrap(), length);
    for (antenna, (read, all)) in read.iter().zip(&all).enumerate() {
        let taken = |n: usize| all[n] != Sample::default();
        assert!((0..length).all(|n| !taken(n) || read[n] == all[n]), "{antenna}");
        // Antennas that were not taken are kept as well; only the lost samples are zero.
        assert_eq!(read.iter().filter(|s| **s == Sample::default()).count(), 5000, "{antenna}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_ends_the_recording_and_not_the_radio() {
    let air = Air::new(AirConfig { rate: Number(1.92e6), ..AirConfig::default() }).unwrap();
    // A raw file's samples go to NAME.part: here a device on which no space is left.
    let path = folder().join("full.cf32");
    let part = folder().join("full.cf32.part");
    let _ = std::fs::remove_file(&part);
    std::os::unix::fs::symlink("/dev/full", &part).unwrap();
    let radio =
        Recorded::new(air.attach(PortConfig::named("a")).unwrap(), &path, WriterOptions::new(1.0)).unwrap();
    let state = radio.state();
    let mut streams = Box::new(radio).start().unwrap();
    let mut into = vec![Sample::default(); 20_000];
    while !state.has_ended() {
        assert_eq!(streams.receive.receive(&mut into, PATIENCE).unwrap().count, into.len());
    }
    assert_eq!(streams.receive.receive(&mut into, PATIENCE).unwrap().count, into.len());
    assert_eq!(state.written(), 0);
}

#[test]
fn a_file_that_cannot_be_made_is_told_at_once() {
    let air = Air::new(AirConfig::default()).unwrap();
    let radio = air.attach(PortConfig::named("a")).unwrap();
    let path = folder().join("no such folder").join("x.sigmf-meta");
    let error = Recorded::new(radio, &path, WriterOptions::new(1.0)).err().unwrap().to_string();
    assert!(error.contains("no such folder"), "{error}");
}
