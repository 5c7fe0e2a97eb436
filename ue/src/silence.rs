//! When a UE is late, and when it cannot send what it has to: said once it lasts, and once it is over.

use std::fmt;

/// Subframes without a chance to send, less [`RECOVERY`] for each with one, after which it is said.
const LASTING: u32 = 100;

/// Most that is held against the UE, so that [`LASTING`] subframes in time end every silence.
const MOST: u32 = 200;

/// What a subframe in time takes off.
const RECOVERY: u32 = 4;

/// Whether there is time for a subframe. Whatever a UE does when it is late costs less than when it is in time: it searches
/// nothing, plans nothing, and at last hears nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lateness {
    /// All of it can be done.
    InTime,
    /// The subframe that would be planned has begun.
    Late,
    /// The subframe that would be received is given up too.
    Deaf,
}

impl Lateness {
    /// Of a UE that is `behind` the newest sample by so many subframes and plans `lead` ahead.
    pub(super) fn of(behind: u64, lead: u64) -> Self {
        match behind {
            _ if behind > lead => Self::Deaf,
            _ if behind == lead => Self::Late,
            _ => Self::InTime,
        }
    }
}

/// Why nothing can be sent in a subframe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hindrance {
    /// It had begun before it could be planned.
    Late,
    /// Data waits, and sensing leaves no resource (mode 4).
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

/// What became of a silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// It lasts.
    Lasts(Hindrance),
    /// It is over after so many subframes.
    Over(u64),
}

/// The account.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Silence {
    level: u32,
    /// Subframes of the silence that lasts, once it was said.
    lasts: Option<(u64, Hindrance)>,
}

impl Silence {
    /// Notes whether anything could be sent in a subframe.
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

    /// Why nothing is sent, while that lasts.
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
