//! Loss of power: what was not synced is gone, for store and index.
//!
//! A preloaded library keeps a shadow folder: what a disk would hold. The content of a file gets there when the file is
//! synced, its name (a new file, a rename, a deletion) only when its folder is; a name whose file never was synced is an
//! empty file. After a kill the shadow takes the place of the data folder. Folders themselves are taken as durable.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::load::{check, doctor, write_until};
use crate::support::{Database, TestApp, has_program, signal, skip};

const SHIM: &str = r#"
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef unsigned long long u64;
/* A name that is durable, and which file it names: inodes are used again, so the time of birth belongs to it. */
static struct name { char path[1024]; u64 inode, birth; } *names;
static int count, room;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int shadow_of(const char *path, char *out, size_t size) {
    const char *data = getenv("SHIM_DATA"), *shadow = getenv("SHIM_SHADOW");
    if (!data || !shadow || strncmp(path, data, strlen(data))) return 0;
    snprintf(out, size, "%s%s", shadow, path + strlen(data));
    return 1;
}

static int identify(int at, const char *path, int flags, u64 *inode, u64 *birth) {
    struct statx st;
    if (statx(at, path, flags, STATX_INO | STATX_BTIME | STATX_TYPE, &st) || !S_ISREG(st.stx_mode)) return 0;
    *inode = st.stx_ino;
    *birth = st.stx_btime.tv_sec * 1000000000ull + st.stx_btime.tv_nsec;
    return 1;
}

static struct name *find(const char *path) {
    for (int i = 0; i < count; i++) if (!strcmp(names[i].path, path)) return &names[i];
    return 0;
}

static void set(const char *path, u64 inode, u64 birth) {
    struct name *at = find(path);
    if (!at) {
        if (count == room) names = realloc(names, (room = room * 2 + 256) * sizeof *names);
        at = &names[count++];
        snprintf(at->path, sizeof at->path, "%s", path);
    }
    at->inode = inode;
    at->birth = birth;
}

static void content_of(u64 inode, u64 birth, char *out, size_t size) {
    snprintf(out, size, "%s.synced/%llu-%llu", getenv("SHIM_SHADOW"), inode, birth);
}

/* The name gets what was synced of its file, or nothing. */
static void install(const char *path, u64 inode, u64 birth) {
    char shadow[4096], content[4096], part[4128];
    if (!shadow_of(path, shadow, sizeof shadow)) return;
    content_of(inode, birth, content, sizeof content);
    for (char *at = strchr(shadow + 1, '/'); at; at = strchr(at + 1, '/')) { *at = 0; mkdir(shadow, 0700); *at = '/'; }
    snprintf(part, sizeof part, "%s.part", shadow);
    unlink(part);
    if (link(content, part)) close(open(part, O_WRONLY | O_CREAT | O_TRUNC, 0600));
    rename(part, shadow);
}

static void sync_folder(const char *path) {
    char shadow[4096], a[4096], b[4096];
    struct dirent *entry;
    struct stat st;
    u64 inode, birth;
    if (!shadow_of(path, shadow, sizeof shadow)) return;
    DIR *folder = opendir(shadow);
    while (folder && (entry = readdir(folder))) {
        snprintf(a, sizeof a, "%s/%s", path, entry->d_name);
        snprintf(b, sizeof b, "%s/%s", shadow, entry->d_name);
        if (lstat(b, &st) || !S_ISREG(st.st_mode) || !access(a, F_OK)) continue;
        unlink(b);
        struct name *gone = find(a);
        if (gone) *gone = names[--count];
    }
    if (folder) closedir(folder);
    folder = opendir(path);
    while (folder && (entry = readdir(folder))) {
        snprintf(a, sizeof a, "%s/%s", path, entry->d_name);
        if (!identify(AT_FDCWD, a, AT_SYMLINK_NOFOLLOW, &inode, &birth)) continue;
        struct name *known = find(a);
        if (known && known->inode == inode && known->birth == birth) continue;
        set(a, inode, birth);
        install(a, inode, birth);
    }
    if (folder) closedir(folder);
}

