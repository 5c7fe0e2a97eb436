//! Transmission mode 4 in one pool: sensing, reservations of others, and our own reserved resource
//! (TS 36.213 §14.1.1.6, TS 36.321 §5.14.1.1).

use sidelink_mac::grant::Error;
use sidelink_mac::grant::sensing::Occasion as Chance;
use sidelink_mac::grant::sensing::{self, Dbm, HeardSci, Period, Request, Reservation, Resource, Sensing};
use sidelink_mac::mux::LOWEST_PRIORITY;
use sidelink_phy::pool::V2xPool;
use sidelink_phy::sci::{Format1, riv_encode};
use sidelink_phy::units::{Decibel, PrbRange, SUBFRAMES_PER_DFN_PERIOD};

use crate::air_rng::AirRng;

/// SL-ThresPSSCH-RSRP of every pair of priorities: -128 dBm in the scale of the samples, below everything that can be
/// decoded. So every reserved resource is excluded at first, and those with the weakest RSRP are included first where
/// too few remain.
const THRESHOLD: u8 = 1;

/// Power of PSCCH relative to PSSCH, in dB (TS 36.213 §14.1.1.5, §14.2.1.3: 10^(3/10)). The thresholds are defined for
/// PSSCH-RSRP, but only PSCCH is always decoded.
const BOOST_DB: f32 = 3.0;

/// Subframes of t^SL after which an unused resource is given up (TS 36.321 §5.14.1.1: one second). Counted in t^SL as
/// the period is: a reservation with a period of one second does not end itself.
const SECOND: u64 = 1000;

/// T2 of a selection, in subframes of the air (TS 36.213 §14.1.1.6).
const T2: u8 = 100;

/// Subframes between two attempts to select a resource: the reasons for exclusion do not change faster, and the UE may
/// be short of time.
const RETRY: u64 = 10;

/// T2 of the first selection after a silence, in subframes: the data has waited long enough.
const T2_AFTER_SILENCE: u8 = 50;

/// Use of a pool by a UE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode4Use {
    /// Milliseconds between two reserved resources: 20, 50, 100, 200 to 1000.
    pub period: u16,
    /// Sub-channels of a transport block.
    pub sub_channels: u8,
    /// Whether each block is sent twice.
    pub retransmit: bool,
    /// probResourceKeep in fifths, 0 to 4.
    pub keep_fifths: u8,
    /// sl-ReselectAfter, 1 to 9: after this number of unused occasions in a row a resource is given up
    /// (TS 36.321 §5.14.1.1). Optional.
    pub reselect_after: Option<u8>,
    /// T1: subframes from the last received one to the first in which the UE can still send, 1 to 4.
    pub lead: u8,
}

/// A transmission in a subframe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occasion {
    /// Its first sub-channel.
    pub first: usize,
    /// Whether it is the second transmission of the block.
    pub retransmission: bool,
    /// The fields of the SCI that follow from the resource; the caller sets the MCS.
    pub sci: Format1,
    /// n_ssf of PSSCH.
    pub n_ssf: u8,
}

/// A block that was sent for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sent {
    /// Index of its initial occasion.
    at: u64,
    /// The highest PPPP in it.
    priority: u8,
}

/// Mode 4 in one pool.
pub struct Mode4 {
    /// Index in t^SL of each subframe of the DFN period; `None` where it has none.
    indices: Vec<Option<u32>>,
    /// Number of indices in a DFN period.
    per_period: u64,
    sub_channels: usize,
    usage: Mode4Use,
    period: Period,
    sensing: Sensing,
    // TS 36.321 §5.14.1.2.1 (1)
    reservation: Option<Reservation>,
    /// The block that was sent last, for its retransmission.
    sent: Option<Sent>,
    /// Index of the last transmission in the current resource, or of its selection.
    last_used: u64,
    /// Index of the last initial occasion that [`Self::occasion`] returned.
    offered: u64,
    /// PPPP of the data for the last initial occasion.
    priority: u8,
    unused: u32,
    selections: u64,
    refusals: u64,
    refusal: Option<Error>,
    retry_at: u64,
    powers: Vec<Dbm>,
}

