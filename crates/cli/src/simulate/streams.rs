//! Files that are written while the simulation runs: requests, events, a trace for browsers. Nothing is kept in memory.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use helix_sim::{Observer, Record, RequestRecord, Subject};
use helix_spec::SimTime;

use super::arguments::Arguments;
use super::report::outcome_name;
use super::setup::Setup;
use crate::exit_codes::{Failure, Kind};

struct Stream<'a> {
    path: &'a Path,
    file: BufWriter<File>,
}

/// The files that were asked for.
pub struct Streams<'a> {
    requests: Option<Stream<'a>>,
    json_requests: bool,
    events: Option<Stream<'a>>,
    chrome: Option<Stream<'a>>,
    names: Vec<String>,
    links: Vec<String>,
    failed: Option<io::Error>,
}

impl<'a> Streams<'a> {
    /// Whether any file is to be written.
    pub fn wanted(arguments: &Arguments) -> bool {
        arguments.requests.is_some() || arguments.events.is_some() || arguments.chrome_trace.is_some()
    }

    /// Creates the files.
    pub fn open(arguments: &'a Arguments, setup: &Setup) -> Result<Self, Failure> {
        let name = |endpoint| setup.cluster.endpoint_name(endpoint).to_owned();
        let mut streams = Self {
            requests: open(arguments.requests.as_deref())?,
            json_requests: arguments
                .requests
                .as_ref()
                .is_some_and(|path| path.extension().is_some_and(|end| end == "jsonl")),
            events: open(arguments.events.as_deref())?,
            chrome: open(arguments.chrome_trace.as_deref())?,
            names: setup.cluster.machines.iter().map(|machine| machine.name.clone()).collect(),
            links: setup
                .links
                .iter()
                .map(|link| format!("{} → {}", name(link.from), name(link.to)))
                .collect(),
            failed: None,
        };
        let header = streams.header();
        streams.keep(header);
        Ok(streams)
    }

