//! Another program over ZMQ, as srsRAN 4G's `device_name = zmq` speaks it: samples without a header and without a time;
//! whoever reads asks for each block, and who has nothing yet lets the other wait. So nobody is ever late.
//!
//! Sample 0 is the first of each direction. The peer has to send as much as it wants to hear: srsRAN does so by itself, and
//! a UE of this project promises each subframe ([`Transmit::advance`]).
//!
//! ```text
//! wire.rs   octets <-> samples, addresses
//! pipe.rs   samples between the radio's thread and the sockets
//! wires.rs  the two sockets: REQ connects and asks, REP is bound and answers
//! ```

mod pipe;
mod wire;
mod wires;

use super::air::Pace;
use super::{Anchor, Description, Event, Radio, RadioError, Receive, Received, Streams, Transmit};
use super::{DeviceArgs, RadioSettings};
use crate::Sample;
use crate::number::Number;
use pipe::Pipe;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};
use wire::Format;

/// Seconds of samples that each direction holds before its writer has to wait.
const HELD: f64 = 0.2;

/// Seconds that a burst may lie ahead.
const AHEAD: f64 = 2.0;

/// How long the end of what was sent may take to be fetched.
const FAREWELL: Duration = Duration::from_millis(500);

/// A peer over ZMQ that was not called yet.
struct ZmqRadio {
    description: Description,
    wires: wires::Wires,
    utc: Option<f64>,
}

/// `driver=zmq,tx_port=tcp://*:2000,rx_port=tcp://localhost:2001[,base_srate=..][,tx_format=sc16][,rx_format=sc16][,pace=free]
/// [,utc=SECONDS]`: srsRAN's words.
///
/// # Errors
/// Words that make no sense, or an address that cannot be bound.
pub(super) fn open(mut args: DeviceArgs, settings: &RadioSettings) -> Result<Box<dyn Radio>, RadioError> {
    const WORDS: &str = "tx_port, rx_port, base_srate, tx_format, rx_format, pace, utc";
    let mut address = |key: &str, example: &str| {
        let text = args.take(key).ok_or_else(|| {
            RadioError::unusable(format!("driver=zmq lacks {key}"), format!("write {key}={example}"))
        })?;
        wire::address(key, &text, example)
    };
    let (bind, connect) = (address("tx_port", "tcp://*:2000")?, address("rx_port", "tcp://localhost:2001")?);
    if let Some(base) = args.take_number("base_srate")?
        && base != settings.rate
    {
        return Err(RadioError::unusable(
            format!(
                "base_srate={} is what goes over the wire, and this radio has {}",
                Number(base),
                Number(settings.rate)
            ),
            "give both programs the same rate: nothing is resampled here",
        ));
    }
    let (mut send, mut hear) = (Format::default(), Format::default());
    args.set("tx_format", &mut send)?;
    args.set("rx_format", &mut hear)?;
    let mut pace = Pace::Realtime;
    args.set("pace", &mut pace)?;
    let utc = args.take_number("utc")?;
    args.finish("zmq", WORDS)?;
    let held = (HELD * settings.rate).ceil() as usize;
    let wires = wires::Wires::bind(bind, connect, (send, hear), held)?;
    let description = Description {
        name: format!("ZMQ, {}", wires.name()),
        rate: settings.rate,
        frequency: settings.frequency.unwrap_or_default(),
        full_duplex: true,
        // The peer waits for us and we for it.
        real_time: false,
    };
    let wires = wires.paced(pace == Pace::Realtime);
    Ok(Box::new(ZmqRadio { description, wires, utc }))
}

impl Radio for ZmqRadio {
    fn description(&self) -> &Description {
        &self.description
    }

    fn start(self: Box<Self>) -> Result<Streams, RadioError> {
        let rate = self.description.rate;
        let began = self.wires.is_paced().then(Instant::now);
        let wires::Ends { heard, sent, working } = self.wires.start()?;
        Ok(Streams {
            receive: Box::new(ReceiveEnd {
                pipe: heard,
                next: 0,
                rate,
                began,
                _working: Arc::clone(&working),
            }),
            transmit: Box::new(TransmitEnd {
                pipe: sent,
                sent: 0,
                ahead: VecDeque::new(),
                limit: (AHEAD * rate) as u64,
                events: VecDeque::new(),
                _working: working,
            }),
            anchor: self.utc.map(|s| Anchor { utc_ns: (s * 1e9) as i64, uncertainty_ns: 0 }),
        })
    }
}

struct ReceiveEnd {
    pipe: Arc<Pipe>,
    next: u64,
    rate: f64,
    /// When sample 0 was due, where samples come no faster than they are taken.
    began: Option<Instant>,
    /// Dropped after the pipe is closed.
    _working: Arc<wires::Working>,
}

impl Receive for ReceiveEnd {
    fn receive(&mut self, into: &mut [Sample], patience: Duration) -> Result<Received, RadioError> {
        let first = self.next;
        if let Some(began) = &mut self.began {
            let due = *began + Duration::from_secs_f64(self.next as f64 / self.rate);
            let now = Instant::now();
            match due.checked_duration_since(now) {
                Some(early) if early > patience => {
                    std::thread::sleep(patience);
                    return Ok(Received { first, count: 0 });
                }
                Some(early) => std::thread::sleep(early),
                // Whoever was slow is not hurried afterwards.
                None => *began += now - due,
            }
        }
        let count = self.pipe.read(into, patience)?;
        self.next += count as u64;
        Ok(Received { first, count })
    }
}

impl Drop for ReceiveEnd {
    fn drop(&mut self) {
        self.pipe.close();
    }
}

struct TransmitEnd {
    pipe: Arc<Pipe>,
    /// Samples that went into the pipe.
    sent: u64,
    /// What comes after them.
    ahead: VecDeque<Sample>,
    limit: u64,
    events: VecDeque<Event>,
    _working: Arc<wires::Working>,
}

impl Transmit for TransmitEnd {
    fn transmit(&mut self, first: u64, burst: &[Sample]) -> Result<(), RadioError> {
        let Some(at) = first.checked_sub(self.sent) else {
            self.events.push_back(Event::Late { first });
            return Ok(());
        };
        if at > self.limit {
            self.events.push_back(Event::TimeError { first });
            return Ok(());
        }
        let (at, end) = (at as usize, at as usize + burst.len());
        if self.ahead.len() < end {
            self.ahead.resize(end, Sample::default());
        }
        for (into, sample) in self.ahead.range_mut(at..end).zip(burst) {
            *into += sample;
        }
        Ok(())
    }

    fn advance(&mut self, until: u64) -> Result<(), RadioError> {
        let count = until.saturating_sub(self.sent) as usize;
        let silence = count.saturating_sub(self.ahead.len());
        let burst = self.ahead.drain(..count - silence);
        self.pipe.write(burst.chain(std::iter::repeat_n(Sample::default(), silence)))?;
        self.sent += count as u64;
        Ok(())
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }
}

impl Drop for TransmitEnd {
    fn drop(&mut self) {
        self.pipe.drain(FAREWELL);
        self.pipe.close();
    }
}

#[cfg(test)]
mod tests;
