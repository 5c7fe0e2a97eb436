use super::*;
use sidelink_security::counter::UtcTime;
use sidelink_security::direct::signed::issue::Validity;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use tempfile::{TempDir, tempdir};

/// Made by OpenSSL 3.0: genpkey -algorithm ed25519; req -x509 -subj /CN=openssl root -days 36500.
const OPENSSL_KEY: &str = include_str!("openssl_root.key");
const OPENSSL_ROOT: &str = include_str!("openssl_root.pem");
/// Of CN=mary, by x509 -req -CA .. -days 36500, and its key.
const OPENSSL_LEAF_KEY: &str = include_str!("openssl_mary.key");
const OPENSSL_LEAF: &str = include_str!("openssl_mary.pem");

/// Writes a file that is for its owner alone.
fn write(folder: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

fn config(key: PathBuf, certificate: Option<PathBuf>, trust: Vec<PathBuf>) -> CredentialConfig {
    CredentialConfig {
        key,
        certificate,
        trust,
        revoked: Vec::new(),
        peer: Vec::new(),
        guard: guard(),
        emergency: false,
    }
}

fn validity() -> Validity {
    let now = UtcTime::from_millis(1_800_000_000_000);
    Validity { from: now, until: now.plus_millis(1_000_000) }
}

#[test]
fn what_openssl_made_is_read() {
    let folder = tempdir().unwrap();
    let key = write(&folder, "mary.key", OPENSSL_LEAF_KEY);
    let certificate = write(&folder, "mary.pem", OPENSSL_LEAF);
    let root = write(&folder, "root.pem", OPENSSL_ROOT);
    let (credential, trust) = config(key, Some(certificate.clone()), vec![root]).read().unwrap();
    assert_eq!((trust.roots.len(), trust.raw.len()), (1, 0));
    let der = read_pem(&certificate, CERTIFICATE).unwrap().remove(0);
    assert!(der.windows(32).any(|part| part == credential.public()));
    // our own issuer with OpenSSL's key has OpenSSL's public key
    let root_key = write(&folder, "root.key", OPENSSL_KEY);
    let own = read_issuer(&root_key, "openssl root").unwrap().certificate(validity());
    let theirs = pem::decode_vec(OPENSSL_ROOT.as_bytes()).unwrap().1;
    let public = Credential::raw(&read_key(&root_key).unwrap()).public();
    assert!([own, theirs].iter().all(|der| der.windows(32).any(|part| part == public)));
}

/// An OpenSSL PKI and ours in one exchange: each proves its peer to the other.
#[test]
fn certificates_of_openssl_prove_a_peer() {
    use sidelink_security::direct::Capabilities;
    use sidelink_security::direct::signed::{Ephemeral, KeyInfo, Subject, challenge, respond};
    let folder = tempdir().unwrap();
    let roots = |own: &[u8]| {
        let theirs = pem::decode_vec(OPENSSL_ROOT.as_bytes()).unwrap().1;
        let roots = [own, &theirs].map(|der| Root::from_der(der).unwrap());
        Trust { roots: roots.into(), raw: Vec::new(), guard: guard(), grace: 0 }
    };
    let issuer = Issuer::new("ours", &[1; 32]);
    let trust = roots(&issuer.certificate(validity()));
    let john = Credential::raw(&[2; 32]).public();
    let john = Credential::certified(&[2; 32], issuer.issue(b"john", 7, &john, validity()));
    let key = write(&folder, "mary.key", OPENSSL_LEAF_KEY);
    let certificate = pem::decode_vec(OPENSSL_LEAF.as_bytes()).unwrap().1;
    let mary = Credential::certified(&read_key(&key).unwrap(), certificate);
    let now = UtcTime::from_millis(1_800_000_000_000);
    let (one, two) = (Ephemeral::new([3; 32]), Ephemeral::new([4; 32]));
    let info = KeyInfo::new(&one, &trust, None);
    let capabilities = Capabilities { eea: 0x70, eia: 0x70 };
    let request = b"the request";
    let (challenged, first) = challenge(&john, &trust, request, &info, capabilities, two).unwrap();
    let names = [&b"john"[..], b"mary", b"maria"].map(Subject::user);
    let [john_is, mary_is, maria_is] = names;
    let second = respond(&one, &mary, &trust, now, john_is, request, &first).unwrap().content;
    challenged.finish(&trust, now, mary_is, john_is, &second).unwrap();
    assert!(challenged.finish(&trust, now, maria_is, john_is, &second).is_err());
}

#[test]
fn keys_come_back_as_they_were_written() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.key");
    write_key(&path, &[0x5a; 32]).unwrap();
    assert_eq!(*read_key(&path).unwrap(), [0x5a; 32]);
    let error = write_key(&path, &[1; 32]).unwrap_err().to_string();
    assert!(error.contains("overwritten"), "{error}");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let error = read_key(&path).unwrap_err().to_string();
    assert!(error.contains("chmod 600"), "{error}");
}

