//! Rate matching, TS 36.212 §5.1.4: sub-block interleavers and circular buffers.
//!
//! A circular buffer is held here without its NULL elements. Selecting coded bits is then a copy that wraps around,
//! and combining received ones an addition that wraps around.

use crate::Llr;
use crate::kernel::Backend;
use crate::kernel::reduce::{Loops, loops};
use crate::kernel::transpose::{Scale, Transpose, transpose};

/// Columns of every sub-block interleaver.
const COLUMNS: usize = 32;

/// Inter-column permutation for turbo coded bits. TS 36.212 Table 5.1.4-1
// TS 36.212 §5.4.2 with §5.1.4.1.1
pub(crate) const TURBO_COLUMNS: [u8; COLUMNS] = [
    0, 16, 8, 24, 4, 20, 12, 28, 2, 18, 10, 26, 6, 22, 14, 30, 1, 17, 9, 25, 5, 21, 13, 29, 3, 19, 11, 27, 7,
    23, 15, 31,
];

/// Inter-column permutation for convolutionally coded bits. TS 36.212 Table 5.1.4-2
// TS 36.212 §5.4.1.3 (1)
const CONVOLUTIONAL_COLUMNS: [u8; COLUMNS] = [
    1, 17, 9, 25, 5, 21, 13, 29, 3, 19, 11, 27, 7, 23, 15, 31, 0, 16, 8, 24, 4, 20, 12, 28, 2, 18, 10, 26, 6,
    22, 14, 30,
];

/// Returns the elements d^(i)_k of a convolutionally coded block of `k` bits in the order of its circular buffer, as
/// indices into the three streams laid end to end. TS 36.212 §5.1.4.2
pub(crate) fn convolutional_order(k: usize) -> impl Iterator<Item = usize> {
    let rows = k.div_ceil(COLUMNS);
    let nulls = rows * COLUMNS - k;
    (0..3).flat_map(move |stream| {
        CONVOLUTIONAL_COLUMNS
            .into_iter()
            .flat_map(move |column| {
                (0..rows).filter_map(move |row| (row * COLUMNS + column as usize).checked_sub(nulls))
            })
            .map(move |i| stream * k + i)
    })
}

/// The circular buffer of one turbo code block of `k` bits, `filler` of them known. TS 36.212 §5.1.4.1
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CircularBuffer {
    k: usize,
    filler: usize,
    rows: usize,
    nulls: usize,
}

impl CircularBuffer {
    /// Makes a buffer with sub-block interleavers for the `k + 4` elements of each stream. The first `filler` elements
    /// of the streams 0 and 1 are NULL too.
    pub const fn new(k: usize, filler: usize) -> Self {
        let rows = (k + 4).div_ceil(COLUMNS);
        Self { k, filler, rows, nulls: rows * COLUMNS - (k + 4) }
    }

    /// Returns the number of elements that are not NULL.
    pub const fn len(&self) -> usize {
        3 * (self.k + 4) - 2 * self.filler
    }

    /// Whether every element is NULL. Never true for a block of TS 36.212 Table 5.1.3-3.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Rows of each sub-block interleaver, R_TC^subblock.
    pub(crate) const fn rows(&self) -> usize {
        self.rows
    }

    /// Returns the number of NULL elements before each stream, N_D.
    pub(crate) const fn nulls(&self) -> usize {
        self.nulls
    }

    /// Returns the first row of column `c` that is not NULL in the streams 0 and 1.
    pub(crate) const fn first_row(&self, c: usize) -> usize {
        (self.nulls + self.filler).saturating_sub(TURBO_COLUMNS[c] as usize).div_ceil(COLUMNS)
    }

    /// Returns the first row of column `c` that is not NULL in stream 2, whose index is one further. The last row of
    /// the column that would run past the end is NULL too: see [`last_row_parity2`](Self::last_row_parity2).
    pub(crate) const fn first_row_parity2(&self, c: usize) -> usize {
        self.nulls.saturating_sub(TURBO_COLUMNS[c] as usize + 1).div_ceil(COLUMNS)
    }

    /// Returns one past the last row of column `c` that is not NULL in stream 2. The last index of the last column
    /// wraps to element 0, which is NULL because `k + 4` is not a multiple of 32.
    pub(crate) const fn last_row_parity2(&self, c: usize) -> usize {
        self.rows - (TURBO_COLUMNS[c] as usize == COLUMNS - 1) as usize
    }

    /// Returns the first element of redundancy version `rv`: k_0 counted in elements that are not NULL, with N_cb = K_w
    /// (the sidelink has no soft buffer limit). TS 36.212 §5.1.4.1.2
    // TS 36.212 §5.4.2 with §5.1.4.1.2 (1)
    pub fn start(&self, rv: u8) -> usize {
        // k_0 = R (2 ceil(N_cb / 8R) rv + 2) = R (24 rv + 2), a whole number of columns, and from K_Pi on a whole
        // number of column pairs.
        let columns = 24 * usize::from(rv & 3) + 2;
        let systematic = columns.min(COLUMNS);
        let pairs = (columns - systematic) / 2;
        let column = |c: usize| self.rows - self.first_row(c);
        let column_parity2 = |c: usize| self.last_row_parity2(c) - self.first_row_parity2(c);
        (0..systematic).map(column).sum::<usize>()
            + (0..pairs).map(|c| column(c) + column_parity2(c)).sum::<usize>()
    }
}

