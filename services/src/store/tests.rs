use std::path::PathBuf;

use proptest::prelude::*;
use sidelink_network::aka::Rand;
use sidelink_network::hss;
use sidelink_network::identity::BTid;
use sidelink_network::pc3::{
    ApplicationCode, ApplicationId, EntryId, Imsi as Ue, Metadata, OsAppId, Plmn, RestrictedCode, Rpauid,
};
use sidelink_network::prose_function::{Application, Content, Keys, Role};
use sidelink_security::counter::UtcTime;
use sidelink_security::discovery::restricted::Material;
use sidelink_security::keys::Ks;

use super::*;

mod cases;
pub(crate) mod group_naf;
pub(crate) mod kms;
pub(crate) mod pkmf;
mod postgres;

const STREAM: StreamId = StreamId([7; 16]);

pub(crate) fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn path(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("network.db")
}

fn store(folder: &tempfile::TempDir) -> Sqlite {
    Sqlite::open(&path(folder), "test").unwrap()
}

fn subscription() -> Subscription {
    let plmn = Plmn::new("001", "01").unwrap();
    Subscription {
        registered: Some(plmn),
        rights: vec![
            (plmn, Role::OpenAnnounce),
            (plmn, Role::OpenMonitor),
            (Plmn::new("310", "410").unwrap(), Role::RestrictedAnnounce),
            (plmn, Role::RestrictedMonitor),
        ],
        application_ids: vec![ApplicationId::new("mcc001.mnc01.ProSeApp.\"Food\"\n").unwrap()],
        rpauids: vec![Rpauid::new("user1").unwrap()],
    }
}

fn subscriber(number: u32, subscription: Option<Subscription>) -> NewSubscriber {
    let imsi = Imsi::new(&format!("00101{number:010}")).unwrap();
    let impi = imsi.impi(2).unwrap();
    NewSubscriber { imsi, impi, credentials: Credentials::with_opc([1; 16], [2; 16]), subscription }
}

fn key(octet: u8, b_tid: &str) -> bsf::Record {
    bsf::Record {
        impi: Impi::new(&format!("{octet}@home")).unwrap(),
        b_tid: BTid::new(b_tid).unwrap(),
        rand: Rand([octet; 16]),
        ks: Ks::from([octet; 32]),
        created: UtcTime::from_millis(1),
        expires: UtcTime::from_millis(2),
    }
}

fn entry(number: u16, content: Content) -> Record {
    Record {
        ue: Ue::new(Plmn::new("001", "01").unwrap(), "0000000001").unwrap(),
        entry: EntryId::new(number).unwrap(),
        valid_until: UtcTime::from_millis(3),
        kept_until: UtcTime::from_millis(4),
        content,
    }
}

/// One of each kind.
fn contents(octet: u8, text: &str) -> [Content; 5] {
    let id = || ApplicationId::new(text).unwrap();
    let user = || Rpauid::new(text).unwrap();
    let app = || Application { os_id: [octet; 16], os_app_id: OsAppId::new(text).unwrap() };
    let announce = |material| Content::RestrictedAnnounce {
        rpauid: user(),
        application: app(),
        code: RestrictedCode([octet; 8]),
        keys: Keys(material),
    };
    [
        Content::OpenAnnounce {
            application_id: id(),
            code: ApplicationCode([octet; 23]),
            key: [octet; 16].into(),
            metadata: Some(Metadata::new(text).unwrap()),
        },
        Content::OpenMonitor { application_id: id() },
        announce(Material::default()),
        announce(Material {
            dusk: Some([octet; 32].into()),
            duik: Some([octet; 16].into()),
            duck: Some(([octet; 32].into(), [octet; 23])),
        }),
        Content::RestrictedMonitor { rpauid: user(), application: app(), targets: vec![user(), user()] },
    ]
}

/// Opens the same database again and again.
fn file(folder: &tempfile::TempDir) -> impl Fn() -> Box<dyn Store> {
    || Box::new(store(folder))
}

#[test]
fn a_new_start_reads_all_back() {
    let folder = folder();
    cases::a_new_start_reads_all_back(&file(&folder));
}

#[test]
fn a_number_is_raised_from_where_it_is_alone() {
    let folder = folder();
    cases::a_number_is_raised_from_where_it_is_alone(&mut store(&folder));
}

#[test]
fn a_refusal_counts_until_it_ends() {
    let folder = folder();
    cases::a_refusal_counts_until_it_ends(&mut store(&folder));
}

#[test]
fn public_keys_come_and_go() {
    let folder = folder();
    cases::public_keys_come_and_go(&file(&folder));
}

