//! The conformance suite catches broken stores: each by the case that states what it breaks.

mod broken;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use broken::BrokenStore;
use chat_core::{
    memory::MemoryStore,
    port::Store,
    testing::{
        Faulty, model,
        store::{CASES, StoreHarness},
    },
};

use Fault::*;

macro_rules! faults {
    ($($fault:ident: $case:literal,)+) => {
        #[derive(Debug, Clone, Copy, PartialEq)]
        enum Fault {
            Nothing,
            $($fault,)+
        }

        const CAUGHT: &[(Fault, &str)] = &[$((Fault::$fault, $case),)+];
    };
}

// What is broken, and the case that says so.
faults! {
    // Rooms and members
    CreateGivesTheNewEpoch: "the_same_room_again_is_the_existing_one_untouched",
    CreateIsCheckedThenMade: "of_many_calls_at_once_exactly_one_makes_the_room",
    HeadLags: "a_room_knows_its_newest_number",
    OwnerIsForgotten: "a_new_group_has_its_owner_whether_or_not_listed",
    RolesAreForgotten: "a_new_group_has_its_owner_whether_or_not_listed",
    RoleStays: "a_member_has_the_role_of_the_last_entry_that_gives_one",
    FormerMembersStay: "joined_makes_a_member_and_left_ends_it",
    FormerMembersAreListed: "joining_twice_and_leaving_twice_change_nothing",
    MembersIgnoreCase: "members_come_in_ascending_order",
    MembersBeginWithAfter: "members_come_in_pages",
    MembersTakeAPrefix: "rooms_whose_names_begin_alike_share_nothing",
    RoomsAreUnordered: "rooms_of_a_user_come_in_ascending_order",
    RoomsExceedTheLimit: "rooms_of_a_user_come_in_pages",
    SharedRoomsRepeat: "rooms_with_users_come_once_in_ascending_order_with_their_heads",
    SharedRoomsLackHeads: "rooms_with_users_come_once_in_ascending_order_with_their_heads",
    SharedRoomsBeginWithAfter: "rooms_with_users_come_in_pages",
    // Unread
    UnreadCountsOwn: "unread_counts_messages_of_others_after_read",
    UnreadCountsAllKinds: "unread_does_not_count_edits_deletions_and_members",
    UnreadCountsDeleted: "unread_does_not_count_deleted_messages",
    UnreadHasNoCap: "unread_stops_at_the_cap",
    // Append
    NumbersHaveAGap: "numbers_are_1_2_3_in_each_room",
    NumbersRepeat: "numbers_are_1_2_3_in_each_room",
    NumbersRace: "numbers_have_no_gap_under_many_callers_at_once",
    AppendIsLost: "numbers_are_1_2_3_in_each_room",
    LongBatchIsCut: "a_large_batch_is_stored_whole",
    AnswersAreReversed: "answers_come_in_the_order_of_the_batch",
    BatchIsReversed: "a_batch_is_numbered_in_its_order_room_by_room",
    TextIsTrimmed: "an_entry_is_kept_as_it_was_given",
    BatchIsRefusedAsAWhole: "a_refused_entry_does_not_stop_the_others",
    RefusalStopsTheBatch: "a_refused_entry_does_not_stop_the_others",
    RefusalTakesANumber: "a_refused_entry_leaves_no_trace_and_no_gap",
    RefusalUsesUpTheClientId: "a_refused_entry_leaves_no_trace_and_no_gap",
    FindLooksEverywhere: "an_entry_is_found_by_its_id_in_its_room_only",
    FindTakesAPrefix: "rooms_whose_names_begin_alike_share_nothing",
    // Duplicates
    DuplicateIsStored: "a_retry_answers_with_the_first_entry",
    DuplicateAnswersTheRetry: "a_retry_answers_with_the_first_entry",
    DuplicateInABatchIsStored: "a_duplicate_inside_a_batch_answers_with_the_first_entry",
    DuplicateIsCheckedThenStored: "retries_at_once_are_stored_once",
    ClientIdForgetsTheAuthor: "a_client_id_belongs_to_one_author",
    ClientIdForgetsTheRoom: "a_client_id_belongs_to_one_room",
    ClientIdIgnoresCase: "a_client_id_is_told_apart_to_the_letter",
    ClientIdsAreKeptFor64: "a_client_id_is_known_however_many_follow",
    DuplicateShowsTheOldText: "a_retry_answers_with_the_entry_as_it_stands_now",
    // Edits and deletions
    EditMissesItsTarget: "an_edit_gives_its_target_the_new_text",
    EditTellsNoTime: "an_edit_gives_its_target_the_new_text",
    EditComesLate: "an_edit_and_its_effect_appear_together",
    DeletionLeavesTheText: "a_deletion_leaves_nothing_of_the_text",
    DeletionLeavesTheEdits: "a_deletion_leaves_nothing_of_the_text",
    AnybodyEdits: "what_is_by_somebody_else_has_no_edits_and_deletions",
    // Rights
    RolesAreNotAsked: "an_entry_needs_an_author_with_the_role_that_it_requires",
    RolesAreAskedBeforeTheBatch: "the_right_is_asked_within_a_batch",
    RolesAreAskedThenStored: "nothing_stands_after_the_loss_of_its_right",
    RetriesNeedTheRole: "a_retry_is_a_duplicate_whatever_its_author_may_now",
    LastOwnerLeaves: "the_last_owner_stays",
    OwnersAreNotKept: "the_last_owner_stays_one_whoever_asks",
    MembersComeInAgain: "nobody_comes_in_by_themselves_as_a_member",
    // Pages
    NewestMissesTheNewest: "newest_ends_with_the_newest_entry",
    BeforeIncludesItsNumber: "before_ends_just_below_its_number",
    AfterIncludesItsNumber: "after_begins_just_above_its_number",
    AroundIsOffCentre: "around_has_the_entry_and_up_to_half_of_the_limit_older_ones",
    AroundBeyondIsEmpty: "around_a_number_above_the_newest_reads_like_newest",
    PageIsDescending: "newest_ends_with_the_newest_entry",
    PageExceedsTheLimit: "a_page_has_at_most_limit_entries",
    PageHasAHole: "every_page_is_right_at_every_edge",
    // Receipts
    ReceiptGoesBack: "watermarks_never_go_back",
    ReceiptGoesBeyondTheHead: "a_receipt_beyond_the_head_counts_up_to_the_head",
    ReadWithoutDelivered: "read_implies_delivered",
    ReceiptsRace: "receipts_at_once_are_all_counted",
    ReceiptAlwaysMoves: "a_receipt_that_moves_nothing_is_unchanged",
    JoiningForgetsReceipts: "watermarks_outlive_joining_again",
    LeavingForgetsReceipts: "watermarks_outlive_leaving_and_coming_back",
    WatermarksAreReversed: "watermarks_come_in_the_order_asked",
    TimesAreOfTheLastReceipt: "a_message_has_the_times_of_the_first_receipts_that_passed_it",
    TimesAreOfAnyEntry: "what_no_receipt_has_passed_has_no_times",
    // Looks
    LooksBelongToAll: "a_look_belongs_to_its_first_user",
    LooksAreCheckedThenGiven: "of_many_claims_at_once_one_wins_and_all_hear_which",
    // Decisions
    VersionsRace: "versions_have_no_gap_under_many_callers_at_once",
    VersionsBeginWithAfter: "decisions_come_in_pages",
    ReasonIsLost: "a_decision_of_every_kind_is_kept_as_it_was_given",
    RepeatedDecisionIsStored: "a_repeated_decision_answers_with_the_first",
    RepeatedDecisionIsCheckedThenStored: "repetitions_at_once_are_stored_once",
    DecisionsHaveNoVersion: "versions_are_1_2_3",
    EndedDecisionsStay: "in_force_are_decisions_until_their_end",
    LiftedDecisionsStay: "what_a_later_decision_lifts_is_not_in_force",
    InForceEndsWithAPageOfLifted: "decisions_in_force_come_in_pages",
    // Blocks
    BlockForgetsWhatWasSeen: "a_block_is_kept_as_it_was_given_until_it_ends",
    SecondBlockReplaces: "a_block_that_stands_stays_as_it_is",
    BlocksAreCheckedThenStored: "of_many_blocks_at_once_one_stands_and_all_hear_which",
    BlocksHaveNoDirection: "a_block_has_a_direction",
    BlocksBeginWithAfter: "blocks_by_a_user_come_in_pages_in_ascending_order",
    BlocksIgnoreCase: "blocks_by_a_user_come_in_pages_in_ascending_order",
    BlocksRepeat: "blocks_of_users_by_others_come_once",
    BlocksAreOfBothDirections: "blocks_of_users_by_others_come_once",
    BlocksAreNotAsked: "a_block_forbids_both_to_write_to_their_room",
    OwnBlocksAreNotAsked: "a_block_forbids_both_to_write_to_their_room",
    BlocksForbidDeletions: "a_block_forbids_both_to_write_to_their_room",
    RetriesAreBlocked: "a_retry_is_a_duplicate_whatever_block_there_is_now",
    BlocksAreAskedThenStored: "nothing_is_stored_after_the_answer_to_a_block",
    // Restart
    RestartForgetsAll: "everything_is_there_after_a_restart",
    RestartForgetsClientIds: "duplicates_are_known_after_a_restart",
    CrashForgetsAll: "what_was_answered_is_there_after_a_crash",
    RestartForgetsDecisions: "decisions_are_there_after_a_restart",
    CrashForgetsDecisions: "a_decision_that_was_answered_is_there_after_a_crash",
    RestartForgetsBlocks: "blocks_are_there_after_a_restart",
    CrashForgetsBlocks: "a_block_that_was_answered_is_there_after_a_crash",
}

