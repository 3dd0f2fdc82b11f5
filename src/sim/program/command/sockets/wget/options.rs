//! The command line of `wget`.
//! What is done with it lives in the parent module.

use crate::sim::program::command::Invocation;
use std::time::Duration;

pub(super) const USAGE: &str = "wget [-cqS] [--spider] [-O FILE] [-o LOGFILE] [--header STR]
\t[--post-data STR | --post-file FILE] [-Y on/off]
\t[--no-check-certificate] [-P DIR] [-U AGENT] [-T SEC] URL...

Retrieve files via HTTP or FTP

\t--spider\tOnly check URL existence: $? is 0 if exists
\t--header STR\tAdd STR (of form 'header: value') to headers
\t--post-data STR\tSend STR using POST method
\t--post-file FILE\tSend FILE using POST method
\t--no-check-certificate\tDon't validate the server's certificate
\t-c\t\tContinue retrieval of aborted transfer
\t-q\t\tQuiet
\t-P DIR\t\tSave to DIR (default .)
\t-S    \t\tShow server response
\t-T SEC\t\tNetwork read timeout is SEC seconds
\t-O FILE\t\tSave to FILE ('-' for stdout)
\t-o LOGFILE\tLog messages to FILE
\t-U STR\t\tUse STR for User-Agent header
\t-Y on/off\tUse proxy";
/// Without `-T`.
const PATIENCE: Duration = Duration::from_mins(15);

/// What was asked for.
#[derive(Debug)]
pub(super) struct Options {
    pub(super) quiet: bool,
    pub(super) show: bool,
    pub(super) spider: bool,
    pub(super) resume: bool,
    pub(super) output: Option<String>,
    pub(super) directory: Option<String>,
    pub(super) agent: String,
    pub(super) headers: Vec<String>,
    pub(super) post: Option<Vec<u8>>,
    pub(super) post_file: Option<String>,
    pub(super) limit: Duration,
    pub(super) urls: Vec<String>,
}

/// Reads the command line; a bad option is returned, `None` stands for a wrong use.
pub(super) fn parse(call: &Invocation) -> Result<Options, Option<String>> {
    let mut options = Options {
        quiet: false,
        show: false,
        spider: false,
        resume: false,
        output: None,
        directory: None,
        agent: "Wget".to_owned(),
        headers: Vec::new(),
        post: None,
        post_file: None,
        limit: PATIENCE,
        urls: Vec::new(),
    };
    let mut words = call.arguments().iter();
    while let Some(word) = words.next() {
        if let Some(long) = word.strip_prefix("--") {
            let (name, attached) = long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value.to_owned())));
            let letter = match name {
                "spider" => {
                    options.spider = true;
                    continue;
                }
                "no-check-certificate" => continue,
                "quiet" => 'q',
                "continue" => 'c',
                "server-response" => 'S',
                "output-document" => 'O',
                "output-file" => 'o',
                "directory-prefix" => 'P',
                "user-agent" => 'U',
                "timeout" => 'T',
                "tries" => 't',
                "proxy" => 'Y',
                "header" => 'h',
                "post-data" => 'd',
                "post-file" => 'f',
                _ => return Err(Some(format!("--{name}"))),
            };
            let value = if "qcS".contains(letter) { Some(String::new()) } else { attached.or_else(|| words.next().cloned()) };
            options.set(letter, value.ok_or(None)?)?;
            continue;
        }
        let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) else {
            options.urls.push(word.clone());
            continue;
        };
        let mut rest = letters.chars();
        while let Some(letter) = rest.next() {
            match letter {
                'q' | 'c' | 'S' => options.set(letter, String::new())?,
                'O' | 'o' | 'P' | 'U' | 'T' | 't' | 'Y' => {
                    let attached: String = rest.by_ref().collect();
                    let value = if attached.is_empty() { words.next().cloned() } else { Some(attached) };
                    options.set(letter, value.ok_or(None)?)?;
                }
                other => return Err(Some(format!("-{other}"))),
            }
        }
    }
    if options.urls.is_empty() { Err(None) } else { Ok(options) }
}

impl Options {
    fn set(&mut self, letter: char, value: String) -> Result<(), Option<String>> {
        match letter {
            'q' => self.quiet = true,
            'c' => self.resume = true,
            'S' => self.show = true,
            'O' => self.output = Some(value),
            'P' => self.directory = Some(value),
            'U' => self.agent = value,
            'T' => self.limit = Duration::from_secs(value.parse::<u64>().ok().filter(|limit| *limit > 0).ok_or(None)?),
            'h' => self.headers.push(value),
            'd' => self.post = Some(value.into_bytes()),
            'f' => self.post_file = Some(value),
            'o' => return Err(Some("-o".to_owned())),
            // Retries and proxies: there are none.
            _ => {}
        }
        Ok(())
    }
}
