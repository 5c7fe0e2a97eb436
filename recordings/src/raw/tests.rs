use proptest::prelude::*;

use super::*;

const ALL: [&str; 14] = [
    "cf64_le", "cf64_be", "cf32_le", "cf32_be", "ci32_le", "ci32_be", "cu32_le", "cu32_be", "ci16_le",
    "ci16_be", "cu16_le", "cu16_be", "ci8", "cu8",
];

fn format(name: &str) -> SampleFormat {
    name.parse().unwrap()
}

fn decode(name: &str, bytes: &[u8]) -> Vec<Sample> {
    let mut out = [Sample::new(9.0, 9.0); 8];
    let count = format(name).decode(bytes, &mut out);
    out[..count].to_vec()
}

#[test]
fn names_round_trip() {
    for name in ALL {
        assert_eq!(format(name).to_string(), name);
        assert_eq!(format(format(name).short_name()), format(name));
    }
    for (alias, name) in [
        ("CF32", "cf32_le"),
        ("fc32", "cf32_le"),
        ("cs16", "ci16_le"),
        ("sc16", "ci16_le"),
        ("ci8_le", "ci8"),
    ] {
        assert_eq!(format(alias).to_string(), name, "{alias}");
    }
}

#[test]
fn names_refused() {
    for name in ["", "cf16", "c", "cf32_xe", "f32", "cf32_le_le"] {
        assert!(name.parse::<SampleFormat>().unwrap_err().to_string().contains("cf32, cf64"), "{name}");
    }
    assert!("rf32_le".parse::<SampleFormat>().unwrap_err().to_string().contains("real samples"));
}

#[test]
fn each_format_decodes_a_hand_made_sample() {
    let sample = vec![Sample::new(0.5, -1.0)];
    for (name, bytes) in [
        ("cf32_le", &[0, 0, 0, 0x3f, 0, 0, 0x80, 0xbf][..]),
        ("cf32_be", &[0x3f, 0, 0, 0, 0xbf, 0x80, 0, 0]),
        ("cf64_le", &[0, 0, 0, 0, 0, 0, 0xe0, 0x3f, 0, 0, 0, 0, 0, 0, 0xf0, 0xbf]),
        ("cf64_be", &[0x3f, 0xe0, 0, 0, 0, 0, 0, 0, 0xbf, 0xf0, 0, 0, 0, 0, 0, 0]),
        ("ci32_le", &[0, 0, 0, 0x40, 0, 0, 0, 0x80]),
        ("ci32_be", &[0x40, 0, 0, 0, 0x80, 0, 0, 0]),
        ("cu32_le", &[0, 0, 0, 0xc0, 0, 0, 0, 0]),
        ("cu32_be", &[0xc0, 0, 0, 0, 0, 0, 0, 0]),
        ("ci16_le", &[0, 0x40, 0, 0x80]),
        ("ci16_be", &[0x40, 0, 0x80, 0]),
        ("cu16_le", &[0, 0xc0, 0, 0]),
        ("cu16_be", &[0xc0, 0, 0, 0]),
        ("ci8", &[0x40, 0x80]),
        ("cu8", &[0xc0, 0]),
    ] {
        assert_eq!(decode(name, bytes), sample, "{name}");
        assert_eq!(format(name).bytes_per_sample(), bytes.len(), "{name}");
        assert_eq!(decode(name, &bytes[..bytes.len() - 1]), [], "{name}: half a sample is none");
    }
}

#[test]
fn integers_clip_and_nothing_else_does() {
    let samples = [Sample::new(2.0, -2.0), Sample::new(f32::NAN, f32::NEG_INFINITY), Sample::new(0.25, -1.0)];
    let mut bytes = Vec::new();
    let losses = SampleFormat::CI16_LE.encode(&samples, 1.0, &mut bytes).unwrap();
    assert_eq!(losses, Losses { clipped: 2, not_finite: 2 });
    let words: Vec<i16> = bytes.as_chunks::<2>().0.iter().map(|b| i16::from_le_bytes(*b)).collect();
    assert_eq!(words, [32767, -32768, 0, 0, 8192, -32768]);

    bytes.clear();
    let losses = SampleFormat::CF32_LE.encode(&samples, 1.0, &mut bytes).unwrap();
    assert_eq!(losses, Losses { clipped: 0, not_finite: 2 });
    assert_eq!(decode("cf32", &bytes), [samples[0], Sample::new(0.0, 0.0), samples[2]]);
    assert_eq!(SampleFormat::CU8.encode(&samples, 1.0, &mut bytes), None);
}

