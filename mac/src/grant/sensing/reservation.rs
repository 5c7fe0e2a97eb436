//! Lifetime of a resource: the counter and its end.

use sidelink_wire::rng::Rng;

use super::super::{Error, uniform};
use super::{Period, Request, Resource, Sensing};

/// Outcome of an occasion of a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// A block was sent in it.
    Used,
    /// Nothing was.
    Unused,
}

/// A semi-persistent choice and its counter. TS 36.321 §5.14.1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reservation {
    request: Request,
    steps: u64,
    keep_fifths: u8,
    /// SL_RESOURCE_RESELECTION_COUNTER.
    counter: u32,
    /// Drawn when the counter is 1: whether the resource is kept afterwards.
    keeps: bool,
    first: Resource,
    second: Option<Resource>,
}

impl Reservation {
    /// Draws the counter and a resource, and a second one for the retransmission where the first leaves a choice
    /// within 15 subframes.
    pub fn select(
        sensing: &mut Sensing,
        request: Request,
        entropy: &mut (impl Rng + ?Sized),
    ) -> Result<Self, Error> {
        let counter = draw_counter(request.period, entropy);
        let steps = request.period.steps(sensing.config().p_step).max(1);
        let keep_fifths = sensing.config().keep_fifths;
        // TS 36.213 §14.1.1.4B (2)
        let candidates = sensing.candidates(&request, 10 * counter, entropy)?;
        // TS 36.213 §14.1.1.6 report; TS 36.321 §5.14.1.1 (20)
        let index = uniform(entropy, candidates.iter().len() as u32) as usize;
        let Some(chosen) = candidates.iter().nth(index) else {
            return Err(Error::NothingToChoose { what: "resource that was sensed and is free" });
        };
        let mut other = None;
        if request.retransmit {
            let near = || {
                candidates.iter().filter(|resource| {
                    let gap = resource.subframe.abs_diff(chosen.subframe);
                    // TS 36.213 §14.1.1.7
                    (1..=15).contains(&gap) && !gap.is_multiple_of(steps)
                })
            };
            other = near().nth(uniform(entropy, near().count() as u32) as usize);
        }
        // TS 36.321 §5.14.1.1 (22)
        let (first, second) = match other {
            Some(other) if other.subframe < chosen.subframe => (other, Some(chosen)),
            other => (chosen, other),
        };
        let mut reservation = Self { request, steps, keep_fifths, counter, keeps: false, first, second };
        reservation.decide(entropy);
        Ok(reservation)
    }

    /// Returns the next transmission, and its retransmission if there is one.
    pub const fn next(&self) -> (Resource, Option<Resource>) {
        (self.first, self.second)
    }

    /// Returns the reservation that the SCI of the next transmission announces: the period, while the resource will be
    /// used again.
    // TS 36.213 §14.1.1.4B (5); TS 36.321 §5.14.1.1 (25)
    pub const fn announced(&self) -> Option<Period> {
        if self.counter > 1 || self.keeps { Some(self.request.period) } else { None }
    }

    /// Returns SL_RESOURCE_RESELECTION_COUNTER.
    pub const fn counter(&self) -> u32 {
        self.counter
    }

    /// Moves on to the next occasion. The counter goes down for what was sent alone (TS 36.321 §5.14.1.2.2). Returns
    /// whether the resource stays; when it does not, select anew.
    // TS 36.321 §5.14.1.1 (11)
    pub fn advance(&mut self, occasion: Occasion, entropy: &mut (impl Rng + ?Sized)) -> bool {
        // TS 36.321 §5.14.1.2.2 (2)
        if occasion == Occasion::Used {
            self.counter = self.counter.saturating_sub(1);
            if self.counter == 0 {
                if !self.keeps {
                    return false;
                }
                // TS 36.321 §5.14.1.1 (16)
                self.counter = draw_counter(self.request.period, entropy);
            }
            self.decide(entropy);
        }
        // TS 36.213 §14.1.1.4B (3); TS 36.321 §5.14.1.1 (21)
        self.first.subframe += self.steps;
        if let Some(second) = &mut self.second {
            second.subframe += self.steps;
        }
        true
    }

    // TS 36.213 §14.1.1.4B (5)
    fn decide(&mut self, entropy: &mut (impl Rng + ?Sized)) {
        self.keeps = self.counter == 1 && uniform(entropy, 5) < u32::from(self.keep_fifths);
    }
}

fn draw_counter(period: Period, entropy: &mut (impl Rng + ?Sized)) -> u32 {
    let (low, high) = period.counter_range();
    low + uniform(entropy, high - low + 1)
}
