//! A UE that is built from its file keeps the numbers of the revocation lists that it has seen in its key store.

use super::*;
use sidelink_security::counter::UtcTime;
use sidelink_security::direct::signed::issue::{Issuer, Validity};
use sidelink_store::KeyStore;
use sidelink_store::credential::{CERTIFICATE, CRL, to_pem, write_key};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

#[test]
fn a_ue_does_not_start_with_an_older_list() {
    let folder = std::env::temp_dir().join(format!("sidelink-lists-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let issuer = Issuer::new("ca", &[1; 32]);
    write_key(&folder.join("a.key"), &[2; 32]).unwrap();
    let now = UtcTime::from_millis(1_800_000_000_000);
    let validity = Validity { from: now, until: now.plus_millis(1_000_000) };
    write(&folder, "ca.pem", &to_pem(CERTIFICATE, &issuer.certificate(validity)));
    drop(KeyStore::create(&folder.join("store")).unwrap());
    let text = "name = \"a\"\nlayer2-id = \"0000a1\"\nkeys = \"store\"\n[radio]\nprb = 25\n[credential]\n\
        key = \"a.key\"\ntrust = [\"ca.pem\"]\nrevoked = [\"list\"]\n[[link]]\npeer = \"b\"\nid = \"0000b2\"\n";
    let path = write(&folder, "ue.toml", text);
    let start = |number| {
        let list = issuer.revoke(number, &[], UtcTime::from_millis(0));
        write(&folder, "list", &to_pem(CRL, &list));
        let anchor = Anchor { utc_ns: 1_800_000_000_000_000_000, uncertainty_ns: 0 };
        let facts = RadioFacts { anchor, real_time: false, draws: Draws::Seeded };
        UeConfig::from_file(&path).unwrap().build(facts, Vec::new()).map(drop).map_err(|e| e.to_string())
    };
    // The thread of a UE that has ended closes the store a little later.
    let start = |number| {
        let held =
            |result: &Result<(), String>| result.as_ref().is_err_and(|e| e.contains("another process"));
        (0..500).map(|_| start(number)).find(|result| {
            let held = held(result);
            std::thread::sleep(std::time::Duration::from_millis(if held { 10 } else { 0 }));
            !held
        })
    };
    assert_eq!(start(5), Some(Ok(())));
    assert_eq!(start(5), Some(Ok(())));
    let error = start(4).unwrap().unwrap_err();
    assert!(error.contains("list 5"), "{error}");
    let _ = fs::remove_dir_all(&folder);
}
