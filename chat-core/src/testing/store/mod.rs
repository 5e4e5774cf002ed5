//! Conformance cases for [`Store`](crate::port::Store).
//!
//! ```
//! use std::sync::Arc;
//! use chat_core::{memory::MemoryStore, port::Store, testing};
//! use chat_core::testing::store::{CASES, StoreHarness};
//!
//! #[derive(Default)]
//! struct Harness(Arc<MemoryStore>);
//!
//! #[async_trait::async_trait]
//! impl StoreHarness for Harness {
//!     fn store(&self) -> Arc<dyn Store> {
//!         self.0.clone()
//!     }
//!
//!     async fn reopen(&self) -> bool {
//!         false // it doesn't outlive its process
//!     }
//! }
//!
//! /// Called for each case: an empty store.
//! async fn fresh() -> Harness {
//!     Harness::default()
//! }
//!
//! chat_core::store_conformance!(fresh);
//!
//! // And in a `#[test]`: the answers to random commands, beside those of the memory store.
//! testing::model::check(2, fresh);
//!
//! # testing::block_on(async {
//! // A single case, to see for instance that a store that is broken on purpose is caught:
//! let verdict = CASES.run("watermarks_never_go_back", &fresh().await).await;
//! assert_eq!(verdict, Ok(()));
//! # });
//! ```

#![allow(
    clippy::wildcard_imports,
    reason = "the cases share one vocabulary, and the table names them all"
)]

mod append;
mod blocks;
mod common;
mod decisions;
mod details;
mod duplicates;
mod edits;
mod effects;
mod erasure;
mod inbox;
mod invites;
mod looks;
mod pages;
mod receipts;
mod restart;
mod rights;
mod rooms;
mod unread;

pub use common::StoreHarness;

use super::suite::suite;
use append::*;
use blocks::*;
use decisions::*;
use details::*;
use duplicates::*;
use edits::*;
use effects::*;
use erasure::*;
use inbox::*;
use invites::*;
use looks::*;
use pages::*;
use receipts::*;
use restart::*;
use rights::*;
use rooms::*;
use unread::*;

