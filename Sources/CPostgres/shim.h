#ifndef ZIPVL_CPOSTGRES_SHIM_H
#define ZIPVL_CPOSTGRES_SHIM_H

#include <libpq-fe.h>

#endif
