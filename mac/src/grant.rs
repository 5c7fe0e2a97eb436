//! Autonomous choice of resources over abstract opportunities: pools are sizes here, the mapping to subframes and
//! resource blocks is the physical layer's. Read first: TS 36.321 §5.14.1.1 (SL-SCH), §5.15.1.1 (SL-DCH); TS 36.213 §14
//! for the ranges.
//!
//! - [`Mode2Pool`]: transmission mode 2, one grant for a whole SC period.
//! - [`DiscoveryPool`]: discovery type 1, one choice for each period.
//! - [`sensing`]: transmission mode 4.
//! - [`Repetitions`]: the blind HARQ transmissions of one transport block and their redundancy versions.
//!
//! Random numbers are an argument, [`Rng`]: the same numbers give the same choices.

use core::fmt;

use sidelink_wire::rng::Rng;

pub mod sensing;

/// Draws a number of `0..n`, each with the same probability; 0 when `n` is 0.
pub fn uniform(entropy: &mut (impl Rng + ?Sized), n: u32) -> u32 {
    // Multiply and take the high half; the few values that would favour some results are drawn again.
    let threshold = n.wrapping_neg().checked_rem(n).unwrap_or(0);
    loop {
        let product = (entropy.next_u64() >> 32) * u64::from(n);
        if product as u32 >= threshold {
            return (product >> 32) as u32;
        }
    }
}

/// Refusal of a pool or a request: an error of the configuration, or no free resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// A number outside its range.
    OutOfRange {
        /// Its name.
        what: &'static str,
        /// The number.
        value: u32,
        /// The smallest allowed.
        min: u32,
        /// The largest allowed.
        max: u32,
    },
    /// The pool leaves nothing to choose from.
    NothingToChoose {
        /// The missing item.
        what: &'static str,
    },
    /// Too few subframes were monitored to choose a resource.
    Deaf {
        /// Monitored subframes.
        monitored: u32,
        /// Number of last subframes of the pool that were examined.
        of: u32,
    },
    /// The first second of sensing is not over.
    Listening {
        /// Subframes that remain of it.
        left: u32,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfRange { what, value, min, max } => {
                write!(f, "{what} {value} is not in {min}..={max}")
            }
            Self::NothingToChoose { what } => write!(f, "the pool has no {what} to choose from"),
            Self::Deaf { monitored, of } => {
                write!(
                    f,
                    "only {monitored} of the last {of} subframes of the pool were heard: too few to choose by"
                )
            }
            Self::Listening { left } => write!(f, "it listens for {left} more subframes before it chooses"),
        }
    }
}

impl std::error::Error for Error {}

fn within(what: &'static str, value: u32, min: u32, max: u32) -> Result<(), Error> {
    if (min..=max).contains(&value) { Ok(()) } else { Err(Error::OutOfRange { what, value, min, max }) }
}

/// Redundancy versions of successive transmissions of one block. TS 36.321 §5.14.1.2.2, §5.15.1.2.2.
pub const REDUNDANCY_VERSIONS: [u8; 4] = [0, 2, 3, 1];

/// The transmissions of one transport block. Without feedback, all of them are always sent.
#[derive(Debug, Clone)]
// TS 36.300 §23.10.2.1 (1)
pub struct Repetitions {
    count: usize,
    sent: usize,
}

impl Repetitions {
    /// Makes those of SL-SCH in transmission modes 1 and 2: four transmissions.
    pub const fn sl_sch() -> Self {
        Self { count: 4, sent: 0 }
    }

    /// Makes those of SL-SCH in transmission modes 3 and 4: one transmission or two.
    pub const fn v2x(retransmit: bool) -> Self {
        Self { count: if retransmit { 2 } else { 1 }, sent: 0 }
    }

    /// Makes those of SL-DCH: numRetx (0 to 3) retransmissions and the first transmission.
    pub fn sl_dch(num_retx: u8) -> Result<Self, Error> {
        within("numRetx", u32::from(num_retx), 0, 3)?;
        Ok(Self { count: usize::from(num_retx) + 1, sent: 0 })
    }
}

