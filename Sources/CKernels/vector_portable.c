#include "portable.h"

#include "vector.h"
