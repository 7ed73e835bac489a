#define _GNU_SOURCE
#include "cplatform.h"

#if defined(__linux__)

#include <crypt.h>
#include <stdlib.h>
#include <string.h>

int pg_password_matches(const char *password, const char *hash) {
    struct crypt_data *data = calloc(1, sizeof *data);
    if (!data)
        return 0;
    const char *made = crypt_rn(password, hash, data, sizeof *data);
    int difference = 1;
    const size_t length = strlen(hash);
    if (made && strlen(made) == length) {
        difference = 0;
        for (size_t i = 0; i < length; i++)
            difference |= made[i] ^ hash[i];
    }
    explicit_bzero(data, sizeof *data);
    free(data);
    return difference == 0;
}

int pg_password_hash(const char *password, int cost, char *target, size_t capacity) {
    struct crypt_data *data = calloc(1, sizeof *data);
    if (!data)
        return 0;
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];
    // Without bytes of ours the salt comes from the system.
    const char *made = NULL;
    if (crypt_gensalt_rn("$2b$", (unsigned long)cost, NULL, 0, setting, sizeof setting))
        made = crypt_rn(password, setting, data, sizeof *data);
    const size_t length = made ? strlen(made) : 0;
    const int fits = length > 0 && length < capacity;
    if (fits)
        memcpy(target, made, length + 1);
    explicit_bzero(data, sizeof *data);
    free(data);
    return fits ? (int)length : 0;
}

#else

int pg_password_matches(const char *password, const char *hash) {
    (void)password;
    (void)hash;
    return 0;
}

int pg_password_hash(const char *password, int cost, char *target, size_t capacity) {
    (void)password;
    (void)cost;
    (void)target;
    (void)capacity;
    return 0;
}

#endif