#[test]
fn names_of_other_programs_speak() {
    let utc = |text: &str| Some(text.parse::<crate::UtcMicros>().unwrap());
    let (cf32, at) = (Some(SampleFormat::CF32_LE), utc("2026-01-02T03:04:05Z"));
    for (name, format, rate, frequency, start) in [
        ("gqrx_20260102_030405_5920000000_15360000_fc.raw", cf32, Some(15.36e6), Some(5.92e9), at),
        ("g001_433.92M_250k.cu8", Some(SampleFormat::CU8), Some(250e3), Some(433.92e6), None),
        ("SDRSharp_20260102_030405Z_433920000Hz_IQ.wav", None, None, Some(433.92e6), at),
        ("HDSDR_20260102_030405Z_433920kHz_RF.wav", None, None, Some(433.92e6), at),
        ("drive_fc32.bin", cf32, None, None, None),
        ("drive_7.68Msps_ci16.iq", Some(SampleFormat::CI16_LE), Some(7.68e6), None, None),
        ("drive.c64", cf32, None, None, None),
        ("urh.complex16u", Some(SampleFormat::CU8), None, None, None),
        ("cf32", None, None, None, None),
        ("x_20260102_030405.cf32", cf32, None, None, None),
        ("x_20261302_030405Z.cf32", cf32, None, None, None),
    ] {
        let found = hints_of(name);
        let expected = name::NameHints { format, rate, frequency, start, ..name::NameHints::default() };
        assert_eq!(found, expected, "{name}");
    }
    use std::os::unix::ffi::OsStrExt;
    let name = std::ffi::OsStr::from_bytes(b"fahrt_\xfc_5.92e9Hz.cf32");
    assert_eq!(crate::hints_of_name(std::path::Path::new(name)).frequency, Some(5.92e9));
}

#[test]
fn file_names_speak() {
    let hints = |name: &str| hints_of(name);
    let cf32 = Some(SampleFormat::CF32_LE);
    for (name, format, rate, frequency) in [
        ("name_5.92e9Hz_15.36e6sps.cf32", cf32, Some(15.36e6), Some(5.92e9)),
        ("a_5920MHz_15.36Msps.fc32", cf32, Some(15.36e6), Some(5.92e9)),
        ("a_5.92GHz.cs16", Some(SampleFormat::CI16_LE), None, Some(5.92e9)),
        ("a_1920ksps.ci16", Some(SampleFormat::CI16_LE), Some(1.92e6), None),
        ("a_15.36e6sps", None, Some(15.36e6), None),
        ("a_0sps_-5Hz_NaNHz_infsps.cu8", Some(SampleFormat::CU8), None, None),
        ("Hz_sps_MHz_.cf32", cf32, None, None),
        ("plain.bin", None, None, None),
        ("", None, None, None),
    ] {
        let found = hints(name);
        assert_eq!(found.format, format, "{name}");
        let close = |found: Option<f64>, expected: Option<f64>| match (found, expected) {
            (Some(found), Some(expected)) => (found / expected - 1.0).abs() < 1e-12,
            (found, expected) => found == expected,
        };
        assert!(close(found.rate, rate), "{name}: {found:?}");
        assert!(close(found.frequency, frequency), "{name}: {found:?}");
        assert_eq!(found.channels, None, "{name}");
    }
    for (name, channels) in
        [("a_2ch.cf32", Some(2)), ("a_4ch_5.92e9Hz.ci16", Some(4)), ("a_ch_-2ch_0ch_+2ch.cf32", None)]
    {
        assert_eq!(hints(name).channels, channels, "{name}");
    }
}

fn hints_of(name: &str) -> name::NameHints {
    name::hints_of_name(name.as_ref())
}

proptest! {
    #[test]
    fn floats_round_trip_to_the_bit(values: Vec<(f32, f32)>) {
        let samples: Vec<Sample> = values.iter().map(|&(re, im)| Sample::new(re, im)).collect();
        let mut bytes = Vec::new();
        let losses = SampleFormat::CF32_LE.encode(&samples, 1.0, &mut bytes).unwrap();
        let mut back = vec![Sample::default(); samples.len()];
        prop_assert_eq!(SampleFormat::CF32_LE.decode(&bytes, &mut back), samples.len());
        prop_assert_eq!(losses.not_finite > 0, samples.iter().any(|s| !s.is_finite()));
        for (sample, back) in samples.iter().zip(&back) {
            prop_assert_eq!(if sample.re.is_finite() { sample.re } else { 0.0 }, back.re);
            prop_assert_eq!(if sample.im.is_finite() { sample.im } else { 0.0 }, back.im);
        }
    }

    #[test]
    fn integers_round_trip_to_the_bit(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
        let whole = bytes.len() / 4 * 4;
        let mut samples = vec![Sample::default(); whole / 4];
        SampleFormat::CI16_LE.decode(&bytes, &mut samples);
        let mut back = Vec::new();
        prop_assert_eq!(SampleFormat::CI16_LE.encode(&samples, 1.0, &mut back), Some(Losses::default()));
        prop_assert_eq!(&back, &bytes[..whole]);
    }

    #[test]
    fn any_bytes_decode(bytes: Vec<u8>, which in 0..ALL.len()) {
        let format = format(ALL[which]);
        let mut out = [Sample::default(); 5];
        prop_assert_eq!(format.decode(&bytes, &mut out), (bytes.len() / format.bytes_per_sample()).min(5));
        let _ = judge::looks(format, &bytes);
        let _ = judge::guess(&bytes);
    }

    #[test]
    fn any_name_is_read(name in "\\PC*", near in "[a-z]{0,3}_[0-9.e-]{0,6}[kMG]?(Hz|sps)?_?\\.?(cf32|sps)?") {
        hints_of(&name);
        hints_of(&near);
    }
}
