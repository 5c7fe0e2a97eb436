use super::search::{enclosing, line, reached};
use super::*;
use sidelink_phy::units::{Antennas, Hertz};

fn air(channel: &str, antennas: usize) -> AirConfig {
    let antennas = Antennas::new(antennas).unwrap();
    AirConfig { channel: channel.parse().unwrap(), cfo: Hertz(0.0), antennas, seed: 1 }
}

fn case(name: &str) -> &'static Case {
    CASES.iter().find(|c| c.name == name).unwrap()
}

fn bler(name: &str, channel: &str, es_n0: f64, trials: u32) -> f64 {
    told(name, channel, 1, Knowledge::Estimated, (es_n0, trials))
}

fn told(
    name: &str,
    channel: &str,
    antennas: usize,
    knowledge: Knowledge,
    (es_n0, trials): (f64, u32),
) -> f64 {
    let effort = Effort { trials, seeds: 1 };
    sweep(case(name), &air(channel, antennas), knowledge, &[Decibel(es_n0)], effort)[0].bler()
}

/// Cars: 300 Hz are 55 km/h between two of them at 5.9 GHz, 600 Hz 110 km/h, 1000 Hz 183 km/h. An estimator that
/// confuses motion with noise, a moving channel with a static one or Doppler with an offset loses a third of these
/// blocks or more, at any ratio.
#[test]
fn sixteen_qam_decodes_in_motion() {
    for (channel, es_n0) in [("etu300", 20.0), ("eva600", 20.0), ("eva1000", 20.0), ("eva600", 30.0)] {
        let bler = bler("pssch-tm4-8prb-mcs12", channel, es_n0, 300);
        assert!(bler < 0.03, "{channel} at {es_n0} dB: {bler}");
    }
}

/// Two reference symbols half a millisecond apart are enough at 300 Hz, for blocks and for the broadcast channel's three.
#[test]
fn other_layouts_decode_in_motion() {
    for (name, channel, es_n0, most) in [
        ("pssch-tm2-25prb-mcs15", "etu300", 20.0, 0.09),
        ("psbch-tm4", "eva1500", 3.0, 0.04),
        ("pscch-tm4", "eva1000", 3.0, 0.03),
    ] {
        let bler = bler(name, channel, es_n0, 300);
        assert!(bler < most, "{name}, {channel} at {es_n0} dB: {bler}");
    }
}

/// The effort for motion costs nothing without motion: a tenth of a dB more noise would show.
#[test]
fn white_noise_costs_what_it_did() {
    for (name, es_n0) in [
        ("pssch-tm4-8prb-mcs12", 6.02),
        ("pssch-tm2-25prb-mcs5", -1.04),
        ("pscch-tm4", -4.89),
        ("psbch-tm4", -6.73),
    ] {
        let bler = bler(name, "awgn", es_n0, 1000);
        assert!(bler < 0.125, "{name} at {es_n0} dB: {bler}");
    }
}

#[test]
fn a_line_through_the_points_near_the_goal() {
    let point = |es_n0, errors| Point { es_n0: Decibel(es_n0), trials: 1000, errors };
    // a decade in 10 dB, and distant points that have no effect
    let points = [point(0.0, 900), point(10.0, 200), point(13.0, 100), point(16.0, 50), point(30.0, 0)];
    assert_eq!(enclosing(&points, 0.1), Some((10.0, 13.0)));
    let at = reached(&points, 0.1).unwrap();
    assert!((at - 13.0).abs() < 0.01, "{at}");
    assert_eq!(reached(&[point(1.0, 900), point(2.0, 1)], 0.1), Some(1.5), "nothing near the goal");
    assert_eq!((line(&points[..1], 0.1), reached(&points[..2], 0.1)), (None, None));
    assert_eq!(enclosing(&points[..2], 0.1), None);
}

/// A case that never works has no crossing, and a floor that shows it.
#[test]
fn a_case_that_never_arrives_has_a_floor() {
    let effort = Effort { trials: 25, seeds: 1 };
    let found =
        crossing(case("pssch-tm2-25prb-mcs15"), &air("eva2500", 1), Knowledge::Estimated, 0.1, effort);
    assert_eq!((found.es_n0, found.interval), (None, None));
    assert!(found.floor.is_some_and(|f| f.es_n0 == FLOOR && f.bler() > 0.5), "{found:?}");
}

