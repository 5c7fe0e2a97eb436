use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

fn recording(name: &str, samples: usize) -> (PathBuf, PathBuf) {
    let folder = std::env::temp_dir().join(format!("sidelink-file-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(format!("{name}.sigmf-meta"));
    let mut options = WriterOptions::new(1.92e6);
    options.frequency = Some(5.9e9);
    options.start = Some(sidelink_recordings::UtcMicros(5_000_000));
    let mut writer = Writer::create(&path, options).unwrap();
    let samples: Vec<Sample> = (0..samples).map(|n| Sample::new(n as f32, -1.0)).collect();
    writer.write(&samples).unwrap();
    writer.finish().unwrap();
    (path, folder.join(format!("{name}-sent.sigmf-meta")))
}

#[test]
fn a_replay_delivers_every_sample_and_keeps_what_is_sent() {
    let (path, sent) = recording("free", 5000);
    let options = FileRadioOptions { write: Some(sent.clone()), ..FileRadioOptions::default() };
    let radio = Box::new(FileRadio::open(&path, options).unwrap());
    assert_eq!((radio.description().rate, radio.description().frequency), (1.92e6, 5.9e9));
    let mut streams = radio.start().unwrap();
    assert_eq!(streams.anchor.map(|a| a.utc_ns), Some(5_000_000_000));
    let mut into = vec![Sample::default(); 3000];
    assert_eq!(streams.receive.receive(&mut into, PATIENCE).unwrap(), Received { first: 0, count: 3000 });
    assert_eq!(into[2999].re, 2999.0);
    assert_eq!(streams.receive.receive(&mut into, PATIENCE).unwrap(), Received { first: 3000, count: 2000 });
    assert!(matches!(streams.receive.receive(&mut into, PATIENCE), Err(RadioError::Ended)));
    streams.transmit.transmit(2000, &[Sample::new(1.0, 1.0); 10]).unwrap();
    streams.transmit.advance(3000).unwrap();
    streams.transmit.transmit(2900, &[Sample::new(1.0, 1.0); 10]).unwrap();
    assert_eq!(streams.transmit.poll_event(), Some(Event::Late { first: 2900 }));
    drop(streams);
    let mut sent = Recording::open(&sent, &OpenOptions::default()).unwrap();
    assert_eq!(sent.info().length, 2010);
    assert_eq!(sent.read(&mut into).unwrap(), 2010);
    assert!(into[..2000].iter().all(|s| s.norm() == 0.0) && into[2000..2010].iter().all(|s| s.re == 1.0));
}

#[test]
fn a_replay_gives_as_many_antennas_as_the_recording_has_channels() {
    let (path, _) = recording("antennas", 10);
    let mut options = WriterOptions::new(1.92e6);
    options.channels = 3;
    let mut writer = Writer::create(&path, options).unwrap();
    let samples: Vec<Vec<Sample>> =
        (0..3).map(|c| (0..4000).map(|n| Sample::new(n as f32, c as f32)).collect()).collect();
    writer.write_channels(&samples.iter().map(Vec::as_slice).collect::<Vec<_>>()).unwrap();
    writer.finish().unwrap();
    let open = |options| FileRadio::open(&path, options);
    let radio = Box::new(open(FileRadioOptions::default()).unwrap());
    assert_eq!(radio.description().antennas.count(), 3);
    let mut receive = radio.start().unwrap().receive;
    let mut buffers = vec![vec![Sample::default(); 1000]; 3];
    for (turn, taken) in [3, 1, 2].into_iter().enumerate() {
        let got =
            receive.receive_antennas(&mut crate::slices(&mut buffers, 1000)[..taken], PATIENCE).unwrap();
        assert_eq!((got.first, got.count), (1000 * turn as u64, 1000));
        let expected = |n| Sample::new((1000 * turn + n) as f32, taken as f32 - 1.0);
        assert_eq!(buffers[taken - 1][999], expected(999), "{taken}");
    }
    let two = Antennas::new(2);
    let radio = open(FileRadioOptions { antennas: two, ..FileRadioOptions::default() }).unwrap();
    assert_eq!(Some(radio.description().antennas), two);
    let radio = Box::new(open(FileRadioOptions { channel: Some(2), ..FileRadioOptions::default() }).unwrap());
    assert_eq!(radio.description().antennas, Antennas::ONE);
    radio.start().unwrap().receive.receive(&mut buffers[0], PATIENCE).unwrap();
    assert_eq!(buffers[0][7], Sample::new(7.0, 2.0));
    let four = FileRadioOptions { antennas: Antennas::new(4), ..FileRadioOptions::default() };
    let error = open(four).err().unwrap().to_string();
    assert!(error.contains("has 3 channels, and 4 antennas are asked for"), "{error}");
}

#[test]
fn a_replay_in_real_time_takes_its_time() {
    let (path, _) = recording("real", 1_920_000 / 10);
    let options = FileRadioOptions { real_time: true, ..FileRadioOptions::default() };
    let mut streams = Box::new(FileRadio::open(&path, options).unwrap()).start().unwrap();
    let begin = Instant::now();
    let mut into = vec![Sample::default(); 96_000];
    assert_eq!(streams.receive.receive(&mut into, Duration::from_millis(1)).unwrap().count, 0);
    assert_eq!(streams.receive.receive(&mut into, PATIENCE).unwrap().count, 96_000);
    // A clock does not run fast, whatever the machine does.
    assert!(begin.elapsed() > Duration::from_millis(45));
    streams.transmit.transmit(10, &into[..5]).unwrap();
    assert_eq!(streams.transmit.poll_event(), Some(Event::Late { first: 10 }));
}

#[test]
fn a_recording_without_a_rate_takes_the_radios_and_a_refusal_says_what_to_do() {
    let (with_rate, _) = recording("refused", 10);
    let folder = with_rate.parent().unwrap();
    let path = folder.join("nameless.cf32");
    std::fs::write(&path, [0; 80]).unwrap();
    let name = path.display();
    let open = |path: &Path, rate| {
        let options = FileRadioOptions { rate, ..FileRadioOptions::default() };
        FileRadio::open(path, options).map(|radio| radio.description().rate).map_err(|e| e.to_string())
    };
    assert_eq!(open(&path, Some(3.84e6)), Ok(3.84e6));
    assert_eq!(open(&with_rate, Some(3.84e6)), Ok(1.92e6));
    let unknown = format!(
        "cannot replay {name}: the sample rate is unknown; {name}; give --rate (such as 15.36M) or --prb (such as 50): \
         check the recording"
    );
    assert_eq!(open(&path, None), Err(unknown));
    let outside = format!(
        "cannot replay {name}: 5 samples a second; {name} rate; samples a second, such as 15.36M: check the recording"
    );
    assert_eq!(open(&path, Some(5.0)), Err(outside));
    let absent = open(&folder.join("absent.cf32"), None).unwrap_err();
    assert!(absent.starts_with("cannot replay ") && absent.ends_with(": check the recording"), "{absent}");
}
