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
