// hold_database FILE exclusive|read SECONDS: keeps a transaction open, as a careless person's shell does.
// Prints "held" once it has it.
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int count, char **arguments) {
    if (count != 4) return 64;
    sqlite3 *db;
    const char *sql = !strcmp(arguments[2], "exclusive")
        ? "PRAGMA wal_autocheckpoint = 0; BEGIN EXCLUSIVE"
        : "BEGIN; SELECT count(*) FROM jobs";
    if (sqlite3_open(arguments[1], &db)) return 1;
    sqlite3_busy_timeout(db, 20000);
    if (sqlite3_exec(db, sql, 0, 0, 0)) {
        fprintf(stderr, "%s: %s\n", arguments[1], sqlite3_errmsg(db));
        return 1;
    }
    printf("held\n");
    fflush(stdout);
    usleep((useconds_t)(atof(arguments[3]) * 1e6));
    // Without a close, which would checkpoint.
    _exit(0);
}
