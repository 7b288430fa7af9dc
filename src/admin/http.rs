//! As much of HTTP/1.1 as a scraper needs: one request without a body, one response, end of connection.

/// Bytes of a request's head; more is answered with 431.
pub(super) const HEAD_BYTES: usize = 8 << 10;

/// What a request's head asks for, or how it is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// The figures; without the body for HEAD.
    Metrics { head: bool },
    /// A path that is not there. RFC 9110 §15.5.5.
    NotFound,
    /// A method that is not allowed. RFC 9110 §15.5.6.
    MethodNotAllowed,
    /// Not HTTP. RFC 9110 §15.5.1.
    Malformed,
    /// More than [`HEAD_BYTES`]. RFC 6585 §5.
    TooLarge,
}

/// Looks at what has been received so far; `None` when the head is not complete yet.
pub(super) fn parse(received: &[u8]) -> Option<Request> {
    let end = received.windows(4).position(|four| four == b"\r\n\r\n");
    if end.map_or(received.len(), |end| end + 4) > HEAD_BYTES {
        return Some(Request::TooLarge);
    }
    let head = &received[..end?];
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or(head);
    Some(std::str::from_utf8(line).map_or(Request::Malformed, parse_request_line))
}

fn parse_request_line(line: &str) -> Request {
    let mut parts = line.split(' ');
    let (Some(method), Some(target), Some(version), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Request::Malformed;
    };
    if !version.starts_with("HTTP/1.") || !target.starts_with('/') {
        return Request::Malformed;
    }
    let path = target.split_once('?').map_or(target, |(path, _)| path);
    match (path, method) {
        ("/metrics", "GET") => Request::Metrics { head: false },
        ("/metrics", "HEAD") => Request::Metrics { head: true },
        ("/metrics", _) => Request::MethodNotAllowed,
        _ => Request::NotFound,
    }
}

/// The whole response; `metrics` is called only when it is asked for.
pub(super) fn respond(request: Request, metrics: impl FnOnce() -> String) -> Vec<u8> {
    const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    const TEXT: &str = "text/plain; charset=utf-8";
    let (status, kind, body) = match request {
        Request::Metrics { .. } => ("200 OK", OPENMETRICS, metrics()),
        Request::NotFound => ("404 Not Found", TEXT, "only /metrics is here\n".to_owned()),
        Request::MethodNotAllowed => {
            ("405 Method Not Allowed\r\nAllow: GET, HEAD", TEXT, "only GET and HEAD\n".to_owned())
        }
        Request::Malformed => ("400 Bad Request", TEXT, "not an HTTP/1.1 request\n".to_owned()),
        Request::TooLarge => ("431 Request Header Fields Too Large", TEXT, "the request is too large\n".to_owned()),
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\nCache-Control: no-store\r\n\r\n"
    );
    match request {
        Request::Metrics { head: true } => head.into_bytes(),
        _ => (head + &body).into_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn head_is_waited_for_until_its_empty_line() {
        assert_eq!(parse(b"GET /metrics HTTP/1.1\r\nHost: x\r\n"), None);
        assert_eq!(parse(b""), None);
    }

    #[test]
    fn request_is_told_by_method_and_path() {
        let ask = |line: &str| parse(format!("{line}\r\nHost: x\r\n\r\n").as_bytes()).unwrap();
        assert_eq!(ask("GET /metrics HTTP/1.1"), Request::Metrics { head: false });
        assert_eq!(ask("GET /metrics?x=1 HTTP/1.0"), Request::Metrics { head: false });
        assert_eq!(ask("HEAD /metrics HTTP/1.1"), Request::Metrics { head: true });
        assert_eq!(ask("POST /metrics HTTP/1.1"), Request::MethodNotAllowed);
        assert_eq!(ask("GET / HTTP/1.1"), Request::NotFound);
        for bad in
            ["GET /metrics", "GET  /metrics HTTP/1.1", "GET metrics HTTP/1.1", "GET /metrics HTTP/2", "", "\u{1}"]
        {
            assert_eq!(ask(bad), Request::Malformed, "{bad:?}");
        }
        assert_eq!(parse(b"\xff\xfe /metrics HTTP/1.1\r\n\r\n"), Some(Request::Malformed));
    }

    #[test]
    fn head_beyond_the_bound_is_refused_before_and_after_its_end() {
        assert_eq!(parse(&vec![b'x'; HEAD_BYTES + 1]), Some(Request::TooLarge));
        let mut long = vec![b'x'; HEAD_BYTES];
        long.extend_from_slice(b"\r\n\r\n");
        assert_eq!(parse(&long), Some(Request::TooLarge));
    }

    #[test]
    fn response_to_head_has_the_length_but_no_body() {
        let text = |request| String::from_utf8(respond(request, || "# EOF\n".to_owned())).unwrap();
        let full = text(Request::Metrics { head: false });
        assert!(full.contains("Content-Length: 6\r\n") && full.ends_with("\r\n\r\n# EOF\n"), "{full}");
        let head = text(Request::Metrics { head: true });
        assert!(head.contains("Content-Length: 6\r\n") && head.ends_with("\r\n\r\n"), "{head}");
        assert!(text(Request::MethodNotAllowed).contains("\r\nAllow: GET, HEAD\r\n"));
    }
}
