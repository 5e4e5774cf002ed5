//! What the word list costs, beside a plain `to_lowercase` of the same text.

use std::hint::black_box;

use chat_core::{moderation::WordList, port::Verdict};
use criterion::{Criterion, criterion_group, criterion_main};

/// `war`, `gun` and words of 4 to 9 letters, as varied as in a real list (a fixed xorshift).
fn words(count: usize) -> Vec<String> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    let letters = b"etaoinshrdlucmfwygpbvk";
    let mut word = || {
        let length = 3 + next(6);
        let mut text: String = (0..length)
            .filter_map(|_| {
                letters
                    .get(usize::try_from(next(22)).ok()?)
                    .map(|b| char::from(*b))
            })
            .collect();
        text.push('q');
        text
    };
    (2..count)
        .map(|_| word())
        .chain(["war".into(), "gun".into()])
        .collect()
}

/// 200 characters of it.
fn text(sentence: &str) -> String {
    sentence.chars().cycle().take(200).collect()
}

fn moderation(c: &mut Criterion) {
    let texts = [
        (
            "ascii",
            text(
                "Good morning! Shall we meet at the station, or at your place? See you at 10:30, OK. ",
            ),
        ),
        (
            // Words of the list lie inside these.
            "ascii near hits",
            text("The forward guard had begun to warm the software award; see you at 10:30, OK? "),
        ),
        (
            "latin",
            text("Où est passé l’élève? Größere Bären übten früh, ça va très bien, señor Åse… "),
        ),
        (
            // The largest text, of the characters that unfold to the most letters.
            "ligatures",
            ('\u{fdf0}'..='\u{fdfb}').cycle().take(4_000).collect(),
        ),
        (
            "cyrillic",
            text("Привет, как дела? Сегодня хорошая погода, пойдём гулять в парк 👍 "),
        ),
        (
            "mixed",
            text("Hеllо wоrld, уоu аrе reаdіng ｆｕｌｌ width, 你好 and zero\u{200b}width 🎉 "),
        ),
    ];
    for (name, text) in &texts {
        let mut group = c.benchmark_group(format!("moderation/{name}"));
        group.bench_function("to_lowercase", |b| {
            b.iter(|| black_box(text).to_lowercase());
        });
        for count in [10, 10_000] {
            let Ok(list) = WordList::new(words(count)) else {
                continue;
            };
            assert_eq!(list.judge(text), Verdict::Allow);
            group.bench_function(format!("{count} words"), |b| {
                b.iter(|| list.judge(black_box(text)));
            });
        }
    }
}

criterion_group!(benches, moderation);
criterion_main!(benches);
