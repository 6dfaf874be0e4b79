//! The only unsafe lines of hearing: telling whisper.cpp when to give up.
//!
//! whisper-rs 0.16 has `set_abort_callback_safe`, but it casts a `Box<Box<dyn FnMut>>` to the closure's own type when
//! it is called back (undefined behaviour) and never frees it. The raw pair takes a function and a pointer. whisper.cpp
//! (1.8.3) reads both only inside `whisper_full_with_state`, after the encoder's pass and after each decoder's pass,
//! and hands neither to a back end that outlives the call.

// The one place that hands whisper.cpp a pointer of ours.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::ptr;

use whisper_rs::{FullParams, WhisperError, WhisperState};

use super::Until;

/// Hears `pcm`; an error where `until` passed on the way.
pub fn full(
    state: &mut WhisperState,
    mut params: FullParams<'_, '_>,
    pcm: &[f32],
    until: &Until,
) -> Result<(), WhisperError> {
    // SAFETY: `params` owns the pointer and is consumed by `full` below, which returns before the borrow of `until`
    // ends; nobody writes through it.
    unsafe {
        params.set_abort_callback_user_data(ptr::from_ref(until).cast_mut().cast());
        params.set_abort_callback(Some(passed));
    }
    state.full(params, pcm)
}

/// `ggml_abort_callback`. Cannot unwind: reading a flag and the monotonic clock does not panic.
unsafe extern "C" fn passed(until: *mut c_void) -> bool {
    // SAFETY: `full` above set a pointer to an `Until` that lives and is only read while whisper.cpp can call this.
    unsafe { &*until.cast_const().cast::<Until>() }.passed()
}
