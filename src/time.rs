//! Deadlines, and how time is handed to the cores.
//!
//! Two clocks exist and neither is read here. *Monotonic* time ([`std::time::Instant`]) comes into every core as the
//! parameter `now`; *wall* time ([`jiff::Timestamp`]) comes in where a person or a rule will read it. Only `task.rs`
//! files (and the leaves that DESIGN names) ask the operating system.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::time::Instant;

/// Every deadline of one state machine, by key. A key has at most one deadline: setting it again moves it.
///
/// "Mutate, then drain": after each input call [`Timers::expire`] until it gives nothing, then sleep to
/// [`Timers::next_deadline`]. Keys that fall due together come out in the order in which they were set.
#[derive(Debug, Clone)]
pub struct Timers<K> {
    order: BTreeMap<(Instant, u64), K>,
    place: HashMap<K, (Instant, u64)>,
    count: u64,
}

impl<K: Hash + Eq + Clone> Default for Timers<K> {
    fn default() -> Self {
        Timers { order: BTreeMap::new(), place: HashMap::new(), count: 0 }
    }
}

impl<K: Hash + Eq + Clone> Timers<K> {
    pub fn new() -> Self {
        Self::default()
    }

    /// `key` falls due at `at`; an earlier deadline of the same key is forgotten.
    pub fn set(&mut self, key: K, at: Instant) {
        self.cancel(&key);
        self.count += 1;
        self.order.insert((at, self.count), key.clone());
        self.place.insert(key, (at, self.count));
    }

    /// Forgets the key's deadline; says whether there was one.
    pub fn cancel(&mut self, key: &K) -> bool {
        match self.place.remove(key) {
            Some(place) => self.order.remove(&place).is_some(),
            None => false,
        }
    }

    /// The key's deadline, if it has one.
    pub fn deadline(&self, key: &K) -> Option<Instant> {
        self.place.get(key).map(|(at, _)| *at)
    }

    /// Takes one key that is due at `now`.
    pub fn expire(&mut self, now: Instant) -> Option<K> {
        let entry = self.order.first_entry()?;
        if entry.key().0 > now {
            return None;
        }
        let key = entry.remove();
        self.place.remove(&key);
        Some(key)
    }

    /// When [`Timers::expire`] will next have something.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.order.keys().next().map(|(at, _)| *at)
    }

    pub fn len(&self) -> usize {
        self.order.len()
    }

    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    #[test]
    fn a_key_has_one_deadline() {
        let start = Instant::now();
        let at = |s| start + Duration::from_secs(s);
        let mut timers = Timers::new();
        timers.set('a', at(1));
        timers.set('b', at(2));
        timers.set('a', at(3));
        assert_eq!(timers.next_deadline(), Some(at(2)));
        assert_eq!(timers.expire(at(1)), None);
        assert_eq!(timers.expire(at(9)), Some('b'));
        assert!(timers.cancel(&'a'));
        assert_eq!(timers.expire(at(9)), None);
        assert!(timers.is_empty());
    }

    proptest! {
        #[test]
        fn agrees_with_a_plain_list(steps in proptest::collection::vec((0u8..8, 0u64..50, any::<bool>()), 0..60)) {
            let start = Instant::now();
            let mut timers = Timers::new();
            let mut list: Vec<(u64, u8)> = Vec::new();
            for (key, at, set) in steps {
                list.retain(|(_, k)| *k != key);
                if set {
                    timers.set(key, start + Duration::from_secs(at));
                    list.push((at, key));
                } else {
                    timers.cancel(&key);
                }
            }
            list.sort_by_key(|(at, _)| *at);
            let mut out = Vec::new();
            while let Some(key) = timers.expire(start + Duration::from_secs(100)) {
                out.push(key);
            }
            prop_assert_eq!(out, list.into_iter().map(|(_, k)| k).collect::<Vec<_>>());
        }
    }
}
