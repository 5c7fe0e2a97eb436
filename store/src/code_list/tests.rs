use super::*;
use crate::Keys;

const UNTIL: u32 = 1_800_000_000;

const NEW: NewCodeList = NewCodeList {
    count: 5000,
    variant: VariantName::Keyed,
    code_bits: None,
    period_ms: 1000,
    valid_until: UNTIL,
};

/// A folder that is removed with its files.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sidelink-codes-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_list_comes_back_as_it_was_made() {
    let folder = Folder::new("made");
    let path = folder.file("friends.codes");
    CodeList::create(&path, &NEW).unwrap();
    let list = CodeList::read(&path).unwrap();
    assert_eq!((list.name(), list.len(), list.expired(UNTIL - 1)), ("friends", 5000, 0));
    assert_eq!(list.expired(UNTIL), 5000);
    assert_eq!((list.config().code_bits(), list.config().period().millis()), (216, 1000));
    // The announcer's entry is of the same identity.
    let who = list.identities().nth(4999).unwrap();
    let entry = list.entry(4999, "alice").unwrap();
    assert_eq!((entry.name.as_str(), entry.announcer.as_deref()), ("friends-4999", Some("alice")));
    let Some(Followed::Rotating(config, id, key)) = entry.followed().unwrap() else { panic!("not rotating") };
    assert_eq!((config, id, key.as_bytes()), (list.config(), who.id, who.key.as_bytes()));
    assert!(list.entry(5000, "alice").unwrap_err().to_string().contains("no identity 5000"));
    // Nothing is overwritten.
    assert!(CodeList::create(&path, &NEW).is_err());
}

/// What a file with this change is refused for.
fn refusal(folder: &Folder, change: impl FnOnce(&mut Vec<u8>)) -> String {
    let path = folder.file("changed.codes");
    let _ = std::fs::remove_file(&path);
    CodeList::create(&path, &NewCodeList { count: 9, ..NEW }).unwrap();
    let mut octets = std::fs::read(&path).unwrap();
    change(&mut octets);
    std::fs::write(&path, octets).unwrap();
    CodeList::read(&path).map(|_| ()).unwrap_err().to_string()
}

#[test]
fn a_list_that_is_none_says_why() {
    let folder = Folder::new("refused");
    for (length, words) in
        [(0, "not a list"), (19, "not a list"), (20, "20 octets in place of 524"), (523, "cut off")]
    {
        let why = refusal(&folder, |octets| octets.truncate(length));
        assert!(why.contains(words), "{length}: {why}");
    }
    assert!(refusal(&folder, |octets| octets.push(0)).contains("525 octets in place of 524"));
    for (at, value, words) in [
        (0, b'T', "not a list"),
        (7, 2, "not a list"),
        (8, 1, "not a list"),
        (9, 2, "one-way function 2"),
        (11, 7, "7 bits"),
        (15, 1, "rotation period"),
        (16, 0xff, "identities"),
        (19, 0, "0 identities"),
        (19, 8, "524 octets in place of 468"),
    ] {
        let why = refusal(&folder, |octets| octets[at] = value);
        assert!(why.contains(words), "octet {at}: {why}");
    }
    let why = refusal(&folder, |octets| octets.copy_within(HEADER..HEADER + 20, HEADER + 7 * ROW));
    assert!(why.contains("identity 7") && why.contains("the ProSe ID of identity 0"), "{why}");
    let why = refusal(&folder, |octets| octets[HEADER + 2 * ROW + 52..HEADER + 3 * ROW].fill(0));
    assert!(why.contains("identity 2") && why.contains("never valid"), "{why}");
}

#[cfg(unix)]
#[test]
fn a_list_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new("mode");
    let path = folder.file("list.codes");
    CodeList::create(&path, &NewCodeList { count: 1, ..NEW }).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert!(CodeList::read(&path).unwrap_err().to_string().contains("others may read"));
}

#[test]
fn lists_with_other_parameters_are_not_mixed() {
    let folder = Folder::new("mixed");
    let paths = [folder.file("one.codes"), folder.file("two.codes"), folder.file("three.codes")];
    for (path, period_ms) in paths.iter().zip([1000, 1000, 2000]) {
        CodeList::create(path, &NewCodeList { count: 2, period_ms, ..NEW }).unwrap();
    }
    let mut keys = Keys::default();
    keys.add_code_lists(&paths[..2]).unwrap();
    assert_eq!(keys.codes.len(), 2);
    let why = keys.add_code_lists(&paths[2..]).unwrap_err().to_string();
    assert!(why.contains("differ from those of one"), "{why}");
}

#[test]
fn a_list_has_a_number_of_identities_that_fits() {
    let folder = Folder::new("count");
    for count in [0, MOST_LISTED + 1] {
        let why = CodeList::create(&folder.file("count.codes"), &NewCodeList { count, ..NEW }).unwrap_err();
        assert!(why.to_string().contains(&format!("{count} identities")), "{why}");
    }
}

/// What is computed ahead is one code whose MIC is checked here: nothing else.
#[test]
fn an_exact_entry_is_one_code_of_restricted_discovery() {
    let entry = || {
        let mut entry = Discovery::new("anna", Protection::Restricted, UNTIL);
        entry.code = Some(crate::entry::Hex(vec![6; 23]));
        entry.duik = Some(Secret::new(vec![1; 16]));
        entry
    };
    assert!(entry().is_exact());
    let changes: [fn(&mut Discovery); 6] = [
        |entry| entry.protection = Protection::PreShared,
        |entry| entry.revoked = true,
        |entry| entry.question = Some("quiz".to_owned()),
        |entry| entry.duik = None,
        |entry| entry.code_mask = Some(crate::entry::Hex(vec![0xfe; 23])),
        |entry| entry.mic_check = Some(crate::entry::MicCheckName::ProseFunction),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut entry = entry();
        change(&mut entry);
        assert!(!entry.is_exact(), "change {number}");
    }
}
