use super::*;
use crate::Sample;
use crate::number::Number;
use crate::{Event, Receive, Streams};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

fn config() -> AirConfig {
    AirConfig { rate: Number(1.92e6), ..AirConfig::default() }
}

/// Starts ports that are all present before time begins.
fn start<const N: usize>(air: &Air, ports: [PortConfig; N]) -> [Streams; N] {
    ports.map(|p| air.attach(p).unwrap()).map(|radio| radio.start().unwrap())
}

fn burst(n: usize) -> Vec<Sample> {
    (0..n).map(|i| Sample::new(1.0 + i as f32, -0.5)).collect()
}

/// Receives exactly `count` samples in reads of `step`.
fn take(receive: &mut dyn Receive, count: usize, step: usize) -> Vec<Sample> {
    let mut all = vec![Sample::default(); count];
    for part in all.chunks_mut(step) {
        let got = receive.receive(part, PATIENCE).unwrap();
        assert_eq!(got.count, part.len());
    }
    all
}

#[test]
fn a_burst_arrives_at_its_sample_and_nothing_else_does() {
    let air = Air::new(config()).unwrap();
    let a = PortConfig { delay: 7.0, gain: -20.0, ..PortConfig::named("a") };
    let [mut a, mut b] = start(&air, [a, PortConfig::named("b")]);
    a.transmit.transmit(1000, &burst(100)).unwrap();
    a.transmit.advance(10_000).unwrap();
    b.transmit.advance(10_000).unwrap();
    let heard = take(&mut *b.receive, 9000, 777);
    for (n, s) in heard.iter().enumerate() {
        let sent = if (1007..1107).contains(&n) { burst(100)[n - 1007] * 0.1 } else { Sample::default() };
        assert!((s - sent).norm() < 1e-5, "sample {n}: {s}");
    }
    // No port receives itself.
    assert!(take(&mut *a.receive, 9000, 9000).iter().all(|s| *s == Sample::default()));
}

#[test]
fn nobody_hears_more_than_what_was_promised() {
    let air = Air::new(config()).unwrap();
    let [mut a, mut b] = start(&air, ["a", "b"].map(PortConfig::named));
    a.transmit.advance(500).unwrap();
    let mut into = [Sample::default(); 1000];
    let got = b.receive.receive(&mut into, Duration::from_millis(10)).unwrap();
    assert_eq!((got.first, got.count), (0, 500));
    let got = b.receive.receive(&mut into, Duration::from_millis(10)).unwrap();
    assert_eq!((got.first, got.count), (500, 0));
    a.transmit.transmit(499, &burst(1)).unwrap();
    assert_eq!(a.transmit.poll_event(), Some(Event::Late { first: 499 }));
    assert_eq!(a.transmit.poll_event(), None);
    // A port without a transmitting end does not block the others.
    drop(a.transmit);
    assert_eq!(b.receive.receive(&mut into, Duration::from_millis(10)).unwrap().count, 1000);
}

/// Runs a few ms of a busy air: returns what each of three ports receives, with reads of `step` samples.
fn conversation(config: AirConfig, step: usize, threads: bool) -> Vec<Vec<Sample>> {
    const LENGTH: usize = 30_000;
    let air = Air::new(config).unwrap();
    let drifts = [("a", 4.0), ("b", -7.5), ("c", 0.0)];
    let ports = drifts.map(|(name, drift)| PortConfig {
        drift,
        cfo: Number(drift * 30.0),
        delay: 2.25,
        half_duplex: name == "b",
        drop_outs: (name == "c").then_some(Every { period: 3.0, length: 0.4 }),
        ..PortConfig::named(name)
    });
    let realtime = air.config().pace == Pace::Realtime;
    let streams = start(&air, ports);
    let talk = |i: usize, mut port: Streams| {
        let mut heard = Vec::new();
        let mut sent = 0;
        let mut into = vec![Sample::default(); step];
        // Bursts are sent 4 subframes ahead.
        let mut send_until = |port: &mut Streams, until: u64| {
            while sent < until {
                if sent / 1920 % 3 == i as u64 {
                    port.transmit.transmit(sent + 100, &burst(1500)).unwrap();
                }
                sent += 1920;
            }
            port.transmit.advance(sent).unwrap();
        };
        while heard.len() < LENGTH {
            let ahead = if realtime { 40_000 } else { 4 * 1920 };
            send_until(&mut port, heard.len() as u64 + ahead);
            let got = port.receive.receive(&mut into, PATIENCE).unwrap();
            assert_eq!(got.first, heard.len() as u64);
            heard.extend_from_slice(&into[..got.count]);
        }
        send_until(&mut port, 2 * LENGTH as u64);
        assert_eq!(port.transmit.poll_event(), None);
        heard.truncate(LENGTH);
        heard
    };
    if threads {
        std::thread::scope(|scope| {
            let all: Vec<_> =
                streams.into_iter().enumerate().map(|(i, s)| scope.spawn(move || talk(i, s))).collect();
            all.into_iter().map(|t| t.join().unwrap()).collect()
        })
    } else {
        // One after the other: the samples of a port stay when it leaves, and the others do not wait for it.
        let mut streams = streams;
        for (i, port) in streams.iter_mut().enumerate() {
            for subframe in (i as u64..40).step_by(3) {
                port.transmit.transmit(subframe * 1920 + 100, &burst(1500)).unwrap();
            }
            port.transmit.advance(80_000).unwrap();
        }
        let hear = |port: &mut Streams| take(&mut *port.receive, LENGTH, step);
        streams.iter_mut().map(hear).collect()
    }
}

