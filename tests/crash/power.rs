//! Loss of power: what was not synced is gone, for store and index.
//!
//! A preloaded library copies a file below the data folder to a shadow folder whenever it is synced, and renames there
//! what is renamed; what was deleted goes when its folder is synced. After a kill, the shadow takes the place of the data folder: it holds each file as of its last sync, and
//! no file that never was synced.

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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int shadow_of(const char *path, char *out, size_t size) {
    const char *data = getenv("SHIM_DATA"), *shadow = getenv("SHIM_SHADOW");
    if (!data || !shadow || path[0] != '/' || strncmp(path, data, strlen(data))) return 0;
    snprintf(out, size, "%s%s", shadow, path + strlen(data));
    return 1;
}

static void make_parents(char *path) {
    for (char *at = strchr(path + 1, '/'); at; at = strchr(at + 1, '/')) { *at = 0; mkdir(path, 0700); *at = '/'; }
}

/* A synced folder: what is gone there is gone for good. */
static void forget(const char *path, const char *shadow) {
    DIR *folder = opendir(shadow);
    struct dirent *entry;
    char a[4096], b[4096];
    while (folder && (entry = readdir(folder))) {
        snprintf(a, sizeof a, "%s/%s", path, entry->d_name);
        snprintf(b, sizeof b, "%s/%s", shadow, entry->d_name);
        if (access(a, F_OK)) unlink(b);
    }
    if (folder) closedir(folder);
}

static void keep(int fd) {
    char link[64], path[4096], shadow[4096], part[4128], buffer[65536];
    struct stat st;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n <= 0) return;
    path[n] = 0;
    if (fstat(fd, &st) || !shadow_of(path, shadow, sizeof shadow)) return;
    if (S_ISDIR(st.st_mode)) { pthread_mutex_lock(&lock); forget(path, shadow); pthread_mutex_unlock(&lock); }
    if (!S_ISREG(st.st_mode)) return;
    pthread_mutex_lock(&lock);
    make_parents(shadow);
    snprintf(part, sizeof part, "%s.part", shadow);
    int in = open(link, O_RDONLY), out = open(part, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    while (in >= 0 && out >= 0 && (n = read(in, buffer, sizeof buffer)) > 0) if (write(out, buffer, n) != n) abort();
    close(in); close(out);
    int (*real)(const char *, const char *) = dlsym(RTLD_NEXT, "rename");
    real(part, shadow);
    pthread_mutex_unlock(&lock);
}

int fsync(int fd) { int (*real)(int) = dlsym(RTLD_NEXT, "fsync"); int r = real(fd); if (!r) keep(fd); return r; }
int fdatasync(int fd) { int (*real)(int) = dlsym(RTLD_NEXT, "fdatasync"); int r = real(fd); if (!r) keep(fd); return r; }
int rename(const char *from, const char *to) {
    int (*real)(const char *, const char *) = dlsym(RTLD_NEXT, "rename");
    char a[4096], b[4096];
    int r = real(from, to);
    if (!r && shadow_of(from, a, sizeof a) && shadow_of(to, b, sizeof b)) {
        pthread_mutex_lock(&lock);
        make_parents(b);
        real(a, b);
        pthread_mutex_unlock(&lock);
    }
    return r;
}
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
        .arg("-ldl")
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
    for round in 0..3 {
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
