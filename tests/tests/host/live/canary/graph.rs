//! A random graph of mounts, the same for the same seed.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};

pub(super) const WORLD: &str = "/mnt/world";
/// What is removed.
pub(super) const ROOT: &str = "/mnt/world/root";
/// What stays.
pub(super) const OUT: &str = "/mnt/world/out";
/// Below the root; the graph mounts nothing there.
pub(super) const NOISE: &str = "noise/a";
pub(super) const NONE: Option<&str> = None;

const OUT_DIRS: [&str; 5] = ["", "home", "data", "data/sub", "data/sub/deep"];
const NAMES: [&str; 9] = ["v", "a b", "tab\tx", "line\nbreak", "back\\slash", "#", "\\040", "ü", "w"];
const PROPAGATION: [MsFlags; 4] = [MsFlags::MS_SHARED, MsFlags::MS_SLAVE, MsFlags::MS_PRIVATE, MsFlags::MS_UNBINDABLE];
const MOST_STEPS: u64 = 14;

pub(super) struct Graph {
    state: u64,
    /// Where something is mounted in the root, but for the dead servers.
    points: Vec<PathBuf>,
    /// What was done, for a message.
    pub(super) steps: Vec<String>,
    servers: Vec<File>,
}

impl Graph {
    pub(super) fn new(seed: u64) -> Graph {
        let state = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Graph { state, points: Vec::new(), steps: Vec::new(), servers: Vec::new() }
    }

    /// Makes the world and the graph.
    pub(super) fn make(&mut self) {
        fs::create_dir_all(WORLD).unwrap();
        mount(Some("world"), WORLD, Some("tmpfs"), MsFlags::empty(), Some("size=16m,mode=755")).unwrap();
        for dir in OUT_DIRS {
            fs::create_dir_all(Path::new(OUT).join(dir)).unwrap();
            fs::write(Path::new(OUT).join(dir).join("file"), format!("whole {dir}")).unwrap();
        }
        fs::create_dir_all(Path::new(ROOT).join(NOISE)).unwrap();
        fs::write(Path::new(ROOT).join("own"), "own").unwrap();
        // Most hosts share all mounts.
        if self.below(3) > 0 {
            self.spread(Path::new(WORLD), MsFlags::MS_SHARED | MsFlags::MS_REC);
        }
        for _ in 0..3 + self.below(MOST_STEPS - 3) {
            self.step();
        }
    }

    fn step(&mut self) {
        let source = Path::new(OUT).join(OUT_DIRS[self.index(OUT_DIRS.len())]);
        match self.below(12) {
            0..=2 => {
                let to = self.place();
                let is_deep = self.below(2) == 0;
                self.bind(&source, &to, is_deep);
            }
            3 => {
                // On what is mounted already.
                if let Some(to) = self.point() {
                    let is_deep = self.below(2) == 0;
                    self.bind(&source, &to, is_deep);
                }
            }
            4 => {
                // On a directory above others.
                if let Some(above) = self.point().and_then(|point| Some(point.parent()?.to_path_buf())) {
                    self.cover(&above);
                }
            }
            5 | 6 => {
                let to = self.place();
                self.tmpfs(&to);
                self.points.push(to);
            }
            7 => self.bind_file(&source.join("file")),
            8 => {
                let kind = PROPAGATION[self.index(PROPAGATION.len())];
                let deep = if self.below(2) == 0 { MsFlags::MS_REC } else { MsFlags::empty() };
                let place = if self.below(2) == 0 { Some(source) } else { self.point() };
                place.into_iter().for_each(|place| self.spread(&place, kind | deep));
            }
            9 | 10 => {
                // The host mounts a disk.
                self.tmpfs(&source);
                let _ = fs::write(source.join("disk"), "whole");
                for dir in ["sub", "deep"] {
                    let _ = fs::create_dir(source.join(dir));
                }
            }
            _ => self.dead_server(),
        }
    }

    /// A new directory in the root: in its own file system, or in what is mounted there.
    fn place(&mut self) -> PathBuf {
        let base = match self.point() {
            Some(point) if self.below(2) == 0 => {
                let inner = ["home", "data", "data/sub", "deep"][self.index(4)];
                if point.join(inner).is_dir() {
                    return point.join(inner);
                }
                PathBuf::from(ROOT)
            }
            _ => Path::new(ROOT).join(format!("pods/{}", self.below(3))),
        };
        let place = base.join(NAMES[self.index(NAMES.len())]);
        let _ = fs::create_dir_all(&place);
        place
    }

    fn point(&mut self) -> Option<PathBuf> {
        let at = if self.points.is_empty() { 0 } else { self.index(self.points.len()) };
        self.points.get(at).cloned()
    }

    fn bind(&mut self, source: &Path, to: &Path, is_deep: bool) {
        if bind(source, to, is_deep) {
            self.points.push(to.to_path_buf());
            self.told(if is_deep { "rbind" } else { "bind" }, &[source, to]);
        }
    }

    fn bind_file(&mut self, source: &Path) {
        let to = Path::new(ROOT).join(format!("file{}", self.below(3)));
        let _ = File::create(&to);
        if bind(source, &to, false) {
            self.told("bind", &[source, &to]);
        }
    }

    /// Not on the root itself and what is above it.
    fn cover(&mut self, dir: &Path) {
        if dir != Path::new(ROOT) && dir.starts_with(ROOT) {
            self.tmpfs(dir);
            self.points.push(dir.to_path_buf());
        }
    }

    fn tmpfs(&mut self, to: &Path) {
        if mount(Some("disk"), to, Some("tmpfs"), MsFlags::empty(), Some("size=1m")).is_ok() {
            self.told("tmpfs", &[to]);
        }
    }

    fn spread(&mut self, place: &Path, kind: MsFlags) {
        if mount(NONE, place, NONE, kind, NONE).is_ok() {
            self.told(&format!("{kind:?}"), &[place]);
        }
    }

    /// On a directory of the root's own file system, so that nothing outside has it.
    fn dead_server(&mut self) {
        let to = Path::new(ROOT).join(format!("dead{}", self.steps.len()));
        let Ok(server) = File::options().read(true).write(true).open("/dev/fuse") else { return };
        let options = format!("fd={},rootmode=40000,user_id=0,group_id=0", server.as_raw_fd());
        if fs::create_dir(&to).is_ok()
            && mount(Some("dead"), &to, Some("fuse"), MsFlags::empty(), Some(options.as_str())).is_ok()
        {
            self.servers.push(server);
            self.told("fuse", &[&to]);
        }
    }

    fn told(&mut self, verb: &str, places: &[&Path]) {
        let places: Vec<String> = places.iter().map(|place| format!("{place:?}")).collect();
        self.steps.push(format!("{verb} {}", places.join(" ")));
    }

    fn index(&mut self, count: usize) -> usize {
        usize::try_from(self.below(count as u64)).unwrap()
    }

    /// A number below another (splitmix64).
    fn below(&mut self, end: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        umount2(WORLD, MntFlags::MNT_DETACH).unwrap();
    }
}

/// Whether it could be bound.
pub(super) fn bind(source: &Path, to: &Path, is_deep: bool) -> bool {
    let deep = if is_deep { MsFlags::MS_REC } else { MsFlags::empty() };
    mount(Some(source), to, NONE, MsFlags::MS_BIND | deep, NONE).is_ok()
}
