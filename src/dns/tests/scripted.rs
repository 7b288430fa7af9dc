//! A DNS server that does what a test tells it to.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use hickory_proto::op::Message;

/// What a request came over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    Udp,
    Tcp,
}

/// One thing to send back.
pub(super) enum Send {
    /// A message from where it was asked.
    Back(Vec<u8>),
    /// A message from another port; over UDP only.
    FromElsewhere(Vec<u8>),
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) over: Over,
    pub(super) bytes: Vec<u8>,
    pub(super) client: SocketAddr,
}

impl Seen {
    pub(super) fn message(&self) -> Message {
        Message::from_vec(&self.bytes).unwrap()
    }

    pub(super) fn name(&self) -> String {
        self.message().queries[0].name.to_ascii()
    }
}

type Script = dyn Fn(&Message, Over) -> Vec<Send> + std::marker::Send + Sync;

/// The server; it ends when it is dropped.
pub(super) struct Scripted {
    pub(super) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// How soon the threads notice that the test is over.
const NOTICE: Duration = Duration::from_millis(5);

impl Scripted {
    pub(super) fn new(script: impl Fn(&Message, Over) -> Vec<Send> + std::marker::Send + Sync + 'static) -> Self {
        let (udp, tcp) = sockets();
        let address = udp.local_addr().unwrap();
        let (seen, stop): (Arc<Mutex<Vec<Seen>>>, Arc<AtomicBool>) = Default::default();
        let script: Arc<Script> = Arc::new(script);
        let threads = vec![
            std::thread::spawn({
                let (seen, stop, script) = (seen.clone(), stop.clone(), script.clone());
                move || over_udp(&udp, &seen, &stop, &*script)
            }),
            std::thread::spawn({
                let (seen, stop) = (seen.clone(), stop.clone());
                move || over_tcp(&tcp, &seen, &stop, &*script)
            }),
        ];
        Self { address, seen, stop, threads }
    }

    /// Answers every request with one message.
    pub(super) fn answering(script: impl Fn(&Message) -> Vec<u8> + std::marker::Send + Sync + 'static) -> Self {
        Self::new(move |query, _| vec![Send::Back(script(query))])
    }

    /// Says nothing.
    pub(super) fn silent() -> Self {
        Self::new(|_, _| vec![])
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the script panicked");
        }
    }
}

fn sockets() -> (UdpSocket, TcpListener) {
    loop {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()) {
            udp.set_read_timeout(Some(NOTICE)).unwrap();
            tcp.set_nonblocking(true).unwrap();
            return (udp, tcp);
        }
    }
}

fn over_udp(socket: &UdpSocket, seen: &Mutex<Vec<Seen>>, stop: &AtomicBool, script: &Script) {
    let elsewhere = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut buffer = [0; 4096];
    while !stop.load(Ordering::Relaxed) {
        let Ok((length, client)) = socket.recv_from(&mut buffer) else { continue };
        let bytes = buffer[..length].to_vec();
        seen.lock().unwrap().push(Seen { over: Over::Udp, bytes: bytes.clone(), client });
        for send in script(&Message::from_vec(&bytes).unwrap(), Over::Udp) {
            // Who asked may be gone already.
            let _ = match send {
                Send::Back(bytes) => socket.send_to(&bytes, client),
                Send::FromElsewhere(bytes) => elsewhere.send_to(&bytes, client),
            };
        }
    }
}

fn over_tcp(listener: &TcpListener, seen: &Mutex<Vec<Seen>>, stop: &AtomicBool, script: &Script) {
    while !stop.load(Ordering::Relaxed) {
        let Ok((mut stream, client)) = listener.accept() else {
            std::thread::park_timeout(NOTICE);
            continue;
        };
        stream.set_nonblocking(false).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut length = [0; 2];
        if stream.read_exact(&mut length).is_err() {
            continue;
        }
        let mut bytes = vec![0; u16::from_be_bytes(length).into()];
        stream.read_exact(&mut bytes).unwrap();
        seen.lock().unwrap().push(Seen { over: Over::Tcp, bytes: bytes.clone(), client });
        for send in script(&Message::from_vec(&bytes).unwrap(), Over::Tcp) {
            let Send::Back(message) = send else { panic!("TCP has one source") };
            let _ = stream.write_all(&u16::try_from(message.len()).unwrap().to_be_bytes());
            let _ = stream.write_all(&message);
        }
    }
}
