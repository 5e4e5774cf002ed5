//! REST, the old history endpoint, and what an operator asks for.

use chat_testkit::Server;
use serde_json::{Value, json};

struct Caller<'a> {
    server: &'a Server,
    name: &'a str,
}

impl Caller<'_> {
    async fn ask(&self, request: &str, body: &str) -> (u16, Value) {
        let headers = format!(
            "authorization: Bearer {}\r\ncontent-type: application/json\r\n",
            self.name
        );
        let (status, _, body) = self.server.http(request, &headers, body).await;
        (
            status,
            serde_json::from_str(&body).unwrap_or_else(|_| panic!("no JSON: {body:?}")),
        )
    }
}

#[tokio::test]
async fn the_use_cases_are_there_over_http_and_share_rooms_with_the_native_protocol() {
    let server = Server::start(&[]).await;
    let mut bob = server.connect("bob").await;
    let alice = Caller {
        server: &server,
        name: "alice",
    };
    let (status, room) = alice.ask("PUT /v1/direct/bob", "").await;
    assert_eq!((status, &room["room"]["id"]), (200, &json!("alice,bob")));
    assert_eq!(room["members"][1]["online"], true);

    let send = r#"{"text":"hello","client_id":"c-1"}"#;
    let path = "POST /v1/rooms/alice,bob/messages";
    let (status, first) = alice.ask(path, send).await;
    assert_eq!((status, &first["seq"]), (201, &json!(1)));
    let (status, again) = alice.ask(path, send).await;
    assert_eq!(
        (status, &again["id"], &again["duplicate"]),
        (200, &first["id"], &json!(true))
    );
    assert_eq!(bob.hear().await, "hello");

    bob.say("alice,bob", "hi").await;
    let (_, rooms) = alice.ask("GET /v1/rooms", "").await;
    assert_eq!(
        (&rooms["rooms"][0]["unread"], &rooms["more"]),
        (&json!(1), &json!(false))
    );
    let (_, page) = alice
        .ask("GET /v1/rooms/alice,bob/entries?after=1&limit=5", "")
        .await;
    assert_eq!(page["entries"][0]["body"]["text"], "hi");
    assert_eq!(
        (&page["older"], &page["newer"]),
        (&json!(true), &json!(false))
    );
    let (_, marks) = alice
        .ask(
            "POST /v1/rooms/alice,bob/receipts",
            r#"{"mark":"read","seq":2}"#,
        )
        .await;
    assert_eq!(marks, json!({ "delivered": 2, "read": 2 }));
    assert_eq!(bob.event("receipt").await["read"], 2);
    assert_eq!(
        alice.ask("GET /v1/online", "").await.1,
        json!({ "users": ["bob"] })
    );
    let (_, presence) = alice.ask("GET /v1/presence?users=bob,carol", "").await;
    assert_eq!(
        presence["users"][0],
        json!({ "user": "bob", "online": true })
    );
    assert_eq!(presence["users"][1]["online"], false);
}