impl Mode4 {
    /// Makes the state of a pool in which nothing was sensed yet.
    ///
    /// # Errors
    /// A number is out of range, or there are more sub-channels than the pool has.
    pub fn new(pool: &V2xPool, usage: Mode4Use) -> Result<Self, Error> {
        let period = Period::from_milliseconds(usage.period)?;
        let wrong = |what, value: u8, min: u32, max: u32| {
            Err(Error::OutOfRange { what, value: value.into(), min, max })
        };
        match usage {
            Mode4Use { reselect_after: Some(n), .. } if !(1..=9).contains(&n) => {
                return wrong("sl-ReselectAfter", n, 1, 9);
            }
            Mode4Use { lead, .. } if !(1..=4).contains(&lead) => return wrong("lead of mode 4", lead, 1, 4),
            Mode4Use { sub_channels: n, .. } if n == 0 || usize::from(n) > pool.num => {
                return wrong("sub-channels of a block", n, 1, pool.num as u32);
            }
            _ => {}
        }
        let config = sensing::Config {
            bitmap: pool.bitmap.clone(),
            window: (usage.lead, T2),
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
            last_used: 0,
            offered: 0,
            priority: LOWEST_PRIORITY,
            unused: 0,
            selections: 0,
            refusals: 0,
            refusal: None,
            retry_at: 0,
            powers: vec![Dbm(f32::NEG_INFINITY); pool.num],
        })
    }

    /// Returns the number of selected resources.
    pub fn selections(&self) -> u64 {
        self.selections
    }

    /// Returns the number of attempts to select a resource that found none.
    pub fn refusals(&self) -> u64 {
        self.refusals
    }

    /// Returns why queued data cannot be sent, while this lasts. The first second of sensing does not count.
    pub fn refusal(&self) -> Option<Error> {
        self.refusal.filter(|why| !matches!(why, Error::Listening { .. }))
    }

    /// Returns the index of subframe `t` in t^SL, counted on over DFN periods.
    fn index(&self, t: u64) -> Option<u64> {
        let period = u64::from(SUBFRAMES_PER_DFN_PERIOD);
        let k = self.indices[(t % period) as usize]?;
        Some(t / period * self.per_period + u64::from(k))
    }

    /// Returns the index of `t`, or of the next subframe that has one.
    // TS 36.213 §14.1.1.6 step 2
    fn index_from(&self, t: u64) -> u64 {
        (t..t + u64::from(SUBFRAMES_PER_DFN_PERIOD)).find_map(|t| self.index(t)).unwrap_or(0)
    }

    /// Returns T2 in indices: the number of subframes of t^SL up to `n + t2`, after the first one from `n` on.
    // TS 36.213 §14.1.1.6 step 1 (2)
    fn indices_until(&self, n: u64, t2: u8) -> u8 {
        let inside = (n..=n + u64::from(t2)).filter(|t| self.index(*t).is_some()).count();
        inside.saturating_sub(1) as u8
    }

    /// Records that subframe `t` was received, with these S-RSSI of the sub-channels (linear), or missed (`None`).
    pub fn sensed(&mut self, t: u64, powers: Option<&[f32]>) {
        let Some(k) = self.index(t) else { return };
        for (dbm, power) in self.powers.iter_mut().zip(powers.unwrap_or(&[])) {
            *dbm = Dbm(Decibel::of_ratio_f32(power.max(1e-20)).to_f32());
        }
        self.sensing.record_subframe(k, powers.map(|_| &self.powers[..]));
    }

    /// Records an SCI that was received in subframe `t` on the PSCCH of sub-channel `first`, with this power per
    /// resource element (linear).
    pub fn heard(&mut self, t: u64, first: usize, sci: &Format1, power: f32) {
        let (Some(k), Ok((other, length))) = (self.index(t), sci.allocation(self.sub_channels)) else {
            return;
        };
        // TS 36.213 §14.1.1.4C (3)
        let gap = if sci.retransmission { -(sci.time_gap as i8) } else { sci.time_gap as i8 };
        self.sensing.record_sci(HeardSci {
            subframe: k,
            first: first as u8,
            length: length as u8,
            priority: sci.priority + 1,
            period: Period::from_sci(sci.reservation),
            rsrp: Dbm(Decibel::of_ratio_f32(power.max(1e-20)).to_f32() - BOOST_DB),
            other: (sci.time_gap > 0).then_some((gap, other as u8)),
        });
    }

    /// Returns the transmission that is possible in subframe `t`; call it once for a subframe. `waiting` is the highest
    /// PPPP of the queued data, if there is any; then a resource is selected where there is none. Call [`Self::used`]
    /// after an initial occasion. Subframes may be left out: occasions in them count as unused.
    // TS 36.213 §14.1.1.4B (7)
    pub fn occasion(&mut self, t: u64, waiting: Option<u8>, air_rng: &mut AirRng) -> Option<Occasion> {
        let k = self.index(t)?;
        self.pass(k, air_rng);
        // TS 36.321 §5.14.1.1 (12)
        if k > self.last_used + SECOND {
            self.reservation = None;
        }
        match waiting {
            Some(priority) if self.reservation.is_none() => {
                // TS 36.321 §5.14.1.1 (10)
                if t >= self.retry_at || t + RETRY < self.retry_at {
                    self.select(t, priority, air_rng);
                }
            }
            _ => self.refusal = None,
        }
        let reservation = self.reservation.as_ref()?;
        let (first, second) = reservation.next();
        let announced = reservation.announced();
        let (resource, other, retransmission) = match second {
            _ if first.subframe == k => (first, second, false),
            // TS 36.213 §14.1.1.4C (4)
            Some(second) if second.subframe == k => (second, Some(first), true),
            _ => return None,
        };
        if retransmission {
            // The SCI has the highest priority in the block (TS 36.321 §5.14.1.1).
            // TS 36.321 §5.14.1.1 (28); TS 36.321 §5.14.1.2.1 (3)
            self.priority = self.sent.filter(|sent| sent.at == first.subframe)?.priority;
            self.last_used = k;
        } else {
            self.offered = k;
            self.priority = waiting.unwrap_or(LOWEST_PRIORITY);
        }
        // TS 36.213 §14.1.1.4C (5)
        let gap = other.map_or(0, |other: Resource| other.subframe.abs_diff(resource.subframe));
        let other = other.map_or(resource.first, |other| other.first);
        // TS 36.212 §5.4.3.1.2 (4); TS 36.213 §14.1.1.4C (1)
        let riv = riv_encode(self.sub_channels, usize::from(other), usize::from(resource.length))?;
        let sci = Format1 {
            // TS 36.213 §14.2.1 mode 4 (2)
            priority: self.priority.saturating_sub(1),
            // TS 36.213 §14.1.1 (8)
            reservation: announced.map_or(0, Period::sci),
            frequency_resource: riv as u8,
            // TS 36.213 §14.2.1 mode 4 (3)
            time_gap: gap as u8,
            mcs: 0,
            retransmission,
            transmission_format: false,
            reserved: 0,
        };
        // TS 36.211 §9.2.4 (2); TS 36.213 §14.1.5 (6)
        let n_ssf = (k % self.per_period % 10) as u8;
        Some(Occasion { first: usize::from(resource.first), retransmission, sci, n_ssf })
    }

    /// Records whether the block of the last initial occasion was sent.
    // TS 36.213 §14.1.1.4B (6)
    pub fn used(&mut self, sent: bool) {
        if sent {
            self.sent = Some(Sent { at: self.offered, priority: self.priority });
            (self.last_used, self.unused) = (self.offered, 0);
        } else {
            self.unuse();
        }
    }

    /// Skips the occasions before index `k`. The counter is decremented where a block was sent, after its last
    /// transmission (TS 36.321 §5.14.1.2.2); in occasions that the UE was too slow for, nothing was sent.
    fn pass(&mut self, k: u64, air_rng: &mut AirRng) {
        while let Some(reservation) = &self.reservation {
            let (first, second) = reservation.next();
            if second.unwrap_or(first).subframe >= k {
                return;
            }
            if self.offered != first.subframe {
                self.unuse();
            }
            let used = self.sent.is_some_and(|sent| sent.at == first.subframe);
            // TS 36.321 §5.14.1.2.2 (2)
            let chance = if used { Chance::Used } else { Chance::Unused };
            if let Some(reservation) = &mut self.reservation
                && !reservation.advance(chance, air_rng)
            {
                self.reservation = None;
            }
        }
    }

    fn unuse(&mut self) {
        self.unused += 1;
        // TS 36.321 §5.14.1.1 (13)
        if self.usage.reselect_after.is_some_and(|most| self.unused >= most.into()) {
            self.reservation = None;
        }
    }

    // TS 36.300 §23.14.1.1 (3)
    fn select(&mut self, t: u64, priority: u8, air_rng: &mut AirRng) {
        let n = (t + 1).saturating_sub(u64::from(self.usage.lead));
        let now = self.index_from(n);
        let t2 = self.refusal().map_or(T2, |_| T2_AFTER_SILENCE);
        let request = Request {
            now,
            length: self.usage.sub_channels,
            priority,
            period: self.period,
            retransmit: self.usage.retransmit,
            t2: Some(self.indices_until(n, t2)),
        };
        match Reservation::select(&mut self.sensing, request, air_rng) {
            Ok(reservation) => {
                self.reservation = Some(reservation);
                self.selections += 1;
                (self.sent, self.unused, self.refusal) = (None, 0, None);
                self.last_used = now;
            }
            Err(why) => {
                self.refusals += 1;
                (self.refusal, self.retry_at) = (Some(why), t + RETRY);
            }
        }
    }
}

