use std::fs::OpenOptions as FileOptions;

use proptest::prelude::*;

use super::*;
use crate::testing::Folder;
use crate::{Blame, Damage};

fn open(path: impl AsRef<Path>) -> Result<Recording, Error> {
    Recording::open(path.as_ref(), &OpenOptions::default())
}

fn open_as(path: impl AsRef<Path>, format: SampleFormat) -> Result<Recording, Error> {
    Recording::open(path.as_ref(), &OpenOptions { format: Some(format), ..OpenOptions::default() })
}

fn all(recording: &mut Recording) -> Vec<Sample> {
    let mut out = vec![Sample::default(); recording.info().length as usize + 3];
    let count = recording.read(&mut out).unwrap();
    out.truncate(count);
    out
}

/// Returns samples in `cf32`: sample n is (n, -n).
fn ramp(count: usize) -> Vec<u8> {
    (0..count).flat_map(|n| [n as f32, -(n as f32)]).flat_map(f32::to_le_bytes).collect()
}

fn ramp_from(first: usize, count: usize) -> Vec<Sample> {
    (first..first + count).map(|n| Sample::new(n as f32, -(n as f32))).collect()
}

fn meta(global: &str, captures: &str, annotations: &str) -> String {
    format!(
        r#"{{"global": {{"core:datatype": "cf32_le", "core:version": "1.2.6" {global}}},
            "captures": [{captures}], "annotations": [{annotations}]}}"#
    )
}

#[test]
fn raw_with_everything_in_its_name() {
    let folder = Folder::new();
    let path = folder.put("x_5.92e9Hz_15.36e6sps.cf32", ramp(100));
    let mut recording = open(&path).unwrap();
    let info = recording.info();
    assert_eq!((info.rate, info.frequency, info.length), (Some(15.36e6), Some(5.92e9), 100));
    assert_eq!((info.container, info.format), (Container::Raw, SampleFormat::CF32_LE));
    assert_eq!(all(&mut recording), ramp_from(0, 100));
    assert_eq!(recording.read(&mut [Sample::default(); 4]).unwrap(), 0);
}

#[test]
fn the_options_go_before_the_name() {
    let folder = Folder::new();
    let path = folder.put("x_5.92e9Hz_15.36e6sps.cf32", ramp(100));
    let options = OpenOptions {
        format: Some(SampleFormat::CI16_LE),
        rate: Some(1e6),
        frequency: Some(1e9),
        ..OpenOptions::default()
    };
    let recording = Recording::open(&path, &options).unwrap();
    let info = recording.info();
    assert_eq!((info.rate, info.frequency, info.length), (Some(1e6), Some(1e9), 200));
    for rate in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let options = OpenOptions { rate: Some(rate), ..OpenOptions::default() };
        assert_eq!(Recording::open(&path, &options).unwrap_err().blame(), Blame::Operator);
    }
}

#[test]
fn streaming_and_seeking_deliver_every_sample_once() {
    let folder = Folder::new();
    // More than one buffer.
    let count = 3 * BUFFER / 8 + 17;
    let mut recording = open(folder.put("x.cf32", ramp(count))).unwrap();
    let mut seen = Vec::new();
    let mut piece = vec![Sample::default(); 15_361];
    loop {
        let read = recording.read(&mut piece).unwrap();
        seen.extend_from_slice(&piece[..read]);
        if read < piece.len() {
            break;
        }
    }
    assert!(seen == ramp_from(0, count));
    for at in [0, 1, count - 2, 5, count] {
        recording.seek(at as u64).unwrap();
        assert_eq!(recording.position(), at as u64);
        let read = recording.read(&mut piece[..3]).unwrap();
        assert_eq!(piece[..read], ramp_from(at, (count - at).min(3)));
    }
    assert_eq!(recording.seek(count as u64 + 1).unwrap_err().blame(), Blame::Operator);
}

#[test]
fn files_larger_than_memory() {
    use std::io::{Seek, SeekFrom, Write};
    let folder = Folder::new();
    // 64 GiB that take no room: only the last two samples were ever written.
    let path = folder.path("x.cf32");
    let mut file = File::create(&path).unwrap();
    let length = 8_u64 << 30;
    file.seek(SeekFrom::Start(8 * (length - 2))).unwrap();
    file.write_all(&ramp(2)).unwrap();
    drop(file);
    let mut recording = open(&path).unwrap();
    assert_eq!(recording.info().length, length);
    recording.seek(length - 3).unwrap();
    let mut out = [Sample::default(); 5];
    assert_eq!(recording.read(&mut out).unwrap(), 3);
    assert_eq!(out[..3], [Sample::default(), Sample::new(0.0, -0.0), Sample::new(1.0, -1.0)]);
}

