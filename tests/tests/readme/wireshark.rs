//! Captures of our own examples in Wireshark, with the dissector as it is installed: nothing is malformed, and metadata have fields.

use super::shell::{Folder, Terminal};
use libtest_mimic::{Failed, Trial};
use std::path::Path;
use std::process::Command;

/// Makes captures of every example and of the project's own recordings.
const CAPTURES: &str = "
sidelink wireshark install
for example in d2d v2x; do
    sidelink generate --example=$example > $example.toml
    sidelink generate -c $example.toml -w $example
    sidelink decode $example.sigmf-meta --pcap $example.pcap -F json:$example.jsonl
done
sidelink generate --example=protected > protected.toml
sed -n 's/^#   \\(sidelink keys .*\\)/\\1/p' protected.toml > keys.sh && sh -e keys.sh
sidelink generate -c protected.toml --keys keys -w protected
sidelink decode protected.sigmf-meta --keys keys --pcap protected.pcap -F json:protected.jsonl
for sample in $SAMPLES/*.sigmf-meta; do
    sidelink decode $sample --pcap $(basename $sample .sigmf-meta).pcap -F json:sample.jsonl
done
";

/// Prints what is wrong with each capture, and some fields of all.
const FIELDS: &str = "
for capture in *.pcap; do
    tshark -C sidelink -r $capture -Y '_ws.malformed || sidelink.malformed || _ws.lua.error' | sed \"s/^/malformed: $capture /\"
    tshark -C sidelink -r $capture -T fields -e frame.protocols -e sidelink.prb -e sidelink.snr -e sidelink.cfo -e sidelink.mcs \\
        -e sidelink.source -e _ws.col.Source -e sidelink.sci.format -e _ws.col.Info | sed \"s/^/$capture\\t/\"
done
";

pub(crate) fn trials() -> Vec<Trial> {
    vec![Trial::test("no capture of an example is malformed", no_capture_is_malformed)]
}

fn no_capture_is_malformed() -> Result<(), Failed> {
    if !Command::new("tshark").arg("--version").output().is_ok_and(|output| output.status.success()) {
        if std::env::var_os("SIDELINK_TSHARK").is_some() {
            return Err("SIDELINK_TSHARK is set, and tshark is not on the path".into());
        }
        eprintln!("SKIPPED: no tshark (apt-get install tshark)");
        return Ok(());
    }
    let folder = Folder::new("wireshark")?;
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../recordings/samples");
    let captures = format!("SAMPLES={}\n{CAPTURES}", samples.display());
    Terminal::open(&folder, &folder.work(), &captures)?.wait()?;
    let printed = Terminal::open(&folder, &folder.work(), FIELDS)?.wait()?;
    if let Some(line) =
        printed.lines().find(|line| line.starts_with("malformed:") || line.contains("Lua Error"))
    {
        return Err(line.into());
    }
    let rows: Vec<Vec<&str>> =
        printed.lines().map(|line| line.split('\t').collect()).filter(|row: &Vec<_>| row.len() > 9).collect();
    let count = |of: &dyn Fn(&Vec<&str>) -> bool| rows.iter().filter(|row| of(row)).count();
    let number = |text: &str| text.parse::<f64>().ok();
    for (what, found) in [
        ("SCI of format 0", count(&|row| row[0] == "d2d.pcap" && row[8] == "0" && row[9].contains("I_TRP"))),
        (
            "SCI of format 1",
            count(&|row| row[0] == "v2x.pcap" && row[8] == "1" && row[9].contains("priority 3")),
        ),
        (
            "blocks at PRB 2 with an SNR",
            count(&|row| row[2] == "2" && number(row[3]).is_some_and(|snr| snr > 5.0)),
        ),
        ("source beside its column", count(&|row| row[6] == "0x0000a1" && row[7] == "0000a1")),
        ("MAC PDUs of the group", count(&|row| row[0] == "protected.pcap" && row[1].contains("mac-lte"))),
    ] {
        if found == 0 {
            let some = rows.iter().take(40).map(|row| row.join(" | ")).collect::<Vec<_>>().join("\n");
            return Err(format!("no {what}:\n{some}").into());
        }
    }
    Ok(())
}
