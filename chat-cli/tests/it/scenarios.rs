//! The scenarios of all clients, `clients/scenarios/`, with the Rust client: a server does what a file says,
//! and time passes only when it says so.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    fs, io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
        mpsc,
    },
    time::Duration,
};

use chat_cli::{Client, ClientError, ClientEvent, Events, RequestError};
use chat_core::{Command, Mark, Reply, RoomId, Seq, command};
use chat_testkit::PATIENCE;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinHandle, spawn_blocking, yield_now},
    time::advance,
};
use tokio_tungstenite::{
    WebSocketStream, accept_async,
    tungstenite::{Message, protocol::CloseFrame},
};

/// The longest time that passes without a look at what is due.
const SLICE: Duration = Duration::from_millis(100);

type Outcome = Result<Value, RequestError>;

/// The source of the client's tokens: `token 1`, `token 2`, and so on.
#[derive(Default)]
struct Tokens {
    given: AtomicUsize,
    fails: AtomicBool,
}

impl Tokens {
    fn next(&self) -> io::Result<String> {
        let number = self.given.fetch_add(1, Relaxed) + 1;
        if self.fails.swap(false, Relaxed) {
            return Err(io::Error::other("no token today"));
        }
        Ok(format!("token {number}"))
    }
}

/// A client, and the server that it talks to.
struct Play {
    listener: TcpListener,
    socket: Option<WebSocketStream<TcpStream>>,
    /// Connections whose handshake gets no answer.
    ignored: Vec<TcpStream>,
    /// Frames of the client that no step has taken.
    frames: VecDeque<Value>,
    /// True if the server has said something that the client may not have read.
    said: bool,
    client: Client,
    events: Events,
    outcomes: HashMap<String, JoinHandle<Outcome>>,
    tokens: Arc<Tokens>,
    /// The values of the names that begin with `$`.
    names: BTreeMap<String, Value>,
    /// The number of the last command of each type, and the type of the last one.
    heard: HashMap<String, u64>,
    last: String,
}

