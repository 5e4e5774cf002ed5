//! The old Socket.IO protocol, with the npm `socket.io-client` that the old clients use.
//!
//! Each test plays one scenario of `socketio/scenarios.mjs` over long polling, over WebSocket and
//! with an upgrade from one to the other, each on a server of its own, and once more on a server on which
//! the strings of `set-username` are tokens. `npm ci` in `tests/socketio`
//! comes first; where there is no Node, `CHAT_SKIP_NODE=1` leaves these tests out.

use std::time::Duration;

use async_trait::async_trait;
use chat_core::{
    ChatEngine, ChatEngineBuilder, Config, RoomId, UserId,
    moderation::{DEFAULT_WORDS, WordList},
    port::{BackendError, Draft, Moderator, Verdict},
    rate::RatePolicy,
};
use chat_server::config::Settings;
use chat_testkit::Server;
use futures_util::future::join_all;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use crate::old_clients::{begin, ends_well, node};

const TRANSPORTS: [&str; 3] = ["polling", "websocket", "upgrade"];

/// Scenarios in which strings that are no names are sent as names.
const OF_NAMES: [&str; 2] = [
    "errors_of_input_are_strings_and_the_connection_lives",
    "seed_21_a_name_is_no_wiretap",
];

/// A server for each transport, and the Node program that is to play on them.
struct Stage {
    node: Command,
    servers: Vec<Server>,
}

impl Stage {
    /// `None` when these tests are to be left out.
    async fn set(
        scenario: &str,
        build: impl Fn() -> ChatEngineBuilder,
        settings: &[(&str, &str)],
    ) -> Option<Self> {
        let mut node = node(scenario)?;
        let mut servers = Vec::new();
        let settings = [settings, &[("listen", "127.0.0.1:0")]].concat();
        for transport in TRANSPORTS {
            let settings = Settings::with(&settings).unwrap();
            let server = Server::serve(build().build().unwrap(), settings).await;
            node.arg(format!("{transport}=http://{}", server.address));
            servers.push(server);
        }
        Some(Self { node, servers })
    }

    /// Adds a server on which the strings of `set-username` are tokens.
    async fn and_by_token(mut self, engine: ChatEngineBuilder) -> Self {
        let settings = Settings::with(&[("listen", "127.0.0.1:0")]).unwrap();
        let server = Server::serve_by_token(engine.build().unwrap(), settings).await;
        self.node
            .arg(format!("tokens:upgrade=http://{}", server.address));
        self.servers.push(server);
        self
    }

    /// Lets the clients play until they are ready on every transport.
    async fn begin(self) -> (Child, Vec<Server>) {
        let mut node = begin(self.node);
        let mut lines = BufReader::new(node.stdout.take().unwrap()).lines();
        for _ in TRANSPORTS {
            assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("ready"));
        }
        (node, self.servers)
    }
}

/// Plays a scenario on engines made by `build`.
async fn play(scenario: &str, build: impl Fn() -> ChatEngineBuilder) {
    if let Some(mut stage) = Stage::set(scenario, &build, &[]).await {
        if !OF_NAMES.contains(&scenario) {
            stage = stage.and_by_token(build()).await;
        }
        ends_well(begin(stage.node)).await;
    }
}

fn limited(send_limit: Option<RatePolicy>) -> ChatEngineBuilder {
    ChatEngine::builder().config(Config {
        send_limit,
        ..Config::default()
    })
}

fn unlimited() -> ChatEngineBuilder {
    limited(None)
}

fn muting_for_a_moment() -> ChatEngineBuilder {
    limited(Some(RatePolicy::Window {
        limit: 2,
        window: Duration::from_mins(1),
        mute: Duration::from_millis(300),
    }))
}

fn moderated() -> ChatEngineBuilder {
    unlimited().moderator(WordList::new(DEFAULT_WORDS).unwrap())
}

/// Never judges what bob writes.
#[derive(Debug)]
struct Undecided;