/// Returns the PRBs of the sub-channels of a pool.
// TS 36.213 §14.1.5 (5)
pub fn sub_channels(pool: &V2xPool) -> Vec<PrbRange> {
    (0..pool.num).map(|m| PrbRange { start: pool.start + m * pool.size, len: pool.size }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage() -> Mode4Use {
        Mode4Use {
            period: 100,
            sub_channels: 2,
            retransmit: true,
            keep_fifths: 0,
            reselect_after: None,
            lead: 4,
        }
    }

    fn pool() -> V2xPool {
        V2xPool { sync_offsets: vec![3], ..V2xPool::simple(5, 5) }
    }

    /// Makes the state of a UE that received every subframe of the second before `t`, and only noise.
    fn listened(t: u64, usage: Mode4Use) -> Mode4 {
        let mut mode4 = Mode4::new(&pool(), usage).unwrap();
        for t in t - 1100..t {
            mode4.sensed(t, Some(&[1e-3; 5]));
        }
        mode4
    }

    #[test]
    // TS 36.213 §14.1.1 table 14.1.1-1; TS 36.213 §14.1.1.4B (1); TS 36.213 §14.1.1.4B (3); TS 36.213 §14.1.1.4C (4)
    // TS 36.213 §14.1.1.4C (5); TS 36.213 §14.2.1 mode 4 (1); TS 36.213 §14.2.1 mode 4 (3); TS 36.321 §5.14.1.1 (10)
    // TS 36.321 §5.14.1.1 (21); TS 36.321 §5.14.1.2.1 (3)
    fn a_resource_comes_back_every_period_until_it_is_drawn_anew() {
        let mut air_rng = AirRng::seeded(5, "");
        let start = 30_000;
        let mut mode4 = listened(start, usage());
        let mut all = Vec::new();
        for t in start..start + 5000 {
            // Planned ahead of reception.
            if let Some(occasion) = mode4.occasion(t + 4, Some(3), &mut air_rng) {
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
            // As announced, in subframes of t^SL: synchronisation subframes do not count.
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
    // TS 36.213 §14.1.1.6 step 6 (1)
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
            // Sub-channels 0 to 2 are reserved in every second subframe.
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
                (start + 3..).find_map(|t| Some((t, mode4.occasion(t, Some(3), &mut air_rng)?))).unwrap();
            let k = mode4.index(t).unwrap();
            assert!(occasion.first == 3 || !busy.contains(&k), "sub-channel {} at {k}", occasion.first);
        }
    }

    /// Returns the initial occasions of a UE that had data for a moment, and sent in the first `sent` of them.
    fn occasions(usage: Mode4Use, sent: usize) -> Vec<u64> {
        let mut air_rng = AirRng::seeded(1, "");
        let start = 20_000;
        let mut mode4 = listened(start, usage);
        let mut occasions = Vec::new();
        for t in start + 4..start + 5000 {
            let waiting = (t < start + 10).then_some(3);
            if let Some(occasion) = mode4.occasion(t, waiting, &mut air_rng) {
                if occasion.retransmission {
                    assert!(occasions.len() <= sent, "nothing was sent that could be sent again");
                } else {
                    mode4.used(occasions.len() < sent);
                    occasions.push(t);
                }
            }
            mode4.sensed(t - 4, Some(&[1e-3; 5]));
        }
        occasions
    }

    #[test]
    // TS 36.321 §5.14.1.1 (13); TS 36.321 §5.14.1.2.1 (2)
    fn who_says_nothing_gives_the_resource_back() {
        for most in [1, 5, 9] {
            let usage = Mode4Use { reselect_after: Some(most), ..usage() };
            assert_eq!(occasions(usage, 0).len(), usize::from(most));
        }
    }

    /// TS 36.321 §5.14.1.1: without sl-ReselectAfter a second of silence ends a reservation, counted from the last
    /// transmission.
    #[test]
    // TS 36.213 §14.1.1.4B (7); TS 36.321 §5.14.1.1 (12)
    fn a_second_of_silence_ends_a_reservation() {
        for sent in [0, 1, 3] {
            let unused = occasions(usage(), sent).len() - sent;
            assert!((9..=10).contains(&unused), "{unused} after {sent}");
        }
        // A reservation with a period of one second does not end itself.
        let usage = Mode4Use { period: 1000, retransmit: false, ..usage() };
        assert_eq!(occasions(usage, 3).len(), 4);
    }

    /// TS 36.321 §5.14.1.2.2: an unused occasion does not count, so that the reservation that the last SCI announced
    /// stays.
    #[test]
    // TS 36.321 §5.14.1.2.2 (2)
    fn what_was_not_sent_leaves_the_counter() {
        let mut air_rng = AirRng::seeded(1, "");
        let start = 20_000;
        let mut mode4 = listened(start, usage());
        let (mut sent, mut unsent) = (0, 0);
        for t in start + 4..start + 12_000 {
            if mode4.selections() > 1 {
                break;
            }
            if let Some(occasion) = mode4.occasion(t, Some(3), &mut air_rng)
                && !occasion.retransmission
                && mode4.selections() == 1
            {
                let sends = (sent + unsent) % 2 == 0;
                (sent, unsent) = (sent + u32::from(sends), unsent + u32::from(!sends));
                mode4.used(sends);
            }
            mode4.sensed(t - 4, Some(&[1e-3; 5]));
        }
        assert!((5..=15).contains(&sent), "{sent} sent");
        assert!(unsent >= sent - 1, "{unsent} were left out");
    }

    /// TS 36.321 §5.14.1.1: an SCI has the highest priority of the data in its block, in either transmission.
    #[test]
    // TS 36.321 §5.14.1.1 (28)
    fn the_priority_is_that_of_the_block() {
        let mut air_rng = AirRng::seeded(2, "");
        let start = 20_000;
        let mut mode4 = listened(start, usage());
        let mut blocks: Vec<(u8, Vec<u8>)> = Vec::new();
        for t in start + 4..start + 1000 {
            let waiting = (t / 7 % 8 + 1) as u8;
            if let Some(occasion) = mode4.occasion(t, Some(waiting), &mut air_rng) {
                if !occasion.retransmission {
                    mode4.used(true);
                    blocks.push((waiting, Vec::new()));
                }
                blocks.last_mut().unwrap().1.push(occasion.sci.priority);
            }
            mode4.sensed(t - 4, Some(&[1e-3; 5]));
        }
        assert!(blocks.iter().all(|(of, heard)| heard.iter().all(|heard| heard + 1 == *of)), "{blocks:?}");
        assert!(blocks.iter().any(|(_, heard)| heard.len() == 2));
    }

    /// TS 36.213 §14.1.1.6 step 1: T2 counts subframes of the air, including those of synchronisation.
    #[test]
    // TS 36.213 §14.1.1.6 step 1 (2)
    fn the_window_ends_in_the_air() {
        let mode4 = Mode4::new(&pool(), usage()).unwrap();
        let mut shorter = 0;
        for n in 0..2000 {
            let last = (n..=n + 100).rev().find_map(|t| mode4.index(t)).unwrap();
            assert_eq!(mode4.index_from(n) + u64::from(mode4.indices_until(n, 100)), last);
            shorter += u32::from(mode4.indices_until(n, 100) < 100);
        }
        assert!(shorter > 1000, "{shorter}: a synchronisation period is 160 subframes");
    }

    #[test]
    fn what_cannot_be_is_said() {
        for (usage, words) in [
            (Mode4Use { period: 60, ..usage() }, "period"),
            (Mode4Use { reselect_after: Some(0), ..usage() }, "sl-ReselectAfter"),
            (Mode4Use { reselect_after: Some(10), ..usage() }, "sl-ReselectAfter"),
            (Mode4Use { sub_channels: 6, ..usage() }, "sub-channels"),
            (Mode4Use { lead: 6, ..usage() }, "lead"),
            (Mode4Use { keep_fifths: 5, ..usage() }, "probResourceKeep"),
        ] {
            let error = Mode4::new(&pool(), usage).err().unwrap().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
