//! One suite for every database: what a `Storage` keeps, what it refuses, and what is left after a crash, damage and a
//! full disk.

#![cfg(any(feature = "sqlite", feature = "rocksdb"))]
#![allow(clippy::unwrap_used, reason = "in a test it is the assertion")]

mod child;
mod contents;
mod crash;
mod damage;
mod disk;
mod doors;
mod full;
mod model;
mod rows;
mod subject;

/// Every case on one database.
macro_rules! suite {
    ($name:ident: $($module:ident::$case:ident),* $(,)?) => {
        mod $name {
            $(
                #[test]
                fn $case() {
                    crate::$module::$case(&crate::subject::$name());
                }
            )*
        }
    };
}

macro_rules! suites {
    ($($(#[$feature:meta])* $name:ident),*) => {
        $(
            $(#[$feature])*
            suite! { $name:
                rows::rows_come_in_order_of_key_and_in_pages,
                rows::a_batch_is_done_in_its_order,
                rows::a_batch_with_an_error_leaves_nothing,
                rows::ranges_are_removed,
                rows::large_values_are_kept,
                rows::everything_is_there_after_reopening,
                rows::buffered_batches_are_there_after_reopening,
                rows::deleted_space_is_given_back,
                contents::messages_are_put_read_and_removed,
                contents::messages_are_listed_by_queue_time_and_id,
                contents::a_hundred_ids_are_unique_and_in_order,
                contents::leases_end_in_order_of_time,
                contents::ended_messages_keep_their_payload,
                contents::queues_state_and_keys_are_kept,
                contents::a_removed_queue_leaves_the_others,
                contents::damaged_records_are_named_and_not_read,
                doors::one_handle_at_a_time,
                doors::one_process_at_a_time,
                doors::a_closed_store_says_so,
                doors::foreign_directories_are_left_alone,
                doors::a_store_of_another_database_is_refused,
                doors::a_newer_layout_is_refused,
                doors::a_missing_file_is_damage,
                doors::a_half_made_store_is_made_anew,
                doors::a_read_only_directory_is_refused,
                crash::nothing_acknowledged_is_lost_when_the_process_is_killed,
                crash::buffered_batches_outlive_the_process,
                crash::a_torn_end_opens_with_all_before_it,
                crash::a_log_that_lost_its_end_is_refused,
                damage::damaged_files_are_refused_or_noticed,
                full::a_full_disk_refuses_publishes_takes_settlements_and_recovers,
                full::a_disk_filled_by_others_has_room_again,
                full::a_disk_filled_by_itself_and_then_by_others_takes_settlements,
                full::a_store_opens_on_a_full_disk,
                full::a_disk_full_of_large_batches_takes_settlements,
            }
        )*
    };
}

suites!(
    #[cfg(feature = "sqlite")]
    sqlite,
    #[cfg(feature = "rocksdb")]
    rocksdb
);
