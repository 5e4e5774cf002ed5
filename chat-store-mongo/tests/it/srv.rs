//! An address as Atlas gives it, which a name server resolves to the members of a replica set.

use std::{io::Write as _, net::UdpSocket, os::unix::fs::MetadataExt as _, thread};

use chat_core::port::RoomStore;
use chat_store_mongo::MongoStore;
use chat_testkit::{
    Database, child,
    log::{new_room, room},
};

/// The address at which the test's own name server listens.
const NAME_SERVER: &str = "127.0.53.53";
const NAME: &str = "cluster.chat.example";

#[test]
fn an_srv_address_leads_to_the_members_of_the_replica_set() {
    let Some(database) = Database::new() else {
        return;
    };
    let server = UdpSocket::bind((NAME_SERVER, 53));
    let Ok(server) = server else {
        // Root may bind the port, so there the test must not be skipped.
        let required = std::env::var_os("CHAT_REQUIRE_SERVICES").is_some();
        let root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
        assert!(!(required && root), "{server:?}");
        let line = "LEFT OUT: srv addresses, for want of the right to be a name server\n";
        std::io::stderr().write_all(line.as_bytes()).unwrap();
        return;
    };
    let (_, hosts) = database.uri.split_once("://").unwrap();
    let port: u16 = hosts
        .split(['/', '?'])
        .next()
        .and_then(|host| host.rsplit(':').next()?.parse().ok())
        .unwrap();
    thread::spawn(move || answer(&server, port));

    let mut settings = tempfile::NamedTempFile::new().unwrap();
    writeln!(settings, "nameserver {NAME_SERVER}").unwrap();
    let shell = r#"mount --bind "$0" /etc/resolv.conf && exec "$@""#;
    let settings = settings.path().to_str().unwrap();
    let wrapper = ["unshare", "--mount", "sh", "-c", shell, settings];
    let mut resolving = child::within(&wrapper, "srv::child_with_a_name_server");
    resolving.env("CHAT_TEST_DATABASE", &database.name);
    child::passes(resolving);
}

#[tokio::test]
#[ignore = "run by an_srv_address_leads_to_the_members_of_the_replica_set"]
async fn child_with_a_name_server() {
    let database = std::env::var("CHAT_TEST_DATABASE").unwrap();
    let uri = format!("mongodb+srv://{NAME}/{database}?tls=false");
    let store = MongoStore::connect(&uri).await.expect("it is found");
    store.create_room(new_room(room())).await.unwrap();
    assert!(store.room(&room()).await.unwrap().is_some());
}

/// Answers each question about [`NAME`]: one member, on this machine, of the set `chat`.
fn answer(server: &UdpSocket, port: u16) {
    const A: u16 = 1;
    const TXT: u16 = 16;
    const SRV: u16 = 33;
    let mut packet = [0; 512];
    while let Ok((length, client)) = server.recv_from(&mut packet) {
        let Some(end) = packet[12..length].iter().position(|byte| *byte == 0) else {
            continue;
        };
        // The name ends with a zero, and type and class follow.
        let question = &packet[12..12 + end + 5];
        let kind = u16::from_be_bytes([question[end + 1], question[end + 2]]);
        let data = match kind {
            A => vec![127, 0, 0, 1],
            TXT => text("replicaSet=chat"),
            SRV => {
                let mut data = vec![0, 0, 0, 0];
                data.extend(port.to_be_bytes());
                for label in format!("node.{NAME}").split('.') {
                    data.extend(text(label));
                }
                data.push(0);
                data
            }
            _ => Vec::new(),
        };
        let answers = u8::from(!data.is_empty());
        let mut reply = vec![packet[0], packet[1], 0x85, 0x80];
        reply.extend([0, 1, 0, answers, 0, 0, 0, 0]);
        reply.extend(question);
        if answers > 0 {
            // The answer is for the same name, and valid for a minute.
            reply.extend([0xc0, 12]);
            reply.extend(kind.to_be_bytes());
            reply.extend([0, 1, 0, 0, 0, 60]);
            reply.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
            reply.extend(data);
        }
        let _ = server.send_to(&reply, client);
    }
}

/// Encodes a text: its length in one byte, then the text.
fn text(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap();
    [&[length], text.as_bytes()].concat()
}
