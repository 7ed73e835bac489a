#include "portable.h"

#include "rows.h"
