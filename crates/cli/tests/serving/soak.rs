//! A cluster under load for a while: no failed request, no leaked block, steady memory, the same answers alone and under
//! load and for every placement.

use std::time::{Duration, Instant};

use crate::client::stream;
use crate::load::{Question, alone, load, questions};
use crate::up::{Up, resident};

const STREAMS: usize = 64;

fn processes(up: &Up) -> Vec<(String, u32)> {
    let workers = up.workers.iter().enumerate().map(|(index, id)| (format!("worker-{index}"), *id));
    std::iter::once(("helix up".to_owned(), up.child.id())).chain(workers).collect()
}

/// Waits until nothing is held, and says how many requests failed.
fn settled(up: &Up) -> u64 {
    up.idle()["failed"].as_u64().expect("a count")
}

/// Load on `helix up` with so many workers; the first fifth of the time is for memory to come to rest.
fn soak(workers: u32, time: Duration, (questions, answers): (&[Question], Option<&[String]>)) -> Vec<String> {
    let up = Up::start(workers);
    let (ready, answer) = (up.started.elapsed(), stream(&up, questions[0].path, &questions[0].body));
    let first_text = ready + answer.expect("it is answered").first;
    println!(
        "{workers} workers: ready after {} ms, first text {} ms after the start",
        ready.as_millis(),
        first_text.as_millis()
    );
    let first = alone(&up, questions);
    if let Some(answers) = answers {
        assert_eq!(first, answers, "{workers} workers answer otherwise");
    }
    let warm = load(&up, STREAMS, time / 5, (questions, &first));
    assert!(warm.wrong.is_empty(), "{:#?}", warm.wrong);
    let before: Vec<u64> = processes(&up).iter().map(|(_, id)| resident(*id)).collect();
    let rest = time * 4 / 5;
    let began = Instant::now();
    let figures = load(&up, STREAMS, rest, (questions, &first));
    let took = began.elapsed();
    assert!(figures.wrong.is_empty(), "{:#?}", figures.wrong);
    assert!(figures.requests >= STREAMS as u64, "only {} answers", figures.requests);
    assert_eq!(settled(&up), 0, "no request fails");
    println!("{workers} workers, {STREAMS} streams, {} s: {}", took.as_secs(), figures.words(took));
    for ((name, id), before) in processes(&up).into_iter().zip(before) {
        let after = resident(id);
        println!("  {name}: {before} MB after a fifth of the time, {after} MB at the end");
        assert!(after <= before + before / 10 + 16, "{name} grew from {before} MB to {after} MB");
    }
    assert_eq!(alone(&up, questions), first, "after the load as before");
    first
}

#[test]
fn answers_are_the_same_under_load_and_for_every_placement_and_nothing_leaks() {
    let questions = questions();
    let answers = soak(4, Duration::from_secs(10), (&questions, None));
    for workers in [1, 3, 7] {
        soak(workers, Duration::from_secs(2), (&questions, Some(&answers)));
    }
}

/// `scripts/soak.sh` runs this one; seconds in `HELIX_SOAK_SECONDS`.
#[test]
#[ignore = "takes minutes; scripts/soak.sh runs it with a release build"]
fn five_minutes_of_load_change_nothing() {
    let seconds = std::env::var("HELIX_SOAK_SECONDS")
        .ok()
        .map_or(300, |text| text.parse().expect("a number of seconds"));
    let questions = questions();
    let answers = soak(4, Duration::from_secs(seconds * 5 / 4), (&questions, None));
    for workers in [2, 3, 6] {
        soak(workers, Duration::from_secs(20), (&questions, Some(&answers)));
    }
}
