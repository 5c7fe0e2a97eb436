//! Measured performance of a radio: the rate at which samples come, and the delay of a burst from its planned time to
//! its reception.

use super::{Event, RadioError, Received, Streams};
use crate::Sample;
use sidelink_phy::receive::delay::{BURST, DelaySearch};
use std::time::{Duration, Instant};

/// Lead of bursts before their time, in seconds.
const LEAD: f64 = 20e-3;

/// Range around its time in which a burst is searched, in seconds.
const AROUND: f64 = 2e-3;

/// Longest time without samples.
const SILENCE: Duration = Duration::from_secs(5);

const PATIENCE: Duration = Duration::from_millis(100);

/// Parameters of a measurement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trial {
    /// Samples a second.
    pub rate: f64,
    /// Duration of the reception.
    pub time: Duration,
    /// Number of bursts to send; 0 for reception only.
    pub bursts: usize,
}

/// Result of a measurement.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measured {
    /// Received samples, and seconds of this computer's clock that they took.
    pub received: (u64, f64),
    /// Missing samples among them.
    pub lost: u64,
    /// Bursts that were handed over.
    pub sent: usize,
    /// Delay of each received burst from its planned time, samples.
    pub delays: Vec<f64>,
    /// Numbers of late bursts, underflows, overflows, time errors and clock jumps.
    pub events: [usize; 5],
}

impl Measured {
    /// Returns the median delay in samples.
    pub fn delay(&self) -> Option<f64> {
        let mut sorted = self.delays.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied()
    }

    /// Returns the largest delay minus the least, samples.
    pub fn spread(&self) -> f64 {
        let least = self.delays.iter().copied().fold(f64::INFINITY, f64::min);
        let most = self.delays.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        (most - least).max(0.0)
    }

    fn count(&mut self, event: Event) {
        let place = match event {
            Event::Late { .. } => 0,
            Event::Underflow => 1,
            Event::Overflow => 2,
            Event::TimeError { .. } => 3,
            Event::ClockJump { .. } => 4,
        };
        self.events[place] += 1;
    }
}

/// Measures a running radio.
///
/// # Errors
/// The radio is gone, or delivers nothing.
pub fn measure(streams: Streams, trial: &Trial) -> Result<Measured, RadioError> {
    let around = (AROUND * trial.rate).ceil() as usize;
    let mut run = Run {
        streams,
        buffer: vec![Sample::default(); (trial.rate * 1e-3).ceil() as usize],
        next: None,
        measured: Measured::default(),
        silence: trial.time.clamp(PATIENCE, SILENCE),
    };
    // queued samples do not count
    run.receive_for(Duration::from_millis(100))?;
    let counted = run.measured.received.0;
    let began = Instant::now();
    run.receive_for(trial.time)?;
    run.measured.received = (run.measured.received.0 - counted, began.elapsed().as_secs_f64());
    let mut heard = vec![Sample::default(); BURST + 2 * around];
    let mut search = DelaySearch::new(heard.len());
    let burst = search.burst().to_vec();
    let received = run.measured.received;
    for _ in 0..trial.bursts {
        let first = run.next.unwrap_or(0) + (LEAD * trial.rate) as u64 + around as u64;
        run.streams.transmit.transmit(first, &burst)?;
        run.measured.sent += 1;
        run.listen(first - around as u64, &mut heard)?;
        if let Some(found) = search.find(&heard) {
            run.measured.delays.push(found.at - around as f64);
        }
    }
    Ok(Measured { received, ..run.measured })
}

struct Run {
    streams: Streams,
    buffer: Vec<Sample>,
    next: Option<u64>,
    measured: Measured,
    /// Longest time without samples.
    silence: Duration,
}

impl Run {
    fn receive_for(&mut self, time: Duration) -> Result<(), RadioError> {
        let began = Instant::now();
        while began.elapsed() < time {
            self.receive()?;
        }
        Ok(())
    }

