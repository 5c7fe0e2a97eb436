use proptest::prelude::*;

use super::*;
use crate::testing::Folder;
use crate::{Channels, Container, Error, OpenOptions, Recording, Sample, Warning};

/// Builds a WAV file of chunks; `data` comes last, with the given length in its head.
fn wav(outer: &[u8; 4], chunks: &[(&[u8; 4], Vec<u8>)], data: &[u8], length: u32) -> Vec<u8> {
    let mut bytes = [&outer[..], &[0xff; 4], b"WAVE"].concat();
    for (id, body) in chunks {
        bytes.extend([&id[..], &(body.len() as u32).to_le_bytes(), body].concat());
        bytes.resize(bytes.len().next_multiple_of(2), 0);
    }
    [&bytes[..], b"data", &length.to_le_bytes(), data].concat()
}

fn fmt(kind: u16, channels: u16, bits: u16) -> Vec<u8> {
    let block = channels * bits / 8;
    let rate = 7_680_000_u32;
    [
        &kind.to_le_bytes()[..],
        &channels.to_le_bytes(),
        &rate.to_le_bytes(),
        &(rate * u32::from(block)).to_le_bytes(),
        &block.to_le_bytes(),
        &bits.to_le_bytes(),
    ]
    .concat()
}

/// Returns an `auxi` chunk of 2026-11-21 08:30:00.250, 433.92 MHz.
fn auxi() -> Vec<u8> {
    let time = [2026_u16, 11, 6, 21, 8, 30, 0, 250];
    let time: Vec<u8> = time.iter().flat_map(|n| n.to_le_bytes()).collect();
    [&time[..], &time, &433_920_000_u32.to_le_bytes(), &[0; 16]].concat()
}

fn ramp(count: usize) -> Vec<u8> {
    (0..count as u32).flat_map(|n| [n as f32, -(n as f32)]).flat_map(f32::to_le_bytes).collect()
}

fn open(path: &std::path::Path) -> Result<Recording, Error> {
    Recording::open(path, &OpenOptions::default())
}

fn check(recording: &mut Recording, count: usize) {
    let mut out = vec![Sample::default(); count + 1];
    assert_eq!(recording.read(&mut out).unwrap(), count);
    for (n, sample) in out[..count].iter().enumerate() {
        assert_eq!(*sample, Sample::new(n as f32, -(n as f32)));
    }
}

#[test]
fn what_programs_for_radios_write() {
    let folder = Folder::new();
    let data = ramp(100);
    let size = data.len() as u32;
    let ds64 = [&[0; 8][..], &u64::from(size).to_le_bytes(), &[0; 12]].concat();
    let float = fmt(3, 2, 32);
    let mut extensible = fmt(0xfffe, 2, 32);
    extensible.extend(
        [&22_u16.to_le_bytes()[..], &32_u16.to_le_bytes(), &[0; 4], &3_u16.to_le_bytes(), &[0; 14]].concat(),
    );
    let odd = vec![7; 3];
    for (name, bytes) in [
        ("plain", wav(b"RIFF", &[(b"fmt ", float.clone()), (b"auxi", auxi())], &data, size)),
        ("odd", wav(b"RIFF", &[(b"LIST", odd), (b"fmt ", extensible), (b"auxi", auxi())], &data, size)),
        (
            "long",
            wav(
                b"RF64",
                &[(b"ds64", ds64.clone()), (b"fmt ", float.clone()), (b"auxi", auxi())],
                &data,
                u32::MAX,
            ),
        ),
        ("pipe", wav(b"BW64", &[(b"fmt ", float.clone()), (b"auxi", auxi())], &data, u32::MAX)),
        ("killed", wav(b"RIFF", &[(b"fmt ", float.clone()), (b"auxi", auxi())], &data, 0)),
        (
            "late",
            [
                wav(b"RIFF", &[(b"fmt ", float.clone())], &data, size),
                b"auxi".to_vec(),
                52_u32.to_le_bytes().to_vec(),
                auxi(),
            ]
            .concat(),
        ),
    ] {
        let mut recording = open(&folder.put(&format!("{name}.wav"), bytes)).unwrap();
        let info = recording.info();
        assert_eq!((info.container, info.format), (Container::Wav, SampleFormat::CF32_LE), "{name}");
        assert_eq!((info.rate, info.frequency), (Some(7.68e6), Some(433.92e6)), "{name}");
        assert_eq!(info.start, Some(UtcMicros(1_795_249_800_250_000)), "{name}");
        assert_eq!(recording.warnings(), [], "{name}");
        check(&mut recording, 100);
    }
}

