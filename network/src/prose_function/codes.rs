//! ProSe Application Codes and what they are made of. TS 23.003 §24.2, §24.3.
//!
//! ```text
//! octet  0 .. 2                                    3 .. 10              11 .. 21     22
//!        scope(2) spare(1) E(1) MCC(10) MNC(10)    of the ID's name     unique       metadata index
//! ```
//!
//! The temporary identity, octets 3 to 22, is ours to lay out. All codes of a ProSe Application ID share octets 3 to 10, so that
//! one filter finds announcers that come later, too.

use sha2::{Digest, Sha256};

use crate::pc3::{ApplicationCode, ApplicationId, Plmn};

/// Octet of the metadata index.
const INDEX: usize = 22;

/// Where a ProSe Application ID counts. TS 23.003 §24.2.4, §24.3.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    Global,
    /// Of the country of this MCC.
    Country(u16),
    /// Of this MCC and MNC.
    Plmn(u16, u16),
}

impl Scope {
    /// From the two labels in front; none where they or the next are not as TS 23.003 §24.2 has them.
    pub(super) fn of(id: &ApplicationId) -> Option<Self> {
        let mut labels = id.as_str().split('.');
        let (mcc, mnc) = (labels.next()?.strip_prefix("mcc")?, labels.next()?.strip_prefix("mnc")?);
        if labels.next() != Some("ProSeApp") || labels.any(str::is_empty) {
            return None;
        }
        let number = |text: &str| {
            let digits = text.len() == 3 && text.bytes().all(|b| b.is_ascii_digit());
            text.parse().ok().filter(|_: &u16| digits)
        };
        match (mcc, mnc) {
            ("*", "*") => Some(Self::Global),
            (mcc, "*") => number(mcc).map(Self::Country),
            (mcc, mnc) => Some(Self::Plmn(number(mcc)?, number(mnc)?)),
        }
    }

    pub(super) fn is_served_by(self, plmn: Plmn) -> bool {
        let (mcc, mnc) = numbers(plmn);
        match self {
            Self::Global => true,
            Self::Country(country) => country == mcc,
            Self::Plmn(country, network) => (country, network) == (mcc, mnc),
        }
    }

    const fn bits(self) -> u32 {
        match self {
            Self::Global => 0b00,
            Self::Country(_) => 0b10,
            Self::Plmn(..) => 0b11,
        }
    }
}

/// MCC and MNC by their decimal values, as the code has them.
fn numbers(plmn: Plmn) -> (u16, u16) {
    let number = |digits: String| digits.parse().unwrap_or(0);
    (number(plmn.mcc()), number(plmn.mnc()))
}

/// The code of `id` whose unique part is `unique`.
pub(super) fn code(plmn: Plmn, scope: Scope, id: &ApplicationId, unique: &[u8; 11]) -> ApplicationCode {
    let (mcc, mnc) = numbers(plmn);
    let front = scope.bits() << 22 | 1 << 20 | u32::from(mcc) << 10 | u32::from(mnc);
    let mut code = [0; 23];
    code[..3].copy_from_slice(&front.to_be_bytes()[1..]);
    code[3..11].copy_from_slice(&Sha256::digest(id.as_str().as_bytes())[..8]);
    code[11..INDEX].copy_from_slice(unique);
    ApplicationCode(code)
}

/// The mask under which all codes of an ID of this scope are equal: the PLMN counts as far as the scope does (TS 24.334
/// §6.2.3.3), the spare bit never.
pub(super) fn mask(scope: Scope) -> ApplicationCode {
    let front: u32 = match scope {
        Scope::Global => 0xd0_0000,
        Scope::Country(_) => 0xd0_0000 | 0x3ff << 10,
        Scope::Plmn(..) => 0xdf_ffff,
    };
    let mut mask = [0; 23];
    mask[..3].copy_from_slice(&front.to_be_bytes()[1..]);
    mask[3..11].fill(0xff);
    ApplicationCode(mask)
}

/// The mask of the metadata index. TS 24.334 §12.2.2.62.
pub(super) fn index_mask() -> ApplicationCode {
    let mut mask = [0; 23];
    mask[INDEX] = 0xff;
    ApplicationCode(mask)
}