#[test]
fn what_is_heard_depends_on_seeds_and_bursts_only() {
    let busy = AirConfig {
        snr: Some(15.0),
        channel: "epa70".parse().unwrap(),
        interference: vec![Interference {
            gain: -3.0,
            every: Some(Every { period: 2.0, length: 0.3 }),
            position: [0.0; 2],
        }],
        ..config()
    };
    let once = conversation(busy.clone(), 1920, false);
    assert!(once[0] != once[1] && once[1] != once[2]);
    assert_eq!(once, conversation(busy.clone(), 1920, true), "threads");
    assert_eq!(once, conversation(busy.clone(), 701, true), "read sizes");
    let realtime = AirConfig { pace: Pace::Realtime, ..busy.clone() };
    assert_eq!(once, conversation(realtime, 960, true), "pace");
    assert_ne!(once, conversation(AirConfig { seed: 2, ..busy }, 1920, false));
}

fn power(samples: &[Sample]) -> f64 {
    samples.iter().map(|s| f64::from(s.norm_sqr())).sum::<f64>() / samples.len() as f64
}

#[test]
fn noise_path_loss_and_flight_are_as_configured() {
    let air = AirConfig {
        snr: Some(10.0),
        path_loss: Some(PathLoss { exponent: 2.0, reference: 100.0 }),
        flight: true,
        ..config()
    };
    let noise_power = air.noise_power();
    // 1.92 MS/s are 128 subcarriers of which 72 carry a UE of power 1.
    assert!((noise_power - 128.0 / 72.0 / 10.0).abs() < 1e-12);
    let air = Air::new(air).unwrap();
    let far = PortConfig { position: [1_561.418_4, 0.0], gain: 40.0, ..PortConfig::named("far") };
    let [mut far, mut near] = start(&air, [far, PortConfig::named("near")]);
    far.transmit.transmit(50_000, &[Sample::new(1.0, 0.0); 50_000]).unwrap();
    far.transmit.advance(200_000).unwrap();
    let heard = take(&mut *near.receive, 120_000, 5000);
    let quiet = power(&heard[..50_000]);
    assert!((quiet / noise_power - 1.0).abs() < 0.03, "{quiet}");
    // 23.87 dB lost at 15.6 times the reference, 10 samples of flight.
    let loud = power(&heard[50_100..100_000]);
    let expected = 1e4 * (100.0_f64 / 1_561.418_4).powi(2) + noise_power;
    assert!((loud / expected - 1.0).abs() < 0.01, "{loud}");
    assert!(heard[50_009].norm() < 5.0 && heard[50_011].norm() > 5.0);
}

#[test]
fn a_drifting_clock_hears_and_is_heard_at_its_own_pace() {
    let air = Air::new(AirConfig { memory: 1000.0, ..config() }).unwrap();
    let fast = PortConfig { drift: 100.0, start: Some(Number(1000.0)), ..PortConfig::named("fast") };
    let [mut fast, mut slow] = start(&air, [fast, PortConfig::named("slow")]);
    for port in [&mut fast, &mut slow] {
        port.transmit.transmit(400_000, &[Sample::new(1.0, 0.0); 200]).unwrap();
        port.transmit.advance(500_000).unwrap();
    }
    let middle = |heard: &[Sample]| {
        let loud: Vec<usize> = (0..heard.len()).filter(|&n| heard[n].norm() > 0.5).collect();
        (loud[0] + loud[loud.len() - 1]) as f64 / 2.0
    };
    // Its sample 400099.5 is the air's 1000 + 400099.5 / 1.0001, and the reverse.
    let at_slow = middle(&take(&mut *slow.receive, 450_000, 10_000));
    assert!((at_slow - (1000.0 + 400_099.5 / 1.0001)).abs() <= 1.0, "{at_slow}");
    let at_fast = middle(&take(&mut *fast.receive, 450_000, 10_000));
    assert!((at_fast - (400_099.5 - 1000.0) * 1.0001).abs() <= 1.0, "{at_fast}");
}

