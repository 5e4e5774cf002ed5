//! The conformance suite catches stores that are broken in what they say of rooms, inboxes and invitations:
//! each by the case that states what it breaks.

mod broken;

use std::sync::Arc;

use async_trait::async_trait;
use broken::BrokenRooms;
use chat_core::{
    memory::MemoryStore,
    port::Store,
    testing::{
        Faulty,
        store::{CASES, StoreHarness},
    },
};

macro_rules! faults {
    ($($fault:ident: $case:literal,)+) => {
        #[derive(Debug, Clone, Copy, PartialEq)]
        enum Fault {
            $($fault,)+
        }

        const CAUGHT: &[(Fault, &str)] = &[$((Fault::$fault, $case),)+];
    };
}

// What is broken, and the case that says so.
faults! {
    // What a room says about itself
    KindIsForgotten: "a_room_has_the_kind_the_maker_and_the_details_given",
    MakerIsForgotten: "a_room_has_the_kind_the_maker_and_the_details_given",
    DetailsAreForgotten: "a_room_has_the_kind_the_maker_and_the_details_given",
    ListsLackDetails: "a_room_has_the_kind_the_maker_and_the_details_given",
    ChangeIsIgnored: "a_change_of_a_room_changes_what_it_names",
    ChangeResetsTheRest: "a_change_of_a_room_changes_what_it_names",
    FirstChangeOfABatchIsLost: "changes_in_one_batch_add_up",
    MembersAreCountedOnce: "a_room_counts_its_members",
    JoiningTwiceCountsTwice: "a_room_counts_its_members",
    EmptyRoomStaysOpen: "a_room_without_members_is_archived",
    FullRoomTakesMore: "an_entry_that_overfills_its_room_is_full",
    FullRoomRefusesItsMembers: "an_entry_that_overfills_its_room_is_full",
    LimitIsCheckedThenKept: "the_limit_of_members_holds_under_many_callers",
    SettingsAreNotAsked: "settings_are_asked_at_the_number",
    ArchiveIsAskedThenStored: "of_a_change_and_a_message_at_once_the_earlier_counts",
    StrangersJoinGroups: "a_stranger_comes_into_a_channel_by_oneself",
    JoiningTwiceIsJoiningAnew: "a_member_knows_when_they_joined",
    FirstJoiningCounts: "a_member_knows_when_they_joined",
    MembersLackWatermarks: "a_member_knows_when_they_joined",
    HistoryIsForAll: "unread_begins_with_joining_where_history_does",
    DirectoryListsGroups: "the_directory_has_the_channels_by_name",
    DirectoryListsArchives: "the_directory_has_the_channels_by_name",
    DirectoryTakesPatterns: "the_directory_has_the_channels_by_name",
    DirectoryHasNoPages: "the_directory_has_the_channels_by_name",
    // Inboxes
    InboxIsInOrderOfIds: "an_inbox_is_in_the_order_of_the_newest_messages",
    AnyEntryMovesARoom: "an_inbox_is_in_the_order_of_the_newest_messages",
    InboxKeepsFormerRooms: "an_inbox_is_in_the_order_of_the_newest_messages",
    InboxPlaceIsATime: "rooms_of_one_moment_are_in_the_order_of_their_ids",
    InboxBeginsWithAfter: "an_inbox_comes_in_pages",
    InboxExceedsTheLimit: "an_inbox_comes_in_pages",
    InboxShowsTheOldText: "an_inbox_shows_the_newest_message_and_what_is_unread",
    InboxIsOpenToStrangers: "an_inbox_shows_the_newest_message_and_what_is_unread",
    InboxShowsWhatWasBefore: "an_inbox_hides_the_message_from_before_joining",
    SetMeResetsTheRest: "a_member_sets_what_a_change_names",
    SetMeIsLost: "a_member_sets_what_a_change_names",
    SetMeIsForAll: "a_member_sets_what_a_change_names",
    MuteStays: "a_member_sets_what_a_change_names",
    SettingsOutliveTheMembership: "what_a_member_has_set_ends_with_the_membership",
    HiddenRoomsNeverReturn: "a_hidden_room_returns_with_the_next_message",
    HidingIsOfAllRooms: "the_members_who_hide_a_room_are_known",
    ShowingAgainStaysHidden: "the_members_who_hide_a_room_are_known",
    HidingHasNoPlace: "the_members_who_hide_a_room_are_known",
    HiddenRoomsAreShown: "a_hidden_room_returns_with_the_next_message",
    ReadRoomsCountAsUnread: "an_inbox_of_unread_rooms_has_those_alone",
    // Readers
    ReadersHaveOnlyReceived: "readers_are_the_members_who_have_read_up_to_the_entry",
    ReadersAreBeyondTheEntry: "readers_are_the_members_who_have_read_up_to_the_entry",
    ReadersBeginWithAfter: "readers_are_the_members_who_have_read_up_to_the_entry",
    ReadersExceedTheLimit: "readers_are_the_members_who_have_read_up_to_the_entry",
    ReadersStayWhenTheyLeave: "readers_are_the_members_who_have_read_up_to_the_entry",
    // Invitations
    InviteIsOverwritten: "an_invitation_is_kept_as_it_was_given",
    InviteForgetsItsRole: "an_invitation_is_kept_as_it_was_given",
    InvitesOfAllRooms: "invitations_come_in_pages_of_their_room",
    InvitesBeginWithAfter: "invitations_come_in_pages_of_their_room",
    InviteHasNoEnd: "an_invitation_is_used_until_its_end",
    UsesAreNotGivenBack: "an_invitation_is_used_until_its_end",
    UsesAreCheckedThenTaken: "an_invitation_has_no_more_uses_than_it_says",
    RemovedInviteOpens: "an_invitation_is_taken_back",
    InviteIsRemovedFromAnyRoom: "an_invitation_is_taken_back",
}

struct Harness(Arc<Faulty<MemoryStore, BrokenRooms>>);

#[async_trait]
impl StoreHarness for Harness {
    fn store(&self) -> Arc<dyn Store> {
        Arc::<Faulty<_, _>>::clone(&self.0)
    }

    async fn reopen(&self) -> bool {
        false
    }
}

#[tokio::test]
async fn every_store_with_broken_rooms_is_caught_by_the_case_of_its_sentence() {
    let mut escaped = Vec::new();
    for (fault, case) in CAUGHT {
        let inner = MemoryStore::default();
        let broken = BrokenRooms::new(*fault, inner.clone());
        let harness = Harness(Arc::new(Faulty::new(inner).hooked(Arc::new(broken))));
        match CASES.run(case, &harness).await {
            Err(text) if !text.starts_with("no end") => {}
            other => escaped.push((fault, case, other)),
        }
    }
    assert!(escaped.is_empty(), "not caught: {escaped:#?}");
}
