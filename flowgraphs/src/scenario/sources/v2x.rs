//! PSCCH and PSSCH of modes 3 and 4: a transport block every so often, each sent once or twice with its SCI
//! (TS 36.213 §14.1.1.4A to C, §14.1.5, §14.2.4).

use super::{Air, Instant, Source};
use crate::config::ConfigError;
use crate::scenario::{Choice, Payload, V2xEntry};
use sidelink_phy::channel::pssch::{Grant, REDUNDANCY_VERSIONS_V2X};
use sidelink_phy::coding::crc::CRC16;
use sidelink_phy::impair::rng::Rng;
use sidelink_phy::pool::V2xPool;
use sidelink_phy::sci::{Format1, riv_encode};
use sidelink_phy::transmit::{Content, SciFields, Transmission};
use sidelink_phy::units::{CyclicPrefix, Modulation, PrbRange, SidelinkMode};
use std::collections::VecDeque;

pub(super) struct V2xSource {
    pool: V2xPool,
    /// Index in t^SL of every subframe of the pool.
    indices: Vec<Option<u32>>,
    /// Which of t^SL are in the pool.
    in_pool: Vec<bool>,
    from: u64,
    interval: Option<u32>,
    blocks_left: u64,
    gap: u32,
    /// First sub-channels of initial transmission and retransmission.
    first: [usize; 2],
    /// Fields of the SCI of either.
    sci: [Format1; 2],
    cyclic_shift: Choice,
    amplitude: f32,
    /// PRBs of either.
    prbs: [PrbRange; 2],
    modulation: Modulation,
    octets: usize,
    payload: Payload,
    rng: Rng,
    blocks: u64,
    /// Index in t^SL, counted on over the periods of the DFN.
    next_due: Option<u64>,
    /// Retransmissions to come: when, and which block.
    retransmissions: VecDeque<(u64, u64)>,
    wraps: u64,
    last: u32,
}

const SHIFTS: [u8; 4] = [0, 3, 6, 9];

impl V2xSource {
    pub(super) fn new(entry: &V2xEntry, air: &Air<'_>, rng: Rng, place: &str) -> Result<Self, ConfigError> {
        let at = |key: &str| format!("{place}.{key}");
        let pool = pool(entry, air, place)?;
        check(entry, &at)?;
        let reservation = reservation(entry, &at)?;
        let first = first_subchannels(entry, &at)?;
        let prbs = allocations(pool, first, entry.length as usize, &at)?;
        let sci = control_information(entry, pool.num, first, reservation);
        sci[0]
            .emit(pool.num, &mut [0; Format1::BITS])
            .map_err(|e| ConfigError::new(e.to_string(), place, "lower the number"))?;
        let (modulation, bits) =
            Self::grant(entry.mcs, entry.transmission_format, prbs[0]).size(SidelinkMode::V2x).map_err(
                |e| ConfigError::new(e.to_string(), at("mcs"), "0 to 28; 29 to 31 with transmission-format"),
            )?;
        entry.payload.check(bits / 8, &at("payload"))?;

        let indices = pool.subframe_indices();
        let in_pool = in_pool(pool, &indices);
        Ok(Self {
            pool: pool.clone(),
            indices,
            in_pool,
            from: entry.from,
            interval: entry.interval,
            blocks_left: entry.blocks.unwrap_or(if entry.interval.is_some() { u64::MAX } else { 1 }),
            gap: entry.gap,
            first,
            sci,
            cyclic_shift: entry.cyclic_shift,
            amplitude: 10f64.powf(entry.control_boost / 20.0) as f32,
            prbs,
            modulation,
            octets: bits / 8,
            payload: entry.payload.clone(),
            rng,
            blocks: 0,
            next_due: None,
            retransmissions: VecDeque::new(),
            wraps: 0,
            last: 0,
        })
    }

    fn grant(mcs: u8, transmission_format: bool, prbs: PrbRange) -> Grant {
        Grant { prbs, mcs, rv: 0, n_id: 0, n_ssf: 0, transmission_format }
    }

