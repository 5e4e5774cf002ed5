//! What each decoder must hold, whatever bytes come in; run by libFuzzer (`scripts/fuzz`), and
//! briefly by every `scripts/test` (`chat-cli/tests/it/decoders.rs`).

use std::{fmt::Debug, str::from_utf8, sync::LazyLock};

use chat_core::{
    Outgoing, Request, RoomId, UserId,
    moderation::{Action, Matching, WordList},
    port::Verdict,
};
use serde::{Serialize, de::DeserializeOwned};

/// Gives bytes to one decoder and says whether they were accepted; panics when the decoder does, or
/// when what came out breaks its law.
pub type Target = fn(&[u8]) -> bool;

/// By name, with a few good inputs, one a line, to begin from.
pub const TARGETS: &[(&str, &str, Target)] = &[
    (
        "native_request",
        include_str!("seeds/native_request"),
        native_request,
    ),
    (
        "native_frame",
        include_str!("seeds/native_frame"),
        native_frame,
    ),
    ("names", include_str!("seeds/names"), names),
    ("moderation", include_str!("seeds/moderation"), moderation),
    ("word_list", include_str!("seeds/word_list"), word_list),
    (
        "native_decode",
        include_str!("seeds/native_decode"),
        native_decode,
    ),
    (
        "socketio_event",
        include_str!("seeds/socketio_event"),
        socketio_event,
    ),
    (
        "engineio_payload",
        include_str!("seeds/engineio_payload"),
        engineio_payload,
    ),
    (
        "socketio_packet",
        include_str!("seeds/socketio_packet"),
        socketio_packet,
    ),
    ("settings", include_str!("seeds/settings"), settings),
    ("terminal", include_str!("seeds/terminal"), terminal),
    (
        "forwarded_for",
        include_str!("seeds/forwarded_for"),
        forwarded_for,
    ),
    (
        "proxy_header",
        include_str!("seeds/proxy_header"),
        proxy_header,
    ),
    ("jwt", include_str!("seeds/jwt"), jwt),
];

/// A client's frame, as the server reads it.
pub fn native_request(data: &[u8]) -> bool {
    reads_what_it_writes::<Request>(data)
}

/// A server's frame, as the client reads it.
pub fn native_frame(data: &[u8]) -> bool {
    reads_what_it_writes::<Outgoing>(data)
}

fn reads_what_it_writes<T: Debug + PartialEq + Serialize + DeserializeOwned>(data: &[u8]) -> bool {
    let Ok(value) = serde_json::from_slice::<T>(data) else {
        return false;
    };
    let json = serde_json::to_string(&value).expect("what was read can be written");
    let again: T = serde_json::from_str(&json).expect("what was written can be read");
    assert_eq!(value, again, "{json}");
    true
}

/// User names and room ids: reading one again changes nothing, and it hides nothing.
pub fn names(data: &[u8]) -> bool {
    let Ok(text) = from_utf8(data) else {
        return false;
    };
    if let Ok(user) = UserId::new(text) {
        let name = user.as_str();
        assert_eq!(UserId::new(name).as_ref(), Ok(&user));
        assert!(
            !name.contains(|c: char| c == ',' || c.is_control()),
            "{name:?}"
        );
    }
    let Ok(room) = RoomId::new(text) else {
        return false;
    };
    assert_eq!(RoomId::new(room.as_str()).as_ref(), Ok(&room));
    if let Some([one, other]) = room.pair() {
        assert_eq!(UserId::new(one.as_str()).as_ref(), Ok(&one));
        assert_eq!(RoomId::direct(&other, &one).as_ref(), Ok(&room));
    }
    true
}

/// Message texts before a word list: a masked text has no hit left.
pub fn moderation(data: &[u8]) -> bool {
    static LISTS: LazyLock<[WordList; 2]> = LazyLock::new(|| {
        [Matching::Word, Matching::Substring].map(|matching| {
            let list = WordList::new(["war", "gun", "straße", "bad words", "!gun show"]);
            list.expect("the words are good")
                .matching(matching)
                .action(Action::Mask)
        })
    });
    let Ok(text) = from_utf8(data) else {
        return false;
    };
    for list in LISTS.iter() {
        if let Verdict::Mask(masked) = list.judge(text) {
            assert_eq!(
                list.judge(&masked),
                Verdict::Allow,
                "{text:?} gave {masked:?}"
            );
            assert!(masked.contains('*'), "{text:?} gave {masked:?}");
        }
    }
    true
}

/// A file of words, before its own text.
pub fn word_list(data: &[u8]) -> bool {
    let Ok(file) = from_utf8(data) else {
        return false;
    };
    let Ok(list) = WordList::parse(file) else {
        return false;
    };
    drop(list.judge(file));
    true
}

/// A client's frame through the server's decoder, which explains what it refuses.
pub fn native_decode(data: &[u8]) -> bool {
    from_utf8(data).is_ok_and(|frame| match chat_core::decode(frame) {
        Ok(_) => true,
        Err((_, error)) => {
            assert!(!error.to_string().is_empty());
            false
        }
    })
}

/// An event of the old protocol: a JSON array of its name and arguments.
pub fn socketio_event(data: &[u8]) -> bool {
    from_utf8(data).is_ok_and(|packet| chat_server::check_event(packet).is_ok())
}

/// The body of a request of the old protocol: what is read is written as it was.
pub fn engineio_payload(data: &[u8]) -> bool {
    let Ok(body) = from_utf8(data) else {
        return false;
    };
    let again = chat_server::recode_payload(body);
    if let Some(again) = &again {
        assert_eq!(again, body);
    }
    again.is_some()
}

/// A packet of the old protocol: what is written is read as it was.
pub fn socketio_packet(data: &[u8]) -> bool {
    let Some(packet) = from_utf8(data).ok().and_then(chat_server::recode_packet) else {
        return false;
    };
    let again = chat_server::recode_packet(&packet).expect("what was written can be read");
    assert_eq!(again, packet);
    true
}

/// The text of a `.env` file. One that names another file to read is left alone.
pub fn settings(data: &[u8]) -> bool {
    let Ok(text) = from_utf8(data) else {
        return false;
    };
    let program = std::iter::once("chat-server".into());
    !text.contains("CHAT_CONFIG")
        && chat_server::config::load(program, std::iter::empty(), Some(text)).is_ok()
}

/// What the terminal prints: nothing that it obeys, and cleaning again changes nothing.
pub fn terminal(data: &[u8]) -> bool {
    let Ok(text) = from_utf8(data) else {
        return false;
    };
    let shown = chat_cli::clean(text);
    assert!(!shown.contains(char::is_control), "{shown:?}");
    assert_eq!(chat_cli::clean(&shown), shown);
    true
}

/// `X-Forwarded-For` in one line or more: the client that it names is read again from its own text.
pub fn forwarded_for(data: &[u8]) -> bool {
    let lines: Vec<_> = data.split(|byte| *byte == b'\n').collect();
    let Some(client) = chat_server::client_named_by(&lines) else {
        return false;
    };
    let again = chat_server::client_named_by(&[client.to_string().as_bytes()]);
    assert_eq!(again, Some(client));
    true
}

/// The header of the PROXY protocol; a line of text may lack its end.
pub fn proxy_header(data: &[u8]) -> bool {
    let line = [data.trim_ascii_end(), b"\r\n"].concat();
    let named = [data, &line].map(chat_server::client_in_proxy_header);
    named.iter().any(Option::is_some)
}

/// The head of a token, before any key is looked up.
pub fn jwt(data: &[u8]) -> bool {
    from_utf8(data).is_ok_and(chat_server::tokens::has_good_head)
}
