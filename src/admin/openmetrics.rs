//! The listener that serves the board's figures at `/metrics`.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_lite::{AsyncReadExt, AsyncWriteExt};
use glommio::net::{TcpListener, TcpStream};
use glommio::timer;

use super::http::{self, HEAD_BYTES};
use crate::metrics::{Board, exposition};

/// Connections at a time; a further one is closed at once.
const CONNECTIONS: usize = 8;
/// From accept to the last byte of the response.
const PATIENCE: Duration = Duration::from_secs(5);
/// After a failed accept (no descriptors left), before the next.
const PAUSE: Duration = Duration::from_secs(1);

/// A bound listener.
#[derive(Debug)]
pub struct Listener(TcpListener);

impl Listener {
    /// Binds `address`, on the executor that will serve it.
    ///
    /// # Errors
    /// The kernel's, such as "address in use".
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        Ok(Self(TcpListener::bind(address).map_err(io::Error::from)?))
    }

    /// Where it listens; the port that the kernel chose when 0 was asked for.
    ///
    /// # Errors
    /// The kernel's.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr().map_err(io::Error::from)
    }
}

/// Answers requests until the task is cancelled.
pub async fn serve(listener: Listener, board: Arc<Board>) {
    let open = Rc::new(Cell::new(0));
    loop {
        let stream = match listener.0.accept().await {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!(%error, "metrics listener cannot accept");
                timer::sleep(PAUSE).await;
                continue;
            }
        };
        let Some(place) = Place::take(&open) else { continue };
        let board = Arc::clone(&board);
        glommio::spawn_local(async move {
            let _place = place;
            let answered = timer::timeout(PATIENCE, async { Ok(answer(stream, &board).await) }).await;
            if let Ok(Err(error)) = answered {
                tracing::debug!(%error, "metrics connection broke");
            }
        })
        .detach();
    }
}

/// One of the [`CONNECTIONS`]; free again when dropped.
struct Place(Rc<Cell<usize>>);

impl Place {
    fn take(open: &Rc<Cell<usize>>) -> Option<Self> {
        let count = open.get();
        (count < CONNECTIONS).then(|| {
            open.set(count + 1);
            Self(Rc::clone(open))
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

async fn answer(mut stream: TcpStream, board: &Board) -> io::Result<()> {
    let mut head = vec![0; HEAD_BYTES + 1];
    let mut filled = 0;
    let request = loop {
        match stream.read(&mut head[filled..]).await? {
            0 => return Ok(()),
            read => filled += read,
        }
        // A head that fills the buffer is over the bound, so that `read` never gets an empty slice.
        if let Some(request) = http::parse(&head[..filled]) {
            break request;
        }
    };
    stream.write_all(&http::respond(request, || exposition(board))).await?;
    stream.close().await
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net;

    use glommio::{LocalExecutorBuilder, Placement};

    use super::*;

    /// Serves an empty board on a thread of its own while `client` runs.
    fn with_server(client: impl FnOnce(SocketAddr)) {
        let (tell, told) = std::sync::mpsc::channel();
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let server = LocalExecutorBuilder::new(Placement::Unbound)
            .io_memory(64 << 10)
            .spawn(move || async move {
                let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
                tell.send(listener.address().unwrap()).unwrap();
                let task = glommio::spawn_local(serve(listener, Arc::new(Board::new(1))));
                while stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                    timer::sleep(Duration::from_millis(5)).await;
                }
                task.cancel().await;
            })
            .unwrap();
        client(told.recv().unwrap());
        drop(stop);
        server.join().unwrap();
    }

    fn connect(address: SocketAddr) -> net::TcpStream {
        let stream = net::TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream
    }

    fn ask(address: SocketAddr, pieces: &[&str]) -> String {
        let mut stream = connect(address);
        for piece in pieces {
            stream.write_all(piece.as_bytes()).unwrap();
        }
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn scraper_gets_the_figures_and_others_an_error() {
        with_server(|address| {
            let figures = ask(address, &["GET /met", "rics HTTP/1.1\r\nHost", ": x\r\n\r\n"]);
            assert!(figures.starts_with("HTTP/1.1 200 OK\r\n") && figures.ends_with("# EOF\n"), "{figures}");
            assert!(ask(address, &["GET /secret HTTP/1.1\r\n\r\n"]).starts_with("HTTP/1.1 404 "));
            assert!(ask(address, &["DELETE /metrics HTTP/1.1\r\n\r\n"]).starts_with("HTTP/1.1 405 "));
            assert!(ask(address, &["\u{16}\u{3}\u{1}\r\n\r\n"]).starts_with("HTTP/1.1 400 "));
        });
    }

    #[test]
    fn endless_head_is_refused_at_the_bound() {
        with_server(|address| {
            // Exactly one byte more than the bound: nothing is left unread that would turn the answer into a reset.
            let head = "x".repeat(HEAD_BYTES + 1);
            assert!(ask(address, &[&head]).starts_with("HTTP/1.1 431 "));
        });
    }

    #[test]
    fn connection_beyond_the_bound_is_closed_and_others_go_on() {
        with_server(|address| {
            let idle = (0..CONNECTIONS).map(|_| connect(address)).collect::<Vec<_>>();
            let mut answer = Vec::new();
            let mut further = connect(address);
            assert!(matches!(further.read_to_end(&mut answer), Ok(0)), "{answer:?}");
            drop(idle);
            let deadline = std::time::Instant::now() + Duration::from_secs(5);
            loop {
                let mut stream = connect(address);
                let _ = stream.write_all(b"GET /metrics HTTP/1.1\r\n\r\n");
                let mut figures = String::new();
                if stream.read_to_string(&mut figures).is_ok() && figures.starts_with("HTTP/1.1 200 ") {
                    break;
                }
                assert!(std::time::Instant::now() < deadline, "no place became free");
            }
        });
    }
}
