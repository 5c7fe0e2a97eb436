//! How long a message takes over a reference point, and what is lost.

use super::meter::ReferencePoint;
use sidelink_ue::air_rng::AirRng;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// First retransmission time-out of TCP in milliseconds (RFC 6298 §2.1); it doubles.
const RTO: u64 = 1000;

/// Retransmissions until a connection is given up.
const MOST_RETRANSMISSIONS: u32 = 6;

/// Longest round trip in milliseconds.
pub(crate) const MOST_ROUND_TRIP: u64 = 10_000;

/// Largest share of messages that are lost.
pub(crate) const MOST_LOSS: f64 = 0.9;

/// A way between two functions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Way {
    /// Milliseconds there and back.
    pub(crate) round_trip: u64,
    /// Share of the messages that are lost, 0 to 1. TCP sends them again.
    pub(crate) loss: f64,
}

/// A reference point and its way, as the command line has them: `PC3=200` or `PC3=200,0.1`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct NamedWay(pub(crate) ReferencePoint, pub(crate) Way);

impl FromStr for NamedWay {
    type Err = WayError;

    fn from_str(text: &str) -> Result<Self, WayError> {
        let (name, way) = text.split_once('=').ok_or(WayError::Form)?;
        let named = |at: &&ReferencePoint| at.to_string().eq_ignore_ascii_case(name);
        let at = *ReferencePoint::ALL.iter().find(named).ok_or(WayError::Name)?;
        let (round_trip, loss) = way.split_once(',').unwrap_or((way, "0"));
        let round_trip = round_trip.parse().ok().filter(|ms| *ms <= MOST_ROUND_TRIP);
        let loss = loss.parse().ok().filter(|loss| (0.0..=MOST_LOSS).contains(loss));
        match (round_trip, loss) {
            (Some(round_trip), Some(loss)) => Ok(Self(at, Way { round_trip, loss })),
            (None, _) => Err(WayError::RoundTrip),
            (_, None) => Err(WayError::Loss),
        }
    }
}

/// The fault of a way on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WayError {
    Form,
    Name,
    RoundTrip,
    Loss,
}

impl fmt::Display for WayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Form => "not NAME=MS or NAME=MS,LOSS",
            Self::Name => "no such reference point: Ub, Zh, Zn, PC3, PC4a, PC8 or MIKEY",
            Self::RoundTrip => "the round trip must be 0 to 10000 milliseconds",
            Self::Loss => "the loss must be 0 to 0.9",
        })
    }
}

impl std::error::Error for WayError {}

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
    pub(crate) fn set(&mut self, NamedWay(at, way): NamedWay) {
        self.others.insert(at, way);
    }

    pub(crate) fn way(&self, at: ReferencePoint) -> Way {
        self.others.get(&at).copied().unwrap_or(self.usual)
    }

    /// Returns the milliseconds until a datagram arrives; `None` when it is lost.
    pub(crate) fn datagram(&self, at: ReferencePoint, rng: &mut AirRng) -> Option<u64> {
        let Way { round_trip, loss } = self.way(at);
        (unit(rng.next_u64()) >= loss).then_some(round_trip / 2)
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
    fn ways_are_read_from_the_command_line() {
        let read = |text: &str| text.parse::<NamedWay>();
        let way = Way { round_trip: 200, loss: 0.1 };
        assert_eq!(read("PC3=200,0.1"), Ok(NamedWay(ReferencePoint::Pc3, way)));
        assert_eq!(read("PC3"), Err(WayError::Form));
        assert_eq!(read("PC9=1"), Err(WayError::Name));
        for text in ["Ub=", "Ub=-1", "Ub=10001", "Ub=1.5"] {
            assert_eq!(read(text), Err(WayError::RoundTrip), "{text}");
        }
        for text in ["Ub=1,", "Ub=1,-0.1", "Ub=1,0.95", "Ub=1,nan", "Ub=1,0.1,2"] {
            assert_eq!(read(text), Err(WayError::Loss), "{text}");
        }
    }

    #[test]
    fn one_way_may_differ() {
        let mut ways = Ways::all(Way { round_trip: 40, loss: 0.0 });
        ways.set("zh=10".parse().unwrap());
        let mut rng = AirRng::seeded(1, "ways");
        assert_eq!(ways.delay(ReferencePoint::Zh, &mut rng), Some(5));
        assert_eq!(ways.delay(ReferencePoint::Zn, &mut rng), Some(20));
    }
}
