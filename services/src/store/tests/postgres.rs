//! PostgreSQL: what SQLite does, and what a server does that a file does not.

use super::cases;
use super::*;
use crate::config::Database;
use crate::store::{Postgres, PostgresGroupNaf, PostgresKms, PostgresPkmf};

#[path = "../../../tests/services/cluster.rs"]
mod cluster;

use cluster::{Cluster, Proxy, Way};

fn open(address: &str) -> Result<Postgres, StoreError> {
    Postgres::open(&Address::parse(address).unwrap(), "test")
}

fn raise(from: u64, to: u64) -> [Write; 1] {
    [Write::Raise { stream: STREAM, from, to }]
}

#[test]
fn postgresql_does_what_sqlite_does() {
    let Some(cluster) = Cluster::start() else { return };
    let address = cluster.database("start");
    cases::a_new_start_reads_all_back(&|| Box::new(open(&address).unwrap()));
    cases::a_number_is_raised_from_where_it_is_alone(&mut open(&cluster.database("number")).unwrap());
    cases::a_refusal_counts_until_it_ends(&mut open(&cluster.database("refusal")).unwrap());
    cases::a_subscriber_is_added_once(&mut open(&cluster.database("subscriber")).unwrap());
    let keys = cluster.database("keys");
    cases::public_keys_come_and_go(&|| Box::new(open(&keys).unwrap()));
    cases::a_batch_is_made_whole_or_not_at_all(&mut open(&cluster.database("batch")).unwrap());
    let address = cluster.database("texts");
    proptest!(ProptestConfig::with_cases(16), |(octet: u8, text in "[^\\p{C}]{1,40}")| {
        let mut store = open(&address).unwrap();
        store.execute_for_tests("DELETE FROM entry", &[]);
        cases::any_text_survives(&mut store, octet, &text);
    });
    let mut store = open(&cluster.database("damage")).unwrap();
    let insert = "INSERT INTO entry VALUES ('001-01-0000000001', $1, 2, 3, $2)";
    let secret = "ab".repeat(17);
    for (row, shown) in cases::damage(&secret) {
        store.execute_for_tests("DELETE FROM entry", &[]);
        store.execute_for_tests(insert, &[&1i64, &row]);
        let error = store.entries().unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains(shown) && !text.contains(&secret), "{text}");
    }
    store.execute_for_tests("DELETE FROM entry", &[]);
    store.execute_for_tests(insert, &[&65_536i64, &r#"{"kind":"open-monitor","application_id":"a"}"#]);
    assert!(matches!(store.entries(), Err(StoreError::Damaged { table: "entry", .. })));
}

#[test]
fn a_pkmf_keeps_on_a_server_what_it_keeps_in_a_file() {
    let Some(cluster) = Cluster::start() else { return };
    let open = |address: &str| PostgresPkmf::open(&Address::parse(address).unwrap()).unwrap();
    let address = cluster.database("start");
    pkmf::what_a_pkmf_keeps_is_there_after_a_restart(&|| Box::new(open(&address)));
    pkmf::what_comes_again_replaces_and_what_goes_is_gone(&mut open(&cluster.database("again")));
    pkmf::all_of_a_batch_or_nothing(&mut open(&cluster.database("batch")));
    let address = cluster.database("damage");
    let mut store = open(&address);
    let execute = |store: &mut PostgresPkmf, statement: &str| {
        assert_eq!(store.for_tests().execute_for_tests(statement, &[]), 1, "{statement}");
    };
    pkmf::a_damaged_row_is_an_error_that_names_its_table_and_no_key(&mut store, execute, "'\\x0909'");
    // One PKMF a database; other functions beside it.
    let address = Address::parse(&address).unwrap();
    assert!(matches!(PostgresPkmf::open(&address), Err(StoreError::Held(_))));
    assert!(Postgres::open(&address, "hss").is_ok());
}

#[test]
fn a_key_management_server_keeps_on_a_server_what_it_keeps_in_a_file() {
    let Some(cluster) = Cluster::start() else { return };
    let open = |address: &str| PostgresKms::open(&Address::parse(address).unwrap()).unwrap();
    let address = cluster.database("start");
    kms::what_a_server_keeps_is_there_after_a_restart(&|| Box::new(open(&address)));
    kms::all_or_nothing(&mut open(&cluster.database("batch")));
    let mut damaged = open(&cluster.database("damage"));
    assert_eq!(damaged.for_tests().execute_for_tests("INSERT INTO kms_revocation VALUES ('a b')", &[]), 1);
    let read = damaged.durable(UtcTime::from_millis(0));
    assert!(matches!(read, Err(StoreError::Damaged { table: "kms", .. })));
}

#[test]
fn a_naf_of_groups_keeps_on_a_server_what_it_keeps_in_a_file() {
    let Some(cluster) = Cluster::start() else { return };
    let open = |address: &str| PostgresGroupNaf::open(&Address::parse(address).unwrap()).unwrap();
    let address = cluster.database("start");
    group_naf::what_a_naf_keeps_is_there_after_a_restart(&|| Box::new(open(&address)));
    group_naf::all_or_nothing(&mut open(&cluster.database("batch")));
    let execute = |store: &mut PostgresGroupNaf, statement: &str| {
        assert_eq!(store.for_tests().execute_for_tests(statement, &[]), 1, "{statement}");
    };
    let mut damaged = open(&cluster.database("damage"));
    group_naf::a_damaged_row_is_an_error_that_shows_no_key(&mut damaged, execute, "'\\x0909'");
}

/// A database that a version without the tables of a PKMF has made.
#[test]
fn a_database_of_before_gets_the_tables_of_a_pkmf_and_keeps_its_own() {
    let Some(cluster) = Cluster::start() else { return };
    let address = cluster.database("old");
    let mut store = open(&address).unwrap();
    store.commit(&raise(0, 10)).unwrap();
    drop(store);
    let before = "DROP TABLE pkmf_ue, pkmf_key, pkmf_revocation, pkmf_remote, pkmf_revoked_relay, refusal, cp_pruk, up_pruk,
         kms_revocation, kms_issued, kms_escrowed, kms_seen,
         group_naf_group, group_naf_user, group_naf_used, group_naf_ue, public_key, revoked_key;
         UPDATE schema_version SET version = 1";
    cluster.psql("old", before).unwrap();
    let mut store = PostgresPkmf::open(&Address::parse(&address).unwrap()).unwrap();
    assert_eq!((store.reserved(STREAM).unwrap(), store.durable().unwrap().ues.len()), (10, 0));
}

#[test]
fn one_process_a_function_on_a_server_that_is_durable() {
    let Some(mut cluster) = Cluster::start() else { return };
    let address = cluster.database("one");
    let mut first = open(&address).unwrap();
    first.commit(&raise(0, 10)).unwrap();
    assert!(matches!(open(&address), Err(StoreError::Held(_))));
    // A server may be set to answer before it has synchronised: not for us.
    cluster.psql("postgres", "ALTER DATABASE one SET synchronous_commit = off").unwrap();
    let mut other = Postgres::open(&Address::parse(&address).unwrap(), "synchronous").unwrap();
    let is_on = "SELECT 1 WHERE current_setting('synchronous_commit') = 'on'";
    assert_eq!(other.execute_for_tests(is_on, &[]), 1);
    assert!(Postgres::open(&Address::parse(&address).unwrap(), "other").is_ok());
    // While the server is away the lock is free: who comes back second has lost.
    cluster.stop();
    let away = first.commit(&raise(10, 20)).unwrap_err();
    assert!(matches!(away, StoreError::Away { .. }), "{away}");
    cluster.run();
    let mut second = open(&address).unwrap();
    second.commit(&raise(10, 20)).unwrap();
    drop(second);
    let superseded = first.commit(&raise(20, 30)).unwrap_err();
    assert!(matches!(superseded, StoreError::Superseded(_)), "{superseded}");
    assert!(matches!(first.reserved(STREAM), Err(StoreError::Superseded(_))));
    drop(first);
    // Another database in the place of the one before.
    let mut third = open(&address).unwrap();
    cluster.psql("postgres", "DROP DATABASE one WITH (FORCE)").unwrap();
    cluster.psql("postgres", "CREATE DATABASE one").unwrap();
    assert!(matches!(third.commit(&raise(20, 30)), Err(StoreError::Superseded(_))));
    // A later version; a user without rights; a server that forgets.
    drop(open(&address).unwrap());
    cluster.psql("one", "UPDATE schema_version SET version = version + 1").unwrap();
    assert!(matches!(open(&address), Err(StoreError::Newer { .. })));
    cluster.psql("one", "CREATE USER locked PASSWORD 'right'").unwrap();
    let locked = format!("postgres:///one?user=locked&password=s3cr3t&host={}", cluster.socket().display());
    let refused = open(&locked).err().unwrap();
    assert!(matches!(refused, StoreError::Refused { .. }), "{refused}");
    let text = format!("{refused} {refused:?} {:?}", Database::parse(&locked, "".as_ref()).unwrap());
    assert!(text.contains("locked") && text.contains("28P01") && !text.contains("s3cr3t"), "{text}");
    cluster.psql("postgres", "ALTER SYSTEM SET fsync = off").unwrap();
    cluster.stop();
    cluster.run();
    assert!(matches!(open(&address), Err(StoreError::NotDurable(_))));
}

#[test]
fn a_connection_that_breaks_is_made_again_and_a_lost_answer_is_an_error() {
    let Some(mut cluster) = Cluster::start() else { return };
    cluster.database("ways");
    let folder = folder();
    let proxy = Proxy::start(folder.path(), cluster.socket());
    let mut store = open(&cluster::address("ways", folder.path())).unwrap();
    store.commit(&raise(0, 10)).unwrap();
    // Away and back between two commits: nobody notices.
    cluster.stop();
    cluster.run();
    assert_eq!(store.commit(&raise(10, 20)).unwrap(), [Written::Done]);
    proxy.set(Way::LosesAnswer);
    assert!(matches!(store.commit(&raise(20, 30)), Err(StoreError::Away { .. })));
    assert_eq!(store.reserved(STREAM).unwrap(), 30, "it was made, and not twice");
    // A server that does not answer is not waited for without end, and nothing of the batch is left.
    proxy.set(Way::Frozen);
    let began = std::time::Instant::now();
    assert!(matches!(store.commit(&raise(30, 40)), Err(StoreError::Away { .. })));
    assert!(began.elapsed().as_secs() < 20);
    proxy.set(Way::Open);
    assert_eq!(store.commit(&raise(30, 50)).unwrap(), [Written::Done]);
}
