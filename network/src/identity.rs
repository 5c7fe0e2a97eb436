//! Who somebody is, and where the network functions of an operator are. TS 23.003, from memory.

use std::fmt;

/// An identity that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdentityError {
    /// An IMSI has 6 to 15 decimal digits.
    Imsi,
    /// The mobile network code of an IMSI has 2 or 3 digits.
    MncDigits(usize),
    /// A name has 1 to 255 printable ASCII characters, no blank, no quotation mark, no backslash.
    Name,
    /// A private identity is `user@realm`.
    Impi,
}

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Imsi => f.write_str("an IMSI has 6 to 15 decimal digits"),
            Self::MncDigits(digits) => {
                write!(f, "a mobile network code has 2 or 3 digits, not {digits}")
            }
            Self::Name => f.write_str(
                "a name has 1 to 255 printable ASCII characters without blanks, quotation marks and backslashes",
            ),
            Self::Impi => f.write_str("a private identity is user@realm"),
        }
    }
}

impl std::error::Error for IdentityError {}

/// Identity of a subscriber.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Imsi(String);

impl Imsi {
    /// From its digits.
    pub fn new(digits: &str) -> Result<Self, IdentityError> {
        let fits = (6..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        if fits { Ok(Self(digits.to_owned())) } else { Err(IdentityError::Imsi) }
    }

    /// The digits, at most 15.
    pub fn digits(&self) -> &str {
        &self.0
    }

    /// The private identity that follows from it. TS 23.003 §13.3, from memory.
    pub fn impi(&self, mnc_digits: usize) -> Result<Impi, IdentityError> {
        Impi::new(&format!("{}@ims.{}", self.0, self.network(mnc_digits)?))
    }

    /// Where its BSF is. TS 23.003 §16.2, from memory.
    pub fn bsf(&self, mnc_digits: usize) -> Result<Fqdn, IdentityError> {
        let network = self.network(mnc_digits)?;
        Fqdn::new(&format!("bsf.{}", network.replace("3gppnetwork", "pub.3gppnetwork")))
    }

    fn network(&self, mnc_digits: usize) -> Result<String, IdentityError> {
        if !(2..=3).contains(&mnc_digits) {
            return Err(IdentityError::MncDigits(mnc_digits));
        }
        let (mcc, mnc) = (&self.0[..3], &self.0[3..3 + mnc_digits]);
        Ok(format!("mnc{mnc:0>3}.mcc{mcc}.3gppnetwork.org"))
    }
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

names! {
    /// Private identity of a subscriber, `user@realm`.
    Impi;
    /// Name of a network function.
    Fqdn;
    /// Bootstrapping transaction identifier, base64(RAND)@BSF of our own BSF, anything of another. TS 33.220 §4.5.2.
    BTid;
}

impl Impi {
    /// From its text.
    pub fn new(text: &str) -> Result<Self, IdentityError> {
        let name = name(text)?;
        match name.split_once('@') {
            Some((user, realm)) if !user.is_empty() && !realm.is_empty() && !realm.contains('@') => {
                Ok(Self(name))
            }
            _ => Err(IdentityError::Impi),
        }
    }
}

impl Fqdn {
    /// From its text, which becomes lower case: names of hosts are compared without regard to case, keys are not.
    pub fn new(text: &str) -> Result<Self, IdentityError> {
        Ok(Self(name(text)?.to_ascii_lowercase()))
    }
}

impl BTid {
    /// From its text.
    pub fn new(text: &str) -> Result<Self, IdentityError> {
        Ok(Self(name(text)?))
    }
}

fn name(text: &str) -> Result<String, IdentityError> {
    let fits = (1..=255).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\');
    if fits { Ok(text.to_owned()) } else { Err(IdentityError::Name) }
}

/// Identity of a NAF for one protocol: its name || identifier of the protocol. TS 33.220 §4.5.2.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NafId {
    /// The name that the UE reached it by.
    pub fqdn: Fqdn,
    /// Ua security protocol identifier. TS 33.220 Annex H.
    pub protocol: [u8; 5],
}

impl NafId {
    /// As keys are derived from it.
    pub fn octets(&self) -> Vec<u8> {
        [self.fqdn.0.as_bytes(), &self.protocol].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_follow_from_an_imsi() {
        let imsi = Imsi::new("001010000000001").unwrap();
        assert_eq!(imsi.impi(2).unwrap().as_str(), "001010000000001@ims.mnc001.mcc001.3gppnetwork.org");
        assert_eq!(imsi.bsf(2).unwrap().as_str(), "bsf.mnc001.mcc001.pub.3gppnetwork.org");
        assert_eq!(imsi.bsf(3).unwrap().as_str(), "bsf.mnc010.mcc001.pub.3gppnetwork.org");
        assert_eq!(
            (imsi.bsf(1), imsi.bsf(4)),
            (Err(IdentityError::MncDigits(1)), Err(IdentityError::MncDigits(4)))
        );
    }

    #[test]
    fn what_is_no_identity_is_refused() {
        for digits in ["", "12345", "1234567890123456", "12345a", "١٢٣٤٥٦"] {
            assert_eq!(Imsi::new(digits), Err(IdentityError::Imsi), "{digits}");
        }
        assert!(Imsi::new("123456").is_ok() && Imsi::new("123456789012345").is_ok());
        for text in ["", "a b@c", "a\"@c", "a\\@c", "ä@c", "a@c\r\n", &format!("a@{}", "b".repeat(254))] {
            assert_eq!(Impi::new(text), Err(IdentityError::Name), "{text}");
        }
        assert!(Impi::new(&format!("a@{}", "b".repeat(253))).is_ok());
        for text in ["a", "@c", "a@", "a@b@c"] {
            assert_eq!(Impi::new(text), Err(IdentityError::Impi), "{text}");
        }
        assert_eq!(Fqdn::new("NAF.Home1.net").unwrap().as_str(), "naf.home1.net");
    }

    proptest! {
        #[test]
        fn any_text_is_taken_or_refused(text: String) {
            let _ = (Imsi::new(&text), Impi::new(&text), Fqdn::new(&text), BTid::new(&text));
        }
    }
}
