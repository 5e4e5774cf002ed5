//! Rights in a group, asked just before an entry gets its number.

use super::common::*;
use crate::model::RoomChange;

/// An entry that requires a role.
fn needing(room: &TestRoom, author: &str, require: Role, body: EntryBody) -> NewEntry {
    NewEntry {
        require: Some(require),
        ..entry(&room.id, author, body)
    }
}

/// Whether the store takes each entry of a batch; what it doesn't take, it refuses for a role.
async fn taken(room: &TestRoom, batch: Vec<NewEntry>) -> Vec<bool> {
    let answers = room.store.append(batch).await.into_iter();
    let taken = answers.map(|answer| match answer {
        Ok(_) => true,
        Err(AppendError::NotAllowed) => false,
        Err(error) => panic!("an entry is taken or not allowed: {error}"),
    });
    taken.collect()
}

async fn is_taken(room: &TestRoom, new: NewEntry) -> bool {
    taken(room, vec![new]).await == [true]
}

/// A group of alice, who owns it, mia, a moderator, bob and carol, and rita, a reader. Its entries 1 and 2
/// let mia and rita in.
async fn team(h: &dyn StoreHarness) -> TestRoom {
    let room = TestRoom::owned(h, "group").await;
    room.add("alice", joined_as("mia", Role::Moderator)).await;
    room.add("alice", joined_as("rita", Role::Reader)).await;
    room
}

pub(super) async fn an_entry_needs_an_author_with_the_role_that_it_requires(h: &dyn StoreHarness) {
    let room = team(h).await;
    for (name, role) in [
        ("alice", Some(Role::Owner)),
        ("mia", Some(Role::Moderator)),
        ("bob", Some(Role::Member)),
        ("rita", Some(Role::Reader)),
        ("dave", None),
    ] {
        for require in Role::ALL {
            let (before, new) = (room.head().await, needing(&room, name, require, text("hi")));
            let allowed = is_taken(&room, new).await;
            assert_eq!(allowed, role >= Some(require), "{name} needs {require:?}");
            assert_eq!(room.head().await, before + u64::from(allowed), "no trace");
        }
        assert!(is_taken(&room, entry(&room.id, name, text("any"))).await);
    }
}

pub(super) async fn a_refusal_for_a_role_leaves_no_trace(h: &dyn StoreHarness) {
    let room = team(h).await;
    let before = room.log().await;
    let new = needing(&room, "rita", Role::Member, text("hello"));
    assert!(!is_taken(&room, new.clone()).await);
    assert_eq!(room.log().await, before, "nothing is stored");
    room.add("alice", role("rita", Role::Member)).await;
    let appended = room.append(new).await;
    assert_eq!(
        appended.outcome,
        Outcome::Stored,
        "the client message id was not used up"
    );
}

pub(super) async fn a_retry_is_a_duplicate_whatever_its_author_may_now(h: &dyn StoreHarness) {
    let room = team(h).await;
    let new = needing(&room, "bob", Role::Member, text("hello"));
    let first = room.append(new.clone()).await;
    for change in [role("bob", Role::Reader), left("bob")] {
        room.add("alice", change).await;
        let again = room.append(retry_of(&new)).await;
        assert_eq!(again.outcome, Outcome::Duplicate, "it is stored already");
        assert_eq!(again.entry, first.entry, "it answers with the first");
    }
}

pub(super) async fn the_right_is_asked_within_a_batch(h: &dyn StoreHarness) {
    let room = team(h).await;
    let say = |name| needing(&room, name, Role::Member, text("hello"));
    let batch = vec![
        say("bob"),
        entry(&room.id, "alice", left("bob")),
        say("bob"),
        entry(&room.id, "alice", role("carol", Role::Reader)),
        say("carol"),
        say("dave"),
        entry(&room.id, "alice", joined("dave")),
        say("dave"),
        entry(&room.id, "alice", role("rita", Role::Member)),
        say("rita"),
    ];
    let expected = [
        true, true, false, true, false, false, true, true, true, true,
    ];
    assert_eq!(taken(&room, batch).await, expected, "in their order");
    let seqs = seqs(&room.log().await);
    assert_eq!(seqs, (1..=9).collect::<Vec<_>>(), "without a gap");
}

