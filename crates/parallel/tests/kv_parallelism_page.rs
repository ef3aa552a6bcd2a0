//! Every number of `docs/concepts/kv-parallelism.md`, computed again.

use helix_parallel::{
    Base, Fault, Layout, Ledger, Options, Ownership, Statistics, Volume, Wire, combine, overlapped_time,
    serial_time, shapes,
};
use helix_spec::RankLayout;

const PAGE: &str = include_str!("../../../docs/concepts/kv-parallelism.md");

/// The cells of the table under this heading.
fn table(heading: &str) -> Vec<Vec<&'static str>> {
    let mut lines = PAGE.lines().skip_while(|line| *line != heading);
    assert!(lines.next().is_some(), "no table with the heading {heading}");
    let rows = lines.skip(1).take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

fn number(text: &str) -> f64 {
    text.replace(',', "").parse().unwrap()
}

/// Whether a printed number is this one, rounded to the digits that are printed.
fn assert_shown(text: &str, value: f64) {
    assert!((number(text) - value).abs() < 5e-7, "the page says {text}, it is {value}");
}

fn join(numbers: impl IntoIterator<Item = u64>) -> String {
    numbers.into_iter().map(|n| n.to_string()).collect::<Vec<_>>().join(" ")
}

#[test]
fn two_halves_merge_to_the_whole() {
    let tokens = table("| token | weight | value | kept by |");
    let numbers = |rows: &[&Vec<&str>]| -> (f64, f64) {
        let sum = rows.iter().map(|row| number(row[1])).sum::<f64>();
        (rows.iter().map(|row| number(row[1]) * number(row[2])).sum::<f64>() / sum, sum)
    };
    let mut shards = Vec::new();
    for row in table("| rank | output | e^max | sum | share |") {
        let own: Vec<&Vec<&str>> =
            tokens.iter().filter(|token| token[3] == format!("rank {}", row[0])).collect();
        assert_eq!(own.len(), 2);
        let (output, sum) = numbers(&own);
        let largest = own.iter().map(|token| number(token[1])).fold(0.0, f64::max);
        assert_shown(row[1], output);
        assert_shown(row[2], largest);
        assert_shown(row[3], sum / largest);
        shards.push((Statistics { max: largest.ln(), sum: sum / largest }, [output], row[4], sum));
    }
    let (whole, all) = numbers(&tokens.iter().collect::<Vec<_>>());
    for (_, _, share, sum) in &shards {
        assert_shown(share, sum / all);
    }
    let borrowed: Vec<_> =
        shards.iter().map(|(statistics, output, ..)| (*statistics, output.as_slice())).collect();
    let mut merged = [0.0];
    combine(Base::E, &borrowed, &mut merged);
    assert!((merged[0] - whole).abs() < 1e-12);
    assert_eq!(PAGE.matches(&format!("= **{whole}**")).count(), 2, "both ways of computing give {whole}");
}

#[test]
fn positions_are_dealt_as_the_page_deals_them() {
    let ledger = Ledger::new(Ownership::ByPosition, 2, 4).unwrap();
    let rows = table("| rank | positions of the first 13 | count |");
    assert_eq!(rows.len(), 4);
    for (rank, row) in (0..).zip(rows) {
        assert_eq!(row[1], join(ledger.positions(13, 0..13, rank)));
        assert_eq!(row[2], ledger.local_len(13, 13, rank).to_string());
    }
}

#[test]
fn ranks_have_the_heads_of_the_page() {
    let widths = RankLayout { pipeline: 1, attention_tensor: 2, kv: 2, ffn_tensor: 2, expert: 2 };
    let layout = Layout::new(widths).unwrap();
    let heading =
        "| rank | computes heads | of its part | holds heads after the exchange | EP rank | TPF rank |";
    let rows = table(heading);
    assert_eq!(rows.len(), 4);
    for (rank, row) in (0..).zip(rows) {
        let place = layout.coordinates(rank);
        assert_eq!(row[1], join(layout.attention_heads(rank, 8).map(u64::from)));
        assert_eq!(row[3], join(layout.output_heads(rank, 8).map(u64::from)));
        assert_eq!(
            [row[2], row[4], row[5]],
            [place.kv, place.expert, place.ffn_tensor].map(|n| n.to_string())
        );
    }
}

#[test]
fn bytes_are_those_that_are_sent() {
    let heading = "| model | TPA | KVP | partial outputs \\[bytes\\] | statistics \\[bytes\\] |";
    let rows = table(heading);
    assert_eq!(rows.len(), 3);
    for row in rows {
        let shape = if row[0] == "DeepSeek-R1" { shapes::deepseek_v3() } else { shapes::llama_405b() };
        let (attention_tensor, kv): (u32, u32) = (row[1].parse().unwrap(), row[2].parse().unwrap());
        let widths =
            RankLayout { attention_tensor, kv, ffn_tensor: attention_tensor * kv, ..RankLayout::SINGLE };
        let volume =
            Volume::of_layer(&shape, Layout::new(widths).unwrap(), &Options::new(Wire::Bf16), 1).unwrap();
        assert_shown(row[3], volume.partials as f64);
        assert_shown(row[4], volume.statistics as f64);
    }
}

#[test]
fn overlap_and_planted_bugs_are_as_the_page_says() {
    let requests = [(2.0, 1.2); 8];
    assert!(PAGE.contains(&format!("**{:.1}** units one after the other", serial_time(&requests))));
    assert!(PAGE.contains(&format!("8 · 2 + 1.2 = **{:.1}**", overlapped_time(&requests))));
    let named: Vec<&str> = table("| `--plant` | what goes wrong |").iter().map(|row| row[0]).collect();
    assert_eq!(named, Fault::ALL.map(|(name, _)| name));
}
