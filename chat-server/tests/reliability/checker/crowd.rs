//! A group whose members are added, removed, banned, let in again and given other roles, one after the other,
//! while everything else happens.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use chat_testkit::Client as Connection;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::{
    client::{Phase, Run, entry, string},
    history::{Line, Op, Room, View},
};

/// The user who owns the group, has no device, and changes everybody else.
const STEWARD: &str = "steward";

/// The group, of which every second user is a member at first.
#[derive(Debug, Clone)]
pub(crate) struct Crowd {
    pub(crate) room: String,
    pub(crate) epoch: String,
    users: Vec<String>,
    first: Vec<String>,
}

impl Crowd {
    pub(crate) async fn open(address: SocketAddr, users: Vec<String>) -> Self {
        let first: Vec<String> = users.iter().step_by(2).cloned().collect();
        let mut steward = Connection::connect(address, STEWARD).await;
        let create = json!({ "type": "create", "kind": "group", "members": first });
        let view = steward.result(create).await;
        Self {
            room: string(&view["room"]["id"]),
            epoch: string(&view["room"]["epoch"]),
            users,
            first,
        }
    }

    /// The group as it was before the first message.
    pub(crate) fn made(&self) -> Room {
        let members = self.first.iter().cloned().chain([STEWARD.to_owned()]);
        Room {
            members: members.collect(),
            epoch: self.epoch.clone(),
            changes: true,
        }
    }

    /// The number of the last entry, and the users who are members then.
    pub(crate) async fn head(&self, address: SocketAddr) -> (u64, BTreeSet<String>) {
        let mut steward = Connection::connect(address, STEWARD).await;
        let ask = json!({ "type": "room", "room": self.room });
        // A node with a database of its own has no such group.
        let Ok(view) = steward.try_result(ask).await else {
            return (0, BTreeSet::new());
        };
        let members = view["members"].as_array().unwrap().iter();
        let members = members.map(|member| string(&member["user"]));
        (view["room"]["head"].as_u64().unwrap(), members.collect())
    }

    /// All of it, as its owner reads it there.
    pub(crate) async fn read(&self, address: SocketAddr) -> View {
        let mut steward = Connection::connect(address, STEWARD).await;
        let (mut lines, mut epoch) = (Vec::new(), self.epoch.clone());
        loop {
            let after = lines.last().map_or(0, |line: &Line| line.seq);
            let page = json!({ "after": after });
            let ask = json!({ "type": "history", "room": self.room, "page": page, "limit": 200 });
            let page = match steward.try_result(ask).await {
                Ok(page) => page,
                Err(why) => {
                    epoch.push_str(&why);
                    break;
                }
            };
            if page["epoch"] != *epoch {
                epoch.push_str(", and another in its history");
            }
            let entries = page["entries"].as_array().unwrap();
            lines.extend(entries.iter().map(|line| entry(line).1));
            if page["newer"] == false {
                break;
            }
            assert!(!entries.is_empty(), "an empty page with more after it");
        }
        View {
            room: self.room.clone(),
            epoch,
            lines,
            marks: BTreeMap::new(),
        }
    }

    /// Changes one user after the other, to the end of the run. `place` is the steward's among the progress of
    /// all, and says whether a change has no answer yet.
    pub(crate) async fn steward(self, run: Arc<Run>, place: usize, seed: u64) {
        let members = self.first.iter().cloned().collect();
        let mut steward = Steward {
            rng: StdRng::seed_from_u64(seed),
            node: place,
            members,
            banned: BTreeSet::new(),
            crowd: self,
            run,
        };
        let mut phase = steward.run.phase.clone();
        loop {
            let pause = steward.rng.random_range(20..120);
            sleep(Duration::from_millis(pause)).await;
            // Before the phase is looked at: whoever ends it then waits for the answer.
            steward.pending(place, 1);
            if *phase.borrow_and_update() == Phase::Load {
                steward.change().await;
                steward.pending(place, 0);
                continue;
            }
            steward.pending(place, 0);
            if *phase.borrow() == Phase::End {
                return;
            }
            phase.changed().await.ok();
        }
    }
}

struct Steward {
    run: Arc<Run>,
    crowd: Crowd,
    members: BTreeSet<String>,
    banned: BTreeSet<String>,
    node: usize,
    rng: StdRng,
}

impl Steward {
    fn pending(&self, place: usize, count: usize) {
        self.run
            .progress
            .send_modify(|all| all[place].pending = count);
    }

    async fn change(&mut self) {
        let user = self.rng.random_range(0..self.crowd.users.len());
        let user = self.crowd.users[user].clone();
        let ask = |what: &str| json!({ "type": what, "room": self.crowd.room, "user": user });
        if self.banned.contains(&user) {
            // Whichever node is asked knows of the ban.
            let (add, unban) = (ask("add"), ask("unban"));
            assert!(
                !self.carry_out(add).await,
                "{user} is banned, and was let in"
            );
            self.record(false, &user);
            assert!(self.carry_out(unban).await);
            self.banned.remove(&user);
            return;
        }
        if !self.members.contains(&user) {
            let add = ask("add");
            assert!(self.carry_out(add).await);
            self.members.insert(user);
            return;
        }
        let mut command = match self.rng.random_range(0..6) {
            0 => ask("ban"),
            1 => ask("remove"),
            _ => ask("role"),
        };
        let roles = ["reader", "member", "moderator", "member"];
        let is_role = command["type"] == "role";
        if is_role {
            command["role"] = roles[self.rng.random_range(0..roles.len())].into();
        }
        let is_ban = command["type"] == "ban";
        assert!(self.carry_out(command).await);
        if is_ban {
            self.record(true, &user);
            self.banned.insert(user.clone());
        }
        if !is_role {
            self.members.remove(&user);
        }
    }

    fn record(&self, banned: bool, user: &str) {
        self.run.ops.lock().unwrap().push(Op::Banned {
            room: self.crowd.room.clone(),
            user: user.to_owned(),
            banned,
        });
    }

    /// Asks one node after the other until one says whether it is done or refused.
    async fn carry_out(&mut self, command: Value) -> bool {
        loop {
            let addresses = &self.run.addresses;
            let address = addresses[self.node % addresses.len()];
            self.node += 1;
            let asking = async {
                let mut connection = Connection::dial(address).await?;
                let hello = json!({ "type": "hello", "token": STEWARD });
                connection.try_result(hello).await.ok()?;
                match connection.try_result(command.clone()).await {
                    Ok(_) => Some(true),
                    Err(why) if why.contains(r#""code":202"#) => Some(false),
                    Err(_) => None,
                }
            };
            if let Ok(Some(done)) = timeout(self.run.manner.silence, asking).await {
                return done;
            }
            sleep(Duration::from_millis(20)).await;
        }
    }
}