static void sync_file(int fd, const char *path) {
    char link[64], content[4096], part[4128], buffer[65536];
    u64 inode, birth;
    ssize_t n;
    if (!identify(fd, "", AT_EMPTY_PATH, &inode, &birth)) return;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    content_of(inode, birth, content, sizeof content);
    snprintf(part, sizeof part, "%s.part", content);
    int in = open(link, O_RDONLY), out = open(part, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    while (in >= 0 && out >= 0 && (n = read(in, buffer, sizeof buffer)) > 0) if (write(out, buffer, n) != n) abort();
    if (in < 0 || out < 0) abort();
    close(in);
    close(out);
    rename(part, content);
    struct name *known = find(path);
    if (known && known->inode == inode && known->birth == birth) install(path, inode, birth);
}

static void keep(int fd) {
    char link[64], path[4096], shadow[4096];
    struct stat st;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n <= 0) return;
    path[n] = 0;
    if (fstat(fd, &st) || !shadow_of(path, shadow, sizeof shadow)) return;
    pthread_mutex_lock(&lock);
    if (S_ISDIR(st.st_mode)) sync_folder(path); else if (S_ISREG(st.st_mode)) sync_file(fd, path);
    pthread_mutex_unlock(&lock);
}

/* At the start everything that is there is durable: the shadow is a copy. */
static void visit(const char *path) {
    char below[4096];
    struct dirent *entry;
    u64 inode, birth;
    DIR *folder = opendir(path);
    while (folder && (entry = readdir(folder))) {
        if (entry->d_name[0] == '.' && (!entry->d_name[1] || entry->d_name[1] == '.')) continue;
        snprintf(below, sizeof below, "%s/%s", path, entry->d_name);
        if (identify(AT_FDCWD, below, AT_SYMLINK_NOFOLLOW, &inode, &birth)) set(below, inode, birth); else visit(below);
    }
    if (folder) closedir(folder);
}

__attribute__((constructor)) static void start(void) {
    char synced[4096];
    if (!getenv("SHIM_DATA") || !getenv("SHIM_SHADOW")) return;
    snprintf(synced, sizeof synced, "%s.synced", getenv("SHIM_SHADOW"));
    mkdir(synced, 0700);
    visit(getenv("SHIM_DATA"));
}

int fsync(int fd) { int (*real)(int) = dlsym(RTLD_NEXT, "fsync"); int r = real(fd); if (!r) keep(fd); return r; }
int fdatasync(int fd) { int (*real)(int) = dlsym(RTLD_NEXT, "fdatasync"); int r = real(fd); if (!r) keep(fd); return r; }
"#;

/// Builds the library; `None` where there is no compiler.
fn shim(folder: &Path) -> Option<PathBuf> {
    if !has_program("cc") {
        skip("cc", "REQUIRE_TOOLS");
        return None;
    }
    let (source, library) = (folder.join("shim.c"), folder.join("shim.so"));
    std::fs::write(&source, SHIM).unwrap();
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .arg(&library)
        .arg(&source)
        .args(["-ldl", "-lpthread"])
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    Some(library)
}

#[test]
fn what_was_answered_survives_a_loss_of_power() {
    let keep = tempfile::tempdir().unwrap();
    let Some(library) = shim(keep.path()) else { return };
    let mut app = TestApp::start(Database::Sqlite);
    app.kill();
    std::fs::remove_dir_all(app.folder()).unwrap();
    std::fs::create_dir_all(app.folder()).unwrap();
    let data = app.folder().canonicalize().unwrap();
    let mut answered = Vec::new();
    for round in 0..4 {
        let shadow = keep.path().join(format!("shadow{round}"));
        copy(&data, &shadow);
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let variables = [("LD_PRELOAD", text(&library)), ("SHIM_DATA", text(&data)), ("SHIM_SHADOW", text(&shadow))];
        let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        app.restart_with(&[], &variables);
        let pid = app.pid().to_string();
        let kill = || signal("KILL", &pid);
        let written = write_until(&app, round, Duration::from_millis(900), kill);
        assert!(!written.is_empty());
        answered.extend(written);
        app.kill();
        std::fs::remove_dir_all(&data).unwrap();
        copy(&shadow, &data);
        doctor(&mut app);
        app.restart(&[]);
        check(&mut app.client(), &answered);
        // Every other round begins on an index that was closed in order, and may be opened without proof.
        if round % 2 == 0 {
            signal("TERM", &app.pid().to_string());
            assert!(app.ended().success());
        }
        app.kill();
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
