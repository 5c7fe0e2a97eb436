//! Places as TS 23.032 §6.1 codes them, and areas.

use crate::pc3::fields::{Lexical, records};

/// Degrees north, in 24 bits: a sign, and 2^23 steps to the pole. TS 23.032 §6.1, from memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latitude([u8; 3]);

/// Degrees east, in 24 bits: two's complement, 2^24 steps around. TS 23.032 §6.1, from memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Longitude([u8; 3]);

const SIGN: u32 = 1 << 23;

const fn number([a, b, c]: [u8; 3]) -> u32 {
    (a as u32) << 16 | (b as u32) << 8 | c as u32
}

const fn octets(number: u32) -> [u8; 3] {
    let [_, a, b, c] = number.to_be_bytes();
    [a, b, c]
}

impl Latitude {
    /// From its octets.
    pub const fn new(octets: [u8; 3]) -> Self {
        Self(octets)
    }

    /// `None` beyond the poles.
    pub fn from_degrees(degrees: f64) -> Option<Self> {
        if !(-90.0..=90.0).contains(&degrees) {
            return None;
        }
        let steps = (degrees.abs() / 90.0 * f64::from(SIGN)).floor().min(f64::from(SIGN - 1)) as u32;
        Some(Self(octets(if degrees < 0.0 { steps | SIGN } else { steps })))
    }

    /// Degrees, the south negative.
    pub fn degrees(self) -> f64 {
        let number = number(self.0);
        let degrees = f64::from(number & (SIGN - 1)) * 90.0 / f64::from(SIGN);
        if number & SIGN == 0 { degrees } else { -degrees }
    }

    /// Its octets.
    pub const fn octets(self) -> [u8; 3] {
        self.0
    }
}

impl Longitude {
    /// From its octets.
    pub const fn new(octets: [u8; 3]) -> Self {
        Self(octets)
    }

    /// `None` beyond 180 degrees.
    pub fn from_degrees(degrees: f64) -> Option<Self> {
        if !(-180.0..180.0).contains(&degrees) {
            return None;
        }
        let steps = (degrees / 360.0 * f64::from(1_u32 << 24)).floor() as i32;
        Some(Self(octets(steps.cast_unsigned() & 0xff_ffff)))
    }

    /// Degrees, the west negative.
    pub fn degrees(self) -> f64 {
        let number = number(self.0);
        let steps = if number & SIGN == 0 { i64::from(number) } else { i64::from(number) - (1 << 24) };
        steps as f64 * 360.0 / f64::from(1_u32 << 24)
    }

    /// Its octets.
    pub const fn octets(self) -> [u8; 3] {
        self.0
    }
}

macro_rules! hex_octets {
    ($($name:ident)*) => {$(
        impl Lexical for $name {
            const EXPECTED: &'static str = "3 octets, as six hexadecimal digits";

            fn from_text(text: &str) -> Option<Self> {
                let mut octets = [0; 3];
                hex::decode_to_slice(text.trim(), &mut octets).ok()?;
                Some(Self(octets))
            }

            fn to_text(&self) -> String {
                hex::encode_upper(self.0)
            }
        }
    )*};
}

hex_octets! { Latitude Longitude }

records! {
    /// A point.
    Place {
        /// North.
        latitude: Latitude = one "Latitude",
        /// East.
        longitude: Longitude = one "Longitude",
    }

    /// An area: 3 points or more, on a plane of degrees. One across the meridian of 180 degrees is to be written as two.
    Polygon {
        /// Its border.
        points: Vec<Place> = some "Coordinates",
    }
}

impl Place {
    /// `None` where there is no such place.
    pub fn from_degrees(north: f64, east: f64) -> Option<Self> {
        let (latitude, longitude) = (Latitude::from_degrees(north)?, Longitude::from_degrees(east)?);
        Some(Self { latitude, longitude })
    }
}

impl Polygon {
    /// Whether a place is within it. Fewer than three points hold nothing.
    pub fn holds(&self, place: &Place) -> bool {
        let (x, y) = (place.longitude.degrees(), place.latitude.degrees());
        let point = |place: &Place| (place.longitude.degrees(), place.latitude.degrees());
        let next = self.points.iter().cycle().skip(1);
        let crossed = self.points.iter().zip(next).filter(|(from, to)| {
            let ((x1, y1), (x2, y2)) = (point(from), point(to));
            (y1 > y) != (y2 > y) && x < x1 + (y - y1) * (x2 - x1) / (y2 - y1)
        });
        self.points.len() >= 3 && crossed.count() % 2 == 1
    }
}