struct Harness {
    fault: Fault,
    /// The second one after a restart, or a crash, that forgets.
    stores: [Arc<Faulty<MemoryStore, BrokenStore>>; 2],
    open: AtomicUsize,
}

impl Harness {
    fn new(fault: Fault) -> Self {
        Self {
            fault,
            stores: [fault, fault].map(|fault| {
                let inner = MemoryStore::default();
                let broken = BrokenStore::new(fault, inner.clone());
                Arc::new(Faulty::new(inner).hooked(Arc::new(broken)))
            }),
            open: AtomicUsize::new(0),
        }
    }
}

#[async_trait]
impl StoreHarness for Harness {
    fn store(&self) -> Arc<dyn Store> {
        let open = self.open.load(Ordering::Relaxed);
        Arc::<Faulty<_, _>>::clone(&self.stores[open])
    }

    async fn reopen(&self) -> bool {
        if let RestartForgetsAll | RestartForgetsDecisions | RestartForgetsBlocks = self.fault {
            self.open.store(1, Ordering::Relaxed);
        }
        self.stores[0].hooks.restarted();
        true
    }

    async fn crash(&self) -> bool {
        if let CrashForgetsAll | CrashForgetsDecisions | CrashForgetsBlocks = self.fault {
            self.open.store(1, Ordering::Relaxed);
        }
        true
    }
}

