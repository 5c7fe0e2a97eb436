//! Who says what a configuration is. TR 33.833 §5.1.1.3 a: radio and network data come from operators only.

use std::fmt;

use crate::identity::{Fqdn, NafId};

/// What the owner of a certificate is. Whoever issues certificates vouches for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A function of an operator.
    Operator,
    /// A UE of public safety.
    PublicSafetyUe,
    /// Anybody else: an application server of a third party.
    ThirdParty,
}

impl Role {
    const NAMES: [(&'static str, Self); 3] = [
        ("operator", Self::Operator),
        ("public-safety-ue", Self::PublicSafetyUe),
        ("third-party", Self::ThirdParty),
    ];

    /// Its name in a certificate.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, role)| *role == self).map_or("", |(name, _)| name)
    }

    /// From its name in a certificate.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, role)| *role)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a certificate says of its owner. TLS has verified it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certified {
    /// Its name.
    pub name: Fqdn,
    /// Its role.
    pub role: Role,
}

/// Who is at the other end, as TLS has proven it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Who has the Ks_NAF of this name.
    Naf(NafId),
    /// Who has the key of this certificate.
    Certificate(Certified),
}

/// Which sources an operator has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// Names of its functions: the ProSe Function of the home PLMN, and those of local PLMNs.
    pub operators: Vec<Fqdn>,
}

/// Why a source is not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotTrusted {
    /// Its name is not that of a function of an operator.
    Name(Fqdn),
    /// Its certificate has another role.
    Role(Role),
}

impl fmt::Display for NotTrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "{name} is no function of an operator; name it as one if it is"),
            Self::Role(role) => write!(
                f,
                "a certificate of role {role} says nothing about radio; it takes that of an operator"
            ),
        }
    }
}

impl std::error::Error for NotTrusted {}

impl Trust {
    /// Whether a source may say what a configuration is.
    ///
    /// # Errors
    /// Why not.
    pub fn judge(&self, source: &Source) -> Result<(), NotTrusted> {
        let name = match source {
            Source::Naf(naf) => &naf.fqdn,
            Source::Certificate(Certified { role: Role::Operator, name }) => name,
            Source::Certificate(Certified { role, .. }) => return Err(NotTrusted::Role(*role)),
        };
        if self.operators.contains(name) { Ok(()) } else { Err(NotTrusted::Name(name.clone())) }
    }
}