    /// Whether the retransmission of a block at index `k` falls into the pool.
    fn retransmission_fits(&self, k: u64) -> bool {
        let then = (k + u64::from(self.gap)) % self.in_pool.len().max(1) as u64;
        self.in_pool.get(then as usize).copied().unwrap_or(false)
    }

    /// SCI and transport block of block `number`; `which` is 0 for the initial transmission, 1 for the other.
    fn send(&self, number: u64, which: usize, k: u32, out: &mut Vec<Transmission>) {
        let sci = self.sci[which];
        let mut bits = vec![0; Format1::BITS];
        // checked at construction
        if sci.emit(self.pool.num, &mut bits).is_err() {
            return;
        }
        let crc16 = CRC16.bits(&bits) as u16;
        let n_cs = match self.cyclic_shift {
            Choice::Fixed(n) => n as u8,
            Choice::Random => SHIFTS[self.rng.fork(!(2 * number + which as u64)).below(4) as usize],
        };
        let cp = CyclicPrefix::Normal;
        let prb = self.pool.control(self.first[which]).start;
        let content = Content::Sci { fields: SciFields::Format1(sci, self.pool.num), bits, prb, n_cs, crc16 };
        out.push(Transmission { cp, amplitude: self.amplitude, content });

        let mut block = vec![0; self.octets];
        self.payload.fill(number, &self.rng, &mut block);
        let grant = Grant {
            rv: REDUNDANCY_VERSIONS_V2X[which],
            n_id: crc16,
            n_ssf: (k % 10) as u8,
            ..Self::grant(sci.mcs, sci.transmission_format, self.prbs[which])
        };
        let content = Content::SlSch { grant, modulation: self.modulation, block, number };
        out.push(Transmission { cp, amplitude: 1.0, content });
    }
}

type At<'a> = &'a dyn Fn(&str) -> String;

fn bad<T>(at: At<'_>, what: String, key: &str, remedy: &str) -> Result<T, ConfigError> {
    Err(ConfigError::new(what, at(key), remedy))
}

/// The pool of an entry.
fn pool<'a>(entry: &V2xEntry, air: &Air<'a>, place: &str) -> Result<&'a V2xPool, ConfigError> {
    if !air.mode.is_v2x() {
        let what = format!("V2X communication in mode {}", air.mode.number());
        return Err(ConfigError::new(what, place, "use [[ue.communication]], or tm = 3 or 4"));
    }
    air.radio.v2x.iter().chain(&air.radio.v2x_also).nth(entry.pool).ok_or_else(|| {
        let remedy = "add [radio.v2x], and [[radio.v2x-also]] for each further pool";
        ConfigError::new(format!("no V2X pool {}", entry.pool), place, remedy)
    })
}

/// Numbers of an entry that no pool is needed to judge.
fn check(entry: &V2xEntry, at: At<'_>) -> Result<(), ConfigError> {
    if entry.gap > 15 {
        return bad(at, format!("SF_gap {}", entry.gap), "gap", "0 to 15");
    }
    if !(1..=8).contains(&entry.priority) {
        return bad(at, format!("priority {}", entry.priority), "priority", "1 (highest) to 8");
    }
    if !(-20.0..=20.0).contains(&entry.control_boost) {
        return bad(at, format!("{} dB", entry.control_boost), "control-boost", "-20 to 20 dB");
    }
    if let Choice::Fixed(n) = entry.cyclic_shift
        && !SHIFTS.iter().any(|s| u32::from(*s) == n)
    {
        return bad(at, format!("cyclic shift {n}"), "cyclic-shift", "0, 3, 6, 9 or \"random\"");
    }
    if entry.interval == Some(0) {
        return bad(at, "an interval of 0".to_owned(), "interval", "leave it out for a single block");
    }
    Ok(())
}

/// The field "resource reservation" of the SCI. TS 36.213 Table 14.2.1-2.
fn reservation(entry: &V2xEntry, at: At<'_>) -> Result<u8, ConfigError> {
    Ok(match (entry.reservation, entry.interval) {
        (Some(field), _) => field,
        (None, None) => 0,
        (None, Some(50)) => 11,
        (None, Some(20)) => 12,
        (None, Some(ms @ 100..=1000)) if ms % 100 == 0 => (ms / 100) as u8,
        (None, Some(ms)) => {
            let remedy = "20, 50, 100, 200 .. 1000; or say reservation too";
            return bad(at, format!("{ms} subframes"), "interval", remedy);
        }
    })
}