/// Undoes the sub-block interleavers of the turbo code on soft values.
pub(crate) struct Deinterleaver {
    transpose: Transpose,
    loops: &'static Loops,
    /// The columns of the streams 1 and 2, `stride` elements each, in the order of the rows that they are read into.
    columns: [Vec<Llr>; 2],
    stride: usize,
}

impl Deinterleaver {
    /// Makes a deinterleaver for code blocks of up to `max_k` bits.
    pub(crate) fn new(max_k: usize, backend: Backend) -> Self {
        let stride = CircularBuffer::new(max_k, 0).rows();
        let columns = [vec![0; COLUMNS * stride], vec![0; COLUMNS * stride]];
        Self { transpose: transpose(backend), loops: loops(backend), columns, stride }
    }

    /// Puts the soft values of a circular buffer back into the three streams of `k + 4`. NULL elements are left alone.
    /// The last stream has room for one element more.
    ///
    /// Panics if slices are shorter than that, or if `k` is above the largest.
    pub(crate) fn run(&mut self, buffer: CircularBuffer, soft: &[Llr], d: [&mut [Llr]; 3]) {
        let CircularBuffer { rows, nulls, filler, .. } = buffer;
        let [d0, d1, d2] = d;
        // From this row on only the last element of stream 2 is NULL.
        let full = (nulls + filler).div_ceil(COLUMNS).min(rows);
        let full_rows = full * COLUMNS - nulls..rows * COLUMNS - nulls;

        let mut columns: [&[Llr]; COLUMNS] = [&[]; COLUMNS];
        let mut rest = soft;
        for c in 0..COLUMNS {
            let column = TURBO_COLUMNS[c] as usize;
            for r in buffer.first_row(c)..full {
                d0[r * COLUMNS + column - nulls] = take(&mut rest, 1)[0];
            }
            columns[column] = take(&mut rest, rows - full);
        }
        (self.transpose)(&columns, rows - full, Scale::NONE, &mut d0[full_rows.clone()]);

        let [columns1, columns2] = &mut self.columns;
        for c in 0..COLUMNS {
            let column = TURBO_COLUMNS[c] as usize;
            let (first1, first2) = (buffer.first_row(c), buffer.first_row_parity2(c));
            let last2 = buffer.last_row_parity2(c);
            for r in first1.min(first2)..full {
                if r >= first1 {
                    d1[r * COLUMNS + column - nulls] = take(&mut rest, 1)[0];
                }
                if r >= first2 && r < last2 {
                    d2[r * COLUMNS + column + 1 - nulls] = take(&mut rest, 1)[0];
                }
            }
            let column1 = &mut columns1[column * self.stride..][..rows - full];
            let column2 = &mut columns2[column * self.stride..][..rows - full];
            let pairs = take(&mut rest, 2 * last2.saturating_sub(full)).as_chunks::<2>().0;
            (self.loops.split)(pairs, column1, column2);
            if let Some(last) = column1.get_mut(pairs.len()) {
                *last = take(&mut rest, 1)[0];
            }
        }
        for (columns_of, d, further) in [(columns1, d1, 0), (columns2, d2, 1)] {
            for (column, from) in columns.iter_mut().zip(columns_of.chunks_exact(self.stride)) {
                *column = from;
            }
            let target = &mut d[full_rows.start + further..full_rows.end + further];
            (self.transpose)(&columns, rows - full, Scale::NONE, target);
        }
    }
}

fn take<'a>(from: &mut &'a [Llr], n: usize) -> &'a [Llr] {
    let (head, rest) = from.split_at(n);
    *from = rest;
    head
}

/// Copies from a circular buffer, from element `start` on, until `output` is full.
pub(crate) fn select(circular: &[u8], start: usize, mut output: &mut [u8]) {
    let mut source = &circular[start..];
    while !output.is_empty() && !circular.is_empty() {
        let n = source.len().min(output.len());
        output[..n].copy_from_slice(&source[..n]);
        output = &mut output[n..];
        source = circular;
    }
}

/// Adds received soft values to a circular buffer, from element `start` on, saturating.
pub(crate) fn combine(loops: &'static Loops, circular: &mut [Llr], mut start: usize, mut llrs: &[Llr]) {
    while !llrs.is_empty() && !circular.is_empty() {
        let target = &mut circular[start..];
        let (now, later) = llrs.split_at(target.len().min(llrs.len()));
        (loops.accumulate)(target, now);
        (start, llrs) = (0, later);
    }
}