#[tokio::test]
async fn every_broken_store_is_caught_by_the_case_of_its_sentence() {
    let mut escaped = Vec::new();
    for (fault, case) in CAUGHT {
        match CASES.run(case, &Harness::new(*fault)).await {
            Err(text) if !text.starts_with("no end") => {}
            other => escaped.push((fault, case, other)),
        }
    }
    assert!(escaped.is_empty(), "not caught: {escaped:#?}");
}

#[tokio::test]
async fn the_same_store_with_nothing_broken_passes() {
    for case in CASES.names() {
        let passed = CASES.run(case, &Harness::new(Nothing)).await;
        assert_eq!(passed, Ok(()), "{case}");
    }
}

#[test]
fn random_commands_find_no_fault_where_nothing_is_broken() {
    model::check(32, async || Harness::new(Nothing));
}

#[test]
fn random_commands_find_what_is_broken_too() {
    for fault in [
        ClientIdForgetsTheRoom,
        DuplicateShowsTheOldText,
        DeletionLeavesTheEdits,
        BeforeIncludesItsNumber,
        UnreadCountsDeleted,
        ReadWithoutDelivered,
        RestartForgetsClientIds,
    ] {
        let check = || model::check(256, async || Harness::new(fault));
        assert!(catch_unwind(check).is_err(), "{fault:?} is not found");
    }
}

#[test]
fn a_difference_is_told_in_20_lines_and_found_again_by_its_seed() {
    let fresh = async || Harness::new(UnreadCountsDeleted);
    let text = |check: &dyn Fn()| {
        let panic = catch_unwind(AssertUnwindSafe(check)).unwrap_err();
        *panic.downcast::<String>().unwrap()
    };
    let first = text(&|| model::check(256, fresh));
    assert!(first.lines().count() <= 20, "{first}");
    let call = first.strip_prefix("model::check_seed(").unwrap();
    let (seed, _) = call.split_once(',').unwrap();
    let seed: u64 = seed.parse().unwrap();
    let second = text(&|| model::check_seed(seed, 256, fresh));
    assert_eq!(first, second);
}
