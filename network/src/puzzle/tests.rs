use proptest::prelude::*;

use super::*;

const NOW: UtcTime = UtcTime::from_millis(1_785_000_000_000);
const UE: &str = "001010000000001";

fn puzzles(parts: u8, bits: u8) -> Puzzles {
    Puzzles::new(&[7; 32], Difficulty::new(parts, bits).unwrap())
}

#[test]
fn the_default_is_twenty_bits_of_work() {
    assert_eq!(Difficulty::default().work(), 1 << 20);
    let puzzles = Puzzles::new(&[7; 32], Difficulty::default());
    let (solution, hashes) = puzzles.challenge(UE, NOW).solve().unwrap();
    // Sixteen parts: the sum is within a factor of two but once in some thousand.
    assert!((1 << 19..1 << 21).contains(&hashes), "{hashes}");
    assert_eq!(puzzles.check(UE, &solution.to_string(), NOW.plus_millis(LIFETIME - 1)), Ok(NOW));
}

#[test]
fn a_solution_is_of_one_identity_one_time_one_difficulty_and_one_server() {
    let puzzles = puzzles(4, 8);
    let challenge = puzzles.challenge(UE, NOW);
    let (solution, _) = challenge.solve().unwrap();
    let text = solution.to_string();
    assert_eq!(puzzles.check(UE, &text, NOW), Ok(NOW));
    let wrong = Err(Unsolved::Wrong);
    assert_eq!(puzzles.check("001010000000002", &text, NOW), wrong, "another identity");
    let later = text.replace("1785000000000", "1785000000001");
    assert_eq!(puzzles.check(UE, &later, NOW.plus_millis(1)), wrong, "another time");
    assert_eq!(Puzzles::new(&[8; 32], challenge.difficulty).check(UE, &text, NOW), wrong, "another server");
    let harder = Puzzles::new(&[7; 32], Difficulty::new(4, 9).unwrap());
    assert_eq!(harder.check(UE, &text, NOW), wrong, "another difficulty");
    assert_eq!(puzzles.check(UE, &text[..text.len() - 8], NOW), wrong, "a part is missing");
    assert_eq!(puzzles.check(UE, &text, NOW.plus_millis(LIFETIME)), Err(Unsolved::Expired));
    let before = UtcTime::from_millis(NOW.millis() - 1);
    assert_eq!(puzzles.check(UE, &text, before), Err(Unsolved::Expired), "of the future");
}

#[test]
fn every_part_counts() {
    let puzzles = puzzles(4, 8);
    let challenge = puzzles.challenge(UE, NOW);
    let (solution, _) = challenge.solve().unwrap();
    for part in 0..4 {
        let mut wrong = solution.clone();
        // The first nonce that fits was taken: the one before does not.
        wrong.nonces[part] = wrong.nonces[part].wrapping_sub(1);
        assert_eq!(puzzles.check(UE, &wrong.to_string(), NOW), Err(Unsolved::Wrong), "part {part}");
    }
}

#[test]
fn texts_say_what_is_wrong_with_them() {
    let challenge = puzzles(16, 16).challenge(UE, NOW);
    let text = challenge.to_string();
    assert_eq!(text.parse(), Ok(challenge));
    for (text, wrong) in [
        ("", Malformed::Form),
        ("sha256-2 1 1 1 00112233445566778899aabbccddeeff", Malformed::Form),
        ("sha256-1 1 1 1 00112233445566778899aabbccddeeff ", Malformed::Form),
        ("sha256-1 x 1 1 00112233445566778899aabbccddeeff", Malformed::Time),
        ("sha256-1 1 65 1 00112233445566778899aabbccddeeff", Malformed::Difficulty),
        ("sha256-1 1 1 0 00112233445566778899aabbccddeeff", Malformed::Difficulty),
        ("sha256-1 1 1 33 00112233445566778899aabbccddeeff", Malformed::Difficulty),
        ("sha256-1 1 1 1 00112233445566778899aabbccddee", Malformed::Digits),
    ] {
        assert_eq!(text.parse::<Challenge>(), Err(wrong), "{text}");
        assert!(!wrong.to_string().is_empty());
    }
    for text in ["sha256-1 1 ", "sha256-1 1 0011223", "sha256-1 1 zzzzzzzz"] {
        assert_eq!(text.parse::<Solution>(), Err(Malformed::Digits), "{text}");
    }
    assert!(format!("sha256-1 1 {}", "0".repeat(64 * 8)).parse::<Solution>().is_ok());
    assert!(format!("sha256-1 1 {}", "0".repeat(65 * 8)).parse::<Solution>().is_err());
    assert!(!format!("{:?}", puzzles(1, 1)).contains("secret"));
}

proptest! {
    #[test]
    fn any_text_is_refused_or_read(text: String, words in proptest::collection::vec("[0-9a-f]{0,40}", 0..6)) {
        let puzzles = puzzles(1, 8);
        let made = format!("{FORM} {}", words.join(" "));
        for text in [text, made] {
            let _ = text.parse::<Challenge>();
            if let Ok(solution) = text.parse::<Solution>() {
                prop_assert_eq!(solution.to_string().parse(), Ok(solution));
            }
            prop_assert!(puzzles.check(UE, &text, UtcTime::from_millis(u64::MAX)).is_err());
        }
    }

    #[test]
    fn what_is_solved_is_right(at: u32, parts in 1_u8..=8, bits in 1_u8..=6, identity: String) {
        let (now, puzzles) = (UtcTime::from_millis(u64::from(at)), puzzles(parts, bits));
        let challenge: Challenge = puzzles.challenge(&identity, now).to_string().parse().unwrap();
        if let Some((solution, _)) = challenge.solve() {
            prop_assert_eq!(puzzles.check(&identity, &solution.to_string(), now), Ok(now));
        }
    }
}
