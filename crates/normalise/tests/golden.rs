//! Lines whose patterns are known.

use flightring_normalise::{Masker, Mode, PatternId, RuleError, Rules};

fn check(mode: Mode, cases: &[(&str, &str)]) {
    let masker = Masker::new(mode);
    for (line, pattern) in cases {
        let got = String::from_utf8_lossy(&masker.mask(line.as_bytes())).into_owned();
        assert_eq!(got, *pattern, "{mode} of {line}");
    }
}

#[test]
fn shape() {
    check(
        Mode::Shape,
        &[
            (
                "03-17 16:13:38.936  1702 14638 D PowerManagerService: release:lock=189667585, flg=0x0, \
                 tag=\"*launch*\", name=android\", ws=WorkSource{10113}, uid=1000, pid=1702",
                "Y-Y Y:Y:Y.Y  Y Y Y Y: Y:Y=Y, Y=Y, Y=\"X\", Y=Y\", Y=Y{X}, Y=Y, Y=Y",
            ),
            ("a (b [c] \"d) e", "Y (Y [X] \"Y) Y"),
            ("x () 'y' don't (z) can't", "Y (X) 'X' Y'X'Y"),
            ("", ""),
            ("X", "Y"),
            ("\"\"", "\"X\""),
            ("[[[[]]]]", "[X]"),
            ("([)]", "([X]"),
            (")(", ")("),
            ("a_b é ü1", "Y_Y é üY"),
            ("(a\r\n(b)\r", "(Y\r\n(X)\r"),
            ("nul \0 (\0)", "Y \0 (X)"),
        ],
    );
}

#[test]
fn shape_replaces_each_invalid_byte() {
    let masker = Masker::new(Mode::Shape);
    // A cut sequence, a surrogate, an overlong form, and a byte that never occurs.
    let line = b"a\xe2\x82 \xed\xa0\x80 \xc0\xaf \xff";
    let expected = "Y\u{fffd}\u{fffd} \u{fffd}\u{fffd}\u{fffd} \u{fffd}\u{fffd} \u{fffd}";
    assert_eq!(masker.mask(line), expected.as_bytes());
}

#[test]
fn digits() {
    check(
        Mode::Digits,
        &[
            ("", ""),
            ("0", "#"),
            ("a12b3 4.56", "a#b# #.#"),
            ("#1", "##"),
            ("tail 10\r", "tail #\r"),
            ("1\n2\n", "#\n#\n"),
        ],
    );
}

#[test]
fn tokens() {
    check(
        Mode::Tokens,
        &[
            ("", ""),
            ("a b1c  (d2),e\tf", "a #  #\tf"),
            ("no digits here", "no digits here"),
            ("7", "#"),
            (" 7 \r\nx8", " # \r\n#"),
        ],
    );
}

