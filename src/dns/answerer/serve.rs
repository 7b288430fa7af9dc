//! The answerer at work: both sockets, the look into the real DNS, the forwarding.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use futures_lite::future::zip;
use glommio::Task;
use glommio::net::{TcpListener, TcpStream, UdpSocket};
use glommio::timer::Timer;
use hickory_proto::op::{Query, ResponseCode};
use ringgate_proto::discover::{Answer, Question, RecordKind};

use super::question::{self, Request};
use super::reply::{self, Verdict};
use super::{Answerer, AnswererConfig, CONNECTION_IDLE, CONNECTIONS, REQUEST_TIME, REQUESTS};
use crate::dns::exchange::{self, Verdict as Datagram};
use crate::dns::message::{Asked, Reply};
use crate::dns::resolver::{Resolver, random_id};
use crate::dns::within::within;

/// A request over UDP that is longer is none that a backend sends.
const REQUEST_BYTES: usize = 4_096;
/// After a failure to receive or accept (out of buffers, of descriptors), so that it is not tried in a circle.
const PAUSE: Duration = Duration::from_millis(50);

impl Answerer {
    /// Answers until it is dropped; requests under way are dropped with it. To be run inside a glommio executor.
    ///
    /// # Errors
    /// When the sockets cannot be handed to the executor; never later.
    pub async fn serve(self) -> io::Result<()> {
        let Self { config, udp, tcp: reserved, local_addr } = self;
        let listener = TcpListener::bind(local_addr)?;
        // Our own descriptor for replies: glommio's unconnected send may cut a datagram.
        let sender = Rc::new(udp.try_clone()?);
        let receiver = UdpSocket::from(udp);
        let resolver = Resolver::new(config.upstream.clone());
        let desk = Rc::new(Desk { resolver, config, idle: CONNECTION_IDLE });
        let over_udp = serve_udp(&desk, &receiver, &sender);
        zip(over_udp, serve_tcp(&desk, &listener)).await;
        drop(reserved);
        Ok(())
    }
}

async fn serve_udp(desk: &Rc<Desk>, receiver: &UdpSocket, sender: &Rc<socket2_glommio::Socket>) {
    let requests = Tasks::new(REQUESTS);
    let mut buffer = vec![0; REQUEST_BYTES + 1];
    loop {
        let Ok((length, client)) = receiver.recv_from(&mut buffer).await else {
            Timer::new(PAUSE).await;
            continue;
        };
        if length > REQUEST_BYTES || !requests.has_room() {
            continue;
        }
        let (desk, sender, request) = (desk.clone(), sender.clone(), buffer[..length].to_vec());
        requests.spawn(async move {
            let answer = desk.answer(&request, false).await;
            if let Some(answer) = answer.and_then(|answer| reply::fitted(answer, reply::payload_limit(&request))) {
                // What does not fit into the socket's buffer is lost like any datagram. The flag, because O_NONBLOCK
                // would be shared with the descriptor that the ring reads from.
                let _ = sender.send_to_with_flags(&answer, &client.into(), libc::MSG_DONTWAIT);
            }
        });
    }
}

async fn serve_tcp(desk: &Rc<Desk>, listener: &TcpListener) {
    let connections = Tasks::new(CONNECTIONS);
    loop {
        let Ok(stream) = listener.accept().await else {
            Timer::new(PAUSE).await;
            continue;
        };
        if connections.has_room() {
            let desk = desk.clone();
            connections.spawn(async move { desk.converse(stream).await });
        }
    }
}

/// What every request needs.
struct Desk {
    config: AnswererConfig,
    resolver: Resolver,
    /// [`CONNECTION_IDLE`].
    idle: Duration,
}

impl Desk {
    /// One request after the other, until the client hangs up, idles, or sends what is no request.
    async fn converse(&self, mut stream: TcpStream) {
        loop {
            let read = within(self.idle, exchange::read_message(&mut stream)).await;
            let Some(Ok(Some(request))) = read else { return };
            let Some(answer) = self.answer(&request, true).await else { return };
            let written = within(self.idle, exchange::write_message(&mut stream, &answer)).await;
            let Some(Ok(())) = written else { return };
        }
    }

    /// The reply to a request; `None`: there is none.
    async fn answer(&self, request: &[u8], over_tcp: bool) -> Option<Vec<u8>> {
        let internal = self.config.internal;
        match question::sort(request) {
            Request::Noise => None,
            Request::Bad(code) => reply::error(request, code),
            Request::Internal(query) => reply::internal(request, &query, internal.ip()),
            Request::DirectTlsServer(query) => reply::nothing(request, &query),
            Request::Server(query, domain) => {
                let verdict = within(REQUEST_TIME, self.verdict(&domain)).await.unwrap_or(Verdict::Unknown);
                reply::server(request, &query, verdict, internal)
            }
            Request::Other(query) => {
                let answer = within(REQUEST_TIME, self.forward(request, &query, over_tcp)).await.flatten();
                answer.or_else(|| reply::error(request, ResponseCode::ServFail))
            }
        }
    }

