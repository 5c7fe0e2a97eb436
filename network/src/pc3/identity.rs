//! PLMN and IMSI, which the schema has as integers: digits stand as they are, zeros in front too. TS 24.334 §11.2.3.

use core::fmt;
use core::str::FromStr;

use super::Error;
use super::element::Element;
use super::fields::{Fields, Lexical, Value};
use super::values::OutOfRange;

/// A PLMN: three digits of country, two or three of network. TS 23.003 §12.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Plmn {
    mcc: u16,
    mnc: u16,
    mnc_digits: u8,
}

impl Plmn {
    /// From the digits of MCC (3) and MNC (2 or 3).
    pub fn new(mcc: &str, mnc: &str) -> Result<Self, OutOfRange> {
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        let refused = OutOfRange { parameter: "a PLMN", expected: "an MCC of 3 digits and an MNC of 2 or 3" };
        if mcc.len() != 3 || !matches!(mnc.len(), 2 | 3) || !digits(mcc) || !digits(mnc) {
            return Err(refused);
        }
        let number = |text: &str| u16::from_str(text).map_err(|_| refused);
        Ok(Self { mcc: number(mcc)?, mnc: number(mnc)?, mnc_digits: mnc.len() as u8 })
    }

    /// The digits of the country.
    pub fn mcc(&self) -> String {
        format!("{:03}", self.mcc)
    }

    /// The digits of the network, 2 or 3.
    pub fn mnc(&self) -> String {
        format!("{:0width$}", self.mnc, width = usize::from(self.mnc_digits))
    }

    fn write_as(&self, to: &mut Element, [mcc, mnc]: [&str; 2]) {
        to.one(mcc, &Digits(self.mcc()));
        to.one(mnc, &Digits(self.mnc()));
    }

    /// Who writes an integer without its zeros means an MCC of three digits and an MNC of two.
    fn read_from(fields: &mut Fields<'_>, [mcc, mnc]: [&'static str; 2]) -> Result<Self, Error> {
        let (mcc, mnc): (Digits, Digits) = (fields.one(mcc)?, fields.one(mnc)?);
        Self::new(&format!("{:0>3}", mcc.0), &format!("{:0>2}", mnc.0)).map_err(|e| Error::value(e.expected))
    }
}

impl fmt::Display for Plmn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.mcc(), self.mnc())
    }
}

impl Value for Plmn {
    fn read(element: &Element) -> Result<Self, Error> {
        let mut fields = Fields::of(element)?;
        let plmn = Self::read_from(&mut fields, ["mcc", "mnc"])?;
        fields.finish()?;
        Ok(plmn)
    }

    fn write(&self, to: &mut Element) {
        self.write_as(to, ["mcc", "mnc"]);
    }
}

/// An IMSI of 15 digits. (The schema cannot tell a shorter one from one whose zeros were left out.) TS 24.334 §12.2.2.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Imsi {
    plmn: Plmn,
    msin: u64,
}

impl Imsi {
    /// From the home PLMN and the digits behind it, as many as make 15.
    pub fn new(plmn: Plmn, msin: &str) -> Result<Self, OutOfRange> {
        let refused = OutOfRange { parameter: "an IMSI", expected: "15 digits with its PLMN" };
        if msin.len() != Self::msin_digits(plmn) || !msin.bytes().all(|b| b.is_ascii_digit()) {
            return Err(refused);
        }
        Ok(Self { plmn, msin: msin.parse().map_err(|_| refused)? })
    }

    /// The home PLMN.
    pub const fn plmn(&self) -> Plmn {
        self.plmn
    }

    /// The digits behind the PLMN.
    pub fn msin(&self) -> String {
        format!("{:0width$}", self.msin, width = Self::msin_digits(self.plmn))
    }

    const fn msin_digits(plmn: Plmn) -> usize {
        12 - plmn.mnc_digits as usize
    }
}

impl fmt::Display for Imsi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.plmn.mcc(), self.plmn.mnc(), self.msin())
    }
}

impl Value for Imsi {
    fn read(element: &Element) -> Result<Self, Error> {
        let mut fields = Fields::of(element)?;
        let plmn = Plmn::read_from(&mut fields, ["MCC", "MNC"])?;
        let msin: Digits = fields.one("MSIN")?;
        fields.finish()?;
        let msin = format!("{:0>width$}", msin.0, width = Self::msin_digits(plmn));
        Self::new(plmn, &msin).map_err(|e| Error::value(e.expected))
    }

    fn write(&self, to: &mut Element) {
        self.plmn.write_as(to, ["MCC", "MNC"]);
        to.one("MSIN", &Digits(self.msin()));
    }
}

/// An integer whose digits are kept.
struct Digits(String);

impl Lexical for Digits {
    const EXPECTED: &'static str = "1 to 10 digits";

    fn from_text(text: &str) -> Option<Self> {
        let text = text.trim();
        let right = (1..=10).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        right.then(|| Self(text.to_owned()))
    }

    fn to_text(&self) -> String {
        self.0.clone()
    }
}
