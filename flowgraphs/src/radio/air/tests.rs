use super::*;
use crate::Sample;
use crate::number::Number;
use crate::radio::{Event, Receive, Streams};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

fn config() -> AirConfig {
    AirConfig { rate: Number(1.92e6), ..AirConfig::default() }
}

/// All of them are there before time begins.
fn start<const N: usize>(air: &Air, ports: [PortConfig; N]) -> [Streams; N] {
    ports.map(|p| air.attach(p).unwrap()).map(|radio| radio.start().unwrap())
}

fn burst(n: usize) -> Vec<Sample> {
    (0..n).map(|i| Sample::new(1.0 + i as f32, -0.5)).collect()
}

/// Receive exactly `count` samples in reads of `step`; what they are and the number of the first.
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
    // Nobody hears itself.
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
    // Who has no transmitting end any more keeps nobody waiting.
    drop(a.transmit);
    assert_eq!(b.receive.receive(&mut into, Duration::from_millis(10)).unwrap().count, 1000);
}
