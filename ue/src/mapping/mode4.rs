//! Transmission mode 4 of one pool: what the air was like, what others reserved, and the resource that is kept
//! (TS 36.213 §14.1.1.6, TS 36.321 §5.14.1.1).

use sidelink_mac::grant::Error;
use sidelink_mac::grant::sensing::{self, Dbm, HeardSci, Period, Request, Reservation, Resource, Sensing};
use sidelink_phy::pool::V2xPool;
use sidelink_phy::sci::{Format1, riv_encode};
use sidelink_phy::units::{PrbRange, SUBFRAMES_PER_DFN_PERIOD, decibel};

use crate::air_rng::AirRng;

/// SL-ThresPSSCH-RSRP of every pair of priorities: -128 dBm in the scale of the samples, below everything that can be
/// decoded. So whatever was reserved is left alone at first, and the weakest is given up first where too little remains.
const THRESHOLD: u8 = 1;

/// dB by which PSCCH is stronger than PSSCH (TS 36.213 §14.1.1.5, §14.2.1: 10 log10 2; from memory). PSSCH-RSRP is what the
/// thresholds are about, and PSCCH is what is always decoded.
const BOOST_DB: f32 = 3.0;

/// sl-ReselectAfter (TS 36.331 §6.3.8, from memory): a resource that was not used so often in a row is given back.
const RESELECT_AFTER: u32 = 5;

/// Subframes between two tries to find a resource: what excludes them does not change faster, and the UE may be short of
/// time.
const RETRY: u64 = 10;

/// T2 of the first selection after a silence: the UE has waited long enough.
const T2_AFTER_SILENCE: u8 = 50;

/// How a UE uses a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode4Use {
    /// Milliseconds between two reserved resources: 20, 50, 100, 200 to 1000.
    pub period: u16,
    /// PPPP, 1 (the most urgent) to 8.
    pub priority: u8,
    /// Sub-channels of a transport block.
    pub sub_channels: u8,
    /// Whether each block is sent twice.
    pub retransmit: bool,
    /// probResourceKeep in fifths, 0 to 4.
    pub keep_fifths: u8,
    /// T1: subframes from the last one that was received to the first that can still be sent in, 1 to 4.
    pub lead: u8,
}

/// What is sent in a subframe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occasion {
    /// First sub-channel.
    pub first: usize,
    /// Whether the block was sent before.
    pub retransmission: bool,
    /// The fields of the SCI that follow from the resource; the MCS is the caller's.
    pub sci: Format1,
    /// n_ssf of PSSCH.
    pub n_ssf: u8,
}

/// One pool.
pub struct Mode4 {
    /// Index in t^SL by subframe of the DFN period.
    indices: Vec<Option<u32>>,
    /// Indices in a DFN period.
    per_period: u64,
    sub_channels: usize,
    usage: Mode4Use,
    period: Period,
    sensing: Sensing,
    reservation: Option<Reservation>,
    /// Index of the occasion in which a block was sent last, so that its retransmission has to be.
    sent: Option<u64>,
    /// Index of the initial occasion that was given out last.
    offered: u64,
    unused: u32,
    selections: u64,
    refusals: u64,
    refusal: Option<Error>,
    retry_at: u64,
    powers: Vec<Dbm>,
}