#[test]
fn half_a_sample_is_an_error_until_the_operator_vouches() {
    let folder = Folder::new();
    let mut bytes = ramp(3);
    bytes.extend([0; 4]);
    let path = folder.put("capture.cf32", &bytes);
    let error = open(&path).unwrap_err();
    assert_eq!(error.blame(), Blame::File);
    assert!(error.to_string().ends_with(
        "capture.cf32: 28 bytes is not a whole number of cf32 samples (8 bytes each): is it ci16? try --format ci16; \
         if it was cut short, --format cf32 reads all but its last 4 bytes"
    ));
    let mut recording = open_as(&path, SampleFormat::CF32_LE).unwrap();
    assert_eq!(recording.warnings(), [Warning::PartialSample { bytes: 4, channels: 1 }]);
    assert_eq!(all(&mut recording), ramp_from(0, 3));

    bytes.push(0);
    let message = open(folder.put("odd.cf32", &bytes)).unwrap_err().to_string();
    assert!(!message.contains("is it"), "29 bytes are a whole number of nothing: {message}");
}

#[test]
fn what_is_no_recording() {
    let folder = Folder::new();
    let message = |name: &str| open(folder.path(name)).unwrap_err().to_string();
    folder.put("empty.cf32", []);
    folder.put("x.bin", ramp(1));
    folder.put("lonely.sigmf-data", ramp(1));
    folder.put("bereft.sigmf-meta", meta("", "", ""));
    assert!(message("empty.cf32").ends_with("empty.cf32: empty: there is no sample in it"));
    assert!(message("x.bin").contains("give --format (one of cf32"));
    assert!(message("none.cf32").contains("no such file"));
    assert!(message("lonely.sigmf-data").contains("lonely.sigmf-meta: no such file: it says how"));
    assert!(message("bereft.sigmf-meta").contains("bereft.sigmf-data: no such file"));
    assert!(message("").contains("a directory"));
    assert_eq!(open_as(folder.path("lonely.sigmf-data"), SampleFormat::CF32_LE).unwrap().info().length, 1);
}

#[test]
fn damage_is_reported_and_read_past() {
    let folder = Folder::new();
    let mut bytes = ramp(10);
    for (sample, value) in [(2, f32::NAN), (3, f32::INFINITY), (7, f32::NEG_INFINITY)] {
        bytes[8 * sample + 4..8 * sample + 8].copy_from_slice(&value.to_le_bytes());
    }
    let mut recording = open(folder.put("x.cf32", &bytes)).unwrap();
    let mut expected = ramp_from(0, 10);
    for sample in [2, 3, 7] {
        expected[sample] = Sample::default();
    }
    let runs = [
        Damage { sample: 2, count: 2, what: DamageKind::NotFinite },
        Damage { sample: 7, count: 1, what: DamageKind::NotFinite },
    ];
    // A second read, from the middle, adds nothing.
    for from in [5, 0, 0] {
        recording.seek(from).unwrap();
        assert_eq!(all(&mut recording), expected[from as usize..]);
    }
    assert_eq!(recording.damage().runs(), runs);
    assert_eq!(recording.damage().samples(), 3);
    assert_eq!(runs[0].to_string(), "samples 2 to 3: not a finite number, replaced by 0");
}

#[test]
fn the_list_of_damage_is_bounded() {
    let folder = Folder::new();
    // Every second sample of 4000.
    let bytes: Vec<u8> =
        (0..8000).map(|n| if n % 4 == 0 { f32::NAN } else { 1.0 }).flat_map(f32::to_le_bytes).collect();
    let mut recording = open(folder.put("x.cf32", &bytes)).unwrap();
    all(&mut recording);
    assert_eq!(recording.damage().samples(), 2000);
    assert!(recording.damage().runs().len() < 1000);
    assert!(recording.damage().unlisted() > 1000);
}

