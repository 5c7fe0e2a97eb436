//! Certificates for the tests: a root, and what it issues.

use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{BasicConstraints, KeyUsage, SubjectAlternativeName};
use openssl::x509::{X509, X509Builder, X509Name};
use sidelink_network::configuration::Role;
use sidelink_services::tls::{Credentials, imsi_uri, role_uri};
use zeroize::Zeroizing;

/// Who issues certificates.
pub(crate) struct Issuer {
    key: PKey<Private>,
    certificate: X509,
}

fn key() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

fn builder(subject: &str, key: &PKey<Private>) -> X509Builder {
    let mut name = X509Name::builder().unwrap();
    name.append_entry_by_nid(Nid::COMMONNAME, subject).unwrap();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    let mut serial = BigNum::new().unwrap();
    serial.rand(120, MsbOption::MAYBE_ZERO, false).unwrap();
    builder.set_serial_number(&serial.to_asn1_integer().unwrap()).unwrap();
    builder.set_subject_name(&name.build()).unwrap();
    builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::days_from_now(1).unwrap()).unwrap();
    builder.set_pubkey(key).unwrap();
    builder
}

impl Issuer {
    pub(crate) fn new() -> Self {
        let key = key();
        let mut builder = builder("root", &key);
        let subject = X509Name::builder().map(|mut name| {
            name.append_entry_by_nid(Nid::COMMONNAME, "root").unwrap();
            name.build()
        });
        builder.set_issuer_name(&subject.unwrap()).unwrap();
        builder.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
        builder.append_extension(KeyUsage::new().critical().key_cert_sign().build().unwrap()).unwrap();
        builder.sign(&key, MessageDigest::sha256()).unwrap();
        Self { certificate: builder.build(), key }
    }

    /// Certificate and key of a name, a role and maybe a UE, with this issuer as the root.
    pub(crate) fn issue(
        &self,
        name: &str,
        role: Option<Role>,
        ue: Option<sidelink_network::pc3::Imsi>,
    ) -> Credentials {
        let key = key();
        let mut builder = builder("end", &key);
        builder.set_issuer_name(self.certificate.subject_name()).unwrap();
        let mut names = SubjectAlternativeName::new();
        names.dns(name);
        if let Some(role) = role {
            names.uri(&role_uri(role));
        }
        if let Some(ue) = ue {
            names.uri(&imsi_uri(ue));
        }
        let names = names.build(&builder.x509v3_context(Some(&self.certificate), None)).unwrap();
        builder.append_extension(names).unwrap();
        builder.sign(&self.key, MessageDigest::sha256()).unwrap();
        Credentials {
            certificate: builder.build().to_pem().unwrap(),
            key: Zeroizing::new(key.private_key_to_pem_pkcs8().unwrap()),
            roots: self.certificate.to_pem().unwrap(),
        }
    }
}
