//! Histories that cannot be used: each is refused with what to do, and nothing is harmed.

use super::databases::{Server, change, number};
use super::made::{MONDAY, recovered, run, scenario};
use comeback::history::{Access, Address, History, HistoryError};
use rstest::rstest;

pub fn a_later_schema_is_refused(address: &Address) {
    drop(History::open(address, Access::Write).unwrap());
    change(address, "INSERT INTO schema_version (version) VALUES (99)");
    for access in [Access::Read, Access::Write] {
        let error = History::open(address, access).unwrap_err();
        assert!(matches!(error, HistoryError::Newer { found: 99, .. }), "{error}");
        assert!(error.to_string().contains("later comeback"), "{error}");
    }
}

pub fn a_history_that_is_not_there_is_not_made_by_asking(address: &Address) {
    let error = History::open(address, Access::Read).unwrap_err();
    assert!(matches!(error, HistoryError::Missing { .. }), "{error}");
    if let Address::Sqlite(file) = address {
        assert!(!file.exists());
    }
}

#[rstest]
#[case::text(b"no database at all, but long enough to look like one: 0123456789012345678901234567890123456789012345678901234567890".to_vec())]
#[case::damaged([b"SQLite format 3\0".as_slice(), &[0xff; 4000]].concat())]
fn a_corrupt_file_is_refused_and_left_alone(#[case] bytes: Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("h.db");
    std::fs::write(&file, &bytes).unwrap();
    for access in [Access::Read, Access::Write] {
        let error = History::open(&Address::Sqlite(file.clone()), access).unwrap_err();
        assert!(matches!(error, HistoryError::Corrupt { .. }), "{error:?}");
    }
    assert_eq!(std::fs::read(&file).unwrap(), bytes);
}

#[test]
fn the_database_of_another_program_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let address = Address::Sqlite(folder.path().join("h.db"));
    drop(History::open(&address, Access::Write).unwrap());
    change(&address, "DROP TABLE schema_version");
    let error = History::open(&address, Access::Write).unwrap_err().to_string();
    assert!(error.contains("another program"), "{error}");
}

#[test]
fn a_folder_that_cannot_be_made_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    let error = History::open(&Address::Sqlite(folder.path().join("file/h.db")), Access::Write).unwrap_err();
    assert!(matches!(error, HistoryError::ReadOnly { .. }), "{error:?}");
}

#[test]
fn a_server_that_dies_is_an_error_and_not_a_wait() {
    let Some(mut server) = Server::started("a PostgreSQL that dies") else { return };
    let address = server.database("dies");
    let mut history = History::open(&address, Access::Write).unwrap();
    let (run, scenario) = (run("a", MONDAY), scenario("pod-deleted"));
    history.put_run(&run).unwrap();
    history.put_trial(&run, &scenario, &recovered(0, 10.0)).unwrap();
    server.kill();
    let error = history.put_trial(&run, &scenario, &recovered(1, 10.0)).unwrap_err().to_string();
    assert!(!error.contains("secret"), "{error}");
    assert!(History::open(&address, Access::Write).is_err());
}

/// The tables of the first version with a trial in them.
pub fn a_history_of_an_earlier_version_is_brought_up_to_date(address: &Address) {
    match address {
        Address::Postgres(_) => change(address, "CREATE SCHEMA comeback"),
        Address::Sqlite(file) => drop(std::fs::File::create(file).unwrap()),
    }
    change(address, include_str!("../../src/history/migrations/0001_history.sql"));
    change(
        address,
        "CREATE TABLE schema_version (version BIGINT PRIMARY KEY); INSERT INTO schema_version (version) VALUES (1); \
         INSERT INTO fingerprints VALUES ('f', 'v1.36', 1, 0, '{}'); \
         INSERT INTO runs VALUES ('old', '0.1.0', 1, 2, '1', '[]', 'kind', 'ci', 'f', 1, 'passed', 0, 1); \
         INSERT INTO scenarios VALUES ('old', 's', 's.yaml', 'crash', '{}', '', '[\"recovered\"]', 60, NULL, NULL, 'passed', ''); \
         INSERT INTO trials (run_id, scenario, trial, seed, verdict, valid, expected, rto_counts, rto_kept, reason, namespace, \
         leftovers, notes, timeline) VALUES ('old', 's', 0, '1', 'recovered', 1, 1, 1, 1, '', '', '[]', '[]', '')",
    );
    let mut history = History::open(address, Access::Write).unwrap();
    let run = history.run("old").unwrap();
    let trial = &run.scenarios[0].trials[0];
    assert!(trial.expected && !trial.flaky && trial.retries.is_empty(), "{trial:?}");
    assert_eq!(number(address, "SELECT MAX(version) FROM schema_version"), comeback::history::schema::VERSION);
}
