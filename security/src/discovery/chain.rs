//! One-way chains that are used backwards, for [`code_chain`](super::code_chain) and
//! [`delayed_key`](super::delayed_key). Our own, for TR 33.833 §6.2.3; after RFC 4082 §3.2.
//!
//! ```text
//! seed -> element n -> .. -> element i -> element i-1 -> .. -> element 0 = anchor, which is signed
//!                            slot i      slot i-1              published ahead
//!
//! element n   = KDF(seed,      label, P1 = salt, P2 = n)     cut to its first N octets
//! element i-1 = KDF(element i, label, P1 = salt, P2 = i-1)
//! ```
//!
//! Element i belongs to slot i, `start + (i-1) * period` to `start + i * period`. Whoever knows element i computes all
//! earlier ones, and nobody computes a later one. Index and salt in each step make a table that is computed for one
//! chain, or one place of it, useless for any other.
//!
//! [`Traversal`] gives the elements in the order of the slots. It keeps about log2 n of them and computes at most about
//! log2 n a step (M. Jakobsson, "Fractal hash sequence representation and traversal", 2002).

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::Refusal;
use super::rotation::RotationPeriod;
use crate::counter::UtcTime;
use crate::kdf::derive;
use crate::kdf::fc::{self, Fc};

/// The most elements of a chain: 12 days at 320 ms.
pub const MAX_LENGTH: u32 = 1 << 22;

/// Slots that an announcer may miss before it computes its chain anew.
pub(super) const JUMP: u32 = 256;

/// The use of a chain, which separates its one-way function from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Its elements are announced as codes.
    Codes,
    /// Its elements are keys of MICs, disclosed later.
    Keys,
}

impl Use {
    const fn step(self) -> Fc {
        match self {
            Self::Codes => fc::OWN_CODE_STEP,
            Self::Keys => fc::OWN_CHAIN_STEP,
        }
    }
}

/// Secret from which a whole chain follows.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct ChainSeed([u8; 32]);

impl From<[u8; 32]> for ChainSeed {
    fn from(octets: [u8; 32]) -> Self {
        Self(octets)
    }
}

impl fmt::Debug for ChainSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChainSeed(redacted)")
    }
}

/// Times, length and salt of a chain: public.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    start: UtcTime,
    period: RotationPeriod,
    length: u32,
    salt: [u8; 8],
}

/// The operator's error: a chain that is too short or too long, or whose start does not fit 48 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanError {
    /// The requested number of elements.
    pub length: u32,
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a chain of {} elements: 1 to {MAX_LENGTH} are possible, from a start of 48 bits",
            self.length
        )
    }
}

impl std::error::Error for PlanError {}

impl Plan {
    /// Octets of [`Self::octets`].
    pub const OCTETS: usize = 22;

    /// Plans slots 1 to `length` of `period` from `start` on.
    ///
    /// # Errors
    /// No element, more than [`MAX_LENGTH`], or a start beyond 48 bits of milliseconds.
    pub const fn new(
        start: UtcTime,
        period: RotationPeriod,
        length: u32,
        salt: [u8; 8],
    ) -> Result<Self, PlanError> {
        if length == 0 || length > MAX_LENGTH || start.millis() >> 48 != 0 {
            return Err(PlanError { length });
        }
        Ok(Self { start, period, length, salt })
    }

    /// Returns the start of slot 1.
    pub const fn start(&self) -> UtcTime {
        self.start
    }

    /// Returns the length of a slot.
    pub const fn period(&self) -> RotationPeriod {
        self.period
    }

    /// Returns the index of the last element.
    pub const fn length(&self) -> u32 {
        self.length
    }

    /// Returns the salt.
    pub const fn salt(&self) -> [u8; 8] {
        self.salt
    }

    /// Returns the index of the slot that contains `time`: 0 before the start, above [`Self::length`] after the end.
    pub const fn index(&self, time: UtcTime) -> u64 {
        match time.millis().checked_sub(self.start.millis()) {
            Some(after) => 1 + after / self.period.millis(),
            None => 0,
        }
    }

    /// Returns the start of a slot.
    pub const fn slot(&self, index: u64) -> UtcTime {
        self.start.plus_millis(index.saturating_sub(1).saturating_mul(self.period.millis()))
    }

    /// Returns the index in the chain of the slot that contains `time`.
    ///
    /// Refused: [`Refusal::Clock`] before the start, [`Refusal::Expired`] after the end.
    pub const fn element(&self, time: UtcTime) -> Result<u32, Refusal> {
        match self.index(time) {
            0 => Err(Refusal::Clock),
            index if index > self.length as u64 => Err(Refusal::Expired),
            index => Ok(index as u32),
        }
    }

    /// Returns the index with these least significant bits that is nearest to `index`.
    pub(super) const fn nearest(index: u64, lsb: u8) -> u64 {
        index.saturating_add_signed(lsb.wrapping_sub(index as u8) as i8 as i64)
    }

