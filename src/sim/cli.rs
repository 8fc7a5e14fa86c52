//! `callbox sim-core`: the simulated voice core alone.

use std::fs;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;

use super::core::{SimCore, SimError, SimSettings};
use super::event::Seen;
use super::script::{CallBox, Phone, PickUp, Script, ScriptError, Sound, Time};
use super::script_tables;
use crate::appliance::id::{NotAPhoneNumber, PhoneNumber};
use crate::media::Codec;

/// What `callbox sim-core` takes.
///
/// Without `--script` the numbers +4700000001 to +4700000006 have a phone of
/// their own each, and the switches below are for every other number.
#[derive(Args, Clone, Debug)]
pub struct SimCoreArgs {
    /// Where to listen for boxes.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8443")]
    pub listen: SocketAddr,
    /// Where to listen for token requests.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8444")]
    pub token_listen: SocketAddr,
    /// No TLS, neither for boxes nor for tokens.
    #[arg(long)]
    pub plaintext: bool,
    /// Take boxes without a token (one that is sent must be valid all the same).
    #[arg(long)]
    pub no_token: bool,
    /// The client id that gets a token.
    #[arg(long, value_name = "ID", default_value = "callbox")]
    pub client_id: String,
    /// A file with the client's secret; without it the secret is "simulated".
    #[arg(long, value_name = "FILE")]
    pub client_secret_file: Option<PathBuf>,
    /// How long a token is good.
    #[arg(long, value_name = "TIME", default_value = "3599s")]
    pub token_life: Time,
    /// Write the authority's certificate here, for the box's ca-file.
    #[arg(long, value_name = "FILE")]
    pub ca_out: Option<PathBuf>,
    /// What the far end does, TOML.
    #[arg(long, value_name = "FILE", conflicts_with_all = [
        "ring_after", "answer_after", "reject", "silent", "hang_up_after", "echo", "quiet", "tone", "prompt",
        "record", "codec", "call_box_after", "call_box_from",
    ])]
    pub script: Option<PathBuf>,
    /// Serve a page that is the phone at the far end.
    #[arg(long, value_name = "ADDR")]
    pub browser: Option<SocketAddr>,
    /// The phone rings after this time.
    #[arg(long, value_name = "TIME")]
    pub ring_after: Option<Time>,
    /// The phone answers after this time.
    #[arg(long, value_name = "TIME", conflicts_with_all = ["reject", "silent"])]
    pub answer_after: Option<Time>,
    /// The phone rejects.
    #[arg(long, conflicts_with = "silent")]
    pub reject: bool,
    /// The phone never answers.
    #[arg(long)]
    pub silent: bool,
    /// The phone hangs up this long after the answer.
    #[arg(long, value_name = "TIME")]
    pub hang_up_after: Option<Time>,
    /// The phone says what it hears.
    #[arg(long, conflicts_with_all = ["quiet", "tone", "prompt"])]
    pub echo: bool,
    /// The phone says nothing.
    #[arg(long, conflicts_with_all = ["tone", "prompt"])]
    pub quiet: bool,
    /// The phone says a tone.
    #[arg(long, value_name = "HZ", conflicts_with = "prompt", value_parser = tone)]
    pub tone: Option<f64>,
    /// The phone plays a WAV file, again and again.
    #[arg(long, value_name = "FILE")]
    pub prompt: Option<PathBuf>,
    /// Write what the phone hears to this WAV file.
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// The phone knows this codec only: opus, pcmu or pcma.
    #[arg(long, value_name = "CODEC", value_parser = codec)]
    pub codec: Option<Codec>,
    /// Call every box this long after it registers.
    #[arg(long, value_name = "TIME")]
    pub call_box_after: Option<Time>,
    /// Who calls it.
    #[arg(long, value_name = "NUMBER", default_value = "+4700000009", value_parser = number)]
    pub call_box_from: PhoneNumber,
    /// One JSON object a line.
    #[arg(long)]
    pub json: bool,
}

/// Why `callbox sim-core` ended.
#[derive(Debug, thiserror::Error)]
pub enum SimCliError {
    /// The script is of no use.
    #[error(transparent)]
    Script(#[from] ScriptError),
    /// It did not start.
    #[error(transparent)]
    Start(#[from] SimError),
    /// A file could not be read or written.
    #[error("{}: {source}", file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The output is gone, or ctrl-c cannot be waited for.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl SimCliError {
    /// True for wrong usage (exit code 2), false for trouble at run time (1).
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Script(_) | Self::Start(SimError::NoBrowser) => true,
            Self::Start(SimError::Listen { .. }) | Self::File { .. } | Self::Io(_) => false,
        }
    }
}

