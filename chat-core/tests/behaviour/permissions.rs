//! The permission table as the engine asks it: random acts beside a small model, and an embedder's policy.

use std::{
    collections::{BTreeMap, HashMap},
    env,
    hash::{BuildHasher, RandomState},
};

use chat_core::{
    Action, ChatEngine, Error, ErrorCode, Role, RoomId, Seq, UserId,
    port::{Policy, Request},
};

use crate::common::{engine, unlimited, user};

/// Random numbers from a seed (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % 1_000_003).unwrap() % end
    }

    fn of<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.below(values.len())]
    }
}

#[derive(Debug, Clone, Copy)]
enum Act {
    Send,
    Read,
    Type,
    Delete(Seq),
    Add(&'static str, Role),
    Remove(&'static str),
    Change(&'static str, Role),
}

/// What a group is to be like.
struct Model {
    roles: BTreeMap<&'static str, Role>,
    /// The authors of the messages that are not deleted.
    written: HashMap<Seq, &'static str>,
}

impl Model {
    fn owners(&self) -> usize {
        let roles = self.roles.values();
        roles.filter(|role| **role == Role::Owner).count()
    }

    /// The code that an act leads to. What changes is noted.
    fn act(&mut self, by: &'static str, act: Act) -> Option<u16> {
        let Some(mine) = self.roles.get(by).copied() else {
            return Some(200);
        };
        let theirs = |user: &str| self.roles.get(user).copied();
        let gives = |role| mine == Role::Owner || role <= Role::Member;
        let may = match act {
            Act::Read => true,
            Act::Send | Act::Type => mine >= Role::Member,
            Act::Delete(seq) => match self.written.get(&seq) {
                _ if mine < Role::Member => false,
                None => return Some(201),
                Some(author) if *author == by || mine == Role::Owner => true,
                Some(author) => mine == Role::Moderator && theirs(author) != Some(Role::Owner),
            },
            Act::Add(user, role) if mine >= Role::Member => match theirs(user) {
                Some(now) => now == role,
                None => gives(role),
            },
            Act::Remove(user) | Act::Change(user, _) if user == by => {
                let after = match act {
                    Act::Change(_, role) => Some(role),
                    _ => None,
                };
                let alone = self.roles.len() == 1 && after.is_none();
                let last = mine == Role::Owner && self.owners() == 1 && !alone;
                after <= Some(mine) && !(last && after != Some(mine))
            }
            Act::Remove(user) if mine >= Role::Moderator => theirs(user) < Some(mine),
            Act::Change(user, role) if mine >= Role::Moderator => match theirs(user) {
                None => false,
                Some(now) => now == role || now < mine && gives(role),
            },
            Act::Add(..) | Act::Remove(_) | Act::Change(..) => false,
        };
        if !may {
            return Some(202);
        }
        match act {
            Act::Add(user, role) | Act::Change(user, role) => drop(self.roles.insert(user, role)),
            Act::Remove(user) => drop(self.roles.remove(user)),
            Act::Delete(seq) => drop(self.written.remove(&seq)),
            Act::Send | Act::Read | Act::Type => {}
        }
        None
    }
}

/// `CHAT_ACTS` says how many acts are tried, `CHAT_SEED` repeats a run.
#[tokio::test]
async fn random_acts_are_allowed_and_refused_as_by_a_small_model() {
    const NAMES: [&str; 5] = ["alice", "bob", "carol", "dave", "erin"];
    const ROUND: usize = 500;
    let number = |name| {
        env::var(name)
            .ok()
            .and_then(|text| text.parse::<u64>().ok())
    };
    let acts = number("CHAT_ACTS").map_or(100_000, |acts| usize::try_from(acts).unwrap());
    let seed = number("CHAT_SEED").unwrap_or_else(|| RandomState::new().hash_one(acts)) | 1;
    println!("CHAT_SEED={seed}");
    let mut random = Random(seed);
    let engine = engine();
    for round in 0..acts.div_ceil(ROUND) {
        let room = RoomId::group(format!("room {round}")).unwrap();
        engine
            .create_group(room.clone(), user("alice"), vec![user("bob")])
            .await
            .unwrap();
        let mut model = Model {
            roles: [("alice", Role::Owner), ("bob", Role::Member)].into(),
            written: HashMap::new(),
        };
        for _ in 0..ROUND {
            let (by, about, role) = (random.of(&NAMES), random.of(&NAMES), random.of(&Role::ALL));
            let act = match random.below(10) {
                0..=1 => Act::Send,
                2 => Act::Read,
                3 => Act::Type,
                4 => Act::Delete(Seq(random.below(40).try_into().unwrap())),
                5..=6 => Act::Add(about, role),
                7 => Act::Remove(about),
                _ => Act::Change(about, role),
            };
            let actor = engine.actor(user(by));
            let result: Result<Option<Seq>, Error> = match act {
                Act::Send => actor.send(&room, "hi").await.map(|sent| Some(sent.seq)),
                Act::Read => actor.members(&room, None, None).await.map(|_| None),
                Act::Type => actor.typing(&room).await.map(|()| None),
                Act::Delete(seq) => actor.delete(&room, seq).await.map(|_| None),
                Act::Add(name, role) => {
                    let added = actor.add_member_as(&room, user(name), role).await;
                    added.map(|_| None)
                }
                Act::Remove(name) => actor.remove_member(&room, user(name)).await.map(|()| None),
                Act::Change(name, role) => {
                    actor.set_role(&room, user(name), role).await.map(|_| None)
                }
            };
            let expected = model.act(by, act);
            if let Ok(Some(seq)) = &result {
                model.written.insert(*seq, by);
            }
            let found = result.err().map(|error| error.code().code());
            assert_eq!(found, expected, "CHAT_SEED={seed}: {by} {act:?}");
        }
        let Some(someone) = model.roles.keys().next().copied() else {
            continue;
        };
        let members = engine.actor(user(someone)).members(&room, None, None).await;
        let members = members.unwrap().members;
        let found: Vec<_> = members
            .iter()
            .map(|it| (it.user.as_str(), it.role))
            .collect();
        let expected: Vec<_> = model.roles.into_iter().collect();
        assert_eq!(found, expected, "CHAT_SEED={seed}");
    }
}

/// Nobody but alice opens rooms, and whoever asks for presence finds a fault.
#[derive(Debug)]
struct House;

impl Policy for House {
    fn refuse(&self, request: &Request<'_>) -> Option<&'static str> {
        assert!(request.action != Action::Presence, "a fault of the policy");
        let alice = request.by.user == UserId::new("alice").unwrap();
        (request.action == Action::Open && !alice).then_some("only alice opens rooms")
    }
}

#[tokio::test]
async fn a_policy_refuses_what_the_table_allows_and_a_fault_in_it_refuses_too() {
    let engine = ChatEngine::builder()
        .config(unlimited())
        .policy(House)
        .build()
        .unwrap();
    let (alice, bob) = (engine.actor(user("alice")), engine.actor(user("bob")));
    let refused = bob.open(&user("alice")).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::Forbidden);
    assert_eq!(refused.to_string(), "only alice opens rooms");
    let room = alice.open(&user("bob")).await.unwrap().room.id;
    bob.send(&room, "hi").await.unwrap();
    let fault = alice.online().await.unwrap_err();
    assert_eq!(fault.code(), ErrorCode::Forbidden);
    // It doesn't allow what the table refuses.
    let carol = engine.actor(user("carol"));
    let outside = carol.send(&room, "hi").await.unwrap_err();
    assert_eq!(outside.code(), ErrorCode::NoRoom);
}
