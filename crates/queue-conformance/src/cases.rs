//! The cases, one file for each group.
//!
//! A case that is not listed here is dead code, and the compiler says so.

pub(crate) mod attempts;
pub(crate) mod batches;
pub(crate) mod browse;
pub(crate) mod cancel;
pub(crate) mod cancel_safety;
pub(crate) mod capabilities;
pub(crate) mod capacity;
pub(crate) mod crowd;
pub(crate) mod dead_letters;
pub(crate) mod delay;
pub(crate) mod expiry;
pub(crate) mod idempotency;
pub(crate) mod idempotency_paths;
pub(crate) mod idempotency_window;
pub(crate) mod leases;
pub(crate) mod leases_fencing;
pub(crate) mod limits_and_errors;
pub(crate) mod order;
pub(crate) mod pause_and_purge;
pub(crate) mod queue_updates;
pub(crate) mod queues;
pub(crate) mod quiet;
pub(crate) mod redrive;
pub(crate) mod restart;
pub(crate) mod room;
pub(crate) mod round_trip;
pub(crate) mod sessions;
pub(crate) mod stats;

/// Hands the list of all cases to another macro of this crate, after that macro's own arguments.
#[doc(hidden)]
#[macro_export]
macro_rules! __cases {
    ([$($callback:tt)+] $arguments:tt) => {
        $($callback)+! { $arguments
            round_trip {
                what_is_published_is_received_as_it_was
                what_is_left_out_has_its_default
                a_payload_is_never_inspected
                headers_come_out_as_they_were
                an_id_that_the_sender_made_is_kept
                an_id_that_is_missing_is_made
                a_time_from_now_becomes_absolute_at_acceptance
                an_absolute_time_is_told_as_it_was_given
                a_message_is_the_same_on_every_delivery
                a_message_is_delivered_once_and_then_gone
                what_one_process_publishes_another_receives
            }
            batches {
                an_empty_batch_is_answered_with_nothing
                publish_outcomes_stand_in_the_order_of_the_messages
                ack_outcomes_stand_in_the_order_of_the_receipts
                extend_outcomes_stand_in_the_order_of_the_receipts
                nack_outcomes_stand_in_the_order_of_the_receipts
                each_nack_of_a_batch_goes_its_own_way
                a_receipt_that_stands_twice_in_a_batch_counts_once
                a_batch_of_the_largest_size_is_taken
                an_id_that_stands_twice_in_a_batch_is_refused
                an_id_that_the_queue_knows_is_refused
                a_receive_gives_no_more_than_was_asked_for
                a_receive_for_more_than_there_is_does_not_wait_for_more
            }
            leases {
                while_a_lease_lasts_no_one_else_receives_the_message
                a_lease_is_as_long_as_the_queue_says
                a_lease_that_ran_out_brings_the_message_back_in_time
                a_lease_given_to_one_receiver_wakes_another_when_it_runs_out
                many_leases_that_run_out_together_come_back_in_time
                a_lease_that_ran_out_is_lost_even_if_nobody_took_the_message
                an_extension_lasts_from_now
                an_extension_keeps_a_waiting_receiver_waiting
                a_delivery_can_be_extended_again_and_again
                an_extension_of_one_lease_leaves_the_others
                a_message_that_was_acked_does_not_come_back
                a_message_that_was_extended_and_acked_does_not_come_back
                a_lease_on_one_message_does_not_hold_up_the_others
                each_message_has_one_holder_however_many_receive
            }
            leases_fencing {
                a_late_ack_does_not_touch_the_next_holder
                a_late_retry_does_not_touch_the_next_holder
                a_late_release_does_not_touch_the_next_holder
                a_late_dead_letter_does_not_touch_the_next_holder
                a_late_extend_does_not_prolong_the_next_holders_lease
                an_ack_counts_once
                a_nack_counts_once
                a_receipt_of_an_acked_message_settles_no_later_one
                a_token_is_not_used_again_after_a_release
                a_token_is_not_used_again_after_a_retry
                a_token_is_not_used_again_after_a_redrive
                a_token_is_not_used_again_after_a_lease_ran_out
                no_token_of_a_long_life_is_used_twice
                a_receipt_of_another_queue_settles_nothing
                a_receipt_of_an_earlier_queue_of_the_name_settles_nothing
                a_receipt_from_before_a_restart_settles_no_later_delivery
            }
            attempts {
                the_attempt_is_counted_before_the_hand_out
                a_retry_is_one_attempt_older
                a_release_gives_the_attempt_back
                a_release_for_a_while_gives_the_attempt_back
                a_release_leaves_no_record
                a_lease_that_ran_out_counts
                a_lease_that_ran_out_stands_in_the_history
                the_death_of_a_session_counts_for_what_it_was_handed
                a_redrive_starts_at_attempt_1_and_keeps_the_history
                the_history_tells_attempt_time_and_cause
                the_history_keeps_the_latest_records
                a_long_cause_is_cut_between_characters
                attempts_belong_to_one_message
                a_retry_makes_nothing_younger
                the_age_of_a_delayed_message_counts_from_when_it_was_due
                the_age_of_a_redriven_message_counts_from_the_redrive
            }
            delay {
                a_delayed_message_is_never_early
                a_delayed_message_is_hardly_late_for_a_waiting_receiver
                a_delayed_message_is_hardly_late_for_another_process
                an_absolute_time_is_kept
                no_delay_and_a_time_that_has_passed_mean_now
                a_delayed_message_is_scheduled_and_then_ready
                what_is_due_first_comes_first
                a_delayed_message_keeps_nobody_waiting
                a_sooner_message_reaches_one_who_waits_for_a_later
                many_that_are_due_together_come_in_time
                each_delay_of_a_batch_is_its_own
                a_delay_of_hours_is_kept
                the_longest_delay_keeps_nobody_waiting
                a_retry_after_a_while_is_not_early_and_hardly_late
                a_release_after_a_while_is_not_early_and_hardly_late
                what_is_given_back_at_once_reaches_a_waiting_receiver
            }
            expiry {
                a_message_is_delivered_until_it_expires
                a_ready_message_expires
                a_scheduled_message_expires
                a_message_that_expires_when_it_is_due_is_not_delivered
                a_message_that_has_expired_before_it_is_published_is_not_delivered
                an_absolute_expiry_is_kept
                an_expired_message_leaves_the_others
                a_running_message_finishes
                a_retry_after_the_expiry_removes_the_message
                a_release_after_the_expiry_removes_the_message
                a_dead_letter_after_the_expiry_removes_the_message
                a_message_given_back_in_time_still_expires
                a_lease_that_runs_out_after_the_expiry_removes_the_message
                a_dead_letter_does_not_expire
                a_redrive_lifts_the_expiry
                a_redrive_before_the_expiry_lifts_it_too
            }
            idempotency {
                a_repeated_key_answers_with_the_first_id_and_adds_nothing
                the_first_message_stands_whatever_its_repetition_says
                other_keys_are_other_messages
                a_message_without_a_key_is_never_a_duplicate
                each_queue_has_keys_of_its_own
                a_repetition_inside_one_batch_is_a_duplicate_of_the_first
                a_repetition_across_batches_is_a_duplicate
                a_duplicate_says_whether_the_fingerprint_is_the_same
                the_fingerprint_of_the_first_message_stays
                the_fingerprint_outlives_the_message
                a_refused_message_leaves_no_key
                keys_are_counted
                too_many_keys_are_refused_all_or_nothing
                a_nack_is_not_refused_for_want_of_room_for_keys
                many_publishers_of_one_key_make_one_message
                batches_that_share_keys_in_another_order_all_go_through
            }
            idempotency_paths {
                a_key_is_known_while_its_message_is_scheduled
                a_key_is_known_while_its_message_is_ready
                a_key_is_known_while_its_message_is_leased
                a_key_is_known_after_the_ack
                a_key_is_known_after_the_ack_of_one_in_a_batch
                a_key_is_known_after_a_cancel_by_id
                a_key_is_known_after_a_cancel_by_key
                a_key_is_known_after_the_expiry
                a_key_is_known_after_a_purge
                a_key_is_known_while_its_message_is_a_dead_letter
                a_key_is_known_after_its_dead_letter_was_deleted
                a_key_is_known_after_a_redrive_and_its_ack
                a_key_is_known_after_a_retry_and_its_ack
                a_key_is_known_after_a_release
                a_key_is_known_after_a_lease_ran_out
                a_key_is_known_to_every_session_and_process
            }
            idempotency_window {
                the_window_begins_at_acceptance_and_ends
                a_key_that_comes_again_after_its_window_has_one_of_its_own
                a_duplicate_does_not_begin_the_window_anew
                the_window_of_a_delayed_message_begins_when_it_is_due
                a_retry_begins_the_window_anew
                a_dead_letter_begins_the_window_anew
                a_redrive_begins_the_window_anew
                a_redrive_begins_a_window_that_had_ended
                a_release_leaves_the_window_as_it_was
                a_lease_that_ran_out_leaves_the_window_as_it_was
                a_later_message_keeps_the_key_when_the_earlier_one_is_redriven
                a_window_of_nothing_remembers_nothing
            }
            order {
                messages_come_in_the_order_in_which_they_were_published
                messages_of_a_batch_come_in_its_order
                the_order_goes_on_over_batches_of_any_size
                the_order_goes_on_over_sessions_and_processes
                each_of_two_receivers_sees_the_order
                each_publisher_sees_its_own_order_kept
                each_fairness_key_keeps_its_order
                the_order_does_not_come_from_the_ids
                what_is_taken_from_the_middle_leaves_the_order_whole
                what_is_given_back_goes_behind_what_is_ready
                what_is_given_back_leaves_the_order_of_first_deliveries
                what_is_parked_by_a_delay_lets_the_others_keep_their_order
            }
            queues {
                a_queue_is_made_once
                an_unknown_queue_is_not_found
                the_configuration_is_kept_whole
                an_opener_who_asks_for_another_configuration_is_told_which_field
                a_configuration_out_of_bounds_makes_and_changes_nothing
                queues_are_listed_by_name_in_order
                queues_do_not_see_each_other
                a_handle_says_what_it_is
                a_deleted_queue_takes_everything_with_it
                deleting_a_queue_ends_its_sessions_at_once
            }
            queue_updates {
                an_update_is_kept
                another_lease_holds_from_the_next_delivery_on
                a_larger_capacity_lets_waiting_publishers_go
                a_smaller_capacity_drops_nothing_and_takes_nothing_until_there_is_room
                another_idempotency_window_holds_for_the_next_key
                another_idempotency_limit_holds_at_once
                a_smaller_dead_letter_limit_lets_the_oldest_go_and_counts_them
                another_dead_letter_retention_takes_effect
                keeping_ended_messages_can_be_turned_on_and_off
            }
            capacity {
                capacity_counts_scheduled_ready_and_leased
                dead_letters_and_remembered_keys_take_no_room
                full_comes_after_the_patience_and_not_before
                full_says_which_queue_what_and_how_many
                nothing_is_dropped_to_make_room
                a_batch_that_does_not_fit_whole_is_not_taken_in_part
                a_batch_larger_than_the_capacity_is_refused_at_once
                known_keys_are_answered_although_the_queue_is_full
                settlement_is_never_refused_for_want_of_room
                a_lease_that_runs_out_needs_no_room_and_makes_none
            }
            room {
                an_ack_lets_a_waiting_publisher_go
                a_dead_letter_lets_a_waiting_publisher_go
                a_cancel_lets_a_waiting_publisher_go
                a_purge_lets_a_waiting_publisher_go
                an_expiry_lets_a_waiting_publisher_go
                a_release_and_a_retry_make_no_room
                publishers_go_in_order_of_arrival
                room_for_all_lets_all_go_in_order_of_arrival
                a_bigger_batch_at_the_front_is_not_overtaken
                who_runs_out_of_patience_lets_the_next_go
                who_is_dropped_lets_the_next_go
                a_publisher_who_waits_for_a_key_goes_when_a_window_ends
            }
            cancel {
                a_ready_message_is_cancelled_and_never_delivered
                a_scheduled_message_is_cancelled_and_never_delivered
                a_key_names_the_message_to_cancel
                a_running_message_is_not_cancelled
                a_message_that_was_given_back_is_cancelled
                a_message_whose_lease_has_run_out_is_cancelled
                an_unknown_message_is_not_found
                a_key_within_its_window_outlives_its_message
                a_cancelled_key_is_still_known
                a_dead_letter_is_already_over_until_it_is_redriven
                cancelling_twice_is_harmless
            }
            pause_and_purge {
                pause_stops_hand_outs_on_every_handle_of_every_session
                a_receiver_who_waits_gets_nothing_until_the_queue_goes_on
                publishing_goes_on_while_paused
                running_work_goes_on_while_paused
                pause_and_resume_are_idempotent
                time_goes_on_while_paused
                purge_removes_scheduled_and_ready_and_says_how_many
                purge_leaves_running_work_and_dead_letters
                purged_keys_stay_known
                a_paused_queue_is_purged_and_stays_paused
            }
            dead_letters {
                a_dead_letter_keeps_message_errors_attempts_and_times
                a_dead_letter_is_in_exactly_one_place_and_not_delivered
                the_history_is_bounded_and_keeps_the_latest
                dead_letters_are_listed_in_order_of_death_page_by_page
                pages_of_a_filter_have_neither_holes_nor_repeats
                they_are_found_by_id
                they_are_found_by_kind_and_by_fairness_key
                they_are_found_by_the_text_of_the_last_error
                they_are_found_by_age
                everything_that_is_asked_for_must_hold
                they_are_kept_for_the_retention_and_no_longer
                over_their_limit_the_oldest_go_and_are_counted
                they_are_deleted_by_filter_oldest_first
                another_queue_takes_them_where_the_backend_can_and_else_is_refused
            }
            redrive {
                a_redriven_message_starts_anew_and_dies_with_its_whole_history
                a_redrive_is_in_exactly_one_place
                a_redrive_takes_the_oldest_up_to_its_limit_and_keeps_their_order
                a_redrive_takes_only_what_matches
                a_redriven_message_no_longer_expires
                a_redrive_stops_when_the_queue_is_full_and_says_so
                a_redrive_of_nothing_is_not_full
                a_redrive_wakes_a_waiting_receiver
                a_receipt_from_before_the_redrive_settles_nothing
            }
            browse {
                get_shows_a_message_wherever_it_is
                get_of_what_is_unknown_or_gone_shows_nothing
                peek_shows_what_comes_next_without_leasing_it
                a_listing_is_in_order_of_acceptance_page_by_page
                a_page_that_ends_exactly_at_the_end_is_the_last
                what_comes_and_goes_between_pages_neither_repeats_nor_hides_others
                dead_letters_that_go_between_pages_hide_no_others
                a_cursor_of_another_listing_or_of_nobody_is_refused
                a_page_has_bounds
                looking_changes_nothing
                ended_messages_are_kept_for_a_while_or_that_is_refused
                of_too_many_ended_messages_the_oldest_go
            }
            stats {
                a_new_queue_counts_nothing
                each_step_of_a_life_is_counted
                many_messages_in_many_states_are_counted_each_once
                the_end_of_a_lease_is_counted_without_a_receiver
                an_expired_message_is_no_longer_counted
                the_oldest_age_is_of_the_one_that_has_been_ready_longest
                the_oldest_age_of_a_delayed_message_counts_from_when_it_was_due
                remembered_keys_are_counted_until_their_window_ends
                a_pause_is_told
                every_session_and_process_sees_the_same_counts
            }
            limits_and_errors {
                a_payload_of_the_limit_passes_and_a_byte_more_does_not
                headers_of_the_limit_pass_and_more_do_not
                names_and_keys_of_the_limit_pass_and_longer_ones_do_not
                a_batch_of_the_limit_passes_and_one_more_does_not
                a_batch_has_a_limit_of_bytes_too
                too_many_receipts_in_one_call_settle_none
                a_receive_gives_a_batch_at_most_and_asks_for_one_at_least
                an_id_in_use_is_refused
                a_fingerprint_needs_a_key_and_eight_throttle_keys_are_the_most
                a_receipt_that_nobody_gave_settles_nothing
            }
            capabilities {
                weights_are_taken_or_refused
                a_fairness_key_is_carried_by_every_backend
                throttle_keys_are_taken_or_refused
                the_largest_delay_passes_and_a_longer_one_is_refused
                a_durability_that_is_not_there_is_refused
            }
            quiet {
                no_debug_shows_what_is_in_a_message
                no_error_shows_what_is_in_a_message
                no_refused_key_or_header_is_shown
            }
            sessions {
                a_closed_session_answers_closed
                close_answers_those_who_wait_at_once
                close_leaves_other_sessions_alone
                what_was_handed_out_comes_back_after_a_close_by_its_lease
                what_was_not_handed_out_is_free_at_once_after_a_close
                a_dropped_session_releases_what_it_had_not_handed_out
                two_sessions_never_hold_one_message
                a_receiver_is_served_by_a_publish_of_another_session
                closing_the_backend_ends_its_sessions
            }
            cancel_safety {
                a_dropped_receive_loses_nothing
                a_receive_dropped_while_it_waits_passes_its_message_on
                a_receiver_is_not_kept_from_its_message_by_dropped_ones
                a_dropped_publish_is_there_whole_or_not_at_all
                a_dropped_publisher_leaves_no_trace_in_the_line
                a_dropped_ack_is_done_or_not
                a_dropped_nack_leaves_each_message_in_one_place
                a_dropped_extend_leaves_the_holder_its_message
                a_dropped_redrive_leaves_each_message_in_one_place
                a_dropped_cancel_purge_or_deletion_is_done_or_not
                a_dropped_pause_or_resume_is_done_or_not
                a_dropped_create_update_or_delete_is_done_or_not
                a_dropped_open_or_close_holds_nothing
                receives_dropped_at_random_moments_lose_nothing
            }
            crowd {
                many_producers_and_consumers_do_each_message_exactly_once
                several_sessions_and_processes_share_one_queue
                with_failures_and_forgetting_each_message_is_still_acked_once
                every_waiting_receiver_gets_one_of_a_batch
                messages_one_by_one_reach_every_waiting_receiver
                every_waiting_publisher_gets_through_a_small_queue
                of_a_cancel_and_a_receive_exactly_one_wins
                one_key_published_by_many_at_once_is_one_message
                sessions_that_come_and_go_lose_nothing
                a_pause_under_load_holds_everyone
            }
            restart {
                accepted_messages_survive_or_the_queue_is_gone
                the_order_survives_or_the_queue_is_gone
                what_is_over_stays_over
                a_lease_survives_and_ends_at_its_time
                a_holder_goes_on_with_its_lease
                a_receipt_of_before_settles_nothing_in_a_new_queue
                attempts_and_errors_survive
                schedules_survive
                keys_survive
                a_pause_survives
                dead_letters_survive
                queues_and_their_configurations_survive
            }
        }
    };
}
