//! expat, as Prosody and ejabberd use it, with RFC 6120's restrictions on top: the judge of what may reach a backend.
//!
//! The `unsafe` here is for expat's C interface and is test-only: no crate that ships depends on this one.

mod ffi;

use std::time::Duration;

use std::ffi::{CStr, c_char, c_int, c_void};

/// The processor time of this thread: what else runs on the machine does not count. For benches.
pub fn cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes one `timespec`.
    let status = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(status, 0, "Linux has this clock");
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// What a backend's parser would see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A start tag; names are `namespace`, separator, `local`.
    Start {
        /// Expanded.
        name: Vec<u8>,
        /// Expanded names and normalised values, in document order, declarations left out.
        attributes: Vec<(Vec<u8>, Vec<u8>)>,
    },
    /// Character data, joined.
    Text(Vec<u8>),
    /// An end tag.
    End,
}

/// Why a stream is dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// expat's own verdict, `enum XML_Error`.
    Expat(i32),
    /// A comment, a processing instruction or a DTD. RFC 6120 §11.1.
    Restricted,
}

/// A parser of one stream.
pub struct Parser {
    raw: *mut ffi::ParserStruct,
    /// From `Box::into_raw`; handlers get it as their user data, so it is touched only between calls of `XML_Parse`.
    state: *mut State,
}

struct State {
    raw: *mut ffi::ParserStruct,
    depth: usize,
    elements: usize,
    restricted: bool,
    stray: bool,
    record: Option<Vec<Event>>,
}

impl Parser {
    /// With a separator between namespace and local name: ejabberd has `\n`, Prosody `\x01`.
    pub fn new(separator: u8) -> Self {
        // SAFETY: a valid C string; expat copies it.
        let raw = unsafe { ffi::XML_ParserCreateNS(c"UTF-8".as_ptr(), separator as c_char) };
        assert!(!raw.is_null(), "expat has no memory");
        let state = Box::into_raw(Box::new(State {
            raw,
            depth: 0,
            elements: 0,
            restricted: false,
            stray: false,
            record: None,
        }));
        // SAFETY: `raw` is a live parser, and `state` lives as long as it (see `drop`).
        unsafe {
            ffi::XML_SetUserData(raw, state.cast());
            ffi::XML_SetElementHandler(raw, on_start, on_end);
            ffi::XML_SetCharacterDataHandler(raw, on_text);
            ffi::XML_SetCommentHandler(raw, on_comment);
            ffi::XML_SetProcessingInstructionHandler(raw, on_instruction);
            ffi::XML_SetStartDoctypeDeclHandler(raw, on_doctype);
            ffi::XML_SetStartCdataSectionHandler(raw, on_cdata);
            // As ejabberd does: tokens are judged as soon as they are complete.
            ffi::XML_SetReparseDeferralEnabled(raw, 0);
        }
        Self { raw, state }
    }

    /// Parses on. `true` says that nothing follows.
    ///
    /// # Errors
    /// The stream is dead; so is every later call.
    pub fn feed(&mut self, bytes: &[u8], last: bool) -> Result<(), Failure> {
        // SAFETY: `raw` is live, the pointer and length are those of `bytes`; no reference to the state exists here.
        let status = unsafe {
            ffi::XML_Parse(self.raw, bytes.as_ptr().cast(), bytes.len().try_into().unwrap(), c_int::from(last))
        };
        if status != 0 {
            return Ok(());
        }
        if self.state().restricted {
            return Err(Failure::Restricted);
        }
        // SAFETY: `raw` is live.
        Err(Failure::Expat(unsafe { ffi::XML_GetErrorCode(self.raw) }))
    }

    /// Complete depth-1 elements so far.
    pub fn elements(&self) -> usize {
        self.state().elements
    }

    /// Whether something other than white space and elements stood between two depth-1 elements; expat lets it pass.
    pub fn stray(&self) -> bool {
        self.state().stray
    }

    /// Elements that are open now.
    pub fn depth(&self) -> usize {
        self.state().depth
    }

    /// Offset of the current event, or of the error.
    pub fn byte_index(&self) -> i64 {
        // SAFETY: `raw` is live.
        unsafe { ffi::XML_GetCurrentByteIndex(self.raw) }
    }

