//! `sidelink link`: a UE with one interactive link: connect, send, re-key, show, release.

use super::ue::{UeArgs, run_config};
use crate::config::ConfigError;
use crate::control::{Board, Command, CommandError, Status};
use crate::terminal;
use clap::Args;
use sidelink_ue::{LinkAction, LinkStatus};
use std::io::BufRead;
use std::sync::Arc;
use std::time::Duration;

/// Milliseconds after the start at which the link is requested.
const CONNECT: u64 = 500;

/// Longest wait of a command for the UE.
const PATIENCE: Duration = Duration::from_secs(2);

/// Pause at the end of the input for exchanges in progress.
const FAREWELL: Duration = Duration::from_millis(1500);

const WORDS: &str = "\
state             the link: keys by their identities, counters, round trips of keep-alives
say TEXT          send a text over the link (anything that is no command is sent too)
connect           set the link up
rekey             make the session keys anew; `rekey new` with a new KD
release           release the link
wait SECONDS      for scripts
quit              release it and end
";

/// Arguments of `sidelink link`.
#[derive(Debug, Args)]
#[command(after_help = format!("Commands, a line each, from a terminal or a pipe:\n{WORDS}"))]
pub struct LinkArgs {
    /// Name of the peer in a [[link]] of the UE's file; not needed if there is only one.
    #[arg(short, long, value_name = "NAME")]
    pub peer: Option<String>,
    /// Do not request the link: wait for the request of the peer.
    #[arg(long)]
    pub wait: bool,
    #[command(flatten)]
    pub ue: UeArgs,
}

/// Runs until `quit`, the end of the commands, Ctrl-C or the duration.
///
/// # Errors
/// As for `sidelink ue`, or a peer that the file does not name.
pub fn run(args: LinkArgs) -> anyhow::Result<()> {
    if args.ue.example.is_some() {
        return super::ue::run(args.ue);
    }
    let mut config = args.ue.configuration()?;
    let known: Vec<_> = config.link.iter().map(|link| link.peer.clone()).collect();
    let peer = match (args.peer, &known[..]) {
        (Some(peer), _) if known.contains(&peer) => peer,
        (None, [only]) => only.clone(),
        (asked, _) => {
            let what =
                asked.map_or("which peer?".to_owned(), |peer| format!("no [[link]] has the peer {peer:?}"));
            let remedy = match known.is_empty() {
                true => {
                    "add [[link]] peer = \"NAME\", id = \"0000b2\" and a kd, or a [credential]".to_owned()
                }
                false => format!("--peer {}", known.join(", --peer ")),
            };
            return Err(ConfigError::usage(what, remedy).into());
        }
    };
    for link in config.link.iter_mut().filter(|link| link.peer == peer) {
        link.connect = if args.wait { None } else { link.connect.or(Some(CONNECT)) };
    }
    terminal::print(WORDS)?;
    let console = move |board: Arc<Board>| {
        // a blocked read ends with the program
        std::thread::spawn(move || converse(&peer, &board, std::io::stdin().lock()));
    };
    run_config(&config, None, &args.ue, Some(Box::new(console)))
}

/// Carries out the commands of the lines, until they end.
fn converse(peer: &str, board: &Board, lines: impl BufRead) {
    for line in lines.lines().map_while(Result::ok) {
        let answer = match line.trim().split_once(' ').unwrap_or((line.trim(), "")) {
            ("", _) => continue,
            ("state", "") => Ok(state(peer, &board.fresh())),
            ("say", text) => tell(board, say(peer, text)),
            ("connect", "") => tell(board, act(peer, LinkAction::Connect)),
            ("rekey", "") => tell(board, act(peer, LinkAction::Rekey)),
            ("rekey", "new") => tell(board, act(peer, LinkAction::Reauthenticate)),
            ("release", "") => tell(board, act(peer, LinkAction::Release)),
            ("help" | "?", "") => Ok(WORDS.to_owned()),
            ("quit", "") => break,
            ("wait", seconds) => {
                match seconds.parse::<f64>().ok().and_then(|s| Duration::try_from_secs_f64(s).ok()) {
                    Some(time) => {
                        std::thread::sleep(time);
                        Ok(String::new())
                    }
                    None => Err(anyhow::anyhow!("{seconds:?} is no number of seconds")),
                }
            }
            _ => tell(board, say(peer, line.trim())),
        };
        let text = answer.unwrap_or_else(|why| format!("error: {why}\n"));
        if terminal::print(&text).is_err() {
            break;
        }
    }
    if board.fresh().links.iter().any(|link| link.peer.as_deref() == Some(peer) && link.up) {
        let _ = tell(board, act(peer, LinkAction::Release));
        std::thread::sleep(FAREWELL);
    }
    board.shutdown();
}

fn say(peer: &str, text: &str) -> Command {
    Command::Send { to: format!("link:{peer}"), text: text.to_owned() }
}

fn act(peer: &str, action: LinkAction) -> Command {
    Command::Link { peer: peer.to_owned(), action }
}

fn tell(board: &Board, command: Command) -> anyhow::Result<String> {
    let answer = board.command(command)?;
    let done = answer.recv_timeout(PATIENCE).map_err(|_| CommandError::NoAnswer)?;
    done.map_err(CommandError::Refused)?;
    Ok(String::new())
}

fn state(peer: &str, status: &Status) -> String {
    use std::fmt::Write;
    let Some(link) = status.links.iter().find(|link| link.peer.as_deref() == Some(peer)) else {
        return "no link\n".to_owned();
    };
    let LinkStatus { layer2_id, state, messages, packets, octets, rekeyings, left, round_trip_ms, .. } = link;
    let mut text = format!("link           {peer} ({layer2_id}): {state}\n");
    let since = status.utc_ms.unwrap_or(link.since_ms).saturating_sub(link.since_ms);
    if link.since_ms > 0 {
        let _ = writeln!(text, "since          {:.1} s, {rekeyings} re-keyings", since as f64 / 1e3);
    }
    let _ = writeln!(text, "signalling     {} messages sent, {} believed", messages[0], messages[1]);
    let _ = writeln!(
        text,
        "data           {} packets ({} octets) sent, {} ({}) received",
        packets[0], octets[0], packets[1], octets[1]
    );
    if let Some(left) = left.filter(|_| link.up) {
        let _ = writeln!(text, "counters       {left} sequence numbers left under this session key");
    }
    if let Some([last, least, most]) = round_trip_ms {
        let _ = writeln!(text, "round trip     {last} ms by the last keep-alive, {least} to {most} ms");
    }
    let _ = writeln!(text, "time           {}, carrier offset {:.0}", status.time, status.cfo);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn the_end_of_the_lines_ends_the_ue() {
        let stop = Arc::new(AtomicBool::new(false));
        let (board, panel) = control::board(Arc::clone(&stop));
        converse("john", &board, "\nwait 0\nwait x\nstate\nquit\nnever".as_bytes());
        assert!(stop.load(Ordering::Relaxed));
        drop(panel);
    }

    #[test]
    fn a_link_that_is_not_there_is_said_so() {
        assert_eq!(state("john", &Status::default()), "no link\n");
    }
}
