//! Inputs for a parser: arbitrary bytes, and valid ones with changes that know what they are made of.

use std::fmt;
use std::rc::Rc;

use edgeutils_tests::fuzz::Target;
use proptest::prelude::Rng;
use proptest::strategy::{NewTree, Strategy, ValueTree};
use proptest::test_runner::TestRunner;

const LARGEST: usize = 16 << 10;

/// An input, shown as one would write it in a test.
#[derive(Clone)]
pub(crate) struct Input(pub(crate) Vec<u8>);

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.0.escape_ascii())
    }
}

/// All inputs of a target.
#[derive(Clone, Debug)]
pub(crate) struct Inputs {
    seeds: Rc<Vec<Vec<u8>>>,
    tokens: &'static [&'static str],
}

impl Inputs {
    pub(crate) fn of(target: &Target) -> Inputs {
        Inputs { seeds: Rc::new((target.seeds)()), tokens: target.tokens }
    }

    fn make(&self, dice: &mut Dice) -> Vec<u8> {
        let mut bytes = match dice.below(16) {
            0 => (0..dice.below(200)).map(|_| dice.byte()).collect(),
            1 => (0..dice.below(40)).flat_map(|_| self.token(dice).to_vec()).collect(),
            _ => self.seed(dice).to_vec(),
        };
        // One change most often; many now and then.
        let most = if dice.below(4) == 0 { 8 } else { 2 };
        for _ in 0..=dice.below(most) {
            self.change(&mut bytes, dice);
        }
        bytes.truncate(LARGEST);
        bytes
    }

    fn change(&self, bytes: &mut Vec<u8>, dice: &mut Dice) {
        let at = dice.below(bytes.len() + 1);
        let (from, to) = dice.range(bytes.len());
        match dice.below(12) {
            0 | 1 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
            2 if at < bytes.len() => bytes[at] = dice.byte(),
            3 => bytes.truncate(at),
            4 => drop(bytes.drain(from..to)),
            5 => {
                let again = bytes[from..to].repeat(1 + dice.below(4));
                bytes.splice(at..at, again);
            }
            6 => {
                let other = self.seed(dice);
                let (from, to) = dice.range(other.len());
                bytes.splice(at..at, other[from..to].to_vec());
            }
            7 => {
                let other = self.seed(dice);
                let rest = other[dice.below(other.len() + 1)..].to_vec();
                bytes.splice(at.., rest);
            }
            8 => {
                let (open, close) = (self.token(dice).to_vec(), self.token(dice).to_vec());
                let depth = 1 + dice.below(160);
                bytes.splice(to..to, close.repeat(depth));
                bytes.splice(from..from, open.repeat(depth));
            }
            9 => {
                let piece: Vec<u8> = bytes.drain(from..to).collect();
                let at = at.min(bytes.len());
                bytes.splice(at..at, piece);
            }
            10 => drop(bytes.splice(from..to, self.token(dice).to_vec())),
            _ => drop(bytes.splice(at..at, self.token(dice).to_vec())),
        }
    }

    fn seed(&self, dice: &mut Dice) -> &[u8] {
        &self.seeds[dice.below(self.seeds.len())]
    }

    fn token(&self, dice: &mut Dice) -> &'static [u8] {
        self.tokens[dice.below(self.tokens.len())].as_bytes()
    }
}

/// Numbers at random, by SplitMix64: quick without optimization, where proptest's own are not.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % (end.max(1) as u64)).unwrap()
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }

    /// Short ones most often.
    fn range(&mut self, length: usize) -> (usize, usize) {
        let from = self.below(length + 1);
        let most = if self.below(4) == 0 { length } else { 40 };
        (from, (from + self.below(most + 1)).min(length))
    }
}

impl Strategy for Inputs {
    type Tree = Shrinking;
    type Value = Input;

    fn new_tree(&self, runner: &mut TestRunner) -> NewTree<Self> {
        let bytes = self.make(&mut Dice(runner.rng().next_u64()));
        Ok(Shrinking { size: bytes.len().div_ceil(2), at: 0, tried: bytes.clone(), failing: bytes })
    }
}

/// Makes a failing input smaller: pieces are left out, large ones first.
#[derive(Debug)]
pub(crate) struct Shrinking {
    failing: Vec<u8>,
    tried: Vec<u8>,
    size: usize,
    at: usize,
}

impl Shrinking {
    fn next(&mut self) -> bool {
        while self.at >= self.failing.len() && self.size > 0 {
            self.at = 0;
            self.size /= 2;
        }
        self.tried.clone_from(&self.failing);
        if self.size > 0 {
            self.tried.drain(self.at..self.failing.len().min(self.at + self.size));
        }
        self.size > 0
    }
}

impl ValueTree for Shrinking {
    type Value = Input;

    fn current(&self) -> Input {
        Input(self.tried.clone())
    }

    fn simplify(&mut self) -> bool {
        self.failing.clone_from(&self.tried);
        self.next()
    }

    fn complicate(&mut self) -> bool {
        self.at += self.size;
        self.next()
    }
}
