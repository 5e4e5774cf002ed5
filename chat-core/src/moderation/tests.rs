use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use proptest::prelude::*;

use super::{
    action::{masked, refused},
    fold::*,
    *,
};
use crate::{
    Error, RoomId, UserId,
    port::{BackendError, BackendErrorKind, Draft, Moderator, Retry, Verdict},
};

fn list(words: &[&str]) -> WordList {
    WordList::new(words).unwrap()
}

fn default_list() -> WordList {
    list(&DEFAULT_WORDS)
}

fn mask(words: &[&str], text: &str) -> String {
    match list(words).action(Action::Mask).judge(text) {
        Verdict::Mask(text) => text.to_string(),
        other => format!("{other:?}"),
    }
}

#[track_caller]
fn refuses(list: &WordList, texts: &[&str]) {
    for text in texts {
        assert_eq!(
            list.judge(text),
            refused(),
            "{text:?} {}",
            text.escape_unicode()
        );
    }
}

#[track_caller]
fn allows(list: &WordList, texts: &[&str]) {
    for text in texts {
        assert_eq!(
            list.judge(text),
            Verdict::Allow,
            "{text:?} {}",
            text.escape_unicode()
        );
    }
}

const EVASIONS: [&str; 52] = [
    // plain, and next to what is no letter
    "war",
    "war!",
    "(war)",
    "¡war!",
    "no war",
    "war.",
    "\"war\"",
    "war-time",
    "a war-m",
    "war's end",
    "war🔥",
    "🔥war",
    "❤️war❤️",
    "the_war_",
    "war\u{2028}time",
    "war™",
    "ʼwarʼ",
    "war中国",
    "戦war",
    // case
    "WAR",
    "wAr",
    "GUN",
    // full width, and other forms of the same letter
    "ｗａｒ",
    "ＷＡＲ",
    "𝐰𝐚𝐫",
    "𝔀𝓪𝓻",
    "ⓦⓐⓡ",
    "🅦🅐🅡",
    "🆆🅰🆁",
    "ʷᵃʳ",
    "ᴡᴀʀ",
    // accents, composed and piled up
    "wár",
    "wa\u{301}r",
    "w\u{336}a\u{336}r\u{336}",
    "ŵäř",
    "wåŕ",
    "ƚ ɡun",
    "gůñ",
    "wа\u{301}r",
    // look-alikes: Cyrillic, Greek, Latin
    "wаr",
    "ԝаr",
    "gυn",
    "wɑr",
    "GUΝ",
    // invisible characters
    "w\u{200b}ar",
    "w\u{ad}a\u{2060}r",
    "\u{feff}w\u{fe0f}ar",
    "w\u{e0061}ar",
    // separators
    "w.a.r",
    "w a r",
    "buy a g_u-n i say",
    "w🔥а🔥r",
];

const CLEAN: [&str; 40] = [
    "",
    "...",
    "warm",
    "begun",
    "software award",
    "Scunthorpe",
    "reward",
    "forward",
    "Gunther",
    "wars",
    "war2",
    "2war",
    "w4r",
    "warｍ",
    "wаrm",
    "WARM",
    "wa r",
    "w ar",
    "wa-r",
    "w  a  r",
    "w. a. r.",
    "we are",
    "w e a r e",
    "s o f t w a r e",
    "f.o.r.w.a.r.d",
    "w a r m",
    "I'm a r",
    "w'a'r",
    "how are you",
    "saw a rat",
    "wa\nr",
    "aw ar",
    "straw arm",
    "gunwale",
    "www.argus.org",
    // other languages and scripts
    "война и мир",
    "Είναι ο πόλεμος",
    "戦争",
    "ワー",
    "मैं गुण",
];

#[test]
fn disguised_words_are_refused() {
    refuses(&default_list(), &EVASIONS);
}

#[test]
fn ordinary_texts_pass() {
    allows(&default_list(), &CLEAN);
}

#[test]
fn every_character_folds_as_its_lower_case_and_once_for_all() {
    let fold = |text: &str| Folded::new(text, Looks::InMixedWords).text;
    let wrong: Vec<char> = ('\0'..'\u{20000}')
        .filter(|c| {
            let folded = fold(c.encode_utf8(&mut [0; 4]));
            fold(&c.to_lowercase().to_string()) != folded || fold(&folded) != folded
        })
        .collect();
    assert_eq!(wrong, []);
}

#[test]
fn substring_matching_finds_words_inside_words() {
    let list = default_list().matching(Matching::Substring);
    refuses(&list, &EVASIONS);
    refuses(
        &list,
        &[
            "warm",
            "begun",
            "software award",
            "GuNther",
            "rewаrd",
            "w a r m",
        ],
    );
    allows(
        &list,
        &["we are", "w e a r e", "saw a rat", "w.ar", "hello"],
    );
}

