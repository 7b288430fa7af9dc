//! What is known of one lane's stanzas: their numbers, their order, and which of them never came.

use std::collections::VecDeque;
use std::ops::Range;

use super::order::Order;
use crate::measure::Phase;

/// One domain pair in one direction. Its stanzas have consecutive numbers from 0, in the order in which they depart.
#[derive(Debug, Default)]
pub(super) struct Lane {
    /// Number of the front of `tickets`: every stanza before it is settled.
    settled: u64,
    /// Tickets of the stanzas from `settled` on.
    tickets: VecDeque<u64>,
    /// In which they arrive.
    order: Order,
    /// Number of the first stanza of the measured phase.
    measured_from: Option<u64>,
    /// Stanzas on their way.
    pub(super) open: u32,
    /// It is the domain's under stress.
    pub(super) is_stressed: bool,
    /// Numbers below `settled` that never came.
    missing: Missing,
}

/// Where a stanza stands.
pub(super) enum Found {
    /// Has a ticket.
    Ticket(u64),
    /// Settled, and had not come.
    Missing,
    /// Settled, and had come.
    Arrived,
    /// Has not departed.
    Never,
}

impl Lane {
    /// Gives the next stanza its number.
    pub(super) fn depart(&mut self, ticket: u64, phase: Phase) -> u64 {
        let number = self.next();
        if phase == Phase::Measure {
            self.measured_from.get_or_insert(number);
        }
        self.tickets.push_back(ticket);
        self.open += 1;
        number
    }

    /// Number of the stanza that departs next.
    pub(super) fn next(&self) -> u64 {
        self.settled + self.tickets.len() as u64
    }

    /// Stanzas from this number on are of another stream than those before.
    pub(super) fn begin_stream(&mut self, first: u64) {
        self.order.begin(first);
    }

    /// Where the stanza of this number stands.
    pub(super) fn find(&self, number: u64) -> Found {
        match number.checked_sub(self.settled) {
            None if self.missing.contains(number) => Found::Missing,
            None => Found::Arrived,
            Some(index) => match usize::try_from(index).ok().and_then(|index| self.tickets.get(index)) {
                Some(ticket) => Found::Ticket(*ticket),
                None => Found::Never,
            },
        }
    }

    /// Notes the first arrival of a stanza; whether one with a higher number had arrived before on its stream.
    pub(super) fn is_overtaken(&mut self, number: u64) -> bool {
        self.order.is_overtaken(number)
    }

    /// How many streams it remembers.
    #[cfg(test)]
    pub(super) fn streams(&self) -> usize {
        1 + self.order.older()
    }

    /// Forgets the ticket at the front, which is settled.
    pub(super) fn settle(&mut self, is_missing: bool) {
        if self.tickets.pop_front().is_some() {
            if is_missing {
                self.missing.push(self.settled);
            }
            self.settled += 1;
            self.order.settle(self.settled, |numbers| self.missing.are_any_of(numbers));
        }
    }

    /// A missing stanza came after all.
    pub(super) fn found(&mut self, number: u64) {
        self.missing.remove(number);
    }

    /// Phase in which the stanza of this number was due.
    pub(super) fn phase(&self, number: u64) -> Phase {
        match self.measured_from {
            Some(first) if number >= first => Phase::Measure,
            _ => Phase::WarmUp,
        }
    }
}

/// Numbers, as ranges in order: a system that loses everything leaves one.
#[derive(Debug, Default)]
struct Missing(VecDeque<Range<u64>>);

impl Missing {
    /// Adds a number greater than all before.
    fn push(&mut self, number: u64) {
        match self.0.back_mut() {
            Some(last) if last.end == number => last.end += 1,
            _ => self.0.push_back(number..number + 1),
        }
    }

    fn position(&self, number: u64) -> Option<usize> {
        let after = self.0.partition_point(|range| range.start <= number);
        let index = after.checked_sub(1)?;
        self.0[index].contains(&number).then_some(index)
    }

    fn contains(&self, number: u64) -> bool {
        self.position(number).is_some()
    }

    /// Whether any of these numbers is there.
    fn are_any_of(&self, numbers: Range<u64>) -> bool {
        let after = self.0.partition_point(|range| range.start < numbers.end);
        after.checked_sub(1).is_some_and(|index| self.0[index].end > numbers.start)
    }

    fn remove(&mut self, number: u64) {
        let Some(index) = self.position(number) else { return };
        let Range { start, end } = self.0[index].clone();
        match (start == number, end == number + 1) {
            (true, true) => drop(self.0.remove(index)),
            (true, false) => self.0[index].start += 1,
            (false, true) => self.0[index].end -= 1,
            (false, false) => {
                self.0[index].end = number;
                self.0.insert(index + 1, number + 1..end);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_numbers_are_the_same_as_in_a_plain_set() {
        let mut missing = Missing::default();
        let mut plain = std::collections::BTreeSet::new();
        for number in (0..300).filter(|number| number % 7 != 0) {
            missing.push(number);
            plain.insert(number);
        }
        for step in 0..400 {
            let number = step * 37 % 300;
            assert_eq!(missing.contains(number), plain.contains(&number), "{number}");
            missing.remove(number);
            plain.remove(&number);
            assert!((0..300).all(|number| missing.contains(number) == plain.contains(&number)));
            let some = number.saturating_sub(step % 40)..number;
            assert_eq!(missing.are_any_of(some.clone()), plain.range(some).next().is_some());
        }
        assert!(missing.0.is_empty());
    }
}