#[test]
fn a_file_that_shrinks_while_it_is_read() {
    let folder = Folder::new();
    let path = folder.put("x.cf32", ramp(100_000));
    let mut recording = open(&path).unwrap();
    FileOptions::new().write(true).open(&path).unwrap().set_len(8 * 60_000 + 3).unwrap();
    assert!(all(&mut recording) == ramp_from(0, 60_000));
    assert_eq!(
        recording.damage().runs(),
        [Damage { sample: 60_000, count: 40_000, what: DamageKind::Missing }]
    );
    assert_eq!(recording.info().length, 60_000);
    assert_eq!(recording.read(&mut [Sample::default()]).unwrap(), 0);
    recording.seek(59_999).unwrap();
    assert_eq!(all(&mut recording), ramp_from(59_999, 1));
}

#[test]
fn a_sigmf_pair_opens_by_any_of_its_names() {
    let folder = Folder::new();
    let captures =
        r#"{"core:sample_start": 0, "core:frequency": 5.9e9, "core:datetime": "2026-11-21T08:30:00Z"}"#;
    folder.put("a.b.sigmf-meta", meta(r#", "core:sample_rate": 15360000, "sidelink:prb": 50"#, captures, ""));
    folder.put("a.b.sigmf-data", ramp(20));
    for name in ["a.b.sigmf-meta", "a.b.sigmf-data", "a.b"] {
        let mut recording = open(folder.path(name)).unwrap();
        let info = recording.info();
        assert_eq!(info.container, Container::SigmfPair);
        assert_eq!((info.rate, info.frequency, info.length), (Some(15.36e6), Some(5.9e9), 20));
        assert_eq!(info.start, Some(UtcMicros(1_795_249_800_000_000)));
        assert_eq!(info.metadata.as_ref().unwrap().global.radio.prb, Some(50));
        assert_eq!(all(&mut recording), ramp_from(0, 20));
        assert_eq!(recording.warnings(), []);
        assert_eq!(recording.verify_hash().unwrap(), HashCheck::Absent);
    }
}

#[test]
fn the_time_of_a_later_sample_is_not_that_of_the_first() {
    let folder = Folder::new();
    folder.put("x.sigmf-data", ramp(20));
    let captures = r#"{"core:sample_start": 5, "core:datetime": "2026-11-21T08:30:00Z"}"#;
    let start =
        |global: &str| open(folder.put("x.sigmf-meta", meta(global, captures, ""))).unwrap().info().start;
    assert_eq!(start(""), None);
    assert_eq!(start(r#", "core:offset": 5"#), Some(UtcMicros(1_795_249_800_000_000)));
}

#[test]
fn data_shorter_than_the_metadata() {
    let folder = Folder::new();
    let annotations = r#"{"core:sample_start": 5, "core:sample_count": 10}, {"core:sample_start": 15, "core:sample_count": 10}"#;
    let path = folder.put("x.sigmf-meta", meta("", r#"{"core:sample_start": 0}"#, annotations));
    let mut bytes = ramp(20);
    bytes.push(1);
    folder.put("x.sigmf-data", &bytes);
    let recording = open(&path).unwrap();
    let short = Warning::ShorterThanMetadata { place: "annotations[1]".to_owned(), needs: 25, has: 20 };
    assert_eq!(recording.warnings(), [Warning::PartialSample { bytes: 1, channels: 1 }, short]);
}

#[test]
fn headers_between_captures_are_stepped_over() {
    let folder = Folder::new();
    // 5 bytes, samples 100 and 101, 3 bytes, samples 102 to 106, 2 bytes; numbered from 100.
    let ramp = ramp(7);
    let bytes = [&[0xff; 5][..], &ramp[..16], &[0xff; 3], &ramp[16..], &[0xff; 2]].concat();
    let captures = r#"{"core:sample_start": 100, "core:header_bytes": 5}, {"core:sample_start": 102, "core:header_bytes": 3}"#;
    let global = r#", "core:dataset": "x.dat", "core:offset": 100, "core:trailing_bytes": 2"#;
    folder.put("x.dat", bytes);
    let mut recording = open(folder.put("x.sigmf-meta", meta(global, captures, ""))).unwrap();
    assert_eq!(recording.info().length, 7);
    assert_eq!(recording.warnings(), []);
    assert_eq!(all(&mut recording), ramp_from(0, 7));
    recording.seek(3).unwrap();
    assert_eq!(all(&mut recording), ramp_from(3, 4));
}

#[test]
fn metadata_that_lie() {
    let folder = Folder::new();
    folder.put("x.sigmf-data", ramp(20));
    for (global, captures, annotations, expected) in [
        (
            r#", "core:num_channels": 2"#,
            "",
            "",
            "x.sigmf-data: has 2 channels, and one is needed here: choose it with --channel 0 to 1",
        ),
        (r#", "core:num_channels": 0"#, "", "", "global.core:num_channels: must be 1 or more"),
        (r#", "core:metadata_only": true"#, "", "", "has no samples"),
        (
            r#", "core:dataset": "../secret""#,
            "",
            "",
            "global.core:dataset: \"../secret\" is not the name of a file",
        ),
        (r#", "core:dataset": "..""#, "", "", "is not the name of a file"),
        (r#", "core:dataset": """#, "", "", "is not the name of a file"),
        (
            r#", "core:offset": 5"#,
            r#"{"core:sample_start": 4}"#,
            "",
            "captures[0].core:sample_start: 4 is before",
        ),
        (
            "",
            r#"{"core:sample_start": 0, "core:header_bytes": 161}"#,
            "",
            "captures[0].core:header_bytes: 161 bytes of header, and only 160 are left",
        ),
        (
            "",
            r#"{"core:sample_start": 4}, {"core:sample_start": 3}"#,
            "",
            "captures[1].core:sample_start: 3 comes before",
        ),
    ] {
        let path = folder.put("x.sigmf-meta", meta(global, captures, annotations));
        let message = open(&path).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
    let real = meta("", "", "").replace("cf32_le", "rf32_le");
    let message = open(folder.put("x.sigmf-meta", real)).unwrap_err().to_string();
    assert!(
        message.contains("x.sigmf-meta: global.core:datatype: \"rf32_le\" holds real samples"),
        "{message}"
    );
    let untyped = meta("", "", "").replace("datatype", "type");
    let path = folder.put("x.sigmf-meta", untyped);
    assert!(open(&path).unwrap_err().to_string().contains("global.core:datatype: is missing"));
    assert_eq!(open_as(&path, SampleFormat::CF32_LE).unwrap().info().length, 20);
    let far = meta("", r#"{"core:sample_start": 9223372036854775807, "core:header_bytes": 1}"#, "");
    let far = open(folder.put("x.sigmf-meta", far)).unwrap();
    assert_eq!(far.info().length, 20);
}

#[test]
fn what_is_wrong_and_not_needed_is_a_warning() {
    let folder = Folder::new();
    folder.put("x.sigmf-data", ramp(20));
    let annotations = r#"{"core:comment": "a"}, {"core:sample_start": 3}, {"core:sample_start": "b"}"#;
    let path = folder.put("x.sigmf-meta", meta(r#", "core:sample_rate": 0"#, "", annotations));
    let recording = open(&path).unwrap();
    let warnings: Vec<String> = recording.warnings().iter().map(Warning::to_string).collect();
    assert_eq!(
        warnings,
        [
            "global.core:sample_rate: must be above 0, and is 0; it is passed over",
            "annotations[0].core:sample_start: is missing; 2 such annotations are passed over",
        ]
    );
    assert_eq!(recording.info().annotations, 3);
    let mut starts = Vec::new();
    recording.annotations(&mut |annotation| starts.push(annotation.sample_start)).unwrap();
    assert_eq!(starts, [3]);
    let options = OpenOptions { rate: Some(1e6), ..OpenOptions::default() };
    assert_eq!(Recording::open(&path, &options).unwrap().info().rate, Some(1e6));
}

#[test]
fn gaps_are_where_captures_do_not_follow_one_another() {
    let folder = Folder::new();
    folder.put("x.sigmf-data", ramp(20));
    let captures = r#"{"core:sample_start": 100, "core:global_index": 5000}, {"core:sample_start": 107, "core:global_index": 5340}"#;
    let path = folder.put("x.sigmf-meta", meta(r#", "core:offset": 100"#, captures, ""));
    let gap = Gap { sample: 7, size: GapSize::Exact(333) };
    assert_eq!(open(path).unwrap().info().gaps, [gap]);
}

#[test]
fn a_pipe_is_read_as_it_comes() {
    let folder = Folder::new();
    let path = folder.path("x_15.36e6sps.cf32");
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    if !made.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: no mkfifo (coreutils, and a file system that has pipes)");
        return;
    }
    let writer = std::thread::spawn({
        let path = path.clone();
        move || std::fs::write(path, [ramp(100_000), vec![0; 3]].concat()).unwrap()
    });
    let mut recording = open(&path).unwrap();
    assert_eq!((recording.info().container, recording.info().rate), (Container::Stream, Some(15.36e6)));
    recording.mark();
    let mut start = vec![Sample::default(); 5000];
    assert_eq!(recording.read(&mut start).unwrap(), 5000);
    recording.seek(0).unwrap();
    let mut rest = vec![Sample::default(); 100_001];
    assert_eq!(recording.read(&mut rest).unwrap(), 100_000);
    assert!(rest[..100_000] == ramp_from(0, 100_000));
    assert_eq!(recording.info().length, 100_000);
    assert!(recording.damage().is_empty());
    recording.seek(0).unwrap();
    assert!(recording.read(&mut rest).unwrap_err().to_string().contains("a pipe passes once"));
    writer.join().unwrap();
}

#[test]
fn warnings_about_the_meaning() {
    let folder = Folder::new();
    folder.put("x.sigmf-data", ramp(20));
    let captures =
        r#"{"core:sample_start": 0, "core:frequency": 1e9}, {"core:sample_start": 5, "core:frequency": 2e9}"#;
    let global = r#", "core:extensions": [{"name": "ham", "version": "1.0.0", "optional": false}]"#;
    let recording = open(folder.put("x.sigmf-meta", meta(global, captures, ""))).unwrap();
    let frequencies = Warning::SeveralFrequencies { first: 1e9, other: 2e9 };
    assert_eq!(recording.warnings(), [frequencies, Warning::UnknownExtension { name: "ham".to_owned() }]);
}

proptest! {
    #[test]
    fn any_bytes_as_metadata(bytes: Vec<u8>) {
        let folder = Folder::new();
        folder.put("x.sigmf-data", ramp(3));
        prop_assert!(open(folder.put("x.sigmf-meta", &bytes)).is_err() || !bytes.is_empty());
    }

    #[test]
    fn any_numbers_in_metadata(
        length in 1_usize..400,
        offset in prop_oneof![Just(0), any::<u64>()],
        trailing in prop_oneof![0_u64..50, any::<u64>()],
        captures in prop::collection::vec((prop_oneof![0_u64..50, any::<u64>()], prop_oneof![0_u64..50, any::<u64>()]), 0..4),
        count: u64,
    ) {
        let folder = Folder::new();
        folder.put("x.sigmf-data", vec![0; length]);
        let captures: Vec<String> = captures
            .iter()
            .map(|(start, header)| format!(r#"{{"core:sample_start": {start}, "core:header_bytes": {header}}}"#))
            .collect();
        let global = format!(r#", "core:offset": {offset}, "core:trailing_bytes": {trailing}"#);
        let annotation = format!(r#"{{"core:sample_start": {offset}, "core:sample_count": {count}}}"#);
        let path = folder.put("x.sigmf-meta", meta(&global, &captures.join(","), &annotation));
        if let Ok(mut recording) = open(&path) {
            let length = recording.info().length;
            prop_assert!(length <= 50);
            prop_assert_eq!(all(&mut recording).len() as u64, length);
            prop_assert!(recording.damage().is_empty());
        }
    }

    #[test]
    fn any_bytes_as_raw(bytes: Vec<u8>, name in prop::sample::select(vec!["x.cf32", "x.ci16", "x.cu8", "x.cf64"])) {
        let folder = Folder::new();
        let path = folder.put(name, &bytes);
        let format = hints_of_name(&path).format.unwrap();
        let whole = bytes.len() / format.bytes_per_sample();
        match open(&path) {
            Ok(mut recording) => {
                let samples = all(&mut recording);
                prop_assert_eq!(samples.len(), whole);
                prop_assert!(samples.iter().all(|sample| sample.is_finite()));
            }
            Err(Error::Empty { .. }) => prop_assert!(bytes.is_empty()),
            Err(Error::PartialSample { .. }) => prop_assert!(bytes.len() % format.bytes_per_sample() != 0),
            Err(other) => prop_assert!(false, "{}", other),
        }
    }
}
