use proptest::prelude::*;

use super::*;
use crate::sigmf::{CyclicPrefix, Object};
use crate::testing::Folder;
use crate::{HashCheck, OpenOptions, Recording};

fn samples(count: usize) -> Vec<Sample> {
    (0..count).map(|n| Sample::new((n % 100) as f32 / 128.0, -((n % 30_000) as f32) / 32_768.0)).collect()
}

fn options() -> WriterOptions {
    WriterOptions {
        frequency: Some(5.92e9),
        start: Some(UtcMicros(1_795_249_800_250_000)),
        hw: Some("virtual air".to_owned()),
        radio: RadioConfig {
            prb: Some(50),
            transmission_mode: Some(4),
            cyclic_prefix: Some(CyclicPrefix::Normal),
            pools: Some(serde_json::json!({"v2x": {"offset": 0}}).as_object().unwrap().clone()),
        },
        ..WriterOptions::new(15.36e6)
    }
}

fn annotation(sample_start: u64) -> Annotation {
    Annotation {
        sample_start,
        sample_count: Some(10),
        channel: Some("PSSCH".to_owned()),
        subframe: Some(3),
        fields: [("tb".to_owned(), "30aa".into())].into_iter().collect(),
        ..Annotation::default()
    }
}

fn write(path: &Path, options: WriterOptions, samples: &[Sample]) -> Summary {
    let mut writer = Writer::create(path, options).unwrap();
    for piece in samples.chunks(997) {
        writer.write(piece).unwrap();
    }
    writer.annotate(annotation(20)).unwrap();
    writer.annotate(annotation(5)).unwrap();
    writer.finish().unwrap()
}

fn read(path: &Path) -> (Recording, Vec<Sample>) {
    let mut recording = Recording::open(path, &OpenOptions::default()).unwrap();
    let mut out = vec![Sample::default(); recording.info().length as usize];
    assert_eq!(recording.read(&mut out).unwrap(), out.len());
    (recording, out)
}

fn annotations_of(recording: &Recording) -> Vec<Annotation> {
    let mut annotations = Vec::new();
    recording.annotations(&mut |annotation| annotations.push(annotation)).unwrap();
    annotations
}

#[test]
fn what_is_written_is_read_in_every_container_and_format() {
    let folder = Folder::new();
    let samples = samples(40_000);
    for (name, format) in [
        ("pair", SampleFormat::CF32_LE),
        ("pair16.sigmf-data", SampleFormat::CI16_LE),
        ("whole.sigmf", SampleFormat::CF32_LE),
        (
            "a_name_of_which_the_path_in_the_archive_exceeds_100_bytes_5.92e9Hz_15.36e6.sigmf",
            SampleFormat::CI16_LE,
        ),
    ] {
        let path = folder.path(name);
        let summary = write(&path, WriterOptions { format, ..options() }, &samples);
        assert_eq!((summary.samples, summary.clipped, summary.not_finite), (40_000, 0, 0));
        let (mut recording, back) = read(&path);
        assert!(back == samples, "{name}");
        assert_eq!(recording.warnings(), [], "{name}");
        assert_eq!(recording.verify_hash().unwrap(), HashCheck::Match, "{name}");
        let info = recording.info();
        assert_eq!(
            (info.rate, info.frequency, info.start),
            (Some(15.36e6), Some(5.92e9), options().start),
            "{name}"
        );
        let metadata = info.metadata.as_ref().unwrap();
        assert_eq!(metadata.global.radio, options().radio);
        let annotations = annotations_of(&recording);
        let starts: Vec<u64> = annotations.iter().map(|a| a.sample_start).collect();
        assert_eq!(starts, [5, 20], "sorted, as the specification demands");
        let first = &annotations[0];
        assert_eq!((first.label.as_deref(), first.comment.as_deref()), (Some("PSSCH"), Some("PSSCH")));
        assert_eq!(first.fields, annotation(5).fields);
    }
}

