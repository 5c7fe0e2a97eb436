//! Recordings as radios in the field make them: each kind of damage, and what of the air still arrives.

#![allow(clippy::disallowed_methods)] // tests write files

use num_complex::Complex;
use serde_json::Value;
use sidelink_tests::command::{Folder, generate, run, text};
use std::f64::consts::PI;
use std::sync::OnceLock;

type Sample = Complex<f32>;

const RATE: f64 = 3.84e6;
const SUBFRAME: usize = 3840;
/// One SCI every 20 ms from subframe 3 on, each with its block.
const SENT: u64 = 20;

const SCENARIO: &str = r#"
duration = 400
snr = 25
seed = 1
[radio]
prb = 15
tm = 4
[radio.v2x]
size = 5
num = 3
start = 0
adjacent = true
[[ue]]
name = "car"
cfo = 200
[[ue.v2x]]
from = 3
interval = 20
subchannel = 0
length = 2
mcs = 7
payload = "random"
"#;

fn command(args: &[&str]) {
    run(args).unwrap_or_else(|e| panic!("{args:?}: {e}"));
}

/// The undamaged air: 25 dB above the noise.
fn air() -> &'static [Sample] {
    static AIR: OnceLock<Vec<Sample>> = OnceLock::new();
    AIR.get_or_init(|| generate("field-air", SCENARIO))
}

/// Root mean square of a busy subframe.
fn burst() -> f32 {
    let busy = &air()[3 * SUBFRAME..4 * SUBFRAME];
    (busy.iter().map(|x| x.norm_sqr()).sum::<f32>() / SUBFRAME as f32).sqrt()
}

