//! Collectives against their definitions, and groups in which something goes wrong.

use helix_parallel::{
    Collective, CollectiveError, Counting, Exchange, InProcess, Operation, RankFailure, Reduction,
    Scheduling, Wire, exchange, run_ranks,
};

const BOTH: [Scheduling; 2] = [Scheduling::Concurrent, Scheduling::OneAfterTheOther];
const SUM: Operation = Operation::AllReduce(Reduction::Sum);

fn all(ranks: u32) -> Vec<u32> {
    (0..ranks).collect()
}

/// Runs one operation over all ranks; rank r gives `r * 100 + i` for i in `0..length`.
fn once(
    ranks: u32,
    scheduling: Scheduling,
    operation: Operation,
    length: u32,
) -> Result<Vec<Vec<f64>>, RankFailure> {
    run_ranks(ranks, scheduling, |comm| {
        let rank = comm.rank();
        let data = (0..length).map(|i| f64::from(rank * 100 + i)).collect();
        exchange(comm, Exchange { operation, group: &all(ranks), wire: Wire::F64, data })
    })
}

#[test]
fn operations_do_what_their_names_say() {
    for scheduling in BOTH {
        let run = |operation, length| once(3, scheduling, operation, length).unwrap();
        assert_eq!(run(SUM, 2), vec![vec![300.0, 303.0]; 3]);
        assert_eq!(run(Operation::AllReduce(Reduction::Max), 2), vec![vec![200.0, 201.0]; 3]);
        assert_eq!(run(Operation::AllGather, 2), vec![vec![0.0, 1.0, 100.0, 101.0, 200.0, 201.0]; 3]);
        assert_eq!(run(Operation::ReduceScatter, 3), [[300.0], [303.0], [306.0]]);
        assert_eq!(
            run(Operation::AllToAll, 3),
            [[0.0, 100.0, 200.0], [1.0, 101.0, 201.0], [2.0, 102.0, 202.0]]
        );
        assert_eq!(run(Operation::Barrier, 0), vec![Vec::<f64>::new(); 3]);
        let broadcast = run_ranks(3, scheduling, |comm| {
            let data = if comm.rank() == 1 { vec![7.0, 8.0] } else { vec![] };
            let operation = Operation::Broadcast { root: 1 };
            exchange(comm, Exchange { operation, group: &all(3), wire: Wire::F64, data })
        });
        assert_eq!(broadcast.unwrap(), vec![vec![7.0, 8.0]; 3]);
    }
}

/// 1e16 + 1 - 1e16 is 0 in this order and 1 in another: the bits prove that sums are taken in rank order.
#[test]
fn sums_are_taken_in_rank_order_on_every_run() {
    for _ in 0..50 {
        for scheduling in BOTH {
            let sums = run_ranks(3, scheduling, |comm| {
                let data = vec![[1e16, 1.0, -1e16][comm.rank() as usize]];
                exchange(comm, Exchange { operation: SUM, group: &all(3), wire: Wire::F64, data })
            });
            assert_eq!(sums.unwrap(), vec![vec![0.0]; 3]);
        }
    }
}

#[test]
fn what_is_exchanged_is_rounded_to_the_wire_and_its_sum_is_not() {
    let run = |wire| {
        run_ranks(2, Scheduling::Concurrent, |comm| {
            let data = vec![1.0 + 1.0 / 128.0 + 1.0 / 1024.0];
            exchange(comm, Exchange { operation: SUM, group: &all(2), wire, data })
        })
        .unwrap()
    };
    assert_eq!(run(Wire::F64)[0], [2.0 + 1.0 / 64.0 + 1.0 / 512.0]);
    assert_eq!(run(Wire::Bf16)[0], [2.0 + 1.0 / 64.0]);
    // Two parts that bf16 holds, and a sum that it does not.
    let sums = run_ranks(2, Scheduling::Concurrent, |comm| {
        let data = vec![if comm.rank() == 0 { 1.0 } else { 1.0 / 512.0 }];
        exchange(comm, Exchange { operation: SUM, group: &all(2), wire: Wire::Bf16, data })
    });
    assert_eq!(sums.unwrap(), [[1.0 + 1.0 / 512.0], [1.0 + 1.0 / 512.0]]);
    // Alone, a rank exchanges nothing.
    let alone = run_ranks(1, Scheduling::Concurrent, |comm| {
        let data = vec![1.0 + 1.0 / 512.0];
        exchange(comm, Exchange { operation: SUM, group: &all(1), wire: Wire::Bf16, data })
    });
    assert_eq!(alone.unwrap(), [[1.0 + 1.0 / 512.0]]);
}

