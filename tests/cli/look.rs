//! HTML reports in a real Chromium, spoken to by its `DevTools` protocol: loaded in time, nothing on the console, no sideways scrolling on a
//! phone, a name for everything that can be reached. Screenshots are left for people to look at. `ci/look-at-reports` runs it.

use super::{comeback, folder, output};
use comeback::measure::{outcome, result, statistics};
use comeback::scenario::Verdict;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokio_tungstenite::tungstenite::{Message, WebSocket, client};

/// A Chromium with one page.
struct Chromium {
    process: Child,
    socket: WebSocket<TcpStream>,
    session: String,
    next: u64,
    /// What came between two answers.
    events: Vec<Value>,
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Chromium {
    fn start(program: &str, profile: &Path) -> Self {
        let mut process = Command::new(program)
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-port=0"])
            .arg("--hide-scrollbars")
            .arg(format!("--user-data-dir={}", profile.display()))
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let address = lines.find_map(|line| line.unwrap().strip_prefix("DevTools listening on ").map(str::to_owned)).unwrap();
        // Whoever writes to a pipe that nobody reads stops.
        std::thread::spawn(move || lines.for_each(drop));
        let host = address.trim_start_matches("ws://").split('/').next().unwrap().to_owned();
        let stream = TcpStream::connect(host).unwrap();
        stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        let (socket, _) = client(&address, stream).unwrap();
        let mut chromium = Self { process, socket, session: String::new(), next: 0, events: Vec::new() };
        let target = chromium.ask("Target.createTarget", json!({ "url": "about:blank" }));
        let attached = chromium.ask("Target.attachToTarget", json!({ "targetId": target["targetId"], "flatten": true }));
        attached["sessionId"].as_str().unwrap().clone_into(&mut chromium.session);
        for domain in ["Page", "Log", "Runtime", "Accessibility"] {
            chromium.ask(&format!("{domain}.enable"), json!({}));
        }
        chromium
    }

    fn ask(&mut self, method: &str, parameters: Value) -> Value {
        self.next += 1;
        let mut request = json!({ "id": self.next, "method": method, "params": parameters });
        if !self.session.is_empty() {
            request["sessionId"] = self.session.as_str().into();
        }
        self.socket.send(Message::text(request.to_string())).unwrap();
        loop {
            let message = self.read();
            if message["id"] == self.next {
                assert!(message.get("error").is_none(), "{method}: {message}");
                return message["result"].clone();
            }
            self.events.push(message);
        }
    }

    fn read(&mut self) -> Value {
        loop {
            if let Message::Text(text) = self.socket.read().unwrap() {
                return serde_json::from_str(&text).unwrap();
            }
        }
    }

    /// Loads a page and says how long that took.
    fn load(&mut self, page: &Path) -> Duration {
        self.events.clear();
        let began = Instant::now();
        self.ask("Page.navigate", json!({ "url": format!("file://{}", page.display()) }));
        while !self.events.iter().any(|event| event["method"] == "Page.loadEventFired") {
            let event = self.read();
            self.events.push(event);
        }
        // It is laid out only when somebody asks.
        self.evaluate("document.documentElement.scrollHeight");
        began.elapsed()
    }

    fn evaluate(&mut self, expression: &str) -> Value {
        self.ask("Runtime.evaluate", json!({ "expression": expression, "returnByValue": true }))["result"]["value"].clone()
    }

    /// What went to the console, or would have if scripts ran.
    fn complaints(&self) -> Vec<&Value> {
        let is_one = |event: &&Value| {
            let method = event["method"].as_str().unwrap_or_default();
            matches!(method, "Log.entryAdded" | "Runtime.consoleAPICalled" | "Runtime.exceptionThrown")
        };
        self.events.iter().filter(is_one).collect()
    }

    /// Roles of what can be reached or seen and has no name.
    fn nameless(&mut self) -> Vec<String> {
        let tree = self.ask("Accessibility.getFullAXTree", json!({}));
        let nodes = tree["nodes"].as_array().unwrap().clone();
        assert!(nodes.len() > 20, "a page has a tree");
        let text = |node: &Value, field: &str| node[field]["value"].as_str().unwrap_or_default().to_owned();
        let named = ["link", "button", "image", "DisclosureTriangle", "heading", "RootWebArea", "rowheader"];
        let nameless = nodes.iter().filter(|node| node["ignored"] != true && named.contains(&text(node, "role").as_str()));
        nameless.filter(|node| text(node, "name").trim().is_empty()).map(|node| text(node, "role")).collect()
    }

    fn screenshot(&mut self, file: &Path, (width, height): (u32, u32), scheme: &str) {
        let mobile = width < 600;
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile }),
        );
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.ask("Emulation.setEmulatedMedia", json!({ "features": features }));
        let overflow = self.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth");
        assert!(overflow.as_f64().unwrap() <= 0.0, "{} scrolls sideways by {overflow}", file.display());
        let shot = self.ask("Page.captureScreenshot", json!({ "format": "png" }));
        std::fs::write(file, decoded(shot["data"].as_str().unwrap())).unwrap();
    }
}

