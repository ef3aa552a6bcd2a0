//! HiGHS while it runs: its callbacks, and the only unsafe code of the planner.
//!
//! ```text
//! HiGHS ── improving solution ──> Seen::Solution ─┐
//!       ── limits checked ──────> Seen::Bound ────┼─> the caller's closure ──> true: HiGHS ends
//!       ── in a relaxation ─────> Seen::Working ──┘
//! ```
#![expect(
    unsafe_code,
    reason = "the solver hands its callbacks raw pointers, and the safe wrapper has none for them"
)]

use std::any::Any;
use std::ffi::{c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use highs::{HighsStatus, Model, SolvedModel};
use highs_sys::{
    Highs_setCallback, Highs_startCallback, HighsCallbackDataIn, HighsCallbackDataOut,
    kHighsCallbackMipImprovingSolution, kHighsCallbackMipInterrupt, kHighsCallbackSimplexInterrupt,
};

use super::solver::Seen;

/// What the callback reaches through its pointer.
struct Watcher<'a> {
    on: &'a mut dyn FnMut(Seen<'_>) -> bool,
    columns: usize,
    stop: bool,
    panic: Option<Box<dyn Any + Send>>,
}

/// Solves the model; `on` is told what happens and ends the solver by returning true. It is called on this thread.
pub(super) fn solve_watched(
    mut model: Model,
    columns: usize,
    on: &mut dyn FnMut(Seen<'_>) -> bool,
) -> Result<SolvedModel, HighsStatus> {
    let mut watcher = Watcher { on, columns, stop: false, panic: None };
    let highs = model.as_mut_ptr();
    // SAFETY: `highs` is a live HiGHS object, which `model` owns until the end of this function. The watcher outlives the
    // run, nothing else touches it meanwhile, and the callback is taken away below before the watcher dies.
    unsafe {
        Highs_setCallback(highs, Some(receive), (&raw mut watcher).cast::<c_void>());
        for kind in
            [kHighsCallbackMipImprovingSolution, kHighsCallbackMipInterrupt, kHighsCallbackSimplexInterrupt]
        {
            Highs_startCallback(highs, kind);
        }
    }
    let solved = model.try_solve();
    if let Some(panic) = watcher.panic.take() {
        resume_unwind(panic);
    }
    let mut solved = solved?;
    // SAFETY: as above; a null callback is how HiGHS is told to forget it.
    unsafe {
        Highs_setCallback(solved.as_mut_ptr(), None, std::ptr::null_mut());
    }
    Ok(solved)
}

/// What HiGHS calls. Nothing may unwind into it: a panic is kept for later and ends the run.
unsafe extern "C" fn receive(
    kind: c_int,
    _message: *const c_char,
    out: *const HighsCallbackDataOut,
    answer: *mut HighsCallbackDataIn,
    watcher: *mut c_void,
) {
    // SAFETY: HiGHS passes back the pointer that it was given, to a watcher that lives as long as the run, and pointers to
    // its own data that are valid during the call or null. One thread only: HiGHS runs with `threads = 1`.
    let (watcher, out, answer) =
        unsafe { (watcher.cast::<Watcher<'_>>().as_mut(), out.as_ref(), answer.as_mut()) };
    let (Some(watcher), Some(out), Some(answer)) = (watcher, out, answer) else { return };
    let seen = if kind == kHighsCallbackMipImprovingSolution {
        if out.mip_solution.is_null() || usize::try_from(out.mip_solution_size) != Ok(watcher.columns) {
            return;
        }
        // SAFETY: not null, and HiGHS says that this many values are there; they stay during the call.
        let values = unsafe { std::slice::from_raw_parts(out.mip_solution, watcher.columns) };
        Seen::Solution { values, objective: out.objective_function_value, bound: out.mip_dual_bound }
    } else if kind == kHighsCallbackMipInterrupt {
        Seen::Bound(out.mip_dual_bound)
    } else {
        Seen::Working
    };
    if !watcher.stop {
        let on = &mut watcher.on;
        match catch_unwind(AssertUnwindSafe(|| on(seen))) {
            Ok(stop) => watcher.stop = stop,
            Err(panic) => {
                watcher.panic = Some(panic);
                watcher.stop = true;
            }
        }
    }
    // An improving solution is no place to stop: HiGHS asks again soon.
    if kind != kHighsCallbackMipImprovingSolution {
        answer.user_interrupt = c_int::from(watcher.stop);
    }
}

/// The optimum of a program in a file that HiGHS reads, and its own solution file: for the tests of our files.
#[cfg(test)]
pub(super) fn solve_file(program: &std::path::Path, solution: &std::path::Path) -> Option<f64> {
    let c_string = |path: &std::path::Path| std::ffi::CString::new(path.to_str()?).ok();
    let (program, solution) = (c_string(program)?, c_string(solution)?);
    // SAFETY: a HiGHS object of our own, destroyed at the end; the paths are C strings that outlive the calls.
    unsafe {
        let highs = highs_sys::Highs_create();
        highs_sys::Highs_setBoolOptionValue(highs, c"output_flag".as_ptr(), 0);
        highs_sys::Highs_setIntOptionValue(highs, c"threads".as_ptr(), 1);
        let read = highs_sys::Highs_readModel(highs, program.as_ptr());
        let run = highs_sys::Highs_run(highs);
        let optimal = highs_sys::Highs_getModelStatus(highs) == highs_sys::MODEL_STATUS_OPTIMAL;
        let value = highs_sys::Highs_getObjectiveValue(highs);
        let written = highs_sys::Highs_writeSolution(highs, solution.as_ptr());
        highs_sys::Highs_destroy(highs);
        let well = [read, run, written].iter().all(|&status| status == highs_sys::STATUS_OK);
        (well && optimal).then_some(value)
    }
}
