//! What a test asks of the machine: rights and tools, small disks, disk images.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// Whether this machine has what the running test needs: `root`, `mount`, `loop devices`, or a tool by its name. Where something is missing the
/// test is to return; that is said on standard error, and under `CI` it fails, so that nothing is left out unnoticed.
#[must_use]
pub(crate) fn can_use(needs: &[&str]) -> bool {
    let missing: Vec<&str> = needs.iter().copied().filter(|need| !is_there(need)).collect();
    if missing.is_empty() {
        return true;
    }
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let missing = missing.join(", ");
    assert!(
        std::env::var_os("CI").is_none(),
        "{test} needs {missing}, and CI is to leave nothing out"
    );
    // Not by `eprintln!`, which is shown for failed tests only.
    writeln!(std::io::stderr(), "left out: {test}: this machine lacks {missing}").ok();
    false
}

fn is_there(need: &str) -> bool {
    match need {
        "root" => fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0),
        // Root in a container may have no right to mount.
        "mount" => on_path("mount") && on_path("umount") && is_there("root") && SmallDisk::try_mount(64).is_some(),
        "faketime" => jumping_clock_library().is_some(),
        "loop devices" => {
            ["losetup", "mkfs.ext4", "mount", "umount"].into_iter().all(on_path) && a_loop_device_is_free()
        }
        tool => on_path(tool),
    }
}

fn on_path(tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // The tools of the system are not on everybody's path.
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .any(|folder| folder.join(tool).is_file())
}

fn a_loop_device_is_free() -> bool {
    quiet("losetup")
        .arg("--find")
        .status()
        .is_ok_and(|status| status.success())
}

/// A tool of the system, silent.
fn quiet(tool: &str) -> Command {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/sbin:/sbin");
    let mut command = Command::new(tool);
    command
        .env("PATH", path)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

#[track_caller]
fn must(command: &mut Command) {
    let output = command.stderr(Stdio::piped()).output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A wall clock of its own for a program, that can be set while it is at work; the monotonic one runs on.
#[derive(Debug)]
pub(crate) struct JumpingClock {
    offset: PathBuf,
}

impl JumpingClock {
    /// Gives it to `command`. To be asked before: `can_use(&["faketime"])`. `offset` is a file that holds what it is off by.
    pub(crate) fn for_program(command: &mut Command, offset: PathBuf) -> JumpingClock {
        let clock = JumpingClock { offset };
        clock.set("+0");
        command
            .env("LD_PRELOAD", jumping_clock_library().expect("`can_use` has looked"))
            .env("FAKETIME_TIMESTAMP_FILE", &clock.offset)
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        clock
    }

    /// Sets it off the machine's by so many seconds, such as `-3600`.
    pub(crate) fn set(&self, seconds: &str) {
        // In one step: the program may be reading it.
        let written = self.offset.with_extension("new");
        fs::write(&written, format!("{seconds}\n")).unwrap();
        fs::rename(&written, &self.offset).unwrap();
    }
}

/// What `faketime` preloads; Debian has it in a folder of the architecture's.
fn jumping_clock_library() -> Option<PathBuf> {
    let folders = fs::read_dir("/usr/lib").ok()?.flatten();
    let libraries = folders.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"));
    libraries.into_iter().find(|library| library.is_file())
}

/// Something mounted on a folder of its own, until it is dropped.
#[derive(Debug)]
pub(crate) struct Mounted {
    // Before the folder, so that a panic in a test cannot have it deleted with the disk in it.
    guard: Unmount,
    _folder: TempDir,
}

#[derive(Debug)]
struct Unmount(PathBuf);

impl Drop for Unmount {
    fn drop(&mut self) {
        // Lazily: a program that the test could not end must not keep the mount for ever.
        let unmounted = quiet("umount").arg(&self.0).status();
        if !unmounted.is_ok_and(|status| status.success()) {
            quiet("umount").arg("--lazy").arg(&self.0).status().ok();
        }
    }
}

impl Mounted {
    fn mount(arguments: &[&str], what: &Path) -> Option<Mounted> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = quiet("mount").args(arguments).arg(what).arg(folder.path()).status();
        mounted.is_ok_and(|status| status.success()).then(|| Mounted {
            guard: Unmount(folder.path().to_owned()),
            _folder: folder,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.guard.0
    }

    /// `remount` with these options: `ro`, `size=1m`, …
    pub(crate) fn remount(&self, options: &str) {
        must(
            quiet("mount")
                .args(["-o", &format!("remount,{options}")])
                .arg(self.path()),
        );
    }
}

/// A disk in memory of a given size.
#[derive(Debug)]
pub(crate) struct SmallDisk;

impl SmallDisk {
    #[track_caller]
    pub(crate) fn of_kib(size: u32) -> Mounted {
        SmallDisk::try_mount(size).expect("`can_use` has tried")
    }

    fn try_mount(size: u32) -> Option<Mounted> {
        let options = format!("size={size}k");
        Mounted::mount(&["-t", "tmpfs", "-o", &options], Path::new("tmpfs"))
    }
}

/// A file that is a disk with ext4 on it. What has not been synced to the disk is not in the file.
#[derive(Debug)]
pub(crate) struct DiskImage {
    file: PathBuf,
}

impl DiskImage {
    pub(crate) fn create(file: PathBuf, mebibytes: u64) -> DiskImage {
        fs::File::create(&file).unwrap().set_len(mebibytes << 20).unwrap();
        must(quiet("mkfs.ext4").args(["-q", "-F"]).arg(&file));
        DiskImage { file }
    }

    /// Mounted so that nothing reaches the disk by the passing of time.
    #[track_caller]
    pub(crate) fn mount(&self) -> Mounted {
        Mounted::mount(&["-o", "loop,commit=600"], &self.file).expect("a disk image can be mounted")
    }

    /// The disk as it is at this moment, whatever is still on its way to it: as after a power cut.
    pub(crate) fn cut(&self, copy: PathBuf) -> DiskImage {
        must(quiet("cp").arg("--sparse=always").arg(&self.file).arg(&copy));
        DiskImage { file: copy }
    }
}
