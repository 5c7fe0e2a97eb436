//! Names of remote UEs: on PC5 as User Info (TS 24.334 §12.5.1.3), on PC8 as PRUK ID or IMSI.

use sidelink_network::pc3::{Imsi, Plmn};
use sidelink_network::pc8::PrukId;
use sidelink_network::remote_ue::User;
use sidelink_prose::direct_link::Identity;
use sidelink_wire::relay_keying::User as OnAir;

/// Digits of an IMSI on PC5: as many as PC8 has.
const DIGITS: usize = 15;

/// Digits of a mobile network code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum MncDigits {
    /// As in Europe.
    #[default]
    Two,
    /// As in North America.
    Three,
}

/// Returns the name of a remote UE as its links say it.
pub(crate) fn identity(user: &User) -> Identity {
    match user {
        User::Pruk(id) => Identity { kind: Identity::PRUK_ID, value: id.0.to_vec() },
        User::Imsi(imsi) => Identity { kind: Identity::IMSI, value: bcd(&imsi.to_string()) },
    }
}

/// Returns the remote UE of a name; `None` for a name that no network knows.
pub(crate) fn user(on_air: OnAir<'_>, mnc: MncDigits) -> Option<User> {
    match on_air.kind {
        Identity::PRUK_ID => on_air.value.try_into().ok().map(|id| User::Pruk(PrukId(id))),
        Identity::IMSI => imsi(on_air.value, mnc).map(User::Imsi),
        _ => None,
    }
}

/// Digits of an IMSI as User Info has them: the first with parity and type, then two an octet, the lower half first.
fn bcd(digits: &str) -> Vec<u8> {
    let digits: Vec<u8> = digits.bytes().map(|digit| digit - b'0').collect();
    let Some((first, rest)) = digits.split_first() else { return Vec::new() };
    let odd = (digits.len() % 2) as u8;
    let head = first << 4 | odd << 3 | Identity::IMSI;
    let pair = |pair: &[u8]| pair.get(1).copied().unwrap_or(0xf) << 4 | pair[0];
    std::iter::once(head).chain(rest.chunks(2).map(pair)).collect()
}

fn imsi(octets: &[u8], mnc: MncDigits) -> Option<Imsi> {
    let (head, rest) = octets.split_first()?;
    let halves = rest.iter().flat_map(|octet| [octet & 0xf, octet >> 4]);
    let digits: Vec<u8> = std::iter::once(head >> 4).chain(halves).collect();
    if digits.len() != DIGITS || digits.iter().any(|digit| *digit > 9) || head & 8 == 0 {
        return None;
    }
    let text: String = digits.iter().map(|digit| char::from(b'0' + digit)).collect();
    let end = match mnc {
        MncDigits::Two => 5,
        MncDigits::Three => 6,
    };
    Imsi::new(Plmn::new(&text[..3], &text[3..end]).ok()?, &text[end..]).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_as_they_were_said() {
        let plmn = Plmn::new("001", "01").unwrap();
        for name in [User::Imsi(Imsi::new(plmn, "0123456789").unwrap()), User::Pruk(PrukId(*b"pruk id."))] {
            let said = identity(&name);
            let on_air = OnAir { kind: said.kind, value: &said.value };
            assert_eq!(user(on_air, MncDigits::Two), Some(name));
        }
        let said = identity(&User::Imsi(Imsi::new(plmn, "0123456789").unwrap()));
        // TS 24.334 figure 12.5.1.3: digit 1, odd, type 3.
        assert_eq!(said.value, [0x0b, 0x10, 0x10, 0x10, 0x32, 0x54, 0x76, 0x98]);
        let american = Imsi::new(Plmn::new("310", "410").unwrap(), "123456789").unwrap();
        let said = identity(&User::Imsi(american));
        let on_air = |value| OnAir { kind: Identity::IMSI, value };
        assert_eq!(user(on_air(&said.value), MncDigits::Three), Some(User::Imsi(american)));
        for wrong in [&[][..], &[0x0b], &[0x0b, 0x10, 0x10, 0x10, 0x32, 0x54, 0x76, 0xf8], &[3; 8]] {
            assert_eq!(user(on_air(wrong), MncDigits::Two), None, "{wrong:?}");
        }
        assert_eq!(user(OnAir { kind: Identity::PRUK_ID, value: &[1; 7] }, MncDigits::Two), None);
        assert_eq!(user(OnAir { kind: Identity::USER, value: b"mary" }, MncDigits::Two), None);
    }
}
