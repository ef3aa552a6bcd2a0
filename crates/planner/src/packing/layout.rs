//! From columns to machines: who holds which layers.

use crate::packing::{Column, Plan, Span};

/// Gives the columns, one after the other from layer `first` on, machines from the pools, each pool from its front.
///
/// `pools` are the free machines of each kind. Machines of one kind are alike, so which of them is taken changes nothing
/// but what their links allow.
///
/// # Panics
/// If a pool has fewer machines than the columns use.
pub fn lay_out(columns: &[Column], first: usize, pools: &mut [Vec<usize>], plan: &mut Plan) {
    let mut start = first;
    for column in columns {
        for member in &column.members {
            let machine = pools[member.kind].remove(0);
            let from = start + member.offset;
            plan.spans[machine] = Some(Span { start: from, end: from + member.layers });
        }
        start += column.length;
    }
}
