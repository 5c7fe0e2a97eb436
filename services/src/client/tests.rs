use sidelink_network::aka::ARRAY;
use sidelink_network::usim::SqnArray;

use super::*;

#[test]
fn the_state_of_a_usim_survives_and_a_damaged_one_is_refused() {
    let folder = crate::store::tests::folder();
    let path = folder.path().join("usim.json");
    let file = SqnFile::new(&path);
    assert_eq!(file.load().unwrap(), SqnArray::default());
    let mut entries = [0; ARRAY];
    entries[3] = 7;
    let array = SqnArray::from_entries(entries).unwrap();
    file.store(&array).unwrap();
    assert_eq!(file.load().unwrap(), array);
    assert!(!path.with_extension("new").exists());
    for damaged in ["", "[1,2]", "[-1]", &format!("{:?}", [u64::MAX; ARRAY])] {
        std::fs::write(&path, damaged).unwrap();
        assert!(matches!(file.load(), Err(SqnFileError::Damaged(_))), "{damaged}");
    }
    let nowhere = SqnFile::new(folder.path().join("no/usim.json"));
    assert!(matches!(nowhere.store(&array), Err(SqnFileError::Write(..))));
    let is_folder = SqnFile::new(folder.path());
    assert!(matches!(is_folder.load(), Err(SqnFileError::Read(..))));
}

/// Threads of one UE add what each has accepted: nothing goes back.
#[test]
fn what_two_threads_accept_with_one_card_is_all_in_its_file() {
    let folder = crate::store::tests::folder();
    let file = SqnFile::new(folder.path().join("usim.json"));
    let array = |ind: usize, seq| {
        let mut entries = [0; ARRAY];
        entries[ind] = seq;
        SqnArray::from_entries(entries).unwrap()
    };
    std::thread::scope(|scope| {
        for ind in 0..4 {
            let file = file.clone();
            scope.spawn(move || (1..=10).rev().for_each(|seq| _ = file.raise(&array(ind, seq)).unwrap()));
        }
    });
    let kept = file.load().unwrap();
    assert_eq!(kept.entries()[..5], [10, 10, 10, 10, 0]);
    assert_eq!(file.raise(&array(4, 3)).unwrap(), file.load().unwrap());
}

#[test]
fn what_a_server_says_is_one_short_line() {
    assert_eq!(text_of(b"no\x1b[31m\xff\nmore"), "no[31m\u{fffd}");
    assert_eq!(text_of(&[b'a'; 1000]).len(), 200);
}
