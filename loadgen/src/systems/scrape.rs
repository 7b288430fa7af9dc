//! What ringgate says of itself, read from its metrics.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{Context, ensure};

use crate::outcome::Shards;

/// Shards publish their figures once a second: after so long, what is read holds all that has happened.
const SETTLED: Duration = Duration::from_millis(1_500);
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of an answer at most; one has some ten thousand, and some thousand more for each shard.
const ANSWER: u64 = 16 << 20;

/// What has passed between shards until now.
///
/// # Errors
/// Nobody answers, or says something else.
pub(super) fn shards(at: SocketAddr) -> anyhow::Result<Shards> {
    thread::sleep(SETTLED);
    read(&fetch(at).with_context(|| at.to_string())?)
}

/// The text of the figures.
fn fetch(at: SocketAddr) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect_timeout(&at, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: ringgate\r\n\r\n")?;
    let mut text = String::new();
    stream.take(ANSWER).read_to_string(&mut text)?;
    Ok(text)
}

fn read(text: &str) -> anyhow::Result<Shards> {
    // Only a whole answer ends like this.
    ensure!(text.ends_with("# EOF\n"), "no figures, or not all of them");
    let of = |name: &str| {
        let prefix = format!("{name}{{shard=");
        let lines = text.lines().filter(|line| line.starts_with(&prefix));
        let values = lines.map(|line| line.rsplit(' ').next().and_then(|value| value.parse().ok()));
        let values: Option<Vec<u64>> = values.collect();
        values.filter(|values| !values.is_empty()).with_context(|| format!("there is no {name}"))
    };
    Ok(Shards {
        count: of("ringgate_connections")?.len() as u64,
        streams_moved: of("ringgate_streams_handed_over_total")?.iter().sum(),
        stanzas_crossed: of("ringgate_stanzas_posted_total")?.iter().sum(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "HTTP/1.1 200 OK\r\n\r\n# TYPE ringgate_connections gauge\n\
        ringgate_connections{shard=\"0\"} 4\nringgate_connections{shard=\"1\"} 3\n\
        ringgate_streams_handed_over_total{shard=\"0\"} 2\nringgate_streams_handed_over_total{shard=\"1\"} 1\n\
        ringgate_stanzas_posted_total{shard=\"0\"} 0\nringgate_stanzas_posted_total{shard=\"1\"} 7\n# EOF\n";

    #[test]
    fn shards_are_counted_and_what_passed_between_them_is_added_up() {
        assert_eq!(read(TEXT).unwrap(), Shards { count: 2, streams_moved: 3, stanzas_crossed: 7 });
    }

    #[test]
    fn answer_that_lacks_something_is_an_error() {
        let says = |text: &str| read(text).unwrap_err().to_string();
        assert_eq!(says(TEXT.strip_suffix("# EOF\n").unwrap()), "no figures, or not all of them");
        assert_eq!(says(&TEXT.replace("posted", "lost")), "there is no ringgate_stanzas_posted_total");
        assert_eq!(says(&TEXT.replace("} 7", "} many")), "there is no ringgate_stanzas_posted_total");
    }
}
