//! Whether a transmission is within a configuration.

use std::fmt;

use sidelink_security::counter::UtcTime;

use super::content::{Configuration, RadioParametersOfArea};
use super::place::Place;

/// What a UE transmits for, where no E-UTRAN serves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// One-to-many communication.
    OneToMany,
    /// One-to-one communication.
    OneToOne,
    /// Announcing.
    Announcing,
}

/// A transmission that a UE means to begin.
#[derive(Debug)]
pub struct Transmission<'a> {
    /// For what.
    pub purpose: Use,
    /// On which carrier, in Hz.
    pub carrier: u64,
    /// Its width in resource blocks.
    pub bandwidth: u8,
    /// Its power in dBm, where the device knows it.
    pub power: Option<i8>,
    /// Where the UE is, where it knows it.
    pub place: Option<&'a Place>,
}

/// Why a UE may not transmit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotPermitted {
    /// The configuration has ended.
    Expired,
    /// It begins later: the clock is wrong.
    NotYet,
    /// Nothing of the kind.
    Use(Use),
    /// No radio parameters for where the UE is, or it does not know where it is.
    Place,
    /// Not on this carrier, in Hz.
    Carrier(u64),
    /// Not with this width, in resource blocks.
    Bandwidth(u8),
    /// Not with this power, in dBm.
    Power(i8),
}

impl fmt::Display for NotPermitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired => f.write_str("the configuration has ended; fetch it again"),
            Self::NotYet => {
                f.write_str("the configuration begins later than this clock shows; set the clock")
            }
            Self::Use(Use::OneToMany) => {
                f.write_str("the configuration does not allow one-to-many communication")
            }
            Self::Use(Use::OneToOne) => {
                f.write_str("the configuration does not allow one-to-one communication")
            }
            Self::Use(Use::Announcing) => f.write_str("the configuration does not allow announcements"),
            Self::Place => {
                f.write_str("the configuration has no radio parameters for this place; say where the UE is")
            }
            Self::Carrier(hertz) => {
                write!(f, "the configuration does not allow a carrier at {hertz} Hz here")
            }
            Self::Bandwidth(prbs) => {
                write!(f, "the configuration does not allow a carrier of {prbs} resource blocks here")
            }
            Self::Power(dbm) => write!(f, "the configuration does not allow {dbm} dBm here"),
        }
    }
}

impl std::error::Error for NotPermitted {}

/// How far the clock of a UE may be behind that of the network, in milliseconds: MAX_OFFSET of TS 24.334 §12.2.2.24 at most.
pub(super) const MAX_OFFSET: u64 = 32_000;

impl Configuration {
    /// Whether it counts now.
    ///
    /// # Errors
    /// It has ended, or has not begun.
    pub fn check_time(&self, now: UtcTime) -> Result<(), NotPermitted> {
        if now.plus_millis(MAX_OFFSET) < self.issued {
            return Err(NotPermitted::NotYet);
        }
        if now >= self.valid_until { Err(NotPermitted::Expired) } else { Ok(()) }
    }

    /// Whether a UE that no E-UTRAN serves may begin a transmission. A UE asks before it starts, and whenever what it sends on
    /// changes.
    ///
    /// # Errors
    /// Why not. The first parameters that hold at the place, and are of the carrier, decide.
    pub fn permits(&self, now: UtcTime, transmission: &Transmission<'_>) -> Result<(), NotPermitted> {
        self.check_time(now)?;
        let refused = NotPermitted::Use(transmission.purpose);
        let policy = self.content.not_in_eutran.as_ref().ok_or(refused)?;
        let (allowed, parameters) = match transmission.purpose {
            Use::OneToMany => (policy.one_to_many, &policy.communication),
            Use::OneToOne => (policy.one_to_one, &policy.communication),
            Use::Announcing => (policy.announcing, &policy.discovery),
        };
        if allowed != Some(true) {
            return Err(refused);
        }
        let holds = |of: &&RadioParametersOfArea| {
            transmission.place.is_some_and(|place| of.area.iter().any(|area| area.holds(place)))
        };
        let mut here = parameters.iter().filter(holds).map(|of| &of.contents).peekable();
        here.peek().ok_or(NotPermitted::Place)?;
        let contents = here
            .find(|contents| contents.carrier.value() == transmission.carrier)
            .ok_or(NotPermitted::Carrier(transmission.carrier))?;
        if contents.bandwidth.value() != transmission.bandwidth {
            return Err(NotPermitted::Bandwidth(transmission.bandwidth));
        }
        match transmission.power.filter(|power| *power > contents.max_power.value()) {
            Some(power) => Err(NotPermitted::Power(power)),
            None => Ok(()),
        }
    }
}
