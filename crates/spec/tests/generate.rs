//! Generated clusters: what was asked for, within the bounds, and the same one for the same seed.

use std::collections::{BTreeMap, BTreeSet};

use helix_spec::generate::{
    Detail, GenerateError, MachineMix, Random, Regions, Single, Spread, random, regions, single,
};
use helix_spec::{Cluster, Endpoint, FileError, Link, Source};

fn mix(text: &str) -> MachineMix {
    text.parse().unwrap()
}

/// Reads back what is written, so that every check of the parser holds for generated clusters.
fn reread(cluster: &Cluster) -> Cluster {
    let none = |file: &str| Err(FileError::new(file, "there are no tables"));
    Cluster::parse(&Source { origin: "generated", text: &cluster.to_files().cluster }, &none).unwrap()
}

fn counts(cluster: &Cluster) -> BTreeMap<(&str, &str), usize> {
    let mut counts = BTreeMap::new();
    for machine in &cluster.machines {
        let region = cluster.regions[machine.region.index()].as_str();
        *counts.entry((region, machine.machine_type.as_str())).or_default() += 1;
    }
    counts
}

fn links(cluster: &Cluster) -> Vec<(Endpoint, Endpoint, Link)> {
    let mut ends = vec![Endpoint::Coordinator];
    ends.extend(cluster.machine_ids().map(Endpoint::Machine));
    let pairs = ends.iter().flat_map(|from| ends.iter().map(move |to| (*from, *to)));
    pairs.filter(|(from, to)| from != to).map(|(a, b)| (a, b, cluster.link(a, b).unwrap())).collect()
}

#[test]
fn single_is_one_region_of_equal_links() {
    let cluster = single(&Single::new(mix("A100=4,L4=8,T4=12")), 0).unwrap();
    assert_eq!(reread(&cluster), cluster);
    let paper = helix_spec::load_cluster_named("single24").unwrap();
    let sorted = |cluster: &Cluster| cluster.machines.iter().map(|m| m.name.clone()).collect::<BTreeSet<_>>();
    assert_eq!(sorted(&cluster), sorted(&paper));
    assert_eq!((cluster.network, cluster.coordinator), (paper.network, paper.coordinator));
}

#[test]
fn regions_have_the_machines_asked_for_and_links_within_the_bounds() {
    let groups = ["A100=4", "L4=2,T4=8", "L4=6,T4=4"].map(mix).to_vec();
    let cluster = regions(&Regions { machines: groups, ..Regions::new(3) }, 0).unwrap();
    assert_eq!(reread(&cluster), cluster);
    let paper = helix_spec::load_cluster_named("3cluster24").unwrap();
    assert_eq!(counts(&cluster), counts(&paper));
    let of_type = |cluster: &Cluster| -> Vec<_> {
        cluster.machines.iter().map(|m| (m.name.clone(), m.machine_type.clone(), m.memory)).collect()
    };
    assert_eq!(of_type(&cluster), of_type(&paper));

    // The bounds hold for the generated links and for those of the authors' own generator.
    for cluster in [cluster, paper] {
        let mut distinct = BTreeSet::new();
        for (from, to, link) in links(&cluster) {
            let inside = cluster.region_of(from) == cluster.region_of(to);
            let (megabits, milliseconds) = (link.bandwidth.0 / 1_000_000, link.latency.0 / 1_000_000_000);
            if inside {
                assert!((9_000..=11_000).contains(&megabits) && milliseconds == 1, "{link:?}");
            } else {
                assert!((80..=120).contains(&megabits) && (40..=60).contains(&milliseconds), "{link:?}");
            }
            distinct.insert((link.bandwidth, link.latency));
        }
        assert!(distinct.len() > 200, "the {} different links vary", distinct.len());
    }
}

