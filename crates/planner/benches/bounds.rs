//! Upper bounds: value and time of each on every instance.

use helix_planner::bounds::{capped_work, configuration_bound, crossing_bound};

mod instances;

fn main() {
    println!(
        "{:14} {:>12} {:>9} {:>14} {:>9} {:>12} {:>9}",
        "instance", "capped work", "s", "configuration", "s", "crossing", "s"
    );
    for instances::Instance { name, problem } in instances::all() {
        problem.validate().expect("instances are valid");
        let counts = problem.counts();
        let start = instances::now();
        let work = capped_work(problem.layers, &problem.tables, &counts);
        let first = start.elapsed().as_secs_f64();
        let start = instances::now();
        let bound = configuration_bound(problem.layers, &problem.tables, &counts, 1e-4, &mut || false);
        print!("{name:14} {work:12.3} {first:9.6} {bound:14.3} {:9.3}", start.elapsed().as_secs_f64());
        let start = instances::now();
        let bound = crossing_bound(&problem, 0.5 * bound, bound, 1e-4, &mut || false);
        println!(" {bound:12.3} {:9.3}", start.elapsed().as_secs_f64());
    }
}