impl Iterator for Repetitions {
    /// The redundancy version of the next transmission.
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let sent = self.sent;
        self.sent += usize::from(sent < self.count);
        (sent < self.count).then(|| REDUNDANCY_VERSIONS[sent])
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.count - self.sent, Some(self.count - self.sent))
    }
}

impl ExactSizeIterator for Repetitions {}

/// Length of a time resource pattern, N_TRP. TS 36.213 §14.1.1.1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TrpLength {
    /// TDD configurations 3 and 6.
    Six,
    /// TDD configuration 0.
    Seven,
    /// FDD, TDD configurations 1, 2, 4 and 5.
    Eight,
}

impl TrpLength {
    /// Returns the weights k that mode 2 may use. TS 36.213 Table 14.1.1.3-1.
    // TS 36.213 §14.1.1.3 (1)
    pub const fn weights(self) -> &'static [u8] {
        match self {
            Self::Six => &[1, 2, 3, 4],
            Self::Seven => &[1, 2, 3, 4, 5],
            Self::Eight => &[1, 2, 4],
        }
    }

    /// Returns the values of I_TRP that are not reserved: `first..end`.
    const fn range(self) -> (u8, u8) {
        match self {
            // TS 36.213 §14.1.1.1.1 table 3
            Self::Six => (1, 64),
            // TS 36.213 §14.1.1.1.1 table 2
            Self::Seven => (1, 128),
            Self::Eight => (0, 107),
        }
    }

    /// Returns the number of used subframes in the pattern of a valid I_TRP. TS 36.213 Tables 14.1.1.1.1-1 to -3: with
    /// N_TRP = 8 the patterns are sorted by weight (8 of 1, 28 of 2, 70 of 4, one of 8), otherwise I_TRP is the
    /// pattern.
    pub fn weight(self, i_trp: u8) -> Option<u8> {
        let (first, end) = self.range();
        if !(first..end).contains(&i_trp) {
            return None;
        }
        Some(match (self, i_trp) {
            (Self::Eight, 0..8) => 1,
            (Self::Eight, 8..36) => 2,
            (Self::Eight, 36..106) => 4,
            (Self::Eight, _) => 8,
            (_, pattern) => pattern.count_ones() as u8,
        })
    }
}

/// A communication pool as mode 2 sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode2Pool {
    pscch_resources: u32,
    resource_blocks: u32,
    trp_length: TrpLength,
    /// Bit k set: patterns of weight k are allowed.
    weights: u16,
    /// Bit p set: priority p may use the pool.
    priorities: u16,
}

/// Resources for one SC period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mode2Grant {
    /// n_PSCCH.
    pub n_pscch: u32,
    /// I_TRP.
    pub i_trp: u8,
    /// First resource block, counted within the pool.
    pub first_block: u32,
    /// Number of resource blocks.
    pub blocks: u32,
}

impl Mode2Pool {
    /// Makes a pool with `pscch_resources` = floor(M_RP^PSCCH / 2) L values of n_PSCCH and `resource_blocks` =
    /// M_RP^PSSCH resource blocks. `trpt_subset` selects among [`TrpLength::weights`], bit 0 the first of them;
    /// `priorities` are those of priorityList, empty for all (TS 36.331 §6.3.8).
    pub fn new(
        pscch_resources: u32,
        resource_blocks: u32,
        trp_length: TrpLength,
        trpt_subset: u8,
        priorities: &[u8],
    ) -> Result<Self, Error> {
        if pscch_resources == 0 {
            return Err(Error::NothingToChoose { what: "PSCCH resource" });
        }
        within("resource blocks of a pool", resource_blocks, 1, 110)?;
        // TS 36.213 §14.1.1.3 (2)
        let allowed = trp_length.weights().iter().enumerate().filter(|(bit, _)| trpt_subset >> bit & 1 == 1);
        let weights = allowed.fold(0, |weights, (_, weight)| weights | 1 << weight);
        if weights == 0 {
            return Err(Error::NothingToChoose { what: "time resource pattern" });
        }
        let mut mask = 0;
        for &priority in priorities {
            within("priority", u32::from(priority), 1, 8)?;
            mask |= 1 << priority;
        }
        let priorities = if mask == 0 { u16::MAX } else { mask };
        Ok(Self { pscch_resources, resource_blocks, trp_length, weights, priorities })
    }