    /// Returns start (milliseconds, 48 bits), period (milliseconds, 32), length (32) and salt (64).
    pub fn octets(&self) -> [u8; Self::OCTETS] {
        let mut out = [0; Self::OCTETS];
        out[..6].copy_from_slice(&self.start.millis().to_be_bytes()[2..]);
        out[6..10].copy_from_slice(&(self.period.millis() as u32).to_be_bytes());
        out[10..14].copy_from_slice(&self.length.to_be_bytes());
        out[14..].copy_from_slice(&self.salt);
        out
    }
}

/// Computes element `index` from element `index + 1`, or the last element from the seed.
fn step<const N: usize>(purpose: Use, salt: &[u8; 8], index: u32, from: &[u8]) -> [u8; N] {
    let derived = derive(from, purpose.step(), &[salt, &index.to_be_bytes()]);
    let mut out = [0; N];
    out.copy_from_slice(&derived[..N]);
    out
}

/// An element of a chain with its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Element<const N: usize> {
    pub(super) index: u32,
    pub(super) value: [u8; N],
}

impl<const N: usize> Element<N> {
    /// Returns the earlier element `index`; itself, if it is not earlier.
    pub(super) fn back_to(mut self, purpose: Use, plan: &Plan, index: u32) -> Self {
        while self.index > index {
            self.index -= 1;
            self.value = step(purpose, &plan.salt, self.index, &self.value);
        }
        self
    }
}

/// One kept element of a traversal. Indexes count from the first element that is given.
#[derive(Clone, Zeroize)]
struct Pebble<const N: usize> {
    at: u64,
    to: u64,
    /// Its distance, a power of two.
    distance: u64,
    value: [u8; N],
}

/// Gives the elements of a chain in the order of the slots, from little memory.
pub struct Traversal<const N: usize> {
    purpose: Use,
    plan: Plan,
    /// Index of the last element that was given; elements above it are computed from the pebbles.
    index: u32,
    /// Index at which the pebbles count from 0.
    base: u32,
    /// Where the pebbles end: a power of two that reaches the last element. All places above the last element have
    /// its value.
    end: u64,
    pebbles: Vec<Pebble<N>>,
    hashes: u64,
}

impl<const N: usize> Drop for Traversal<N> {
    fn drop(&mut self) {
        self.pebbles.zeroize();
    }
}

impl<const N: usize> fmt::Debug for Traversal<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traversal").field("index", &self.index).finish_non_exhaustive()
    }
}

impl<const N: usize> Traversal<N> {
    /// Prepares to give element `index + 1`, and returns element `index` too. Costs one computation for each element
    /// above `index`: call it off the sample path. `index` is at most the length.
    pub(super) fn from(purpose: Use, plan: Plan, seed: &ChainSeed, index: u32) -> (Self, Element<N>) {
        let index = index.min(plan.length);
        let end = u64::from((plan.length - index).max(1)).next_power_of_two();
        let mut traversal = Self { purpose, plan, index, base: index, end, pebbles: Vec::new(), hashes: 1 };
        let mut element =
            Element { index: plan.length, value: step(purpose, &plan.salt, plan.length, &seed.0) };
        let mut distance = end;
        while distance > 1 {
            let at = u32::try_from(u64::from(index) + distance).unwrap_or(u32::MAX);
            traversal.hashes += u64::from(element.index.saturating_sub(at));
            element = element.back_to(purpose, &plan, at);
            traversal.pebbles.push(Pebble { at: distance, to: distance, distance, value: element.value });
            distance /= 2;
        }
        // A chain of one remaining element has its pebble too.
        if traversal.pebbles.is_empty() {
            traversal.pebbles.push(Pebble { at: 2, to: 2, distance: 2, value: element.value });
            traversal.end = 2;
        }
        traversal.pebbles.reverse();
        traversal.hashes += u64::from(element.index - index);
        (traversal, element.back_to(purpose, &plan, index))
    }

    /// Returns the next element; `None` after the last one.
    pub(super) fn next(&mut self) -> Option<Element<N>> {
        if self.index >= self.plan.length {
            return None;
        }
        self.index += 1;
        let place = u64::from(self.index - self.base);
        for at in 0..self.pebbles.len() {
            if self.pebbles[at].at != self.pebbles[at].to {
                self.lower(at);
                self.lower(at);
            }
        }
        let mut first = self.pebbles.first()?.clone();
        if !place.is_multiple_of(2) {
            let value = self.below(first.at, &first.value);
            return Some(Element { index: self.index, value });
        }
        let value = first.value;
        first.to += 2 * first.distance;
        first.at += 3 * first.distance;
        self.pebbles.remove(0);
        if first.to <= self.end {
            let from = self.pebbles.iter().find(|pebble| pebble.at == first.at)?;
            first.value = from.value;
            let place = self.pebbles.partition_point(|pebble| pebble.at < first.at);
            self.pebbles.insert(place, first);
        }
        Some(Element { index: self.index, value })
    }

