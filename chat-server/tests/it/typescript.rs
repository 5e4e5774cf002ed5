//! The TypeScript client: its types follow from the definitions of the protocol, it loses nothing when the
//! server is killed, and what its documents show works.
//!
//! After a change of `chat_core::wire`, `UPDATE_GOLDEN=1` writes `clients/typescript/src/protocol.ts` anew.
//! `scripts/test` compiles the client; where there is no Node, `CHAT_SKIP_NODE=1` leaves it out.

use std::{
    collections::BTreeMap,
    env,
    fmt::Write as _,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use chat_core::{CloseReason, Command, ErrorCode, Outgoing, Request};
use chat_testkit::{Node, PATIENCE, Proxy, Server, turn};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Command as Process,
    time::timeout,
};
use utoipa::ToSchema;

const HEAD: &str = "// Generated from the definitions in chat-core/src/wire by \
    chat-server/tests/it/typescript.rs. Don't edit it.\n";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../clients/typescript")
}

fn file() -> PathBuf {
    folder().join("src/protocol.ts")
}

/// The schemas of a type and of everything in it, by name.
fn schemas<T: ToSchema>(all: &mut BTreeMap<String, Value>) {
    let mut found = vec![(T::name().into_owned(), T::schema())];
    T::schemas(&mut found);
    for (name, schema) in found {
        let schema = serde_json::to_value(schema).unwrap();
        let before = all.insert(type_name(&name), schema.clone());
        assert!(
            before.is_none_or(|before| before == schema),
            "two types are called {name}"
        );
    }
}

/// The name in TypeScript: commands have names of their own beside the types of replies and events.
fn type_name(name: &str) -> String {
    match name.strip_prefix("command.") {
        Some(command) => format!("{command}Command"),
        None => name.to_owned(),
    }
}

/// A doc comment, without the links of Rust.
fn doc(schema: &Value, indent: &str) -> String {
    // That of an optional field is at its type.
    let parts = schema["oneOf"].as_array().map_or(&[][..], Vec::as_slice);
    let optional = match parts {
        [part, null] | [null, part] if null["type"] == "null" => part["description"].as_str(),
        _ => None,
    };
    let Some(text) = schema["description"].as_str().or(optional) else {
        return String::new();
    };
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, link)) = rest.split_once("[`") {
        let (name, after) = link.split_once("`]").expect("a link has an end");
        plain.extend([before, "`", name, "`"]);
        rest = match after.strip_prefix('(') {
            Some(target) => target.split_once(')').map_or("", |(_, after)| after),
            None => after,
        };
    }
    plain += rest;
    let lines: Vec<_> = plain.lines().map(str::trim_end).collect();
    if let [line] = lines[..] {
        return format!("{indent}/** {line} */\n");
    }
    let body = lines.iter().map(|line| match *line {
        "" => format!("{indent} *\n"),
        line => format!("{indent} * {line}\n"),
    });
    let body = joined(body, "");
    format!("{indent}/**\n{body}{indent} */\n")
}

/// The type that a schema describes.
fn typed(schema: &Value, indent: &str) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap_or_default();
        return type_name(name);
    }
    if let Some(values) = schema["enum"].as_array() {
        return joined(values.iter().map(Value::to_string), " | ");
    }
    let parts = |key: &str| schema[key].as_array();
    if let Some(parts) = parts("allOf") {
        return joined(parts.iter().map(|part| typed(part, indent)), " & ");
    }
    if let Some(parts) = parts("oneOf") {
        // JSON without a value is without the field.
        let parts = parts.iter().filter(|part| part["type"] != "null");
        let parts: Vec<_> = parts.collect();
        if let [one] = parts[..] {
            return typed(one, indent);
        }
        let union: Vec<_> = parts
            .into_iter()
            .map(|part| {
                doc(part, &format!("{indent}  "))
                    + &format!("{indent}  | {}", typed(part, &format!("{indent}  ")))
            })
            .collect();
        return format!("\n{}", union.join("\n"));
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds
            .iter()
            .find(|kind| *kind != "null")
            .unwrap_or(&Value::Null),
        kind => kind,
    };
    match kind.as_str() {
        Some("string") => "string".to_owned(),
        Some("integer" | "number") => "number".to_owned(),
        Some("boolean") => "boolean".to_owned(),
        Some("array") => format!("readonly {}[]", typed(&schema["items"], indent)),
        Some("object") => object(schema, indent),
        _ => panic!("there is no type for {schema}"),
    }
}

