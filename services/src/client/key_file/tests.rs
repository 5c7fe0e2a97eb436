use std::os::unix::fs::PermissionsExt;

use super::*;

const GROUP: ServiceId = ServiceId([1, 2, 3]);

fn name(id: u8) -> KeyName {
    KeyName { service: GROUP, id: NonZeroU8::new(id).unwrap() }
}

fn key(id: u8, octet: u8) -> Change {
    let period = Period { from: UtcCounter::new(5), to: UtcCounter::new(u32::MAX) };
    Change::PutKey(KeyRecord { name: name(id), key: Secret256::from([octet; 32]), period })
}

fn pmk(octet: u8, counter: u32) -> Change {
    Change::PutPmk(PmkRecord { id: PmkId([octet; 8]), pmk: Pmk::from([octet; 32]), counter })
}

fn grant(algorithm: Algorithm) -> Change {
    let terms = Terms::Group { member: MemberId([7, 8, 9]), algorithm: SelectedAlgorithm::new(algorithm) };
    Change::PutGrant(Wanted::Group(GROUP), terms)
}

/// What tells two states apart: PMK with counter, grants, keys.
fn seen(state: &State) -> String {
    format!("{:?}", serde_json::to_value(state).unwrap())
}

#[test]
fn what_is_stored_comes_back_and_the_last_of_each_counts() {
    let folder = tempfile::tempdir().unwrap();
    let file = KeyFile::new(folder.path().join("alice.groups"));
    assert!(file.load().unwrap().durable().keys.is_empty(), "no file is nothing");
    let mut state = State::default();
    state.apply(vec![
        pmk(1, 3),
        pmk(2, 4),
        grant(Algorithm::Null),
        grant(Algorithm::Zuc),
        key(1, 1),
        key(1, 2),
        key(3, 3),
    ]);
    file.store(&state).unwrap();
    let loaded = file.load().unwrap();
    assert_eq!(seen(&loaded), seen(&state));
    let durable = loaded.durable();
    let pmk = durable.pmk.unwrap();
    assert_eq!((pmk.id, pmk.pmk.as_bytes(), pmk.counter), (PmkId([2; 8]), &[2; 32], 4));
    let terms =
        Terms::Group { member: MemberId([7, 8, 9]), algorithm: SelectedAlgorithm::new(Algorithm::Zuc) };
    assert_eq!(durable.grants, [(Wanted::Group(GROUP), terms)]);
    let keys: Vec<_> =
        durable.keys.iter().map(|key| (key.name, key.key.as_bytes()[0], key.period.to.value())).collect();
    assert_eq!(keys, [(name(1), 2, u32::MAX), (name(3), 3, u32::MAX)]);
    state.apply(vec![Change::RemoveKey(name(1)), Change::RemoveGrant(Wanted::Group(GROUP))]);
    file.store(&state).unwrap();
    let durable = file.load().unwrap().durable();
    assert_eq!((durable.keys.len(), durable.grants.len()), (1, 0));
}

#[test]
fn the_file_is_its_owners_alone_whatever_a_crash_has_left() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("alice.groups");
    let file = KeyFile::new(&path);
    let left = folder.path().join("alice.groups.new");
    std::fs::write(&left, "left").unwrap();
    std::fs::set_permissions(&left, std::fs::Permissions::from_mode(0o644)).unwrap();
    file.store(&State::default()).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(file.load(), Err(KeyFileError::Readable(_))));
}

#[test]
fn one_process_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let file = KeyFile::new(folder.path().join("alice.groups"));
    let lock = file.lock().unwrap();
    assert!(matches!(file.lock(), Err(KeyFileError::InUse(_))));
    drop(lock);
    file.lock().unwrap();
}

#[test]
fn a_damaged_file_is_an_error_without_keys() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("alice.groups");
    let file = KeyFile::new(&path);
    let mut state = State::default();
    state.apply(vec![pmk(0xab, 3), grant(Algorithm::Aes), key(1, 1)]);
    file.store(&state).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    for (from, to) in
        [("\"algorithm\":2", "\"algorithm\":9"), ("171,", ""), ("\"id\":1,", "\"id\":0,"), ("}", "")]
    {
        assert!(text.contains(from), "{from}");
        std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
        let error = file.load().err().unwrap().to_string();
        assert!(error.contains("alice.groups") && !error.contains("171"), "{error}");
    }
}

#[test]
fn a_discovery_comes_back_with_its_terms_and_goes() {
    let folder = tempfile::tempdir().unwrap();
    let file = KeyFile::new(folder.path().join("alice.groups"));
    let protection = ProtectionProfile::NONE.scrambled().with_mic().confidential();
    let terms = Terms::Discovery { key_type: GROUP, protection, encrypted: Some([0xf0; 23]) };
    let bare = Terms::Discovery { key_type: GROUP, protection: ProtectionProfile::NONE, encrypted: None };
    let [relay, member] = [Wanted::Relay(Code([4, 5, 6])), Wanted::GroupMember(Code([4, 5, 6]))];
    let mut state = State::default();
    state.apply(vec![
        Change::PutGrant(relay, bare),
        Change::PutGrant(relay, terms),
        Change::PutGrant(member, bare),
        grant(Algorithm::Zuc),
    ]);
    file.store(&state).unwrap();
    let grants = file.load().unwrap().durable().grants;
    assert_eq!(grants[1..], [(relay, terms), (member, bare)]);
    state.apply(vec![Change::RemoveGrant(relay)]);
    assert_eq!(state.durable().grants[1..], [(member, bare)]);
    // A file of before has none.
    let text = serde_json::to_string(&State::default()).unwrap().replace("\"discoveries\":[],", "");
    assert!(serde_json::from_str::<State>(&text).unwrap().discoveries.is_empty());
}
