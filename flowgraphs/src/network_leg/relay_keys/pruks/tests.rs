//! What a remote UE that runs writes is durable before it is said, or said not to be.

use super::*;
use sidelink_network::remote_ue::Held;
use sidelink_security::keys::Pruk;
use std::path::Path;

fn slots(octet: u8) -> Slots {
    let held = Held { id: PrukId([octet; 8]), pruk: Pruk::from([octet; 32]) };
    Slots { current: Some(held), pending: None }
}

fn disk(folder: &Path) -> Disk {
    let usim = SqnFile::new(folder.join("ue.usim.sqn"));
    Disk::start(PrukFile::open(folder.join("ue.usim.pruk")).unwrap(), usim).unwrap()
}

fn waits(disk: &mut Disk) -> (WriteId, Written) {
    for _ in 0..5000 {
        if let Some(written) = disk.written() {
            return written;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("nothing was written")
}

#[test]
fn what_is_said_to_be_durable_is() {
    let folder = tempfile::tempdir().unwrap();
    let mut disk = disk(folder.path());
    disk.write(WriteId(1), Record::Slots(slots(1)));
    assert_eq!(waits(&mut disk), (WriteId(1), Written::Durable));
    let text = std::fs::read_to_string(folder.path().join("ue.usim.pruk")).unwrap();
    assert!(text.contains("[1,1,1,1,1,1,1,1]"), "as it stands in the file");
    // What nobody waits for is there too, and the file is free when the UE is gone.
    for octet in 2..20 {
        disk.write(WriteId(octet.into()), Record::Slots(slots(octet)));
    }
    drop(disk);
    assert_eq!(PrukFile::open(folder.path().join("ue.usim.pruk")).unwrap().slots(), slots(19));
}

#[test]
fn what_cannot_be_written_is_said_to_have_failed() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("place");
    std::fs::create_dir(&place).unwrap();
    let mut disk = disk(&place);
    std::fs::remove_dir_all(&place).unwrap();
    disk.write(WriteId(1), Record::Slots(slots(1)));
    assert_eq!(waits(&mut disk), (WriteId(1), Written::Failed));
    disk.write(WriteId(2), Record::Usim(Default::default()));
    assert_eq!(waits(&mut disk), (WriteId(2), Written::Failed));
}

/// More than the thread has room for fails at once: the UE never waits.
#[test]
fn what_finds_no_room_fails() {
    let folder = tempfile::tempdir().unwrap();
    let mut disk = disk(folder.path());
    let all = 10 * WAITING as u64;
    (0..all).for_each(|id| disk.write(WriteId(id), Record::Slots(slots(1))));
    let mut heard = std::collections::BTreeMap::new();
    for _ in 0..all {
        let (id, written) = waits(&mut disk);
        assert!(heard.insert(id, written).is_none(), "each is said once");
    }
    assert!(heard.values().any(|written| *written == Written::Failed));
    assert_eq!(heard[&WriteId(0)], Written::Durable);
}
