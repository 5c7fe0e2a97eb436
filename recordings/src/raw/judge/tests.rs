use super::*;

/// Returns noise of the given RMS, smoothed over `smooth` samples; some of it in bursts, as on the air.
fn signal(rms: f32, smooth: usize, seed: u64) -> Vec<Sample> {
    let mut state = seed;
    let mut uniform = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / 8_388_608.0 - 1.0
    };
    let mut gauss = || (0..6).map(|_| uniform()).sum::<f32>() / 2.0_f32.sqrt();
    let white: Vec<Sample> = (0..40_000 + smooth).map(|_| Sample::new(gauss(), gauss())).collect();
    let scale = rms / (2.0 * smooth as f32).sqrt();
    let level = |n: usize| if n / 7000 % 3 == 1 { 0.05 } else { 1.0 };
    (0..40_000).map(|n| white[n..n + smooth].iter().sum::<Sample>() * scale * level(n)).collect()
}

/// Encodes samples in a format, also in one that the writer does not support.
fn store(format: &str, samples: &[Sample]) -> Vec<u8> {
    let parts = samples.iter().flat_map(|s| [s.re, s.im]);
    let of = |full: f32| move |part: f32| (part * full).round().clamp(-full, full - 1.0);
    match format {
        "cf32" => parts.flat_map(f32::to_le_bytes).collect(),
        "cf32_be" => parts.flat_map(f32::to_be_bytes).collect(),
        "cf64" => parts.flat_map(|part| f64::from(part).to_le_bytes()).collect(),
        "cf64_be" => parts.flat_map(|part| f64::from(part).to_be_bytes()).collect(),
        "ci16" => parts.map(of(32_768.0)).flat_map(|part| (part as i16).to_le_bytes()).collect(),
        "ci16_be" => parts.map(of(32_768.0)).flat_map(|part| (part as i16).to_be_bytes()).collect(),
        "ci32" => parts.map(of(2e9)).flat_map(|part| (part as i32).to_le_bytes()).collect(),
        "ci8" => parts.map(of(128.0)).map(|part| part as i8 as u8).collect(),
        "cu8" => parts.map(of(128.0)).map(|part| (part + 128.0) as u8).collect(),
        other => panic!("{other}"),
    }
}

fn judged(said: &str, bytes: &[u8]) -> Option<Looks> {
    looks(said.parse().unwrap(), bytes)
}

/// Samples of the declared format are accepted, at any level, narrow or wide, from a full ADC to its last steps.
#[test]
fn nothing_is_said_of_samples_that_are_what_they_are_said_to_be() {
    for smooth in [1, 2, 5] {
        for rms in [1e-9, 1e-3, 1.0, 1e9] {
            for format in ["cf32", "cf32_be", "cf64", "cf64_be"] {
                let bytes = store(format, &signal(rms, smooth, 1));
                assert_eq!(judged(format, &bytes), None, "{format}, RMS {rms}, {smooth}");
            }
        }
        for (format, least) in
            [("ci16", 1e-4), ("ci16_be", 1e-4), ("ci8", 0.02), ("cu8", 0.02), ("ci32", 1e-6)]
        {
            for rms in [least, 0.01, 0.1, 0.5, 3.0] {
                let bytes = store(format, &signal(rms, smooth, 2));
                assert_eq!(judged(format, &bytes), None, "{format}, RMS {rms}, {smooth}");
            }
        }
    }
    // An ADC of 12 and one of 8 bits, in the upper bits of 16.
    for keep in [0xfff0_u16, 0xff00] {
        let bytes = store("ci16", &signal(0.2, 2, 3));
        let (words, _) = bytes.as_chunks::<2>();
        let bytes: Vec<u8> =
            words.iter().flat_map(|w| (u16::from_le_bytes(*w) & keep).to_le_bytes()).collect();
        assert_eq!(judged("ci16", &bytes), None, "{keep:x}");
    }
    for format in ["cf32", "ci16", "ci8", "cu8"] {
        assert_eq!(judged(format, &[0; 65_536]), None, "silence proves nothing");
        assert_eq!(judged(format, &[]), None);
    }
}

#[test]
fn what_is_said_wrongly_is_seen_at_any_level() {
    let like = |format: &str| Some(Looks::Like(format.parse().unwrap()));
    for smooth in [1, 4] {
        for rms in [1e-9, 1e-3, 0.3, 1e9] {
            let samples = signal(rms, smooth, 4);
            for (is, said) in [
                ("cf32", "ci16"),
                ("cf32", "cf64"),
                ("cf32", "cf32_be"),
                ("cf32_be", "cf32"),
                ("cf32_be", "ci16"),
                ("cf32", "ci8"),
                ("cf32", "ci32"),
                ("cf64", "cf32"),
            ] {
                assert_eq!(judged(said, &store(is, &samples)), like(is), "{is} said to be {said}, RMS {rms}");
            }
        }
        for rms in [0.02, 0.1, 0.3] {
            let samples = signal(rms, smooth, 5);
            for (is, said) in [
                ("ci16", "cf32"),
                ("ci16", "cf64"),
                ("ci16_be", "ci16"),
                ("ci16", "ci16_be"),
                ("ci16_be", "cf32"),
                ("ci16", "ci8"),
                ("ci8", "cu8"),
                ("cu8", "ci8"),
                ("ci8", "ci16"),
                ("cu8", "ci16"),
                ("cu8", "cf32"),
            ] {
                assert_eq!(judged(said, &store(is, &samples)), like(is), "{is} said to be {said}, RMS {rms}");
            }
        }
    }
    assert_eq!(judged("ci16", &store("ci16_be", &signal(1e-4, 2, 6))), like("ci16_be"), "the last steps");
}

#[test]
fn two_channels_that_take_turns_are_seen() {
    let woven = |first: &[Sample], second: &[Sample]| -> Vec<Sample> {
        first.iter().zip(second).flat_map(|(a, b)| [*a, *b]).collect()
    };
    let first = signal(0.1, 3, 7);
    // Another channel; and the same signal, 3 dB weaker.
    for (second, what) in [(signal(0.1, 3, 8), "other"), (signal(0.07, 3, 7), "weaker")] {
        for format in ["cf32", "ci16", "cu8"] {
            let bytes = store(format, &woven(&first, &second));
            assert_eq!(judged(format, &bytes), Some(Looks::TwoChannels), "{format}, {what}");
            assert_eq!(judged(format, &store(format, &first)), None);
        }
    }
    // Two PRBs on either side of the centre, half the rate apart, are one channel: alternating or at once.
    let turned = |by: f32| {
        let turn = |(n, s): (usize, &Sample)| s * Sample::from_polar(1.0, by * n as f32);
        signal(0.1, 30, 9).iter().enumerate().map(turn).collect::<Vec<_>>()
    };
    let (upper, lower) = (turned(1.57), turned(-1.57));
    let in_turn: Vec<Sample> =
        (0..upper.len()).map(|n| if n / 4096 % 2 == 0 { upper[n] } else { lower[n] }).collect();
    assert_eq!(judged("cf32", &store("cf32", &in_turn)), None);
}

#[test]
fn a_guess_is_made_where_it_is_clear() {
    for format in ["cf32", "cf32_be", "cf64", "ci16", "ci16_be", "ci8", "cu8"] {
        let guessed = guess(&store(format, &signal(0.1, 2, 10)));
        assert_eq!(guessed, Some(format.parse().unwrap()));
    }
    let any: Vec<u8> = (0..40_000_u64).map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect();
    assert_eq!(guess(&any), None, "bytes of any kind");
}
