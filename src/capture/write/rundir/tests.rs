//! Whose directory is whose, and what is refused.

use super::*;

fn identity(group_started: u64) -> Identity {
    let started = Some(SystemTime::now());
    Identity { pid: 10, group: 9, host: "node1".into(), rank: Some(3), time: 77, started, group_started }
}

fn options(output: &Path) -> Options {
    Options { output: output.display().to_string(), ..Options::default() }
}

#[test]
fn patterns_are_expanded() {
    assert_eq!(identity(0).expand("a-%h-%p-%g-%r-%t-%%-%x-%"), "a-node1-10-9-3-77-%-%x-%");
}

#[test]
fn processes_of_one_run_share_a_directory_and_the_next_run_gets_another() {
    let root = tempfile::tempdir().unwrap();
    let options = options(&root.path().join("deep/out"));
    let first = open(&options, &identity(1)).unwrap();
    assert_eq!(open(&options, &Identity { pid: 11, ..identity(1) }).unwrap().path, first.path);
    let second = open(&options, &identity(2)).unwrap();
    assert_eq!(second.path.file_name().unwrap(), "out-2");
}

#[test]
fn who_started_after_the_last_process_of_a_run_was_gone_is_of_another_run() {
    let root = tempfile::tempdir().unwrap();
    let options = options(&root.path().join("out"));
    let name = |directory: RunDirectory| directory.path.file_name().unwrap().to_owned();
    let open = |options: &Options, started| open(options, &Identity { started, ..identity(1) }).unwrap();
    let (before, after) = (SystemTime::UNIX_EPOCH, SystemTime::now() + Duration::from_secs(60));
    let member = open(&options, Some(before));
    assert_eq!(name(open(&options, Some(after))), "out", "the run goes on");
    drop(member);
    assert_eq!(name(open(&options, Some(before))), "out", "it had started when the run was going on");
    assert_eq!(name(open(&options, None)), "out");
    assert_eq!(name(open(&options, Some(after))), "out-2");
    let named = Options { run_id: Some("mine".into()), ..options };
    let first = name(open(&named, Some(before)));
    assert_eq!(name(open(&named, Some(after))), first, "the run was named by somebody");
}

#[test]
fn a_directory_with_somebodys_files_is_left_alone() {
    let root = tempfile::tempdir().unwrap();
    let taken = root.path().join("out");
    fs::create_dir(&taken).unwrap();
    fs::write(taken.join("report.md"), "mine").unwrap();
    assert_eq!(open(&options(&taken), &identity(1)).unwrap().path.file_name().unwrap(), "out-2");
    assert_eq!(fs::read_dir(&taken).unwrap().count(), 1);
}

#[test]
fn links_are_not_followed() {
    let root = tempfile::tempdir().unwrap();
    let target = root.path().join("target");
    std::os::unix::fs::symlink(&target, root.path().join("link")).unwrap();
    assert_eq!(create(&root.path().join("link")).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    assert!(!target.exists());
    replace(&root.path().join("link"), b"x").unwrap();
    assert!(!target.exists(), "the link was replaced, not written through");
}

#[test]
fn a_directory_that_everybody_may_write_to_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let root = tempfile::tempdir().unwrap();
    let open_to_all = root.path().join("out");
    fs::create_dir(&open_to_all).unwrap();
    fs::set_permissions(&open_to_all, fs::Permissions::from_mode(0o777)).unwrap();
    let error = open(&options(&open_to_all), &identity(1)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    fs::set_permissions(&open_to_all, fs::Permissions::from_mode(0o1777)).unwrap();
    assert!(open(&options(&open_to_all), &identity(1)).is_ok(), "sticky and ours");
}

#[test]
fn the_lock_is_given_back_though_a_copy_of_the_file_is_open() {
    let root = tempfile::tempdir().unwrap();
    let lock = lock(root.path()).unwrap();
    // As a forked child would have it.
    let copy = lock.0.try_clone().unwrap();
    assert!(File::open(root.path()).unwrap().try_lock().is_err());
    drop(lock);
    assert!(File::open(root.path()).unwrap().try_lock().is_ok());
    drop(copy);
}