    /// Receives samples from number `from` on; missing ones are zero.
    fn listen(&mut self, from: u64, heard: &mut [Sample]) -> Result<(), RadioError> {
        heard.fill(Sample::default());
        let end = from + heard.len() as u64;
        while self.next.is_none_or(|n| n < end) {
            let Received { first, count } = self.receive()?;
            for (n, sample) in (first..).zip(&self.buffer[..count]) {
                if let Some(place) = n.checked_sub(from).and_then(|at| heard.get_mut(at as usize)) {
                    *place = *sample;
                }
            }
        }
        Ok(())
    }

    fn receive(&mut self) -> Result<Received, RadioError> {
        let began = Instant::now();
        loop {
            let promise = self.next.unwrap_or(0) + self.buffer.len() as u64;
            self.streams.transmit.advance(promise)?;
            let received = self.streams.receive.receive(&mut self.buffer, PATIENCE)?;
            while let Some(event) = self.streams.transmit.poll_event() {
                self.measured.count(event);
            }
            if received.count > 0 {
                let lost = self.next.map_or(0, |n| received.first.saturating_sub(n));
                self.measured.lost += lost;
                self.next = Some(received.first + received.count as u64);
                self.measured.received.0 += received.count as u64;
                return Ok(received);
            }
            if began.elapsed() > self.silence {
                return Err(RadioError::Lost(format!("no samples for {} s", self.silence.as_secs_f64())));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Receive, Transmit};
    use std::sync::{Arc, Mutex};

    /// Number of the first sample, and the samples.
    type Burst = (u64, Vec<Sample>);

    /// A cable from the transmitter to the receiver, with a delay in samples.
    #[derive(Clone, Default)]
    struct Cable {
        sent: Arc<Mutex<Vec<Burst>>>,
        long: u64,
        next: u64,
    }

    impl Receive for Cable {
        fn receive(&mut self, into: &mut [Sample], _: Duration) -> Result<Received, RadioError> {
            into.fill(Sample::new(1e-3, 0.0));
            for (first, burst) in self.sent.lock().unwrap().iter() {
                for (n, sample) in (first + self.long..).zip(burst) {
                    if let Some(place) = n.checked_sub(self.next).and_then(|at| into.get_mut(at as usize)) {
                        *place = *sample * 0.1;
                    }
                }
            }
            let first = self.next;
            self.next += into.len() as u64;
            Ok(Received { first, count: into.len() })
        }
    }

    impl Transmit for Cable {
        fn transmit(&mut self, first: u64, burst: &[Sample]) -> Result<(), RadioError> {
            self.sent.lock().unwrap().push((first, burst.to_vec()));
            Ok(())
        }

        fn advance(&mut self, _: u64) -> Result<(), RadioError> {
            Ok(())
        }

        fn poll_event(&mut self) -> Option<Event> {
            None
        }
    }

    #[test]
    fn the_length_of_a_cable_is_the_advance() {
        for long in [0, 37, 1500] {
            let cable = Cable { long, ..Cable::default() };
            let streams =
                Streams { receive: Box::new(cable.clone()), transmit: Box::new(cable), anchor: None };
            let trial = Trial { rate: 1.92e6, time: Duration::from_millis(1), bursts: 5 };
            let measured = measure(streams, &trial).unwrap();
            assert_eq!((measured.sent, measured.delays.len(), measured.lost), (5, 5, 0));
            let delay = measured.delay().unwrap();
            assert!((delay - long as f64).abs() < 0.1 && measured.spread() < 0.1, "{measured:?}");
        }
    }

    #[test]
    fn a_radio_that_does_not_hear_itself_has_no_delay() {
        let silent = Streams {
            receive: Box::new(Cable::default()),
            transmit: Box::new(Cable::default()),
            anchor: None,
        };
        let trial = Trial { rate: 1.92e6, time: Duration::from_millis(1), bursts: 2 };
        let measured = measure(silent, &trial).unwrap();
        assert_eq!((measured.sent, measured.delay()), (2, None));
    }
}