fn codec(text: &str) -> Result<Codec, String> {
    match text.to_ascii_lowercase().as_str() {
        "opus" => Ok(Codec::Opus),
        "pcmu" => Ok(Codec::Pcmu),
        "pcma" => Ok(Codec::Pcma),
        _ => Err("use opus, pcmu or pcma".to_owned()),
    }
}

fn tone(text: &str) -> Result<f64, String> {
    let hz: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    script_tables::check_tone(hz).map(|()| hz)
}

fn number(text: &str) -> Result<PhoneNumber, NotAPhoneNumber> {
    PhoneNumber::parse(text)
}

impl SimCoreArgs {
    /// What the switches or the script say.
    ///
    /// # Errors
    /// [`SimCliError`] for a script or secret that cannot be read.
    pub fn settings(&self) -> Result<SimSettings, SimCliError> {
        let script = match &self.script {
            Some(file) => Script::load(file)?,
            None => self.script_of_switches()?,
        };
        let mut settings = SimSettings { script, browser: self.browser, ..SimSettings::default() };
        settings.server.listen = self.listen;
        settings.server.token_listen = self.token_listen;
        settings.server.tls = !self.plaintext;
        settings.server.token.required = !self.no_token;
        settings.server.token.client_id.clone_from(&self.client_id);
        settings.server.token.client_secret = match &self.client_secret_file {
            Some(file) => {
                let text = fs::read_to_string(file)
                    .map_err(|source| SimCliError::File { file: file.clone(), source })?;
                text.trim_end_matches(['\r', '\n']).to_owned()
            }
            None => "simulated".to_owned(),
        };
        settings.server.token.life = self.token_life.0;
        Ok(settings)
    }

    fn script_of_switches(&self) -> Result<Script, SimCliError> {
        let mut script = Script::built_in()?;
        let usual = script.default_phone.clone();
        let pick_up = match (self.reject, self.silent, self.answer_after) {
            (true, _, _) => PickUp::Reject { after: Duration::ZERO },
            (_, true, _) => PickUp::Never,
            (_, _, Some(Time(after))) => PickUp::Answer { after },
            (false, false, None) => usual.pick_up,
        };
        let chosen = match (self.quiet, self.tone, &self.prompt, self.echo) {
            (true, _, _, _) => Some(Sound::Quiet),
            (_, Some(hz), _, _) => Some(Sound::Tone(hz)),
            (_, _, Some(file), _) => Some(Sound::Prompt { file: file.clone(), once: false }),
            (_, _, _, true) => Some(Sound::Echo),
            (false, None, None, false) => None,
        };
        let page = self.browser.map(|_| Sound::Browser);
        script.default_phone = Phone {
            ring_after: self.ring_after.map_or(usual.ring_after, |time| Some(time.0)),
            pick_up,
            hang_up_after: self.hang_up_after.map(|time| time.0),
            give_up_after: usual.give_up_after,
            sound: chosen.or(page).unwrap_or(usual.sound),
            record: self.record.clone(),
            codecs: self.codec.map_or(usual.codecs, |codec| vec![codec]),
        };
        script.call_box =
            self.call_box_after.map(|after| CallBox { after, from: self.call_box_from.clone() });
        Ok(script)
    }
}

/// Runs a simulated core until ctrl-c and prints what happens.
///
/// # Errors
/// [`SimCliError`].
pub async fn run_cli(args: SimCoreArgs) -> Result<(), SimCliError> {
    let core = SimCore::start(args.settings()?).await?;
    let mut seen = core.events();
    if let Some(file) = &args.ca_out {
        write_ca(file, core.ca_pem())?;
    }
    let start = Instant::now();
    let mut out = io::stdout();
    introduce(&mut out, &args, &core)?;
    let interrupted = tokio::signal::ctrl_c();
    tokio::pin!(interrupted);
    loop {
        tokio::select! {
            interrupted = &mut interrupted => {
                interrupted?;
                break;
            }
            event = seen.recv() => match event {
                Ok(event) => print(&mut out, args.json, start, &event)?,
                Err(RecvError::Lagged(missed)) => tracing::warn!(missed, "events were not printed"),
                Err(RecvError::Closed) => break,
            },
        }
    }
    core.stop().await;
    Ok(())
}

fn write_ca(file: &Path, pem: &str) -> Result<(), SimCliError> {
    fs::write(file, pem).map_err(|source| SimCliError::File { file: file.to_owned(), source })
}

