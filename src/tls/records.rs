//! Borders of TLS records, read from their headers before anything is decrypted.

/// Content type, version and length. RFC 8446 §5.1.
const HEADER_BYTES: usize = 5;
/// Longest fragment in any version. RFC 5246 §6.2.3.
const FRAGMENT_BYTES: usize = (1 << 14) + 2048;

/// Bytes that `partial` lacks to be a whole header or a whole record; 0 when it is one, or when its header is wrong
/// (then more bytes would not help).
pub(super) fn missing(partial: &[u8]) -> usize {
    let Some(header) = partial.first_chunk::<HEADER_BYTES>() else {
        return if is_plausible(partial) { HEADER_BYTES - partial.len() } else { 0 };
    };
    let length = fragment_length(header);
    if !is_plausible(header) || length > FRAGMENT_BYTES {
        return 0;
    }
    (HEADER_BYTES + length).saturating_sub(partial.len())
}

/// Length of the run of whole records at the front of `bytes`, and how many they are. From a wrong header on, everything
/// counts as one record: the TLS library shall see and refuse it.
pub(super) fn whole(bytes: &[u8]) -> (usize, usize) {
    let mut end = 0;
    let mut count = 0;
    while end < bytes.len() {
        let rest = &bytes[end..];
        if missing(rest) > 0 {
            break;
        }
        count += 1;
        end += match rest.first_chunk::<HEADER_BYTES>() {
            Some(header) if is_plausible(header) && fragment_length(header) <= FRAGMENT_BYTES => {
                HEADER_BYTES + fragment_length(header)
            }
            _ => rest.len(),
        };
    }
    (end, count)
}

fn fragment_length(header: &[u8; HEADER_BYTES]) -> usize {
    usize::from(u16::from_be_bytes([header[3], header[4]]))
}

/// Whether these first bytes (at most a header is looked at) can begin a record.
fn is_plausible(bytes: &[u8]) -> bool {
    bytes.first().is_none_or(|kind| (20..=24).contains(kind)) && bytes.get(1).is_none_or(|major| *major == 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(length: u16) -> Vec<u8> {
        let mut bytes = vec![23, 3, 3];
        bytes.extend(length.to_be_bytes());
        bytes.resize(HEADER_BYTES + usize::from(length), 0);
        bytes
    }

    #[test]
    fn a_partial_record_asks_for_its_header_then_for_its_rest() {
        let bytes = record(10);
        assert_eq!(missing(&bytes[..0]), 5);
        assert_eq!(missing(&bytes[..3]), 2);
        assert_eq!(missing(&bytes[..5]), 10);
        assert_eq!(missing(&bytes[..14]), 1);
        assert_eq!(missing(&bytes), 0);
    }

    #[test]
    fn whole_records_end_before_the_partial_one() {
        let mut bytes = record(10);
        bytes.extend(record(0));
        let end = bytes.len();
        bytes.extend(&record(7)[..11]);
        assert_eq!(whole(&bytes), (end, 2));
    }

    #[test]
    fn a_wrong_header_is_handed_on_whole() {
        assert_eq!(missing(b"G"), 0);
        assert_eq!(whole(b"GET / HTTP/1.1"), (14, 1));
        assert_eq!(missing(&[23, 3, 3, 0xff, 0xff]), 0);
        assert_eq!(whole(&[23, 3, 3, 0xff, 0xff, 1, 2]), (7, 1));
    }
}
