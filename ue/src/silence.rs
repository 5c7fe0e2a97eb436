//! Detection of lateness, and of times in which a UE cannot send: reported once when such a silence lasts, and once
//! when it ends.

use std::fmt;

/// Level at which a silence is reported: each subframe without a transmission opportunity adds one, each other subframe
/// takes [`RECOVERY`] off.
const LASTING: u32 = 100;

/// The highest level, so that `MOST / RECOVERY` = 50 subframes in time end every silence.
const MOST: u32 = 200;

/// Level that a subframe in time takes off.
const RECOVERY: u32 = 4;

/// Whether there is time for a subframe. A late UE does less work than one in time: it does not search and does not
/// plan, and in the end does not even receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lateness {
    /// There is time for all work.
    InTime,
    /// The subframe to be planned has begun already.
    Late,
    /// The subframe to be received is skipped as well.
    Deaf,
}

impl Lateness {
    /// Returns the lateness of a UE that is `behind` subframes behind the newest sample and plans `lead` subframes
    /// ahead.
    pub(super) fn of(behind: u64, lead: u64) -> Self {
        match behind {
            _ if behind > lead => Self::Deaf,
            _ if behind == lead => Self::Late,
            _ => Self::InTime,
        }
    }
}

/// Reason why nothing can be sent in a subframe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hindrance {
    /// The subframe had begun before it could be planned.
    Late,
    /// Data is queued, and sensing leaves no resource (mode 4).
    NoResource(sidelink_mac::grant::Error),
}

impl fmt::Display for Hindrance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Late => f.write_str(
                "it is too slow: subframes have begun before it can plan them. Give it more of the processor (--real-time, \
                 --cpu, fewer other programs) or a narrower carrier",
            ),
            Self::NoResource(why) => write!(f, "mode 4 finds no resource: {why}"),
        }
    }
}

/// Change of a silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// The silence lasts long enough to be reported.
    Lasts(Hindrance),
    /// The silence is over after this many subframes.
    Over(u64),
}

/// State of the detection.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Silence {
    level: u32,
    /// Subframes of the current silence and its reason, once it was reported.
    lasts: Option<(u64, Hindrance)>,
}

impl Silence {
    /// Records whether anything could be sent in a subframe.
    pub(super) fn note(&mut self, hindrance: Option<Hindrance>) -> Option<Change> {
        let Some(hindrance) = hindrance else {
            self.level = self.level.saturating_sub(RECOVERY);
            let over = self.lasts.filter(|_| self.level == 0)?;
            self.lasts = None;
            return Some(Change::Over(over.0));
        };
        self.level = (self.level + 1).min(MOST);
        if let Some((subframes, why)) = &mut self.lasts {
            *subframes += 1;
            *why = hindrance;
        } else if self.level >= LASTING {
            self.lasts = Some((u64::from(self.level), hindrance));
            return Some(Change::Lasts(hindrance));
        }
        None
    }

    /// Returns the reason of the current silence, once it was reported.
    pub(super) fn why(&self) -> Option<Hindrance> {
        self.lasts.map(|(_, why)| why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silence_is_said_once_and_its_end_within_a_hundred_subframes() {
        let mut silence = Silence::default();
        for _ in 0..LASTING - 1 {
            assert_eq!(silence.note(Some(Hindrance::Late)), None);
        }
        assert_eq!(silence.why(), None);
        assert_eq!(silence.note(Some(Hindrance::Late)), Some(Change::Lasts(Hindrance::Late)));
        for _ in 0..10_000 {
            assert_eq!(silence.note(Some(Hindrance::Late)), None);
        }
        assert_eq!(silence.why(), Some(Hindrance::Late));
        let end = (1..).find_map(|n| Some((n, silence.note(None)?))).unwrap();
        assert!(end.0 <= 100 && end.1 == Change::Over(10_000 + u64::from(LASTING)), "{end:?}");
        assert_eq!(silence.why(), None);
    }

    #[test]
    fn now_and_then_is_no_silence() {
        let mut silence = Silence::default();
        for n in 0..10_000 {
            assert_eq!(silence.note((n % 3 == 0).then_some(Hindrance::Late)), None);
        }
    }
}