#[test]
fn half_duplex_hears_nothing_while_it_sends_and_silences_hold() {
    let air = Air::new(config()).unwrap();
    let half = PortConfig { half_duplex: true, silent: vec![[5e-3, 6e-3]], ..PortConfig::named("half") };
    let [mut half, mut other] = start(&air, [half, PortConfig::named("other")]);
    other.transmit.transmit(0, &[Sample::new(1.0, 0.0); 20_000]).unwrap();
    other.transmit.advance(20_000).unwrap();
    half.transmit.transmit(1003, &burst(70)).unwrap();
    half.transmit.transmit(9000, &burst(1920)).unwrap();
    half.transmit.advance(20_000).unwrap();
    let heard = take(&mut *half.receive, 20_000, 999);
    for (n, s) in heard.iter().enumerate() {
        let deaf = (1003..1073).contains(&n) || (9000..10_920).contains(&n) || (9600..11_520).contains(&n);
        assert_eq!(s.re, if deaf { 0.0 } else { 1.0 }, "sample {n}");
    }
    // Nothing was received of what it sent in the silence.
    let heard = take(&mut *other.receive, 20_000, 20_000);
    assert!(heard[9599].norm() > 1.0 && heard[9600..].iter().all(|s| *s == Sample::default()));
}

#[test]
fn in_real_time_bursts_can_be_late_and_samples_lost() {
    let air = Air::new(AirConfig { pace: Pace::Realtime, memory: 40.0, ..config() }).unwrap();
    let [mut a, mut b] = start(&air, ["a", "b"].map(PortConfig::named));
    let mut into = vec![Sample::default(); 1920];
    assert_eq!(a.receive.receive(&mut into, PATIENCE).unwrap().first, 0);
    a.transmit.transmit(0, &burst(10)).unwrap();
    assert_eq!(a.transmit.poll_event(), Some(Event::Late { first: 0 }));
    a.transmit.transmit(1 << 40, &burst(10)).unwrap();
    assert_eq!(a.transmit.poll_event(), Some(Event::TimeError { first: 1 << 40 }));
    std::thread::sleep(Duration::from_millis(300));
    let got = b.receive.receive(&mut into, PATIENCE).unwrap();
    assert!(got.first > 0 && got.count == 1920, "{got:?}");
    assert_eq!(b.transmit.poll_event(), Some(Event::Overflow));
}

#[test]
fn faults_on_demand() {
    let air = Air::new(config()).unwrap();
    let [mut a, mut b] = start(&air, ["a", "b"].map(PortConfig::named));
    a.transmit.advance(100_000).unwrap();
    b.transmit.advance(10_000).unwrap();
    let mut into = vec![Sample::default(); 1000];
    assert!(air.inject("b", Fault::Overflow { samples: 500 }));
    assert_eq!(b.receive.receive(&mut into, PATIENCE).unwrap().first, 500);
    assert_eq!(b.transmit.poll_event(), Some(Event::Overflow));
    assert!(air.inject("b", Fault::ClockJump { by: 1_000_000 }));
    assert_eq!(b.receive.receive(&mut into, PATIENCE).unwrap().first, 1_001_500);
    assert_eq!(b.transmit.poll_event(), Some(Event::ClockJump { by: 1_000_000 }));
    // Its bursts are counted on the new clock: the air's 20000.
    b.transmit.transmit(1_020_000, &burst(1)).unwrap();
    b.transmit.advance(1_050_000).unwrap();
    assert!(take(&mut *a.receive, 30_000, 3000)[20_000].norm() > 0.5);
    assert!(air.inject("b", Fault::Kill) && !air.inject("b", Fault::Kill));
    assert!(matches!(b.receive.receive(&mut into, PATIENCE), Err(RadioError::Lost(_))));
    // No other port is left, and its last burst is long over.
    assert!(matches!(a.receive.receive(&mut into, PATIENCE), Err(RadioError::Ended)));
}

#[test]
fn who_does_nothing_is_left_behind() {
    let air = Air::new(AirConfig { stall: 0.2, ..config() }).unwrap();
    let [mut a, mut idle, mut c] = start(&air, ["a", "idle", "c"].map(PortConfig::named));
    a.transmit.advance(100_000).unwrap();
    c.transmit.advance(100_000).unwrap();
    assert_eq!(take(&mut *a.receive, 1000, 1000).len(), 1000);
    assert!(matches!(idle.transmit.advance(1), Err(RadioError::Lost(_))));
    // Its name is free again.
    let again = air.attach(PortConfig::named("idle")).unwrap().start().unwrap();
    assert!(again.anchor.unwrap().utc_ns > c.anchor.unwrap().utc_ns);
    drop(again);
    assert_eq!(take(&mut *c.receive, 1000, 1000).len(), 1000);
}