#[test]
fn raw_files_carry_samples_only() {
    let folder = Folder::new();
    let path = folder.path("x_15.36e6sps.ci16");
    let summary =
        write(&path, WriterOptions { format: SampleFormat::CI16_LE, scale: 0.5, ..options() }, &samples(100));
    assert_eq!((summary.annotations_lost, summary.files), (2, vec![path.clone()]));
    let (recording, back) = read(&path);
    assert_eq!(recording.info().rate, Some(15.36e6));
    for (back, written) in back.iter().zip(samples(100)) {
        // Half a step of the quantiser.
        assert!((back - written * 0.5).norm() <= 0.75 / 32_768.0);
    }
}

#[test]
fn a_label_fills_the_comment_and_the_other_way_round() {
    let folder = Folder::new();
    let path = folder.path("x.sigmf");
    let mut writer = Writer::create(&path, options()).unwrap();
    writer.write(&samples(1)).unwrap();
    let text = |text: &str| Some(text.to_owned());
    writer.annotate(Annotation { label: text("a"), ..Annotation::default() }).unwrap();
    writer.annotate(Annotation { comment: text("b"), ..Annotation::default() }).unwrap();
    writer.annotate(Annotation { label: text("c"), comment: text("d"), ..annotation(0) }).unwrap();
    writer.finish().unwrap();
    let (recording, _) = read(&path);
    let annotations = annotations_of(&recording);
    let texts: Vec<_> =
        annotations.iter().map(|a| (a.label.as_deref().unwrap(), a.comment.as_deref().unwrap())).collect();
    assert_eq!(texts, [("a", "a"), ("b", "b"), ("c", "d")]);
}

#[test]
fn nothing_has_its_name_before_it_is_whole() {
    let folder = Folder::new();
    for (name, part) in [("a", "a.sigmf-data.part"), ("b.sigmf", "b.sigmf.part"), ("c.cf32", "c.cf32.part")] {
        let mut writer = Writer::create(&folder.path(name), options()).unwrap();
        writer.write(&samples(10)).unwrap();
        drop(writer);
        assert!(folder.names().contains(&part.to_owned()));
        assert!(Recording::open(&folder.path(name), &OpenOptions::default()).is_err(), "{name}");
    }
    write(&folder.path("a"), options(), &samples(10));
    assert_eq!(folder.names(), ["a.sigmf-data", "a.sigmf-meta", "b.sigmf.part", "c.cf32.part"]);
}

#[test]
fn a_recording_is_replaced_as_a_whole() {
    let folder = Folder::new();
    let path = folder.path("a");
    write(&path, options(), &samples(100));
    let mut writer = Writer::create(&path, options()).unwrap();
    writer.write(&samples(7)).unwrap();
    assert_eq!(read(&path).1.len(), 100, "the old one stands until the new one is finished");
    writer.finish().unwrap();
    let (mut recording, back) = read(&path);
    assert_eq!(back.len(), 7);
    assert_eq!(recording.verify_hash().unwrap(), HashCheck::Match);
}

#[test]
fn losses_are_counted() {
    let folder = Folder::new();
    let path = folder.path("x.ci16");
    let mut writer =
        Writer::create(&path, WriterOptions { format: SampleFormat::CI16_LE, ..options() }).unwrap();
    writer.write(&[Sample::new(1.5, f32::NAN), Sample::new(-1.0, 0.0)]).unwrap();
    assert_eq!(writer.position(), 2);
    let summary = writer.finish().unwrap();
    assert_eq!((summary.samples, summary.clipped, summary.not_finite), (2, 1, 1));
}

#[test]
#[cfg(target_os = "linux")]
fn a_device_takes_the_samples_as_they_come() {
    let folder = Folder::new();
    for (device, full) in [("/dev/null", false), ("/dev/full", true)] {
        let path = folder.path("device.sigmf");
        std::os::unix::fs::symlink(device, &path).unwrap();
        assert_eq!(Container::of_output(&path), Container::Stream);
        let mut writer = Writer::create(&path, options()).unwrap();
        writer.annotate(annotation(5)).unwrap();
        match writer.write(&samples(10)) {
            Ok(()) => assert!(!full && writer.finish().unwrap().annotations_lost == 1),
            Err(error) => {
                assert!(full, "{error}");
                assert!(error.to_string().contains("device.sigmf: cannot write: No space left"), "{error}");
            }
        }
        assert_eq!(folder.names(), ["device.sigmf"], "no file in the making");
        std::fs::remove_file(path).unwrap();
    }
}