/// The lines of `sidelink decode -F json`, the summary last.
fn decode(name: &str, samples: &[Sample], more: &[&str]) -> Vec<Value> {
    let folder = Folder::new(&format!("field-decode-{name}"));
    let bytes: Vec<u8> = samples.iter().flat_map(|x| [x.re, x.im]).flat_map(f32::to_le_bytes).collect();
    let (raw, json) = (folder.put("in.cf32", bytes), folder.path("out.json"));
    let output = format!("json:{}", json.display());
    let args = ["decode", text(&raw), "--rate", "3.84M", "--prb", "15", "--tm", "4", "-F", &output];
    command(&[&args, more].concat());
    let lines = std::fs::read_to_string(&json).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn turned(samples: &[Sample], hertz: f64) -> Vec<Sample> {
    let at = |i: usize| 2.0 * PI * (hertz * i as f64 / RATE).fract();
    let turn = |i: usize| Sample::new(at(i).cos() as f32, at(i).sin() as f32);
    samples.iter().enumerate().map(|(i, x)| x * turn(i)).collect()
}

/// Everything arrives; returns the summary.
fn all_arrives(name: &str, samples: &[Sample]) -> Value {
    let lines = decode(name, samples, &[]);
    let summary = lines.last().unwrap().clone();
    assert_eq!(
        (summary["sci"].as_u64(), summary["sl_sch"].as_u64()),
        (Some(SENT), Some(SENT)),
        "{name}: {summary}"
    );
    summary
}

#[test]
fn without_noise_and_without_synchronisation_signals() {
    let silent = generate("field-silent", &SCENARIO.replace("snr = 25\n", ""));
    let summary = all_arrives("silent", &silent);
    assert_eq!((summary["slss"].as_u64(), summary["timing"].as_str()), (Some(0), Some("cyclic-prefix")));
}

#[test]
fn a_line_at_0_hz_of_any_strength() {
    for db in [-40.0f32, -10.0, 20.0] {
        let line = Sample::from_polar(burst() * 10f32.powf(db / 20.0), 1.0);
        let damaged: Vec<_> = air().iter().map(|x| x + line).collect();
        all_arrives(&format!("line{db}"), &damaged);
    }
}

/// As strong as the signal, which no block survives, once they are known.
#[test]
fn two_spurs() {
    let tone = |hertz: f64, i: usize| {
        Sample::from_polar(burst(), (2.0 * PI * (hertz * i as f64 / RATE).fract()) as f32)
    };
    let spurs = |(i, x): (usize, &Sample)| x + tone(-613_070.0, i) + tone(351_410.0, i);
    let damaged: Vec<_> = air().iter().enumerate().map(spurs).collect();
    let summary = decode("spurs", &damaged, &[]).pop().unwrap();
    assert_eq!(summary["sci"], SENT, "{summary}");
    // the first two come before the spurs are known
    assert!(summary["sl_sch"].as_u64().unwrap() >= SENT - 2, "{summary}");
}

#[test]
fn an_idle_start_with_a_line() {
    // the noise of the last subframes, in which nobody sends
    let quiet = &air()[396 * SUBFRAME..399 * SUBFRAME];
    let line = Sample::from_polar(burst() * 10f32.powf(-30.0 / 20.0), 1.0);
    let idle = quiet.iter().cycle().take(100 * SUBFRAME);
    let damaged: Vec<_> = idle.chain(air()).map(|x| x + line).collect();
    all_arrives("idle", &damaged);
}

#[test]
fn samples_are_lost_or_inserted() {
    let middle = 200 * SUBFRAME;
    for lost in [50usize, 333, 1000, SUBFRAME / 2] {
        let damaged = [&air()[..middle], &air()[middle + lost..]].concat();
        let lines = decode(&format!("lost{lost}"), &damaged, &[]);
        let summary = lines.last().unwrap();
        assert_eq!(
            (summary["sci"].as_u64(), summary["discontinuities"].as_u64()),
            (Some(SENT), Some(1)),
            "{summary}"
        );
        let gap = lines.iter().find(|l| l["type"] == "discontinuity").unwrap();
        assert!((gap["shift"].as_i64().unwrap() + lost as i64).abs() <= 4, "{lost}: {gap}");
        let place = gap["since_sample"].as_u64().unwrap()..=gap["sample"].as_u64().unwrap();
        assert!(place.contains(&(middle as u64)), "{gap}");
    }
    let damaged = [&air()[..middle], &air()[middle - 300..]].concat();
    let gap = decode("inserted", &damaged, &[]).into_iter().find(|l| l["type"] == "discontinuity").unwrap();
    assert!((gap["shift"].as_i64().unwrap() - 300).abs() <= 4, "{gap}");
}

#[test]
fn a_loss_every_third_of_a_second_leaves_four_fifths() {
    let pieces = air().chunks((0.1 * RATE) as usize).map(|piece| &piece[..piece.len() - 250]);
    let damaged = pieces.collect::<Vec<_>>().concat();
    let lines = decode("losses", &damaged, &[]);
    let summary = lines.last().unwrap();
    assert!(summary["sl_sch"].as_u64().unwrap() >= SENT * 4 / 5, "{summary}");
    assert!(summary["discontinuities"].as_u64().unwrap() >= 2, "{summary}");
}

#[test]
fn a_carrier_up_to_100_khz_off_and_a_grid_beside_the_centre() {
    for hertz in [8e3, 31e3, -44e3, 99e3, 360e3] {
        let summary = all_arrives(&format!("offset{hertz}"), &turned(air(), hertz));
        let found = summary["cfo_hz"].as_f64().unwrap();
        assert!((found - hertz - 200.0).abs() < 60.0, "{hertz}: {found}");
        assert!(!summary["warnings"].as_array().unwrap().is_empty(), "{summary}");
    }
}

/// Somebody of another timing, of whom two SCIs decode and no block: chance can look like that.
#[test]
fn two_scis_do_not_replace_a_timing() {
    let stranger =
        generate("field-stranger", &SCENARIO.replace("mcs = 7", "mcs = 20").replace("snr = 25\n", ""));
    let mut damaged = air().to_vec();
    for subframe in [108, 112] {
        let start = subframe * SUBFRAME + SUBFRAME / 2;
        // 6 dB above the noise: enough for an SCI, not for a block of this MCS
        let burst = stranger[3 * SUBFRAME..4 * SUBFRAME].iter().map(|x| x * 10f32.powf(-19.0 / 20.0));
        damaged[start..].iter_mut().zip(burst).for_each(|(x, b)| *x += b);
    }
    let summary = decode("stranger", &damaged, &[]).pop().unwrap();
    assert_eq!(summary["discontinuities"], 0, "{summary}");
    assert!(summary["sci"].as_u64() >= Some(SENT) && summary["sl_sch"] == SENT, "{summary}");
}

#[test]
fn an_inverted_spectrum_and_exchanged_components() {
    let inverted: Vec<_> = air().iter().map(|x| x.conj()).collect();
    let exchanged: Vec<_> = air().iter().map(|x| Sample::new(x.im, x.re)).collect();
    for (name, damaged) in [("inverted", inverted), ("exchanged", exchanged)] {
        let summary = all_arrives(name, &damaged);
        assert!(summary["warnings"].to_string().contains("inverted"), "{summary}");
    }
}

#[test]
fn levels_at_the_ends_of_single_precision() {
    for level in [1e-9f32, 1e9] {
        let damaged: Vec<_> = air().iter().map(|x| x * (level / burst())).collect();
        all_arrives(&format!("level{level}"), &damaged);
    }
}

/// What is no sidelink gives no timing that would be believed.
#[test]
fn nothing_is_said_of_zeros_constants_and_tones() {
    let tone = turned(&vec![Sample::new(1.0, 0.0); 200 * SUBFRAME], 123_456.0);
    let constant = vec![Sample::new(0.3, -0.2); 200 * SUBFRAME];
    let zeros = vec![Sample::default(); 200 * SUBFRAME];
    for (name, samples) in [("tone", tone), ("constant", constant), ("zeros", zeros)] {
        let lines = decode(name, &samples, &[]);
        assert_eq!(lines.len(), 1, "{name}: {lines:?}");
        assert_eq!(lines[0]["timing"], "assumed", "{name}");
    }
}
