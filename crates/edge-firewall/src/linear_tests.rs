//! Tests that work grows linearly with the number of rules, of any owner.

use std::fmt::Write;
use std::time::Duration;

use crate::owned::{Owned, Placed};
use crate::owner::{Name, Owner, Shared};
use crate::save::Save;
use crate::script::script;

/// Ten times the input may take this many times as long; quadratic work would take a hundred times.
const TIMES: u32 = 40;
/// An upper bound for any machine: quadratic work took a second for 20,000 rules in a release build.
const BOUND: Duration = Duration::from_secs(5);

/// The processor time of this thread in nanoseconds is the first of three figures.
const ON_CPU: &str = "/proc/thread-self/schedstat";

fn on_cpu() -> Duration {
    let text = std::fs::read_to_string(ON_CPU).unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}

/// The best processor time of three runs, which does not depend on other load.
fn time(mut work: impl FnMut()) -> Duration {
    let once = |work: &mut dyn FnMut()| {
        let start = on_cpu();
        work();
        on_cpu().saturating_sub(start)
    };
    (0..3).map(|_| once(&mut work)).min().unwrap().max(Duration::from_millis(2))
}

#[track_caller]
fn is_linear(what: &str, input: impl Fn(usize) -> String, work: impl Fn(&str)) {
    let (small, large) = (input(300), input(3_000));
    let (few, many) = (time(|| work(&small)), time(|| work(&large)));
    assert!(many < few * TIMES && many < BOUND, "{what}: {few:?} for 300, {many:?} for 3,000");
}

fn owner() -> Owner {
    let name = |name: &str| Name::Exactly(name.to_owned());
    Owner { chains: vec![name("OWN"), Name::Beginning("OWN-".to_owned())], ..Owner::default() }
}

/// Finds, removes and restores what the owner has in a save.
fn all_ways(text: &str, owner: &Owner) {
    let save = Save::parse(text).unwrap();
    let table = save.table("nat");
    let now = Owned::of(table, owner);
    assert!(now.same(&now) && script("nat", table, owner, &now).is_none());
    let count = now.chains.len() + now.chains.iter().map(|chain| chain.rules.len()).sum::<usize>() + now.placed.len();
    assert!(count >= 300, "{count}");
    assert!(script("nat", table, owner, &Owned::default()).unwrap().lines().count() >= now.chains.len());
    assert!(script("nat", None, owner, &now).unwrap().lines().count() > count);
    // In reverse order: every position differs.
    let mut turned = now;
    turned.placed.reverse();
    turned.chains.reverse();
    turned.placed.push(Placed { chain: "OUTPUT".into(), position: None, rule: "-j OWN".into(), counters: None });
    assert!(script("nat", table, owner, &turned).is_some());
}

fn table(count: usize, chains: impl Fn(usize) -> String, rules: impl Fn(usize) -> String) -> String {
    let mut text = "*nat\n:OUTPUT ACCEPT [0:0]\n".to_owned();
    (0..count).for_each(|number| text += &chains(number));
    (0..count).for_each(|number| text += &rules(number));
    text + "COMMIT\n"
}

#[test]
fn owned_rules_are_found_and_changed_in_linear_time() {
    let none = |_| String::new();
    is_linear(
        "many jumps in one chain",
        |count| table(count, none, |number| format!("[1:2] -A OUTPUT -d 10.0.0.{number} -j OWN\n")),
        |text| all_ways(text, &owner()),
    );
    is_linear(
        "many chains with a jump each",
        |count| {
            table(
                count,
                |number| format!(":OWN-{number} - [0:0]\n:THEIRS-{number} - [0:0]\n"),
                |number| format!("-A OWN-{number} -j RETURN\n-A THEIRS-{number} -j OWN-{number}\n"),
            )
        },
        |text| all_ways(text, &owner()),
    );
    is_linear(
        "equal rules",
        |count| table(count, none, |_| "-A OUTPUT -j OWN\n".to_owned()),
        |text| all_ways(text, &owner()),
    );
}