#[test]
fn words_that_are_all_of_another_script_are_not_taken_for_latin() {
    // Each of these looks like the Latin word to its left.
    let list = list(&["cop", "pyka", "bap", "nov", "ton", "no"]);
    allows(
        &list,
        &["сор", "рука", "вар", "νον", "τον καιρό", "но", "ΝΟ"],
    );
    refuses(&self::list(&["kind", "warm"]), &["KІND", "kіnd", "warɱ"]);
    refuses(&list, &["cор", "руka", "bар", "nоv"]);
}

#[test]
fn words_of_other_scripts_are_found_in_their_own_disguises() {
    let russian = list(&["война", "сор", "бой"]);
    refuses(
        &russian,
        &[
            "Война!",
            "ВОЙНА",
            "во\u{301}йна",
            "вoйна",
            "в.о.й.н.а",
            "вои\u{306}на",
            "бой",
            "cop сор",
        ],
    );
    allows(&russian, &["cop", "войнами", "мои бои", "бои"]);
    let greek = list(&["πόλεμος"]);
    refuses(&greek, &["ΠΟΛΕΜΟΣ", "πολεμος", "πόλεμoς"]);
    let turkish = list(&["ışık", "in"]);
    refuses(&turkish, &["IŞIK", "ışık", "isik", "İN", "ın", "I\u{307}N"]);
    refuses(&list(&["straße"]), &["STRASSE", "straße", "STRAẞE"]);
    refuses(
        &list(&["がん"]),
        &[
            "ガン".replace('ガ', "が").replace('ン', "ん").as_str(),
            "か\u{3099}ん",
        ],
    );
    refuses(&list(&["ガン"]), &["ｶﾞﾝ", "ガンダム"]);
    refuses(&list(&["حرب"]), &["حَرْب", "حـــرب", "لا حرب"]);
}

#[test]
fn scripts_without_spaces_are_searched_inside() {
    refuses(&list(&["战争"]), &["反对战争的人", "战.争", "战\u{200b}争"]);
    allows(&list(&["战争"]), &["战斗竞争"]);
    refuses(&list(&["สงคราม"]), &["ไม่มีสงครามนะ"]);
}

#[test]
fn a_syllable_of_hangul_is_not_part_of_another() {
    let list = list(&["가"]).matching(Matching::Substring);
    refuses(&list, &["가", "\u{1100}\u{1161}", "나가"]);
    allows(&list, &["각", "\u{1100}\u{1161}\u{11a8}"]);
}

#[test]
fn phrases_are_found_across_whatever_parts_their_words() {
    let list = list(&["kill you", "plan b", "don't"]);
    refuses(
        &list,
        &[
            "I will KILL  you!",
            "kill\nyou",
            "kill, you",
            "kíll - уou",
            "plan b, then",
            "don’t",
        ],
    );
    allows(
        &list,
        &["kill your tv", "skill you", "killyou", "plan be", "don"],
    );
}

#[test]
fn allowed_words_protect_what_lies_inside_them() {
    let list = list(&["war", "!war and peace", "!software"]);
    allows(&list, &["War and Peace", "w\u{200b}ar, and pеace"]);
    refuses(&list, &["war and peace, and war", "war and"]);
    let list = list.matching(Matching::Substring);
    allows(&list, &["softwares"]);
    refuses(&list, &["software award"]);
}

#[test]
fn masks_cover_exactly_the_letters_of_a_hit() {
    let words = &["war", "gun", "fig", "kill you"];
    for (text, masked) in [
        ("war and GUN, warm", "*** and ***, warm"),
        ("é war é", "é *** é"),
        ("a w.a\u{301}.r!", "a *.*.*!"),
        ("w\u{200b}ar", "*\u{200b}**"),
        ("ｗаr🔥", "***🔥"),
        ("ﬁg", "**"),
        ("kill, you.", "****, ***."),
        ("wär wär", "*** ***"),
    ] {
        assert_eq!(mask(words, text), masked, "{text:?}");
    }
}

#[test]
fn overlapping_hits_are_masked_as_one() {
    let list = list(&["b", "abc", "cd"]).matching(Matching::Substring);
    let list = list.action(Action::Mask);
    assert_eq!(list.judge("-abcd-"), masked("-****-".into()));
}

#[test]
fn letters_that_a_mask_brings_together_are_masked_too() {
    assert_eq!(mask(&["战", "xy"], "x战y"), "***");
}

