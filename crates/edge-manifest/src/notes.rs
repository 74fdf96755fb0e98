//! Notes about objects: each topic is printed once, with the names of the objects that it is about.

use std::collections::HashMap;

/// Names that are listed before "and N more".
const SHOWN: usize = 5;

/// Notes in the order of their first object.
#[derive(Debug, Default)]
pub struct Notes {
    topics: Vec<Topic>,
    by_text: HashMap<String, usize>,
}

#[derive(Debug, Default)]
struct Topic {
    text: String,
    /// The first objects.
    titles: Vec<String>,
    count: usize,
}

impl Notes {
    /// Adds an object to a topic: `OBJECT, OBJECT: TEXT`.
    pub fn about(&mut self, text: impl Into<String>, title: &str) {
        let topic = self.topic(text.into());
        topic.count += 1;
        if topic.titles.len() < SHOWN {
            topic.titles.push(title.to_owned());
        }
    }

    /// A note about all of the input.
    pub fn add(&mut self, text: impl Into<String>) {
        self.topic(text.into());
    }

    fn topic(&mut self, text: String) -> &mut Topic {
        let at = *self.by_text.entry(text.clone()).or_insert(self.topics.len());
        if at == self.topics.len() {
            self.topics.push(Topic { text, ..Topic::default() });
        }
        &mut self.topics[at]
    }

    /// Their texts.
    pub fn texts(&self) -> Vec<String> {
        self.topics.iter().map(Topic::shown).collect()
    }
}

impl Topic {
    fn shown(&self) -> String {
        if self.titles.is_empty() {
            return self.text.clone();
        }
        let more = self.count - self.titles.len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("{}{more}: {}", self.titles.join(", "), self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_name_a_topic_once_with_the_first_objects() {
        let mut notes = Notes::default();
        (0..7).for_each(|number| notes.about("left", &format!("DaemonSet {number}")));
        notes.about("other", "DaemonSet 3");
        notes.add("all");
        notes.add("all");
        assert_eq!(
            notes.texts(),
            [
                "DaemonSet 0, DaemonSet 1, DaemonSet 2, DaemonSet 3, DaemonSet 4 and 2 more: left",
                "DaemonSet 3: other",
                "all"
            ]
        );
    }
}