    /// Whether a domain exists: it is ours, or the DNS knows its name, or a service of it although a careless server
    /// denies the name.
    async fn verdict(&self, domain: &str) -> Verdict {
        if self.config.local_domains.iter().any(|local| local == domain) {
            return Verdict::Exists;
        }
        let ask = async |name: String, kind| self.resolver.lookup(&Question { name, kind }).await;
        let address = ask(domain.to_owned(), RecordKind::A).await;
        if !matches!(address, Answer::NoSuchName | Answer::Failed) {
            return Verdict::Exists;
        }
        let starttls = ask(format!("_xmpp-server._tcp.{domain}"), RecordKind::Srv);
        let direct = ask(format!("_xmpps-server._tcp.{domain}"), RecordKind::Srv);
        let address6 = ask(domain.to_owned(), RecordKind::Aaaa);
        let ((starttls, direct), address6) = zip(zip(starttls, direct), address6).await;
        let answers = [address, starttls, direct, address6];
        if answers.iter().any(|answer| !matches!(answer, Answer::NoSuchName | Answer::Failed)) {
            Verdict::Exists
        } else if answers.contains(&Answer::Failed) {
            Verdict::Unknown
        } else {
            Verdict::Missing
        }
    }

    /// Hands a request to the first upstream server that answers, under an id of our own.
    async fn forward(&self, request: &[u8], query: &Query, over_tcp: bool) -> Option<Vec<u8>> {
        let upstream = &self.config.upstream;
        for server in &upstream.servers {
            let exchange = forward_to(*server, request, query, over_tcp);
            if let Some(Some(answer)) = within(upstream.timeout, exchange).await {
                return Some(answer);
            }
        }
        None
    }
}

async fn forward_to(server: SocketAddr, request: &[u8], query: &Query, over_tcp: bool) -> Option<Vec<u8>> {
    let asked = Asked { id: random_id(), name: query.name.clone(), kind: query.query_type };
    let outgoing = with_id(request, asked.id.to_be_bytes())?;
    let judge = |bytes: &[u8]| match asked.read(bytes) {
        Reply::Foreign => Datagram::Ignore,
        Reply::Truncated if over_tcp => Datagram::OverTcp,
        _ => Datagram::Take(bytes.to_vec()),
    };
    let answer = match exchange::over_udp(server, &outgoing, judge).await.ok()? {
        Some(answer) => answer,
        None => exchange::over_tcp(server, &outgoing).await.ok()?,
    };
    if matches!(asked.read(&answer), Reply::Foreign) {
        return None;
    }
    with_id(&answer, request.get(..2)?.try_into().ok()?)
}

fn with_id(message: &[u8], id: [u8; 2]) -> Option<Vec<u8>> {
    let mut message = message.to_vec();
    message.get_mut(..2)?.copy_from_slice(&id);
    Some(message)
}

/// At most `most` tasks, which end with their owner.
struct Tasks {
    most: usize,
    running: RefCell<HashMap<u64, Task<()>>>,
    ended: Rc<RefCell<Vec<u64>>>,
    number: Cell<u64>,
}

impl Tasks {
    fn new(most: usize) -> Self {
        Self { most, running: RefCell::default(), ended: Rc::default(), number: Cell::new(0) }
    }

    fn has_room(&self) -> bool {
        let mut running = self.running.borrow_mut();
        for ended in self.ended.borrow_mut().drain(..) {
            running.remove(&ended);
        }
        running.len() < self.most
    }

    fn spawn(&self, work: impl Future<Output = ()> + 'static) {
        let number = self.number.get();
        self.number.set(number + 1);
        let ended = self.ended.clone();
        let task = glommio::spawn_local(async move {
            work.await;
            ended.borrow_mut().push(number);
        });
        self.running.borrow_mut().insert(number, task);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::ResolverConfig;
    use glommio::{LocalExecutorBuilder, Placement};

    fn run<T>(test: impl Future<Output = T>) -> T {
        let builder = LocalExecutorBuilder::new(Placement::Unbound).io_memory(64 << 10);
        builder.make().expect("io_uring is available").run(test)
    }

    /// Lets other tasks run, at most a thousand times.
    async fn turn_until(reached: impl Fn() -> bool) {
        for _ in 0..1_000 {
            if reached() {
                return;
            }
            glommio::executor().yield_task_queue_now().await;
        }
        panic!("never reached");
    }

    /// Ends never, and tells when it is dropped.
    struct Held(Rc<Cell<usize>>);

    impl Drop for Held {
        fn drop(&mut self) {
            self.0.set(self.0.get() - 1);
        }
    }

    #[test]
    fn tasks_are_bounded_make_room_when_they_end_and_end_with_their_owner() {
        run(async {
            let held = Rc::new(Cell::new(2));
            let tasks = Tasks::new(3);
            for one in [Held(held.clone()), Held(held.clone())] {
                assert!(tasks.has_room());
                tasks.spawn(async move {
                    let _one = one;
                    std::future::pending().await
                });
            }
            tasks.spawn(async { glommio::executor().yield_task_queue_now().await });
            assert!(!tasks.has_room(), "three are under way");
            turn_until(|| tasks.has_room()).await;
            assert_eq!(tasks.running.borrow().len(), 2, "one has ended");
            assert_eq!(held.get(), 2);
            drop(tasks);
            turn_until(|| held.get() == 0).await;
        });
    }

    #[test]
    fn a_connection_on_which_nothing_or_only_a_part_comes_is_closed() {
        run(async {
            let config = AnswererConfig {
                listen: "127.0.0.1:0".parse().unwrap(),
                internal: "127.0.0.1:15268".parse().unwrap(),
                local_domains: vec![],
                upstream: ResolverConfig::default(),
            };
            let resolver = Resolver::new(config.upstream.clone());
            let desk = Desk { config, resolver, idle: Duration::from_millis(50) };
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            for part in [&[][..], &[0], &[0, 40, 1, 2, 3]] {
                let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
                futures_lite::AsyncWriteExt::write_all(&mut client, part).await.unwrap();
                let stream = listener.accept().await.unwrap();
                assert!(within(Duration::from_secs(10), desk.converse(stream)).await.is_some());
            }
        });
    }
}