#[test]
fn refused_arguments() {
    let folder = Folder::new();
    let refused = |name: &str, options: WriterOptions| {
        matches!(Writer::create(&folder.path(name), options), Err(Error::Argument { .. }))
    };
    assert!(refused("x", WriterOptions { rate: 0.0, ..options() }));
    assert!(refused("x", WriterOptions { rate: f64::NAN, ..options() }));
    assert!(refused("x", WriterOptions { scale: 0.0, ..options() }));
    assert!(refused("x", WriterOptions { frequency: Some(f64::NAN), ..options() }));
    assert!(refused("x", WriterOptions { format: SampleFormat::CU8, ..options() }));
    assert!(refused("x.ci16", options()), "cf32 under the name of ci16");
    assert!(refused(&format!("{}.sigmf", "n".repeat(81)), options()));
    assert_eq!(folder.names(), [""; 0], "nothing was created");
    assert!(matches!(Writer::create(&folder.path("no/such/folder"), options()), Err(Error::Io { .. })));
}

#[test]
fn floats_are_scaled_to_a_peak_when_it_is_known() {
    let folder = Folder::new();
    // More than one block, the loudest sample first.
    let mut samples = samples(40_000);
    samples[0] = Sample::new(3.0, -4.0);
    for name in ["pair", "whole.sigmf", "raw.cf32"] {
        let path = folder.path(name);
        let mut writer = Writer::create(&path, WriterOptions { peak: Some(0.5), ..options() }).unwrap();
        writer.write(&samples).unwrap();
        assert_eq!((writer.peak(), writer.scale_to_come()), (5.0, 0.1));
        writer.finish().unwrap();
        let (mut recording, back) = read(&path);
        for (back, written) in back.iter().zip(&samples) {
            assert!((back - written * 0.1).norm() < 1e-6, "{name}");
        }
        if name != "raw.cf32" {
            assert_eq!(recording.verify_hash().unwrap(), HashCheck::Match, "{name}");
        }
    }
}

#[test]
fn a_changed_file_fails_its_hash() {
    let folder = Folder::new();
    let path = folder.path("a.sigmf");
    write(&path, options(), &samples(100));
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[512 + 17] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(read(&path).0.verify_hash().unwrap(), HashCheck::Mismatch);
}

#[test]
fn an_archive_cut_anywhere_is_an_error_or_a_warning() {
    let folder = Folder::new();
    let path = folder.path("a.sigmf");
    write(&path, options(), &samples(100));
    let bytes = std::fs::read(&path).unwrap();
    for length in 0..bytes.len() - 2 * BLOCK as usize {
        let cut = folder.put("cut.sigmf", &bytes[..length]);
        match Recording::open(&cut, &OpenOptions::default()) {
            Err(error) => assert_eq!(error.blame(), crate::Blame::File, "{length}: {error}"),
            // Only the padding after the metadata is missing.
            Ok(_) => assert!(bytes[length..].iter().all(|byte| *byte == 0), "{length}"),
        }
    }
}

fn any_object() -> impl Strategy<Value = Object> {
    prop::collection::btree_map("[a-z]{1,6}:[a-z]{1,6}", any::<u64>().prop_map(Into::into), 0..4)
        .prop_map(|map| map.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_recording_round_trips(count in 0_usize..3000, fields in any_object(), archive: bool) {
        let folder = Folder::new();
        let path = folder.path(if archive { "x.sigmf" } else { "x" });
        let mut writer = Writer::create(&path, options()).unwrap();
        writer.write(&samples(count)).unwrap();
        writer.annotate(Annotation { fields: fields.clone(), ..annotation(0) }).unwrap();
        writer.finish().unwrap();
        if count == 0 {
            let empty = matches!(Recording::open(&path, &OpenOptions::default()), Err(Error::Empty { .. }));
            prop_assert!(empty);
        } else {
            let (recording, back) = read(&path);
            prop_assert!(back == samples(count));
            prop_assert_eq!(&annotations_of(&recording)[0].fields, &fields);
        }
    }
}
