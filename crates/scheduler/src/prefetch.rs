//! Asks memory for what will be needed soon, without waiting for it. Changes nothing but time.
//!
//! Large simulations wait for memory most of the time: what a thousand machines have in their queues and caches is larger than
//! any processor's caches, and every event needs another part of it.

use prefetch_index::prefetch_index;

const LINE: usize = 64;

/// Asks for all of a value, without what it points to.
#[inline]
pub fn prefetch<T>(value: &T) {
    prefetch_bytes(std::ptr::from_ref(value).addr(), size_of::<T>());
}

/// Asks for all of an entry of a list, if it has so many.
#[inline]
pub fn prefetch_entry<T>(list: &[T], index: usize) {
    list.get(index).into_iter().for_each(prefetch);
}

/// Asks for so many bytes from an address on; any numbers will do.
#[inline]
pub fn prefetch_bytes(start: usize, bytes: usize) {
    // The library counts from the beginning of a list, and need not be within it.
    let list: &[u8] = &[];
    for line in (start & !(LINE - 1)..start.saturating_add(bytes)).step_by(LINE) {
        prefetch_index(list, line.wrapping_sub(list.as_ptr().addr()));
    }
}
