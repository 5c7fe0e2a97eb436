use super::*;
use crate::store::tests::{folder, pkmf as cases};

fn store(folder: &tempfile::TempDir) -> SqlitePkmf {
    SqlitePkmf::open(&folder.path().join("network.db")).unwrap()
}

#[test]
fn it_does_what_the_store_of_a_pkmf_does() {
    let first = folder();
    cases::what_a_pkmf_keeps_is_there_after_a_restart(&|| Box::new(store(&first)));
    cases::what_comes_again_replaces_and_what_goes_is_gone(&mut store(&folder()));
    cases::all_of_a_batch_or_nothing(&mut store(&folder()));
    let execute = |store: &mut SqlitePkmf, statement: &str| {
        assert_eq!(store.0.connection.execute(statement, []).unwrap(), 1, "{statement}");
    };
    cases::a_damaged_row_is_an_error_that_names_its_table_and_no_key(
        &mut store(&folder()),
        execute,
        "x'0909'",
    );
}
