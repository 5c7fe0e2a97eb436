//! Another program over ZMQ, by the protocol of srsRAN 4G's `device_name = zmq`: samples without a header and without a
//! time. The reader requests each block, and a writer without samples lets the reader wait. Therefore no burst is ever
//! late.
//!
//! Sample 0 is the first of each direction, and without `utc` the first of a DFN period: programs that know no other
//! time count subframes from it. The peer has to send as many samples as it wants to receive: srsRAN does this by
//! itself, and a UE of this project promises each subframe ([`Transmit::advance`]). A peer that only receives (no
//! `rx_port`) counts as silent, at the pace at which it fetches; for a peer that only sends (no `tx_port`) no address
//! is bound.
//!
//! ```text
//! wire.rs   octets <-> samples, addresses
//! pipe.rs   samples between the radio's thread and the sockets
//! wires.rs  the two sockets: REQ connects and requests, REP is bound and replies
//! zmtp.rs   frames of ZeroMQ over TCP, each limited before it is read
//! ```

mod pipe;
mod wire;
mod wires;
mod zmtp;

use super::air::Pace;
use super::{Anchor, Description, Event, Interrupt, Radio, RadioError, Receive, Received, Streams, Transmit};
use super::{DeviceArgs, HOST_UNCERTAINTY_NS, RadioSettings};
use crate::Sample;
use crate::number::Number;
use pipe::Pipe;
use sidelink_phy::units::Antennas;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use wire::Format;

/// Seconds of samples that each direction holds before its writer blocks.
const HELD: f64 = 0.2;

/// Longest lead of a burst, in seconds.
const AHEAD: f64 = 2.0;

/// Longest wait for the peer to fetch the last samples.
const FAREWELL: Duration = Duration::from_millis(500);

/// A peer over ZMQ, before it is called.
struct ZmqRadio {
    description: Description,
    wires: wires::Wires,
    utc: Option<f64>,
}

/// Opens a peer over ZMQ:
/// `driver=zmq[,tx_port=2000][,rx_port=tcp://localhost:2001][,base_srate=..][,tx_format=sc16][,rx_format=sc16][,pace=free]
/// [,utc=SECONDS]`: the arguments of srsRAN.
///
/// # Errors
/// Invalid arguments, or an address that cannot be bound.
pub(super) fn open(mut args: DeviceArgs, settings: &RadioSettings) -> Result<Box<dyn Radio>, RadioError> {
    const WORDS: &str = "tx_port, rx_port, base_srate, tx_format, rx_format, pace, utc";
    let mut address =
        |key: &str, example: &str| args.take(key).map(|text| wire::address(key, &text, example)).transpose();
    let (bind, connect) =
        (address("tx_port", "tcp://127.0.0.1:2000")?, address("rx_port", "tcp://localhost:2001")?);
    if bind.is_none() && connect.is_none() {
        return Err(RadioError::unusable(
            "driver=zmq has no peer",
            "write tx_port=tcp://127.0.0.1:2000 (the peer fetches there; tcp://*:2000 for other computers), rx_port=tcp://localhost:2001 (its address), or both",
        ));
    }
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
        antennas: Antennas::ONE,
        // Peer and UE wait for each other.
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
        let anchor = match self.utc {
            Some(s) => Anchor { utc_ns: (s * 1e9) as i64, uncertainty_ns: 0 },
            None => dfn_zero(),
        };
        let wires::Ends { heard, sent, working } = self.wires.start()?;
        let source = match (heard, &sent) {
            (Some(heard), _) => Source::Peer(heard),
            (None, Some(sent)) => Source::Silence(Arc::clone(sent)),
            (None, None) => {
                return Err(RadioError::unusable("driver=zmq has no peer", "write tx_port or rx_port"));
            }
        };
        Ok(Streams {
            receive: Box::new(ReceiveEnd { source, next: 0, rate, began, _working: Arc::clone(&working) }),
            transmit: Box::new(TransmitEnd {
                pipe: sent,
                sent: 0,
                ahead: VecDeque::new(),
                limit: (AHEAD * rate) as u64,
                events: VecDeque::new(),
                _working: working,
            }),
            anchor: Some(anchor),
        })
    }
}

/// Returns the next begin of a DFN period by this computer's clock.
fn dfn_zero() -> Anchor {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let utc_ns = i64::try_from(since.as_nanos()).unwrap_or(i64::MAX / 2);
    Anchor { utc_ns: super::next_dfn_period(utc_ns), uncertainty_ns: HOST_UNCERTAINTY_NS }
}

/// Source of received samples.
enum Source {
    /// The peer's samples.
    Peer(Arc<Pipe>),
    /// Silence, at the pace at which sent samples are fetched.
    Silence(Arc<Pipe>),
}

struct ReceiveEnd {
    source: Source,
    next: u64,
    rate: f64,
    /// The time at which sample 0 was due, if samples come no faster than they are taken.
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
                // After a delay, the lost time is not made up.
                None => *began += now - due,
            }
        }
        let count = match &self.source {
            Source::Peer(pipe) => pipe.read(into, patience)?,
            Source::Silence(sent) if sent.has_room(patience)? => {
                into.fill(Sample::default());
                into.len()
            }
            Source::Silence(_) => 0,
        };
        self.next += count as u64;
        Ok(Received { first, count })
    }
}

impl Drop for ReceiveEnd {
    fn drop(&mut self) {
        if let Source::Peer(pipe) = &self.source {
            pipe.close();
        }
    }
}

struct TransmitEnd {
    /// `None` if no peer fetches.
    pipe: Option<Arc<Pipe>>,
    /// Number of samples that went into the pipe.
    sent: u64,
    /// Samples that follow them.
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
        if count == 0 {
            // nothing to wait for
            return Ok(());
        }
        let silence = count.saturating_sub(self.ahead.len());
        let burst = self.ahead.drain(..count - silence);
        match &self.pipe {
            Some(pipe) => pipe.write(burst.chain(std::iter::repeat_n(Sample::default(), silence)))?,
            None => drop(burst),
        }
        self.sent += count as u64;
        Ok(())
    }

    fn interrupt(&self) -> Option<Interrupt> {
        let pipe = Arc::clone(self.pipe.as_ref()?);
        Some(Box::new(move || pipe.interrupt()))
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }
}

impl Drop for TransmitEnd {
    fn drop(&mut self) {
        if let Some(pipe) = &self.pipe {
            pipe.drain(FAREWELL);
            pipe.close();
        }
    }
}

#[cfg(test)]
mod tests;
