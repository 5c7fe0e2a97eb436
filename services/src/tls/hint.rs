//! The PSK identity hint of TLS 1.2, which the `openssl` crate has no function for.

#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_int};

use openssl::error::ErrorStack;
use openssl::ssl::SslContextBuilder;

unsafe extern "C" {
    fn SSL_CTX_use_psk_identity_hint(ctx: *mut openssl_sys::SSL_CTX, hint: *const c_char) -> c_int;
}

/// Sets the hint that a server sends.
pub(super) fn set(builder: &mut SslContextBuilder, hint: &CStr) -> Result<(), ErrorStack> {
    // SAFETY: the builder owns a context, which it lends for the call, and OpenSSL copies the text, which ends with NUL.
    let set = unsafe { SSL_CTX_use_psk_identity_hint(builder.as_ptr(), hint.as_ptr()) };
    if set == 1 { Ok(()) } else { Err(ErrorStack::get()) }
}