    /// Records events from now on, and returns those recorded until now.
    pub fn record(&mut self) -> Vec<Event> {
        // SAFETY: `state` came from `Box::into_raw`, and no handler runs now.
        let state = unsafe { &mut *self.state };
        state.record.replace(Vec::new()).unwrap_or_default()
    }

    fn state(&self) -> &State {
        // SAFETY: `state` came from `Box::into_raw`, and no handler runs now.
        unsafe { &*self.state }
    }
}

impl Drop for Parser {
    fn drop(&mut self) {
        // SAFETY: both were made in `new` and are not used any more; the parser, which points to the state, goes first.
        unsafe {
            ffi::XML_ParserFree(self.raw);
            drop(Box::from_raw(self.state));
        }
    }
}

/// The state behind a handler's user data.
///
/// # Safety
/// Only for handlers, with the pointer that `XML_SetUserData` got; expat calls one handler at a time.
unsafe fn state<'a>(data: *mut c_void) -> &'a mut State {
    // SAFETY: as the caller promises.
    unsafe { &mut *data.cast::<State>() }
}

impl State {
    fn refuse(&mut self) {
        self.restricted = true;
        // SAFETY: handlers may stop their own parser.
        unsafe { ffi::XML_StopParser(self.raw, 0) };
    }
}

/// # Safety
/// `text` is a C string, as all names and values from expat are.
unsafe fn bytes(text: *const c_char) -> Vec<u8> {
    // SAFETY: as the caller promises.
    unsafe { CStr::from_ptr(text) }.to_bytes().to_vec()
}

unsafe extern "C" fn on_start(data: *mut c_void, name: *const c_char, mut attributes: *mut *const c_char) {
    // SAFETY: called by expat with our user data.
    let state = unsafe { state(data) };
    state.depth += 1;
    let Some(events) = &mut state.record else { return };
    let mut pairs = Vec::new();
    // SAFETY: expat gives an array of names and values in turn that ends with a null pointer.
    unsafe {
        while !(*attributes).is_null() {
            pairs.push((bytes(*attributes), bytes(*attributes.add(1))));
            attributes = attributes.add(2);
        }
        events.push(Event::Start { name: bytes(name), attributes: pairs });
    }
}

unsafe extern "C" fn on_end(data: *mut c_void, _name: *const c_char) {
    // SAFETY: called by expat with our user data.
    let state = unsafe { state(data) };
    state.depth -= 1;
    state.elements += usize::from(state.depth == 1);
    if let Some(events) = &mut state.record {
        events.push(Event::End);
    }
}

unsafe extern "C" fn on_text(data: *mut c_void, text: *const c_char, len: c_int) {
    // SAFETY: called by expat with our user data and `len` bytes at `text`.
    let (state, text) = unsafe { (state(data), std::slice::from_raw_parts(text.cast::<u8>(), len as usize)) };
    if state.depth == 1 {
        state.stray |= !text.iter().all(|b| b" \t\r\n".contains(b));
        return;
    }
    if let Some(events) = &mut state.record {
        match events.last_mut() {
            Some(Event::Text(before)) => before.extend_from_slice(text),
            _ => events.push(Event::Text(text.to_vec())),
        }
    }
}

unsafe extern "C" fn on_comment(data: *mut c_void, _text: *const c_char) {
    // SAFETY: called by expat with our user data.
    unsafe { state(data) }.refuse();
}

unsafe extern "C" fn on_instruction(data: *mut c_void, _target: *const c_char, _text: *const c_char) {
    // SAFETY: called by expat with our user data.
    unsafe { state(data) }.refuse();
}

unsafe extern "C" fn on_doctype(
    data: *mut c_void,
    _name: *const c_char,
    _system: *const c_char,
    _public: *const c_char,
    _internal: c_int,
) {
    // SAFETY: called by expat with our user data.
    unsafe { state(data) }.refuse();
}

unsafe extern "C" fn on_cdata(data: *mut c_void) {
    // SAFETY: called by expat with our user data.
    let state = unsafe { state(data) };
    state.stray |= state.depth == 1;
}
