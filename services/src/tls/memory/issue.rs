//! Certificates on P-256 for the ends of an experiment, all of one issuer. Its key is no secret.

use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcKey, EcPoint};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509Builder, X509Name, X509NameBuilder};

/// Name of the issuer.
const ISSUER: &str = "users.example";

/// The issuer's private key: an experiment needs the same one at both ends, and nobody trusts it beyond.
const ISSUER_KEY: u32 = 0x5e1f;

/// Days that a certificate counts.
const DAYS: u32 = 7;

/// Certificate and key of an end, and the root that both trust.
pub struct Certified {
    pub(super) certificate: X509,
    pub(super) key: PKey<Private>,
    pub(super) root: X509,
}

fn issuer_key() -> Result<PKey<Private>, ErrorStack> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    let (number, mut context) = (BigNum::from_u32(ISSUER_KEY)?, BigNumContext::new()?);
    let mut public = EcPoint::new(&group)?;
    public.mul_generator2(&group, &number, &mut context)?;
    PKey::from_ec_key(EcKey::from_private_components(&group, &number, &public)?)
}

fn named(name: &str) -> Result<X509Name, ErrorStack> {
    let mut builder = X509NameBuilder::new()?;
    builder.append_entry_by_nid(Nid::COMMONNAME, name)?;
    Ok(builder.build())
}

fn begin(name: &str, serial: u32, key: &PKey<Private>) -> Result<X509Builder, ErrorStack> {
    let mut builder = X509::builder()?;
    builder.set_version(2)?;
    let serial = BigNum::from_u32(serial)?.to_asn1_integer()?;
    builder.set_serial_number(&serial)?;
    let (subject, issuer) = (named(name)?, named(ISSUER)?);
    builder.set_subject_name(&subject)?;
    builder.set_issuer_name(&issuer)?;
    builder.set_pubkey(key)?;
    let (from, until) = (Asn1Time::days_from_now(0)?, Asn1Time::days_from_now(DAYS)?);
    builder.set_not_before(&from)?;
    builder.set_not_after(&until)?;
    Ok(builder)
}

/// Makes a key and a certificate for the owner of a host name.
///
/// # Errors
/// OpenSSL refuses.
pub fn issue(host: &str) -> Result<Certified, ErrorStack> {
    let issuer = issuer_key()?;
    let mut root = begin(ISSUER, 1, &issuer)?;
    root.append_extension(BasicConstraints::new().critical().ca().build()?)?;
    root.sign(&issuer, MessageDigest::sha256())?;
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    let key = PKey::from_ec_key(EcKey::generate(&group)?)?;
    let mut certificate = begin(host, 2, &key)?;
    let names = SubjectAlternativeName::new().dns(host).build(&certificate.x509v3_context(None, None))?;
    certificate.append_extension(names)?;
    certificate.sign(&issuer, MessageDigest::sha256())?;
    Ok(Certified { certificate: certificate.build(), key, root: root.build() })
}
