//! Asks memory for what will be needed soon, without waiting for it. Changes nothing but time.
//!
//! Large simulations wait for memory most of the time: what a thousand machines have in their queues and caches is larger than
//! any processor's caches, and every event needs another part of it.

use prefetch_index::prefetch_index;

const LINE: usize = 64;

/// Asks for all of a value, without what it points to.
#[inline]
pub fn prefetch<T>(value: &T) {
    let start = std::ptr::from_ref(value).addr();
    let mut line = start & !(LINE - 1);
    while line < start + size_of::<T>() {
        prefetch_address(line);
        line += LINE;
    }
}

/// Asks for all of an entry of a list, if it has so many.
#[inline]
pub fn prefetch_entry<T>(list: &[T], index: usize) {
    list.get(index).into_iter().for_each(prefetch);
}

/// Asks for the cache line of an address; any number will do.
#[inline]
pub fn prefetch_address(address: usize) {
    // The library counts from the beginning of a list, and need not be within it.
    let list: &[u8] = &[];
    prefetch_index(list, address.wrapping_sub(list.as_ptr().addr()));
}
