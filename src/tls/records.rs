//! Borders of TLS records, read from their headers before anything is decrypted.

/// What a record costs beside its bytes, in bytes: decrypting and looking at one of a single byte takes as long as at so
/// many more bytes of dear input.
const RECORD_WORTH_BYTES: usize = 64;
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

/// Length of a run of records at the front of `incoming` (behind `partial`, the beginning of the first) for work of about
/// `budget`: each counts its bytes and [`RECORD_WORTH_BYTES`]. At least one record; all of `incoming` if no other begins
/// in it that is whole, or is none.
pub(super) fn share(partial: &[u8], incoming: &[u8], budget: usize) -> usize {
    let (mut held, mut end, mut cost) = (partial, 0, 0);
    while end < incoming.len() {
        let rest = &incoming[end..];
        let mut header = [0; HEADER_BYTES];
        let begin = held.iter().chain(rest).take(HEADER_BYTES);
        let known = begin.zip(&mut header).map(|(from, to)| *to = *from).count();
        let length = HEADER_BYTES + fragment_length(&header);
        let is_record = known == HEADER_BYTES && is_plausible(&header) && length <= HEADER_BYTES + FRAGMENT_BYTES;
        let missing = length.saturating_sub(held.len());
        if !is_record || missing > rest.len() {
            return incoming.len();
        }
        cost += length + RECORD_WORTH_BYTES;
        if cost > budget && end > 0 {
            return end;
        }
        end += missing;
        held = &[];
    }
    end
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

    #[test]
    fn a_share_is_whole_records_and_at_least_one() {
        let mut bytes = record(1_000);
        bytes.extend(record(1_000));
        bytes.extend(record(1_000));
        let one = bytes.len() / 3;
        assert_eq!(share(&[], &bytes, 1), one);
        assert_eq!(share(&[], &bytes, 2 * (one + RECORD_WORTH_BYTES)), 2 * one);
        assert_eq!(share(&[], &bytes, 1 << 20), 3 * one);
        // A begun record counts in full, and the next begins where it ends; also when its header is torn.
        for torn in [3, 700] {
            assert_eq!(share(&bytes[..torn], &bytes[torn..], one), one - torn);
            assert_eq!(share(&bytes[..torn], &bytes[torn..], 2 * (one + RECORD_WORTH_BYTES)), 2 * one - torn);
        }
    }

    #[test]
    fn a_share_of_tiny_records_is_bounded_by_their_number() {
        let bytes = record(18).repeat(100);
        assert_eq!(share(&[], &bytes, 10 * (23 + RECORD_WORTH_BYTES)), 10 * 23);
    }

    #[test]
    fn a_share_ends_with_what_no_whole_record_follows() {
        let whole = record(1_000);
        let partial = [&whole[..], &whole[..500]].concat();
        assert_eq!(share(&[], &partial, 1), partial.len());
        assert_eq!(share(&[], b"GET / HTTP/1.1", 1), 14);
        assert_eq!(share(&whole[..3], b"", 1), 0);
        assert_eq!(share(b"GE", b"T / HTTP/1.1", 1), 12);
    }
}