impl Play {
    async fn new(token: &Value) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let tokens = Arc::new(Tokens::default());
        let mut builder = Client::builder(url, "alice").seed(1);
        if token == "source" {
            let tokens = Arc::clone(&tokens);
            builder = builder.token_source(move || std::future::ready(tokens.next()));
        }
        let (client, events) = builder.connect().unwrap();
        Self {
            listener,
            socket: None,
            ignored: Vec::new(),
            frames: VecDeque::new(),
            said: false,
            client,
            events,
            outcomes: HashMap::new(),
            tokens,
            names: BTreeMap::new(),
            heard: HashMap::new(),
            last: String::new(),
        }
    }

    async fn step(&mut self, step: &Value) {
        let text = |key: &str| step[key].as_str();
        for _ in 0..step["repeat"].as_u64().unwrap_or(0) {
            for inner in step["steps"].as_array().unwrap() {
                Box::pin(self.step(inner)).await;
            }
        }
        if let Some(call) = text("app") {
            self.call(call, step);
            // The call reaches the client's task before the next one.
            for _ in 0..3 {
                yield_now().await;
            }
        }
        if let Some(what) = text("server") {
            self.serve(what, step).await;
        }
        if let Some(time) = step["time"].as_u64() {
            self.settle().await;
            let mut left = Duration::from_millis(time);
            while !left.is_zero() {
                let slice = left.min(SLICE);
                advance(slice).await;
                yield_now().await;
                left -= slice;
            }
        }
        if step["tokens"] == "fail" {
            self.tokens.fails.store(true, Relaxed);
        }
        if let Some(kind) = text("event") {
            let event = shown(self.events.next().await.expect("the client has ended"));
            self.compare(&event, step, "the event");
            assert_eq!(event["event"], kind);
        }
        if let Some(name) = text("pending") {
            self.settle().await;
            assert!(!self.outcomes[name].is_finished(), "it has an outcome");
        }
        if let Some(name) = text("outcome") {
            let outcome = self.outcomes.remove(name).unwrap().await.unwrap();
            let mut outcome = described(outcome);
            outcome["outcome"] = name.into();
            self.compare(&outcome, step, "the outcome");
        }
    }

    fn compare(&mut self, actual: &Value, expected: &Value, what: &str) {
        assert!(
            fits(actual, expected, &mut self.names, false),
            "{what} is {actual}"
        );
    }

    /// The application calls the client.
    fn call(&mut self, call: &str, step: &Value) {
        let client = self.client.clone();
        let room = || RoomId::new(step["room"].as_str().unwrap()).unwrap();
        let outcome = match call {
            "store" => {
                let mut command = step["command"].clone();
                if let Some(times) = step["times"].as_u64() {
                    let text = command["text"].as_str().unwrap();
                    command["text"] = text.repeat(usize::try_from(times).unwrap()).into();
                }
                let sending = match serde_json::from_value(command).unwrap() {
                    Command::Send(it) => {
                        client.queue(|client_id| command::Send { client_id, ..it })
                    }
                    Command::Edit(it) => {
                        client.queue(|client_id| command::Edit { client_id, ..it })
                    }
                    Command::Delete(it) => {
                        client.queue(|client_id| command::Delete { client_id, ..it })
                    }
                    other => panic!("{other:?} stores no entry that is known here"),
                };
                tokio::spawn(async move {
                    let sent = sending.await?;
                    Ok(json!({"sent": sent.seq, "duplicate": sent.duplicate}))
                })
            }
            "ask" => {
                let command = serde_json::from_value(step["command"].clone()).unwrap();
                tokio::spawn(async move {
                    let reply: Reply = match command {
                        Command::Online(it) => client.ask(it).await?.into(),
                        Command::Ping(it) => client.ask(it).await?.into(),
                        Command::Open(it) => client.ask(it).await?.into(),
                        Command::Create(it) => client.ask(it).await?.into(),
                        Command::MakeInvite(it) => client.ask(it).await?.into(),
                        other => panic!("{other:?} is no question that is known here"),
                    };
                    let reply = serde_json::to_value(reply).unwrap();
                    Ok(json!({"reply": reply["kind"]}))
                })
            }
            "mark" => {
                let mark: Mark = serde_json::from_value(step["mark"].clone()).unwrap();
                return client.mark(&room(), mark, Seq(step["seq"].as_u64().unwrap()));
            }
            "typing" => return client.typing(&room()),
            "close" => {
                tokio::spawn(async move { client.close().await });
                return;
            }
            other => panic!("there is no call {other}"),
        };
        let name = step["as"].as_str().unwrap_or_default();
        self.outcomes.insert(name.to_owned(), outcome);
    }

    /// The server does something, or the client does something to it.
    async fn serve(&mut self, what: &str, step: &Value) {
        match what {
            "accepts" => {
                let (stream, _) = self.listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                self.socket = Some(accept_async(stream).await.unwrap());
                self.said = false;
            }
            "refuses" => drop(self.listener.accept().await.unwrap()),
            "ignores" => self.ignored.push(self.listener.accept().await.unwrap().0),
            "hears" | "hears_ping" => {
                let mut frame = self.frame().await.expect("the client hangs up");
                let id = frame["id"].as_u64();
                let frame = frame.as_object_mut().unwrap();
                frame.remove("id");
                let frame = Value::Object(frame.clone());
                let ping = json!({"type": "ping"});
                let expected = step.get("frame").unwrap_or(&ping);
                assert!(
                    fits(&frame, expected, &mut self.names, true),
                    "the client sends {frame}"
                );
                frame["type"].as_str().unwrap().clone_into(&mut self.last);
                self.heard.insert(self.last.clone(), id.unwrap_or(0));
            }
            "hears_nothing" => {
                self.said = true;
                self.settle().await;
                assert_eq!(self.frames, VecDeque::new());
            }
            "hears_end" => {
                let frame = self.frame().await;
                assert_eq!(frame, None, "the connection has not ended");
                self.socket = None;
            }
            "answers_ping" => {
                // Reading the ping has put the pong into the buffer.
                self.socket().flush().await.unwrap();
                self.said = true;
            }
            "replies" => self.answer(step, "reply", "result").await,
            "errs" => self.answer(step, "error", "error").await,
            "says" => match step["text"].as_str() {
                Some(text) => self.say(text.to_owned()).await,
                None => self.say(self.filled(&step["frame"]).to_string()).await,
            },
            "closes" => {
                let code = u16::try_from(step["code"].as_u64().unwrap()).unwrap();
                let reason = "".into();
                let frame = CloseFrame {
                    code: code.into(),
                    reason,
                };
                self.socket().close(Some(frame)).await.unwrap();
                while let Some(Ok(_)) = self.socket().next().await {}
                self.socket = None;
            }
            "dies" => {
                self.settle().await;
                self.socket = None;
            }
            other => panic!("the server can't do {other}"),
        }
    }

    fn socket(&mut self) -> &mut WebSocketStream<TcpStream> {
        self.socket.as_mut().expect("there is a connection")
    }

    async fn say(&mut self, text: String) {
        self.said = true;
        self.socket().send(Message::text(text)).await.unwrap();
    }

    async fn answer(&mut self, step: &Value, kind: &str, key: &str) {
        let to = step["to"].as_str().unwrap_or(&self.last);
        let content = self.filled(&step[key]);
        let answer = json!({"type": kind, "id": self.heard[to], key: content});
        self.say(answer.to_string()).await;
    }

    /// A frame with the values of the names in it.
    fn filled(&self, frame: &Value) -> Value {
        match frame {
            Value::String(name) => self.names.get(name).unwrap_or(frame).clone(),
            Value::Array(all) => all.iter().map(|value| self.filled(value)).collect(),
            Value::Object(all) => {
                let all = all
                    .iter()
                    .map(|(key, value)| (key.clone(), self.filled(value)));
                Value::Object(all.collect())
            }
            other => other.clone(),
        }
    }

    /// The next frame of the client; `None` when it hangs up.
    async fn frame(&mut self) -> Option<Value> {
        if let Some(frame) = self.frames.pop_front() {
            return Some(frame);
        }
        loop {
            match self.socket.as_mut()?.next().await?.ok()? {
                Message::Text(text) => return Some(serde_json::from_str(&text).unwrap()),
                Message::Ping(_) => return Some(json!({"type": "ping"})),
                _ => {}
            }
        }
    }

    /// Waits until the client has read everything that the server has said, and has sent what follows; or
    /// until it has hung up.
    async fn settle(&mut self) {
        let Some(mut socket) = self.socket.take_if(|_| self.said) else {
            return;
        };
        self.said = false;
        if socket.send(Message::Ping("settle".into())).await.is_err() {
            return;
        }
        while let Some(Ok(message)) = socket.next().await {
            match message {
                Message::Text(text) => self.frames.push_back(serde_json::from_str(&text).unwrap()),
                Message::Pong(_) => {
                    self.socket = Some(socket);
                    return;
                }
                _ => {}
            }
        }
    }

    /// Nothing may be left over.
    async fn end(mut self) {
        self.settle().await;
        assert_eq!(
            self.frames,
            VecDeque::new(),
            "no step takes what the client sends"
        );
        let next = futures_util::poll!(std::pin::pin!(self.events.next()));
        let ended = matches!(next, std::task::Poll::Ready(None));
        assert!(next.is_pending() || ended, "no step takes {next:?}");
    }
}