#[async_trait]
impl Moderator for Undecided {
    async fn review(&self, draft: &Draft) -> Result<Verdict, BackendError> {
        if draft.author.as_str() == "bob" {
            std::future::pending::<()>().await;
        }
        Ok(Verdict::Allow)
    }
}

fn stuck_on_bob() -> ChatEngineBuilder {
    unlimited().moderator(Undecided)
}

macro_rules! scenarios {
    ($($name:ident on $build:expr;)+) => { $(
        #[tokio::test]
        async fn $name() {
            play(stringify!($name), $build).await;
        }
    )+ };
}

scenarios! {
    every_named_client_gets_the_list_of_users_online_each_once on unlimited;
    a_message_reaches_all_devices_of_both_and_nobody_else on unlimited;
    typing_reaches_the_other_member_only on unlimited;
    receipts_go_to_the_devices_of_the_sender_only on unlimited;
    read_alone_means_delivered_first_and_covers_earlier_messages on unlimited;
    errors_of_input_are_strings_and_the_connection_lives on unlimited;
    an_ack_has_the_number_of_its_message on unlimited;
    messages_sent_just_before_leaving_still_arrive on unlimited;
    a_client_that_sends_too_much_at_once_is_closed_and_returns on stuck_on_bob;
    a_client_that_sends_thousands_of_events_at_once_is_closed_and_returns on unlimited;
    a_client_that_does_not_read_is_closed_and_delays_nobody on unlimited;
    seed_03_a_message_before_start_dm_is_not_dropped_silently on unlimited;
    seed_04_a_thousand_rapid_messages_keep_their_order on unlimited;
    seed_10_a_message_to_somebody_offline_is_there_when_they_come on unlimited;
    seed_11_start_dm_leaves_the_former_partner on unlimited;
    seed_16_a_second_tab_that_closes_leaves_the_user_online on unlimited;
    seed_17_another_name_leaves_no_ghost on unlimited;
    seed_17_a_short_visit_leaves_no_ghost on unlimited;
    seed_21_a_name_is_no_wiretap on unlimited;
    seed_22_names_that_join_alike_have_different_rooms on unlimited;
    seed_25_an_oversized_frame_costs_its_own_connection_only on unlimited;
    seed_28_forged_receipts_have_no_effect on unlimited;
    seed_37_a_new_connection_has_no_new_budget on ChatEngine::builder;
    seed_38_names_and_partners_can_not_be_tried_without_end on unlimited;
    seed_39_a_mute_ends_when_it_says on muting_for_a_moment;
    seed_42_a_refused_text_reaches_its_sender_only on moderated;
}

#[tokio::test]
async fn a_client_that_reads_too_slowly_is_closed_and_returns() {
    let scenario = "a_client_that_reads_too_slowly_is_closed_and_returns";
    let settings = [("write-timeout", "2s")];
    let Some(stage) = Stage::set(scenario, unlimited, &settings).await else {
        return;
    };
    let (node, servers) = stage.begin().await;
    let [alice, bob] = ["alice", "bob"].map(|name| UserId::new(name).unwrap());
    let room = RoomId::direct(&alice, &bob).unwrap();
    // More than waits for a client, and than the system keeps for a connection.
    let text = "\u{1f600}".repeat(4_000);
    join_all(servers.iter().map(async |server| {
        let alice = server.engine.actor(alice.clone());
        while server.engine.online().await.unwrap().contains(&bob) {
            alice.send(&room, &text).await.unwrap();
        }
    }))
    .await;
    ends_well(node).await;
}

#[tokio::test]
async fn a_server_that_stops_says_so_and_its_clients_come_back() {
    let scenario = "a_server_that_stops_says_so_and_its_clients_come_back";
    let Some(stage) = Stage::set(scenario, unlimited, &[]).await else {
        return;
    };
    let (node, servers) = stage.begin().await;
    for server in servers {
        server.stop().await;
    }
    ends_well(node).await;
}