#[test]
fn a_word_file_has_comments_blank_lines_and_allowed_words() {
    let list = WordList::parse("\u{feff}# words\r\n\r\n  war  \r\n!war and peace\n#gun\n").unwrap();
    refuses(&list, &["war"]);
    allows(&list, &["gun", "war and peace", "words"]);
    assert!(
        matches!(WordList::parse("war\n***"), Err(WordListError::Blank(entry)) if entry == "***")
    );
    assert!(matches!(
        WordList::new(["! "]),
        Err(WordListError::Blank(_))
    ));
    allows(&WordList::parse("# nothing\n").unwrap(), &["war"]);
}

#[test]
fn a_missing_word_file_is_named() {
    let error = WordList::open("/no/such/words.txt")
        .unwrap_err()
        .to_string();
    assert!(error.contains("/no/such/words.txt"), "{error}");
}

#[test]
fn debug_output_holds_no_words() {
    assert!(!format!("{:?}", default_list()).contains("war"));
}

#[test]
fn ten_thousand_words_are_all_found() {
    let words: Vec<String> = (0..10_000).map(|n| format!("bad{n}")).collect();
    let list = WordList::new(&words).unwrap();
    for word in words.iter().step_by(997) {
        refuses(&list, &[&format!("so {word} is")]);
    }
    allows(&list, &["bad", "bad10000", "badly"]);
}

#[test]
fn patterns_refuse_or_mask_the_text_as_written() {
    let links = RegexModerator::new(["https?://", r"(?i)\bfoo+\b"]).unwrap();
    assert_eq!(links.judge("see http://x"), refused());
    assert_eq!(links.judge("FOOO"), refused());
    assert_eq!(links.judge("food"), Verdict::Allow);
    let numbers = RegexModerator::new([r"\d+", "é+"])
        .unwrap()
        .action(Action::Mask);
    assert_eq!(numbers.judge("1 éé 22"), masked("* ** **".into()));
    assert_eq!(numbers.judge("one"), Verdict::Allow);
}

#[test]
fn a_bad_pattern_is_named() {
    for pattern in ["(", r"\w{100}", "a{1000}{1000}{1000}", "a*", "x|"] {
        let error = RegexModerator::new(["ok", pattern])
            .unwrap_err()
            .to_string();
        assert!(error.contains(&format!("{pattern:?}")), "{error}");
    }
}

