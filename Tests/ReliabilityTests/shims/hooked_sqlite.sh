#!/bin/sh
# hooked_sqlite.sh FOLDER: the distribution's own SQLite with the WAL-reset race made wide, as
# FOLDER/libsqlite3.so.0 for LD_LIBRARY_PATH. With ZIPVL_WAL_HOOK_US it waits so many microseconds between the
# reading of the log's header and the reading of how far the log was copied, and a random part of the double
# before each checkpoint, so that one checkpoint often follows another. Where nobody says otherwise it checkpoints
# after 20 pages and not 1,000: the race needs two checkpoints in a row. Needs apt's source packages (a mirror that
# has them), tclsh and a C compiler; says what is missing and ends with 77 where they cannot be had.
set -eu
missing() { echo "hooked_sqlite: $1" >&2; exit 77; }
command -v apt-get >/dev/null || missing "no apt-get"
command -v tclsh >/dev/null || missing "no tclsh (Debian: tcl)"
version=$(dpkg-query -W -f '${Version}' libsqlite3-0 2>/dev/null) || missing "libsqlite3-0 is not a package here"
mkdir -p "$1/lists/partial"
cd "$1"
# Source packages from where the binary ones come from.
mirror=$(apt-cache policy libsqlite3-0 | sed -n 's/.* \(https\{0,1\}:[^ ]*\) \([^ /]*\)\/main .*/\1 \2/p' | head -1)
[ -n "$mirror" ] || missing "apt does not say where libsqlite3-0 comes from"
echo "deb-src $mirror main" > sources.list
apt="-o Dir::Etc::sourcelist=$PWD/sources.list -o Dir::Etc::sourceparts=- -o Dir::State::lists=$PWD/lists"
# shellcheck disable=SC2086
apt-get $apt update >apt.log 2>&1 || missing "apt-get update: see $PWD/apt.log"
# shellcheck disable=SC2086
apt-get $apt source --download-only "sqlite3=$version" >>apt.log 2>&1 || missing "apt-get source: see $PWD/apt.log"
mkdir -p source build
tar xf sqlite3_*.orig.tar.* -C source --strip-components=1
# The hook: before a checkpoint looks at how much was copied already.
sed -i 's/^    if( pWal->hdr.mxFrame && walPagesize(pWal)!=nBuf ){/    { char *z = getenv("ZIPVL_WAL_HOOK_US"); if( z ) usleep((unsigned)atoi(z)); }\n&/' source/src/wal.c
# And before it begins.
sed -i 's/^  if( pWal->readOnly ) return SQLITE_READONLY;/  { char *z = getenv("ZIPVL_WAL_HOOK_US"); if( z \&\& atoi(z)>0 ) usleep((unsigned)random()%(2*atoi(z))); }\n&/' source/src/wal.c
grep -q ZIPVL_WAL_HOOK_US source/src/wal.c || missing "wal.c is not as expected"
cd build
../source/configure --disable-tcl --quiet >configure.log 2>&1 || missing "configure: see $PWD/configure.log"
make sqlite3.c >make.log 2>&1 || missing "make sqlite3.c: see $PWD/make.log"
${CC:-cc} -O1 -fPIC -shared -D_GNU_SOURCE -include unistd.h -include stdlib.h -Wl,-soname,libsqlite3.so.0 -o ../libsqlite3.so.0 sqlite3.c \
    -DSQLITE_THREADSAFE=1 -DSQLITE_DEFAULT_WAL_AUTOCHECKPOINT=20 -DSQLITE_ENABLE_COLUMN_METADATA -DSQLITE_ENABLE_FTS5 -DSQLITE_ENABLE_FTS3 -DSQLITE_ENABLE_RTREE \
    -DSQLITE_ENABLE_PREUPDATE_HOOK -DSQLITE_ENABLE_SESSION -DSQLITE_ENABLE_UNLOCK_NOTIFY -DSQLITE_ENABLE_DBSTAT_VTAB \
    -DSQLITE_ENABLE_LOAD_EXTENSION -DSQLITE_ENABLE_STMTVTAB -DSQLITE_MAX_VARIABLE_NUMBER=250000 -DSQLITE_USE_URI=1 \
    -DSQLITE_ENABLE_MATH_FUNCTIONS -DSQLITE_SOUNDEX -DSQLITE_ENABLE_FTS3_TOKENIZER -ldl -lpthread -lm