/// Figures of a study of this receiver with perfect knowledge: Es/N0 at 10 % over the channels of seed 1, and what is lost
/// half a dB below and won half a dB above.
#[test]
fn perfect_knowledge_decodes_where_it_is_known_to() {
    for (name, channel, es_n0) in [
        ("pssch-tm4-8prb-mcs12", "etu300", 13.5),
        ("pssch-tm4-8prb-mcs12", "eva1000", 12.0),
        ("pscch-tm4", "eva1000", -1.7),
    ] {
        let bler = told(name, channel, 1, Knowledge::Perfect, (es_n0, 400));
        assert!((0.05..0.17).contains(&bler), "{name}, {channel} at {es_n0} dB: {bler}");
    }
}

/// The same blocks over the same channels with the same noise: knowing more loses fewer of them, and most where the
/// channel moves.
#[test]
fn estimation_costs_blocks() {
    let point = |knowledge| told("pssch-tm2-25prb-mcs15", "eva600", 1, knowledge, (18.0, 60));
    let (estimated, perfect) = (point(Knowledge::Estimated), point(Knowledge::Perfect));
    assert!(perfect < 0.1 && estimated > 2.0 * perfect, "{estimated} and {perfect}");
}

/// The carrier offset is known as well.
#[test]
fn perfect_knowledge_has_the_carrier_offset() {
    for cfo in [0.0, 900.0, -2500.0] {
        let air = AirConfig { cfo: Hertz(cfo), ..air("awgn", 1) };
        for (name, es_n0) in [("pssch-tm4-8prb-mcs12", 6.5), ("psbch-tm4", -6.5), ("psdch-1", 2.0)] {
            let effort = Effort { trials: 60, seeds: 1 };
            let point = sweep(case(name), &air, Knowledge::Perfect, &[Decibel(es_n0)], effort)[0];
            assert!(point.bler() < 0.2, "{name} at {cfo} Hz: {}", point.bler());
        }
    }
}

/// Two antennas add their power in white noise, and their diversity in fading.
#[test]
fn two_antennas_need_half_the_power() {
    for (channel, one, two) in [("awgn", 6.4, 3.7), ("eva70", 15.5, 10.5)] {
        let bler = |antennas, es_n0| {
            told("pssch-tm4-8prb-mcs12", channel, antennas, Knowledge::Estimated, (es_n0, 200))
        };
        let (one, two) = (bler(1, one), bler(2, two));
        assert!(one < 0.17 && two < one + 0.03, "{channel}: {one} and {two}");
    }
}

/// Every seed has channels of its own, and they count together.
#[test]
fn seeds_count_together() {
    let at = [Decibel(14.0)];
    let run = |seed, seeds| {
        let air = AirConfig { seed, ..air("epa5", 1) };
        sweep(case("pssch-tm4-8prb-mcs12"), &air, Knowledge::Estimated, &at, Effort { trials: 40, seeds })[0]
    };
    let (first, second, both) = (run(1, 1), run(2, 1), run(1, 2));
    assert_eq!((both.trials, both.errors), (80, first.errors + second.errors));
    assert!(both.errors > 0);
}

/// Curves come in the order in which they were asked for, whatever their length, and as one after the other.
#[test]
fn many_curves_on_all_processors_are_those_of_one() {
    let job = |name: &str, channel: &str| {
        let (case, air) = (case(name), air(channel, 1));
        plan::Job { case, air, knowledge: Knowledge::Estimated }
    };
    let jobs = [job("pssch-tm4-48prb-mcs5", "epa5"), job("pscch-tm4", "awgn"), job("psbch-tm4", "awgn")];
    let effort = Effort { trials: 10, seeds: 1 };
    let mut found = Vec::new();
    let wanted = plan::Wanted::Crossing;
    plan::run(&jobs, &wanted, effort, &mut |at, curve| -> Result<(), ()> {
        found.push((at, curve));
        Ok(())
    })
    .unwrap();
    for (i, ((at, curve), job)) in found.iter().zip(&jobs).enumerate() {
        assert_eq!((*at, curve), (i, &crossing(job.case, &job.air, job.knowledge, 0.1, effort)));
    }
    assert_eq!(found.len(), 3);
    let stopped = plan::run(&jobs, &wanted, effort, &mut |_, _| Err("the disk is full"));
    assert_eq!(stopped, Err("the disk is full"));
    assert!(plan::time(&jobs, &wanted, effort) > std::time::Duration::ZERO);
}