#[test]
fn what_is_wrong_with_files_is_told() {
    let folder = tempdir().unwrap();
    let issuer = Issuer::new("ca", &[1; 32]);
    let key = folder.path().join("a.key");
    write_key(&key, &[2; 32]).unwrap();
    let public = Credential::raw(&[2; 32]).public();
    let own = write(&folder, "a.pem", &to_pem(CERTIFICATE, &issuer.issue(b"a", 7, &public, validity())));
    let other = write(&folder, "b.pem", &to_pem(CERTIFICATE, &issuer.issue(b"b", 8, &[9; 32], validity())));
    let root = write(&folder, "ca.pem", &to_pem(CERTIFICATE, &issuer.certificate(validity())));
    let empty = write(&folder, "empty", "");
    let cut = write(&folder, "cut", "-----BEGIN CERTIFICATE-----\nMIIB\n");
    let stranger = Issuer::new("ca", &[3; 32]).revoke(1, &[7], UtcTime::from_millis(0));
    let list = write(&folder, "list", &to_pem(CRL, &stranger));
    let good = config(key.clone(), Some(own.clone()), vec![root.clone()]);
    assert!(good.read().is_ok());
    let revoked = CredentialConfig { revoked: vec![list], ..good.clone() };
    let mut known = config(key.clone(), None, Vec::new());
    known.peer = vec![KnownKey { name: "b".to_owned(), key: Hex(vec![1; 31]) }];
    for (config, words) in [
        (config(own.clone(), None, vec![root.clone()]), "there is no PRIVATE KEY in it"),
        (config(folder.path().join("none"), None, vec![root.clone()]), "cannot read it"),
        (config(key.clone(), Some(other), vec![root.clone()]), "another key"),
        (config(key.clone(), Some(empty), vec![root]), "there is no CERTIFICATE in it"),
        (config(key.clone(), Some(cut), Vec::new()), "not PEM"),
        (config(key.clone(), Some(own), Vec::new()), "no issuer and no peer is trusted"),
        (config(key.clone(), None, vec![key]), "there is no CERTIFICATE"),
        (revoked, "no trusted issuer signed this list"),
        (known, "31 octets"),
    ] {
        let error = config.read().unwrap_err().to_string();
        assert!(error.contains(words), "{words}: {error}");
    }
}

/// A store remembers the newest list of each issuer: an older one, or a missing one, is refused from then on.
#[test]
fn an_older_revocation_list_is_refused_after_a_restart() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("store");
    let (ca, other) = (Issuer::new("ca", &[1; 32]), Issuer::new("other", &[2; 32]));
    let start = |numbers: [u32; 2]| {
        let mut store = crate::KeyStore::open_or_create(&path).unwrap();
        let roots = [&ca, &other].map(|issuer| Root::from_der(&issuer.certificate(validity())).unwrap());
        // A second certificate of the same key has no list of its own.
        let again = Root::from_der(&ca.certificate(validity())).unwrap();
        let mut roots: Vec<Root> = roots.into_iter().chain([again]).collect();
        for ((root, issuer), number) in roots.iter_mut().zip([&ca, &other]).zip(numbers) {
            if number > 0 {
                root.install_crl(&issuer.revoke(number, &[], UtcTime::from_millis(0))).unwrap();
            }
        }
        let trust = Trust { roots, ..Trust::default() };
        remember_lists(&trust, &mut store).map_err(|e| e.to_string())
    };
    assert_eq!(start([0, 0]), Ok(()));
    assert_eq!(start([5, 0]), Ok(()));
    assert_eq!(start([5, 7]), Ok(()), "the same list once more, and the first of another issuer");
    let error = start([4, 7]).unwrap_err();
    assert!(error.contains("list 5") && error.contains("4 is named now"), "{error}");
    let error = start([0, 7]).unwrap_err();
    assert!(error.contains("list 5") && error.contains("none is named"), "{error}");
    assert_eq!(start([6, 7]), Ok(()));
    assert!(start([5, 7]).is_err());
}

/// Refusals of lists tell the reason.
#[test]
fn what_is_wrong_with_a_list_is_told() {
    let folder = tempdir().unwrap();
    let issuer = Issuer::new("ca", &[1; 32]);
    let key = folder.path().join("a.key");
    write_key(&key, &[2; 32]).unwrap();
    let root = write(&folder, "ca.pem", &to_pem(CERTIFICATE, &issuer.certificate(validity())));
    let list = |number| to_pem(CRL, &issuer.revoke(number, &[], UtcTime::from_millis(0)));
    for (text, words) in [
        (format!("{}{}", list(2), list(1)), "a newer list of its issuer"),
        (list(0), "a number between"),
        (to_pem(CRL, b"no list"), "malformed DER"),
    ] {
        let path = write(&folder, "list", &text);
        let good = config(key.clone(), None, vec![root.clone()]);
        let error = CredentialConfig { revoked: vec![path], ..good }.read().unwrap_err().to_string();
        assert!(error.contains(words), "{words}: {error}");
    }
}
