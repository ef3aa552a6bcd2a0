//! A server in front of a cluster that answers by rule, and a client that sees every byte.
//!
//! The model is a byte-level one: a token is a byte. The stand-in for the cluster answers a prompt with its last line
//! in capitals, then ends; log-probabilities follow the place of a token. Some words in a prompt make it fail or go on.

#![expect(dead_code, reason = "each test file uses a part of it")]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use helix_runtime::service::{
    Backend, FinishReason, GenerationError, ModelInfo, RawToken, Readiness, SamplingDefaults, Service,
    Submission, TextModel, pair,
};
use helix_server::{Options, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

pub const END: u32 = 256;
pub const CONTEXT: u32 = 512;

fn bytes_tokenizer() -> String {
    let vocab = (0u32..256).map(|byte| format!(r#""<0x{byte:02X}>":{byte}"#)).collect::<Vec<_>>().join(",");
    format!(
        r#"{{"version":"1.0","truncation":null,"padding":null,
        "added_tokens":[{{"id":256,"content":"<end>","single_word":false,"lstrip":false,"rstrip":false,
                         "normalized":false,"special":true}}],
        "normalizer":null,"pre_tokenizer":null,"post_processor":null,
        "decoder":{{"type":"Sequence","decoders":[{{"type":"ByteFallback"}},{{"type":"Fuse"}}]}},
        "model":{{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":null,
                 "end_of_word_suffix":null,"fuse_unk":false,"byte_fallback":true,"ignore_merges":false,
                 "vocab":{{{vocab}}},"merges":[]}}}}"#
    )
}

const TEMPLATE: &str = "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}\
                        {% if messages[0].role == 'assistant' %}\
                        {{ raise_exception('the assistant cannot begin') }}{% endif %}";

/// A model folder that lives as long as this.
pub struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("helix-server-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join("chat_template.jinja"), TEMPLATE).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder that is left over in the system's temporary folder harms nobody.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A running server.
pub struct Server {
    pub address: SocketAddr,
    pub service: Service,
    /// Requests that their client gave up.
    pub cancelled: watch::Receiver<usize>,
    /// Requests that reached the cluster.
    pub taken: watch::Receiver<usize>,
    pub readiness: watch::Sender<Readiness>,
    stop: Option<oneshot::Sender<()>>,
    pub running: JoinHandle<()>,
    _folder: Folder,
}

impl Server {
    pub async fn start(options: Options) -> Self {
        Self::with_limit(options, 64).await
    }

    /// At most `limit` requests at a time.
    pub async fn with_limit(options: Options, limit: usize) -> Self {
        let folder = Folder::new();
        let model = ModelInfo {
            name: "helix/echo".to_owned(),
            folder: folder.0.clone(),
            fingerprint: "0".to_owned(),
            layers: 2,
            vocab: 257,
            max_context: CONTEXT,
            end_tokens: vec![END],
            sampling: SamplingDefaults::default(),
            created: 1_700_000_000,
        };
        let tokenizer = bytes_tokenizer();
        let (service, backend) = pair(model, TextModel::from_json(tokenizer.as_ref()).unwrap(), limit);
        let Backend { mut submissions, readiness, report } = backend;
        readiness.send(Readiness::Ready).unwrap();
        let (count, cancelled) = watch::channel(0);
        let count = Arc::new(count);
        let (take, taken) = watch::channel(0);
        tokio::spawn(async move {
            let _report = report;
            while let Some(submission) = submissions.recv().await {
                take.send_modify(|count| *count += 1);
                tokio::spawn(answer(submission, count.clone()));
            }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let stopped = async {
            let _ = stopped.await;
        };
        let serving = serve(listener, service.clone(), options, stopped);
        let running = tokio::spawn(async move { serving.await.unwrap() });
        Self { address, service, cancelled, taken, readiness, stop: Some(stop), running, _folder: folder }
    }

    pub fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    /// Sends the head and the body as they are, and reads until the server closes.
    pub async fn raw(&self, bytes: &[u8]) -> String {
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        socket.write_all(bytes).await.unwrap();
        read_all(&mut socket).await
    }

    /// HTTP/1.0, so that the body comes without chunks and the end of the connection ends it.
    pub async fn post(&self, path: &str, headers: &str, body: &[u8]) -> Answer {
        let head = format!(
            "POST {path} HTTP/1.0\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{headers}\r\n",
            body.len()
        );
        Answer::new(&self.raw(&[head.as_bytes(), body].concat()).await)
    }

    pub async fn get(&self, path: &str, headers: &str) -> Answer {
        Answer::new(&self.raw(format!("GET {path} HTTP/1.0\r\n{headers}\r\n").as_bytes()).await)
    }

    pub async fn chat(&self, body: &str) -> Answer {
        self.post("/v1/chat/completions", "x-request-id: r1\r\n", body.as_bytes()).await
    }

    pub async fn complete(&self, body: &str) -> Answer {
        self.post("/v1/completions", "x-request-id: r1\r\n", body.as_bytes()).await
    }
}

pub async fn read_all(socket: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_mins(1), socket.read_to_end(&mut answer)).await;
    read.expect("the answer ends").unwrap();
    String::from_utf8(answer).unwrap()
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn new(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {text:?}"));
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap();
        Self { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn error(&self) -> (u16, String, String) {
        let json = self.json();
        let word = |name: &str| json["error"][name].as_str().unwrap_or("-").to_owned();
        assert!(json["error"]["type"].is_string(), "{self:?}");
        (self.status, format!("{} {}", word("param"), word("code")), word("message"))
    }

    /// Without what differs from run to run.
    pub fn stable(&self) -> String {
        let mut text = String::new();
        for part in self.body.split_inclusive("\"created\":") {
            text.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit() && !text.is_empty()));
        }
        text
    }
}

/// The stand-in for a cluster. Prompts with certain words fail, wait, or go on for ever.
async fn answer(submission: Submission, cancelled: Arc<watch::Sender<usize>>) {
    let Submission { request, events } = submission;
    let prompt: Vec<u8> = request.prompt.iter().filter_map(|token| u8::try_from(*token).ok()).collect();
    let prompt = String::from_utf8_lossy(&prompt).into_owned();
    let last = prompt.lines().last().unwrap_or_default();
    let last = last.split_once(": ").map_or(last, |(_, words)| words);
    if last.contains("lost at once") {
        let _ = events.fail(GenerationError::WorkerLost { machine: "b".to_owned() });
        return;
    }
    if last.contains("slowly") {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let endless = last.contains("for ever");
    let answer = match last {
        "seed" => request.sampling.seed.unwrap().to_string().into_bytes(),
        words => words.to_uppercase().into_bytes(),
    };
    let max = request.max_tokens.unwrap() as usize;
    let top = request.sampling.logprobs;
    for (place, byte) in
        answer.iter().cycle().take(max.min(if endless { max } else { answer.len() })).enumerate()
    {
        if endless && place > 3 {
            tokio::select! {
                () = events.closed() => {}
                () = tokio::time::sleep(Duration::from_millis(20)) => {}
            }
        }
        let logprob = |_| -0.25 * f32::from(u8::try_from(place % 8).unwrap());
        let token = RawToken {
            id: u32::from(*byte),
            logprob: top.map(logprob),
            top: (0..u32::from(top.unwrap_or(0))).map(|rank| (65 + rank, -1.0)).collect(),
        };
        if !events.token(token) {
            cancelled.send_modify(|count| *count += 1);
            return;
        }
        if last.contains("lost later") && place == 2 {
            let _ = events.fail(GenerationError::WorkerLost { machine: "b".to_owned() });
            return;
        }
    }
    let ended = answer.len() < max && !endless;
    let (reason, end) = if ended { (FinishReason::Stop, Some(END)) } else { (FinishReason::Length, None) };
    let _ = events.finish(reason, end);
}