pub(super) async fn nothing_stands_after_the_loss_of_its_right(h: &dyn StoreHarness) {
    for (name, loss) in [
        ("one", left("bob")),
        ("two", role("bob", Role::Reader)),
        ("three", left("bob")),
    ] {
        let room = TestRoom::owned(h, name).await;
        let mut batches: Vec<Vec<NewEntry>> = Vec::new();
        for number in 0..12 {
            let say = |n| needing(&room, "bob", Role::Member, text(&format!("{number}.{n}")));
            batches.push((0..4).map(say).collect());
        }
        batches.insert(
            6,
            vec![needing(&room, "alice", Role::Moderator, loss.clone())],
        );
        let calls = batches.into_iter().map(|batch| {
            let room = room.clone();
            async move { taken(&room, batch).await }
        });
        at_once(calls).await;
        let log = room.log().await;
        let lost = log.iter().position(|entry| entry.body == loss);
        let lost = lost.expect("the right is taken");
        let after = log[lost..]
            .iter()
            .filter(|entry| entry.author == user("bob"));
        assert_eq!(after.count(), 0, "nothing by bob stands after {loss:?}");
    }
}

pub(super) async fn the_last_owner_stays(h: &dyn StoreHarness) {
    let room = team(h).await;
    let by = |name, body| needing(&room, name, Role::Reader, body);
    for body in [left("alice"), role("alice", Role::Moderator)] {
        assert!(!is_taken(&room, by("alice", body)).await, "the last owner");
    }
    room.add("alice", role("bob", Role::Owner)).await;
    let both = vec![by("alice", left("alice")), by("bob", left("bob"))];
    assert_eq!(
        taken(&room, both).await,
        [true, false],
        "one after the other"
    );

    let room = TestRoom::owned(h, "other").await;
    room.add("alice", role("bob", Role::Owner)).await;
    let calls = [left("alice"), role("bob", Role::Member)]
        .into_iter()
        .zip(["alice", "bob"])
        .map(|(body, name)| {
            let (room, new) = (room.clone(), needing(&room, name, Role::Reader, body));
            async move { is_taken(&room, new).await }
        });
    let answers = at_once(calls).await;
    let gone = answers.into_iter().filter(|gone| *gone).count();
    assert_eq!(gone, 1, "of two last owners at once one stays");
    let owners = room.roles().await.into_iter();
    let owners = owners.filter(|(_, role)| *role == Role::Owner).count();
    assert_eq!(owners, 1);
}

pub(super) async fn the_last_owner_stays_one_whoever_asks(h: &dyn StoreHarness) {
    let room = team(h).await;
    let before = room.log().await;
    for body in [
        left("alice"),
        role("alice", Role::Member),
        joined_as("alice", Role::Member),
    ] {
        let new = entry(&room.id, "host", body.clone());
        assert!(!is_taken(&room, new).await, "{body:?}");
    }
    assert_eq!(room.log().await, before, "nothing is stored");
    room.add("host", role("mia", Role::Owner)).await;
    room.add("host", role("alice", Role::Member)).await;
    for name in ["alice", "bob", "carol", "rita"] {
        room.add("host", left(name)).await;
    }
    room.add("host", left("mia")).await;
    assert!(room.roles().await.is_empty(), "the last member may leave");
}

