//! Every store keeps the same promises. One line per store, at the end.
//!
//! The judge is the core itself, so that what is promised here is what the broker does. PostgreSQL
//! comes from `TIERLINK_TEST_POSTGRES`, the address of a server on which databases may be made;
//! each test makes its own and drops it.

#![expect(clippy::unwrap_used, reason = "the steps between a test and its claim")]
#![expect(clippy::panic, reason = "a test without its server must not pass")]

mod acting;
mod arriving;
mod booking;
mod county;
mod delivering;
mod looking;
mod moving;
mod open;
mod racing;
mod reaching;
mod running;
mod said;
mod surging;
mod systems;
mod twins;

macro_rules! keeps_its_promises {
    ($store:ident: $($module:ident { $($promise:ident)* })*) => {
        mod $store {
            $($(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                let place = crate::open::$store().await;
                crate::$module::$promise(&place).await;
                place.clear().await;
            })*)*
        }
    };
    ($store:ident) => {
        keeps_its_promises!($store:
            acting {
                every_act_is_listed_with_who_and_why
                acts_are_found_by_what_where_who_and_when
                what_is_so_already_is_not_recorded_again
                an_act_and_its_record_are_written_together_or_not_at_all
                acts_of_the_release_before_are_listed_too
                what_would_be_left_behind_is_counted_and_agreed_to_by_name
            }
            arriving {
                what_was_written_is_what_is_read
                a_message_shows_the_code_maps_that_read_and_wrote_it
                a_repeat_gets_the_first_verdict_again
                a_repeat_within_one_batch_is_a_repeat
                the_same_id_with_other_content_is_a_conflict
                a_refused_message_is_judged_anew_when_it_comes_again
                messages_of_one_batch_see_each_other
                a_batch_is_written_whole_or_not_at_all
                what_cannot_be_stored_is_refused_by_its_field
                refusals_are_kept_within_a_limit
                a_refusal_shows_the_system_and_the_code_map_that_read_it
                of_what_is_refused_the_beginning_is_kept_and_no_more_than_a_budget
                a_query_is_answered_to_the_asker_alone
                a_case_is_found_by_every_name_it_has
            }
            booking {
                a_room_is_given_to_one_case_at_a_time
                two_cases_never_get_one_room_however_they_race
                a_slot_has_only_its_places
                slots_taken_back_are_gone
                slots_come_in_pages
            }
            delivering {
                only_the_first_of_a_line_goes_to_the_bus
                a_delivery_is_known_however_it_ended
                what_must_be_sent_is_known_by_its_hash
                what_was_changed_before_it_was_marked_is_queued_again
                what_was_changed_on_the_bus_is_queued_again_once
                a_parked_delivery_holds_its_line_and_no_other
                a_replay_makes_older_copies_void
                a_dropped_delivery_lets_its_followers_go
                a_wait_is_respected
                a_wait_from_a_wrong_clock_is_over
                an_answer_may_overtake_the_publishing
                what_was_taken_in_an_older_round_is_taken
                a_paused_lane_keeps_its_deliveries
                silence_is_remembered_until_an_answer
                what_a_forgetful_road_held_is_queued_again
                what_a_moving_lane_left_behind_is_queued_again
                a_silent_lane_proves_nothing
                receipts_stand_in_the_line_of_their_case
                numbers_within_a_line_have_no_gaps
                events_are_announced_once
            }
            looking {
                a_stranger_sees_nothing
                pages_show_each_case_once
                pages_show_each_parked_delivery_once
                the_most_urgent_come_first
                a_cursor_tells_nothing_of_a_case_of_others
                what_was_touched_last_waits_behind
                a_past_target_sees_up_to_its_end
                a_case_that_has_left_is_listed_as_it_was_then
                pages_are_full_although_cases_have_left
                linked_cases_are_told_to_those_who_have_a_part_in_them
                lists_show_what_the_core_says
                lists_narrow_down
                lanes_and_figures_count_what_is_there
                a_target_sees_nothing_before_the_review_let_the_case_go
                a_past_target_is_not_told_how_urgent_a_case_became
            }
            moving {
                a_delivery_moves_only_as_the_core_says
            }
            racing {
                one_message_taken_twice_at_once_is_accepted_once
                two_decisions_on_one_case_come_one_after_the_other
                one_number_opens_one_case_however_it_races
                counters_are_never_given_twice
                a_lease_has_one_holder_at_a_time
                a_lease_from_a_wrong_clock_is_taken_once_it_is_abandoned
            }
            systems {
                two_systems_may_use_one_message_id
                each_system_has_its_own_line_of_a_case
                a_parked_delivery_of_one_system_holds_no_other
                each_system_has_a_lane_of_its_own
                what_one_lane_lost_is_queued_again_for_it_alone
                a_receipt_goes_back_to_the_system_that_said_it
            }
            running {
                deadlines_escalate_and_move_on
                migrating_twice_is_harmless
                old_tables_are_refused
                newer_tables_are_no_obstacle
                tokens_live_until_they_are_revoked
                a_dropped_caller_harms_nobody
                a_healthy_store_says_so
                no_case_ends_while_the_clock_is_in_doubt
                what_no_clock_wrote_wrongly_is_left_as_it_is
                a_store_tells_the_time_that_it_knows
                a_database_that_cannot_hold_every_character_is_refused
            }
        );
    };
}

keeps_its_promises!(sqlite);
keeps_its_promises!(postgres);
