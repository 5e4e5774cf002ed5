//! Answers of the administration as text for people.

use serde_json::Value;

/// The columns of the record that are shown.
const COLUMNS: [&str; 9] = [
    "seq", "at", "actor", "via", "address", "action", "target", "room", "detail",
];

/// What an answer is about.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shows {
    Decision,
    User,
    Sessions,
    Room,
    Log,
    /// As they come.
    Lines,
}

/// The answer as lines of text. Nothing in them moves the cursor of a terminal.
pub(super) fn show(what: Shows, answer: &Value) -> String {
    let lines = match what {
        Shows::Decision => vec![decision(answer)],
        Shows::User => user(answer),
        Shows::Sessions => sessions(answer),
        Shows::Room => room(answer),
        Shows::Log => log(answer),
        Shows::Lines => vec![answer.to_string()],
    };
    lines.join("\n")
}

/// The value as one line: texts without quotes, and without what a terminal would obey.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.chars().flat_map(printable).collect(),
        other => other.to_string(),
    }
}

fn printable(c: char) -> impl Iterator<Item = char> {
    // Quotes are no danger.
    let stays = (c == '"' || c == '\'').then_some(c);
    let escaped = stays.is_none().then(|| c.escape_debug());
    stays.into_iter().chain(escaped.into_iter().flatten())
}

fn field(value: &Value, name: &str) -> String {
    plain(&value[name])
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

/// One line about a decision, such as `12: ban of bob until 2026-12-01T10:00:00Z`.
fn decision(decision: &Value) -> String {
    let what = &decision["what"];
    let action = field(what, "action").replace('_', " ");
    let target = ["user", "jti", "room"]
        .into_iter()
        .find(|name| !what[name].is_null());
    let of = target.map_or_else(String::new, |name| format!(" of {}", field(what, name)));
    let lifts = match &what["version"] {
        Value::Null => String::new(),
        version => format!(" of decision {version}"),
    };
    let until = match &what["until"] {
        Value::Null => String::new(),
        until => format!(" until {}", plain(until)),
    };
    let role = match &what["role"] {
        Value::Null => String::new(),
        role => format!(" as {} of {}", plain(role), field(what, "room")),
    };
    format!(
        "decision {}: {action}{of}{role}{lifts}{until}",
        decision["version"]
    )
}

fn user(user: &Value) -> Vec<String> {
    let mut lines = vec![field(user, "user")];
    let standing = &user["standing"];
    for (name, says) in [("bans", "banned"), ("mutes", "muted")] {
        for sanction in list(standing, name) {
            let until = match &sanction["until"] {
                Value::Null => "until it is lifted".to_owned(),
                until => format!("until {}", plain(until)),
            };
            lines.push(format!("{says} {until} (decision {})", sanction["version"]));
        }
    }
    if !standing["not_before"].is_null() {
        let moment = field(standing, "not_before");
        lines.push(format!("logins from before {moment} are revoked"));
    }
    lines.push(String::new());
    lines.extend(sessions(user));
    lines.push(String::new());
    lines.extend(table(
        &["ROOM", "HEAD", "READ", "UNREAD"],
        list(user, "rooms").iter().map(|room| {
            ["id", "head", "read", "unread"]
                .map(|name| field(room, name))
                .to_vec()
        }),
    ));
    lines
}

fn sessions(answer: &Value) -> Vec<String> {
    let mut lines = table(
        &["SESSION", "USER", "VIA", "ADDRESS", "SINCE"],
        list(answer, "sessions").iter().map(|session| {
            ["id", "user", "via", "address", "since"]
                .map(|name| field(session, name))
                .to_vec()
        }),
    );
    if answer["more"] == true {
        lines.push("and more".to_owned());
    }
    lines
}

fn room(answer: &Value) -> Vec<String> {
    let room = &answer["room"];
    let mut lines = vec![
        format!("{} since {}", field(room, "id"), field(room, "created_at")),
        String::new(),
    ];
    lines.extend(table(
        &["MEMBER", "ROLE", "DELIVERED", "READ"],
        list(answer, "members").iter().map(|member| {
            ["user", "role", "delivered", "read"]
                .map(|name| field(member, name))
                .to_vec()
        }),
    ));
    lines.push(String::new());
    lines.extend(table(
        &["SEQ", "AT", "AUTHOR", "KIND", "TEXT"],
        list(answer, "entries").iter().map(|entry| {
            let body = &entry["body"];
            let [seq, at, author] = ["seq", "at", "author"].map(|name| field(entry, name));
            vec![seq, at, author, field(body, "kind"), field(body, "text")]
        }),
    ));
    lines
}

fn log(answer: &Value) -> Vec<String> {
    let decisions = list(answer, "decisions");
    if !decisions.is_empty() {
        return decisions.iter().map(decision).collect();
    }
    let titles = COLUMNS.map(str::to_uppercase);
    let titles = titles.each_ref().map(String::as_str);
    let rows = list(answer, "rows").iter();
    table(
        &titles,
        rows.map(|row| COLUMNS.map(|name| field(row, name)).to_vec()),
    )
}

/// A table whose columns are as wide as their widest cell.
fn table(titles: &[&str], rows: impl Iterator<Item = Vec<String>>) -> Vec<String> {
    let titles = titles.iter().map(|title| (*title).to_owned()).collect();
    let rows: Vec<Vec<String>> = std::iter::once(titles).chain(rows).collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths);
        let padded = cells.map(|(cell, width)| format!("{cell:<width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_decision_is_one_line_that_says_what_and_until_when() {
        let ban = json!({
            "version": 3,
            "what": { "action": "ban", "user": "bob", "until": "2026-12-01T00:00:00Z" },
        });
        assert_eq!(
            show(Shows::Decision, &ban),
            "decision 3: ban of bob until 2026-12-01T00:00:00Z"
        );
        let lift = json!({ "version": 4, "what": { "action": "lift", "version": 3 } });
        assert_eq!(
            show(Shows::Decision, &lift),
            "decision 4: lift of decision 3"
        );
    }

    #[test]
    fn nothing_in_an_answer_moves_the_cursor() {
        let text = plain(&json!("a \"b\"\n\u{1b}[2Jc\u{202e}"));
        assert_eq!(text, "a \"b\"\\n\\u{1b}[2Jc\\u{202e}");
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let answer = json!({ "sessions": [
            { "id": "1", "user": "alice", "via": "native", "address": null, "since": "now" },
        ], "more": true });
        let shown = show(Shows::Sessions, &answer);
        let expected = "SESSION  USER   VIA     ADDRESS  SINCE\n\
                        1        alice  native  -        now\n\
                        and more";
        assert_eq!(shown, expected);
    }
}
