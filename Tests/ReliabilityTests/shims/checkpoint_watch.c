// Watches what a process does to a queue in WAL mode, for LD_PRELOAD. In that mode only checkpoints write to
// the database file.
//
// ZIPVL_WATCH_DB    real path of the database
// ZIPVL_WATCH_LOG   gets the lines
//   write guarded     a write while this process holds <db>.maint.lock and the log's write lock
//   write alone       a write while this process has the database to itself (the last one closes it)
//   write unguarded   any other write to the database file
//   connection SYNCHRONOUS AUTOCHECKPOINT MMAP JOURNAL   settings of each connection to it, as it is closed
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static const char *database;
static int report = -1;
static ssize_t (*real_pwrite)(int, const void *, size_t, off64_t);

__attribute__((constructor)) static void set_up(void) {
    real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
    const char *path = getenv("ZIPVL_WATCH_LOG");
    database = getenv("ZIPVL_WATCH_DB");
    if (database && path) report = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
}

static void say(const char *line) {
    if (write(report, line, strlen(line)) < 0) abort();
}

// Whether this process holds a write lock on these bytes: another kind of lock is asked for, with which
// also those of this process are in conflict.
static int holds(int fd, off_t start, off_t length) {
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
    return fd >= 0 && !fcntl(fd, F_OFD_GETLK, &lock) && lock.l_type == F_WRLCK && lock.l_pid == getpid();
}

static int is_guarded(void) {
    // Never closed: that would drop the locks that this process has on the file.
    static int index = -1;
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s-shm", database);
    if (index < 0) index = open(path, O_RDONLY | O_CLOEXEC);
    enum { WRITE_LOCK = 120 };
    if (!holds(index, WRITE_LOCK, 1)) return 0;
    // A lock of flock(2) belongs to an open file, so another one of this process is refused it.
    snprintf(path, sizeof path, "%s.maint.lock", database);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    int is_held = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK;
    if (fd >= 0) close(fd);
    return is_held;
}

ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = report < 0 ? -1 : readlink(link, path, sizeof path - 1);
    if (size > 0) {
        path[size] = 0;
        if (!strcmp(path, database)) {
            enum { SHARED = 0x40000002, SHARED_SIZE = 510 };
            say(is_guarded() ? "write guarded\n" : holds(fd, SHARED, SHARED_SIZE) ? "write alone\n" : "write unguarded\n");
        }
    }
    return real_pwrite(fd, data, length, offset);
}
ssize_t pwrite(int fd, const void *data, size_t length, off_t offset) { return pwrite64(fd, data, length, offset); }

static int keep(void *line, int count, char **values, char **names) {
    (void)names;
    if (count) strncat(strcat(line, " "), values[0] ? values[0] : "NULL", 40);
    return 0;
}

static void note_settings(void *db) {
    static int (*exec)(void *, const char *, int (*)(void *, int, char **, char **), void *, char **);
    static const char *(*file)(void *, const char *);
    if (!exec) exec = dlsym(RTLD_NEXT, "sqlite3_exec");
    if (!file) file = dlsym(RTLD_NEXT, "sqlite3_db_filename");
    const char *name = db && report >= 0 && exec && file ? file(db, "main") : NULL;
    if (!name || strcmp(name, database)) return;
    char line[300] = "connection";
    exec(db, "PRAGMA synchronous; PRAGMA wal_autocheckpoint; PRAGMA mmap_size; PRAGMA journal_mode", keep, line, NULL);
    say(strcat(line, "\n"));
}

int sqlite3_close(void *db) {
    static int (*real)(void *);
    if (!real) real = dlsym(RTLD_NEXT, "sqlite3_close");
    note_settings(db);
    return real(db);
}

int sqlite3_close_v2(void *db) {
    static int (*real)(void *);
    if (!real) real = dlsym(RTLD_NEXT, "sqlite3_close_v2");
    note_settings(db);
    return real(db);
}
