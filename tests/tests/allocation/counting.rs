//! The allocator that counts.
#![allow(unsafe_code)] // GlobalAlloc is an unsafe trait

use std::alloc::{GlobalAlloc, Layout, System};
use std::backtrace::Backtrace;
use std::cell::Cell;

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    /// Allocations of this thread while it is watched; `None` while it is not.
    static WATCH: Cell<Option<usize>> = const { Cell::new(None) };
}

/// Count one, and say where the first came from.
fn note() {
    // a thread that is being torn down has no counter
    let Ok(Some(count)) = WATCH.try_with(Cell::get) else { return };
    if count == 0 {
        // what the trace itself allocates does not count
        WATCH.set(None);
        eprintln!("the first allocation:\n{}", of_project(&Backtrace::force_capture().to_string()));
    }
    WATCH.set(Some(count + 1));
}

/// The lines of a trace that are of this project.
fn of_project(trace: &str) -> String {
    let lines: Vec<_> = trace.lines().map(str::trim).collect();
    let pairs = lines.windows(2).filter(|pair| pair[0].contains("sidelink_") && pair[1].starts_with("at "));
    pairs.map(|pair| format!("  {} {}\n", pair[0], pair[1])).collect()
}

// SAFETY: everything is handed to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note();
        // SAFETY: the caller's promises are those of `System`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note();
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note();
        // SAFETY: as above.
        unsafe { System.realloc(at, layout, size) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }
}

/// Run `work`; it must not allocate.
pub(crate) fn without_allocation<R>(what: &str, work: impl FnOnce() -> R) -> R {
    let (result, count) = counted(work);
    assert_eq!(count, 0, "{what} allocates");
    result
}

/// Run `work`, and say how often it allocated.
pub(crate) fn counted<R>(work: impl FnOnce() -> R) -> (R, usize) {
    WATCH.set(Some(0));
    let result = work();
    (result, WATCH.replace(None).unwrap_or(0))
}
