#ifndef CBARELOOP_H
#define CBARELOOP_H

#include <stdint.h>

// The bound: what one swap costs at least, on the C interfaces of SQLite and libsodium alone.

typedef struct bare_loop bare_loop;

/// Opens a copy of a populated vault (its rows are overwritten with nonsense). NULL: it could not be opened.
bare_loop *bare_loop_open(const char *path);

/// Swaps random grants, `batch` of them in one transaction, for `seconds`. Returns swaps per second, or -1.
double bare_loop_run(bare_loop *loop, int batch, double seconds);

/// What went wrong last, in SQLite's words.
const char *bare_loop_error(bare_loop *loop);

void bare_loop_close(bare_loop *loop);

typedef struct bare_postgres bare_postgres;

/// Connects to a populated vault's database by libpq's words. Its rows are overwritten with nonsense. NULL: no memory, no
/// libpq.
bare_postgres *bare_postgres_open(const char *conninfo);

/// Swaps random grants, `batch` of them in one transaction of two turns, for `seconds`. Returns swaps per second, or -1.
double bare_postgres_run(bare_postgres *loop, int batch, double seconds);

/// What went wrong last, in libpq's words.
const char *bare_postgres_error(bare_postgres *loop);

void bare_postgres_close(bare_postgres *loop);

/// 4 KiB appends to a file at `path`, each followed by fdatasync, per second for `seconds`; -1 when it fails.
double bare_sync_rate(const char *path, double seconds);

#endif
