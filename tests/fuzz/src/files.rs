//! Recordings as files: metadata, pairs, archives, raw samples. What opens yields as many finite samples as it says.

use super::{Bytes, Target};
use sidelink_recordings::sigmf::Metadata;
use sidelink_recordings::{Channels, OpenOptions, Recording, Sample, SampleFormat, Writer, WriterOptions};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// The text of a `.sigmf-meta`.
pub const SIGMF_META: Target = Target { name: "sigmf_meta", run: sigmf_meta, seeds: sigmf_meta_seeds };
/// Metadata and data: the length of the metadata in two bytes, the metadata, the data.
pub const SIGMF_PAIR: Target = Target { name: "sigmf_pair", run: sigmf_pair, seeds: sigmf_pair_seeds };
/// A `.sigmf` archive.
pub const SIGMF_ARCHIVE: Target =
    Target { name: "sigmf_archive", run: sigmf_archive, seeds: sigmf_archive_seeds };
/// Raw samples: a byte that chooses the format, one that chooses the channels, the file.
pub const RAW: Target = Target { name: "raw_samples", run: raw, seeds: raw_seeds };

/// Samples that are read of one recording at most.
const MOST: u64 = 1 << 20;

/// A folder of its own, removed when dropped.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("sidelink-fuzz-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).expect("the folder for temporary files can be written");
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).expect("the folder for temporary files can be written");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Read all of a recording; whether it opened.
fn read(path: &Path, options: &OpenOptions) -> bool {
    let mut recording = match Recording::open(path, options) {
        Ok(recording) => recording,
        Err(e) => {
            assert!(!e.to_string().is_empty());
            return false;
        }
    };
    let length = recording.info().length;
    let mut blocks = vec![vec![Sample::default(); 1000]; recording.delivered()];
    let mut slices: Vec<&mut [Sample]> = blocks.iter_mut().map(Vec::as_mut_slice).collect();
    let mut total = 0;
    while total < MOST {
        match recording.read_channels(&mut slices) {
            Ok(0) => break,
            Ok(n) => {
                let finite = slices.iter().all(|block| block[..n].iter().all(|x| x.is_finite()));
                assert!(finite, "a sample that is not finite came through");
                total += n as u64;
            }
            Err(e) => {
                assert!(!e.to_string().is_empty());
                return false;
            }
        }
    }
    assert!(total == length || total >= MOST, "{total} samples of {length}");
    let _ = recording.verify_hash();
    for at in [0, length / 2, length, length.saturating_add(1), u64::MAX] {
        if recording.seek(at).is_ok() {
            let _ = recording.read_channels(&mut slices);
        }
    }
    true
}

fn sigmf_meta(data: &[u8]) -> bool {
    let metadata = match Metadata::parse(data) {
        Ok(metadata) => metadata,
        Err(e) => {
            assert!(!e.problem.is_empty());
            return false;
        }
    };
    let text = metadata.emit();
    let again = Metadata::parse(text.as_bytes()).expect("what was parsed can be emitted");
    assert_eq!(again.emit(), text);
    true
}

fn sigmf_meta_seeds() -> Vec<Vec<u8>> {
    let least =
        r#"{"global":{"core:datatype":"cf32_le","core:version":"1.2.6"},"captures":[],"annotations":[]}"#;
    vec![least.into(), example_metadata().into_bytes()]
}

/// Everything that the reader knows, for 64 samples of ci16_le.
fn example_metadata() -> String {
    r#"{"global":{"core:datatype":"ci16_le","core:version":"1.2.6","core:sample_rate":15360000,
"core:num_channels":1,"core:offset":0,"core:author":"A. U. Thor","core:description":"x",
"core:extensions":[{"name":"sidelink","version":"1.0.0","optional":true}],
"sidelink:prb":50,"sidelink:tm":4,"sidelink:cp":"normal","other:key":[1,2.5,"z",null]},
"captures":[{"core:sample_start":0,"core:frequency":5.92e9,"core:datetime":"2026-01-02T03:04:05.678901Z"},
{"core:sample_start":32,"core:header_bytes":0}],
"annotations":[{"core:sample_start":3,"core:sample_count":20,"core:freq_lower_edge":5.91e9,
"core:freq_upper_edge":5.93e9,"core:label":"PSSCH","sidelink:channel":"PSSCH","sidelink:subframe":17,
"sidelink:fields":{"mcs":4}}],"collection":{}}"#
        .into()
}

