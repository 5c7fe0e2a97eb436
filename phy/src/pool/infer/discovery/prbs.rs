//! Infers the PRBs of a discovery pool from those of messages: transmission j lies floor(N_f / N_TX) pairs above the
//! one before, modulo N_f (TS 36.213 §14.3.1).

use crate::pool::PoolPrbs;

/// Number of different places that are kept.
const PLACES: usize = 64;

/// First PRBs of the transmissions of a message.
type Place = [Option<u8>; 4];

pub(super) struct Places(Vec<Place>);

impl Places {
    pub(super) fn new() -> Self {
        Self(Vec::with_capacity(PLACES))
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Adds a place. One that is contained in another is left out.
    pub(super) fn add(&mut self, prbs: [Option<usize>; 4]) {
        let place = prbs.map(|prb| prb.and_then(|prb| u8::try_from(prb).ok()));
        let says = |a: &Place, b: &Place| a.iter().zip(b).all(|(a, b)| b.is_none() || a == b);
        if self.0.iter().any(|known| says(known, &place)) {
            return;
        }
        self.0.retain(|known| !says(&place, known));
        if self.0.len() == PLACES {
            self.0.remove(0);
        }
        self.0.push(place);
    }

    /// Returns the most PRBs that explain the place of every transmission, and whether no others do. First contiguous
    /// ones, then two parts with a gap.
    pub(super) fn fit(&self, carrier_prbs: usize, transmissions: usize) -> Option<(PoolPrbs, bool)> {
        let mut all = contiguous(carrier_prbs).filter(|prbs| self.agree(prbs, transmissions));
        if let Some(prbs) = all.next() {
            return Some((prbs, all.next().is_none()));
        }
        let mut all = split(carrier_prbs).filter(|prbs| self.agree(prbs, transmissions));
        let prbs = all.next()?;
        Some((prbs, all.next().is_none()))
    }

    fn agree(&self, prbs: &PoolPrbs, transmissions: usize) -> bool {
        let pairs = pairs(prbs);
        let shift = pairs / transmissions.max(1);
        self.0.iter().all(|place| {
            let mut first = None;
            place.iter().enumerate().all(|(j, prb)| {
                let Some(prb) = prb else { return true };
                let Some(pair) = pair_at(prbs, *prb as usize) else { return false };
                // a_1
                let this = (pair + transmissions * pairs - j * shift) % pairs;
                *first.get_or_insert(this) == this
            })
        })
    }
}

/// Returns every range of whole pairs, the longest first.
fn contiguous(carrier_prbs: usize) -> impl Iterator<Item = PoolPrbs> {
    (1..=carrier_prbs / 2).rev().flat_map(move |pairs| {
        let num = 2 * pairs;
        (0..=carrier_prbs - num).map(move |start| PoolPrbs { start, end: start + num - 1, num })
    })
}

/// Returns every pool of two parts, the largest first.
fn split(carrier_prbs: usize) -> impl Iterator<Item = PoolPrbs> {
    (1..=carrier_prbs / 2).rev().flat_map(move |num| {
        (0..carrier_prbs).flat_map(move |start| {
            (start + 2 * num..carrier_prbs).map(move |end| PoolPrbs { start, end, num })
        })
    })
}

/// Returns N_f, the number of pairs of PRBs.
fn pairs(prbs: &PoolPrbs) -> usize {
    let contiguous = prbs.end + 1 - prbs.start;
    contiguous.min(2 * prbs.num) / 2
}

/// Returns the index a of the pair m_2a, m_2a+1 that begins at a PRB.
fn pair_at(prbs: &PoolPrbs, prb: usize) -> Option<usize> {
    let size = (prbs.end + 1 - prbs.start).min(2 * prbs.num);
    let upper = prbs.end + 1 - (size - prbs.num.min(size));
    let index = if prb >= upper {
        (prb < prbs.end).then_some(prbs.num + prb - upper)?
    } else {
        let index = prb.checked_sub(prbs.start)?;
        // a pair across the gap does not exist
        (index + 1 < prbs.num).then_some(index)?
    };
    (index % 2 == 0).then_some(index / 2)
}
