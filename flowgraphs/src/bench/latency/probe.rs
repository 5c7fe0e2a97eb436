//! An application whose messages carry their time, and that measures their delay.

use crate::lock::lock;
use hdrhistogram::Histogram;
use sidelink_mac::engine;
use sidelink_mac::mux::Address;
use sidelink_ue::{Application, Event, Moment, Outgoing, Send};
use sidelink_wire::ids::{Layer2Id, Lcid};
use sidelink_wire::pdcp::SduType;
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// First octets of every message.
const MARK: &[u8; 4] = b"lat:";

/// Least length of a message in octets: the mark, the subframe, the nanoseconds.
const LEAST: usize = MARK.len() + 16;

/// Messages and their delays.
pub struct Arrivals {
    /// Number of messages handed to layer 2.
    pub sent: u64,
    /// Number refused by layer 2: the queue was full, or no counter was ready.
    pub refused: u64,
    /// Number received, counted at each receiver.
    pub received: u64,
    /// Delays in subframes.
    air: Histogram<u64>,
    /// Delays in nanoseconds.
    wall: Histogram<u64>,
}

impl Default for Arrivals {
    fn default() -> Self {
        let empty = || {
            // 1 ns to 100 s with three digits is a valid range
            Histogram::new_with_bounds(1, 100_000_000_000, 3)
                .unwrap_or_else(|_| unreachable!("a valid range"))
        };
        Self { sent: 0, refused: 0, received: 0, air: empty(), wall: empty() }
    }
}

impl Arrivals {
    pub(super) fn merge(&mut self, other: &Self) {
        self.sent += other.sent;
        self.refused += other.refused;
        self.received += other.received;
        // all have the same bounds
        let _ = self.air.add(&other.air);
        let _ = self.wall.add(&other.wall);
    }

    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }

    /// Returns the delay in milliseconds of the air's time, from application to application: p50, p99, p99.9 and the
    /// worst.
    pub fn air(&self) -> Option<[f64; 4]> {
        quantiles(&self.air, 1.0)
    }

    /// Returns the same in milliseconds of the wall clock.
    pub fn wall(&self) -> Option<[f64; 4]> {
        quantiles(&self.wall, 1e-6)
    }
}

fn quantiles(histogram: &Histogram<u64>, unit: f64) -> Option<[f64; 4]> {
    let at = |q| histogram.value_at_quantile(q) as f64 * unit;
    (!histogram.is_empty()).then(|| [0.5, 0.99, 0.999, 1.0].map(at))
}

/// Sends to the group of the run periodically.
pub(super) struct Probe {
    every: u64,
    offset: u64,
    next: Option<u64>,
    epoch: Instant,
    data: Vec<u8>,
    arrivals: Arc<Mutex<Arrivals>>,
}

impl Probe {
    /// Makes a probe with messages of `octets` every `every` subframes, the first after `offset`. All probes of a run
    /// have the same `epoch`.
    pub(super) fn new(
        every: u64,
        offset: u64,
        octets: usize,
        epoch: Instant,
    ) -> (Self, Arc<Mutex<Arrivals>>) {
        let arrivals = Arc::new(Mutex::new(Arrivals::default()));
        let mut data = vec![b'.'; octets.max(LEAST)];
        data[..MARK.len()].copy_from_slice(MARK);
        let probe =
            Self { every: every.max(1), offset, next: None, epoch, data, arrivals: Arc::clone(&arrivals) };
        (probe, arrivals)
    }

    fn now_ns(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

impl Application for Probe {
    fn work(&mut self, now: Moment, send: &mut Send<'_>) {
        let next = *self.next.get_or_insert(now.t + self.offset);
        if now.t < next {
            return;
        }
        self.next = Some(next + self.every);
        let ns = self.now_ns();
        self.data[4..12].copy_from_slice(&now.t.to_be_bytes());
        self.data[12..20].copy_from_slice(&ns.to_be_bytes());
        let address = Address::Group(Layer2Id::from_octets(super::scene::GROUP_ID));
        let lcid = Lcid::GROUP_DATA;
        let result = send(Outgoing { address, lcid, sdu_type: SduType::Ip, data: &self.data });
        let mut arrivals = lock(&self.arrivals);
        match result {
            Ok(()) => arrivals.sent += 1,
            Err(_) => arrivals.refused += 1,
        }
    }

    fn event(&mut self, now: Moment, event: &Event<'_>) {
        let Event::Mac(engine::Event::Received(sdu)) = event else { return };
        let Some((t, rest)) = sdu.data.strip_prefix(MARK).and_then(|d| d.split_first_chunk::<8>()) else {
            return;
        };
        let Some(ns) = rest.first_chunk::<8>() else { return };
        let ns = self.now_ns().saturating_sub(u64::from_be_bytes(*ns));
        let mut arrivals = lock(&self.arrivals);
        arrivals.received += 1;
        arrivals.air.saturating_record(now.t.saturating_sub(u64::from_be_bytes(*t)));
        arrivals.wall.saturating_record(ns);
    }
}
