//! History on both databases: the same tests, on a SQLite file and on a PostgreSQL in a container. Where there is no docker, or no
//! image `postgres:15` in it, the PostgreSQL half says in one line that it did not run; `.ci/run` wants it.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "history/databases.rs"]
mod databases;
#[path = "history/failures.rs"]
mod failures;
#[path = "history/made.rs"]
mod made;
#[path = "history/questions.rs"]
mod questions;
#[path = "history/writing.rs"]
mod writing;

use comeback::history::Address;
use databases::Server;

/// Tests of the same name on either database: each gets the address of an empty history.
macro_rules! on_both {
    ($($module:ident::$test:ident),* $(,)?) => {
        mod sqlite {
            $(#[test]
            fn $test() {
                let folder = tempfile::tempdir().unwrap();
                // A name with everything that a URL would take for something else.
                super::$module::$test(&super::Address::Sqlite(folder.path().join("ä ?#%20&.db")));
            })*
        }

        /// One test, so that one container is enough, and goes when it ends.
        #[test]
        fn the_same_on_postgresql() {
            let Some(server) = Server::started("history on PostgreSQL") else { return };
            $(
                eprintln!("on PostgreSQL: {}", stringify!($test));
                $module::$test(&server.database(stringify!($test)));
            )*
        }
    };
}

on_both! {
    writing::a_run_is_there_as_it_was_written,
    writing::an_upload_that_comes_twice_changes_nothing,
    writing::a_trial_that_is_judged_anew_replaces_the_old_one,
    writing::a_complete_run_stays_complete,
    writing::several_write_at_once,
    writing::foreign_text_is_kept,
    writing::sightings_without_a_gap_are_one,
    questions::runs_are_listed_by_time_and_label,
    questions::cells_sum_up_trials_by_week_and_environment,
    questions::old_runs_are_forgotten_with_all_their_rows,
    questions::what_passed_on_retry_is_flaky_and_stays_a_miss,
    failures::a_later_schema_is_refused,
    failures::a_history_of_an_earlier_version_is_brought_up_to_date,
    failures::a_history_that_is_not_there_is_not_made_by_asking,
}
