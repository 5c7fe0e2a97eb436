//! A cyclic bitmap from the indices of some of its subframes.

/// Number of indices of pool subframes that are distinguished: the longest period.
pub(super) const INDICES: usize = 320;

/// A set of pool indices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct IndexSet([u64; INDICES / 64]);

impl IndexSet {
    pub(super) const EMPTY: Self = Self([0; INDICES / 64]);
    pub(super) const ALL: Self = Self([u64::MAX; INDICES / 64]);

    pub(super) fn insert(&mut self, j: usize) {
        if let Some(word) = self.0.get_mut(j / 64) {
            *word |= 1 << (j % 64);
        }
    }

    pub(super) fn contains(&self, j: usize) -> bool {
        self.0.get(j / 64).is_some_and(|word| word >> (j % 64) & 1 == 1)
    }

    pub(super) fn intersection(&self, other: &Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] & other.0[i]))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0 == [0; INDICES / 64]
    }
}

/// A bitmap that is repeated from `offset` on; bit 0 of `bits` is its first subframe, which is pool index 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CyclicBitmap {
    pub(super) offset: usize,
    pub(super) len: usize,
    pub(super) bits: u64,
    /// Whether no other bits of this length agree with the observations.
    pub(super) unique: bool,
}

/// Longest bitmap of modes 1 and 2 that is searched.
const LONGEST: usize = 40;

/// Returns lengths to try: first the simplest of all, every subframe; then those of SubframeBitmapSL (TS 36.331 §6.3.8,
/// from memory; bs42 is left out); then lengths that no standard has.
fn lengths() -> impl Iterator<Item = usize> {
    const USUAL: [usize; 8] = [1, 4, 8, 12, 16, 20, 30, 40];
    USUAL.into_iter().chain((2..LONGEST).filter(|n| !USUAL.contains(n)))
}

/// Returns the shortest bitmap that gives every subframe of `seen` (ascending, with the indices that it may have) one
/// of its indices.
pub(super) fn fit(seen: &[(usize, IndexSet)]) -> Option<CyclicBitmap> {
    let (first, indices) = seen.first()?;
    for len in lengths() {
        for ones in 1..=len {
            for j in (0..LONGEST).filter(|&j| indices.contains(j)) {
                if let Some(found) = anchored(seen, *first, j, len, ones) {
                    return Some(found);
                }
            }
        }
    }
    None
}

/// Tries subframe `first` as pool index `j`: computes ranks of the bits, counted from `first` on.
fn anchored(
    seen: &[(usize, IndexSet)],
    first: usize,
    j: usize,
    len: usize,
    ones: usize,
) -> Option<CyclicBitmap> {
    // bit v of ranks[r]: r subframes after the start of a turn, v pool subframes have gone by
    let mut ranks = [u64::MAX; LONGEST];
    let mut used = 0u64;
    for (at, indices) in seen {
        let (turn, r) = ((at - first) / len, (at - first) % len);
        used |= 1 << r;
        let of_turn = j + turn * ones;
        ranks[r] &= (0..ones).filter(|v| indices.contains(of_turn + v)).fold(0, |all, v| all | 1 << v);
        if ranks[r] == 0 {
            return None;
        }
    }
    let (bits, unique) = spell(&mut ranks, used, len, ones)?;
    // index 0 lies j pool subframes before
    let in_turn = |at: usize| (at as isize - first as isize).rem_euclid(len as isize) as usize;
    let (mut at, mut before) = (first, j);
    while before > 0 {
        at = at.checked_sub(1)?;
        before -= usize::from(bits >> in_turn(at) & 1 == 1);
    }
    let turn = in_turn(at);
    let rotated = (0..len).fold(0, |all, i| all | (bits >> ((i + turn) % len) & 1) << i);
    Some(CyclicBitmap { offset: at, len, bits: rotated, unique })
}

/// Returns bits of which those of `used` are set and have one of their `ranks`, `ones` in all.
fn spell(ranks: &mut [u64; LONGEST], used: u64, len: usize, ones: usize) -> Option<(u64, bool)> {
    // forwards: the possible ranks of each used place, given those before
    ranks[0] &= 1;
    let places = |from: usize| (from..len).filter(move |r| used >> r & 1 == 1);
    let mut last = 0;
    for r in places(1) {
        let steps = (1u64 << (r - last)) - 1;
        // v + 1 to v + (r - last)
        let reachable =
            (0..ones).filter(|v| ranks[last] >> v & 1 == 1).fold(0, |all, v| all | steps << (v + 1));
        ranks[r] &= reachable;
        if ranks[r] == 0 {
            return None;
        }
        last = r;
    }
    // backwards: choose, the fullest first
    let mut unique = true;
    let (mut next, mut rank) = (len, ones);
    let mut bits = 0u64;
    for r in (0..len).rev().filter(|r| used >> r & 1 == 1) {
        let distance = next - r;
        let fits = |v: usize| ranks[r] >> v & 1 == 1 && rank > v && rank - v <= distance;
        let mut choices = (0..ones).rev().filter(|&v| fits(v));
        let v = choices.next()?;
        unique &= choices.next().is_none();
        let extra = rank - v - 1;
        unique &= extra == 0 || extra == distance - 1;
        bits |= 1 << r;
        for i in 1..=extra {
            bits |= 1 << (r + i);
        }
        (next, rank) = (r, v);
    }
    (rank == 0).then_some((bits, unique))
}
