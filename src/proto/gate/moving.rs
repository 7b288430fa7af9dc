//! Hand-over of a backend's stream to the shard that owns its remote domain. It happens once, before the stream's first
//! dialback element, with whatever was read and not looked at.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::conn::{Conn, Phase};
use super::timers::Watch;
use super::{Gate, Output};
use crate::event::{ConnId, Face};
use crate::scan::Kind;
use crate::time::Timestamp;

/// A stream on its way to another shard.
pub struct Departed(Box<Conn>);

impl Gate {
    /// Whether the stream must go to another shard before this element is looked at; if so, it begins to.
    pub(super) fn must_move(&mut self, id: ConnId, kind: Kind) -> bool {
        let Some(conn) = self.conns.get_mut(id) else { return false };
        let is_fresh = conn.proven.is_empty() && conn.verifying == 0 && !conn.moved;
        if conn.face != Face::FromBackend || !is_fresh || kind != Kind::DialbackResult {
            return false;
        }
        let Some(target) = conn.machine.domains().1 else { return false };
        if self.realm.is_local(target) {
            return false;
        }
        let owner = self.realm.owner(target);
        if owner == self.shard {
            return false;
        }
        conn.phase = Phase::Moving;
        self.outputs.push_back(Output::HandOver { conn: id, to: owner });
        true
    }

    /// Takes a stream out, after [`Output::HandOver`]; bytes that were read but not used go with it.
    pub fn depart(&mut self, id: ConnId) -> Option<Departed> {
        let is_moving = self.conns.get(id)?.phase == Phase::Moving;
        if !is_moving {
            return None;
        }
        self.take_out(id).map(Departed)
    }

    /// Takes a stream in and names its connection here; follow with [`super::Input::Adopted`]. `None` when the table is
    /// full: the shell closes the connection.
    pub fn adopt(&mut self, departed: Departed, now: Timestamp) -> Option<ConnId> {
        let Departed(mut conn) = departed;
        let id = self.conns.reserve(conn.face)?;
        conn.id = id;
        conn.phase = Phase::Streaming;
        conn.moved = true;
        conn.is_dirty = false;
        conn.blocked_by = Vec::new();
        conn.feeders = Vec::new();
        self.timers.at(conn.deadline(), Watch::Conn(id));
        self.conns.insert(conn);
        self.mark_dirty(id);
        // A stop may have begun while it was on its way.
        if self.is_stopping() {
            self.close_stream(id, now);
        }
        Some(id)
    }
}