impl Mode4 {
    /// Nothing sensed yet.
    ///
    /// # Errors
    /// A number out of range, or more sub-channels than the pool has.
    pub fn new(pool: &V2xPool, usage: Mode4Use) -> Result<Self, Error> {
        let period = Period::from_milliseconds(usage.period)?;
        let wrong = |what, value: u8, min: u32, max: u32| {
            Err(Error::OutOfRange { what, value: value.into(), min, max })
        };
        match usage {
            Mode4Use { priority: p, .. } if !(1..=8).contains(&p) => return wrong("priority", p, 1, 8),
            Mode4Use { lead, .. } if !(1..=4).contains(&lead) => return wrong("lead of mode 4", lead, 1, 4),
            Mode4Use { sub_channels: n, .. } if n == 0 || usize::from(n) > pool.num => {
                return wrong("sub-channels of a block", n, 1, pool.num as u32);
            }
            _ => {}
        }
        let config = sensing::Config {
            bitmap: pool.bitmap.clone(),
            window: (usage.lead, 100),
            keep_fifths: usage.keep_fifths,
            ..sensing::Config::new(pool.num as u8, THRESHOLD)
        };
        let indices = pool.sidelink_subframes();
        let per_period = indices.iter().flatten().count() as u64;
        Ok(Self {
            indices,
            per_period,
            sub_channels: pool.num,
            usage,
            period,
            sensing: Sensing::new(config)?,
            reservation: None,
            sent: None,
            offered: 0,
            unused: 0,
            selections: 0,
            refusals: 0,
            refusal: None,
            retry_at: 0,
            powers: vec![Dbm(f32::NEG_INFINITY); pool.num],
        })
    }

    /// Times that a resource was selected.
    pub fn selections(&self) -> u64 {
        self.selections
    }

    /// Tries to select a resource that found none.
    pub fn refusals(&self) -> u64 {
        self.refusals
    }

    /// Why data that waits cannot be sent, while it cannot. The first second of sensing is no reason.
    pub fn refusal(&self) -> Option<Error> {
        self.refusal.filter(|why| !matches!(why, Error::Listening { .. }))
    }

    /// Index of subframe `t` in t^SL, running on over DFN periods.
    fn index(&self, t: u64) -> Option<u64> {
        let period = u64::from(SUBFRAMES_PER_DFN_PERIOD);
        let k = self.indices[(t % period) as usize]?;
        Some(t / period * self.per_period + u64::from(k))
    }

    /// The index of `t`, or of the next subframe that has one.
    fn index_from(&self, t: u64) -> u64 {
        (t..t + u64::from(SUBFRAMES_PER_DFN_PERIOD)).find_map(|t| self.index(t)).unwrap_or(0)
    }

    /// Subframe `t` was received, with these S-RSSI of the sub-channels (linear), or missed.
    pub fn sensed(&mut self, t: u64, powers: Option<&[f32]>) {
        let Some(k) = self.index(t) else { return };
        for (dbm, power) in self.powers.iter_mut().zip(powers.unwrap_or(&[])) {
            *dbm = Dbm(decibel(power.max(1e-20)));
        }
        self.sensing.record_subframe(k, powers.map(|_| &self.powers[..]));
    }

    /// An SCI was heard in subframe `t` on the PSCCH of sub-channel `first`, with so much power a resource element (linear).
    pub fn heard(&mut self, t: u64, first: usize, sci: &Format1, power: f32) {
        let (Some(k), Ok((other, length))) = (self.index(t), sci.allocation(self.sub_channels)) else {
            return;
        };
        let gap = if sci.retransmission { -(sci.time_gap as i8) } else { sci.time_gap as i8 };
        self.sensing.record_sci(HeardSci {
            subframe: k,
            first: first as u8,
            length: length as u8,
            priority: sci.priority + 1,
            period: Period::from_sci(sci.reservation),
            rsrp: Dbm(decibel(power.max(1e-20)) - BOOST_DB),
            other: (sci.time_gap > 0).then_some((gap, other as u8)),
        });
    }

