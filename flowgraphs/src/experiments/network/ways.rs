//! How long a message takes over a reference point, and what is lost.

use super::meter::ReferencePoint;
use sidelink_ue::air_rng::AirRng;
use std::collections::BTreeMap;

/// First retransmission time-out of TCP in milliseconds (RFC 6298 §2.1); it doubles.
const RTO: u64 = 1000;

/// Retransmissions until a connection is given up.
const MOST_RETRANSMISSIONS: u32 = 6;

/// A way between two functions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Way {
    /// Milliseconds there and back.
    pub(crate) round_trip: u64,
    /// Share of the messages that are lost, 0 to 1. TCP sends them again.
    pub(crate) loss: f64,
}

/// All ways.
#[derive(Clone, Debug)]
pub(crate) struct Ways {
    usual: Way,
    others: BTreeMap<ReferencePoint, Way>,
}

impl Ways {
    /// All alike.
    pub(crate) fn all(usual: Way) -> Self {
        Self { usual, others: BTreeMap::new() }
    }

    /// Sets one of them.
    pub(crate) fn set(&mut self, at: ReferencePoint, way: Way) {
        self.others.insert(at, way);
    }

    pub(crate) fn way(&self, at: ReferencePoint) -> Way {
        self.others.get(&at).copied().unwrap_or(self.usual)
    }

    /// Returns the milliseconds until a message arrives; `None` when every retransmission is lost too.
    pub(crate) fn delay(&self, at: ReferencePoint, rng: &mut AirRng) -> Option<u64> {
        let Way { round_trip, loss } = self.way(at);
        let mut delay = round_trip / 2;
        for retransmission in 0..=MOST_RETRANSMISSIONS {
            if unit(rng.next_u64()) >= loss {
                return Some(delay);
            }
            delay += RTO << retransmission;
        }
        None
    }
}

/// Turns random bits into a number from 0 to below 1.
fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_comes_later_or_never() {
        let mut rng = AirRng::seeded(1, "ways");
        let mut delays = |loss| -> Vec<Option<u64>> {
            let ways = Ways::all(Way { round_trip: 40, loss });
            (0..2000).map(|_| ways.delay(ReferencePoint::Ub, &mut rng)).collect()
        };
        assert!(delays(0.0).iter().all(|delay| *delay == Some(20)));
        assert!(delays(1.0).iter().all(|delay| delay.is_none()));
        let half = delays(0.5);
        let count = |wanted| half.iter().filter(|delay| **delay == wanted).count();
        assert!((900..1100).contains(&count(Some(20))), "{}", count(Some(20)));
        assert!((420..580).contains(&count(Some(1020))));
        assert!((200..300).contains(&count(Some(3020))));
        assert!((5..30).contains(&count(None)), "{}", count(None));
    }

    #[test]
    fn one_way_may_differ() {
        let mut ways = Ways::all(Way { round_trip: 40, loss: 0.0 });
        ways.set(ReferencePoint::Zh, Way { round_trip: 10, loss: 0.0 });
        let mut rng = AirRng::seeded(1, "ways");
        assert_eq!(ways.delay(ReferencePoint::Zh, &mut rng), Some(5));
        assert_eq!(ways.delay(ReferencePoint::Zn, &mut rng), Some(20));
    }
}
