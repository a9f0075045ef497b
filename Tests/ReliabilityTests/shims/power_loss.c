// A disk that forgets, for LD_PRELOAD: everything that SQLite does to the queue's three files (database,
// write-ahead log, rollback journal) is written down in order in one log that all processes share. From the
// log a test makes the files as a power cut at any of its records may leave them.
//
// ZIPVL_POWER_DB      real path of the database; files of other names are left alone
// ZIPVL_POWER_LOG     the log, made by the test before the processes start
// ZIPVL_POWER_SYNC_US longest extra time of a sync in microseconds, drawn anew each time
// ZIPVL_POWER_SYNCHRONOUS=NORMAL takes a protection out: SQLite is told NORMAL wherever the program says FULL,
//                     and the program's own check is told that it is FULL
// Files whose names end with .acks are what the processes tell the outside world: how long they are at each
// moment is in the log, too.
//
// An operation and its record happen under an flock(2) on the log: whoever holds that lock can kill the
// processes at an instant when no operation is half done, which is what makes the log exact. Nothing is
// really synced: what the log says is the only disk there is.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { WRITE = 1, TRUNCATE, SYNC, UNLINK, FOLDER_SYNC, ACKNOWLEDGED };

// Little-endian; `length` bytes follow.
struct record {
    uint32_t magic;
    uint16_t operation;
    uint16_t file; // 0 database, 1 -wal, 2 -journal
    uint64_t inode;
    uint64_t offset; // of a write; size for TRUNCATE and ACKNOWLEDGED
    uint64_t length;
};

static const char *database, *folder;
static int logfile = -1;
static unsigned longest_sync;
static pthread_mutex_t threads = PTHREAD_MUTEX_INITIALIZER;

static ssize_t (*real_pwrite)(int, const void *, size_t, off64_t);
static int (*real_ftruncate)(int, off64_t), (*real_fsync)(int), (*real_fdatasync)(int);
static int (*real_unlink)(const char *);

__attribute__((constructor)) static void set_up(void) {
    real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
    real_ftruncate = dlsym(RTLD_NEXT, "ftruncate64");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    real_unlink = dlsym(RTLD_NEXT, "unlink");
    database = getenv("ZIPVL_POWER_DB");
    const char *path = getenv("ZIPVL_POWER_LOG"), *sync = getenv("ZIPVL_POWER_SYNC_US");
    if (!database || !path) return;
    longest_sync = sync ? (unsigned)atoi(sync) : 0;
    char *copy = strdup(database), *slash = copy ? strrchr(copy, '/') : NULL;
    if (slash) *slash = 0;
    folder = copy;
    logfile = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (logfile < 0) {
        fprintf(stderr, "power_loss: %s: %s\n", path, strerror(errno));
        abort();
    }
}

// Which of the three files a path is, or -1.
static int file_of(const char *path) {
    size_t length = strlen(database);
    if (strncmp(path, database, length)) return -1;
    const char *rest = path + length;
    return !*rest ? 0 : !strcmp(rest, "-wal") ? 1 : !strcmp(rest, "-journal") ? 2 : -1;
}

static int path_of(int fd, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return 1;
}

static int file_of_descriptor(int fd) {
    char path[PATH_MAX];
    return logfile >= 0 && path_of(fd, path) ? file_of(path) : -1;
}

static void enter(void) {
    pthread_mutex_lock(&threads);
    while (flock(logfile, LOCK_EX) && errno == EINTR) {}
}

static void leave(void) {
    flock(logfile, LOCK_UN);
    pthread_mutex_unlock(&threads);
}

static void note(int operation, int file, int fd, uint64_t offset, const void *data, size_t length) {
    struct stat status = {0};
    if (fd >= 0) fstat(fd, &status);
    struct record record = {0x31465750, (uint16_t)operation, (uint16_t)file, status.st_ino, offset, length};
    struct iovec parts[2] = {{&record, sizeof record}, {(void *)data, length}};
    if (writev(logfile, parts, length ? 2 : 1) != (ssize_t)(sizeof record + length)) {
        // A log with a hole would acquit where it must not.
        fprintf(stderr, "power_loss: the log cannot be written: %s\n", strerror(errno));
        abort();
    }
}

ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset) {
    int file = file_of_descriptor(fd);
    if (file < 0) return real_pwrite(fd, data, length, offset);
    enter();
    ssize_t done = real_pwrite(fd, data, length, offset);
    if (done > 0) note(WRITE, file, fd, (uint64_t)offset, data, (size_t)done);
    leave();
    return done;
}
ssize_t pwrite(int fd, const void *data, size_t length, off_t offset) {
    return pwrite64(fd, data, length, offset);
}

