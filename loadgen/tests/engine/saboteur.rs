//! A relay in clear that does something wrong with every n-th stanza, and counts how often it did.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use loadgen::systems::{Attachment, RelayTls};
use ringgate_proto::scan::{Cpu, Element, Kind, Limits, Scanner, Scratch, Step};

/// What it does with every n-th stanza of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// Forgets it.
    Drop,
    /// Sends it twice.
    Duplicate,
    /// Sends it after the next one.
    Swap,
    /// Sends it so much later, the following ones meanwhile.
    Delay(Duration),
    /// Sends it and everything behind it so much later.
    Stall(Duration),
    /// Changes a word of it.
    Alter,
    /// Sends it to another domain.
    Misdirect,
    /// Sends it on the stream to another domain.
    Mislay,
    /// Answers it with an error.
    Bounce,
    /// Closes the connection in its place.
    Cut,
    /// Accepts connections after the n-th, and says nothing on them.
    Silence,
    /// Lets every n-th connection wait so long before it goes on.
    Hold(Duration),
}

/// The relay; ends when it is dropped.
pub(crate) struct Saboteur {
    entry: SocketAddr,
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
}

impl Saboteur {
    /// Relays to `target`, and does wrong to every `nth` stanza of each connection.
    pub(crate) fn start(target: SocketAddr, fault: Fault, nth: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let entry = listener.local_addr().expect("an address");
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&done));
        let streams = Streams::default();
        thread::spawn(move || {
            let mut silent = Vec::new();
            for (number, near) in (0..).zip(listener.incoming().map_while(Result::ok)) {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                if matches!(fault, Fault::Silence) && number >= nth {
                    counted.fetch_add(1, Ordering::Relaxed);
                    silent.push(near);
                    continue;
                }
                let work = Work { fault, nth, done: Arc::clone(&counted), streams: Arc::clone(&streams) };
                let hold = work.hold(number);
                thread::spawn(move || {
                    thread::sleep(hold);
                    if let Ok(far) = TcpStream::connect(target) {
                        relay(near, far, work);
                    }
                });
            }
        });
        Self { entry, stop, done }
    }

    /// How the engine reaches it.
    pub(crate) fn attachment(&self) -> Attachment {
        Attachment::Relay { entry: self.entry, entry_tls: RelayTls::None, exit_tls: RelayTls::None }
    }

    /// How often it did wrong so far.
    pub(crate) fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }
}

impl Drop for Saboteur {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Its listener looks at the flag once more.
        let _ = TcpStream::connect(self.entry);
    }
}

/// The domain that each stream was opened to, and its far end.
type Streams = Arc<Mutex<Vec<(String, TcpStream)>>>;

struct Work {
    fault: Fault,
    nth: u64,
    done: Arc<AtomicU64>,
    streams: Streams,
}

impl Work {
    /// How long the connection of this number, from 0, has to wait.
    fn hold(&self, number: u64) -> Duration {
        match self.fault {
            Fault::Hold(pause) if (number + 1).is_multiple_of(self.nth) => {
                self.done.fetch_add(1, Ordering::Relaxed);
                pause
            }
            _ => Duration::ZERO,
        }
    }

    fn note(&self, to: &str, far: &TcpStream) -> io::Result<()> {
        let stream = (to.to_owned(), far.try_clone()?);
        self.streams.lock().unwrap_or_else(PoisonError::into_inner).push(stream);
        Ok(())
    }

    /// Writes on a stream to another domain than the stanza's.
    fn mislay(&self, element: &Element<'_>) -> io::Result<()> {
        let to = element.to.map(|to| to.to_text()).unwrap_or_default();
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let other = streams.iter_mut().find(|(domain, _)| !to.ends_with(domain.as_str()));
        other.ok_or(io::ErrorKind::NotConnected)?.1.write_all(element.bytes)
    }
}

/// Answers go back as they are; what the sender says is looked at.
fn relay(mut near: TcpStream, mut far: TcpStream, work: Work) {
    let (Ok(mut back), Ok(mut from_far)) = (near.try_clone(), far.try_clone()) else { return };
    let answers = thread::spawn(move || {
        let _ = io::copy(&mut from_far, &mut back);
        let _ = back.shutdown(Shutdown::Write);
    });
    // A connection that ends is the end of the relay's work on it.
    let _ = forward(&mut near, &mut far, &work);
    let _ = far.shutdown(Shutdown::Write);
    let _ = answers.join();
}