#[test]
fn a_fast_sender_waits_for_a_slow_listener() {
    let air = Air::new(AirConfig { memory: 10.0, ..config() }).unwrap();
    let [mut a, mut b] = start(&air, ["a", "b"].map(PortConfig::named));
    b.transmit.advance(u64::MAX / 4).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for n in 0..300_u64 {
                a.transmit.transmit(n * 1000, &[Sample::new(n as f32, 0.0); 1000]).unwrap();
                a.transmit.advance(n * 1000 + 1000).unwrap();
            }
        });
        let heard = take(&mut *b.receive, 290_000, 1000);
        assert!(heard.iter().enumerate().all(|(n, s)| s.re == (n / 1000) as f32));
        assert_eq!(b.transmit.poll_event(), None);
    });
}

#[test]
fn a_port_that_begins_later_holds_nobody_up() {
    let air = Air::new(AirConfig { memory: 10.0, ..config() }).unwrap();
    // Ten times as late as the memory is long.
    let later = PortConfig { start: Some(Number(192_000.0)), ..PortConfig::named("later") };
    let [mut early, mut later] = start(&air, [PortConfig::named("early"), later]);
    later.transmit.transmit(0, &burst(100)).unwrap();
    later.transmit.advance(10_000).unwrap();
    let mut heard = Vec::new();
    for n in 1..=195 {
        early.transmit.advance(n * 1000 + 1000).unwrap();
        heard.extend(take(&mut *early.receive, 1000, 1000));
    }
    assert_eq!(early.transmit.poll_event(), None, "nothing is lost");
    let first = heard.iter().position(|s| s.norm() > 0.5).unwrap();
    assert_eq!(first, 192_000);
    // And it hears from its own beginning on.
    assert_eq!(take(&mut *later.receive, 1000, 1000).len(), 1000);
}

#[test]
fn anchors_tell_as_much_as_the_port_knows() {
    let air = Air::new(AirConfig { utc: Some(1000), ..config() }).unwrap();
    let lost = PortConfig { utc: false, ..PortConfig::named("lost") };
    let wrong = PortConfig { utc_error: -5.0, utc_uncertainty: 10.0, ..PortConfig::named("wrong") };
    let later = PortConfig { start: Some(Number(1.92e6)), ..PortConfig::named("later") };
    let anchors = start(&air, [lost, wrong, later]).map(|s| s.anchor);
    assert_eq!(anchors[0], None);
    assert_eq!(anchors[1].map(|a| (a.utc_ns, a.uncertainty_ns)), Some((999_999_995_000, 10_000)));
    assert_eq!(anchors[2].map(|a| a.utc_ns), Some(1_001_000_000_000));
}

#[test]
fn configurations_are_checked() {
    let text = "[air]\nrate = \"1.92M\"\nsnr = 20\nchannel = \"eva70\"\npace = \"realtime\"\n\
                path-loss = { exponent = 2.5, reference = 10 }\n[[air.port]]\nname = \"a\"\nhalf-duplex = true\n";
    let air = AirConfig::from_toml(text, "x.toml").unwrap();
    assert!(air.port_named("a").half_duplex && !air.port_named("b").half_duplex);
    for (text, word) in [
        ("", "nothing of an air"),
        ("[radio]\nprb = 25\n[[ue]]\nname = \"a\"", "[air]"),
        ("[air]\nseeds = 1", "seed"),
        ("[air]\nrate = 5", "samples a second"),
        ("[air]\nmemory = nan", "milliseconds"),
        ("[air]\nrate = \"5M\"\nsnr = 3", "prb"),
        ("[[air.port]]\nname = \"a\"\n[[air.port]]\nname = \"a\"", "its own name"),
        ("[[air.port]]\nname = \"a\"\ndrift = 1e9", "parts per million"),
        ("[[air.port]]\nname = \"a\"\nsilent = [[2, 1]]", "seconds"),
        ("[[air.port]]\nname = \"a\"\ndrop-outs = { period = 1, length = 2 }", "period"),
    ] {
        let error = AirConfig::from_toml(text, "x.toml").unwrap_err().to_string();
        assert!(error.contains(word) && error.contains("x.toml"), "{error}");
    }
    let air = Air::new(config()).unwrap();
    let _a = air.attach(PortConfig::named("a")).unwrap();
    assert!(air.attach(PortConfig::named("a")).is_err_and(|e| e.to_string().contains("another name")));
}

mod antennas;
mod shared;