suite! {
    $ store_conformance: store, dyn StoreHarness;
    // Rooms and members
    a_new_room_has_the_given_epoch_and_head_0,
    the_same_room_again_is_the_existing_one_untouched,
    of_many_calls_at_once_exactly_one_makes_the_room,
    a_room_knows_its_newest_number,
    a_room_that_does_not_exist_has_nothing,
    only_members_are_members,
    members_come_in_ascending_order,
    members_come_in_pages,
    a_new_group_has_its_owner_whether_or_not_listed,
    a_member_has_the_role_of_the_last_entry_that_gives_one,
    joined_makes_a_member_and_left_ends_it,
    joining_twice_and_leaving_twice_change_nothing,
    a_refused_entry_moves_no_member,
    rooms_of_a_user_come_in_ascending_order,
    rooms_of_a_user_come_in_pages,
    rooms_of_a_user_have_their_heads_and_the_users_own_watermarks,
    rooms_with_users_come_once_in_ascending_order_with_their_heads,
    rooms_with_users_come_in_pages,
    rooms_whose_names_begin_alike_share_nothing,
    names_are_told_apart_to_the_letter,
    // What a room says about itself
    a_room_has_the_kind_the_maker_and_the_details_given,
    a_change_of_a_room_changes_what_it_names,
    changes_in_one_batch_add_up,
    a_room_counts_its_members,
    a_room_without_members_is_archived,
    an_entry_that_overfills_its_room_is_full,
    the_limit_of_members_holds_under_many_callers,
    settings_are_asked_at_the_number,
    of_a_change_and_a_message_at_once_the_earlier_counts,
    a_stranger_comes_into_a_channel_by_oneself,
    a_member_knows_when_they_joined,
    unread_begins_with_joining_where_history_does,
    the_directory_has_the_channels_by_name,
    // Taking back
    a_deleted_room_is_gone_and_can_be_made_anew,
    rooms_about_a_user_hold_something_of_them,
    entries_about_a_user_come_in_ascending_order,
    an_erased_user_is_gone_from_a_room_and_no_number_is_missing,
    an_erased_user_is_gone_from_looks_blocks_and_decisions,
    // Inboxes
    an_inbox_is_in_the_order_of_the_newest_messages,
    rooms_of_one_moment_are_in_the_order_of_their_ids,
    an_inbox_comes_in_pages,
    an_inbox_shows_the_newest_message_and_what_is_unread,
    an_inbox_hides_the_message_from_before_joining,
    a_member_sets_what_a_change_names,
    what_a_member_has_set_ends_with_the_membership,
    a_hidden_room_returns_with_the_next_message,
    the_members_who_hide_a_room_are_known,
    an_inbox_of_unread_rooms_has_those_alone,
    // Invitations
    an_invitation_is_kept_as_it_was_given,
    invitations_come_in_pages_of_their_room,
    an_invitation_is_used_until_its_end,
    an_invitation_has_no_more_uses_than_it_says,
    an_invitation_is_taken_back,
    // Unread
    unread_counts_messages_of_others_after_read,
    unread_does_not_count_edits_deletions_and_members,
    unread_does_not_count_deleted_messages,
    unread_stops_at_the_cap,
    // Append
    numbers_are_1_2_3_in_each_room,
    numbers_have_no_gap_under_many_callers_at_once,
    a_batch_is_numbered_in_its_order_room_by_room,
    a_large_batch_is_stored_whole,
    answers_come_in_the_order_of_the_batch,
    an_empty_batch_has_no_answers,
    an_entry_is_kept_as_it_was_given,
    a_refused_entry_does_not_stop_the_others,
    a_refused_entry_leaves_no_trace_and_no_gap,
    an_entry_for_no_room_is_refused_and_makes_none,
    a_reader_never_sees_a_hole,
    a_dropped_append_leaves_all_or_nothing,
    an_entry_is_found_by_its_id_in_its_room_only,
    // Duplicates
    a_retry_answers_with_the_first_entry,
    a_retry_stores_nothing,
    a_duplicate_inside_a_batch_answers_with_the_first_entry,
    retries_at_once_are_stored_once,
    a_client_id_belongs_to_one_author,
    a_client_id_belongs_to_one_room,
    a_client_id_is_told_apart_to_the_letter,
    a_client_id_is_known_however_many_follow,
    a_client_id_counts_for_entries_of_all_kinds,
    a_duplicate_has_no_effects,
    a_retried_deletion_is_a_duplicate_too,
    a_retry_answers_with_the_entry_as_it_stands_now,
    // Edits and deletions
    an_edit_gives_its_target_the_new_text,
    an_edit_leaves_all_else_as_it_was,
    a_second_edit_replaces_the_first,
    an_edit_is_an_entry_of_its_own,
    a_deletion_leaves_nothing_of_the_text,
    a_deletion_leaves_other_messages_alone,
    an_edit_and_its_target_may_stand_in_one_batch,
    what_is_no_message_has_no_edits_and_deletions,
    what_is_deleted_has_no_edits_and_deletions,
    what_is_by_somebody_else_has_no_edits_and_deletions,
    a_target_is_looked_for_in_its_room_only,
    an_edit_and_its_effect_appear_together,
    edits_racing_with_a_deletion_leave_no_text,
    // Effects, for each kind of entry
    an_entry_of_every_kind_is_kept_as_it_was_given,
    an_entry_without_effect_changes_nothing_else,
    replace_gives_its_target_another_text,
    erase_leaves_nothing_of_its_target,
    admit_makes_its_user_a_member,
    assign_gives_its_user_the_role,
    dismiss_ends_the_membership_of_its_user,
    // Rights
    an_entry_needs_an_author_with_the_role_that_it_requires,
    a_refusal_for_a_role_leaves_no_trace,
    a_retry_is_a_duplicate_whatever_its_author_may_now,
    the_right_is_asked_within_a_batch,
    nothing_stands_after_the_loss_of_its_right,
    the_last_owner_stays,
    the_last_owner_stays_one_whoever_asks,
    nobody_comes_in_by_themselves_as_a_member,
    nobody_changes_a_member_of_the_same_role,
    moderators_delete_what_others_but_owners_wrote,
    a_role_is_given_to_members_only,
    a_direct_room_asks_for_no_role,
    // Pages
    newest_ends_with_the_newest_entry,
    before_ends_just_below_its_number,
    after_begins_just_above_its_number,
    around_has_the_entry_and_up_to_half_of_the_limit_older_ones,
    around_a_number_above_the_newest_reads_like_newest,
    a_page_has_at_most_limit_entries,
    a_page_of_an_empty_room_is_empty,
    every_page_is_right_at_every_edge,
    pages_show_entries_as_they_stand_now,
    // Receipts
    a_receipt_moves_the_watermark,
    read_implies_delivered,
    delivered_does_not_imply_read,
    readers_are_the_members_who_have_read_up_to_the_entry,
    watermarks_never_go_back,
    a_receipt_beyond_the_head_counts_up_to_the_head,
    a_receipt_that_moves_nothing_is_unchanged,
    a_receipt_in_a_room_that_does_not_exist_is_unchanged,
    receipts_at_once_are_all_counted,
    watermarks_come_in_the_order_asked,
    watermarks_belong_to_one_room_and_one_user,
    watermarks_outlive_joining_again,
    watermarks_outlive_leaving_and_coming_back,
    a_message_has_the_times_of_the_first_receipts_that_passed_it,
    what_no_receipt_has_passed_has_no_times,
    // Decisions
    versions_are_1_2_3,
    old_decisions_are_forgotten_unless_in_force,
    versions_have_no_gap_under_many_callers_at_once,
    a_decision_of_every_kind_is_kept_as_it_was_given,
    a_repeated_decision_answers_with_the_first,
    repetitions_at_once_are_stored_once,
    decisions_come_in_pages,
    in_force_are_decisions_until_their_end,
    what_a_later_decision_lifts_is_not_in_force,
    decisions_in_force_come_in_pages,
    // Looks
    a_look_belongs_to_its_first_user,
    of_many_claims_at_once_one_wins_and_all_hear_which,
    // Blocks
    a_block_is_kept_as_it_was_given_until_it_ends,
    a_block_that_stands_stays_as_it_is,
    of_many_blocks_at_once_one_stands_and_all_hear_which,
    a_block_has_a_direction,
    blocks_by_a_user_come_in_pages_in_ascending_order,
    blocks_of_users_by_others_come_once,
    a_block_forbids_both_to_write_to_their_room,
    a_retry_is_a_duplicate_whatever_block_there_is_now,
    nothing_is_stored_after_the_answer_to_a_block,
    // Restart
    everything_is_there_after_a_restart,
    numbers_go_on_after_a_restart,
    duplicates_are_known_after_a_restart,
    a_room_is_the_same_after_a_restart,
    what_was_answered_is_there_after_a_crash,
    decisions_are_there_after_a_restart,
    a_decision_that_was_answered_is_there_after_a_crash,
    blocks_are_there_after_a_restart,
    a_block_that_was_answered_is_there_after_a_crash,
}