#[test]
fn one_group_is_dealt_evenly_and_by_the_seed() {
    let options = Regions { machines: vec![mix("A100=10,L4=30,T4=60")], ..Regions::new(7) };
    let cluster = regions(&options, 1).unwrap();
    let mut sizes: BTreeMap<usize, usize> = BTreeMap::new();
    for machine in &cluster.machines {
        *sizes.entry(machine.region.index()).or_default() += 1;
    }
    assert_eq!(sizes, (1..=7).map(|region| (region, if region <= 2 { 15 } else { 14 })).collect());
    assert_eq!(regions(&options, 1).unwrap(), cluster);
    assert_ne!(regions(&options, 2).unwrap(), cluster);
}

#[test]
fn a_thousand_machines_in_twenty_regions_make_a_small_file() {
    let machines = vec![mix("A100=100,L4=300,T4=500,L4x2=60,T4x4=40")];
    let options = Regions { machines, detail: Detail::Regions, ..Regions::new(20) };
    let cluster = regions(&options, 7).unwrap();
    assert_eq!(reread(&cluster), cluster);
    assert_eq!(cluster.machines.len(), 1000);
    let files = cluster.to_files();
    assert!(files.cluster.len() < 100_000, "{} bytes", files.cluster.len());
}

#[test]
fn random_draws_kinds_and_slow_links() {
    let kinds: Vec<_> = ["A100", "L4", "T4x2", "RTX-4090"].iter().map(|kind| kind.parse().unwrap()).collect();
    let cluster = random(&Random::new(kinds.clone(), 100), 3).unwrap();
    assert_eq!(reread(&cluster), cluster);
    for ((_, kind), count) in counts(&cluster) {
        // 25 each; the standard deviation is 4.3.
        assert!((10..=40).contains(&count), "{count} {kind}");
    }
    let slow = links(&cluster).iter().filter(|(_, _, link)| link.latency.0 > 2_000_000_000).count();
    // 20 of a hundred of 9,900 directed pairs, both ways alike: the standard deviation is 56.
    assert!((1_700..=2_260).contains(&slow), "{slow}");
    let fast = random(&Random { slow_percent: 0, ..Random::new(kinds, 20) }, 3).unwrap();
    assert!(links(&fast).iter().all(|(_, _, link)| link.latency.0 == 1_000_000_000));
}

#[test]
fn one_seed_is_one_cluster_for_good() {
    let cluster = regions(&Regions { machines: vec![mix("A100=2,T4=3")], ..Regions::new(2) }, 42).unwrap();
    let drawn: Vec<String> = links(&cluster)
        .iter()
        .take(5)
        .map(|(_, to, link)| format!("{} {} {}", cluster.endpoint_name(*to), link.bandwidth, link.latency))
        .collect();
    insta::assert_debug_snapshot!(drawn);
}

#[test]
fn what_cannot_be_made_is_refused_in_words() {
    let parse = |text: &str| text.parse::<MachineMix>().unwrap_err().to_string();
    let mixes = ["A10O=4", "A100", "A100=-1", "L4=0", "A100=1,,", "L4x0=1", "T4=999999999999", ""].map(parse);
    let two = Regions { machines: vec![mix("T4=2")], ..Regions::new(3) };
    let odd = Regions { machines: vec![mix("T4=2"), mix("T4=2")], ..Regions::new(3) };
    let mut wide = Regions { machines: vec![mix("T4=2")], ..Regions::new(2) };
    wide.between.bandwidth = Spread { mean: 5, spread: 5 };
    let many = Random::new(vec!["T4".parse().unwrap()], 1001);
    let none = Random::new(vec![], 5);
    let huge = Random::new(vec!["T4".parse().unwrap()], u32::MAX);
    let refused = |cluster: Result<Cluster, GenerateError>| cluster.unwrap_err().to_string();
    let made = [
        refused(regions(&two, 0)),
        refused(regions(&odd, 0)),
        refused(regions(&wide, 0)),
        refused(random(&many, 0)),
        refused(random(&none, 0)),
        refused(random(&huge, 0)),
        refused(single(&Single::new(MachineMix::default()), 0)),
    ];
    insta::assert_debug_snapshot!((mixes, made));
}
