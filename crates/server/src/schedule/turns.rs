//! Whose turn is next: keys in turn, the requests of one key in the order of asking.

use std::collections::VecDeque;

/// Everything that waits. Keys that are not here do not wait.
#[derive(Debug)]
pub(super) struct Turns<K, T> {
    /// In the order of the keys' next turns; no line is empty.
    lines: VecDeque<(K, VecDeque<T>)>,
}

impl<K: PartialEq, T> Turns<K, T> {
    /// Nobody waits.
    pub(super) fn new() -> Self {
        Self {
            lines: VecDeque::new(),
        }
    }

    /// At the end of its key's line; a key that was not here has its turn after all others.
    pub(super) fn push(&mut self, key: K, item: T) {
        match self.lines.iter_mut().find(|(other, _)| *other == key) {
            Some((_, line)) => line.push_back(item),
            None => self.lines.push_back((key, VecDeque::from([item]))),
        }
    }

    /// Whoever is next; its key has its next turn after all others.
    pub(super) fn next(&mut self) -> Option<T> {
        let (key, mut line) = self.lines.pop_front()?;
        let item = line.pop_front();
        if !line.is_empty() {
            self.lines.push_back((key, line));
        }
        item
    }

    /// Takes out the item of which this is true: it waits no longer.
    pub(super) fn remove(&mut self, is_it: impl Fn(&T) -> bool) {
        for (_, line) in &mut self.lines {
            line.retain(|item| !is_it(item));
        }
        self.lines.retain(|(_, line)| !line.is_empty());
    }

    /// All of them, in the order of their turns if nobody else comes.
    pub(super) fn in_order(&self) -> impl Iterator<Item = &T> {
        let longest = self.lines.iter().map(|(_, line)| line.len()).max();
        let rounds = 0..longest.unwrap_or(0);
        rounds.flat_map(|round| {
            self.lines
                .iter()
                .filter_map(move |(_, line)| line.get(round))
        })
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.lines.iter().map(|(_, line)| line.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn turns(keys: &str) -> Turns<char, (char, usize)> {
        let mut turns = Turns::new();
        for (number, key) in keys.chars().enumerate() {
            turns.push(key, (key, number));
        }
        turns
    }

    fn order(keys: &str) -> String {
        let mut turns = turns(keys);
        std::iter::from_fn(|| turns.next().map(|(key, _)| key)).collect()
    }

    #[test]
    fn keys_have_turns_not_crowds() {
        assert_eq!(order("AAAB"), "ABAA");
        assert_eq!(order("AAABBC"), "ABCABA");
        assert_eq!(order("BAAA"), "BAAA");
        assert_eq!(order(""), "");
    }

    #[test]
    fn whoever_comes_later_waits_for_one_turn_of_each_other_key() {
        let mut turns = turns("AAB");
        assert_eq!(turns.next(), Some(('A', 0)));
        turns.push('C', ('C', 3));
        turns.push('B', ('B', 4));
        let rest: Vec<usize> = std::iter::from_fn(|| Some(turns.next()?.1)).collect();
        assert_eq!(rest, [2, 1, 3, 4]);
    }

    proptest! {
        #[test]
        fn turns_are_those_that_were_foretold(keys in "[A-D]{0,12}", left in 0..12usize) {
            let mut turns = turns(&keys);
            turns.remove(|(_, number)| *number == left);
            prop_assert_eq!(turns.len(), keys.len() - usize::from(left < keys.len()));
            let foretold: Vec<(char, usize)> = turns.in_order().copied().collect();
            let taken: Vec<(char, usize)> = std::iter::from_fn(|| turns.next()).collect();
            prop_assert_eq!(&foretold, &taken);
            for key in 'A'..='D' {
                let own = taken.iter().filter(|(other, _)| *other == key);
                prop_assert!(own.is_sorted_by_key(|(_, number)| number));
            }
        }
    }
}
