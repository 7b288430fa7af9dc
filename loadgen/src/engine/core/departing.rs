//! What is due: departures of the timetable, or what keeps the windows of the lanes full.

use std::time::Duration;

use ringgate::ring::SocketId;

use super::conn::{Conn, Written};
use super::{Act, Core};
use crate::engine::scene::Scene;
use crate::engine::stanza::{Label, PRIMER};
use crate::measure::{Due, Phase};
use crate::plan::{Class, Departure, Load, Sender, Stanza, StanzaKind};

/// Stanzas that are written in one turn, at most: then what has come meanwhile is read.
const TURN_STANZAS: usize = 1_024;

/// When this core's senders send.
pub(super) struct Schedule {
    /// Begin of the measured phase.
    pub(super) measured_from: Duration,
    /// Its planned end.
    pub(super) end: Duration,
    begin: Duration,
    /// Open loop: this core's departures, by their index in the timetable.
    departures: Vec<u32>,
    next: usize,
    /// Closed loop: lanes whose windows may have room.
    roomy: Vec<u32>,
    is_roomy: Vec<bool>,
    /// By lane: its sender.
    senders: Vec<u32>,
    numbers: Vec<u64>,
}

impl Schedule {
    pub(super) fn new(scene: &Scene, core: usize) -> Self {
        let plan = &scene.plan;
        let is_here = |sender: u32| {
            let contacts = plan.senders.get(sender as usize).map(|sender| &sender.contacts);
            contacts.and_then(|contacts| contacts.first()).is_some_and(|contact| scene.sender(contact.lane) == core)
        };
        let departures = match &plan.load {
            Load::Paced(timetable) => {
                let all = timetable.departures().iter().enumerate();
                all.filter(|(_, departure)| is_here(departure.sender)).map(|(index, _)| index as u32).collect()
            }
            _ => Vec::new(),
        };
        let mut senders = Vec::new();
        if matches!(plan.load, Load::Saturating { .. }) {
            senders = vec![u32::MAX; plan.lanes.len()];
            for (index, sender) in plan.senders.iter().enumerate() {
                if let Some(contact) = sender.contacts.first().filter(|contact| scene.sender(contact.lane) == core) {
                    senders[contact.lane as usize] = index as u32;
                }
            }
        }
        Self {
            measured_from: Duration::MAX,
            end: Duration::MAX,
            begin: Duration::MAX,
            departures,
            next: 0,
            roomy: Vec::new(),
            is_roomy: vec![false; senders.len()],
            senders,
            numbers: Vec::new(),
        }
    }

    /// The conductor has said when.
    pub(super) fn begin_at(&mut self, begin: Duration, scene: &Scene) {
        self.begin = begin;
        self.measured_from = begin + scene.plan.phases.warm_up;
        self.end = self.measured_from + scene.plan.phases.measure;
        self.widen_all();
    }

    /// Some lane's window may have room.
    pub(super) fn widen(&mut self, lane: u32) {
        if let Some(is_roomy) = self.is_roomy.get_mut(lane as usize).filter(|is_roomy| !**is_roomy) {
            *is_roomy = true;
            self.roomy.push(lane);
        }
    }

    /// Any lane's may.
    pub(super) fn widen_all(&mut self) {
        for lane in 0..self.senders.len() as u32 {
            if self.senders[lane as usize] != u32::MAX {
                self.widen(lane);
            }
        }
    }

    /// Of what departs at that time.
    pub(super) fn phase(&self, due: Duration) -> Phase {
        if due < self.measured_from { Phase::WarmUp } else { Phase::Measure }
    }

    /// When the next departure is due; `None`: the timetable is at its end.
    pub(super) fn next_due(&self, scene: &Scene) -> Option<Duration> {
        self.peek(scene).map(|(_, at)| at)
    }

    fn peek<'a>(&self, scene: &'a Scene) -> Option<(&'a Departure, Duration)> {
        let Load::Paced(timetable) = &scene.plan.load else { return None };
        let index = *self.departures.get(self.next)?;
        let departure = &timetable.departures()[index as usize];
        Some((departure, self.begin.saturating_add(departure.at)))
    }
}

impl Core {
    /// Whether a departure of the timetable should have happened.
    pub(super) fn is_departure_due(&self) -> bool {
        self.act == Act::Playing && self.schedule.next_due(&self.scene).is_some_and(|due| due <= self.now)
    }

    /// Writes what is due.
    pub(super) fn depart(&mut self) {
        match self.scene.plan.load {
            Load::Paced(_) => self.depart_by_clock(),
            Load::Saturating { window, per_record, stanza } => self.fill_windows(window, per_record, stanza),
            Load::Connecting { .. } | Load::Idle => {}
        }
    }

