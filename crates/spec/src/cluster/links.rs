//! Regions and links of a cluster file.

use std::collections::BTreeMap;
use std::ops::Range;

use super::checks::{Names, above_zero, check_name};
use super::raw::{RawLink, RawRegion};
use super::{COORDINATOR, RegionId};
use crate::file::{FileError, Source, excerpt};
use crate::{Endpoint, Link};

/// Names of the regions in the order of the file.
pub(super) fn region_names(source: &Source<'_>, raw: &[RawRegion]) -> Result<Names<RegionId>, FileError> {
    if raw.is_empty() {
        return Err(FileError::new(source.origin, "the cluster has no regions").help(
            "add for example `regions = [{ name = \"here\", bandwidth = \"10 Gbit/s\", latency = \"1 ms\" }]`",
        ));
    }
    let mut names = Names::new("region");
    for (region, id) in raw.iter().zip(0..) {
        check_name(source, "a region", &region.name)?;
        names.declare(source, region.name.get_ref(), &region.name.span(), RegionId(id))?;
    }
    Ok(names)
}

/// The default links inside regions and between them.
pub(super) fn region_links(
    source: &Source<'_>,
    regions: &[RawRegion],
    between: &[RawLink],
    names: &Names<RegionId>,
) -> Result<BTreeMap<(RegionId, RegionId), Link>, FileError> {
    let mut table = LinkTable::new(source);
    for (region, id) in regions.iter().zip(0..) {
        match (&region.bandwidth, &region.latency) {
            (None, None) => {}
            (Some(bandwidth), Some(latency)) => {
                above_zero(source, "bandwidth", bandwidth.get_ref().0, &bandwidth.span())?;
                let link = Link { bandwidth: *bandwidth.get_ref(), latency: *latency.get_ref() };
                table.places.insert((RegionId(id), RegionId(id)), (link, region.name.span().start));
            }
            (bandwidth, _) => {
                let (has, lacks) =
                    if bandwidth.is_some() { ("bandwidth", "latency") } else { ("latency", "bandwidth") };
                let problem = format!("region `{}` has a {has} but no {lacks}", region.name.get_ref());
                return Err(source
                    .error_at(&region.name.span(), problem)
                    .help("give both, or neither if every link inside the region is listed under `links`"));
            }
        }
    }
    for raw in between {
        let ends = (names.find(source, &raw.from)?, names.find(source, &raw.to)?);
        if ends.0 == ends.1 {
            let problem = format!("region `{}` is linked to itself", raw.from.get_ref());
            return Err(source.error_at(&raw.from.span(), problem).help(
                "links inside a region are the `bandwidth` and `latency` of its entry under `regions`",
            ));
        }
        table.add(raw, ends)?;
    }
    Ok(table.finish())
}

/// The links of single machines.
pub(super) fn machine_links(
    source: &Source<'_>,
    raw: &[RawLink],
    names: &Names<Endpoint>,
) -> Result<BTreeMap<(Endpoint, Endpoint), Link>, FileError> {
    let find = |name: &toml::Spanned<String>| {
        if name.get_ref() == COORDINATOR { Ok(Endpoint::Coordinator) } else { names.find(source, name) }
    };
    let mut table = LinkTable::new(source);
    for raw in raw {
        let ends = (find(&raw.from)?, find(&raw.to)?);
        if ends.0 == ends.1 {
            let problem = format!("`{}` is linked to itself", excerpt(raw.from.get_ref()));
            return Err(source.error_at(&raw.from.span(), problem).help("a link needs two different ends"));
        }
        table.add(raw, ends)?;
    }
    Ok(table.finish())
}

/// Directed links and where in the file each one is.
struct LinkTable<'a, End> {
    source: &'a Source<'a>,
    places: BTreeMap<(End, End), (Link, usize)>,
}

impl<'a, End: Copy + Ord> LinkTable<'a, End> {
    fn new(source: &'a Source<'a>) -> Self {
        Self { source, places: BTreeMap::new() }
    }

    fn add(&mut self, raw: &RawLink, ends: (End, End)) -> Result<(), FileError> {
        above_zero(self.source, "bandwidth", raw.bandwidth.get_ref().0, &raw.bandwidth.span())?;
        let link = Link { bandwidth: *raw.bandwidth.get_ref(), latency: raw.latency };
        self.insert(ends, link, &raw.from.span(), (raw.from.get_ref(), raw.to.get_ref()))?;
        if raw.one_way {
            return Ok(());
        }
        self.insert((ends.1, ends.0), link, &raw.from.span(), (raw.to.get_ref(), raw.from.get_ref()))
    }

    fn insert(
        &mut self,
        ends: (End, End),
        link: Link,
        span: &Range<usize>,
        labels: (&str, &str),
    ) -> Result<(), FileError> {
        if let Some((_, first)) = self.places.insert(ends, (link, span.start)) {
            let (from, to) = labels;
            let problem = format!(
                "the link from `{from}` to `{to}` is given twice, first in line {}",
                self.source.line_of(first)
            );
            return Err(self
                .source
                .error_at(span, problem)
                .help("an entry goes both ways unless it says `one_way = true`"));
        }
        Ok(())
    }

    fn finish(self) -> BTreeMap<(End, End), Link> {
        self.places.into_iter().map(|(ends, (link, _))| (ends, link)).collect()
    }
}