/// Says whether everything in `expected` is in `actual`, and binds the names that begin with `$`.
fn fits(
    actual: &Value,
    expected: &Value,
    names: &mut BTreeMap<String, Value>,
    exact: bool,
) -> bool {
    match (actual, expected) {
        (_, Value::String(name)) if name.starts_with('$') => {
            names.entry(name.clone()).or_insert_with(|| actual.clone()) == actual
        }
        (Value::Object(actual), Value::Object(expected)) => {
            let mut more = actual
                .iter()
                .filter(|(key, value)| !(value.is_null() || expected.contains_key(*key)));
            (!exact || more.next().is_none())
                && expected.iter().all(|(key, expected)| {
                    let actual = actual.get(key).unwrap_or(&Value::Null);
                    fits(actual, expected, names, exact)
                })
        }
        (Value::Array(actual), Value::Array(expected)) => {
            actual.len() == expected.len()
                && actual
                    .iter()
                    .zip(expected)
                    .all(|(actual, expected)| fits(actual, expected, names, exact))
        }
        _ => actual == expected,
    }
}

/// An event as the scenarios write it.
fn shown(event: ClientEvent) -> Value {
    let (kind, mut shown) = match event {
        ClientEvent::Connected { user, session } => {
            ("connected", json!({"user": user, "session": session}))
        }
        ClientEvent::Disconnected { reason, .. } => ("disconnected", json!({"reason": reason})),
        ClientEvent::Entry(entry) => ("entry", serde_json::to_value(entry).unwrap()),
        ClientEvent::Reset { room, epoch } => ("reset", json!({"room": room, "epoch": epoch})),
        ClientEvent::Skipped { room, from, to } => {
            ("skipped", json!({"room": room, "from": from, "to": to}))
        }
        ClientEvent::Event(event) => {
            let mut event = serde_json::to_value(event).unwrap();
            event["event"] = event["type"].take();
            return event;
        }
        ClientEvent::Ended(ClientError::Closed { code, .. }) => ("ended", json!({"code": code})),
        ClientEvent::Ended(ClientError::Refused(body)) => ("ended", json!({"code": body.code})),
        ClientEvent::Ended(_) => ("ended", json!({})),
        other => panic!("{other:?} is not known here"),
    };
    shown["event"] = kind.into();
    shown
}