fn joined(parts: impl Iterator<Item = String>, between: &str) -> String {
    parts.collect::<Vec<_>>().join(between)
}

fn object(schema: &Value, indent: &str) -> String {
    let Some(properties) = schema["properties"]
        .as_object()
        .filter(|all| !all.is_empty())
    else {
        return "Record<never, never>".to_owned();
    };
    let required = |name: &String| {
        let names = schema["required"].as_array();
        names.is_some_and(|names| names.iter().any(|required| required == name))
    };
    let inner = format!("{indent}  ");
    let mut text = "{\n".to_owned();
    for (name, property) in properties {
        let optional = if required(name) { "" } else { "?" };
        let kind = typed(property, &inner);
        text += &doc(property, &inner);
        writeln!(text, "{inner}readonly {name}{optional}: {kind};").unwrap();
    }
    format!("{text}{indent}}}")
}

fn codes<T: Copy>(
    name: &str,
    about: &str,
    all: &[T],
    row: impl Fn(T) -> (&'static str, u16),
) -> String {
    let rows = all.iter().map(|code| {
        let (name, number) = row(*code);
        format!("  {name}: {number},\n")
    });
    let rows: String = rows.collect();
    format!("\n/** {about} */\nexport const {name} = {{\n{rows}}} as const;\n")
}

fn generated() -> String {
    let mut all = BTreeMap::new();
    schemas::<Request>(&mut all);
    schemas::<Outgoing>(&mut all);
    // The derive macro does not see the names that the table gives to the commands.
    let commands = all
        .get_mut("Command")
        .and_then(|all| all["oneOf"].as_array_mut());
    let commands = commands.expect("there are commands");
    assert_eq!(commands.len(), Command::NAMES.len());
    for (command, name) in commands.iter_mut().zip(Command::NAMES) {
        command["allOf"][1]["properties"]["type"]["enum"][0] = (*name).into();
    }
    let mut text = HEAD.to_owned();
    for (name, schema) in &all {
        let kind = typed(schema, "");
        let space = if kind.starts_with('\n') { "" } else { " " };
        let doc = doc(schema, "");
        writeln!(text, "\n{doc}export type {name} ={space}{kind};").unwrap();
    }
    text += "\n/** The reply to each command. */\nexport interface Replies {\n";
    for (command, reply) in Command::REPLIES {
        writeln!(text, "  {command}: {reply};").unwrap();
    }
    text += "}\n";
    text += &codes(
        "ErrorCode",
        "The codes of errors.",
        ErrorCode::ALL,
        |code| (code.name(), code.code()),
    );
    let reasons = "The codes with which the server closes a connection.";
    text += &codes("CloseCode", reasons, CloseReason::ALL, |code| {
        (code.name(), code.code())
    });
    text
}

#[test]
fn the_types_of_the_typescript_client_are_those_of_the_protocol() {
    let generated = generated();
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(file(), &generated).unwrap();
    }
    let committed = fs::read_to_string(file()).unwrap_or_default();
    assert!(
        committed == generated,
        "the protocol has changed: write {} with UPDATE_GOLDEN=1 cargo test -p chat-server typescript, and commit it",
        file().display()
    );
}

