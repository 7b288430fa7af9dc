//! What a submission says about itself, so that its completion finds its way back.

/// Which operation of a socket a completion belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Accept,
    Receive,
    Send,
    Connect,
    CancelReceive,
    /// A cancellation whose own result nobody needs.
    Cancel,
    Deadline,
    /// The thread's eventfd is read.
    Hear,
    /// A foreign descriptor is polled.
    Watch,
}

impl Operation {
    const ALL: [Self; 9] = [
        Self::Accept,
        Self::Receive,
        Self::Send,
        Self::Connect,
        Self::CancelReceive,
        Self::Cancel,
        Self::Deadline,
        Self::Hear,
        Self::Watch,
    ];
}

/// The name of a socket in a [`super::Ring`]; a name is never valid for two sockets.
///
/// The generation has 24 bits. A slot is reused only after every operation on its descriptor has completed, so that a
/// wrapped generation can meet nothing but the answer to a cancellation that is 16 million reuses old.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SocketId {
    pub(super) index: u32,
    pub(super) generation: u32,
}

impl SocketId {
    /// The slot: small numbers, reused; fit to index a table of the caller's.
    pub fn index(self) -> usize {
        self.index as usize
    }
}

pub(super) const GENERATION_MASK: u32 = (1 << 24) - 1;

/// Operation, generation and slot in the 64 bits that the kernel carries for us: 8 + 24 + 32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) operation: Operation,
    pub(super) socket: SocketId,
}

impl Token {
    pub(super) const fn new(operation: Operation, socket: SocketId) -> Self {
        Self { operation, socket }
    }

    pub(super) const fn to_bits(self) -> u64 {
        let generation = self.socket.generation & GENERATION_MASK;
        (self.operation as u64) << 56 | (generation as u64) << 32 | self.socket.index as u64
    }

    /// `None` for bits that no token has.
    pub(super) fn from_bits(bits: u64) -> Option<Self> {
        let operation = *Operation::ALL.get((bits >> 56) as usize)?;
        let generation = (bits >> 32) as u32 & GENERATION_MASK;
        Some(Self { operation, socket: SocketId { index: bits as u32, generation } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_token_survives_its_bits() {
        for operation in Operation::ALL {
            let token = Token::new(operation, SocketId { index: u32::MAX - 3, generation: GENERATION_MASK - 1 });
            assert_eq!(Token::from_bits(token.to_bits()), Some(token));
        }
    }

    #[test]
    fn bits_of_no_operation_are_no_token() {
        assert_eq!(Token::from_bits(u64::MAX), None);
    }
}