/// An outcome as the scenarios write it.
fn described(outcome: Outcome) -> Value {
    match outcome {
        Ok(reply) => reply,
        Err(RequestError::Refused(body)) => {
            json!({"refused": body.code, "retry_after": body.retry_after_ms})
        }
        Err(RequestError::QueueFull) => json!({"failed": "queue_full"}),
        Err(RequestError::TimedOut) => json!({"failed": "timed_out"}),
        Err(RequestError::Unanswered) => json!({"failed": "unanswered"}),
        Err(RequestError::Ended(_)) => json!({"failed": "ended"}),
        Err(other) => panic!("{other:?} is not known here"),
    }
}

/// Plays a scenario; `at` is the step that goes on.
async fn play(scenario: Value, at: &AtomicUsize) {
    let mut play = Play::new(&scenario["token"]).await;
    for (number, step) in scenario["steps"].as_array().unwrap().iter().enumerate() {
        at.store(number, Relaxed);
        play.step(step).await;
    }
    play.end().await;
}

/// Plays the scenario of a file, in a runtime whose time stands still, and says at which step it failed.
fn failed(file: &Path) -> Option<String> {
    let scenario: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let steps = scenario["steps"].clone();
    let at = AtomicUsize::new(0);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    let place = || {
        let number = at.load(Relaxed);
        let name = file.file_name().unwrap().display();
        format!("{name}, step {}, {}", number + 1, steps[number])
    };
    let played = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        runtime.block_on(async {
            let (_playing, played) = mpsc::channel::<()>();
            // While a blocking task runs, tokio's time passes only by `advance`.
            let patience = spawn_blocking(move || played.recv_timeout(PATIENCE));
            tokio::select! {
                () = play(scenario, &at) => {}
                _ = patience => panic!("it waits for ever"),
            }
        });
    }));
    played.err().map(|_| place())
}

#[test]
fn the_client_does_in_each_scenario_what_all_clients_do() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../clients/scenarios");
    let files = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path());
    let mut files: Vec<_> = files
        .filter(|file| file.extension().is_some_and(|it| it == "json"))
        .collect();
    files.sort();
    assert!(!files.is_empty());
    let failed: Vec<_> = files.iter().filter_map(|file| failed(file)).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
