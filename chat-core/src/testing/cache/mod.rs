//! The conformance cases of a [`Cache`](crate::port::Cache): one for each sentence of its contract.

#![allow(
    clippy::wildcard_imports,
    reason = "the cases share one vocabulary, and the table names them all"
)]

mod common;
mod history;
mod presence;
mod rate;

pub use common::CacheHarness;

use super::suite::suite;
use history::*;
use presence::*;
use rate::*;

suite! { $ cache_conformance: cache, dyn CacheHarness;
    // Presence
    the_first_lease_brings_a_user_online_and_others_change_nothing,
    of_many_devices_at_once_exactly_one_is_the_first,
    a_lease_that_is_not_renewed_ends,
    a_renewed_lease_ends_its_time_after_the_renewal,
    who_went_offline_can_come_online_again,
    the_end_of_the_last_lease_takes_the_user_offline_and_sets_last_seen,
    a_user_is_online_while_any_lease_lives,
    of_many_devices_that_leave_at_once_exactly_one_is_the_last,
    a_lease_that_ran_out_keeps_nobody_online,
    releasing_what_is_not_there_changes_nothing,
    releasing_a_lease_of_somebody_else_changes_nothing,
    presence_answers_in_the_order_asked,
    a_forgotten_user_was_never_there,
    online_gives_each_user_once_in_ascending_order,
    online_gives_at_most_the_limit,
    a_user_whose_last_lease_ran_out_is_given_once,
    many_callers_share_out_those_who_expired,
    take_expired_gives_at_most_the_limit_and_the_rest_later,
    who_expired_was_last_seen_at_the_end_of_the_lease,
    who_is_back_online_has_not_expired,
    who_left_or_has_another_device_has_not_expired,
    // Budgets
    a_window_allows_its_limit_and_then_mutes,
    a_window_that_is_over_begins_anew,
    a_steady_budget_allows_its_burst_and_then_its_rate,
    of_many_requests_at_once_only_the_budget_is_allowed,
    a_refusal_costs_nothing,
    budgets_of_different_keys_do_not_touch_each_other,
    // Windows
    a_window_gives_the_entries_it_was_filled_with,
    a_forgotten_window_is_not_given,
    entries_come_back_as_they_were_given,
    a_window_that_stands_elsewhere_is_not_given,
    what_a_window_does_not_hold_whole_is_not_given,
    a_window_has_at_most_its_newest_entries,
    filling_from_further_back_changes_nothing,
    filling_from_there_or_further_on_replaces_the_window,
    a_window_of_another_epoch_gives_way_to_a_fill,
    a_window_takes_the_entries_that_follow,
    an_entry_that_does_not_follow_changes_nothing,
    an_edit_or_deletion_leaves_nothing_but_itself,
    what_was_edited_or_deleted_does_not_come_back_late,
    an_edit_or_deletion_that_is_past_changes_nothing,
    windows_of_different_rooms_do_not_touch_each_other,
    a_window_has_no_hole_however_many_write_at_once,
}
