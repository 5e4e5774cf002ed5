//! Breaks lines into rows. No input or output.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

/// The parts of a line that fit into `width` cells each: broken between words, and inside a word that is
/// wider than a row. Blanks at the end of a part may stick out.
pub(crate) fn wrap(line: &str, width: usize) -> Vec<Range<usize>> {
    let mut rows = Vec::new();
    let (mut start, mut used) = (0, 0);
    // Where the last word of the row begins, and the cells before it.
    let mut word = None;
    for (at, grapheme) in line.grapheme_indices(true) {
        let blank = grapheme.chars().all(char::is_whitespace);
        let cells = grapheme.width();
        if used + cells > width && !blank && at > start {
            let (end, before) = word.take().unwrap_or((at, used));
            rows.push(start..end);
            (start, used) = (end, used - before);
            if used + cells > width && at > start {
                rows.push(start..at);
                (start, used) = (at, 0);
            }
        }
        used += cells;
        if blank {
            word = Some((at + grapheme.len(), used));
        }
    }
    rows.push(start..line.len());
    rows
}

/// A text that is being edited, in rows of at most `width` cells, and the row and column of the cursor, which
/// stands before the byte `cursor`. Each row is a range of the text.
pub(crate) fn rows(text: &str, cursor: usize, width: usize) -> (Vec<Range<usize>>, (usize, usize)) {
    let mut rows = Vec::from([Range::default()]);
    let (mut used, mut here) = (0, (0, 0));
    for (at, grapheme) in text.grapheme_indices(true) {
        let line_break = grapheme.contains('\n');
        let cells = if line_break { 0 } else { grapheme.width() };
        if used + cells > width {
            rows.push(at..at);
            used = 0;
        }
        if at == cursor {
            here = (rows.len() - 1, used);
        }
        used += cells;
        let end = at + grapheme.len();
        if line_break {
            rows.push(end..end);
            used = 0;
        } else if let Some(row) = rows.last_mut() {
            row.end = end;
        }
    }
    if cursor >= text.len() {
        if used >= width {
            rows.push(text.len()..text.len());
            used = 0;
        }
        here = (rows.len() - 1, used);
    }
    (rows, here)
}

/// The beginning of a text that fits into `width` cells; where something is left out, `…` says so.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut start = String::new();
    let mut used = 0;
    for grapheme in text.graphemes(true) {
        used += grapheme.width();
        if used >= width {
            break;
        }
        start.push_str(grapheme);
    }
    if width > 0 {
        start.push('…');
    }
    start
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parts(line: &str, width: usize) -> Vec<&str> {
        let rows = wrap(line, width).into_iter();
        rows.map(|row| line[row].trim_end()).collect()
    }

    #[test]
    fn lines_are_broken_between_words_and_inside_long_ones() {
        assert_eq!(parts("one two three", 7), ["one two", "three"]);
        assert_eq!(parts("one  two", 3), ["one", "two"]);
        assert_eq!(parts("a longword", 4), ["a", "long", "word"]);
        assert_eq!(parts("李雷韩", 3), ["李", "雷", "韩"]);
        assert_eq!(parts("", 5), [""]);
        assert_eq!(parts("ab", 0), ["a", "b"]);
    }

    #[test]
    fn the_cursor_of_an_edited_text_stands_where_the_next_character_comes() {
        assert_eq!(rows("ab\nc", 4, 10), (vec![0..2, 3..4], (1, 1)));
        assert_eq!(rows("abcd", 4, 4), (vec![0..4, 4..4], (1, 0)));
        assert_eq!(rows("abcd", 2, 3), (vec![0..3, 3..4], (0, 2)));
        assert_eq!(rows("a\n", 2, 3), (vec![0..1, 2..2], (1, 0)));
        assert_eq!(rows("", 0, 3), (Vec::from([Range::default()]), (0, 0)));
    }

    #[test]
    fn a_text_that_is_cut_says_so() {
        assert_eq!(cut("hello", 5), "hello");
        assert_eq!(cut("hello", 4), "hel…");
        assert_eq!(cut("李雷", 3), "李…");
        assert_eq!(cut("李雷", 2), "…");
        assert_eq!(cut("hello", 0), "");
    }

    proptest! {
        #[test]
        fn rows_are_the_line_in_order_and_never_too_wide(line in "[a李e\u{301}👩 ]{0,60}", width in 2..12_usize) {
            let rows = wrap(&line, width);
            let whole: String = rows.iter().map(|row| &line[row.clone()]).collect();
            prop_assert_eq!(&whole, &line);
            for row in rows {
                prop_assert!(line[row].trim_end().width() <= width);
            }
        }
    }
}