#[test]
fn owner_with_many_names_comments_and_rules_is_matched_in_linear_time() {
    let rules = |count| {
        table(
            count,
            |number| format!(":CHAIN-{number} - [0:0]\n"),
            |number| {
                format!(
                    "-A OUTPUT -m comment --comment \"mark {number}\" -j CHAIN-{number}\n-A OUTPUT -s 10.0.0.{number} -j RETURN\n"
                )
            },
        )
    };
    let count = |text: &str| text.lines().filter(|line| line.starts_with(':')).count();
    let of = |text: &str, chains: fn(usize) -> Option<Name>, with_comments: bool, with_rules: bool| {
        let all = 0..count(text);
        let pick = |is: bool| all.clone().take_while(move |_| is);
        Owner {
            chains: all.clone().filter_map(chains).collect(),
            comments: pick(with_comments).map(|number| format!("mark {number}")).collect(),
            rules: pick(with_rules).map(|n| ("OUTPUT".to_owned(), format!("-s 10.0.0.{n} -j RETURN"))).collect(),
            ..Owner::default()
        }
    };
    let exactly = |number| Some(Name::Exactly(format!("CHAIN-{number}")));
    let beginning = |number| Some(Name::Beginning(format!("CHAIN-{number}")));
    let like = |number| Some(Name::Like(format!("CHAIN-{number}*").parse().unwrap()));
    is_linear("patterns", rules, |text| all_ways(text, &of(text, like, false, false)));
    is_linear("shared chains", rules, |text| {
        let groups = (0..count(text)).map(|n| Shared { chains: vec![format!("CHAIN-{n}")], ..Shared::default() });
        all_ways(text, &Owner { shared: groups.collect(), ..Owner::default() });
    });
    is_linear("patterns of comments", rules, |text| {
        let patterns = (0..count(text)).map(|number| format!("mark {number}*").parse().unwrap());
        all_ways(text, &Owner { comment_patterns: patterns.collect(), ..Owner::default() });
    });
    is_linear("whole names", rules, |text| all_ways(text, &of(text, exactly, false, false)));
    is_linear("beginnings", rules, |text| all_ways(text, &of(text, beginning, false, false)));
    is_linear("comments", rules, |text| all_ways(text, &of(text, |_| None, true, false)));
    is_linear("rules", rules, |text| all_ways(text, &of(text, |_| None, false, true)));
}

#[test]
fn save_is_parsed_in_linear_time() {
    let repeat = |line: &'static str| move |count: usize| line.repeat(count * 5);
    let read = |text: &str| {
        // It need not be a valid save.
        let _ = Save::parse(text).map(|save| save.to_string());
    };
    is_linear("tables", repeat("*a\nCOMMIT\n"), read);
    is_linear("comments", repeat("# x\n"), read);
    is_linear("quotes", |count| format!("*a\n-A B{}\nCOMMIT\n", " \"c\n\"".repeat(count)), read);
    is_linear("open quotes", |count| format!("*a\n{}", "-A B \"\n".repeat(count * 5)), read);
    is_linear("backslashes", |count| format!("*a\n-A B \"{}\"\nCOMMIT\n", "\\\\".repeat(count * 20)), read);
    let words = |count: usize| {
        let mut rule = String::from("*nat\n-A OUTPUT");
        for number in 0..count {
            // Writing to a String cannot fail.
            let _ = write!(rule, " -m tcp --dport {number}");
        }
        rule + " -j OWN\nCOMMIT\n"
    };
    is_linear("one long rule", words, |text| {
        let save = Save::parse(text).unwrap();
        assert_eq!(Owned::of(save.table("nat"), &owner()).placed.len(), 1);
        assert!(script("nat", save.table("nat"), &owner(), &Owned::default()).is_some());
    });
}

#[test]
fn hundred_thousand_rules_take_less_than_the_bound() {
    let rule = |number| format!("[1:2] -A OUTPUT -d 10.0.0.{number} -m comment --comment \"a b\" -j OWN\n");
    let text = table(100_000, |_| String::new(), rule);
    let save = Save::parse(&text).unwrap();
    let owner = owner();
    let now = Owned::of(save.table("nat"), &owner);
    let read = time(|| assert_eq!(Owned::of(save.table("nat"), &owner).placed.len(), 100_000));
    let made = time(|| assert!(script("nat", None, &owner, &now).is_some()));
    let same = time(|| assert!(script("nat", save.table("nat"), &owner, &now).is_none()));
    // This is a debug build; quadratic work would take minutes.
    assert!(read + made + same < BOUND, "Owned::of {read:?}, script {made:?}, nothing to do {same:?}");
}
