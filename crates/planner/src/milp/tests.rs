//! The files of the program: what we write HiGHS reads, what HiGHS and Gurobi write we read, what is wrong is refused.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::callbacks::solve_file;
use super::{BigM, Ending, Formulation, SolutionFile, links, lp_text, plan_of_solution, solve};
use crate::bounds::capped_work;
use crate::packing::{Network, Plan, Problem, Slot, Span, Table, evaluate};

/// Three machines of two kinds, four layers, one slow link.
fn problem(partial: bool) -> Problem {
    let table = |values: &[f64]| Table { throughput: values.iter().copied().map(Some).collect() };
    let mut network = Network::unbounded(3);
    network.special.insert((1, 2), 11.25);
    Problem {
        layers: 4,
        tables: vec![table(&[41.0, 23.5, 14.0]), table(&[30.0, 1.0 / 3.0])],
        machines: [0, 0, 1].map(|table| Slot { table, region: 0 }).to_vec(),
        network,
        partial,
    }
}

fn formulation(problem: &Problem) -> Formulation {
    let (links, _) = links(problem, None, &BTreeSet::new()).unwrap();
    let upper = capped_work(problem.layers, &problem.tables, &problem.counts());
    Formulation::new(problem, &links, BigM::Tight { upper })
}

/// A file of these tests, in the system's folder for such files.
fn scratch(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("helix-milp-{}-{name}", std::process::id()))
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the test writes the file for HiGHS to read")]
fn highs_reads_our_program_and_we_read_its_solution() {
    for partial in [false, true] {
        let problem = problem(partial);
        let formulation = formulation(&problem);
        let (lp, sol) = (scratch(&format!("{partial}.lp")), scratch(&format!("{partial}.sol")));
        std::fs::write(&lp, lp_text(&formulation.program, "a test\nof two lines")).unwrap();
        let optimum = solve_file(&lp, &sol).expect("HiGHS solves the file");
        let ours = solve(&formulation.program, None, 60.0, &mut |_| false).unwrap();
        assert_eq!(ours.ending, Ending::Optimal);
        assert!(
            (optimum - ours.objective).abs() < 1e-5,
            "{optimum} from the file, {} directly",
            ours.objective
        );
        assert!(optimum > 11.0, "{optimum}");
        let text = std::fs::read_to_string(&sol).unwrap();
        let file = SolutionFile::parse(&text, "highs.sol").unwrap();
        assert_eq!(file.values.len(), formulation.program.columns.len());
        assert!((file.objective.unwrap() - optimum).abs() < 1e-5);
        let plan = plan_of_solution(&problem, &file, "highs.sol").unwrap();
        assert!((evaluate(&problem, &plan).unwrap() - optimum).abs() < 1e-5);
        for path in [lp, sol] {
            std::fs::remove_file(path).unwrap();
        }
    }
}

fn read(text: &str) -> Result<Plan, String> {
    let file = SolutionFile::parse(text, "x.sol").map_err(|error| error.to_string())?;
    plan_of_solution(&problem(false), &file, "x.sol").map_err(|error| error.to_string())
}

fn spans(spans: [Option<(usize, usize)>; 3]) -> Vec<Option<Span>> {
    spans.map(|span| span.map(|(start, end)| Span { start, end })).to_vec()
}

const WHOLE: &str = "# Objective value = 23.5\nstart_0 0\nstart_1 1.9999999\nstart_2 0\nhold_0_1 0\nhold_0_2 1\nhold_1_2 1\n\
                     hold_2_1 1.0000001\nflow_source_0 23.5\nswitch_0_1 1\n";

#[test]
fn both_numberings_and_files_without_layers_are_read() {
    let expected = Plan { spans: spans([Some((0, 2)), Some((2, 4)), Some((0, 1))]) };
    assert_eq!(read(WHOLE).unwrap(), expected);
    // As the authors number machines where 0 and 1 are the source and the sink.
    let theirs = "start_2 0\nstart_3 2\nstart_4 0\nhold_2_2 1\nhold_3_2 1\nhold_4_1 1\nflow_source_2 1\n";
    assert_eq!(read(theirs).unwrap(), expected);
    // Ends by switches; the last machine sends nothing and holds nothing.
    let switches = "start_0 0\nstart_1 2\nstart_2 0\nswitch_0_1 1\nswitch_1_sink 1\nflow_0_1 3\nswitch_2_1 1\nflow_2_1 0\n";
    assert_eq!(read(switches).unwrap().spans, spans([Some((0, 2)), Some((2, 4)), None]));
}

#[test]
fn solutions_of_other_problems_are_refused_with_the_reason() {
    let replaced = |from: &str, to: &str| read(&WHOLE.replacen(from, to, 1)).unwrap_err();
    let cases = [
        (read("x1 3\nx2 4\n"), "`x1` is no variable of a placement"),
        (read("\n# nothing\n"), "holds no values"),
        (read("start_0 1 2\n"), "x.sol:1: `start_0 1 2` is not a name and a value"),
        (read("start_0 nan\n"), "a number is needed"),
        (read("start_0 1e999\n"), "a number is needed"),
        (read("start_0 1\nstart_0 1\n"), "x.sol:2: start_0 has a value in line 1 already"),
        (read(&format!("{WHOLE}start_41 3\n")), "it has `start_0` to `start_41`, the cluster has 3 machines"),
        (read(&format!("{WHOLE}flow_2_7 3\n")), "x.sol:11: is the solution of another problem: `flow_2_7`"),
        (read(&format!("{WHOLE}hold_1_3 1\n")), "machine 1 holds two numbers of layers"),
        (Err(replaced("start_2 0\n", "")), "it has no `start_2`"),
        (Err(replaced("start_1 1.9999999", "start_1 1.5")), "start_1 is 1.5, a whole number is needed"),
        (Err(replaced("start_1 1.9999999", "start_1 77")), "start_1 is 77, 0 to 3 is possible"),
        (Err(replaced("start_1 1.9999999", "start_1 3")), "machine 1 holds layers 3..5, the model has 4"),
        (Err(replaced("start_0 0", "start_0 -1")), "start_0 is -1, 0 to 3 is possible"),
        (Err(replaced("hold_0_2 1", "hold_0_2 0.5")), "hold_0_2 is 0.5"),
        (Err(replaced("hold_0_2 1", "hold_0_9 1")), "machine 0 holds 9 layers, planners give it at most 3"),
        (Err(replaced("hold_1_2 1\n", "")), "no `hold_1_…` is 1"),
        (Err(replaced("hold_1_2 1", "hold_1_x 1")), "`hold_1_x` names no machine and layers"),
    ];
    for (result, expected) in cases {
        let error = result.expect_err(expected);
        assert!(error.contains(expected), "{error}\nexpected: {expected}");
    }
    let none = "Model status\nInfeasible\n\n# Primal solution values\nNone\n";
    assert!(SolutionFile::parse(none, "x.sol").unwrap_err().to_string().contains("there is no solution"));
    let contradiction = "start_0 0\nstart_1 1\nstart_2 2\nswitch_0_1 1\nswitch_0_2 1\n";
    assert!(read(contradiction).unwrap_err().contains("contradict each other"));
}