#[test]
fn a_subscriber_is_added_once() {
    let folder = folder();
    cases::a_subscriber_is_added_once(&mut store(&folder));
}

#[test]
fn a_batch_is_made_whole_or_not_at_all() {
    let folder = folder();
    cases::a_batch_is_made_whole_or_not_at_all(&mut store(&folder));
}

#[test]
fn a_file_that_is_gone_or_replaced_is_not_written() {
    let folder = folder();
    let mut store = store(&folder);
    let raise = |from, to| [Write::Raise { stream: STREAM, from, to }];
    store.commit(&raise(0, 10)).unwrap();
    let elsewhere = folder.path().join("elsewhere");
    std::fs::rename(path(&folder), &elsewhere).unwrap();
    assert!(matches!(store.commit(&raise(10, 20)), Err(StoreError::Gone(_))));
    std::fs::write(path(&folder), "").unwrap();
    assert!(matches!(store.commit(&raise(10, 20)), Err(StoreError::Gone(_))), "another file");
    std::fs::rename(&elsewhere, path(&folder)).unwrap();
    assert_eq!(store.commit(&raise(10, 20)).unwrap(), [Written::Done], "it is back");
}

#[test]
fn a_database_that_another_holds_is_waited_for_and_comes_back() {
    let folder = folder();
    let mut store = store(&folder);
    store.connection_for_tests().busy_timeout(std::time::Duration::from_millis(20)).unwrap();
    let other = rusqlite::Connection::open(path(&folder)).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let raise = [Write::Raise { stream: STREAM, from: 0, to: 1 }];
    assert!(matches!(store.commit(&raise), Err(StoreError::Database(_))));
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(store.commit(&raise).unwrap(), [Written::Done]);
}

#[test]
fn one_process_a_function_and_a_file_for_its_owner() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    let first = store(&folder);
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap().path();
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
    assert!(matches!(Sqlite::open(&path(&folder), "test"), Err(StoreError::InUse(_))));
    assert!(Sqlite::open(&path(&folder), "other").is_ok());
    drop(first);
    drop(store(&folder));
    std::fs::set_permissions(path(&folder), std::fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(Sqlite::open(&path(&folder), "test"), Err(StoreError::Readable(_))));
    let nowhere = folder.path().join("no/such/folder/network.db");
    assert!(matches!(Sqlite::open(&nowhere, "test"), Err(StoreError::Open { .. })));
}

#[test]
fn a_database_of_a_later_version_or_of_others_is_refused() {
    let folder = folder();
    drop(store(&folder));
    let raw = rusqlite::Connection::open(path(&folder)).unwrap();
    let later = raw.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0)).unwrap() + 1;
    raw.pragma_update(None, "user_version", later).unwrap();
    let opened = Sqlite::open(&path(&folder), "test");
    assert!(matches!(opened, Err(StoreError::Newer { version, .. }) if version == later));
    raw.pragma_update(None, "user_version", -1).unwrap();
    assert!(matches!(Sqlite::open(&path(&folder), "test"), Err(StoreError::Newer { .. })));
    drop(raw);
    std::fs::write(path(&folder), [b'x'; 5000]).unwrap();
    assert!(matches!(Sqlite::open(&path(&folder), "test"), Err(StoreError::Database(_))));
}

#[test]
fn damaged_rows_are_named_without_their_keys() {
    let folder = folder();
    let mut store = store(&folder);
    let secret = "ab".repeat(17);
    for (row, shown) in cases::damage(&secret) {
        let insert = "INSERT OR REPLACE INTO entry VALUES ('001-01-0000000001', 1, 2, 3, ?1)";
        store.connection_for_tests().execute(insert, [row]).unwrap();
        let error = store.entries().unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains(shown) && !text.contains(&secret), "{text}");
    }
    assert_eq!(format!("{:?}", Credentials::with_opc([0xab; 16], [0xab; 16])), "Credentials");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_text_in_a_row_is_an_error_or_an_entry(ue: String, content: String, until: i64) {
        let folder = folder();
        let mut store = store(&folder);
        let insert = "INSERT INTO entry VALUES (?1, 1, ?2, 3, ?3)";
        let values = rusqlite::params![ue, until, content];
        store.connection_for_tests().execute(insert, values).unwrap();
        prop_assert!(store.entries().is_err());
    }

    #[test]
    fn any_text_survives(octet: u8, text in "[^\\p{C}]{1,40}") {
        let folder = folder();
        cases::any_text_survives(&mut store(&folder), octet, &text);
    }
}
