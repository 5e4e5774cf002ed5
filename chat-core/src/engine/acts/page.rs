//! Cutting a list to a page.

/// Cuts a list, which was read one element beyond `limit`, to `limit` elements and to at most `bytes`, but not to
/// fewer than one. Returns whether there is more.
///
/// A page that is larger than what may wait for a client closes the connection, and so would the next attempt.
pub(super) fn cut<T>(
    list: &mut Vec<T>,
    limit: usize,
    bytes: usize,
    size: impl Fn(&T) -> usize,
) -> bool {
    let mut total = 0;
    let fits = |element: &&T| {
        total += size(element);
        total <= bytes
    };
    let fitting = list.iter().take_while(fits).count();
    let length = fitting.max(1).min(limit);
    let more = list.len() > length;
    list.truncate(length);
    more
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_at_most_limit_elements_and_bytes_but_one_element_at_least() {
        for (sizes, length, more) in [
            (vec![], 0, false),
            (vec![1, 1], 2, false),
            (vec![1, 1, 1], 2, true),
            (vec![6, 5], 1, true),
            (vec![11, 1], 1, true),
            (vec![11], 1, false),
        ] {
            let mut list = sizes.clone();
            assert_eq!(cut(&mut list, 2, 10, |size| *size), more, "{sizes:?}");
            assert_eq!(list.len(), length, "{sizes:?}");
        }
    }
}