/// First sub-channels of initial transmission and retransmission.
fn first_subchannels(entry: &V2xEntry, at: At<'_>) -> Result<[usize; 2], ConfigError> {
    let first = [entry.subchannel, entry.retransmission_subchannel.unwrap_or(entry.subchannel)];
    if entry.gap == 0 && first[1] != first[0] {
        let what = "a retransmission without a gap".to_owned();
        return bad(at, what, "retransmission-subchannel", "say gap = 1 to 15");
    }
    Ok(first.map(|f| f as usize))
}

/// SCIs of initial transmission and retransmission, each with the first sub-channel of the other.
fn control_information(
    entry: &V2xEntry,
    subchannels: usize,
    first: [usize; 2],
    reservation: u8,
) -> [Format1; 2] {
    let len = entry.length as usize;
    let sci = |other: usize, retransmission| Format1 {
        priority: entry.priority - 1,
        reservation,
        frequency_resource: riv_encode(subchannels, other, len).unwrap_or(0) as u8,
        time_gap: entry.gap as u8,
        mcs: entry.mcs,
        retransmission,
        transmission_format: entry.transmission_format,
        reserved: entry.reserved,
    };
    [sci(first[1], false), sci(first[0], true)]
}

/// PRBs of initial transmission and retransmission, from their first sub-channels.
fn allocations(
    pool: &V2xPool,
    first: [usize; 2],
    len: usize,
    at: At<'_>,
) -> Result<[PrbRange; 2], ConfigError> {
    let mut prbs = [PrbRange { start: 0, len: 0 }; 2];
    for (p, &f) in prbs.iter_mut().zip(&first) {
        let Some(range) = (f < pool.num && len <= pool.num).then(|| pool.data(f, len)).flatten() else {
            let what = format!("{len} sub-channels from {f} on, where the pool has {}", pool.num);
            return bad(at, what, "subchannel", "first sub-channel + length is at most num");
        };
        *p = range;
    }
    Ok(prbs)
}

/// Which of t^SL are in the pool. TS 36.213 §14.1.5.
fn in_pool(pool: &V2xPool, indices: &[Option<u32>]) -> Vec<bool> {
    let mut in_pool = vec![false; pool.sidelink_subframes().iter().flatten().count()];
    for k in indices.iter().flatten() {
        if let Some(b) = in_pool.get_mut(*k as usize) {
            *b = true;
        }
    }
    in_pool
}

impl Source for V2xSource {
    fn plan(&mut self, now: Instant, out: &mut Vec<Transmission>) {
        let s = now.at.count();
        if s < self.last {
            self.wraps += 1;
        }
        self.last = s;
        let Some(k) = self.indices[s as usize % self.indices.len()] else { return };
        let running = self.wraps * self.in_pool.len() as u64 + u64::from(k);
        while let Some(&(due, number)) = self.retransmissions.front() {
            if due > running {
                break;
            }
            self.retransmissions.pop_front();
            if due == running {
                self.send(number, 1, k, out);
            }
        }
        let due = self.next_due.is_none_or(|due| running >= due) && now.subframe >= self.from;
        if !due || self.blocks_left == 0 || !(self.gap == 0 || self.retransmission_fits(running)) {
            return;
        }
        let nominal = self.next_due.unwrap_or(running);
        self.next_due = Some(nominal + u64::from(self.interval.unwrap_or(u32::MAX)));
        self.blocks_left -= 1;
        let number = self.blocks;
        self.blocks += 1;
        if self.gap > 0 {
            self.retransmissions.push_back((running + u64::from(self.gap), number));
        }
        self.send(number, 0, k, out);
    }

    fn prefixes(&self) -> Vec<CyclicPrefix> {
        vec![CyclicPrefix::Normal]
    }
}