    /// What may be sent in subframe `t`, of which nothing was asked before. `waiting`: whether there is anything to send;
    /// then a resource is selected where none is kept. After it say [`Self::used`]. Subframes may be left out: what was
    /// kept in them was not used.
    pub fn occasion(&mut self, t: u64, waiting: bool, air_rng: &mut AirRng) -> Option<Occasion> {
        let k = self.index(t)?;
        self.pass(k, air_rng);
        if self.reservation.is_some() || !waiting {
            self.refusal = None;
        } else if t >= self.retry_at || t + RETRY < self.retry_at {
            self.select(t, air_rng);
        }
        let reservation = self.reservation.as_mut()?;
        let (first, second) = reservation.next();
        let last = second.unwrap_or(first);
        let announced = reservation.announced();
        let (resource, other, retransmission) = match second {
            _ if first.subframe == k => (first, second, false),
            Some(second) if second.subframe == k => (second, Some(first), true),
            _ => return None,
        };
        if last.subframe == k {
            self.advance(air_rng);
        }
        if retransmission && self.sent != Some(first.subframe) {
            return None;
        }
        if !retransmission {
            self.offered = k;
        }
        let gap = other.map_or(0, |other: Resource| other.subframe.abs_diff(resource.subframe));
        let other = other.map_or(resource.first, |other| other.first);
        let riv = riv_encode(self.sub_channels, usize::from(other), usize::from(resource.length))?;
        let sci = Format1 {
            priority: self.usage.priority - 1,
            reservation: announced.map_or(0, Period::sci),
            frequency_resource: riv as u8,
            time_gap: gap as u8,
            mcs: 0,
            retransmission,
            transmission_format: false,
            reserved: 0,
        };
        let n_ssf = (k % self.per_period % 10) as u8;
        Some(Occasion { first: usize::from(resource.first), retransmission, sci, n_ssf })
    }

    /// Whether the block of the last initial occasion was sent.
    pub fn used(&mut self, sent: bool) {
        if sent {
            (self.sent, self.unused) = (Some(self.offered), 0);
        } else {
            self.unuse();
        }
    }

    /// Leaves occasions behind that lie before index `k`: the UE was too slow for them.
    fn pass(&mut self, k: u64, air_rng: &mut AirRng) {
        while let Some(reservation) = &self.reservation {
            let (first, second) = reservation.next();
            if second.unwrap_or(first).subframe >= k {
                return;
            }
            if self.offered != first.subframe {
                self.unuse();
            }
            self.advance(air_rng);
        }
    }

    fn unuse(&mut self) {
        self.unused += 1;
        if self.unused >= RESELECT_AFTER {
            self.reservation = None;
        }
    }

    fn select(&mut self, t: u64, air_rng: &mut AirRng) {
        let request = Request {
            now: self.index_from((t + 1).saturating_sub(u64::from(self.usage.lead))),
            length: self.usage.sub_channels,
            priority: self.usage.priority,
            period: self.period,
            retransmit: self.usage.retransmit,
            t2: self.refusal().map(|_| T2_AFTER_SILENCE),
        };
        match Reservation::select(&mut self.sensing, request, air_rng) {
            Ok(reservation) => {
                self.reservation = Some(reservation);
                self.selections += 1;
                (self.sent, self.unused, self.refusal) = (None, 0, None);
            }
            Err(why) => {
                self.refusals += 1;
                (self.refusal, self.retry_at) = (Some(why), t + RETRY);
            }
        }
    }

    fn advance(&mut self, air_rng: &mut AirRng) {
        if self.reservation.as_mut().is_some_and(|reservation| !reservation.advance(air_rng)) {
            self.reservation = None;
        }
    }
}