#[test]
fn typed() {
    check(
        Mode::Typed,
        &[
            (
                "03-17 16:13:38.936  1702 14638 D Pm: lock=189667585, flg=0x0, tag=\"*launch*\"",
                "<date> <time>  <num> <num> D Pm: lock=<num>, flg=<hex>, tag=\"*launch*\"",
            ),
            ("Mar 17 06:25:01 host cron[812]: ok", "<date> <time> host cron[<num>]: ok"),
            ("Mar  7 06:25:01 x", "<date> <time> x"),
            ("[Sun Dec 04 04:47:44 2005] [error]", "[<date> <time> <num>] [error]"),
            (
                "10.0.0.1 - - [17/Mar/2024:16:13:38 +0000] \"GET /a/b.html?x=1&y=2 HTTP/1.1\" 200 12",
                "<ip> - - [<time>] \"GET <path> HTTP/<num>\" <num> <num>",
            ),
            ("2024-03-17T16:13:38.936Z up", "<time> up"),
            ("2024-03-17 16:13:38,936 INFO", "<date> <time> INFO"),
            ("17/06/09 20:10:40 INFO x", "<date> <time> INFO x"),
            ("took 12ms, 4.5% of -3e5", "took <num>ms, <num>% of <num>"),
            ("blk_-1608999687919862906 from /10.250.19.102:54106", "blk_<hex> from /<ip>:<num>"),
            ("peer ::1 and fe80::1ff:fe23:4567:890a.", "peer <ip> and <ip>."),
            ("id 550e8400-e29b-41d4-a716-446655440000!", "id <uuid>!"),
            ("task-550e8400-e29b-41d4-a716-446655440000", "task-<uuid>"),
            ("commit 8f3ae91, trace=4bf92f3577b34da6", "commit <hex>, trace=<hex>"),
            ("at 0x7ffe12 mac aa:bb:cc:00:11:22", "at <hex> mac <hex>"),
            ("mail to ann.lee+x@example.org: sent", "mail to <email>: sent"),
            ("see (https://a.example/x?q=(1,2)&r=3).", "see (<url>)&r=<num>)."),
            ("see https://a.example/x?q=1,2&r=3.", "see <url>."),
            ("open /var/log/app.log: No such file", "open <path>: No such file"),
            ("rm C:\\Temp\\x.txt ./y ../z ~/w", "rm <path> <path> <path> <path>"),
            ("and/or text/html std::string e.g. a:b", "and/or text/html std::string e.g. a:b"),
            ("since 17.03.2024, chrome 12.4.5821", "since <date>, chrome <num>"),
            ("-1608999687919862906 -12 7-8 a-7", "<hex> <num> <num>-<num> a-<num>"),
            ("eth0 worker-17 v1.2.3 k8s", "eth<num> worker-<num> v<num> k<num>s"),
            (
                "10.0.0.1. 1.2.3.4.5 1.2.3.256 01.2.3.4 1.2.3 1.2.3.4x",
                "<ip>. <num> <num> <num> <num> <num>x",
            ),
            ("range 1-5", "range <num>-<num>"),
            ("GET / 200", "GET <path> <num>"),
            ("", ""),
        ],
    );
}

#[test]
fn typed_leaves_huge_tokens_alone() {
    let masker = Masker::new(Mode::Typed);
    let longest = "7.".repeat(2048);
    assert_eq!(masker.mask(longest.as_bytes()), b"<num>.");
    let longer = "7.".repeat(2049);
    assert_eq!(masker.mask(longer.as_bytes()), longer.as_bytes());
}

#[test]
fn rules_come_first_and_the_leftmost_wins() {
    let rules =
        Rules::new([("order", r"ORD-\d+"), ("id", r"\w+-\d+"), ("rest", r"tail.*")]).unwrap();
    let masker = Masker::new(Mode::Typed).with_rules(rules).unwrap();
    assert_eq!(
        masker.mask(b"ORD-12 ab-34 56\ntail 1\nx"),
        b"<order> <id> <num>\n<rest>\nx".to_vec()
    );
    let alone = Rules::new([("n", r"\d+")]).unwrap();
    let masker = Masker::new(Mode::Keep).with_rules(alone).unwrap();
    assert_eq!(masker.mask(b"a1 \xff2"), b"a<n> \xff<n>".to_vec());
}

#[test]
fn bad_rules_are_named() {
    let error = |name: &str, expression: &str| Rules::new([(name, expression)]).unwrap_err();
    assert!(matches!(error("a b", "x"), RuleError::Name(name) if name == "a b"));
    assert!(matches!(error("open", "("), RuleError::Expression { name, .. } if name == "open"));
    assert!(matches!(error("all", "x*"), RuleError::MatchesEmpty { name } if name == "all"));
    assert_eq!(Rules::new::<&str, &str>([]).unwrap_err(), RuleError::None);
    let rules = Rules::new([("a", "a")]).unwrap();
    assert!(Masker::new(Mode::Shape).with_rules(rules).is_err());
}

/// Numbers are kept in files and compared between versions: they must never change.
#[test]
fn the_number_of_a_pattern_is_fixed() {
    assert_eq!(PatternId::of(b"").to_string(), "2d06800538d394c2");
}

#[test]
fn modes_have_names() {
    for mode in Mode::ALL {
        assert_eq!(mode.name().parse::<Mode>().unwrap(), mode);
    }
    assert!("Shape".parse::<Mode>().unwrap_err().to_string().contains("shape, digits"));
}