    /// Closes them; their paths.
    pub fn finish(mut self) -> Result<Vec<&'a Path>, Failure> {
        if let Some(chrome) = &mut self.chrome {
            let end = chrome.file.write_all(b"\n]\n");
            self.keep(end);
        }
        let mut written = Vec::new();
        for stream in [self.requests, self.events, self.chrome].into_iter().flatten() {
            let mut file = stream.file;
            if let Err(error) = self.failed.take().map_or_else(|| file.flush(), Err) {
                return Err(cannot_write(stream.path, &error));
            }
            written.push(stream.path);
        }
        Ok(written)
    }

    fn keep(&mut self, result: io::Result<()>) {
        if let (Err(error), None) = (result, &self.failed) {
            self.failed = Some(error);
        }
    }

    fn header(&mut self) -> io::Result<()> {
        if let (Some(requests), false) = (&mut self.requests, self.json_requests) {
            writeln!(
                requests.file,
                "request,arrival_s,prompt_tokens,output_tokens,first_token_s,ended_s,outcome,generated,machines,restarts,\
                 line_s,machine_queues_s,computing_s,link_queues_s,sending_s"
            )?;
        }
        if let Some(chrome) = &mut self.chrome {
            write!(
                chrome.file,
                "[\n{{\"ph\":\"M\",\"pid\":1,\"name\":\"process_name\",\"args\":{{\"name\":\"machines\"}}}}"
            )?;
            write!(
                chrome.file,
                ",\n{{\"ph\":\"M\",\"pid\":2,\"name\":\"process_name\",\"args\":{{\"name\":\"links\"}}}}"
            )?;
            for (pid, names) in [(1, &self.names), (2, &self.links)] {
                for (tid, name) in names.iter().enumerate() {
                    let name = serde_json::Value::from(name.as_str());
                    write!(
                        chrome.file,
                        ",\n{{\"ph\":\"M\",\"pid\":{pid},\"tid\":{tid},\"name\":\"thread_name\",\"args\":{{\"name\":{name}}}}}"
                    )?;
                }
            }
        }
        Ok(())
    }

    fn write(&mut self, record: &Record) -> io::Result<()> {
        match record {
            Record::Event { time, kind, subject } => {
                let Some(events) = &mut self.events else { return Ok(()) };
                let (what, about) = match subject {
                    Subject::None => ("none", serde_json::Value::Null),
                    Subject::End(helix_spec::Endpoint::Coordinator) => ("machine", "coordinator".into()),
                    Subject::End(helix_spec::Endpoint::Machine(id)) => {
                        ("machine", self.names[id.index()].as_str().into())
                    }
                    Subject::Link(link) => ("link", self.links[*link as usize].as_str().into()),
                    Subject::Pass { request, .. } => ("request", request.0.into()),
                };
                writeln!(
                    events.file,
                    "{{\"time_s\":{},\"event\":\"{}\",\"{what}\":{about}}}",
                    seconds(*time),
                    kind.name()
                )
            }
            Record::Batch { machine, start, end, batch } => {
                let name = format!("{} prompts, {} decodes", batch.prefills, batch.decodes);
                self.slice(1, machine.index(), (*start, *end), &name)
            }
            Record::Transfer { link, start, end, bytes, works } => {
                let name = format!("{works} works, {bytes} B");
                self.slice(2, *link as usize, (*start, *end), &name)
            }
            Record::Request(request) => self.request(request),
        }
    }

    fn slice(
        &mut self,
        pid: u32,
        tid: usize,
        (start, end): (SimTime, SimTime),
        name: &str,
    ) -> io::Result<()> {
        let Some(chrome) = &mut self.chrome else { return Ok(()) };
        let microseconds = |time: SimTime| time.0 as f64 / 1e6;
        write!(
            chrome.file,
            ",\n{{\"ph\":\"X\",\"pid\":{pid},\"tid\":{tid},\"ts\":{},\"dur\":{},\"name\":\"{name}\"}}",
            microseconds(start),
            microseconds(SimTime(end.0 - start.0))
        )
    }

    fn request(&mut self, record: &RequestRecord) -> io::Result<()> {
        let json = self.json_requests;
        let Some(stream) = &mut self.requests else { return Ok(()) };
        let RequestRecord { request, prompt_tokens, output_tokens, generated, hops, restarts, .. } = record;
        let (arrived, ended) = (seconds(record.arrived), seconds(record.ended));
        let outcome = outcome_name(record.outcome);
        let first = record.first_token.map(seconds);
        let spent = record.spent.parts().map(|(name, time)| (name, seconds(time)));
        if json {
            let first = first.unwrap_or_else(|| "null".to_owned());
            return writeln!(
                stream.file,
                "{{\"request\":{},\"arrival_s\":{arrived},\"prompt_tokens\":{prompt_tokens},\"output_tokens\":{output_tokens},\
                 \"first_token_s\":{first},\"ended_s\":{ended},\"outcome\":\"{outcome}\",\"generated\":{generated},\
                 \"machines\":{hops},\"restarts\":{restarts}{}}}",
                request.0,
                spent.map(|(name, time)| format!(",\"{name}_s\":{time}")).concat()
            );
        }
        writeln!(
            stream.file,
            "{},{arrived},{prompt_tokens},{output_tokens},{},{ended},\"{outcome}\",{generated},{hops},{restarts},{}",
            request.0,
            first.unwrap_or_default(),
            spent.map(|(_, time)| time).join(",")
        )
    }
}

impl Observer for Streams<'_> {
    fn observe(&mut self, record: &Record) {
        if self.failed.is_none() {
            let result = self.write(record);
            self.keep(result);
        }
    }
}

/// Seconds with every picosecond.
fn seconds(time: SimTime) -> String {
    format!("{}.{:012}", time.0 / 1_000_000_000_000, time.0 % 1_000_000_000_000)
}

fn open(path: Option<&Path>) -> Result<Option<Stream<'_>>, Failure> {
    let Some(path) = path else { return Ok(None) };
    let file = File::create(path).map_err(|error| cannot_write(path, &error))?;
    Ok(Some(Stream { path, file: BufWriter::with_capacity(1 << 20, file) }))
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::new(Kind::Other, format!("{} cannot be written: {error}", path.display()))
}