#[tokio::test]
async fn each_refusal_has_a_fitting_status_and_a_code() {
    let server = Server::start(&[("rate-limit", "1/60s"), ("mute", "5s")]).await;
    let alice = Caller {
        server: &server,
        name: "alice",
    };
    alice.ask("PUT /v1/direct/bob", "").await;
    let messages = "POST /v1/rooms/alice,bob/messages";
    for (request, body, status, code) in [
        ("PUT /v1/direct/alice", "", 400, 102),
        ("PUT /v1/direct/a%2Cb", "", 400, 102),
        ("GET /v1/rooms/bob,carol/entries", "", 404, 200),
        (
            "GET /v1/rooms/alice,bob/entries?before=1&after=2",
            "",
            400,
            100,
        ),
        ("GET /v1/rooms?limit=x", "", 400, 100),
        ("GET /nothing", "", 404, 105),
        (messages, "{", 400, 100),
        (messages, "{}", 400, 100),
        (messages, r#"{"text":""}"#, 422, 103),
        (messages, r#"{"text":"this means war"}"#, 422, 212),
        (messages, r#"{"text":"again"}"#, 429, 210),
        (messages, r#"{"text":"again"}"#, 429, 211),
    ] {
        let (got, answer) = alice.ask(request, body).await;
        assert_eq!(
            (got, &answer["code"]),
            (status, &json!(code)),
            "{request} {body}: {answer}"
        );
    }
    let headers = "authorization: Bearer alice\r\ncontent-type: application/json\r\n";
    let (_, head, _) = server.http(messages, headers, r#"{"text":"x"}"#).await;
    assert!(head.contains("retry-after: 5"), "{head}");
    let (status, head, _) = server.http("GET /v1/rooms", "", "").await;
    assert!(
        status == 401 && head.contains("www-authenticate: Bearer"),
        "{head}"
    );
}

#[tokio::test]
async fn bodies_are_read_strictly_and_the_field_at_fault_is_named() {
    let server = Server::start(&[]).await;
    let alice = Caller {
        server: &server,
        name: "alice",
    };
    alice.ask("PUT /v1/direct/bob", "").await;
    let new = r#"{"kind":"group","name":"Team"}"#;
    let (status, room) = alice.ask("POST /v1/rooms", new).await;
    assert_eq!(status, 201);
    let room = room["room"]["id"].as_str().unwrap();
    let (create, update) = (
        "POST /v1/rooms".to_owned(),
        format!("PATCH /v1/rooms/{room}"),
    );
    let me = format!("PATCH /v1/rooms/{room}/me");
    let send = format!("POST /v1/rooms/{room}/messages");
    let receipt = format!("POST /v1/rooms/{room}/receipts");
    let invite = format!("POST /v1/rooms/{room}/invites");
    let add = format!("PUT /v1/rooms/{room}/members/bob");
    let ban = format!("PUT /v1/rooms/{room}/bans/bob");
    for (request, body, named) in [
        (&create, r#"{"kind":"group","colour":1}"#, "colour"),
        (&create, r#"{"kind":"group","kind":"group"}"#, "kind"),
        (&create, r#"{"kind":"group","name":7}"#, "name"),
        (
            &create,
            r#"{"kind":"group","settings":{"colour":1}}"#,
            "colour",
        ),
        (
            &create,
            r#"{"kind":"group","settings":["everyone"]}"#,
            "settings",
        ),
        (
            &create,
            r#"{"kind":"group","settings":{"post":"everyone","post":"everyone"}}"#,
            "post",
        ),
        (
            &create,
            r#"{"kind":"group","settings":{"slow_mode":"9"}}"#,
            "slow_mode",
        ),
        (&create, r#"{"kind":"group","data":[]}"#, "data"),
        (
            &create,
            r#"{"kind":"group","data":{"a":{"b":1,"b":1}}}"#,
            "b",
        ),
        (&create, r#"{"kind":"group","members":"bob"}"#, "members"),
        (&create, r#"["group"]"#, "object"),
        (&update, r#"{"colour":1}"#, "colour"),
        (&update, r#"{"name":"a","name":"b"}"#, "name"),
        (&update, r#"{"settings":{"colour":1}}"#, "colour"),
        (&update, r#"{"settings":[]}"#, "settings"),
        (&update, r#"{"archived":"yes"}"#, "archived"),
        (&me, r#"{"colour":1}"#, "colour"),
        (&me, r#"{"pinned":true,"pinned":true}"#, "pinned"),
        (&me, r#"{"pinned":1}"#, "pinned"),
        (&send, r#"{"text":"a","text":"b"}"#, "text"),
        (&send, r#"{"text":"a","colour":1}"#, "colour"),
        (&send, r#"["a"]"#, "object"),
        (&receipt, r#"["read",1]"#, "object"),
        (&receipt, r#"{"mark":"read","seq":1,"seq":1}"#, "seq"),
        (&receipt, r#"{"mark":"read","seq":-1}"#, "seq"),
        (&invite, r#"{"uses":1,"uses":2}"#, "uses"),
        (&invite, "[1]", "object"),
        (&add, r#"{"role":["member"]}"#, "role"),
        (&ban, r#"{"for":"7d"}"#, "for"),
        (&ban, r#"{"fro":1}"#, "fro"),
    ] {
        let (status, answer) = alice.ask(request, body).await;
        assert_eq!(
            (status, &answer["code"]),
            (400, &json!(100)),
            "{request} {body}: {answer}"
        );
        let message = answer["message"].as_str().unwrap();
        assert!(message.contains(named), "{request} {body}: {message}");
    }
    let (_, seen) = alice.ask(&format!("GET /v1/rooms/{room}"), "").await;
    assert_eq!(seen["room"]["head"], 0, "nothing was changed");
    let whole = r#"{"name":"Crew","settings":{"slow_mode":9},"data":{"a":[1]}}"#;
    assert_eq!(alice.ask(&update, whole).await.0, 200);
}

#[tokio::test]
async fn the_document_describes_every_route_and_all_it_refers_to() {
    let server = Server::start(&[]).await;
    let document: Value =
        serde_json::from_str(&server.http("GET /v1/openapi.json", "", "").await.2).unwrap();
    let paths: Vec<_> = document["paths"]
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    assert_eq!(
        paths,
        [
            "/",
            "/health",
            "/lastmessages",
            "/metrics",
            "/ready",
            "/v1/blocks",
            "/v1/blocks/{user}",
            "/v1/direct/{user}",
            "/v1/directory",
            "/v1/inbox",
            "/v1/invites/{token}",
            "/v1/online",
            "/v1/openapi.json",
            "/v1/presence",
            "/v1/rooms",
            "/v1/rooms/{room}",
            "/v1/rooms/{room}/bans",
            "/v1/rooms/{room}/bans/{user}",
            "/v1/rooms/{room}/entries",
            "/v1/rooms/{room}/entries/{seq}/readers",
            "/v1/rooms/{room}/invites",
            "/v1/rooms/{room}/invites/{invite}",
            "/v1/rooms/{room}/join",
            "/v1/rooms/{room}/leave",
            "/v1/rooms/{room}/me",
            "/v1/rooms/{room}/members",
            "/v1/rooms/{room}/members/{user}",
            "/v1/rooms/{room}/messages",
            "/v1/rooms/{room}/messages/{seq}",
            "/v1/rooms/{room}/mutes",
            "/v1/rooms/{room}/mutes/{user}",
            "/v1/rooms/{room}/receipts",
            "/v1/rooms/{room}/typing",
            "/v1/ws",
        ]
    );
    let schema = |name: &str| &document["components"]["schemas"][name];
    assert_eq!(schema("UserId")["maxLength"], 64);
    assert_eq!(schema("Text")["maxLength"], 4_000);
    assert_eq!(schema("Limit")["maximum"], 200);
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1) {
        let pointer = reference.split('"').next().unwrap();
        assert!(document.pointer(pointer).is_some(), "nothing at {pointer}");
    }
}

#[tokio::test]
async fn a_message_is_edited_and_taken_back_and_typing_is_seen() {
    let server = Server::start(&[]).await;
    let mut bob = server.connect("bob").await;
    let alice = Caller {
        server: &server,
        name: "alice",
    };
    let messages = "/v1/rooms/alice,bob/messages";
    let send = format!("POST {messages}");
    assert_eq!(alice.ask(&send, r#"{"text":"helo"}"#).await.0, 201);
    assert_eq!(bob.hear().await, "helo");
    let headers = "authorization: Bearer alice\r\n";
    let typing = "POST /v1/rooms/alice,bob/typing";
    assert_eq!(server.http(typing, headers, "").await.0, 204);
    assert_eq!(bob.event("typing").await["user"], "alice");
    let edit = format!("PUT {messages}/1");
    let body = r#"{"text":"hello","client_id":"e-1"}"#;
    let (status, edited) = alice.ask(&edit, body).await;
    assert_eq!((status, &edited["seq"]), (200, &json!(2)));
    let (_, again) = alice.ask(&edit, body).await;
    assert_eq!(again["duplicate"], true);
    let page = "GET /v1/rooms/alice,bob/entries?limit=1&before=2";
    let (_, entries) = alice.ask(page, "").await;
    assert_eq!(entries["entries"][0]["body"]["text"], "hello");
    let delete = format!("DELETE {messages}/1?client_id=d-1");
    assert_eq!(alice.ask(&delete, "").await.1["seq"], 3);
    assert_eq!(alice.ask(&delete, "").await.1["duplicate"], true);
    let (_, entries) = alice.ask(page, "").await;
    assert_eq!(entries["entries"][0]["body"]["kind"], "deleted");
    let (status, error) = alice.ask(&edit, r#"{"text":"x"}"#).await;
    assert_eq!((status, &error["code"]), (404, &json!(201)));
}

#[tokio::test]
async fn what_a_request_has_too_much_is_refused_by_its_name() {
    let server = Server::start(&[]).await;
    let alice = Caller {
        server: &server,
        name: "alice",
    };
    alice.ask("PUT /v1/direct/bob", "").await;
    let messages = "POST /v1/rooms/alice,bob/messages";
    for (request, body, name) in [
        ("GET /v1/rooms?limit=0", "", "limit"),
        ("GET /v1/rooms?limit=201", "", "limit"),
        ("GET /v1/rooms?limit=-1", "", "limit"),
        ("GET /v1/rooms/alice,bob/entries?limit=0", "", "limit"),
        ("GET /v1/rooms/alice,bob/entries?limit=201", "", "limit"),
        ("GET /v1/rooms?after=%ff", "", "after"),
        ("GET /v1/rooms?limit=1&limit=2", "", "limit"),
        ("GET /v1/rooms?page=2", "", "page"),
        ("GET /v1/rooms/alice,bob/entries?from=2", "", "from"),
        ("GET /v1/presence?users=bob&since=1", "", "since"),
        ("DELETE /v1/rooms/alice,bob/messages/1?force=1", "", "force"),
        (messages, r#"{"text":"x","to":"bob"}"#, "`to`"),
        (messages, r#"{"text":7}"#, "text"),
        (
            "POST /v1/rooms/alice,bob/receipts",
            r#"{"mark":"read","seq":1,"at":2}"#,
            "`at`",
        ),
    ] {
        let (status, error) = alice.ask(request, body).await;
        let message = error["message"].as_str().unwrap();
        assert_eq!((status, &error["code"]), (400, &json!(100)), "{request}");
        assert!(message.contains(name), "{request} {body}: {message}");
    }
}

#[tokio::test]
async fn the_old_history_shows_the_newest_messages_oldest_first() {
    let server = Server::start(&[("frame-rate", "1000/1s")]).await;
    let mut alice = server.connect("alice").await;
    let room = alice.open("bob").await;
    for number in 1..=30 {
        alice.say(&room, &number.to_string()).await;
    }
    alice
        .ask(json!({ "type": "delete", "room": room, "target": 30 }))
        .await;
    let last = async |query: &str| {
        let (status, _, body) = server
            .http(&format!("GET /lastmessages?{query}"), "", "")
            .await;
        (status, serde_json::from_str::<Value>(&body).unwrap())
    };
    let (_, ten) = last("from=bob&to=alice").await;
    let texts: Vec<_> = ten
        .as_array()
        .unwrap()
        .iter()
        .map(|message| &message["text"])
        .collect();
    assert_eq!(
        texts,
        (20..30)
            .map(|number| json!(number.to_string()))
            .collect::<Vec<_>>()
            .iter()
            .collect::<Vec<_>>()
    );
    let message = ten[0].as_object().unwrap();
    let keys: Vec<_> = message.keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        ["__v", "_id", "from", "id", "roomId", "text", "time", "to"]
    );
    assert_eq!(
        (&message["roomId"], &message["from"], &message["to"]),
        (&json!("alice,bob"), &json!("alice"), &json!("bob"))
    );
    assert_eq!(
        last("from=alice&to=bob&limit=100")
            .await
            .1
            .as_array()
            .unwrap()
            .len(),
        25
    );
    assert_eq!(
        last("from=alice&to=bob&limit=2")
            .await
            .1
            .as_array()
            .unwrap()
            .len(),
        2
    );
    assert_eq!(last("from=alice&to=carol").await, (200, json!([])));
    for bad in [
        "from=alice",
        "to=alice",
        "",
        "from=alice&to=bob&limit=-1",
        "from=alice&to=alice",
    ] {
        let (status, body) = last(bad).await;
        assert!(
            status == 400 && body["message"].is_string(),
            "{bad}: {status} {body}"
        );
    }
}

#[tokio::test]
async fn an_operator_sees_that_it_lives() {
    let server = Server::start(&[]).await;
    assert_eq!(server.http("GET /health", "", "").await.2, "OK");
    assert_eq!(server.http("GET /ready", "", "").await.2, "READY");
    let hello = format!(r#"{{"msg":"Active @ {}"}}"#, server.address.port());
    assert_eq!(server.http("GET /", "", "").await.2, hello);
}

#[tokio::test]
async fn what_no_handler_sees_is_refused_with_a_code_too() {
    let server = Server::start(&[("request-timeout", "200ms")]).await;
    let alice = Caller {
        server: &server,
        name: "alice",
    };
    for (request, status) in [
        ("PUT /v1/direct/%ff", 400),
        ("GET /v1/rooms/%ff/entries", 400),
    ] {
        let (found, error) = alice.ask(request, "").await;
        assert_eq!((found, &error["code"]), (status, &json!(100)), "{request}");
    }
    let unfinished = "POST /v1/rooms/alice,bob/messages HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\
                      authorization: Bearer alice\r\ncontent-type: application/json\r\n\r\n{";
    let answer = server.exchange(unfinished.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains(r#""code":100"#), "{answer}");
}
