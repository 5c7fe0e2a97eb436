//! Security parameter indicator. TS 102 225 §5.1.1.

use super::{Error, Protection};

/// Whether a packet is proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Integrity {
    /// By nothing.
    None,
    /// By a cryptographic checksum.
    Cc,
}

/// Whether it is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ciphering {
    /// No.
    None,
    /// Yes.
    On,
}

/// What a card does with CNTR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CounterRule {
    /// There is none.
    None,
    /// It is not looked at.
    Unchecked,
    /// It must be above the last.
    Higher,
    /// It must be the one after the last.
    OneHigher,
}

/// When a card responds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Por {
    /// Never.
    Never,
    /// Always.
    Always,
    /// When a command was not done.
    OnError,
}

/// How it responds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response {
    /// When.
    pub when: Por,
    /// Whether it is proven.
    pub integrity: Integrity,
    /// Whether it is encrypted.
    pub ciphering: Ciphering,
}

/// How a command and its response are protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spi {
    /// Whether the command is proven.
    pub integrity: Integrity,
    /// Whether it is encrypted.
    pub ciphering: Ciphering,
    /// What its counter is for.
    pub counter: CounterRule,
    /// The response.
    pub response: Response,
}

impl Spi {
    /// From its two octets. RC, signatures and responses by SMS-SUBMIT are refused, and so are reserved bits.
    pub(super) fn parse(octets: [u8; 2]) -> Result<Self, Error> {
        let [first, second] = octets;
        let refused = Error::Spi(octets);
        let integrity = |bits| match bits {
            0 => Ok(Integrity::None),
            2 => Ok(Integrity::Cc),
            _ => Err(refused),
        };
        let ciphering = |is_on| if is_on { Ciphering::On } else { Ciphering::None };
        if first >> 5 != 0 || second >> 5 != 0 {
            return Err(refused);
        }
        Ok(Self {
            integrity: integrity(first & 3)?,
            ciphering: ciphering(first & 4 != 0),
            counter: match first >> 3 & 3 {
                0 => CounterRule::None,
                1 => CounterRule::Unchecked,
                2 => CounterRule::Higher,
                _ => CounterRule::OneHigher,
            },
            response: Response {
                when: match second & 3 {
                    0 => Por::Never,
                    1 => Por::Always,
                    2 => Por::OnError,
                    _ => return Err(refused),
                },
                integrity: integrity(second >> 2 & 3)?,
                ciphering: ciphering(second & 16 != 0),
            },
        })
    }

    pub(super) const fn emit(self) -> [u8; 2] {
        const fn integrity(integrity: Integrity) -> u8 {
            match integrity {
                Integrity::None => 0,
                Integrity::Cc => 2,
            }
        }
        const fn ciphering(ciphering: Ciphering) -> u8 {
            match ciphering {
                Ciphering::None => 0,
                Ciphering::On => 1,
            }
        }
        let counter = match self.counter {
            CounterRule::None => 0,
            CounterRule::Unchecked => 1,
            CounterRule::Higher => 2,
            CounterRule::OneHigher => 3,
        };
        let when = match self.response.when {
            Por::Never => 0,
            Por::Always => 1,
            Por::OnError => 2,
        };
        [
            counter << 3 | ciphering(self.ciphering) << 2 | integrity(self.integrity),
            ciphering(self.response.ciphering) << 4 | integrity(self.response.integrity) << 2 | when,
        ]
    }

    pub(super) const fn command(self) -> Protection {
        Protection { integrity: self.integrity, ciphering: self.ciphering }
    }

    pub(super) const fn answer(self) -> Protection {
        Protection { integrity: self.response.integrity, ciphering: self.response.ciphering }
    }
}
