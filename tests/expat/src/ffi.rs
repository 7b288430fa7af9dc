//! The functions of `expat.h` that the judge needs (expat 2.6, or 2.5 with Debian's security updates).

use std::ffi::{c_char, c_int, c_long, c_void};

/// `XML_Parser` points to one of these.
#[repr(C)]
pub(crate) struct ParserStruct {
    _opaque: [u8; 0],
}

pub(crate) type StartElement = unsafe extern "C" fn(*mut c_void, *const c_char, *mut *const c_char);
pub(crate) type Name = unsafe extern "C" fn(*mut c_void, *const c_char);
pub(crate) type Text = unsafe extern "C" fn(*mut c_void, *const c_char, c_int);
pub(crate) type Instruction = unsafe extern "C" fn(*mut c_void, *const c_char, *const c_char);
pub(crate) type Doctype = unsafe extern "C" fn(*mut c_void, *const c_char, *const c_char, *const c_char, c_int);
pub(crate) type Plain = unsafe extern "C" fn(*mut c_void);

#[link(name = "expat")]
unsafe extern "C" {
    pub(crate) fn XML_ParserCreateNS(encoding: *const c_char, separator: c_char) -> *mut ParserStruct;
    pub(crate) fn XML_ParserFree(parser: *mut ParserStruct);
    pub(crate) fn XML_SetUserData(parser: *mut ParserStruct, data: *mut c_void);
    pub(crate) fn XML_SetElementHandler(parser: *mut ParserStruct, start: StartElement, end: Name);
    pub(crate) fn XML_SetCharacterDataHandler(parser: *mut ParserStruct, handler: Text);
    pub(crate) fn XML_SetCommentHandler(parser: *mut ParserStruct, handler: Name);
    pub(crate) fn XML_SetProcessingInstructionHandler(parser: *mut ParserStruct, handler: Instruction);
    pub(crate) fn XML_SetStartDoctypeDeclHandler(parser: *mut ParserStruct, handler: Doctype);
    pub(crate) fn XML_SetStartCdataSectionHandler(parser: *mut ParserStruct, handler: Plain);
    pub(crate) fn XML_SetReparseDeferralEnabled(parser: *mut ParserStruct, enabled: u8) -> u8;
    pub(crate) fn XML_StopParser(parser: *mut ParserStruct, resumable: u8) -> c_int;
    pub(crate) fn XML_Parse(parser: *mut ParserStruct, bytes: *const c_char, len: c_int, last: c_int) -> c_int;
    pub(crate) fn XML_GetErrorCode(parser: *mut ParserStruct) -> c_int;
    pub(crate) fn XML_GetCurrentByteIndex(parser: *mut ParserStruct) -> c_long;
}
