//! The sockets of a ring, and what the kernel holds of each.

use std::os::fd::OwnedFd;

use super::token::{GENERATION_MASK, SocketId};

/// What a receive does. Armed is a multishot, Single ends with its first bytes, and Awaiting with word that there is something.
/// After `receive_once` while it stops it is RestartingOnce, and Single then; `receive` makes Restarting of that, of Single and
/// of Awaiting, too.
///
/// ```text
///              receive                     stop              last completion
///     ┌──────────────────▶ Armed ──────────────▶ Stopping ───────────────────▶ Idle (Stopped)
///     │     receive_once              stop        ▲  │ receive
///   Idle ────────────────▶ Single ────────────────┤  ▼         last completion
///     │    await_readable             stop        │ Restarting ──────────────▶ Armed
///     └──────────────────▶ Awaiting ──────────────┘
///
///   Armed ───── end, error ──────────▶ Idle
///   Single ──── bytes, end, error ───▶ Idle
///   Awaiting ── readable, error ─────▶ Idle
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Receive {
    Idle,
    Armed,
    Single,
    Awaiting,
    Stopping,
    Restarting,
    RestartingOnce,
}

/// Bytes that the kernel reads from until its send completes.
pub(super) struct Sending {
    pub(super) bytes: Vec<u8>,
    pub(super) done: usize,
}

/// One socket. Its descriptor and buffers stay until the kernel has ended every operation on them.
pub(super) struct Slot {
    pub(super) fd: OwnedFd,
    pub(super) accepting: bool,
    pub(super) receive: Receive,
    pub(super) sending: Option<Sending>,
    /// The address of a connect that is in flight.
    pub(super) connecting: Option<Box<socket2::SockAddr>>,
    pub(super) closing: bool,
}

impl Slot {
    /// Whether the kernel has nothing of this socket in flight.
    pub(super) fn is_idle(&self) -> bool {
        !self.accepting && self.receive == Receive::Idle && self.sending.is_none() && self.connecting.is_none()
    }
}

#[derive(Default)]
struct Place {
    generation: u32,
    slot: Option<Slot>,
}

/// Slots by number; a number is reused with the next generation.
#[derive(Default)]
pub(super) struct Slots {
    places: Vec<Place>,
    free: Vec<u32>,
}

impl Slots {
    pub(super) fn insert(&mut self, fd: OwnedFd) -> SocketId {
        let slot =
            Slot { fd, accepting: false, receive: Receive::Idle, sending: None, connecting: None, closing: false };
        let index = self.free.pop().unwrap_or_else(|| {
            self.places.push(Place::default());
            (self.places.len() - 1) as u32
        });
        let place = &mut self.places[index as usize];
        place.slot = Some(slot);
        SocketId { index, generation: place.generation }
    }

    /// The socket, also while it is closing; `None` when the name is old.
    pub(super) fn get_mut(&mut self, id: SocketId) -> Option<&mut Slot> {
        let place = self.places.get_mut(id.index as usize)?;
        if place.generation == id.generation { place.slot.as_mut() } else { None }
    }

    /// The socket, unless its name is old or it is closing.
    pub(super) fn open_mut(&mut self, id: SocketId) -> Option<&mut Slot> {
        self.get_mut(id).filter(|slot| !slot.closing)
    }

    /// Takes the socket out; its name is old from now on.
    pub(super) fn remove(&mut self, id: SocketId) -> Option<Slot> {
        let place = self.places.get_mut(id.index as usize).filter(|place| place.generation == id.generation)?;
        let slot = place.slot.take()?;
        place.generation = (place.generation + 1) & GENERATION_MASK;
        self.free.push(id.index);
        Some(slot)
    }

    /// The names of all sockets.
    pub(super) fn ids(&self) -> Vec<SocketId> {
        let named = |(index, place): (usize, &Place)| {
            place.slot.as_ref().map(|_| SocketId { index: index as u32, generation: place.generation })
        };
        self.places.iter().enumerate().filter_map(named).collect()
    }

    /// How many sockets there are, closing ones included.
    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }
}
