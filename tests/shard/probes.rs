//! What glommio does on a shard's executor, each spoken to from outside: a task, and a thread that counts its answers.
//! Whoever waits longer than [`PATIENCE`] fails; nothing else is said about time.

use std::future::poll_fn;
use std::io::{Read, Write};
use std::net::UdpSocket;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use futures_lite::{AsyncReadExt, AsyncWriteExt};
use glommio::net::UnixListener;
use ringgate::shard::driver::{Handle, Task};
use ringgate_proto::gate::ShardId;

/// No single answer takes longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// How often each probe asks.
const TIMES: usize = 100;
/// How often a new connection is made.
const CONNECTIONS: usize = 20;

/// A task, made on its executor, and the thread that speaks to it.
pub(crate) type Probe = fn() -> (Task, JoinHandle<()>);

/// All of them.
pub(crate) const ALL: [Probe; 5] = [timers, blocking_work, udp_echo, unix_echo, foreign_waker];

/// Timers, one after the other.
pub(crate) fn timers() -> (Task, JoinHandle<()>) {
    let (answer, answers) = channel();
    let task = async move {
        for number in 0..TIMES {
            glommio::timer::sleep(Duration::from_millis(5)).await;
            let _ = answer.send(number);
        }
    };
    (Box::pin(task), count_in_order(answers))
}

/// Work that is done on glommio's own thread for such.
fn blocking_work() -> (Task, JoinHandle<()>) {
    let (answer, answers) = channel();
    let task = async move {
        for number in 0..TIMES {
            let _ = answer.send(glommio::executor().spawn_blocking(move || number).await);
        }
    };
    (Box::pin(task), count_in_order(answers))
}

fn count_in_order(answers: Receiver<usize>) -> JoinHandle<()> {
    thread::spawn(move || {
        for number in 0..TIMES {
            assert_eq!(answers.recv_timeout(PATIENCE).expect("an answer"), number);
        }
    })
}

/// A UDP socket of glommio's that gives back what it gets.
fn udp_echo() -> (Task, JoinHandle<()>) {
    let (at, place) = channel();
    let task = async move {
        let socket = glommio::net::UdpSocket::bind("127.0.0.1:0").expect("bind");
        let _ = at.send(socket.local_addr().expect("address"));
        let mut datagram = [0; 64];
        loop {
            let (length, from) = socket.recv_from(&mut datagram).await.expect("receive");
            socket.send_to(&datagram[..length], from).await.expect("send");
        }
    };
    let client = thread::spawn(move || {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("bind");
        socket.connect(place.recv_timeout(PATIENCE).expect("bound")).expect("connect");
        socket.set_read_timeout(Some(PATIENCE)).expect("SO_RCVTIMEO");
        for number in 0..TIMES {
            let (question, mut answer) = (number.to_ne_bytes(), [0; 64]);
            socket.send(&question).expect("send");
            let length = socket.recv(&mut answer).expect("an answer");
            assert_eq!(answer[..length], question);
        }
    });
    (Box::pin(task), client)
}

/// A Unix socket of glommio's: connections are accepted, and given back what they send.
fn unix_echo() -> (Task, JoinHandle<()>) {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("ringgate-{}-{number}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let (bound, place) = channel();
    let at = path.clone();
    let task = async move {
        let listener = UnixListener::bind(&at).expect("bind");
        let _ = bound.send(());
        loop {
            let mut stream = listener.accept().await.expect("accept");
            let mut bytes = [0; 8];
            while stream.read_exact(&mut bytes).await.is_ok() {
                stream.write_all(&bytes).await.expect("write");
            }
        }
    };
    let client = thread::spawn(move || {
        place.recv_timeout(PATIENCE).expect("bound");
        for _ in 0..CONNECTIONS {
            let mut stream = UnixStream::connect(&path).expect("connect");
            stream.set_read_timeout(Some(PATIENCE)).expect("SO_RCVTIMEO");
            for number in 0..TIMES / CONNECTIONS {
                let (question, mut answer) = (number.to_ne_bytes(), [0; 8]);
                stream.write_all(&question).expect("write");
                stream.read_exact(&mut answer).expect("an answer");
                assert_eq!(answer, question);
            }
        }
        std::fs::remove_file(&path).expect("the socket's name");
    });
    (Box::pin(task), client)
}

/// A task that another thread wakes by its std waker.
fn foreign_waker() -> (Task, JoinHandle<()>) {
    let (answer, answers) = channel();
    let (wakes, waker) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(None::<Waker>)));
    let (seen, left) = (Arc::clone(&wakes), Arc::clone(&waker));
    let task = async move {
        for number in 1..=TIMES {
            poll_fn(|context| {
                left.lock().expect("waker").replace(context.waker().clone());
                if seen.load(Ordering::SeqCst) >= number { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
            let _ = answer.send(number);
        }
    };
    let client = thread::spawn(move || {
        for number in 1..=TIMES {
            wakes.store(number, Ordering::SeqCst);
            if let Some(waker) = waker.lock().expect("waker").take() {
                waker.wake();
            }
            assert_eq!(answers.recv_timeout(PATIENCE).expect("woken"), number);
        }
    });
    (Box::pin(task), client)
}

/// Messages that go to and fro between the mailboxes of all shards, the next sent by whoever got the last.
pub(crate) fn pass_around(handle: &Handle) {
    let (arrived, arrivals) = channel();
    hop(handle.clone(), 0, arrived);
    for number in 0..TIMES {
        assert_eq!(arrivals.recv_timeout(PATIENCE).expect("a message"), number);
    }
}

fn hop(handle: Handle, number: usize, arrived: Sender<usize>) {
    let to = ShardId(number as u16 % handle.shards());
    let next = handle.clone();
    assert!(handle.call(to, move |shard| {
        assert_eq!(shard.id(), to);
        let _ = arrived.send(number);
        if number + 1 < TIMES {
            hop(next, number + 1, arrived);
        }
    }));
}