/// The code with the next metadata index.
pub(super) fn with_next_index(code: ApplicationCode) -> ApplicationCode {
    let mut code = code;
    code.0[INDEX] = code.0[INDEX].wrapping_add(1);
    code
}

/// The code whatever its metadata index.
pub(super) fn name(code: &ApplicationCode) -> [u8; INDEX] {
    let mut name = [0; INDEX];
    name.copy_from_slice(&code.0[..INDEX]);
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> ApplicationId {
        ApplicationId::new(text).unwrap()
    }

    /// The examples of TS 23.003 §24.2.5.
    #[test]
    fn scopes_of_the_examples() {
        for (text, scope) in [
            ("mcc345.mnc012.ProSeApp.Food.Restaurants.Italian", Some(Scope::Plmn(345, 12))),
            ("mcc300.mnc165.ProSeApp.*.Sports.Surfing", Some(Scope::Plmn(300, 165))),
            ("mcc208.mnc*.ProSeApp.Shops.Food.Wine", Some(Scope::Country(208))),
            ("mcc*.mnc*.ProSeApp.Food.Restaurants.Coffee", Some(Scope::Global)),
            ("mcc*.mnc012.ProSeApp.Food", None),
            ("mcc345.mnc12.ProSeApp.Food", None),
            ("mcc345.mnc+12.ProSeApp.Food", None),
            ("mcc345.mnc012.Food", None),
            ("mcc345.mnc012.ProSeApp..Food", None),
            ("mnc012.mcc345.ProSeApp.Food", None),
        ] {
            assert_eq!(Scope::of(&id(text)), scope, "{text}");
        }
    }

    /// TS 23.003 Figure 24.3.2-1: 11 0 1 0101011001 0000001100 for MCC 345, MNC 12.
    #[test]
    fn the_front_of_a_code_names_its_plmn() {
        let plmn = Plmn::new("345", "12").unwrap();
        let food = id("mcc345.mnc012.ProSeApp.Food");
        let one = code(plmn, Scope::Plmn(345, 12), &food, &[1; 11]);
        assert_eq!(one.0[..3], [0b1101_0101, 0b0110_0100, 0b0000_1100]);
        let under = |a: &ApplicationCode, m: &ApplicationCode| -> Vec<u8> {
            a.0.iter().zip(&m.0).map(|(a, m)| a & m).collect()
        };
        let other = code(plmn, Scope::Plmn(345, 12), &food, &[2; 11]);
        let mask = mask(Scope::Plmn(345, 12));
        assert_eq!(under(&one, &mask), under(&other, &mask));
        let wine = code(plmn, Scope::Plmn(345, 12), &id("mcc345.mnc012.ProSeApp.Wine"), &[1; 11]);
        assert_ne!(under(&one, &mask), under(&wine, &mask));
    }

    #[test]
    fn a_wider_scope_hides_the_plmn() {
        let coffee = id("mcc*.mnc*.ProSeApp.Coffee");
        let (here, there) = (Plmn::new("345", "12").unwrap(), Plmn::new("208", "01").unwrap());
        let code = |plmn, scope| code(plmn, scope, &coffee, &[0; 11]);
        for (scope, equal) in
            [(Scope::Global, true), (Scope::Country(345), false), (Scope::Plmn(345, 12), false)]
        {
            let mask = mask(scope);
            let (a, b) = (code(here, scope), code(there, scope));
            assert_eq!((0..23).all(|i| (a.0[i] ^ b.0[i]) & mask.0[i] == 0), equal, "{scope:?}");
        }
        let country = mask(Scope::Country(345));
        let (a, b) =
            (code(here, Scope::Country(345)), code(Plmn::new("345", "99").unwrap(), Scope::Country(345)));
        assert!((0..23).all(|i| (a.0[i] ^ b.0[i]) & country.0[i] == 0));
    }

    #[test]
    fn the_index_changes_alone() {
        let code = ApplicationCode([0xff; 23]);
        let next = with_next_index(code);
        assert_eq!((next.0[22], name(&next)), (0, name(&code)));
    }
}