fn introduce(out: &mut impl Write, args: &SimCoreArgs, core: &SimCore) -> io::Result<()> {
    if args.json {
        let line = json!({
            "event": "started",
            "endpoint": core.endpoint(),
            "token_url": core.token_url(),
            "ca_file": args.ca_out,
            "browser": core.browser_url(),
        });
        writeln!(out, "{line}")?;
        return out.flush();
    }
    writeln!(out, "core:   {}", core.endpoint())?;
    writeln!(out, "tokens: {}", core.token_url())?;
    match &args.ca_out {
        Some(file) => writeln!(out, "ca:     {}", file.display())?,
        None if args.plaintext => {}
        None => writeln!(out, "ca:     not written; give --ca-out FILE and name it as ca-file of the box")?,
    }
    if let Some(url) = core.browser_url() {
        writeln!(out, "page:   {url}")?;
    }
    writeln!(out, "Ctrl-C ends it.")?;
    out.flush()
}

fn print(out: &mut impl Write, as_json: bool, start: Instant, seen: &Seen) -> io::Result<()> {
    let Seen { at, terminal, what } = seen;
    let seconds = at.saturating_duration_since(start).as_secs_f64();
    if as_json {
        let mut line = serde_json::to_value(what)?;
        if let Some(fields) = line.as_object_mut() {
            fields.insert("seconds".to_owned(), json!(seconds));
            fields.insert("terminal".to_owned(), json!(terminal));
        }
        writeln!(out, "{line}")?;
    } else {
        let who = terminal.map_or_else(|| "page ".to_owned(), |id| format!("box {id}"));
        writeln!(out, "{seconds:10.3} {who:6} {what}")?;
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: SimCoreArgs,
    }

    fn read(line: &str) -> Result<SimCoreArgs, clap::Error> {
        Cli::try_parse_from(line.split_whitespace()).map(|cli| cli.args)
    }

    #[test]
    fn without_switches_the_built_in_script_plays() {
        let settings = read("sim-core").unwrap().settings().unwrap();
        assert_eq!(settings.script, Script::built_in().unwrap());
        assert!(settings.server.tls && settings.server.token.required);
    }

    #[test]
    fn switches_change_the_default_phone() {
        let line = "sim-core --plaintext --no-token --ring-after 50ms --reject --tone 440 --codec PCMU \
                    --hang-up-after 2s --call-box-after 5s --call-box-from +4711111111 --token-life 5s";
        let settings = read(line).unwrap().settings().unwrap();
        let phone = settings.script.phone("+4799999999");
        assert_eq!(phone.ring_after, Some(Duration::from_millis(50)));
        assert_eq!(phone.pick_up, PickUp::Reject { after: Duration::ZERO });
        assert_eq!((&phone.sound, phone.codecs.as_slice()), (&Sound::Tone(440.0), &[Codec::Pcmu][..]));
        assert_eq!(phone.hang_up_after, Some(Duration::from_secs(2)));
        let call = settings.script.call_box.as_ref().unwrap();
        assert_eq!((call.after.0, call.from.as_str()), (Duration::from_secs(5), "+4711111111"));
        assert!(!settings.server.tls && !settings.server.token.required);
        assert_eq!(settings.server.token.life, Duration::from_secs(5));
    }

    #[test]
    fn a_page_is_the_default_phone() {
        let settings = read("sim-core --browser 127.0.0.1:0").unwrap().settings().unwrap();
        assert_eq!(settings.script.default_phone.sound, Sound::Browser);
    }

    #[test]
    fn contradictions_are_refused() {
        for line in [
            "sim-core --reject --silent",
            "sim-core --tone 440 --echo",
            "sim-core --script a.toml --reject",
            "sim-core --answer-after soon",
            "sim-core --tone 5",
            "sim-core --codec g729",
            "sim-core --call-box-from 22222222",
        ] {
            assert!(read(line).is_err(), "{line}");
        }
    }

    #[test]
    fn a_secret_comes_from_its_file_without_the_line_end() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        fs::write(&file, "a secret \n").unwrap();
        let settings = read(&format!("sim-core --client-secret-file {}", file.display())).unwrap().settings();
        assert_eq!(settings.unwrap().server.token.client_secret, "a secret ");
        let error = read("sim-core --client-secret-file /nowhere/secret").unwrap().settings().unwrap_err();
        assert!(error.to_string().starts_with("/nowhere/secret: ") && !error.is_usage());
    }
}