    /// Whether data of this ProSe per-packet priority may use the pool.
    pub const fn admits(&self, priority: u8) -> bool {
        priority < 16 && self.priorities >> priority & 1 == 1
    }

    /// Draws a grant of `blocks` contiguous resource blocks: each allowed n_PSCCH, I_TRP and place in frequency has
    /// the same probability.
    // TS 36.321 §5.14.1.1 (5)
    pub fn draw(&self, blocks: u32, entropy: &mut (impl Rng + ?Sized)) -> Result<Mode2Grant, Error> {
        within("resource blocks of a grant", blocks, 1, self.resource_blocks)?;
        let (n_pscch, i_trp) = self.draw_time(entropy);
        let first_block = uniform(entropy, self.resource_blocks - blocks + 1);
        Ok(Mode2Grant { n_pscch, i_trp, first_block, blocks })
    }

    /// Draws n_PSCCH and I_TRP alone, for who chooses the resource blocks by what the pattern carries.
    pub fn draw_time(&self, entropy: &mut (impl Rng + ?Sized)) -> (u32, u8) {
        // TS 36.213 §14.2.1.2
        let n_pscch = uniform(entropy, self.pscch_resources);
        let allowed = || {
            let (first, end) = self.trp_length.range();
            (first..end).filter(|&i_trp| self.allows(i_trp))
        };
        let index = uniform(entropy, allowed().count() as u32);
        (n_pscch, allowed().nth(index as usize).unwrap_or(0))
    }

    /// Whether mode 2 may use the pattern in this pool.
    // TS 36.213 §14.1.1.3 (1)
    pub fn allows(&self, i_trp: u8) -> bool {
        self.trp_length.weight(i_trp).is_some_and(|weight| self.weights >> weight & 1 == 1)
    }
}

/// The pool for data of a priority: the first one that admits it. Which of several is the UE's choice (TS 36.321
/// §5.14.1.1).
pub fn select_pool(pools: &[Mode2Pool], priority: u8) -> Option<usize> {
    pools.iter().position(|pool| pool.admits(priority))
}

/// txProbability of a discovery pool. TS 36.331 §6.3.8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum TxProbability {
    /// One period in four.
    P25 = 1,
    /// One period in two.
    P50 = 2,
    /// Three periods in four.
    P75 = 3,
    /// Every period.
    P100 = 4,
}

/// A discovery pool as type 1 sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiscoveryPool {
    resources: u32,
    tx_probability: TxProbability,
}

impl DiscoveryPool {
    /// Makes a pool with `resources` = N_t N_f values of n_PSDCH. TS 36.213 §14.3.1.
    pub fn new(resources: u32, tx_probability: TxProbability) -> Result<Self, Error> {
        if resources == 0 {
            return Err(Error::NothingToChoose { what: "PSDCH resource" });
        }
        Ok(Self { resources, tx_probability })
    }

    /// Draws n_PSDCH for one message in one period, or `None` for a period without transmission (txProbability).
    /// `taken` returns whether a resource is unusable, such as those of subframes in which the UE sends another
    /// message.
    // TS 36.321 §5.15.1.1 (3)
    pub fn draw(&self, entropy: &mut (impl Rng + ?Sized), mut taken: impl FnMut(u32) -> bool) -> Option<u32> {
        // TS 36.321 §5.15.1.1 (1)
        if uniform(entropy, 4) >= self.tx_probability as u32 {
            return None;
        }
        let free = (0..self.resources).filter(|&resource| !taken(resource)).count() as u32;
        let index = uniform(entropy, free) as usize;
        (0..self.resources).filter(|&resource| !taken(resource)).nth(index)
    }
}

#[cfg(test)]
pub(crate) mod tests;