fn sigmf_pair(data: &[u8]) -> bool {
    let mut bytes = Bytes::new(data);
    let len = bytes.u16() as usize;
    let rest = bytes.rest();
    let (metadata, samples) = rest.split_at(len.min(rest.len()));
    let folder = Folder::new();
    folder.write("x.sigmf-data", samples);
    let options = OpenOptions { channels: Channels::All, ..OpenOptions::default() };
    read(&folder.write("x.sigmf-meta", metadata), &options)
}

fn sigmf_pair_seeds() -> Vec<Vec<u8>> {
    let one = example_metadata();
    let two = one.replace("num_channels\":1", "num_channels\":2");
    let pair = |metadata: &str| {
        let len = (metadata.len() as u16).to_le_bytes();
        [&len[..], metadata.as_bytes(), &[0x12; 256]].concat()
    };
    vec![pair(&one), pair(&two)]
}

fn sigmf_archive(data: &[u8]) -> bool {
    let folder = Folder::new();
    read(&folder.write("x.sigmf", data), &OpenOptions::default())
}

fn sigmf_archive_seeds() -> Vec<Vec<u8>> {
    let folder = Folder::new();
    [SampleFormat::CF32_LE, SampleFormat::CI16_LE]
        .into_iter()
        .map(|format| {
            let path = folder.0.join("seed.sigmf");
            let options = WriterOptions { format, ..WriterOptions::new(1.92e6) };
            let mut writer = Writer::create(&path, options).expect("a new file");
            writer.write(&[Sample::new(0.25, -0.5); 40]).expect("written");
            writer.finish().expect("finished");
            std::fs::read(&path).expect("what was written")
        })
        .collect()
}

const RAW_NAMES: [&str; 8] = [
    "x.cf32",
    "x.ci16",
    "x.cu8",
    "x.ci8",
    "x.cf64",
    "x_1.92MSps_5.92GHz.cf32",
    "gqrx_20260102_030405_5920000000_1920000_fc.raw",
    "x.bin",
];

fn raw(data: &[u8]) -> bool {
    let mut bytes = Bytes::new(data);
    let choice = bytes.byte();
    let format = ["cf32", "ci16", "cf32_be", "cu16"][choice as usize / 64].parse().ok();
    let channels = bytes.byte();
    let options = OpenOptions {
        format: format.filter(|_| choice & 8 != 0),
        interleaved: Some(usize::from(channels & 7)).filter(|_| channels & 0x80 != 0),
        channels: match channels >> 3 & 7 {
            0 => Channels::Single,
            1 | 2 => Channels::All,
            more => Channels::One(usize::from(more) - 3),
        },
        ..OpenOptions::default()
    };
    let folder = Folder::new();
    read(&folder.write(RAW_NAMES[choice as usize % 8], bytes.rest()), &options)
}

fn raw_seeds() -> Vec<Vec<u8>> {
    // 64 samples as each of the formats
    let floats: Vec<u8> = (0..128).flat_map(|i| (i as f32 / 128.0).to_le_bytes()).collect();
    let doubles: Vec<u8> = (0..128).flat_map(|i| (f64::from(i) / 128.0).to_le_bytes()).collect();
    let seed = |choice: u8, samples: &[u8]| [&[choice, 0], samples].concat();
    vec![
        seed(0, &floats),
        seed(1, &[7; 256]),
        seed(2, &[130; 128]),
        seed(3, &[7; 128]),
        seed(4, &doubles),
        seed(5, &floats),
        seed(8 + 7, &floats),
        seed(64 + 8 + 7, &[7; 256]),
        [&[0, 0x80 + 8 + 2], &floats[..]].concat(),
        [&[1, 0x80 + (4 << 3) + 3], &[7; 240][..]].concat(),
    ]
}
