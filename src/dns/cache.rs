//! Answers for as long as they may be used.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use ringgate_proto::discover::{Answer, Question};
use ringgate_proto::time::Timestamp;

/// Answers by question, at most `capacity`.
///
/// One answer holds at most 32 names or 8 addresses, so 4,096 of them are at most some 40 MB, and about 1 MB in life.
#[derive(Debug)]
pub(super) struct Cache {
    capacity: usize,
    entries: HashMap<Question, Entry>,
    /// In the order in which they expire.
    queue: BTreeMap<Expiry, Question>,
    stored: u64,
}

#[derive(Debug)]
struct Entry {
    answer: Answer,
    expiry: Expiry,
}

/// When, and a number that tells entries of one instant apart.
type Expiry = (Timestamp, u64);

impl Cache {
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity, entries: HashMap::new(), queue: BTreeMap::new(), stored: 0 }
    }

    pub(super) fn get(&self, question: &Question, now: Timestamp) -> Option<&Answer> {
        self.entries.get(question).filter(|entry| now < entry.expiry.0).map(|entry| &entry.answer)
    }

    /// Keeps an answer until `now + lifetime`. When full, expired entries go, then the one that would expire first.
    pub(super) fn put(&mut self, question: Question, answer: Answer, lifetime: Duration, now: Timestamp) {
        if self.capacity == 0 {
            return;
        }
        if let Some(old) = self.entries.remove(&question) {
            self.queue.remove(&old.expiry);
        }
        while self
            .queue
            .first_key_value()
            .is_some_and(|(expiry, _)| expiry.0 <= now || self.queue.len() >= self.capacity)
        {
            if let Some((_, first)) = self.queue.pop_first() {
                self.entries.remove(&first);
            }
        }
        self.stored += 1;
        let expiry = (now + lifetime, self.stored);
        self.queue.insert(expiry, question.clone());
        self.entries.insert(question, Entry { answer, expiry });
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringgate_proto::discover::RecordKind;

    fn question(n: usize) -> Question {
        Question { name: format!("n{n}.test"), kind: RecordKind::A }
    }

    #[test]
    fn an_answer_is_gone_when_its_time_is_over() {
        let mut cache = Cache::new(4);
        let now = Timestamp::from_nanos(5);
        cache.put(question(0), Answer::NoSuchName, Duration::from_secs(5), now);
        assert_eq!(cache.get(&question(0), now + Duration::from_secs(4)), Some(&Answer::NoSuchName));
        assert_eq!(cache.get(&question(0), now + Duration::from_secs(5)), None);
    }

    #[test]
    fn a_full_cache_drops_what_would_expire_first() {
        let mut cache = Cache::new(3);
        let now = Timestamp::default();
        for (n, seconds) in [(0, 30), (1, 10), (2, 20), (3, 40)] {
            cache.put(question(n), Answer::Failed, Duration::from_secs(seconds), now);
        }
        assert_eq!(cache.len(), 3);
        assert_eq!(cache.get(&question(1), now), None);
        assert!([0, 2, 3].iter().all(|&n| cache.get(&question(n), now).is_some()));
    }

    #[test]
    fn a_flood_of_questions_keeps_to_the_bound() {
        let mut cache = Cache::new(100);
        for n in 0..10_000 {
            let now = Timestamp::from_nanos(n as u64);
            cache.put(question(n % 5_000), Answer::Failed, Duration::from_secs((n % 7) as u64), now);
            assert!(cache.len() <= 100 && cache.queue.len() == cache.len());
        }
    }

    #[test]
    fn a_new_answer_replaces_the_old_one() {
        let mut cache = Cache::new(2);
        let now = Timestamp::default();
        cache.put(question(0), Answer::Failed, Duration::from_secs(1), now);
        cache.put(question(0), Answer::NoSuchName, Duration::from_secs(9), now);
        assert_eq!(cache.get(&question(0), now + Duration::from_secs(2)), Some(&Answer::NoSuchName));
        assert_eq!(cache.len(), 1);
    }
}