/// Base64, as the protocol sends pictures.
fn decoded(text: &str) -> Vec<u8> {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let values: Vec<u32> = text
        .bytes()
        .filter_map(|byte| LETTERS.iter().position(|letter| *letter == byte))
        .map(|position| u32::try_from(position).unwrap())
        .collect();
    let bytes = values.chunks(4).flat_map(|chunk| {
        let bits = chunk.iter().fold(0, |bits, value| bits << 6 | value) << (6 * (4 - chunk.len()));
        bits.to_be_bytes()[1..chunk.len()].to_vec()
    });
    bytes.collect()
}

/// Makes many trials of a run's few, one of three of them late: a thousand real ones take minutes, and the page does not know them apart.
fn multiply(file: &Path, n: u32) {
    let mut result = result::read(&std::fs::read_to_string(file).unwrap()).unwrap();
    let scenario = &mut result.scenarios[0];
    let few = scenario.trials.clone();
    scenario.trials = (0..n)
        .map(|index| {
            let mut trial = result::TrialResult { index, ..few[index as usize % few.len()].clone() };
            if index % 3 == 0 {
                trial.verdict = Verdict::Late;
                trial.durations.to_recover.as_mut().unwrap().value += 600.0;
            }
            trial
        })
        .collect();
    let late = scenario.trials.iter().filter(|trial| trial.verdict == Verdict::Late).count();
    let n = scenario.trials.len();
    scenario.counts = [(Verdict::Late, late), (Verdict::Recovered, n - late)].into();
    scenario.success_rate = statistics::rate(n - late, n, 0.95);
    scenario.within_rto = Some(scenario.success_rate.clone());
    scenario.planned = Some(n);
    result.expected.trials = n;
    result.scenarios = result.scenarios.into_iter().map(|scenario| outcome::again(scenario, None)).collect();
    result.summary = outcome::summary(&result.scenarios);
    (result.outcome, result.exit_code) = (result::Outcome::Failed, 1);
    std::fs::write(file, serde_json::to_vec(&result).unwrap()).unwrap();
}

/// Pages as they come: a run with failures, retries and a gate; a search of a thousand trials; the RTO report.
fn pages(folder: &Path) -> Vec<PathBuf> {
    let run = |words: &[&str]| {
        let (code, _, stderr) = output(comeback(folder).args(words).timeout(Duration::from_mins(10)));
        assert!([0, 1, 4].contains(&code), "{code}: {stderr}");
    };
    let history = ["--no-progress", "--history", "h.db", "--seed", "3"];
    run(&[&["run", "builtin:gate", "--out", "first", "--trials", "2"], &history[..]].concat());
    let second =
        ["run", "builtin:gate", "--retries", "1", "--trials", "2", "--baseline", "history:latest", "--report", "html=gate.html"];
    run(&[&second[..], &history[..]].concat());
    run(&["run", "builtin:crashy-app", "--no-progress", "--trials", "10", "--seed", "3", "--out", "many"]);
    multiply(&folder.join("many/result.json"), 1000);
    run(&["gate", "many", "--report", "html=thousand.html"]);
    run(&["report", "rto", "--history", "h.db", "--report", "html=rto.html"]);
    ["gate.html", "thousand.html", "rto.html"].map(|name| folder.join(name)).to_vec()
}

#[test]
#[ignore = "needs a Chromium and minutes: ci/look-at-reports"]
fn reports_are_read_in_a_browser() {
    let program = std::env::var("COMEBACK_CHROMIUM").unwrap_or_else(|_| "chromium".to_owned());
    let folder = folder();
    let shots = std::env::var("COMEBACK_SCREENSHOTS").map_or_else(|_| folder.path().join("shots"), PathBuf::from);
    std::fs::create_dir_all(&shots).unwrap();
    let pages = pages(folder.path());
    let mut chromium = Chromium::start(&program, &folder.path().join("profile"));
    for page in pages {
        let name = page.file_stem().unwrap().to_str().unwrap().to_owned();
        let bytes = std::fs::metadata(&page).unwrap().len();
        let took = chromium.load(&page);
        println!("{name}: {bytes} bytes, loaded in {} ms", took.as_millis());
        assert!(bytes < 5_000_000, "{name}: {bytes} bytes");
        assert!(took < Duration::from_secs(1), "{name}: {took:?}");
        assert!(chromium.complaints().is_empty(), "{name}: {:?}", chromium.complaints());
        assert_eq!(chromium.nameless(), Vec::<String>::new(), "{name}");
        for (look, size, scheme) in
            [("light", (1280, 1600), "light"), ("dark", (1280, 1600), "dark"), ("phone", (390, 1600), "light")]
        {
            chromium.screenshot(&shots.join(format!("{name}-{look}.png")), size, scheme);
        }
    }
}