/// PRBs of the sub-channels of a pool.
pub fn sub_channels(pool: &V2xPool) -> Vec<PrbRange> {
    (0..pool.num).map(|m| PrbRange { start: pool.start + m * pool.size, len: pool.size }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage() -> Mode4Use {
        Mode4Use { period: 100, priority: 3, sub_channels: 2, retransmit: true, keep_fifths: 0, lead: 4 }
    }

    fn pool() -> V2xPool {
        V2xPool { sync_offsets: vec![3], ..V2xPool::simple(5, 5) }
    }

    /// A UE that heard everything, and noise alone, for a second before `t`.
    fn listened(t: u64, usage: Mode4Use) -> Mode4 {
        let mut mode4 = Mode4::new(&pool(), usage).unwrap();
        for t in t - 1100..t {
            mode4.sensed(t, Some(&[1e-3; 5]));
        }
        mode4
    }

    #[test]
    fn a_resource_comes_back_every_period_until_it_is_drawn_anew() {
        let mut air_rng = AirRng::seeded(5, "");
        let start = 30_000;
        let mut mode4 = listened(start, usage());
        let mut all = Vec::new();
        for t in start..start + 5000 {
            // planned ahead of what is heard
            if let Some(occasion) = mode4.occasion(t + 4, true, &mut air_rng) {
                if !occasion.retransmission {
                    mode4.used(true);
                }
                all.push((t + 4, occasion));
            }
            mode4.sensed(t, Some(&[1e-3; 5]));
        }
        let blocks: Vec<_> = all.iter().filter(|(_, o)| !o.retransmission).collect();
        assert!((45..=52).contains(&blocks.len()), "{} blocks in five seconds", blocks.len());
        assert!((4..=12).contains(&mode4.selections()), "{} selections", mode4.selections());
        for pair in blocks.windows(2) {
            let [(t, a), (next, b)] = pair else { continue };
            // as announced, in subframes of t^SL: synchronisation subframes do not count
            if a.sci.reservation == 1 {
                assert_eq!(mode4.index(*next).unwrap() - mode4.index(*t).unwrap(), 100);
                assert_eq!((a.first, a.sci.time_gap), (b.first, b.sci.time_gap));
            }
        }
        for (t, o) in all.iter().filter(|(_, o)| o.retransmission) {
            let k = mode4.index(*t).unwrap();
            let initial = all.iter().find(|(t, i)| {
                !i.retransmission && mode4.index(*t).unwrap() + u64::from(o.sci.time_gap) == k
            });
            let (_, initial) = initial.expect("its first transmission");
            assert_eq!(initial.sci.allocation(5).unwrap().0, o.first);
            assert_eq!(o.sci.allocation(5).unwrap().0, initial.first);
        }
        assert!(all.iter().any(|(_, o)| o.retransmission));
    }

    #[test]
    fn what_others_reserved_is_left_alone() {
        let sci = Format1 {
            priority: 2,
            reservation: 1,
            frequency_resource: riv_encode(5, 0, 3).unwrap() as u8,
            time_gap: 0,
            mcs: 5,
            retransmission: false,
            transmission_format: false,
            reserved: 0,
        };
        let usage = Mode4Use { retransmit: false, ..usage() };
        for seed in 0..50 {
            let start = 20_000;
            let mut mode4 = listened(start, usage);
            // sub-channels 0 to 2 are taken in every second subframe
            for t in (start - 100..start).filter(|t| t % 2 == 0) {
                mode4.heard(t, 0, &sci, 1e-2);
            }
            let busy: Vec<_> = (start - 100..start)
                .filter(|t| t % 2 == 0)
                .filter_map(|t| mode4.index(t))
                .map(|k| k + 100)
                .collect();
            let mut air_rng = AirRng::seeded(seed, "");
            let (t, occasion) =
                (start + 3..).find_map(|t| Some((t, mode4.occasion(t, true, &mut air_rng)?))).unwrap();
            let k = mode4.index(t).unwrap();
            assert!(occasion.first == 3 || !busy.contains(&k), "sub-channel {} at {k}", occasion.first);
        }
    }

    #[test]
    fn who_says_nothing_gives_the_resource_back() {
        let mut air_rng = AirRng::seeded(1, "");
        let start = 20_000;
        let mut mode4 = listened(start, usage());
        let mut occasions = 0;
        for t in start + 4..start + 2000 {
            let waiting = t < start + 10;
            if let Some(occasion) = mode4.occasion(t, waiting, &mut air_rng) {
                assert!(!occasion.retransmission, "nothing was sent that could be sent again");
                mode4.used(false);
                occasions += 1;
            }
            mode4.sensed(t - 4, Some(&[1e-3; 5]));
        }
        assert!((1..=5).contains(&occasions), "{occasions}");
    }

    #[test]
    fn what_cannot_be_is_said() {
        for (usage, words) in [
            (Mode4Use { period: 60, ..usage() }, "period"),
            (Mode4Use { priority: 9, ..usage() }, "priority"),
            (Mode4Use { sub_channels: 6, ..usage() }, "sub-channels"),
            (Mode4Use { lead: 6, ..usage() }, "lead"),
            (Mode4Use { keep_fifths: 5, ..usage() }, "probResourceKeep"),
        ] {
            let error = Mode4::new(&pool(), usage).err().unwrap().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
