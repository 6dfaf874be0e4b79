//! Keys in a leg: as tones, and the same key told in several ways.

use super::*;

/// One key as 100 ms of tones, framed.
fn tones_of(key: char) -> Vec<[u8; FRAME]> {
    crate::media::player::tones(&key.to_string())
        .encoded(Law::A)
        .chunks_exact(FRAME)
        .map(|f| f.try_into().expect("a frame"))
        .collect()
}

fn digits(bench: &Bench) -> String {
    bench.events.iter().filter_map(|event| if let Event::Digit(key) = event { Some(*key) } else { None }).collect()
}

/// ATTACKS 40: RFC 4733, in-band and INFO for the same key, in any order of the three.
#[test]
fn a_key_that_is_told_in_three_ways_counts_once() {
    for order in [[0, 3, 9], [9, 0, 3], [3, 12, 0]] {
        let mut bench = Bench::new(5, "198.51.100.1:10000");
        bench.command(Command::Connect(Connect { inband: true, ..connect(PHONE) }));
        let mut phone = Phone { sequence: 7, timestamp: 0, ssrc: 9 };
        for key in ['5', '5', '#', '0'] {
            let mut sender = event::Sender::default();
            assert_eq!(sender.push(&key.to_string()), 0);
            let tones = tones_of(key);
            for tick in 0..40usize {
                let event = (tick >= order[0]).then(|| sender.tick(phone.timestamp, 160)).flatten();
                let packet = match (event, tick.checked_sub(order[1]).and_then(|n| tones.get(n))) {
                    // What is no event is audio: the tones that leak before and after it.
                    (Some(sent), _) => phone.event(sent),
                    (None, Some(frame)) => phone.packet(8, frame),
                    (None, None) => phone.packet(8, &[0xd5; FRAME]),
                };
                bench.receive(PHONE, &packet);
                if tick == order[2] {
                    bench.command(Command::Key(key));
                }
                bench.tick();
            }
        }
        assert_eq!(digits(&bench), "55#0", "{order:?}");
    }
}

#[test]
fn tones_are_keys_only_where_they_may_be() {
    for (inband, wanted) in [(true, "7"), (false, "")] {
        let mut bench = Bench::new(5, "198.51.100.1:10000");
        bench.command(Command::Connect(Connect { inband, events: None, ..connect(PHONE) }));
        let mut phone = Phone { sequence: 7, timestamp: 0, ssrc: 9 };
        for frame in [[0xd5; FRAME]; 5].into_iter().chain(tones_of('7')).chain([[0xd5; FRAME]; 10]) {
            bench.receive(PHONE, &phone.packet(8, &frame));
            bench.tick();
        }
        assert_eq!(digits(&bench), wanted);
    }
}

/// Who listens for speech does not take a key's tones for it.
#[test]
fn a_keys_tones_are_no_speech() {
    let mut bench = Bench::new(5, "198.51.100.1:10000");
    bench.command(Command::Connect(Connect { inband: true, events: None, ..connect(PHONE) }));
    bench.command(Command::Listen { listen: 1, file: PathBuf::from("x.wav"), limits: LIMITS });
    let mut phone = Phone { sequence: 7, timestamp: 0, ssrc: 9 };
    for frame in [[0xd5; FRAME]; 20].into_iter().chain(tones_of('7')).chain([[0xd5; FRAME]; 20]) {
        bench.receive(PHONE, &phone.packet(8, &frame));
        bench.tick();
    }
    assert_eq!(digits(&bench), "7");
    assert!(bench.recorded.is_empty(), "{:?}", bench.recorded);
}
