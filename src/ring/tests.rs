//! The ring against the kernel: socket pairs and TCP on the loopback, no sleeps; a five-second deadline ends a test
//! that hangs.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use super::*;

fn ring() -> (Ring, EventFd) {
    sized_ring(16, 4_096)
}

fn sized_ring(buffers: u16, buffer_bytes: u32) -> (Ring, EventFd) {
    let wake = EventFd::new().expect("eventfd");
    let config = RingConfig { submissions: 64, completions: 256, buffers, buffer_bytes };
    let mut ring = Ring::new(&config, &wake).expect("io_uring");
    ring.wake_after(Duration::from_secs(5));
    (ring, wake)
}

/// The next completion, within the deadline.
fn completion(ring: &mut Ring) -> Completion {
    loop {
        match ring.next() {
            Some(Completion::Deadline) => panic!("nothing came within the deadline"),
            Some(completion) => return completion,
            None => ring.enter(Wait::Yes).expect("enter"),
        }
    }
}

/// Everything received on one socket until the first completion that is not `Received`.
fn received(ring: &mut Ring) -> (Vec<u8>, Completion) {
    let mut all = Vec::new();
    loop {
        match completion(ring) {
            Completion::Received { bytes, .. } => all.extend_from_slice(&bytes),
            other => return (all, other),
        }
    }
}

fn receive_exactly(ring: &mut Ring, count: usize) -> Vec<u8> {
    let mut all = Vec::new();
    while all.len() < count {
        match completion(ring) {
            Completion::Received { bytes, .. } => all.extend_from_slice(&bytes),
            other => panic!("{other:?} after {} bytes", all.len()),
        }
    }
    all
}

fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let near = TcpStream::connect(listener.local_addr().expect("address")).expect("connect");
    (near, listener.accept().expect("accept").0)
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}

/// A socket with small buffers, and its peer.
fn narrow_pair(ring: &mut Ring) -> (SocketId, TcpStream) {
    let (near, far) = tcp_pair();
    socket2::SockRef::from(&near).set_send_buffer_size(4_096).expect("SO_SNDBUF");
    socket2::SockRef::from(&far).set_recv_buffer_size(4_096).expect("SO_RCVBUF");
    (ring.adopt(near.into()), far)
}

