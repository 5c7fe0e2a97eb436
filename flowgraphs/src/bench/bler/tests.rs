use super::*;
use sidelink_phy::units::Hertz;

fn case(name: &str) -> &'static Case {
    CASES.iter().find(|c| c.name == name).unwrap()
}

fn bler(name: &str, channel: &str, es_n0: f64, trials: u32) -> f64 {
    let air = AirConfig { channel: channel.parse().unwrap(), cfo: Hertz(0.0), seed: 1 };
    sweep(case(name), &air, &[Decibel(es_n0)], trials)[0].bler()
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
    let at = near_line(&points, 0.1, (10.0, 13.0));
    assert!((at - 13.0).abs() < 0.01, "{at}");
    assert_eq!(near_line(&[point(1.0, 900), point(2.0, 1)], 0.1, (1.0, 2.0)), 1.5, "nothing near the goal");
    assert_eq!(enclosing(&points[..2], 0.1), None);
}

/// A case that never works has no crossing, and a floor that shows it.
#[test]
fn a_case_that_never_arrives_has_a_floor() {
    let air = AirConfig { channel: "eva2500".parse().unwrap(), cfo: Hertz(0.0), seed: 1 };
    let found = crossing(case("pssch-tm2-25prb-mcs15"), &air, 0.1, 25);
    assert_eq!(found.es_n0, None);
    assert!(found.floor.is_some_and(|f| f.es_n0 == FLOOR && f.bler() > 0.5), "{found:?}");
}