fn forward(near: &mut TcpStream, far: &mut TcpStream, work: &Work) -> io::Result<()> {
    let (mut scanner, mut scratch) = (Scanner::new(Limits::default(), Cpu::Scalar), Scratch::default());
    let (mut text, mut chunk, mut seen, mut held) = (Vec::new(), [0; 16 << 10], 0, Vec::new());
    far.set_nodelay(true)?;
    loop {
        let count = near.read(&mut chunk)?;
        if count == 0 {
            return Ok(());
        }
        text.extend_from_slice(&chunk[..count]);
        let (mut used, mut out) = (0, Vec::new());
        loop {
            let step =
                scanner.scan(&mut scratch, &text[used..]).map_err(|error| io::Error::other(format!("{error:?}")))?;
            let end = match step {
                Step::Header(header) => {
                    work.note(&header.to.map(|to| to.to_text()).unwrap_or_default(), far)?;
                    header.end
                }
                Step::Close { end } => end,
                Step::NeedMore { .. } => break,
                Step::Element(element) if is_counted(&element) => {
                    seen += 1;
                    let is_hit = seen % work.nth == 0;
                    sabotage(&element, is_hit, work, &mut out, &mut held, far)?;
                    used += element.end;
                    continue;
                }
                Step::Element(element) => element.end,
            };
            out.extend_from_slice(&text[used..used + end]);
            used += end;
        }
        text.drain(..used);
        far.write_all(&out)?;
    }
}

/// Stanzas, but for those with the number that primers have.
fn is_counted(element: &Element<'_>) -> bool {
    let is_stanza = matches!(element.kind, Kind::Presence | Kind::Message | Kind::Iq);
    is_stanza && element.id.is_some_and(|id| id.raw.get(10..18) != Some(b"ffffffff"))
}

fn sabotage(
    element: &Element<'_>,
    is_hit: bool,
    work: &Work,
    out: &mut Vec<u8>,
    held: &mut Vec<u8>,
    far: &mut TcpStream,
) -> io::Result<()> {
    let stanza = element.bytes;
    if !is_hit || matches!(work.fault, Fault::None | Fault::Silence | Fault::Hold(_)) {
        out.extend_from_slice(stanza);
        out.append(held);
        return Ok(());
    }
    work.done.fetch_add(1, Ordering::Relaxed);
    let text = || String::from_utf8_lossy(stanza).into_owned();
    match work.fault {
        Fault::None | Fault::Silence | Fault::Hold(_) | Fault::Drop => {}
        Fault::Duplicate => out.extend_from_slice(&[stanza, stanza].concat()),
        Fault::Swap => held.extend_from_slice(stanza),
        Fault::Alter => out.extend_from_slice(text().replacen("Benvolio", "Mercutio", 1).as_bytes()),
        Fault::Misdirect => out.extend_from_slice(text().replacen("@r0.", "@r1.", 1).as_bytes()),
        Fault::Mislay => work.mislay(element)?,
        Fault::Bounce => out.extend_from_slice(error_of(element).as_bytes()),
        Fault::Cut => return Err(io::ErrorKind::ConnectionAborted.into()),
        Fault::Stall(pause) => {
            far.write_all(&std::mem::take(out))?;
            thread::sleep(pause);
            out.extend_from_slice(stanza);
        }
        Fault::Delay(pause) => {
            let (mut far, stanza) = (far.try_clone()?, stanza.to_vec());
            thread::spawn(move || {
                thread::sleep(pause);
                let _ = far.write_all(&stanza);
            });
        }
    }
    Ok(())
}

fn error_of(element: &Element<'_>) -> String {
    let [from, to, id] =
        [element.from, element.to, element.id].map(|value| value.map(|value| value.to_text()).unwrap_or_default());
    format!("<presence from='{to}' to='{from}' id='{id}' type='error'><error type='cancel'/></presence>")
}
