// The kernels' whole interface. Listed here so that a build notices a new header.
#include "pg_attention.h"
#include "pg_cpu.h"
#include "pg_dequantize.h"
#include "pg_matmul.h"
#include "pg_pack.h"
#include "pg_pool.h"
#include "pg_rows.h"
#include "pg_vector.h"