#[test]
fn a_header_is_never_taken_for_samples() {
    let folder = Folder::new();
    let bytes = wav(b"RIFF", &[(b"fmt ", fmt(3, 2, 32))], &ramp(100), 800);
    let path = folder.put("w.dat", bytes);
    let open_as = |format: &str| {
        let options = OpenOptions { format: Some(format.parse().unwrap()), ..OpenOptions::default() };
        Recording::open(&path, &options).unwrap()
    };
    // The same format as in the file: no warning. Another one of the operator takes precedence, from the first sample on.
    let mut recording = open_as("cf32");
    assert_eq!(recording.warnings(), []);
    check(&mut recording, 100);
    let recording = open_as("ci16");
    assert_eq!(recording.info().length, 200);
    let differs = Warning::FormatDiffers { said: "ci16".parse().unwrap(), file: "cf32".to_owned() };
    assert_eq!(recording.warnings()[0], differs);
}

#[test]
fn each_further_antenna_has_two_channels_more() {
    let folder = Folder::new();
    // Two antennas: the second has the same numbers above 1000.
    let samples = (0..50).flat_map(|n| [n as f32, -(n as f32), 1000.0 + n as f32, 0.0]);
    let data: Vec<u8> = samples.flat_map(f32::to_le_bytes).collect();
    let bytes = wav(b"RIFF", &[(b"fmt ", fmt(3, 4, 32)), (b"auxi", auxi())], &data, data.len() as u32);
    let path = folder.put("x.wav", bytes);
    let options = OpenOptions { channels: Channels::All, ..OpenOptions::default() };
    let mut recording = Recording::open(&path, &options).unwrap();
    let info = recording.info();
    assert_eq!((info.container, info.channels, info.length), (Container::Wav, 2, 50));
    assert_eq!(recording.warnings(), []);
    let [mut first, mut second] = [[Sample::default(); 51]; 2];
    assert_eq!(recording.read_channels(&mut [&mut first, &mut second]).unwrap(), 50);
    assert_eq!((first[49], second[49]), (Sample::new(49.0, -49.0), Sample::new(1049.0, 0.0)));
}

#[test]
fn what_is_not_read_says_what_to_do() {
    let folder = Folder::new();
    let message = |bytes: Vec<u8>| open(&folder.put("x.wav", bytes)).unwrap_err().to_string();
    let file = |fmt: Vec<u8>| wav(b"RIFF", &[(b"fmt ", fmt)], &[0; 64], 64);
    for (fmt, words) in [
        (fmt(1, 1, 16), "one channel: real samples"),
        (fmt(1, 3, 16), "3 channels: I and Q of each antenna are two"),
        (fmt(1, 4, 16), "has 2 channels, and one is needed here: choose it with --channel 0 to 1"),
        (fmt(1, 2, 24), "kind 1 with 24 bits, which is not read: convert it"),
    ] {
        assert!(message(file(fmt.clone())).contains(words), "{}", message(file(fmt)));
    }
    assert!(message(file(fmt(1, 2, 16))[..12].to_vec()).contains("no fmt chunk"));
    assert!(message(file(fmt(1, 2, 16))[..36].to_vec()).contains("no data chunk"));
    assert!(message(file(fmt(1, 2, 16))[..30].to_vec()).contains("ends within a chunk"));
    assert!(message(wav(b"RIFF", &[(b"fmt ", fmt(1, 2, 16))], &[], 0)).contains("no sample in it"));
    let cut = file(fmt(1, 2, 16));
    let recording = open(&folder.put("cut.wav", &cut[..cut.len() - 8])).unwrap();
    assert_eq!(recording.info().length, 14);
    assert_eq!(recording.warnings(), [Warning::MemberCutShort { announced: 64, present: 56 }]);
}

proptest! {
    #[test]
    fn any_bytes_after_the_head(bytes: Vec<u8>) {
        let folder = Folder::new();
        let _ = open(&folder.put("x.wav", [b"RIFF____WAVE", &bytes[..]].concat()));
    }

    #[test]
    fn a_changed_byte(at: prop::sample::Index, byte: u8) {
        let folder = Folder::new();
        let mut bytes = wav(b"RIFF", &[(b"fmt ", fmt(3, 2, 32)), (b"auxi", auxi())], &ramp(10), 80);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(mut recording) = open(&folder.put("x.wav", bytes)) {
            let mut out = vec![Sample::default(); 100];
            prop_assert!(recording.read(&mut out).is_ok());
        }
    }
}
