//! The interleaver of a code block as rows and permutations of lanes.

use crate::tables::qpp::{QPP, Qpp};

/// Places of the bits of the second constituent encoder in the natural order. The indices are below W and P.
#[derive(Clone, Copy)]
pub(crate) struct Order<'a> {
    /// Row of the natural order from which row `r` is made. W elements.
    pub(super) rows: &'a [u16],
    /// Lane of that row for lane `j`. W rows of P.
    pub(super) lanes: &'a [u8],
    /// Lane of row `r` to which lane `j` of the natural row goes. W rows of P.
    pub(super) inverse: &'a [u8],
}

/// The [`Order`] of every code block length up to a largest one. The memory is allocated at once and filled when a
/// length is first used.
pub(crate) struct Orders {
    entries: Vec<Entry>,
    rows: Vec<u16>,
    lanes: Vec<u8>,
    inverse: Vec<u8>,
}

struct Entry {
    lanes: usize,
    first_row: usize,
    first_lane: usize,
    ready: bool,
}

impl Orders {
    /// `lanes` gives P for each length K, a divisor of K below 256.
    pub(crate) fn new(max_k: usize, lanes: impl Fn(usize) -> usize) -> Self {
        let (mut rows, mut bits) = (0, 0);
        let entries = QPP.iter().map(|qpp| usize::from(qpp.k)).take_while(|&k| k <= max_k);
        let entries = entries
            .map(|k| {
                let p = lanes(k);
                assert!(p > 0 && p < 256 && k.is_multiple_of(p), "lanes divide the block");
                let entry = Entry { lanes: p, first_row: rows, first_lane: bits, ready: false };
                rows += k / p;
                bits += k;
                entry
            })
            .collect();
        Self { entries, rows: vec![0; rows], lanes: vec![0; bits], inverse: vec![0; bits] }
    }

    /// Returns lanes and order of the block length at `index` of [`QPP`]; `None` beyond the largest one.
    pub(crate) fn at(&mut self, index: usize) -> Option<(usize, Order<'_>)> {
        let (qpp, entry) = (QPP.get(index)?, self.entries.get_mut(index)?);
        let (k, p) = (usize::from(qpp.k), entry.lanes);
        let rows = &mut self.rows[entry.first_row..][..k / p];
        let lanes = &mut self.lanes[entry.first_lane..][..k];
        let inverse = &mut self.inverse[entry.first_lane..][..k];
        if !entry.ready {
            fill(*qpp, p, rows, lanes, inverse);
            entry.ready = true;
        }
        Some((p, Order { rows, lanes, inverse }))
    }
}

fn fill(qpp: Qpp, p: usize, rows: &mut [u16], lanes: &mut [u8], inverse: &mut [u8]) {
    let w = rows.len();
    for (r, row) in rows.iter_mut().enumerate() {
        *row = (qpp.at(r) % w) as u16;
        for j in 0..p {
            let lane = qpp.at(j * w + r) / w;
            lanes[r * p + j] = lane as u8;
            inverse[r * p + lane] = j as u8;
        }
    }
}