ssize_t write(int fd, const void *data, size_t length) {
    static ssize_t (*real)(int, const void *, size_t);
    if (!real) real = dlsym(RTLD_NEXT, "write");
    char path[PATH_MAX];
    if (fd < 3 || fd == logfile || logfile < 0 || !path_of(fd, path)) return real(fd, data, length);
    if (file_of(path) >= 0) {
        fprintf(stderr, "power_loss: write(2) to %s, which the log cannot say\n", path);
        abort();
    }
    size_t end = strlen(path);
    if (end < 6 || strcmp(path + end - 5, ".acks")) return real(fd, data, length);
    enter();
    ssize_t done = real(fd, data, length);
    struct stat status = {0};
    fstat(fd, &status);
    const char *name = strrchr(path, '/') + 1;
    note(ACKNOWLEDGED, 0, -1, (uint64_t)status.st_size, name, strlen(name));
    leave();
    return done;
}

int ftruncate64(int fd, off64_t size) {
    int file = file_of_descriptor(fd);
    if (file < 0) return real_ftruncate(fd, size);
    enter();
    int result = real_ftruncate(fd, size);
    if (!result) note(TRUNCATE, file, fd, (uint64_t)size, NULL, 0);
    leave();
    return result;
}
int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

static int synced(int fd, int (*real)(int)) {
    char path[PATH_MAX];
    if (logfile < 0 || !path_of(fd, path)) return real(fd);
    int file = file_of(path);
    int is_folder = folder && !strcmp(path, folder);
    if (file < 0 && !is_folder) return real(fd);
    if (longest_sync && file >= 0) usleep((unsigned)random() % longest_sync);
    enter();
    note(is_folder ? FOLDER_SYNC : SYNC, is_folder ? 0 : file, fd, 0, NULL, 0);
    leave();
    return 0;
}
int fsync(int fd) { return synced(fd, real_fsync); }
int fdatasync(int fd) { return synced(fd, real_fdatasync); }

int unlink(const char *path) {
    char real[PATH_MAX];
    int file = logfile >= 0 && realpath(path, real) ? file_of(real) : -1;
    if (file < 0) return real_unlink(path);
    enter();
    struct stat status = {0};
    int fd = -1;
    if (!stat(real, &status)) fd = open(real, O_PATH | O_CLOEXEC);
    int result = real_unlink(path);
    if (!result) note(UNLINK, file, fd, 0, NULL, 0);
    if (fd >= 0) close(fd);
    leave();
    return result;
}

int rename(const char *from, const char *to) {
    static int (*real)(const char *, const char *);
    if (!real) real = dlsym(RTLD_NEXT, "rename");
    char path[PATH_MAX];
    if (logfile >= 0 && ((realpath(from, path) && file_of(path) >= 0) || (realpath(to, path) && file_of(path) >= 0))) {
        fprintf(stderr, "power_loss: %s is renamed to %s, which the log cannot say\n", from, to);
        abort();
    }
    return real(from, to);
}

// The protection that is taken out.

static int is_weakened(void) {
    const char *mode = getenv("ZIPVL_POWER_SYNCHRONOUS");
    return mode && !strcmp(mode, "NORMAL");
}

typedef int prepare(void *, const char *, int, unsigned, void **, const char **);

int sqlite3_prepare_v3(void *db, const char *sql, int size, unsigned flags, void **statement, const char **tail) {
    static prepare *real;
    if (!real) real = (prepare *)dlsym(RTLD_NEXT, "sqlite3_prepare_v3");
    const char *start = sql + strspn(sql, " \t\r\n"), *pragma = "PRAGMA synchronous";
    if (!is_weakened() || strncmp(start, pragma, strlen(pragma))) {
        return real(db, sql, size, flags, statement, tail);
    }
    const char *end = start + strcspn(start, ";");
    int isSet = memchr(start, '=', (size_t)(end - start)) != NULL;
    int result = real(db, isSet ? "PRAGMA synchronous = NORMAL" : "SELECT 2 AS synchronous", -1, flags, statement, NULL);
    if (tail) *tail = *end ? end + 1 : end;
    return result;
}
