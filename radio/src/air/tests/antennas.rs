//! A port with several receive antennas.

use super::*;
use crate::slices;
use sidelink_phy::units::Antennas;

fn with(antennas: usize, name: &str) -> PortConfig {
    PortConfig { antennas, ..PortConfig::named(name) }
}

/// Receives `count` samples of every antenna in reads of `step`.
fn take_all(receive: &mut dyn Receive, count: usize, step: usize) -> Vec<Vec<Sample>> {
    let antennas = receive.antennas().count();
    let mut all = vec![Vec::new(); antennas];
    let mut buffers = vec![vec![Sample::default(); step]; antennas];
    while all[0].len() < count {
        let length = step.min(count - all[0].len());
        let got = receive.receive_antennas(&mut slices(&mut buffers, length)[..antennas], PATIENCE).unwrap();
        assert_eq!((got.first, got.count), (all[0].len() as u64, length));
        all.iter_mut().zip(&buffers).for_each(|(all, buffer)| all.extend_from_slice(&buffer[..length]));
    }
    all
}

/// Returns what a receiver with some antennas hears of a busy air.
fn hear(config: &AirConfig, antennas: usize, step: usize) -> Vec<Vec<Sample>> {
    let air = Air::new(config.clone()).unwrap();
    let port = PortConfig { drift: 3.0, cfo: Number(70.0), half_duplex: true, ..with(antennas, "r") };
    let [mut a, mut b, mut r] = start(&air, [PortConfig::named("a"), PortConfig::named("b"), port]);
    for subframe in 0..20_u64 {
        a.transmit.transmit(subframe * 1920 + 100, &burst(1500)).unwrap();
        b.transmit.transmit(subframe * 1920 + 300, &burst(700)).unwrap();
    }
    r.transmit.transmit(5000, &burst(1000)).unwrap();
    for port in [&mut a, &mut b, &mut r] {
        port.transmit.advance(40_000).unwrap();
    }
    take_all(&mut *r.receive, 30_000, step)
}

/// Returns the correlation of two streams, 0 to 1.
fn correlation(a: &[Sample], b: &[Sample]) -> f64 {
    let sum: Sample = a.iter().zip(b).map(|(a, b)| a * b.conj()).sum();
    f64::from(sum.norm()) / (a.len() as f64 * (power(a) * power(b)).sqrt())
}

#[test]
fn the_first_antenna_hears_the_same_whatever_the_number() {
    for channel in ["awgn", "epa70"] {
        let source = |every| Interference { gain: -3.0, every, position: [0.0; 2] };
        let busy = AirConfig {
            snr: Some(15.0),
            channel: channel.parse().unwrap(),
            correlation: 0.4,
            interference: vec![source(None), source(Some(Every { period: 2.0, length: 0.3 }))],
            ..config()
        };
        let one = hear(&busy, 1, 1920);
        let four = hear(&busy, 4, 701);
        assert!(one[0] == four[0], "{channel}");
        assert!((1..4).all(|k| four[k] != four[0] && four[k] != four[k - 1]), "{channel}");
        assert_eq!(four, hear(&busy, 4, 1920), "{channel}: read sizes");
    }
}

#[test]
fn noise_is_independent_and_of_the_same_power_at_each_antenna() {
    let noisy = AirConfig { snr: Some(10.0), ..config() };
    let air = Air::new(noisy.clone()).unwrap();
    let [mut r] = start(&air, [with(3, "r")]);
    let all = take_all(&mut *r.receive, 60_000, 5000);
    for (k, antenna) in all.iter().enumerate() {
        assert!((power(antenna) / noisy.noise_power() - 1.0).abs() < 0.03, "{k}");
        assert!(all[..k].iter().all(|other| correlation(antenna, other) < 0.02), "{k}");
    }
}

/// Returns what two antennas hear of a tone that fades quickly.
fn faded(correlation: f64, channel: &str) -> Vec<Vec<Sample>> {
    let air =
        Air::new(AirConfig { correlation, channel: channel.parse().unwrap(), memory: 400.0, ..config() })
            .unwrap();
    let [mut a, mut r] = start(&air, [PortConfig::named("a"), with(2, "r")]);
    a.transmit.transmit(0, &vec![Sample::new(1.0, 0.0); 500_000]).unwrap();
    a.transmit.advance(500_000).unwrap();
    take_all(&mut *r.receive, 480_000, 9999)
}

