//! Random documents and edits, judged without looking at how the edit is made.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod edits;
mod judge;
mod trees;
mod write;

use edge_yaml::{Document, Edit, Error, Mapping, Path, Step};
use edits::{aim, expect, follow, lookup, new_value};
use judge::{comments, extent, outside, read};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::FileFailurePersistence;
use trees::document;
use write::{form, write};

proptest! {
    #![proptest_config(ProptestConfig { cases: 1600, max_shrink_iters: 20000, failure_persistence: Some(Box::new(FileFailurePersistence::Direct("proptest-regressions/random.txt"))), ..ProptestConfig::default() })]

    #[test]
    fn an_edit_changes_one_entry(tree in document(), form in form(), aim in aim(), new in prop::option::weighted(0.7, new_value())) {
        let text = write(&tree, &form);
        let before = read(&text);
        let document = Document::parse(&text).unwrap_or_else(|e| panic!("{text}\n{e}"));
        prop_assert_eq!(document.value(), &before[0]);
        let path = follow(&before[0], &aim);
        let old = lookup(&before[0], path.steps());
        let shared = matches!(&path.steps()[0], Step::Key(key) if key.starts_with('z'));
        if !shared {
            prop_assert_eq!(document.get(&path), old.cloned());
        }
        prop_assert_eq!(document.position(&path).is_some(), old.is_some());
        let edit = match &new {
            Some(value) => Edit::Set { path: path.clone(), value: value.clone() },
            None => Edit::Unset { path: path.clone() },
        };
        let edits = [edit];
        let edited = match document.apply(&edits) {
            Ok(edited) => edited,
            Err(Error::Refused { reason, .. }) if shared && reason.contains("alias") => return Ok(()),
            Err(Error::Refused { reason, .. }) if shared && reason.contains("merge key") => return Ok(()),
            Err(e) => panic!("{text}\n{path}: {e}"),
        };
        // (a) It reads as expected; removing an absent value changes nothing.
        let mut expected = before.clone();
        if new.is_some() || old.is_some() {
            expected[0] = expect(&before[0], path.steps(), new.as_ref());
        }
        prop_assert_eq!(read(&edited.text), expected, "{}", edited.text);
        // (b) Nothing outside the entry is touched: the lines that differ are those of the entry,
        // of its key, or next to the place of a new one.
        if !form.crlf {
            prop_assert!(!edited.text.contains('\r'));
        } else if text.contains('\n') {
            prop_assert_eq!(edited.text.matches('\n').count(), edited.text.matches("\r\n").count());
        }
        let (first, last) = outside(&text, &edited.text);
        let gone: Vec<&str> = text.split_inclusive('\n').skip(first).take(last - first).collect();
        let (all, left) = (comments(&text), comments(&edited.text));
        let lost: Vec<&&str> = all.iter().filter(|c| !left.contains(c)).collect();
        prop_assert!(left.iter().all(|c| all.contains(c)));
        if edited.text == text {
            prop_assert!(edited.changes.is_empty());
        } else if old.is_none() {
            prop_assert!(lost.is_empty(), "{lost:?}");
            // An empty parent may lose its `{}` or `~`; a new entry touches no other line but the
            // last one without a line end.
            prop_assert!(gone.len() <= 1, "{gone:?}");
        } else {
            let place = document.position(&path).unwrap();
            let lines = text.split_inclusive('\n').count();
            let (low, high) = extent(&text, &path, &document, lines);
            prop_assert!(first >= lines.min(low.min(place.line) - 1) && last <= high, "{place:?} {low}..{high}, changed {first}..{last}\n{text}\n---\n{}", edited.text);
            if new.as_ref().is_some_and(|v| !v.is_sequence() && !v.is_mapping())
                && old.is_some_and(|v| !v.is_sequence() && !v.is_mapping())
            {
                prop_assert!(lost.is_empty(), "{lost:?}");
            }
        }
        // (c) Once more is nothing.
        let again = Document::parse(&edited.text).unwrap();
        let same = new.is_some() || !matches!(path.steps().last(), Some(Step::Index(_)));
        let appended = matches!(path.steps().last(), Some(Step::Index(_))) && old.is_none();
        if same || appended {
            let again = again.apply(&edits).unwrap();
            prop_assert_eq!(&again.text, &edited.text);
            prop_assert!(again.changes.is_empty());
        }
    }

    /// Several edits in one call end like the same edits one by one.
    #[test]
    fn many_edits_are_made_in_order(tree in document(), form in form(), aims in prop::collection::vec((aim(), prop::option::weighted(0.7, new_value())), 2..5)) {
        let text = write(&tree, &form);
        let mut value = read(&text)[0].clone();
        let mut edits = Vec::new();
        let mut one_by_one = text.clone();
        for (aim, new) in &aims {
            if value.as_mapping().is_none_or(Mapping::is_empty) { break; }
            let path = follow(&value, aim);
            if matches!(&path.steps()[0], Step::Key(key) if key.starts_with('z')) { continue; }
            if new.is_some() || lookup(&value, path.steps()).is_some() {
                value = expect(&value, path.steps(), new.as_ref());
            }
            edits.push(match new {
                Some(value) => Edit::Set { path, value: value.clone() },
                None => Edit::Unset { path },
            });
            one_by_one = Document::parse(&one_by_one).unwrap().apply(&edits[edits.len() - 1..])
                .unwrap_or_else(|e| panic!("{one_by_one}\n{edits:?}\n{e}")).text;
        }
        let edited = Document::parse(&text).unwrap().apply(&edits).unwrap_or_else(|e| panic!("{text}\n{edits:?}\n{e}"));
        prop_assert_eq!(&read(&edited.text)[0], &value);
        // The texts may differ: one by one, the habits followed are those of the text in between.
        prop_assert_eq!(&read(&one_by_one)[0], &value);
        // Where the edits take each other back, nothing is lost on the way.
        let kept = if edited.changes.is_empty() { &text } else { &one_by_one };
        prop_assert_eq!(comments(&edited.text), comments(kept));
    }

    /// Any text is edited or refused; never a panic, and what is handed out is proven.
    #[test]
    fn any_text(text in "([ab]: |- |\\{|\\}|\\[|\\]|,|:|#| #|&x |\\*x|\"|'|\\||>|~|\n|\r\n|\n  |\n    |\t| |\\?|!t |<<: |---\n|\\.\\.\\.\n|é|%|1){0,24}", path in select(vec!["a", "a.b", "[0]", "a[0]", "b", "a.a.a"]), new in prop::option::of(new_value())) {
        let Ok(document) = Document::parse(&text) else { return Ok(()) };
        let path: Path = path.parse().unwrap();
        let _ = (document.get(&path), document.position(&path), document.duplicates(), document.refused_version());
        // These scalars are the same in YAML 1.1.
        prop_assert_eq!(&document.as_go(), &*document.merged(), "{:?}", text);
        let edit = match new {
            Some(value) => Edit::Set { path: path.clone(), value },
            None => Edit::Unset { path: path.clone() },
        };
        if let Ok(edited) = document.apply(std::slice::from_ref(&edit)) {
            let after = Document::parse(&edited.text);
            prop_assert!(after.is_ok(), "{text:?} {edited:?} {after:?}");
            if let Edit::Set { value, .. } = edit {
                prop_assert_eq!(after.unwrap().get(&path), Some(value));
            }
        }
    }
}