/// Subgroups, several operations under way at once, finished in another order than started.
#[test]
fn operations_overlap_and_subgroups_do_not_meet() {
    for scheduling in BOTH {
        let results = run_ranks(4, scheduling, |comm| {
            let rank = comm.rank();
            let group: &[u32] = if rank % 2 == 0 { &[0, 2] } else { &[1, 3] };
            let mut start = |operation, value: f64, group| {
                comm.start(Exchange { operation, group, wire: Wire::F64, data: vec![value] })
            };
            let first = start(SUM, f64::from(rank), group)?;
            let second = start(Operation::AllGather, f64::from(10 * rank), group)?;
            let third = start(SUM, 1.0, &[0, 1, 2, 3])?;
            let third = comm.finish(third)?;
            let second = comm.finish(second)?;
            let first = comm.finish(first)?;
            Ok::<_, CollectiveError>([first, second, third].concat())
        });
        assert_eq!(
            results.unwrap(),
            [[2.0, 0.0, 20.0, 4.0], [4.0, 10.0, 30.0, 4.0], [2.0, 0.0, 20.0, 4.0], [4.0, 10.0, 30.0, 4.0]]
        );
    }
}

/// One rank at a time: no two bodies are between two collectives at the same moment.
#[test]
fn one_after_the_other_runs_one_rank_at_a_time() {
    use std::sync::atomic::{AtomicU32, Ordering};
    let (running, most) = (AtomicU32::new(0), AtomicU32::new(0));
    let outcome = run_ranks(6, Scheduling::OneAfterTheOther, |comm| {
        for _ in 0..20 {
            most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            std::thread::yield_now();
            running.fetch_sub(1, Ordering::SeqCst);
            exchange(
                comm,
                Exchange { operation: SUM, group: &all(6), wire: Wire::F64, data: vec![1.0_f64] },
            )?;
        }
        Ok::<_, CollectiveError>(())
    });
    outcome.unwrap();
    assert_eq!(most.load(Ordering::SeqCst), 1);
}

type Body = fn(&mut InProcess<'_, f64>) -> Result<(), CollectiveError>;

fn sum_all(comm: &mut InProcess<'_, f64>) -> Result<(), CollectiveError> {
    exchange(comm, Exchange { operation: SUM, group: &[0, 1, 2], wire: Wire::F64, data: vec![1.0] })
        .map(|_| ())
}

/// Every way in which rank 1 can let the others down ends the group with an error that says so.
#[test]
fn a_rank_that_fails_ends_the_group_and_never_hangs_it() {
    let cases: [(Body, &str); 7] = [
        (|_| panic!("out of memory"), "rank 1 failed: it panicked: out of memory"),
        (
            |comm| {
                sum_all(comm)?;
                Err(CollectiveError::RankFailed { rank: 1, reason: "a disk is full".to_owned() })
            },
            "rank 1 failed: rank 1 failed: a disk is full",
        ),
        (|_| Ok(()), "for rank 1, which has ended"),
        (
            |comm| {
                let data = vec![1.0];
                exchange(comm, Exchange { operation: SUM, group: &[0, 1], wire: Wire::F64, data }).map(|_| ())
            },
            "which waits for something else",
        ),
        (
            |comm| {
                let data = vec![1.0, 2.0];
                exchange(comm, Exchange { operation: SUM, group: &[0, 1, 2], wire: Wire::F64, data })
                    .map(|_| ())
            },
            " numbers in F64 meets all-reduce of ",
        ),
        (
            |comm| {
                let operation = Operation::AllGather;
                let data = vec![1.0];
                exchange(comm, Exchange { operation, group: &[0, 1, 2], wire: Wire::F64, data }).map(|_| ())
            },
            " meets ",
        ),
        (
            |comm| {
                let data = vec![1.0];
                exchange(comm, Exchange { operation: SUM, group: &[0, 1, 7], wire: Wire::F64, data })
                    .map(|_| ())
            },
            "there are 3 ranks",
        ),
    ];
    for (misbehave, expected) in cases {
        for scheduling in BOTH {
            let outcome = run_ranks(3, scheduling, |comm| {
                if comm.rank() == 1 {
                    return misbehave(comm);
                }
                sum_all(comm)?;
                sum_all(comm)
            });
            let text = outcome.unwrap_err().to_string();
            assert!(text.contains(expected), "{text} does not say {expected}");
        }
    }
}

#[test]
fn bad_parts_are_refused_before_anybody_waits() {
    let refused = |operation, group: &'static [u32], length: usize| {
        let run = run_ranks(2, Scheduling::Concurrent, move |comm| {
            exchange(comm, Exchange { operation, group, wire: Wire::F64, data: vec![0.0_f64; length] })
        });
        run.unwrap_err().reason
    };
    assert!(refused(Operation::AllToAll, &[0, 1], 3).contains("3 numbers do not divide into 2 equal parts"));
    assert!(refused(SUM, &[1, 0], 1).contains("must ascend"));
    assert!(refused(SUM, &[], 1).contains("not a member"));
    assert!(refused(Operation::Broadcast { root: 2 }, &[0, 1], 1).contains("not below its 2 members"));
    assert!(refused(Operation::Broadcast { root: 0 }, &[0, 1], 1).contains("only its root gives numbers"));
    assert!(refused(Operation::Barrier, &[0, 1], 1).contains("carries no numbers"));
    let too_many = run_ranks(5000, Scheduling::Concurrent, |_: &mut InProcess<'_, f32>| Ok::<_, String>(()));
    assert!(too_many.unwrap_err().reason.contains("1024 run in one process"));
}

#[test]
fn a_ticket_is_finished_once() {
    let twice = run_ranks(1, Scheduling::Concurrent, |comm: &mut InProcess<'_, f32>| {
        let ticket =
            comm.start(Exchange { operation: SUM, group: &[0], wire: Wire::F32, data: vec![1.0] })?;
        comm.finish(ticket.clone())?;
        comm.finish(ticket)
    });
    assert!(twice.unwrap_err().reason.contains("no unfinished operation number 0"));
}

