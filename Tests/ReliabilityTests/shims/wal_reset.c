// The WAL-reset fault of SQLite up to 3.51.2, on whatever libsqlite3 is linked, and the guard against it.
//
// wal_reset FOLDER guarded|passive CHECKPOINTS
//
// Three writer processes count: each adds one to a row of its own, in a transaction that also changes other
// pages, and remembers what was committed. One process checkpoints, PASSIVE, with two connections in turn;
// "guarded" does so only while a third connection holds BEGIN IMMEDIATE. At the end the counts in the
// database must be those that were committed.
//
// The fault needs a writer to restart the log between two steps of a checkpoint: reading the log's header
// and reading how far the log was copied. No system call lies between them, except one: a checkpointer that
// has the database mapped unmaps it there when the header has changed. So the second connection maps it
// (mmap_size) and this program's own munmap waits. Built with -DHOOK nothing is mapped, and the library, built
// with a call in that place, calls `zipvl_wal_hook`.
//
// Prints "checkpoints N committed C found F integrity TEXT windows W"; ends with 0, whatever was found.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WRITERS = 3 };

struct shared {
    volatile long committed[WRITERS];
    volatile int ends;
};
static struct shared *shared;
static volatile int in_checkpoint;
static long windows;

static void wait_in_window(void) {
    if (!in_checkpoint) return;
    windows++;
    usleep(3000);
}

#ifdef HOOK
void zipvl_wal_hook(void) { wait_in_window(); }
#else
// Comes before libc's for all libraries of this program.
int munmap(void *address, size_t length) {
    if (in_checkpoint) wait_in_window();
    return (int)syscall(SYS_munmap, address, length);
}
#endif

static void fail(sqlite3 *db, const char *sql, int code) {
    fprintf(stderr, "wal_reset: %s: %d %s\n", sql, code, sqlite3_errmsg(db));
    _exit(2);
}

static void run(sqlite3 *db, const char *sql) {
    int code = sqlite3_exec(db, sql, 0, 0, 0);
    if (code) fail(db, sql, code);
}

static sqlite3 *connect_to(const char *path, const char *more) {
    sqlite3 *db;
    if (sqlite3_open(path, &db)) fail(db, path, 1);
    sqlite3_busy_timeout(db, 20000);
    // Syncs are left out: they would only make the windows rarer.
    run(db, "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = OFF");
    run(db, more);
    return db;
}

static void write_for_ever(const char *path, int number) {
    sqlite3 *db = connect_to(path, "");
    char sql[300];
    snprintf(sql, sizeof sql,
        "BEGIN IMMEDIATE; UPDATE counts SET n = n + 1 WHERE id = %d;"
        "UPDATE ballast SET b = randomblob(300) WHERE id = 1 + abs(random()) %% 200; COMMIT", number);
    while (!shared->ends) {
        int code = sqlite3_exec(db, sql, 0, 0, 0);
        if (!code) shared->committed[number]++;
        // Damage shows here first; what was committed is counted all the same.
        else if (code != SQLITE_CORRUPT) fail(db, sql, code);
        else break;
        usleep(300 + (unsigned)random() % 2000);
    }
    // Without a close, which would checkpoint: the fault's traces stay for the checkpoint that comes next.
    _exit(0);
}

static void checkpoint(sqlite3 *guard, sqlite3 *db, int guarded) {
    if (guarded) run(guard, "BEGIN IMMEDIATE");
    in_checkpoint = 1;
    int code = sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    in_checkpoint = 0;
    if (code && code != SQLITE_BUSY && code != SQLITE_CORRUPT) fail(db, "checkpoint", code);
    if (guarded) run(guard, "ROLLBACK");
}

static int keep_text(void *target, int count, char **values, char **names) {
    (void)names;
    char *text = target;
    if (count > 0 && values[0] && !*text) snprintf(text, 200, "%s", values[0]);
    return 0;
}

int main(int count, char **arguments) {
    if (count != 4) return 64;
    char path[4000];
    snprintf(path, sizeof path, "%s/counts.db", arguments[1]);
    int guarded = !strcmp(arguments[2], "guarded");
    long checkpoints = atol(arguments[3]), done = 0;

    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    sqlite3 *db = connect_to(path,
        "CREATE TABLE counts (id INTEGER PRIMARY KEY, n INTEGER);"
        "INSERT INTO counts VALUES (0, 0), (1, 0), (2, 0);"
        "CREATE TABLE ballast (id INTEGER PRIMARY KEY, b BLOB);"
        "WITH i(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < 200)"
        "INSERT INTO ballast SELECT n, randomblob(300) FROM i;"
        "CREATE INDEX ballast_b ON ballast(b);"
        // Never written again, so that it is read from the file and not from the log.
        "CREATE TABLE still (a); INSERT INTO still VALUES (zeroblob(9000)); PRAGMA wal_checkpoint(TRUNCATE)");
    sqlite3_close(db);

    pid_t writers[WRITERS];
    for (int number = 0; number < WRITERS; number++) {
        writers[number] = fork();
        if (!writers[number]) {
            srandom((unsigned)getpid());
            write_for_ever(path, number);
        }
    }
    sqlite3 *guard = connect_to(path, ""), *first = connect_to(path, "");
#ifdef HOOK
    sqlite3 *second = connect_to(path, "");
#else
    sqlite3 *second = connect_to(path, "PRAGMA mmap_size = 67108864");
#endif
    while (done < checkpoints) {
#ifndef HOOK
        run(second, "SELECT sum(length(a)) FROM still");
        usleep(1500);
#endif
        // The first copies the log, so that a writer may restart it while the second is in the window.
        checkpoint(guard, first, guarded);
        checkpoint(guard, second, guarded);
        done += 2;
    }
    shared->ends = 1;
    for (int number = 0; number < WRITERS; number++) waitpid(writers[number], NULL, 0);
    sqlite3_close(first);
    sqlite3_close(second);
    sqlite3_close(guard);

    db = connect_to(path, "");
    char integrity[200] = "", found[200] = "";
    if (sqlite3_exec(db, "PRAGMA integrity_check(1)", keep_text, integrity, 0)) strcpy(integrity, "corrupt");
    if (sqlite3_exec(db, "SELECT sum(n) FROM counts", keep_text, found, 0)) strcpy(found, "-1");
    long committed = 0;
    for (int number = 0; number < WRITERS; number++) committed += shared->committed[number];
    for (char *at = integrity; *at; at++) if (*at == ' ' || *at == '\n') *at = '_';
    printf("checkpoints %ld committed %ld found %s integrity %s windows %ld\n", done, committed, found, integrity, windows);
    return 0;
}
