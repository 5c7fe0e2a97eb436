//! What a certificate lets its owner be at a UE-to-UE relay: roles and Relay Service Codes, in an extension of the project's
//! own. The contributions to TR 33.740 leave open how UEs authorise each other; this is signed with the certificate, and lives as long.
//!
//! ```text
//! SEQUENCE { INTEGER roles (1 end, 2 relay, 3 both), SEQUENCE OF OCTET STRING (3) services }
//! ```
//!
//! It gives rights, and takes none: it is not critical, and who does not know it sees a certificate of a user.

use std::fmt;

use x509_cert::der::asn1::ObjectIdentifier;

use super::issue::tlv;

/// Ours, in the arc for documentation (RFC 5612).
pub(super) const ROLES: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.740.1");

/// Services in one certificate, at most.
pub const MAX_SERVICES: usize = 16;

/// A part at a UE-to-UE relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// A UE that reaches another one through a relay.
    End,
    /// The relay.
    Relay,
}

impl Role {
    const fn bit(self) -> u8 {
        match self {
            Self::End => 1,
            Self::Relay => 2,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::End => "end",
            Self::Relay => "relay",
        })
    }
}

/// Roles of a user, and the services in which it has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roles {
    bits: u8,
    services: Vec<[u8; 3]>,
}

impl Roles {
    /// Returns these roles in these services; `None` without a role, without a service, and for more than [`MAX_SERVICES`].
    pub fn new(roles: &[Role], services: &[[u8; 3]]) -> Option<Self> {
        let bits = roles.iter().fold(0, |bits, role| bits | role.bit());
        let fits = bits != 0 && (1..=MAX_SERVICES).contains(&services.len());
        fits.then(|| Self { bits, services: services.to_vec() })
    }

    /// Whether the user may have this role in this service.
    pub fn allow(&self, role: Role, service: [u8; 3]) -> bool {
        self.bits & role.bit() != 0 && self.services.contains(&service)
    }

    /// Returns the value of the extension. Every length is below 128, and has one octet.
    pub(super) fn emit(&self) -> Vec<u8> {
        let services: Vec<u8> = self.services.iter().flat_map(|service| tlv(0x04, service)).collect();
        tlv(0x30, &[tlv(0x02, &[self.bits]), tlv(0x30, &services)].concat())
    }

    /// Reads the value of the extension: what it says again must be the same octets.
    pub(super) fn parse(value: &[u8]) -> Option<Self> {
        let [0x30, _, 0x02, 1, bits @ 1..=3, 0x30, _, services @ ..] = value else { return None };
        let (items, []) = services.as_chunks::<5>() else { return None };
        let services: Vec<[u8; 3]> = items.iter().map(|[_, _, a, b, c]| [*a, *b, *c]).collect();
        let roles = Self { bits: *bits, services };
        let fits = (1..=MAX_SERVICES).contains(&roles.services.len());
        (fits && roles.emit() == value).then_some(roles)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_come_back_and_other_octets_are_refused() {
        let services: Vec<[u8; 3]> = (0..MAX_SERVICES as u8).map(|n| [n, 0xff, 1]).collect();
        for roles in [&[Role::End][..], &[Role::Relay], &[Role::End, Role::Relay]] {
            for count in 1..=MAX_SERVICES {
                let roles = Roles::new(roles, &services[..count]).unwrap();
                let value = roles.emit();
                assert_eq!(Roles::parse(&value), Some(roles));
                for cut in 0..value.len() {
                    assert_eq!(Roles::parse(&value[..cut]), None);
                }
                assert_eq!(Roles::parse(&[&value[..], &[0]].concat()), None);
                for at in 0..value.len() {
                    let mut other = value.clone();
                    other[at] ^= 0x80;
                    // Another service is another right, and everything else is malformed.
                    let parsed = Roles::parse(&other);
                    assert!(
                        parsed.is_none_or(|parsed| at >= 7 && parsed.services != services[..count]),
                        "{at}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_role_is_one_in_its_services_alone() {
        let roles = Roles::new(&[Role::End], &[[0, 0, 1]]).unwrap();
        assert!(roles.allow(Role::End, [0, 0, 1]));
        assert!(!roles.allow(Role::Relay, [0, 0, 1]));
        assert!(!roles.allow(Role::End, [0, 0, 2]));
        assert_eq!(Roles::new(&[], &[[0; 3]]), None);
        assert_eq!(Roles::new(&[Role::End], &[]), None);
        assert_eq!(Roles::new(&[Role::End], &[[0; 3]; MAX_SERVICES + 1]), None);
    }
}