/// Group of 4, 8 numbers of 2 bytes: what each operation hands over and sends.
#[test]
fn bytes_and_messages_are_counted() {
    let counts = run_ranks(4, Scheduling::Concurrent, |comm| {
        let mut counting = Counting::new(comm);
        let root = counting.rank() == 0;
        for operation in [SUM, Operation::AllGather, Operation::ReduceScatter, Operation::AllToAll] {
            let data = vec![1.0_f64; 8];
            exchange(&mut counting, Exchange { operation, group: &all(4), wire: Wire::Bf16, data })?;
        }
        let data = vec![1.0; if root { 8 } else { 0 }];
        let operation = Operation::Broadcast { root: 0 };
        exchange(&mut counting, Exchange { operation, group: &all(4), wire: Wire::Bf16, data })?;
        Ok::<_, CollectiveError>(counting.traffic().clone())
    })
    .unwrap();
    for (name, messages, payload, sent) in [
        ("all-reduce", 6, 16, 24),
        ("all-gather", 3, 16, 48),
        ("reduce-scatter", 3, 16, 12),
        ("all-to-all", 3, 16, 12),
    ] {
        let count = counts[2].of(name);
        assert_eq!((count.operations, count.messages), (1, messages), "{name}");
        assert_eq!((count.payload_bytes, count.sent_bytes), (payload, sent), "{name}");
    }
    assert_eq!((counts[0].of("broadcast").sent_bytes, counts[1].of("broadcast").sent_bytes), (48, 0));
    assert_eq!(counts[1].sent_bytes(), 24 + 48 + 12 + 12);
    assert_eq!(counts[0].iter().count(), 5);
}

/// 7 numbers over 3 ranks do not divide, yet all ranks together send 2 × (n - 1) × 7.
#[test]
fn an_uneven_all_reduce_is_counted_to_the_byte() {
    let sent = run_ranks(3, Scheduling::Concurrent, |comm| {
        let mut counting = Counting::new(comm);
        let data = vec![0.5_f32; 7];
        exchange(&mut counting, Exchange { operation: SUM, group: &all(3), wire: Wire::F32, data })?;
        Ok::<_, CollectiveError>(counting.traffic().sent_bytes())
    });
    assert_eq!(sent.unwrap().iter().sum::<u64>(), 2 * 2 * 7 * 4);
}