    fn depart_by_clock(&mut self) {
        let scene = std::sync::Arc::clone(&self.scene);
        let (mut room, end) = (TURN_STANZAS, self.end());
        while let Some((departure, at)) = self.schedule.peek(&scene) {
            if at > self.now || at >= end || room == 0 {
                return;
            }
            self.schedule.next += 1;
            let sender = &scene.plan.senders[departure.sender as usize];
            let due = Due { at, phase: self.phase(at), class: departure.class };
            let mut numbers = std::mem::take(&mut self.schedule.numbers);
            self.tracker.depart(due, &sender.contacts, &mut numbers);
            let mut last = None;
            for (contact, number) in sender.contacts.iter().zip(&numbers) {
                let stream = self.links.ready(contact.lane);
                if last.is_some_and(|last| last != stream) {
                    // The last stream's stanzas need not wait until this one's are written.
                    self.flush();
                }
                let written = Written { lane: contact.lane, number: *number as u32, due: at, is_first: last.is_none() };
                self.write(written, departure.stanza, (sender.user, contact.user));
                last = Some(stream);
            }
            room = room.saturating_sub(sender.contacts.len());
            self.schedule.numbers = numbers;
        }
    }

    fn fill_windows(&mut self, window: u32, per_record: u32, stanza: Stanza) {
        if self.now >= self.end() || self.now < self.schedule.begin {
            return;
        }
        let scene = std::sync::Arc::clone(&self.scene);
        let (mut room, mut unfilled) = (TURN_STANZAS, None);
        let mut roomy = std::mem::take(&mut self.schedule.roomy);
        for lane in roomy.drain(..) {
            self.schedule.is_roomy[lane as usize] = false;
            if room == 0 {
                self.schedule.widen(lane);
                continue;
            }
            let sender = &scene.plan.senders[self.schedule.senders[lane as usize] as usize];
            while room > 0 && self.tracker.in_flight(lane) + per_record <= window && self.has_room(lane) {
                (0..per_record).for_each(|_| self.write_next(lane, sender, stanza));
                self.end_record(lane);
                room = room.saturating_sub(per_record as usize);
            }
            unfilled = (room == 0).then_some(lane);
        }
        roomy.append(&mut self.schedule.roomy);
        self.schedule.roomy = roomy;
        if let Some(lane) = unfilled {
            // Behind those that have not had their turn.
            self.schedule.widen(lane);
        }
    }

    fn has_room(&self, lane: u32) -> bool {
        self.links.ready(lane).and_then(|id| self.conns.get(id)).is_some_and(Conn::has_room)
    }

    /// Writes the next stanza of a closed loop.
    fn write_next(&mut self, lane: u32, sender: &Sender, stanza: Stanza) {
        let due = Due { at: self.now, phase: self.phase(self.now), class: Class::Plain };
        let mut numbers = std::mem::take(&mut self.schedule.numbers);
        self.tracker.depart(due, &sender.contacts[..1], &mut numbers);
        let written = Written { lane, number: numbers[0] as u32, due: self.now, is_first: true };
        self.schedule.numbers = numbers;
        self.write(written, stanza, (sender.user, sender.contacts[0].user));
    }

    fn end_record(&mut self, lane: u32) {
        if let Some(conn) = self.links.ready(lane).and_then(|id| self.conns.get_mut(id)) {
            conn.records.push(conn.plain.len());
        }
    }

    /// Whether a window may have room that the last turn did not come to.
    pub(super) fn has_roomy_lanes(&self) -> bool {
        let is_time = self.now >= self.schedule.begin && self.now < self.end();
        self.act == Act::Playing && is_time && !self.schedule.roomy.is_empty()
    }

    /// Writes a stanza that has departed, to be sent with the next flush.
    fn write(&mut self, written: Written, stanza: Stanza, users: (u32, u32)) {
        match self.links.ready(written.lane) {
            Some(id) => self.write_to(id, written, stanza, users),
            None if self.visits.are_of(&self.scene.plan.lanes[written.lane as usize]) => {
                self.visit(written, stanza, users);
            }
            None => self.tracker.unsent(written.lane, written.number.into(), &mut self.recorder),
        }
    }

    /// Writes it for this connection, if there is room.
    pub(super) fn write_to(&mut self, id: SocketId, written: Written, stanza: Stanza, users: (u32, u32)) {
        let label = Label { lane: written.lane, number: written.number };
        match self.conns.get_mut(id).filter(|conn| conn.has_room()) {
            Some(conn) => {
                self.scene.book.write(label, stanza, users.0, users.1, &mut conn.plain);
                conn.written.push(written);
                self.touch(id);
            }
            None => self.tracker.unsent(label.lane, label.number.into(), &mut self.recorder),
        }
    }

    /// Writes the primer of a lane, which nobody counts.
    pub(super) fn prime(&mut self, lane: u32, id: SocketId) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        let stanza = Stanza { kind: StanzaKind::Presence, bytes: 0 };
        self.scene.book.write(Label { lane, number: PRIMER }, stanza, 0, 0, &mut conn.plain);
        self.touch(id);
    }

    /// Whether it is the measured phase now.
    pub(super) fn is_measured(&self) -> bool {
        self.is_within_measured(self.now)
    }

    /// Whether an instant lies in the measured phase.
    pub(super) fn is_within_measured(&self, at: Duration) -> bool {
        (self.schedule.measured_from..self.end()).contains(&at)
    }
}