/// A moderator that answers after a delay, and records the texts that it was asked about.
#[derive(Debug, Default, Clone)]
struct Scripted {
    after: Duration,
    verdict: Option<Verdict>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Scripted {
    fn new(verdict: Verdict) -> Self {
        Self {
            verdict: Some(verdict),
            ..Self::default()
        }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

#[async_trait]
impl Moderator for Scripted {
    async fn review(&self, draft: &Draft) -> Result<Verdict, BackendError> {
        self.asked.lock().unwrap().push(draft.text.to_string());
        tokio::time::sleep(self.after).await;
        self.verdict.clone().ok_or(BackendError {
            kind: BackendErrorKind::Unavailable,
            retry: Retry::Safe,
            backend: "scripted",
            operation: "review",
            source: None,
        })
    }
}

fn draft(text: &str) -> Draft {
    Draft {
        room: RoomId::new("alice,bob").unwrap(),
        author: UserId::new("alice").unwrap(),
        text: text.into(),
    }
}

#[tokio::test]
async fn an_empty_chain_allows() {
    assert_eq!(
        Chain::default().review(&draft("war")).await.unwrap(),
        Verdict::Allow
    );
}

#[tokio::test]
async fn a_mask_rewrites_the_draft_for_the_next() {
    let next = Scripted::new(Verdict::Allow);
    let words = default_list().action(Action::Mask);
    let chain = Chain::new(vec![Link::new(words), Link::new(next.clone())]);
    assert_eq!(
        chain.review(&draft("no war")).await.unwrap(),
        masked("no ***".into())
    );
    assert_eq!(next.asked(), ["no ***"]);
}

#[tokio::test]
async fn the_first_rejection_ends_the_chain() {
    let first = Scripted::new(masked("x".into()));
    let last = Scripted::new(Verdict::Allow);
    let refusing = Scripted::new(refused());
    let chain = Chain::new(vec![
        Link::new(first),
        Link::new(refusing),
        Link::new(last.clone()),
    ]);
    assert_eq!(chain.review(&draft("a")).await.unwrap(), refused());
    assert!(last.asked().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_silent_moderator_costs_its_time_out_and_no_more() {
    let silent = Scripted {
        after: Duration::from_hours(1),
        ..Scripted::new(Verdict::Allow)
    };
    let started = tokio::time::Instant::now();
    let result = Chain::new(vec![Link::new(silent.clone())])
        .review(&draft("a"))
        .await;
    assert_eq!(started.elapsed(), Duration::from_millis(1500));
    let error = result.unwrap_err();
    assert_eq!(error.0.kind, BackendErrorKind::Timeout);
    assert!(matches!(Error::from(error), Error::ModerationUnavailable));

    let open = Link {
        timeout: Duration::from_millis(20),
        on_failure: FailurePolicy::Open,
        ..Link::new(silent)
    };
    let next = Scripted::new(masked("b".into()));
    let started = tokio::time::Instant::now();
    let chain = Chain::new(vec![open, Link::new(next)]);
    assert_eq!(chain.review(&draft("a")).await.unwrap(), masked("b".into()));
    assert_eq!(started.elapsed(), Duration::from_millis(20));
}

#[tokio::test]
async fn a_failing_moderator_follows_its_policy() {
    let next = Scripted::new(Verdict::Allow);
    let failing = |on_failure| Link {
        on_failure,
        ..Link::new(Scripted::default())
    };
    let chain = |policy| Chain::new(vec![failing(policy), Link::new(next.clone())]);
    let closed = chain(FailurePolicy::Closed).review(&draft("a")).await;
    assert_eq!(closed.unwrap_err().0.backend, "scripted");
    assert!(next.asked().is_empty());
    let open = chain(FailurePolicy::Open).review(&draft("a")).await;
    assert_eq!(open.unwrap(), Verdict::Allow);
    assert_eq!(next.asked(), ["a"]);
}

/// Texts with many hits and near hits, and with everything that folding handles.
fn texts() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "w", "a", "r", "war", "gun", "W", "а", "я", "й", "\u{306}", "\u{301}", "\u{200b}",
        "\u{2028}", " ", ".", "-", "'", "*", "战", "x", "y", "ﬁ", "ß", "İ", "1", "🔥", "\u{1100}",
        "\u{1161}",
    ]);
    prop_oneof![
        prop::collection::vec(pieces, 0..24).prop_map(|pieces| pieces.concat()),
        any::<String>(),
    ]
}

fn tricky_list(matching: Matching) -> WordList {
    list(&[
        "war", "gun", "a", "战", "xy", "wy", "й", "fi", "ss", "r war", "가", "!warx",
    ])
    .matching(matching)
    .action(Action::Mask)
}

proptest! {
    #[test]
    fn folding_leads_back_to_characters_of_the_text(text in texts()) {
        for looks in [Looks::InMixedWords, Looks::Everywhere] {
            let folded = Folded::new(&text, looks);
            let mut last = 0;
            for unit in &folded.units {
                prop_assert!(unit.start >= last && unit.end > unit.start);
                prop_assert!(text.get(unit.start..unit.end).is_some());
                last = unit.start;
            }
            prop_assert_eq!(folded.text.chars().count(), folded.units.len());
        }
    }

    #[test]
    fn the_quick_way_for_ascii_folds_the_same(text in "([a-zA-Z0-9]{0,3}[ .']{0,2}){0,8}") {
        if let Some(quick) = fold_ascii(&text) {
            prop_assert_eq!(quick, Folded::new(&text, Looks::InMixedWords).text.into_bytes());
        }
    }

    #[test]
    fn a_text_without_a_hit_is_never_changed(text in "[b-fh-qs-z .é战🔥]{0,40}") {
        prop_assert_eq!(default_list().action(Action::Mask).judge(&text), Verdict::Allow);
    }

    #[test]
    fn a_masked_text_has_no_hit(text in texts()) {
        for matching in [Matching::Word, Matching::Substring] {
            let list = tricky_list(matching);
            if let Verdict::Mask(clean) = list.judge(&text) {
                prop_assert_eq!(list.judge(&clean), Verdict::Allow);
                prop_assert!(clean.len() <= text.len());
                prop_assert_ne!(&*clean, text.as_str());
            }
        }
    }

    #[test]
    fn invisible_characters_change_no_verdict(
        text in texts(),
        places in prop::collection::vec((any::<prop::sample::Index>(), "[\u{200b}-\u{200f}\u{2060}\u{feff}\u{ad}\u{fe0f}]"), 1..6),
    ) {
        let mut characters: Vec<String> = text.chars().map(String::from).collect();
        for (place, invisible) in &places {
            characters.insert(place.index(characters.len() + 1), invisible.clone());
        }
        let hidden = characters.concat();
        for matching in [Matching::Word, Matching::Substring] {
            let list = tricky_list(matching).action(Action::Reject);
            prop_assert_eq!(list.judge(&text), list.judge(&hidden));
        }
    }

    #[test]
    fn a_word_is_refused_in_any_disguise(
        disguise in "(w|W|ｗ|ԝ|ŵ)(\u{301}|\u{200b})?(a|A|á|а|α)(\u{301}|\u{200b})?(r|R|ｒ|ř|𝐫)",
        before in "(|[a-z]{2,8})[ (🔥]",
        after in "[ !)🔥](|[a-z]{2,8})",
    ) {
        prop_assert_eq!(default_list().judge(&format!("{before}{disguise}{after}")), refused());
    }
}
