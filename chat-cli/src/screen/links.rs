//! Links in messages: which of them a terminal may open. No input or output.

use std::ops::Range;

/// Bytes of a link that is made one; terminals take about as many.
const LONGEST: usize = 2_000;

/// The links in a line that are safe to open: what is shown is where they lead.
///
/// They begin with `http://` or `https://`, have only visible ASCII characters, so that no letter looks like
/// another, and no user name before the host, which would look like the host.
pub(crate) fn links(line: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = line[from..].find("http") {
        let start = from + at;
        from = start + 4;
        let before = line[..start].chars().next_back();
        if before.is_some_and(char::is_alphanumeric) {
            continue;
        }
        let Some(scheme) = ["https://", "http://"]
            .into_iter()
            .find(|scheme| line[start..].starts_with(scheme))
        else {
            continue;
        };
        let end = start + end_of(&line[start..]);
        if is_safe(&line[start..end], scheme) && !goes_on(&line[end..]) {
            found.push(start..end);
            from = end;
        }
    }
    found
}

/// True if a letter follows that is no part of the link: it would lead elsewhere than it says.
fn goes_on(rest: &str) -> bool {
    let next = rest.chars().next();
    next.is_some_and(|c| !c.is_ascii() && c.is_alphanumeric())
}

fn end_of(text: &str) -> usize {
    let belongs = |c: char| c.is_ascii_graphic() && !"<>\"`{}|\\^".contains(c);
    let mut link = text.split(|c| !belongs(c)).next().unwrap_or_default();
    // Marks at the end belong to the sentence, and so does a bracket that was opened before the link.
    loop {
        let shorter = match link.chars().next_back() {
            Some('.' | ',' | ';' | ':' | '!' | '?' | '\'') => &link[..link.len() - 1],
            Some(')') if link.matches('(').count() < link.matches(')').count() => {
                &link[..link.len() - 1]
            }
            Some(']') if link.matches('[').count() < link.matches(']').count() => {
                &link[..link.len() - 1]
            }
            _ => return link.len(),
        };
        link = shorter;
    }
}

fn is_safe(link: &str, scheme: &str) -> bool {
    let authority = link[scheme.len()..].split(['/', '?', '#']).next();
    let authority = authority.unwrap_or_default();
    let begins = authority.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[');
    link.len() <= LONGEST && begins && !authority.contains('@')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(line: &str) -> Vec<&str> {
        links(line).into_iter().map(|link| &line[link]).collect()
    }

    #[test]
    fn links_end_where_the_sentence_goes_on() {
        assert_eq!(
            found("see https://a.example/x?y=1#z, or (http://b.example/(1))."),
            ["https://a.example/x?y=1#z", "http://b.example/(1)"]
        );
        assert_eq!(
            found("<https://a.example>, \"http://[::1]:80/\""),
            ["https://a.example", "http://[::1]:80/"]
        );
        assert_eq!(found("xhttp://a.example http:/ https://"), [""; 0]);
    }

    #[test]
    fn a_link_that_could_lead_elsewhere_than_it_says_is_none() {
        for line in [
            "https://bank.example@evil.example/",
            "https://ex\u{430}mple.com",
            "javascript:alert(1)",
            "file:///etc/passwd",
            "https://a.example\u{430}",
        ] {
            assert_eq!(found(line), [""; 0], "{line}");
        }
        let long = format!("https://a.example/{}", "x".repeat(LONGEST));
        assert_eq!(found(&long), [""; 0]);
        assert_eq!(
            found("https://a.example/\u{1b}]8;;x"),
            ["https://a.example/"],
            "a control character ends it"
        );
    }
}