/// A program among the tests of the client, which `npm run check` compiles; `None` when it is to be left out.
fn program(name: &str) -> Option<Process> {
    if env::var_os("CHAT_SKIP_NODE").is_some() {
        return None;
    }
    let file = folder().join(format!("build/tests/{name}.js"));
    assert!(
        file.exists(),
        "run `npm ci && npm run check` in {} first, or set CHAT_SKIP_NODE=1",
        folder().join("..").display()
    );
    let mut node = Process::new("node");
    node.arg(file).kill_on_drop(true);
    Some(node)
}

/// Runs such a program, against a server of its own.
async fn plays(name: &str, arguments: &[&str]) {
    let Some(mut program) = program(name) else {
        return;
    };
    let server = Server::start(&[]).await;
    program.arg(format!("http://{}", server.address));
    let played = timeout(2 * PATIENCE, program.args(arguments).output()).await;
    let played = played
        .expect("it ends in time")
        .expect("Node is installed; or set CHAT_SKIP_NODE=1");
    let errors = String::from_utf8_lossy(&played.stderr);
    assert!(played.status.success(), "{errors}");
}

#[tokio::test]
async fn the_recipes_of_the_typescript_client_work() {
    plays("recipes", &[]).await;
}

#[tokio::test]
async fn a_page_before_and_a_page_after_the_migration_talk() {
    let library = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/socketio/node_modules/socket.io-client/build/esm/index.js");
    plays("migration", &[&library.display().to_string()]).await;
}

/// Runs a program whose users do `count` things at the server at this address, and which says how many are
/// done. Meanwhile `fault` is called again and again, with the number of its call.
async fn under_faults(name: &str, address: SocketAddr, count: usize, mut fault: impl FnMut(usize)) {
    /// The number of things that are done between two faults.
    const BETWEEN: usize = 60;

    let Some(mut program) = program(name) else {
        return;
    };
    let _turn = turn().await;
    let mut program = program
        .args([format!("http://{address}"), count.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .expect("Node is installed; or set CHAT_SKIP_NODE=1");
    let mut done = BufReader::new(program.stdout.take().unwrap()).lines();
    let (mut last, mut faults) = (0, 0);
    let playing = async {
        while let Some(line) = done.next_line().await.unwrap() {
            last = line.parse::<usize>().unwrap();
            if last.is_multiple_of(BETWEEN) {
                fault(faults);
                faults += 1;
            }
        }
        program.wait().await.unwrap()
    };
    let ended = timeout(4 * PATIENCE, playing).await;
    assert!(ended.expect("it ends in time").success(), "see above");
    assert_eq!((last, faults), (count, count / BETWEEN));
}

#[tokio::test]
async fn the_typescript_client_loses_and_repeats_nothing_while_the_server_is_killed() {
    let mut server = Node::start(&["--store", "sqlite:chat.db", "--rate-limit", "off"]);
    server.ready().await;
    under_faults("conversation", server.address(), 500, |_| {
        server.kill();
        server.restart();
    })
    .await;
}

#[tokio::test]
async fn an_inbox_is_what_the_server_lists_although_the_server_is_killed() {
    let mut server = Node::start(&["--store", "sqlite:chat.db", "--rate-limit", "off"]);
    server.ready().await;
    under_faults("inboxes", server.address(), 120, |_| {
        server.kill();
        server.restart();
    })
    .await;
}

#[tokio::test]
async fn the_typescript_client_loses_and_repeats_nothing_over_a_connection_that_breaks_and_hangs() {
    let server = Server::start(&[]).await;
    let proxy = Proxy::to(server.address).await;
    under_faults("conversation", proxy.address(), 240, |number| {
        match number % 4 {
            0 => proxy.cut(),
            1 => proxy.delay(Duration::from_millis(20)),
            2 => {
                proxy.hang();
                proxy.cut();
                proxy.heal();
            }
            _ => {
                proxy.heal();
                proxy.cut();
                proxy.cut();
            }
        }
    })
    .await;
}
