//! Users in a ring; each writes in a room with either neighbour, and in a group of all.

use std::{collections::BTreeMap, net::SocketAddr};

use chat_testkit::Client;
use serde_json::json;

use super::{
    client::{Heads, entry, marks, string},
    crowd::Crowd,
    history::{Line, Room, View},
};

pub(crate) struct Ring {
    users: usize,
    pub(crate) rooms: BTreeMap<String, Room>,
    pub(crate) crowd: Crowd,
}

fn name(number: usize, users: usize) -> String {
    format!("user{}", number % users)
}

impl Ring {
    /// Opens the rooms, so that there are cursors from the first message on.
    pub(crate) async fn open(address: SocketAddr, users: usize) -> Self {
        let mut rooms = BTreeMap::new();
        for number in 0..users {
            let members = vec![name(number, users), name(number + 1, users)];
            let mut reader = Client::connect(address, &members[0]).await;
            let view = reader
                .result(json!({ "type": "open", "user": members[1] }))
                .await;
            let epoch = string(&view["room"]["epoch"]);
            let changes = false;
            let room = Room {
                members,
                epoch,
                changes,
            };
            rooms.insert(string(&view["room"]["id"]), room);
        }
        let all = (0..users).map(|number| name(number, users));
        let crowd = Crowd::open(address, all.collect()).await;
        rooms.insert(crowd.room.clone(), crowd.made());
        Self {
            users,
            rooms,
            crowd,
        }
    }

    pub(crate) fn user(&self, number: usize) -> String {
        name(number, self.users)
    }

    /// The room of a user and the next one, and its epoch.
    pub(crate) fn room(&self, number: usize) -> (String, String) {
        let mut pair = [self.user(number), self.user(number + 1)];
        pair.sort();
        let room = pair.join(",");
        let epoch = self.rooms[&room].epoch.clone();
        (room, epoch)
    }

    /// The two rooms of a user, and the group.
    pub(crate) fn rooms_of(&self, number: usize) -> Vec<(String, String)> {
        vec![
            self.room(number),
            self.room(number + self.users - 1),
            self.group(),
        ]
    }

    /// The group of all, and its epoch.
    pub(crate) fn group(&self) -> (String, String) {
        (self.crowd.room.clone(), self.crowd.epoch.clone())
    }

    /// The rooms with a neighbour.
    fn pairs(&self) -> impl Iterator<Item = (&String, &Room)> {
        self.rooms.iter().filter(|(_, room)| !room.changes)
    }

    /// The numbers of the last entries.
    pub(crate) async fn heads(&self, address: SocketAddr) -> Heads {
        let mut heads = BTreeMap::new();
        for (name, room) in self.pairs() {
            let mut reader = Client::connect(address, &room.members[0]).await;
            let view = reader
                .result(json!({ "type": "open", "user": room.members[1] }))
                .await;
            heads.insert(name.clone(), view["room"]["head"].as_u64().unwrap());
        }
        Heads {
            ring: heads,
            crowd: self.crowd.head(address).await,
        }
    }

    /// Every room as each of its members reads it there, page by page; the group as its owner does.
    pub(crate) async fn read(&self, address: SocketAddr) -> Vec<View> {
        let mut views = vec![self.crowd.read(address).await];
        for (name, room) in self.pairs() {
            for (member, peer) in [(0, 1), (1, 0)] {
                let mut reader = Client::connect(address, &room.members[member]).await;
                let open = json!({ "type": "open", "user": room.members[peer] });
                let view = reader.result(open).await;
                let mut lines = Vec::new();
                let mut epoch = string(&view["room"]["epoch"]);
                loop {
                    let after = lines.last().map_or(0, |line: &Line| line.seq);
                    let ask = json!({
                        "type": "history", "room": name, "page": { "after": after }, "limit": 200,
                    });
                    let page = reader.result(ask).await;
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
                let members = view["members"].as_array().unwrap().iter();
                views.push(View {
                    room: name.clone(),
                    epoch,
                    lines,
                    marks: members
                        .map(|member| (string(&member["user"]), marks(member)))
                        .collect(),
                });
            }
        }
        views
    }
}