/// Fills the socket until the ring keeps a send.
fn block(ring: &mut Ring, socket: SocketId) -> usize {
    let mut total = 0;
    loop {
        total += 1 << 16;
        assert!(total < 1 << 26, "the socket takes everything");
        match ring.send(socket, pattern(1 << 16)) {
            Sent::Done(_) => {}
            Sent::Pending => return total,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn accepted_connection_echoes() {
    let (mut ring, _wake) = ring();
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let address = listener.local_addr().expect("address");
    let listening = ring.listen(listener.into());
    for round in 0..3 {
        let mut peer = TcpStream::connect(address).expect("connect");
        peer.write_all(b"hello").expect("write");
        let Completion::Accepted { listener, socket } = completion(&mut ring) else { panic!("not accepted") };
        assert_eq!(listener, listening, "round {round}");
        let socket = ring.adopt(socket);
        ring.receive(socket);
        let bytes = receive_exactly(&mut ring, 5);
        assert!(matches!(ring.send(socket, bytes), Sent::Done(buffer) if buffer == b"hello"));
        let mut echo = [0; 5];
        peer.read_exact(&mut echo).expect("read");
        assert_eq!(&echo, b"hello");
        ring.close(socket);
    }
}

#[test]
fn receive_once_brings_one_buffer_each_time_it_is_asked() {
    let (mut ring, _wake) = ring();
    let (near, mut far) = tcp_pair();
    let socket = ring.adopt(near.into());
    far.write_all(&pattern(10_000)).expect("write");
    far.shutdown(Shutdown::Write).expect("shutdown");
    let mut all = Vec::new();
    for length in [4_096, 4_096, 1_808] {
        ring.receive_once(socket);
        let Completion::Received { bytes, .. } = completion(&mut ring) else { panic!("no bytes") };
        assert_eq!((bytes.len(), bytes.is_full()), (length, length == 4_096));
        all.extend_from_slice(&bytes);
        drop(bytes);
        ring.enter(Wait::No).expect("enter");
        assert!(!ring.has_news(), "nothing was asked for");
    }
    assert_eq!(all, pattern(10_000));
    ring.receive_once(socket);
    assert!(matches!(completion(&mut ring), Completion::Eof { .. }));
}

#[test]
fn awaited_bytes_take_no_buffer_before_they_are_received() {
    let (mut ring, _wake) = ring();
    let (near, mut far) = tcp_pair();
    let socket = ring.adopt(near.into());
    ring.await_readable(socket);
    far.write_all(&pattern(100)).expect("write");
    assert!(matches!(completion(&mut ring), Completion::Readable { .. }));
    assert_eq!(ring.pool.free(), 16);
    ring.receive_once(socket);
    let Completion::Received { bytes, .. } = completion(&mut ring) else { panic!("nothing received") };
    assert_eq!(&bytes[..], &pattern(100));
    drop(bytes);
    // The end is readable, too.
    ring.await_readable(socket);
    far.shutdown(Shutdown::Write).expect("shutdown");
    assert!(matches!(completion(&mut ring), Completion::Readable { .. }));
    ring.receive_once(socket);
    assert!(matches!(completion(&mut ring), Completion::Eof { .. }));
}

#[test]
fn wait_for_bytes_is_stopped_and_becomes_a_receive_like_any_other() {
    let (mut ring, _wake) = ring();
    let (near, mut far) = tcp_pair();
    let socket = ring.adopt(near.into());
    ring.await_readable(socket);
    ring.enter(Wait::No).expect("enter");
    assert!(!ring.stop_receiving(socket));
    assert!(matches!(completion(&mut ring), Completion::Stopped { .. }));
    assert!(ring.stop_receiving(socket));
    // With bytes there, the answer may overtake the stop.
    far.write_all(&pattern(10)).expect("write");
    ring.await_readable(socket);
    assert!(!ring.stop_receiving(socket));
    assert!(matches!(completion(&mut ring), Completion::Stopped { .. }));
    ring.await_readable(socket);
    ring.receive(socket);
    assert_eq!(receive_exactly(&mut ring, 10), pattern(10));
    ring.close(socket);
}

#[test]
fn stopped_receive_once_goes_on_as_a_multishot() {
    let (mut ring, _wake) = ring();
    let (near, mut far) = tcp_pair();
    let socket = ring.adopt(near.into());
    ring.receive_once(socket);
    ring.enter(Wait::No).expect("enter");
    assert!(!ring.stop_receiving(socket));
    assert!(matches!(completion(&mut ring), Completion::Stopped { .. }));
    ring.receive_once(socket);
    assert!(!ring.stop_receiving(socket));
    ring.receive(socket);
    far.write_all(&pattern(10_000)).expect("write");
    assert_eq!(receive_exactly(&mut ring, 10_000), pattern(10_000));
}

#[test]
fn receive_restarts_as_it_was_asked_to_last() {
    let (mut ring, _wake) = ring();
    let (near, mut far) = tcp_pair();
    let socket = ring.adopt(near.into());
    ring.receive(socket);
    ring.enter(Wait::No).expect("enter");
    assert!(!ring.stop_receiving(socket));
    ring.receive_once(socket);
    ring.enter(Wait::No).expect("enter");
    assert!(ring.next().is_none(), "it is not stopped, but restarted");
    far.write_all(&pattern(4_097)).expect("write");
    for length in [4_096, 1] {
        let Completion::Received { bytes, .. } = completion(&mut ring) else { panic!("no bytes") };
        assert_eq!(bytes.len(), length);
        drop(bytes);
        ring.enter(Wait::No).expect("enter");
        assert!(!ring.has_news(), "nothing was asked for");
        ring.receive_once(socket);
    }
    ring.receive(socket);
    far.write_all(&pattern(10_000)).expect("write");
    assert_eq!(receive_exactly(&mut ring, 10_000), pattern(10_000));
}

#[test]
fn news_of_others_are_told_from_a_sockets_own() {
    let (mut ring, _wake) = ring();
    let (near, mut far) = tcp_pair();
    let (other_near, mut other_far) = tcp_pair();
    let (socket, other) = (ring.adopt(near.into()), ring.adopt(other_near.into()));
    ring.receive(socket);
    ring.receive(other);
    ring.enter(Wait::No).expect("enter");
    assert!(!ring.has_news());
    far.write_all(b"of its own").expect("write");
    assert!(!ring.has_news_of_others(socket));
    assert!(ring.has_news());
    other_far.write_all(b"of another").expect("write");
    assert!(ring.has_news_of_others(socket));
}

#[test]
fn half_closed_peer_still_gets_an_answer() {
    let (mut ring, _wake) = ring();
    let (near, mut far) = tcp_pair();
    let socket = ring.adopt(near.into());
    ring.receive(socket);
    far.write_all(b"last words").expect("write");
    far.shutdown(Shutdown::Write).expect("shutdown");
    let (bytes, end) = received(&mut ring);
    assert_eq!(bytes, b"last words");
    assert!(matches!(end, Completion::Eof { socket: s } if s == socket));
    assert!(matches!(ring.send(socket, b"answer".to_vec()), Sent::Done(_)));
    ring.shutdown(socket).expect("shutdown");
    let mut answer = String::new();
    far.read_to_string(&mut answer).expect("read");
    assert_eq!(answer, "answer");
}

#[test]
fn reset_connection_is_broken() {
    let (mut ring, _wake) = ring();
    let (near, far) = tcp_pair();
    let socket = ring.adopt(near.into());
    ring.receive(socket);
    ring.enter(Wait::No).expect("enter");
    socket2::SockRef::from(&far).set_linger(Some(Duration::ZERO)).expect("SO_LINGER");
    drop(far);
    let Completion::Broken { error, .. } = completion(&mut ring) else { panic!("not broken") };
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

#[test]
fn exhausted_buffers_are_rearmed_and_lose_nothing() {
    let (mut ring, _wake) = sized_ring(2, 16);
    let (near, mut far) = UnixStream::pair().expect("socketpair");
    let sent = pattern(10_000);
    far.write_all(&sent).expect("write");
    far.shutdown(Shutdown::Write).expect("shutdown");
    let socket = ring.adopt(near.into());
    ring.receive(socket);
    let (bytes, end) = received(&mut ring);
    assert_eq!(bytes, sent);
    assert!(matches!(end, Completion::Eof { .. }));
    assert_eq!(ring.pool.free(), 2);
}

#[test]
fn kernel_has_few_buffers_until_it_keeps_running_out_of_them() {
    let (mut ring, _wake) = sized_ring(128, 16);
    assert_eq!(ring.pool.free(), 32);
    let (near, mut far) = UnixStream::pair().expect("socketpair");
    let sent = pattern(30_000); // 58 times 32 buffers, and an enter for each.
    far.write_all(&sent).expect("write");
    let socket = ring.adopt(near.into());
    ring.receive(socket);
    assert_eq!(receive_exactly(&mut ring, sent.len()), sent);
    assert_eq!(ring.pool.free(), 32);
    far.write_all(&sent).expect("write");
    assert_eq!(receive_exactly(&mut ring, sent.len()), sent);
    assert_eq!(ring.pool.free(), 64);
}

#[test]
fn burst_of_many_sockets_is_read_with_few_buffers() {
    let (mut ring, _wake) = sized_ring(128, 16);
    let mut peers = Vec::new();
    for _ in 0..300 {
        let (near, mut far) = UnixStream::pair().expect("socketpair");
        far.write_all(b"one of many").expect("write");
        let socket = ring.adopt(near.into());
        ring.receive(socket);
        peers.push(far);
    }
    assert_eq!(receive_exactly(&mut ring, 300 * 11).len(), 300 * 11);
    assert_eq!(ring.pool.free(), 32);
}

/// Linux 6.13 and later hand out no more than 20 operations that came about with one call.
#[test]
fn everything_that_came_about_is_collected_without_sleep() {
    let (mut ring, _wake) = ring();
    let mut peers: Vec<UnixStream> = (0..60)
        .map(|_| {
            let (near, far) = UnixStream::pair().expect("socketpair");
            let socket = ring.adopt(near.into());
            ring.await_readable(socket);
            far
        })
        .collect();
    ring.enter(Wait::No).expect("enter");
    assert!(!ring.has_news());
    // Some come when the others have come about, and are not all handed out.
    let (others, some) = peers.split_at_mut(50);
    others.iter_mut().for_each(|far| far.write_all(b"x").expect("write"));
    ring.enter(Wait::No).expect("enter");
    some.iter_mut().for_each(|far| far.write_all(b"x").expect("write"));
    let mut readable = 0;
    for _ in 0..60 {
        ring.enter(Wait::No).expect("enter");
        while let Some(completion) = ring.next() {
            assert!(matches!(completion, Completion::Readable { .. }), "{completion:?}");
            readable += 1;
        }
    }
    assert_eq!((readable, ring.has_news()), (60, false));
}

#[test]
fn buffers_that_are_held_come_back_when_dropped() {
    let (mut ring, _wake) = sized_ring(1, 16);
    let (near, mut far) = UnixStream::pair().expect("socketpair");
    let socket = ring.adopt(near.into());
    ring.receive(socket);
    far.write_all(&pattern(32)).expect("write");
    let Completion::Received { bytes, .. } = completion(&mut ring) else { panic!("nothing came") };
    for _ in 0..3 {
        ring.enter(Wait::No).expect("enter");
        assert!(ring.next().is_none());
    }
    let first = bytes.to_vec();
    drop(bytes);
    let second = receive_exactly(&mut ring, 16);
    assert_eq!([first, second].concat(), pattern(32));
}

#[test]
fn bytes_before_a_stop_are_delivered_before_it_is_confirmed() {
    let (mut ring, _wake) = sized_ring(16, 64);
    let (near, mut far) = UnixStream::pair().expect("socketpair");
    let socket = ring.adopt(near.into());
    ring.receive(socket);
    ring.enter(Wait::No).expect("enter");
    far.write_all(&pattern(600)).expect("write");
    ring.enter(Wait::No).expect("enter");
    assert!(!ring.stop_receiving(socket), "a receive is armed");
    let (mut bytes, end) = received(&mut ring);
    assert!(matches!(end, Completion::Stopped { socket: s } if s == socket));
    assert!(ring.stop_receiving(socket), "stopped");
    far.write_all(b"later").expect("write");
    far.shutdown(Shutdown::Write).expect("shutdown");
    for _ in 0..3 {
        ring.enter(Wait::No).expect("enter");
        assert!(ring.next().is_none(), "nothing comes while stopped");
    }
    ring.receive(socket);
    let (rest, end) = received(&mut ring);
    bytes.extend_from_slice(&rest);
    assert_eq!(bytes, [&pattern(600)[..], b"later"].concat());
    assert!(matches!(end, Completion::Eof { .. }));
}

#[test]
fn receive_that_is_wanted_again_before_the_stop_goes_on() {
    let (mut ring, _wake) = ring();
    let (near, mut far) = UnixStream::pair().expect("socketpair");
    let socket = ring.adopt(near.into());
    for round in 0..50_u8 {
        ring.receive(socket);
        if round % 2 == 0 {
            ring.enter(Wait::No).expect("enter");
        }
        ring.stop_receiving(socket);
        ring.receive(socket);
        far.write_all(&[round]).expect("write");
        assert_eq!(receive_exactly(&mut ring, 1), [round]);
    }
}

#[test]
fn stopped_socket_can_be_released_and_used_elsewhere() {
    let (mut ring, _wake) = ring();
    let (near, mut far) = tcp_pair();
    let socket = ring.adopt(near.into());
    ring.receive(socket);
    ring.enter(Wait::No).expect("enter");
    assert!(ring.release(socket).is_none(), "a receive is armed");
    ring.stop_receiving(socket);
    assert!(matches!(completion(&mut ring), Completion::Stopped { .. }));
    let mut moved = TcpStream::from(ring.release(socket).expect("idle"));
    assert!(ring.release(socket).is_none(), "the name is old");
    far.write_all(b"over there").expect("write");
    let mut bytes = [0; 10];
    moved.read_exact(&mut bytes).expect("read");
    assert_eq!(&bytes, b"over there");
}

#[test]
fn slow_reader_gets_every_byte_once() {
    let (mut ring, _wake) = ring();
    let (socket, mut far) = narrow_pair(&mut ring);
    let total = block(&mut ring, socket);
    assert!(matches!(ring.send(socket, b"no".to_vec()), Sent::Busy(bytes) if bytes == b"no"));
    let reader = std::thread::spawn(move || {
        let mut all = vec![0; total];
        far.read_exact(&mut all).map(|()| all)
    });
    let Completion::Sent { buffer, .. } = completion(&mut ring) else { panic!("not sent") };
    assert_eq!(buffer.len(), 1 << 16);
    assert!(!ring.is_sending(socket));
    let all = reader.join().expect("reader").expect("read");
    assert!(all.chunks(1 << 16).all(|chunk| chunk == pattern(1 << 16)));
}

#[test]
fn closing_with_everything_in_flight_frees_the_socket() {
    let (mut ring, _wake) = ring();
    let (socket, mut far) = narrow_pair(&mut ring);
    ring.receive(socket);
    block(&mut ring, socket);
    ring.enter(Wait::No).expect("enter");
    ring.close(socket);
    assert_eq!(ring.sockets(), 1, "its buffer is still the kernel's");
    while ring.sockets() > 0 {
        ring.enter(Wait::Yes).expect("enter");
        assert!(ring.next().is_none(), "a closed socket says nothing more");
    }
    let mut sink = Vec::new();
    let _ = far.read_to_end(&mut sink);
    assert!(matches!(ring.send(socket, Vec::new()), Sent::Failed(_)));
}

#[test]
fn reused_slot_hears_nothing_of_its_predecessor() {
    let (mut ring, _wake) = ring();
    let (near, mut far) = UnixStream::pair().expect("socketpair");
    let first = ring.adopt(near.into());
    ring.receive(first);
    far.write_all(b"for the first").expect("write");
    ring.enter(Wait::Yes).expect("enter");
    ring.close(first);
    while ring.sockets() > 0 {
        ring.enter(Wait::Yes).expect("enter");
        assert!(ring.next().is_none());
    }
    let (near, mut far) = UnixStream::pair().expect("socketpair");
    let second = ring.adopt(near.into());
    assert_eq!(first.index(), second.index());
    assert_ne!(first, second);
    ring.receive(first);
    ring.receive(second);
    far.write_all(b"for the second").expect("write");
    assert_eq!(receive_exactly(&mut ring, 14), b"for the second");
    assert_eq!(ring.pool.free(), 16);
}

#[test]
fn connection_to_a_listener_succeeds() {
    let (mut ring, _wake) = ring();
    let listener = TcpListener::bind("[::1]:0").expect("bind");
    let socket = socket2::Socket::new(socket2::Domain::IPV6, socket2::Type::STREAM, None).expect("socket");
    let id = ring.connect(socket.into(), listener.local_addr().expect("address"));
    assert!(matches!(completion(&mut ring), Completion::Connected { socket } if socket == id));
}

#[test]
fn connection_to_nobody_is_refused() {
    let (mut ring, _wake) = ring();
    let free = TcpListener::bind("127.0.0.1:0").expect("bind").local_addr().expect("address");
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("socket");
    let id = ring.connect(socket.into(), free);
    let Completion::Broken { socket, error } = completion(&mut ring) else { panic!("not refused") };
    assert_eq!((socket, error.kind()), (id, io::ErrorKind::ConnectionRefused));
}

#[test]
fn earlier_deadline_overtakes_a_later_one() {
    let wake = EventFd::new().expect("eventfd");
    let mut ring = Ring::new(&RingConfig { buffers: 2, ..RingConfig::default() }, &wake).expect("io_uring");
    let begin = Instant::now();
    ring.wake_after(Duration::from_secs(60));
    ring.enter(Wait::No).expect("enter");
    ring.wake_after(Duration::from_millis(20));
    loop {
        ring.enter(Wait::Yes).expect("enter");
        if matches!(ring.next(), Some(Completion::Deadline)) {
            break;
        }
    }
    assert!(begin.elapsed() >= Duration::from_millis(20));
    assert!(begin.elapsed() < Duration::from_secs(5));
}

#[test]
fn later_wish_does_not_touch_the_armed_deadline() {
    let (mut ring, _wake) = ring();
    let armed = ring.deadline.number;
    ring.wake_after(Duration::from_secs(100));
    assert_eq!(ring.deadline.number, armed);
}

#[test]
fn signalled_eventfd_ends_the_sleep_each_time() {
    let (mut ring, wake) = ring();
    let (other, _far) = UnixStream::pair().expect("socketpair");
    let (woken, signal) = std::sync::mpsc::channel();
    let other_thread = std::thread::spawn(move || {
        while signal.recv().is_ok() {
            wake.signal();
        }
    });
    for _ in 0..3 {
        woken.send(()).expect("the thread is there");
        ring.sleep(other.as_fd()).expect("sleep");
        assert!(ring.next().is_none());
        assert!(ring.doorbell.watching && !ring.doorbell.hearing);
    }
    drop(woken);
    other_thread.join().expect("it ends");
}

#[test]
fn readable_descriptor_ends_the_sleep() {
    let (mut ring, _wake) = ring();
    let (other, mut far) = UnixStream::pair().expect("socketpair");
    far.write_all(b"x").expect("write");
    ring.sleep(other.as_fd()).expect("sleep");
    assert!(ring.next().is_none());
    assert!(!ring.doorbell.watching);
    // Still readable: armed anew, it says so at once.
    ring.sleep(other.as_fd()).expect("sleep");
    assert!(ring.next().is_none());
    assert!(!ring.doorbell.watching && ring.doorbell.hearing);
}

#[test]
fn more_submissions_than_the_queue_holds_all_arrive() {
    let wake = EventFd::new().expect("eventfd");
    let config = RingConfig { submissions: 4, completions: 8, buffers: 64, buffer_bytes: 64 };
    let mut ring = Ring::new(&config, &wake).expect("io_uring");
    ring.wake_after(Duration::from_secs(5));
    let mut peers = Vec::new();
    for _ in 0..100 {
        let (near, mut far) = UnixStream::pair().expect("socketpair");
        far.write_all(b"x").expect("write");
        let socket = ring.adopt(near.into());
        ring.receive(socket);
        peers.push(far);
    }
    assert_eq!(receive_exactly(&mut ring, 100), [b'x'; 100]);
}

#[test]
fn listener_out_of_descriptors_says_so_and_accepts_again() {
    let (mut ring, _wake) = ring();
    // A descriptor that is no listener fails like a lasting shortage does, without exhausting the process's.
    let (near, _far) = UnixStream::pair().expect("socketpair");
    let listening = ring.listen(near.into());
    let Completion::AcceptFailed { listener, .. } = completion(&mut ring) else { panic!("accepted") };
    assert_eq!(listener, listening);
    ring.accept(listening);
    assert!(matches!(completion(&mut ring), Completion::AcceptFailed { .. }));
}

/// A ring with thousands of sockets was given up after a hundred completions: the descriptors of all others stayed open.
#[test]
fn dropped_ring_closes_all_of_many_descriptors() {
    process::raise_open_files().expect("setrlimit");
    let (mut ring, _wake) = ring();
    let pairs = (0..6_000).map(|_| UnixStream::pair().expect("socketpair"));
    let (near, far): (Vec<_>, Vec<_>) = pairs.unzip();
    for socket in near {
        let socket = ring.adopt(socket.into());
        ring.receive(socket);
    }
    ring.enter(Wait::No).expect("enter");
    drop(ring);
    for mut far in far {
        far.set_nonblocking(true).expect("nonblocking");
        assert_eq!(far.read(&mut [0]).expect("closed, so that a read does not have to wait"), 0);
    }
}

#[test]
fn dropped_ring_closes_its_descriptors() {
    let (mut ring, _wake) = ring();
    let (near, mut far) = UnixStream::pair().expect("socketpair");
    let socket = ring.adopt(near.into());
    ring.receive(socket);
    ring.enter(Wait::No).expect("enter");
    assert!(ring.descriptor(socket).is_some_and(|fd| fd.as_raw_fd() >= 0));
    drop(ring);
    assert_eq!(far.read(&mut [0; 1]).expect("read"), 0);
}

#[test]
fn accepted_descriptor_of_a_closed_listener_is_closed() {
    let (mut ring, _wake) = ring();
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let address = listener.local_addr().expect("address");
    let listening = ring.listen(listener.into());
    ring.enter(Wait::No).expect("enter");
    let mut peer = TcpStream::connect(address).expect("connect");
    ring.enter(Wait::Yes).expect("enter");
    ring.close(listening);
    while ring.sockets() > 0 {
        assert!(ring.next().is_none());
        ring.enter(Wait::Yes).expect("enter");
        while ring.next().is_some() {}
    }
    let end = peer.read(&mut [0; 1]);
    assert!(matches!(end, Ok(0)) || end.is_err(), "{end:?}");
}

#[test]
fn failed_send_is_reported() {
    let (mut ring, _wake) = ring();
    let (near, far) = UnixStream::pair().expect("socketpair");
    let socket = ring.adopt(OwnedFd::from(near));
    drop(far);
    assert!(matches!(ring.send(socket, vec![1]), Sent::Failed(error) if error.kind() == io::ErrorKind::BrokenPipe));
}