    /// Returns the element of slot `index`, at or after the last one that was given. Costs about log2 n computations a
    /// slot in between.
    pub(super) fn advance(&mut self, index: u32) -> Option<Element<N>> {
        while self.index + 1 < index {
            self.next()?;
        }
        self.next().filter(|element| element.index == index)
    }

    /// Returns the number of kept elements.
    pub fn kept(&self) -> usize {
        self.pebbles.len()
    }

    /// Returns the octets of the kept elements.
    pub fn kept_octets(&self) -> usize {
        self.pebbles.len() * size_of::<Pebble<N>>()
    }

    /// Returns the number of one-way functions that were computed so far.
    pub const fn hashes(&self) -> u64 {
        self.hashes
    }

    fn lower(&mut self, pebble: usize) {
        let Pebble { at, value, .. } = self.pebbles[pebble].clone();
        let value = self.below(at, &value);
        let pebble = &mut self.pebbles[pebble];
        (pebble.at, pebble.value) = (at - 1, value);
    }

    /// Returns the value below place `at`.
    fn below(&mut self, at: u64, value: &[u8; N]) -> [u8; N] {
        match u32::try_from(u64::from(self.base) + at - 1) {
            Ok(index) if index < self.plan.length => {
                self.hashes += 1;
                step(self.purpose, &self.plan.salt, index, value)
            }
            _ => *value,
        }
    }
}

/// The receiver's end of a chain: the last known element, and how much may be computed to learn later ones.
#[derive(Clone, Debug)]
pub(super) struct Known<const N: usize> {
    purpose: Use,
    plan: Plan,
    element: Element<N>,
    allowance: u32,
    /// The slot of the last addition to the allowance.
    filled: u64,
    hashes: u64,
}

/// The most elements that a receiver may have missed: about 5 ms of computation.
pub const MAX_MISSED: u32 = 16_384;

/// Computations that a slot adds to a receiver's allowance, up to that for [`MAX_MISSED`] elements: false messages
/// cannot cost more.
const ALLOWANCE: u32 = 512;

impl<const N: usize> Known<N> {
    pub(super) const fn new(purpose: Use, plan: Plan, anchor: [u8; N]) -> Self {
        let element = Element { index: 0, value: anchor };
        Self { purpose, plan, element, allowance: MAX_MISSED + ALLOWANCE, filled: 0, hashes: 0 }
    }

    pub(super) const fn plan(&self) -> &Plan {
        &self.plan
    }

    pub(super) const fn element(&self) -> Element<N> {
        self.element
    }

    pub(super) const fn hashes(&self) -> u64 {
        self.hashes
    }

    /// Checks that `element` is of this chain; `slot` is the present one.
    ///
    /// Refused: [`Refusal::BadMic`] when it is not, [`Refusal::TooManyMissed`] when more must be computed than is allowed.
    pub(super) fn check(&mut self, slot: u64, element: Element<N>) -> Result<(), Refusal> {
        if slot > self.filled {
            let slots = u32::try_from(slot - self.filled).unwrap_or(u32::MAX);
            self.filled = slot;
            let more = slots.saturating_mul(ALLOWANCE);
            self.allowance = self.allowance.saturating_add(more).min(MAX_MISSED + ALLOWANCE);
        }
        let (late, early) = if element.index > self.element.index {
            (element, self.element)
        } else {
            (self.element, element)
        };
        let cost = late.index - early.index;
        self.allowance = self.allowance.checked_sub(cost).ok_or(Refusal::TooManyMissed)?;
        self.hashes += u64::from(cost);
        let same = late.back_to(self.purpose, &self.plan, early.index).value;
        if bool::from(subtle::ConstantTimeEq::ct_eq(&same[..], &early.value[..])) {
            Ok(())
        } else {
            Err(Refusal::BadMic)
        }
    }

    /// Keeps an element that was checked, if it is later.
    pub(super) const fn learn(&mut self, element: Element<N>) {
        if element.index > self.element.index {
            self.element = element;
        }
    }

    /// Returns an earlier element.
    pub(super) fn earlier(&mut self, from: Element<N>, index: u32) -> Element<N> {
        self.hashes += u64::from(from.index.saturating_sub(index));
        from.back_to(self.purpose, &self.plan, index)
    }
}

/// Returns the first element of a chain, that which is signed. Costs one computation for each element.
pub(super) fn anchor<const N: usize>(purpose: Use, plan: &Plan, seed: &ChainSeed) -> [u8; N] {
    let last = step(purpose, &plan.salt, plan.length, &*Zeroizing::new(seed.0));
    Element { index: plan.length, value: last }.back_to(purpose, plan, 0).value
}

#[cfg(test)]
mod tests;