#[test]
fn antennas_fade_as_alike_as_is_configured() {
    // 250 ms at a Doppler of 5 kHz are some 1250 wavelengths.
    for (configured, slack) in [(0.0, 0.12), (0.9, 0.05), (1.0, 1e-4)] {
        let all = faded(configured, "flat5000");
        let measured = correlation(&all[0], &all[1]);
        assert!((measured - configured).abs() <= slack, "{configured}: {measured}");
        assert!((power(&all[1]) - 1.0).abs() < 0.15, "{}", power(&all[1]));
    }
}

#[test]
fn without_fading_antennas_differ_in_phase() {
    let all = faded(0.0, "awgn");
    let phase = all[1][1000] / all[0][1000];
    assert!((phase.norm() - 1.0).abs() < 1e-5 && (phase - 1.0).norm() > 0.01, "{phase}");
    assert!(all[1].iter().zip(&all[0]).all(|(b, a)| (b - a * phase).norm() < 1e-5));
}

#[test]
fn interference_comes_from_one_place() {
    let source = Interference { gain: 0.0, every: None, position: [0.0; 2] };
    let air = Air::new(AirConfig { interference: vec![source], ..config() }).unwrap();
    let [mut r] = start(&air, [with(2, "r")]);
    let all = take_all(&mut *r.receive, 5000, 5000);
    assert!(all[0] != all[1] && correlation(&all[0], &all[1]) > 0.9999);
}

#[test]
fn losses_and_silences_are_common() {
    let air = Air::new(AirConfig { snr: Some(10.0), ..config() }).unwrap();
    let silent = PortConfig { silent: vec![[2e-3, 3e-3]], ..with(2, "r") };
    let [mut r] = start(&air, [silent]);
    let mut buffers = vec![vec![Sample::default(); 1000]; 2];
    assert_eq!(take_all(&mut *r.receive, 1000, 1000).len(), 2);
    assert!(air.inject("r", Fault::Overflow { samples: 500 }));
    let got = r.receive.receive_antennas(&mut slices(&mut buffers, 1000)[..2], PATIENCE).unwrap();
    assert_eq!((got.first, got.count), (1500, 1000));
    assert_eq!(r.transmit.poll_event(), Some(Event::Overflow));
    let got = r.receive.receive_antennas(&mut slices(&mut buffers, 1000)[..2], PATIENCE).unwrap();
    assert_eq!((got.first, got.count), (2500, 1000));
    // 2 ms are sample 3840: the noise of the receiver alone stays.
    assert!((power(&buffers[0]) / power(&buffers[1]) - 1.0).abs() < 0.3);
}

#[test]
fn a_port_has_one_to_four_antennas_and_gives_no_more() {
    let air = Air::new(config()).unwrap();
    for (antennas, good) in [(0, false), (1, true), (4, true), (5, false)] {
        assert_eq!(air.attach(with(antennas, &format!("p{antennas}"))).is_ok(), good, "{antennas}");
    }
    let radio = air.attach(with(2, "r")).unwrap();
    assert_eq!(radio.description().antennas, Antennas::new(2).unwrap());
    let mut r = radio.start().unwrap();
    let mut buffers = vec![vec![Sample::default(); 10]; 3];
    let error =
        r.receive.receive_antennas(&mut slices(&mut buffers, 10)[..3], PATIENCE).unwrap_err().to_string();
    assert!(error.contains("3 receive antennas are asked for, and the radio has 2"), "{error}");
    let text = "[air]\ncorrelation = 1.5\n";
    assert!(AirConfig::from_toml(text, "x.toml").unwrap_err().to_string().contains("0 (antennas that fade"));
    let text = "[[air.port]]\nname = \"a\"\nantennas = 9\n";
    assert!(AirConfig::from_toml(text, "x.toml").unwrap_err().to_string().contains("antennas 9"));
}