pub(super) async fn nobody_comes_in_by_themselves_as_a_member(h: &dyn StoreHarness) {
    let room = team(h).await;
    let before = room.log().await;
    for (name, role) in [
        ("rita", Role::Member),
        ("bob", Role::Member),
        ("bob", Role::Reader),
    ] {
        let new = entry(&room.id, name, joined_as(name, role));
        assert!(!is_taken(&room, new).await, "{name} is a member already");
    }
    assert_eq!(room.log().await, before, "nothing is stored");
    let twice = ["dave", "dave"].map(|name| entry(&room.id, name, joined(name)));
    assert_eq!(
        taken(&room, twice.into()).await,
        [true, false],
        "within a batch"
    );
    let archived = RoomChange {
        archived: Some(true),
        ..RoomChange::default()
    };
    room.add("alice", EntryBody::Room(Arc::new(archived))).await;
    let erin = |author| entry(&room.id, author, joined("erin"));
    assert!(!is_taken(&room, erin("erin")).await, "it is archived");
    assert!(is_taken(&room, erin("host")).await, "the host lets in");
}

pub(super) async fn nobody_changes_a_member_of_the_same_role(h: &dyn StoreHarness) {
    let room = team(h).await;
    room.add("alice", joined_as("olga", Role::Owner)).await;
    room.add("alice", joined_as("max", Role::Moderator)).await;
    let before = room.log().await;
    for (author, body) in [
        ("alice", role("olga", Role::Member)),
        ("alice", left("olga")),
        ("mia", left("max")),
        ("mia", left("alice")),
        ("mia", role("max", Role::Reader)),
        ("mia", role("bob", Role::Moderator)),
        ("bob", left("rita")),
        ("mia", joined_as("rita", Role::Member)),
    ] {
        let new = needing(&room, author, Role::Member, body.clone());
        assert!(!is_taken(&room, new).await, "{author}: {body:?}");
    }
    assert_eq!(room.log().await, before, "nothing is stored");
    for (author, body) in [
        ("alice", role("max", Role::Owner)),
        ("mia", role("bob", Role::Reader)),
        ("mia", left("carol")),
        ("mia", joined("dave")),
        ("mia", role("mia", Role::Member)),
        ("rita", left("rita")),
    ] {
        let new = needing(&room, author, Role::Reader, body.clone());
        assert!(is_taken(&room, new).await, "{author}: {body:?}");
    }
}

pub(super) async fn moderators_delete_what_others_but_owners_wrote(h: &dyn StoreHarness) {
    let room = team(h).await;
    let mut written = Vec::new();
    for author in ["bob", "alice", "mia", "carol"] {
        written.push(room.add(author, text("old")).await.seq.0);
    }
    let delete = |author, target| needing(&room, author, Role::Member, delete(target));
    assert!(!is_taken(&room, delete("carol", written[0])).await);
    assert!(is_taken(&room, delete("mia", written[0])).await);
    assert!(
        !is_taken(&room, delete("mia", written[1])).await,
        "an owner's"
    );
    assert!(is_taken(&room, delete("alice", written[2])).await);
    assert!(
        is_taken(&room, delete("carol", written[3])).await,
        "her own"
    );
    for (seq, gone) in written.into_iter().zip([true, false, true, true]) {
        let body = room.at(seq).await.body.clone();
        assert_eq!(body == EntryBody::Deleted, gone, "entry {seq}");
    }
    let edit = needing(&room, "alice", Role::Member, edit(room.head().await, "new"));
    let answer = room.try_append(edit).await;
    assert!(matches!(answer, Err(AppendError::NoTarget)), "{answer:?}");
}

pub(super) async fn a_role_is_given_to_members_only(h: &dyn StoreHarness) {
    let room = team(h).await;
    for require in [None, Some(Role::Moderator)] {
        let new = NewEntry {
            require,
            ..entry(&room.id, "alice", role("dave", Role::Member))
        };
        assert!(!is_taken(&room, new).await, "dave is no member");
    }
    assert_eq!(room.role("dave").await, None);
}

pub(super) async fn a_direct_room_asks_for_no_role(h: &dyn StoreHarness) {
    let room = TestRoom::with(h, "alice,bob", users(["alice", "bob"])).await;
    assert!(is_taken(&room, needing(&room, "alice", Role::Owner, text("hi"))).await);
}
